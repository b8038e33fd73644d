"""Short training jobs on the tiny base, their processes, and what tests look at in them."""

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from core.datasets import composition
from core.paths import Workspace
from core.process import queue
from core.process.liveness import ProcessIdentity
from core.store import evaluations, jobs
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_series
from core.store.states import ENDED, State
from core.training import configuration, submission
from tests.conftest import processes_of, wait_until

EXACT_METRICS = ("train/loss", "train/learning_rate", "train/grad_norm", "eval/loss")
WORKERS = ("core.training.worker", "core.evaluation.worker", "core.process.warm")
SUPERVISOR, RUNNER = "core.process.supervisor", "core.process.runner"

# All that an exact continuation must restore: random dropout, accumulated gradients, a schedule, several epochs.
EXACT_JOB: dict[str, Any] = {
    "max_steps": 120,
    "batch_size": 2,
    "accumulation_steps": 2,
    "dropout": 0.1,
    "save_every_steps": 10,
    "eval_every_steps": 20,
}


def write_rows(path: Path, count: int = 60) -> Path:
    """Write rows with three labels, learnable from one word."""
    words = ["card", "loan", "rate"]
    rows = [
        {"prompt": f"Question {index} about the {words[index % 3]} of branch {index * 7}", "response": words[index % 3]}
        for index in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def submit(
    workspace: Workspace,
    base: Path,
    *,
    name: str = "",
    priority: str = "normal",
    form_token: str | None = None,
    evaluate: bool = True,
    rows: Path | None = None,
    **fields: object,
) -> Job:
    """Queue a short job on the tiny base with an own file."""
    values = {
        "max_steps": 40,
        "epochs": 1000,
        "batch_size": 4,
        "accumulation_steps": 1,
        "learning_rate": 5e-3,
        "rank": 4,
        "alpha": 8,
        "save_every_steps": 10,
        "eval_every_steps": 10,
        "max_length": 64,
    } | fields
    config = configuration.resolve_preset("quick", None, **values)
    data = rows or write_rows(workspace.root.parent / "own.jsonl")
    chosen = composition.of_file(data)
    return submission.submit(
        workspace,
        base=str(base),
        config=config,
        chosen=chosen,
        name=name,
        priority=priority,
        evaluate=evaluate,
        form_token=form_token,
    )


def read(workspace: Workspace, job: Job) -> Job:
    with opened(workspace) as db:
        return jobs.get(db, job.id)


def wait_for_state(workspace: Workspace, job: Job, *states: State, timeout_s: float = 300.0) -> Job:
    def reached() -> bool:
        return _unless_ended(workspace, job, states).state in states

    wait_until(reached, timeout_s, f"state {' or '.join(states)} of job #{job.number}")
    return read(workspace, job)


def _unless_ended(workspace: Workspace, job: Job, states: tuple[State, ...] = ()) -> Job:
    """Return the job as it is; one that has ended otherwise than was waited for fails the test at once."""
    now = read(workspace, job)
    assert not now.is_ended or now.state in states, f"job #{job.number} is {now.state}: {now.error}\n{now.traceback}"
    return now


def wait_for_end(workspace: Workspace, job: Job, timeout_s: float = 300.0) -> Job:
    return wait_for_state(workspace, job, *ENDED, timeout_s=timeout_s)


def wait_for_step(workspace: Workspace, job: Job, step: int, timeout_s: float = 300.0) -> None:
    def reached() -> bool:
        loss = read_series(workspace.job(job.id).metrics).get("train/loss")
        _unless_ended(workspace, job, ("succeeded",))
        return loss is not None and loss.steps.size > 0 and int(loss.steps[-1]) >= step

    wait_until(reached, timeout_s, f"step {step} of job #{job.number}")


def weights_hash(workspace: Workspace, job: Job) -> str:
    return hashlib.sha256((workspace.adapters / job.id / "adapter_model.safetensors").read_bytes()).hexdigest()


def exact_rows(workspace: Workspace, job: Job) -> dict[str, list[tuple[int, float]]]:
    """Return the metric rows that must be the same however often the job was interrupted."""
    series = read_series(workspace.job(job.id).metrics)
    return {
        name: [(int(step), float(value)) for step, value in zip(series[name].steps, series[name].values, strict=True)]
        for name in EXACT_METRICS
        if name in series
    }


@dataclass(frozen=True)
class Outcome:
    """What a job leaves that must be the same to the last bit however often it was interrupted."""

    weights: str
    rows: dict[str, list[tuple[int, float]]]
    answers: list[tuple[str, str, float]]


def outcome(workspace: Workspace, job: Job) -> Outcome:
    with opened(workspace) as db:
        tuned = [row for row in evaluations.of_job(db, job.id) if row.adapter]
        answers = [(one.item, one.answer, one.score) for row in tuned for one in evaluations.items(db, row.id)]
    return Outcome(weights_hash(workspace, job), exact_rows(workspace, job), answers)


def end_of(workspace: Workspace, job: Job) -> Outcome:
    """Wait for the good end of a job and return what it leaves."""
    ended = wait_for_end(workspace, job)
    assert ended.state == "succeeded", ended.error or ended.reason
    return outcome(workspace, job)


def holders(workspace: Workspace, job: Job, *kinds: str) -> list[psutil.Process]:
    """Return the live processes that hold a job's lock: its runner and its worker, or only those of some kinds."""
    lock = str(workspace.job(job.id).lock)
    found = []
    for process in processes_of(workspace):
        line = " ".join(process.info["cmdline"])
        if _has_open(process, lock) and (not kinds or any(kind in line for kind in kinds)):
            found.append(process)
    return found


def _has_open(process: psutil.Process, path: str) -> bool:
    try:
        return any(file.path == path for file in process.open_files())
    except psutil.Error:  # it has just ended
        return False


def only(found: list[psutil.Process]) -> psutil.Process:
    assert len(found) == 1, found
    return found[0]


def worker_of(workspace: Workspace, job: Job) -> psutil.Process:
    return only(holders(workspace, job, *WORKERS))


def supervisor_of(workspace: Workspace) -> psutil.Process:
    """Return the leader: the one supervisor that holds the workspace's lock."""
    lock = str(queue.supervisor_lock(workspace))
    return only(
        [one for one in processes_of(workspace, SUPERVISOR) if lock in [file.path for file in one.open_files()]]
    )


def wait_for_no_process(workspace: Workspace, *kinds: str, timeout_s: float = 10.0) -> None:
    """Wait until no process of the workspace is left, or none of these kinds."""

    def left() -> list[psutil.Process]:
        return [process for kind in kinds or ("",) for process in processes_of(workspace, kind)]

    limit = time.monotonic() + timeout_s
    while left() and time.monotonic() < limit:
        time.sleep(0.05)
    assert [(one.pid, one.ppid(), one.status(), one.cmdline()) for one in left()] == []


def count_workers(workspace: Workspace, job: Job) -> int:
    """Return how many workers of a job are alive at the same moment."""
    found = holders(workspace, job, *WORKERS)
    if len(found) < 2:
        return len(found)
    # Looking takes a while: one may have died and the next begun meanwhile. All were seen before this second look.
    return sum(ProcessIdentity.of(one.pid) is not None for one in found)


class WorkerCount:
    """The most workers that were seen alive for one job at the same time."""

    def __init__(self) -> None:
        self.most = 0


@contextmanager
def watched_workers(workspace: Workspace, job: Job) -> Iterator[WorkerCount]:
    """Count the workers of a job all the time that the block takes."""
    count, done = WorkerCount(), threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            count.most = max(count.most, count_workers(workspace, job))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield count
    finally:
        done.set()
        watcher.join()


def states_of(workspace: Workspace, job: Job) -> list[str]:
    """Return every state that the job has been in, in order."""
    with opened(workspace) as db:
        return [event.after for event in jobs.events(db, job.id)]


def notes_of(workspace: Workspace, job: Job) -> list[str]:
    with opened(workspace) as db:
        return [event.note for event in jobs.events(db, job.id)]


def finite(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all())
