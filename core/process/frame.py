"""The frame around a worker: claim, heartbeat, readings, stop requests, and every way to end.

A feature's worker module has `main(line)`, which calls `run(line, body)`. The body works; it ends by `Work.succeed`,
or by `Stopped` after it has saved what it needs to go on.
"""

import errno
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from typing import Any, NoReturn

from core import redaction
from core.errors import AppError, LostClaim, StoreError
from core.hardware.readings import EnergyMeter, read_gpus, read_host
from core.paths import Workspace
from core.process.runner import Assignment
from core.store import jobs
from core.store.connection import connect, transaction
from core.store.metrics import MetricWriter, read_last_step
from core.store.states import State

EXIT_DONE, EXIT_FAILED, EXIT_DISK_FULL, EXIT_STOPPED, EXIT_FENCED = 0, 1, 74, 75, 76
HEARTBEAT_S = 5.0
SAMPLE_S = 2.0
REQUEST_POLL_S = 0.2

log = logging.getLogger("atelier")


class Stopped(Exception):
    """The body has saved what it needs and leaves the device, because it was asked to or the disk is full."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Work:
    """What a worker's body gets: its job, its folder, its metrics, and word of stop requests."""

    def __init__(self, workspace: Workspace, db: sqlite3.Connection, job: jobs.Job, metrics: MetricWriter) -> None:
        self.workspace = workspace
        self.db = db
        self.job = job
        self.folder = workspace.job(job.id)
        self.metrics = metrics
        self.energy = EnergyMeter()
        self.began = time.monotonic()
        self.finished = False
        self._terminated = False
        self._last_poll = 0.0
        self._request: str | None = None

    def terminate(self) -> None:
        self._terminated = True

    def stop_request(self) -> str | None:
        """Return 'pause', 'preempt', 'cancel' or 'terminate' once one waits; asks five times a second at most.

        Raises:
            LostClaim: Another worker owns the job now.
        """
        if self._terminated:
            return "terminate"
        now = time.monotonic()
        if self._request is None and now - self._last_poll >= REQUEST_POLL_S:
            self._last_poll = now
            self._request = jobs.read_request(self.db, self.job.id, self.job.token)
        return self._request

    def report(
        self, phase: str, step: int, steps: int, rate: float = 0.0, seconds_left: float | None = None, note: str = ""
    ) -> None:
        self.metrics.report(phase, step, steps, rate, seconds_left, time.monotonic() - self.began, note)

    def succeed(self, result: dict[str, Any], write: Callable[[sqlite3.Connection], None] | None = None) -> None:
        """End well: what `write` stores and the state 'succeeded' are one transaction."""
        with transaction(self.db):
            if write is not None:
                write(self.db)
            current = jobs.get(self.db, self.job.id)
            if current.token != self.job.token:
                raise LostClaim("Another worker has claimed this job.")
            jobs.move_within(self.db, current, "succeeded", result=result)
        self.finished = True


def run(line: str, body: Callable[[Work], None]) -> int:
    """Work off one assignment and return the exit code. The only place that catches everything."""
    assignment = Assignment(**json.loads(line))
    redaction.install()
    logging.basicConfig(
        stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", force=True
    )
    workspace = Workspace(assignment.folder.root.parent.parent)
    with closing(connect(workspace.database, several_writers=True)) as db:
        try:
            job = jobs.get(db, assignment.job)
            if job.token != assignment.token or job.state not in ("starting", "cancelling"):
                raise LostClaim(f"Job #{job.number} has another claim by now.")
            if job.state == "cancelling":
                _end(db, assignment, "cancelled", "cancelled by you")
                return EXIT_STOPPED
            job = jobs.move(db, job, "running")
        except LostClaim as error:
            log.warning("%s", error)
            return EXIT_FENCED
        with closing(MetricWriter(assignment.folder.metrics, assignment.attempt)) as metrics:
            work = Work(workspace, db, job, metrics)
            signal.signal(signal.SIGTERM, lambda *_: work.terminate())
            done = threading.Event()
            attendant = threading.Thread(target=_attend, args=(work, done), daemon=True)
            attendant.start()
            try:
                return _guarded(work, body, assignment)
            finally:
                done.set()
                attendant.join(timeout=5)


