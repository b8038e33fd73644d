"""The supervisor: one per workspace, detached, the only one that starts work.

It serves the queue by priority, then age; notices dead workers by their freed locks; queues their jobs again; ends
workers that do not stop when asked; and keeps one worker warm. All it knows is in the database and the locks, so a new
one takes over where a killed one stopped.
"""

import contextlib
import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from core import durable, redaction
from core.catalog import bases, endpoints
from core.errors import AppError, DamagedDatabase, LostClaim, StoreError
from core.hardware.readings import read_machine
from core.paths import PROJECT_DIR, Workspace
from core.process.frame import EXIT_DISK_FULL, EXIT_STOPPED
from core.process.kinds import HOST, runs_on_host, worker_module
from core.process.liveness import FileLock, ProcessIdentity, is_held
from core.process.queue import presence_lock, supervisor_lock
from core.process.runner import Assignment
from core.registry import reconcile
from core.store import backup, datasets, jobs, schema
from core.store.connection import connect, translated_errors
from core.store.jobs import Job
from core.store.metrics import read_progress
from core.store.states import ALIVE, PRIORITIES

TICK_S = 0.05
LOOK_S = 0.5  # locks and blocked jobs are looked at this often even when the database is still
START_GRACE_S = 4.0  # a claimed job whose lock nobody holds yet may still be starting
TERMINATE_AFTER_S = 30.0
KILL_AFTER_S = 40.0
MOST_LOSSES = 3
IDLE_EXIT_S = 20.0
BACKUP_EVERY_S = 3600.0

log = logging.getLogger("atelier.supervisor")


