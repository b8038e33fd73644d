"""What a person can do with jobs: submit, pause, resume, cancel, retry, change the priority."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from core.errors import BadInput, JobStateError, StoreError
from core.paths import PROJECT_DIR, Workspace
from core.process.liveness import is_held
from core.store import jobs
from core.store.connection import opened, transaction
from core.store.jobs import Job
from core.store.states import ENDED, PRIORITIES

REFUSED_PAUSE_S = 10.0  # a damaged database, say, is not mended within a second
_started: dict[Path, tuple[subprocess.Popen[bytes], float]] = {}


def supervisor_lock(workspace: Workspace) -> Path:
    return workspace.root / "supervisor.lock"


def presence_lock(workspace: Workspace) -> Path:
    """Held, shared, by every open app; without it an idle supervisor goes home."""
    return workspace.root / "presence.lock"


def ensure_supervisor(workspace: Workspace) -> bool:
    """Start the supervisor, detached, unless one is at work or on its way; return whether one was started."""
    if is_held(supervisor_lock(workspace)) or _is_on_its_way(workspace):
        return False
    workspace.logs.mkdir(parents=True, exist_ok=True)
    with (workspace.logs / "supervisor.log").open("ab") as log:
        detached: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
        process = subprocess.Popen(
            [sys.executable, "-m", "core.process.supervisor", str(workspace.root)],
            cwd=PROJECT_DIR,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            **detached,
        )
    _started[workspace.root] = process, time.monotonic()
    return True


def _is_on_its_way(workspace: Workspace) -> bool:
    """Return whether the supervisor that this process started last is not ready yet, or has just refused to work."""
    if workspace.root not in _started:
        return False
    process, began = _started[workspace.root]
    code = process.poll()
    return code is None or (code > 0 and time.monotonic() - began < REFUSED_PAUSE_S)


def submit(
    workspace: Workspace,
    *,
    kind: str,
    name: str,
    spec: dict[str, Any],
    priority: str = "normal",
    dataset: str | None = None,
    estimate: dict[str, Any] | None = None,
    form_token: str | None = None,
) -> Job:
    """Queue a job and make sure that somebody takes it.

    Raises:
        BadInput: The priority is none of low, normal, high.
    """
    check_priority(priority)
    with opened(workspace) as db:
        job = jobs.create(
            db,
            kind=kind,
            name=name,
            spec=spec,
            priority=priority,
            dataset=dataset,
            estimate=estimate,
            form_token=form_token,
        )
    ensure_supervisor(workspace)
    return job


def check_priority(priority: str) -> None:
    if priority not in PRIORITIES:
        raise BadInput(f"The priority {priority!r} is unknown. Choose one of: {', '.join(PRIORITIES)}.")


def pause(db: sqlite3.Connection, job: Job) -> Job:
    """Ask a running job to save a checkpoint and leave the device; it can go on exactly where it was."""
    if job.state == "starting":
        jobs.set_request(db, job, "pause")
        return jobs.get(db, job.id)
    if job.state != "running":
        raise JobStateError(f"Job #{job.number} is {job.state}; only a running job can be paused.")
    return _ask(db, job, "pausing", "pause", "paused by you")


def cancel(db: sqlite3.Connection, job: Job) -> Job:
    """End a job for good: at once while it waits, after its current step while it runs."""
    if job.state in ENDED:
        raise JobStateError(f"Job #{job.number} has ended already: {job.state}.")
    if job.state == "cancelling":
        return job
    if job.is_alive:
        return _ask(db, job, "cancelling", "cancel", "cancelled by you")
    return jobs.move(db, job, "cancelled", note="cancelled by you")


def _ask(db: sqlite3.Connection, job: Job, state: Any, request: str, note: str) -> Job:
    with transaction(db):
        jobs.move_within(db, job, state, note=note, request=request)
    return jobs.get(db, job.id)


def resume(db: sqlite3.Connection, job: Job) -> Job:
    if job.state != "paused":
        raise JobStateError(f"Job #{job.number} is {job.state}; only a paused job can be resumed.")
    return jobs.move(db, job, "queued", note="resumed by you", request=None)


def set_priority(db: sqlite3.Connection, job: Job, priority: str) -> Job:
    """Change a job's place in the queue; one of high priority may make a lower one give up its device."""
    check_priority(priority)
    if job.state in ENDED:
        raise JobStateError(f"Job #{job.number} has ended already: {job.state}.")
    return jobs.set_priority(db, job, priority)


def retry(db: sqlite3.Connection, job: Job) -> Job:
    """Queue a new job with the same specification; the old one stays as it ended."""
    if job.state not in ENDED:
        raise JobStateError(f"Job #{job.number} is {job.state}; retry it when it has ended.")
    return jobs.create(
        db,
        kind=job.kind,
        name=job.name,
        spec=job.spec,
        priority=job.priority_name,
        dataset=job.dataset,
        estimate=job.estimate,
        retry_of=job.id,
    )


def wait(workspace: Workspace, job_id: str, poll_s: float = 0.1) -> Job:
    """Return the job once it has ended or can't go on by itself; keeps a supervisor at work meanwhile."""
    while True:
        with opened(workspace) as db:
            job = jobs.get(db, job_id)
        if job.state in ENDED or (job.state == "paused" and job.reason != "preempted"):
            return job
        if job.state == "blocked":
            raise StoreError(f"Job #{job.number} is blocked: {job.reason} It starts by itself once that is mended.")
        ensure_supervisor(workspace)
        time.sleep(poll_s)