def leave(code: int) -> NoReturn:
    """End the process at once: all is on the disk, and taking torch apart holds the device for seconds more."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _guarded(work: Work, body: Callable[[Work], None], assignment: Assignment) -> int:
    db = work.db
    try:
        body(work)
        if not work.finished:
            raise AppError(f"The worker of a {work.job.kind} job ended without a result.")
        return EXIT_DONE
    except Stopped as stop:
        return _leave(db, assignment, stop.why)
    except LostClaim as error:
        log.warning("%s Nothing more is written.", error)
        return EXIT_FENCED
    except AppError as error:
        log.error("%s", error)
        if isinstance(error, StoreError) and _is_disk_full(error.__cause__):
            return _leave(db, assignment, "disk full")
        _fail(db, assignment, str(error), traceback.format_exc())
        return EXIT_FAILED
    except Exception as error:
        log.exception("The worker failed.")
        if _is_disk_full(error):
            return _leave(db, assignment, "disk full")
        _fail(db, assignment, f"{type(error).__name__}: {error}", traceback.format_exc())
        return EXIT_FAILED


def _is_disk_full(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.OperationalError):
        return "full" in str(error)
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _leave(db: sqlite3.Connection, assignment: Assignment, why: str) -> int:
    """Bring the job to rest where a request or a full disk asked for it."""
    try:
        job = jobs.get(db, assignment.job)
        if job.token != assignment.token:
            return EXIT_FENCED
        if why == "disk full":
            if job.state == "running":
                jobs.move(db, job, "pausing", note="the disk is full")
            _end(
                db, assignment, "paused", "The disk is full. Free some space, then resume; the last checkpoint is kept."
            )
            return EXIT_DISK_FULL
        if why == "terminate":
            return EXIT_STOPPED  # nobody asked through Atelier: the supervisor queues the job again
        if job.state == "cancelling" or why == "cancel":
            if job.state in ("running", "pausing"):
                jobs.move(db, job, "cancelling", note="cancelled by you")
            _end(db, assignment, "cancelled", "cancelled by you")
        else:
            if job.state == "running":
                jobs.move(db, job, "pausing", note="asked to pause")
            _end(db, assignment, "paused", "preempted" if why == "preempt" else "paused by you")
    except (StoreError, sqlite3.OperationalError) as error:
        log.error("The end could not be written: %s", error)
        return EXIT_DISK_FULL if why == "disk full" else EXIT_STOPPED
    return EXIT_STOPPED


def _end(db: sqlite3.Connection, assignment: Assignment, state: State, note: str) -> None:
    jobs.move(db, jobs.get(db, assignment.job), state, note=note, request=None)


def _fail(db: sqlite3.Connection, assignment: Assignment, message: str, trace: str) -> None:
    job = jobs.get(db, assignment.job)
    if job.token == assignment.token and job.is_alive:
        state: State = "cancelled" if job.state == "cancelling" else "failed"
        jobs.move(
            db,
            job,
            state,
            note=redaction.redacted(message),
            error=redaction.redacted(message),
            traceback=redaction.redacted(trace),
        )


def _attend(work: Work, done: threading.Event) -> None:
    """Beat the heart and take readings until the body ends."""
    last = time.monotonic()
    last_beat = 0.0
    sample = int(_samples_so_far(work))
    while not done.is_set():
        now = time.monotonic()
        gpus, host = read_gpus(), read_host(work.workspace.root)
        work.energy.add(gpus, now - last)
        last = now
        try:
            if now - last_beat >= HEARTBEAT_S:
                work.metrics.beat()
                last_beat = now
            values = {"host/cpu_percent": host.cpu_percent, "host/memory_bytes": float(host.memory_used_bytes)}
            for gpu in gpus:
                readings = {
                    "utilization_percent": gpu.utilization_percent,
                    "temperature_celsius": gpu.temperature_celsius,
                    "power_watts": gpu.power_watts,
                    "memory_bytes": gpu.memory_used_bytes,
                }
                told = {name: float(value) for name, value in readings.items() if value is not None}
                values |= {f"gpu{gpu.index}/{name}": value for name, value in told.items()}
            work.metrics.log(sample, values)
        except sqlite3.Error:  # readings are not worth a job; the body notices a full disk itself
            log.debug("a reading was not stored")
        sample += int(SAMPLE_S)
        done.wait(SAMPLE_S)


def _samples_so_far(work: Work) -> float:
    last = read_last_step(work.folder.metrics, "host/cpu_percent")
    return last + SAMPLE_S if last is not None else 0.0