class Supervisor:
    """Runs until no app is open and nothing is left to do."""

    def __init__(self, workspace: Workspace, db: sqlite3.Connection, keep_warm: bool = True) -> None:
        self.workspace = workspace
        self.db = db
        self.devices = read_machine().devices
        self.keep_warm = keep_warm and hasattr(os, "fork")
        self.runners: dict[str, tuple[subprocess.Popen[bytes], str]] = {}  # by job, with the device
        self.warm: subprocess.Popen[bytes] | None = None
        self.first_seen: dict[tuple[str, str], float] = {}
        self.last_version = -1
        self.last_look = 0.0
        self.last_busy = time.monotonic()
        self.last_backup = time.monotonic()
        self.reconciled = False

    def serve(self) -> None:
        while True:
            try:
                with translated_errors(self.workspace.database):
                    self._reconcile_once()
                    self.tick()
                    if self._is_idle_for_good():
                        break
            except LostClaim:  # a worker or a person was faster; the next tick sees the new state
                self.last_look = 0.0
            except (StoreError, OSError) as error:  # busy, or no room: it may pass
                log.warning("%s", error)
                time.sleep(1)
            time.sleep(TICK_S)
        self._dismiss_warm()

    def _reconcile_once(self) -> None:
        if not self.reconciled:
            for finding in reconcile.reconcile(self.workspace, self.db):
                log.warning("%s", finding)
            self.reconciled = True

    def tick(self) -> None:
        """Look at what changed and act on it; cheap when nothing did."""
        now = time.monotonic()
        version = self.db.execute("PRAGMA data_version").fetchone()[0]
        if not self._reap() and version == self.last_version and now - self.last_look < LOOK_S:
            return
        self.last_version, self.last_look = version, now
        active = jobs.in_states(self.db, ALIVE)
        self.last_busy = now if active else self.last_busy
        for job in active:
            if self._is_dead(job, now):
                self._settle(job)
            else:
                self._press(job, now)
        for job in jobs.in_states(self.db, ("lost",)):
            self._requeue_or_fail(job)
        self._requeue_preempted()
        self._review_blocked()
        self._start_next()
        self._tend_warm()
        if now - self.last_backup > BACKUP_EVERY_S:
            self.last_backup = now
            backup.save(self.workspace)

    # Dead or alive

    def _reap(self) -> bool:
        """Forget the runners that have ended, and return whether there were any."""
        ended = [job_id for job_id, (runner, _) in self.runners.items() if runner.poll() is not None]
        for job_id in ended:
            del self.runners[job_id]
        if self.warm is not None and self.warm.poll() is not None:
            self.warm = None
        return bool(ended)

    def _is_dead(self, job: Job, now: float) -> bool:
        """Return whether nothing of the job's process tree is left: the lock is free, and it is not just starting."""
        if job.id in self.runners or is_held(self.workspace.job(job.id).lock):
            return False
        if self._read_exit(job) is not None:
            return True
        if job.state in ("starting", "cancelling") and read_attempt(self.workspace, job) < job.attempt:
            return now - self.first_seen.setdefault((job.id, job.token), now) > START_GRACE_S
        return True

    def _read_exit(self, job: Job) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads(self.workspace.job(job.id).exit_file(job.attempt).read_text())
        except (OSError, ValueError):
            return None
        return content

    def _settle(self, job: Job) -> None:
        """Give a job whose processes are gone the state that their end means."""
        job = jobs.get(self.db, job.id)
        if not job.is_alive:
            return
        end = self._read_exit(job) or {}
        code = end.get("code")
        log.info("job #%s attempt %s is dead in state %s, exit %s", job.number, job.attempt, job.state, code)
        if job.state == "cancelling":
            jobs.move(self.db, job, "cancelled", note="cancelled by you")
        elif code == EXIT_DISK_FULL:
            if job.state == "running":
                job = jobs.move(self.db, job, "pausing", note="the disk is full")
            if job.state == "pausing":
                jobs.move(
                    self.db,
                    job,
                    "paused",
                    request=None,
                    note="The disk is full. Free some space, then resume; the last checkpoint is kept.",
                )
            else:
                jobs.move(self.db, job, "lost", note="the disk is full")
        elif job.state == "pausing" and code == EXIT_STOPPED:
            jobs.move(
                self.db, job, "paused", note="preempted" if job.request == "preempt" else "paused by you", request=None
            )
        else:
            jobs.move(self.db, job, "lost", note=_describe_loss(end))

    def _requeue_or_fail(self, job: Job) -> None:
        """Queue a lost job again, at most three times without progress; a wish to pause goes on to the next worker."""
        try:
            progress = read_progress(self.workspace.job(job.id).metrics)
        except DamagedDatabase:
            progress = None
        milestones, step = (progress.milestones, progress.step) if progress else (0, 0)
        out_of_memory = "memory" in job.reason
        losses = 1 if milestones > job.lost_at else job.losses + 1
        if losses > MOST_LOSSES or (out_of_memory and losses > 1):
            advice = (
                "Choose a smaller batch or a smaller base."
                if out_of_memory
                else "The log of the job shows its last words."
            )
            message = f"The worker died {losses} times at step {step} without getting further ({job.reason}). {advice}"
            jobs.move(self.db, job, "failed", note=message, error=message, losses=losses)
            return
        jobs.move(
            self.db,
            job,
            "queued",
            note=f"{job.reason}; goes on from its last checkpoint",
            losses=losses,
            lost_at=milestones,
        )

    def _requeue_preempted(self) -> None:
        for job in jobs.in_states(self.db, ("paused",)):
            if job.reason == "preempted":
                jobs.move(self.db, job, "queued", note="made way for a job of higher priority", request=None)

    # Stopping

    def _press(self, job: Job, now: float) -> None:
        """End a worker that was asked to stop and does not: after 30 s politely, after 40 s for good."""
        if job.state == "running" and job.request == "pause":  # asked while it was starting
            jobs.move(self.db, job, "pausing", note="paused by you")
            return
        if job.state not in ("cancelling", "pausing"):
            return
        waited = now - self.first_seen.setdefault((job.id, f"{job.token} {job.state}"), now)
        if waited > KILL_AFTER_S:
            _signal_worker(self.workspace, job, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        elif waited > TERMINATE_AFTER_S:
            _signal_worker(self.workspace, job, signal.SIGTERM)

    # Starting

    def _review_blocked(self) -> None:
        for job in jobs.in_states(self.db, ("blocked",)):
            if find_obstacle(self.workspace, job) is None:
                jobs.move(self.db, job, "queued", note="what was missing is there")

    def _start_next(self) -> None:
        for job in jobs.in_states(self.db, ("queued",)):
            active = jobs.in_states(self.db, ALIVE)
            # A worker that has paused or ended still holds the device's memory until its process is gone.
            taken = {other.device for other in active} | {device for _, device in self.runners.values()}
            on_host = runs_on_host(job.kind, job.spec)
            fitting = (HOST,) if on_host else self.devices
            free = [device for device in fitting if device not in taken]
            if not free and (on_host or job.priority < PRIORITIES["high"]):
                continue
            obstacle = find_obstacle(self.workspace, job)
            if obstacle:
                jobs.move(self.db, job, "blocked", note=obstacle)
            elif free:
                self._launch(job, free[0])
            else:
                self._make_room(job, [other for other in active if other.device != HOST])

    def _make_room(self, job: Job, active: list[Job]) -> None:
        """Let a job of high priority in: the lowest running one saves its state and waits."""
        if any(other.request == "preempt" for other in active):
            return
        lower = [other for other in active if other.state == "running" and other.priority < job.priority]
        if lower:
            victim = min(lower, key=lambda other: (other.priority, -other.number))
            with contextlib.suppress(LostClaim):
                jobs.move(self.db, victim, "pausing", note=f"makes way for job #{job.number}", request="preempt")

    def _launch(self, job: Job, device: str) -> None:
        folder = self.workspace.job(job.id)
        folder.root.mkdir(parents=True, exist_ok=True)
        durable.sweep_staging(folder.root)
        for stale in (folder.exit_file(job.attempt + 1), folder.root / "worker.json"):
            stale.unlink(missing_ok=True)  # a restored database counts its attempts anew
        job = jobs.claim(self.db, job, device)
        module = worker_module(job.kind, job.spec)
        assignment = Assignment(str(self.workspace.root), job.id, job.attempt, job.token, module, device)
        if self.warm is not None and device != HOST:
            runner, self.warm = self.warm, None
        else:
            runner = _spawn_runner([])
        assert runner.stdin is not None
        try:
            runner.stdin.write(assignment.to_line())
            runner.stdin.close()
        except BrokenPipeError:  # the warm one had just died
            runner = _spawn_runner([])
            assert runner.stdin is not None
            runner.stdin.write(assignment.to_line())
            runner.stdin.close()
        self.runners[job.id] = runner, device
        log.info("job #%s attempt %s started on %s", job.number, job.attempt, device)

    # The warm worker

    def _tend_warm(self) -> None:
        if self.keep_warm and self.warm is None and not jobs.in_states(self.db, ALIVE):
            self.warm = _spawn_runner(["--warm", *(["--cpu"] if self.devices == ("cpu",) else [])])

    def _dismiss_warm(self) -> None:
        if self.warm is not None:
            assert self.warm.stdin is not None
            self.warm.stdin.close()
            self.warm.wait(timeout=10)

    def _is_idle_for_good(self) -> bool:
        now = time.monotonic()
        if is_held(presence_lock(self.workspace), even_shared=True):
            self.last_busy = now
        elif now - self.last_busy > IDLE_EXIT_S:
            if jobs.in_states(self.db, (*ALIVE, "queued", "lost")):
                self.last_busy = now
            else:
                return True
        return False


def find_obstacle(workspace: Workspace, job: Job) -> str | None:
    """Return in a sentence why a job can't start now, or None: its data, its base or a key are not there."""
    base = job.spec.get("base")
    if base is not None:
        try:
            if endpoints.name_in(str(base)) is None:
                bases.locate(str(base))
            else:
                endpoints.check(str(base), workspace)
        except AppError as error:
            return str(error)
    if job.dataset is not None:  # last: it reads the whole dataset
        damage = datasets.find_damage(workspace, job.dataset)
        if damage:
            return f"Its dataset {job.dataset[:12]} can't be used: {damage}. Put the folder back to unblock it."
    return None


def read_attempt(workspace: Workspace, job: Job) -> int:
    """Return the attempt whose worker was last seen to start."""
    try:
        return int(json.loads((workspace.job(job.id).root / "worker.json").read_text())["attempt"])
    except (OSError, ValueError, KeyError):
        return 0


def _signal_worker(workspace: Workspace, job: Job, number: int) -> None:
    """Signal the worker's whole group, if it is still the very process that the runner started."""
    try:
        content = json.loads((workspace.job(job.id).root / "worker.json").read_text())
        identity = ProcessIdentity(**content["identity"]) if content["attempt"] == job.attempt else None
    except (OSError, ValueError, KeyError, TypeError):
        return
    if identity is not None and identity.is_alive():
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(identity.pid, number)
            else:
                os.kill(identity.pid, number)


def _describe_loss(end: dict[str, Any]) -> str:
    code = end.get("code")
    if code is None:
        return "the worker vanished"
    if code == -9:
        return f"the worker was killed{_suspect_memory(end)}"
    if code < 0:
        return f"the worker died of signal {-code}"
    if code == EXIT_STOPPED:
        return "the worker was stopped from outside"
    return f"the worker ended with code {code}"


def _suspect_memory(end: dict[str, Any]) -> str:
    """Return a suspicion when a killed worker had grown near the machine's memory."""
    peak = end.get("peak_memory_bytes")
    return ", probably for lack of memory" if peak and peak > 0.8 * read_machine().memory_bytes else ""


def _spawn_runner(flags: list[str]) -> subprocess.Popen[bytes]:
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return subprocess.Popen(
        [sys.executable, "-m", "core.process.runner", *flags], cwd=PROJECT_DIR, stdin=subprocess.PIPE, **detached
    )


def main() -> int:
    redaction.install()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    workspace = Workspace(Path(sys.argv[1]))
    lock = FileLock(supervisor_lock(workspace))
    if not lock.acquire():
        return 0
    try:
        schema.prepare(workspace)
        damage = schema.find_damage(workspace.database)
        if damage:
            raise DamagedDatabase(
                f"The database is damaged ({damage}); nothing is started. Run `atelier doctor --restore`."
            )
        with closing(connect(workspace.database, several_writers=True)) as db:
            Supervisor(workspace, db, keep_warm=os.environ.get("ATELIER_WARM", "1") != "0").serve()
    except AppError as error:
        log.error("%s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
