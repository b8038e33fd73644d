"""Jobs: rows, claims, moves between states, and the trail of events that explains them."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ulid import ULID

from core.errors import JobStateError, LostClaim, NotFound
from core.store.connection import transaction
from core.store.states import ALIVE, ENDED, MOVES, PRIORITIES, State


@dataclass(frozen=True)
class Job:
    """One row of the jobs table; times are Unix seconds and for display only, `number` gives the order."""

    id: str
    number: int
    kind: str
    name: str
    state: State
    reason: str
    priority: int
    request: str | None
    spec: dict[str, Any]
    dataset: str | None
    attempt: int
    token: str
    losses: int
    lost_at: int
    device: str
    created_at: float
    started_at: float | None
    ended_at: float | None
    error: str
    traceback: str
    estimate: dict[str, Any]
    result: dict[str, Any]
    retry_of: str | None

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE

    @property
    def is_ended(self) -> bool:
        return self.state in ENDED

    @property
    def priority_name(self) -> str:
        return next(name for name, value in PRIORITIES.items() if value == self.priority)


@dataclass(frozen=True)
class Event:
    at: float
    before: str
    after: str
    note: str


_JSON = ("spec", "estimate", "result")


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    del values["form_token"]
    for key in _JSON:
        values[key] = json.loads(values[key])
    return Job(**values)


def create(
    db: sqlite3.Connection,
    *,
    kind: str,
    name: str,
    spec: dict[str, Any],
    priority: str = "normal",
    dataset: str | None = None,
    estimate: dict[str, Any] | None = None,
    retry_of: str | None = None,
    form_token: str | None = None,
) -> Job:
    """Queue a job. The same `form_token` twice gives the job of the first time: two tabs make one job."""
    with transaction(db):
        if form_token is not None:
            row = db.execute("SELECT * FROM jobs WHERE form_token = ?", (form_token,)).fetchone()
            if row is not None:
                return _job(row)
        job_id = str(ULID()).lower()
        number = db.execute("SELECT coalesce(max(number), 0) + 1 FROM jobs").fetchone()[0]
        now = time.time()
        db.execute(
            "INSERT INTO jobs (id, number, kind, name, state, priority, spec, dataset, created_at, estimate, retry_of, "
            "form_token) VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?)",
            (
                job_id,
                number,
                kind,
                name,
                PRIORITIES[priority],
                json.dumps(spec),
                dataset,
                now,
                json.dumps(estimate or {}),
                retry_of,
                form_token,
            ),
        )
        db.execute(
            "INSERT INTO job_events (job, at, before, after, note) VALUES (?, ?, '', 'queued', '')", (job_id, now)
        )
    return get(db, job_id)


def insert_succeeded(
    db: sqlite3.Connection, job_id: str, *, name: str, spec: dict[str, Any], result: dict[str, Any], ended_at: float
) -> None:
    """Store a training job of which only the result is left; the caller holds the transaction."""
    number = db.execute("SELECT coalesce(max(number), 0) + 1 FROM jobs").fetchone()[0]
    db.execute(
        "INSERT INTO jobs (id, number, kind, name, state, priority, spec, dataset, created_at, ended_at, result) "
        "VALUES (?, ?, 'train', ?, 'succeeded', ?, ?, ?, ?, ?, ?)",
        (
            job_id,
            number,
            name,
            PRIORITIES["normal"],
            json.dumps(spec),
            spec.get("dataset"),
            ended_at,
            ended_at,
            json.dumps(result),
        ),
    )
    db.execute(
        "INSERT INTO job_events (job, at, before, after, note) VALUES (?, ?, '', 'succeeded', ?)",
        (job_id, time.time(), "found again by its adapter's folder"),
    )


def get(db: sqlite3.Connection, job_id: str) -> Job:
    job = get_if_known(db, job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id!r}. `atelier jobs list` shows those that there are.")
    return job


def get_if_known(db: sqlite3.Connection, job_id: str) -> Job | None:
    row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return _job(row) if row else None


def find(db: sqlite3.Connection, text: str) -> Job:
    """Return the job with this number or id, or the only one whose id begins so."""
    wanted = text.strip().lower()
    if wanted.lstrip("#").isdecimal() and len(wanted) < 18:
        row = db.execute("SELECT * FROM jobs WHERE number = ?", (int(wanted.lstrip("#")),)).fetchone()
        if row is not None:
            return _job(row)
    rows = db.execute("SELECT * FROM jobs WHERE substr(id, 1, ?) = ? LIMIT 2", (len(wanted), wanted)).fetchall()
    if len(rows) == 1 and wanted:
        return _job(rows[0])
    if rows and wanted:
        raise NotFound(f"Several jobs begin with {text!r}. Give more of the id.")
    raise NotFound(f"There is no job {text!r}. `atelier jobs list` shows those that there are.")


def recent(db: sqlite3.Connection, limit: int = 200, kind: str | None = None) -> list[Job]:
    """Return the newest jobs first."""
    rows = db.execute("SELECT * FROM jobs WHERE ?1 IS NULL OR kind = ?1 ORDER BY number DESC LIMIT ?2", (kind, limit))
    return [_job(row) for row in rows]


def in_states(db: sqlite3.Connection, states: Sequence[State]) -> list[Job]:
    """Return jobs in these states in the order in which the queue serves them."""
    marks = ", ".join("?" * len(states))
    rows = db.execute(f"SELECT * FROM jobs WHERE state IN ({marks}) ORDER BY priority DESC, number", tuple(states))
    return [_job(row) for row in rows]


def count_by_state(db: sqlite3.Connection) -> dict[str, int]:
    return {row[0]: row[1] for row in db.execute("SELECT state, count(*) FROM jobs GROUP BY state")}


def events(db: sqlite3.Connection, job_id: str) -> list[Event]:
    rows = db.execute("SELECT at, before, after, note FROM job_events WHERE job = ? ORDER BY id", (job_id,))
    return [Event(*row) for row in rows]


def move(db: sqlite3.Connection, job: Job, after: State, *, note: str = "", **changes: Any) -> Job:
    """Move a job to another state, if it is still as `job` shows it: same state, same claim.

    Args:
        changes: Further columns to set in the same transaction; dicts become JSON.

    Raises:
        JobStateError: The move is not in the table of allowed moves.
        LostClaim: Somebody else moved the job meanwhile.
    """
    if after not in MOVES[job.state]:
        raise JobStateError(f"Job #{job.number} is {job.state}; it can't become {after}.")
    with transaction(db):
        _move(db, job, after, note, changes)
    return get(db, job.id)


def move_within(db: sqlite3.Connection, job: Job, after: State, *, note: str = "", **changes: Any) -> None:
    """Do what `move` does inside a transaction that the caller holds, so that results and state are one write."""
    _move(db, job, after, note, changes)


def _move(db: sqlite3.Connection, job: Job, after: State, note: str, changes: dict[str, Any]) -> None:
    now = time.time()
    if after in ENDED:
        changes = {"ended_at": now, "request": None} | changes
    values = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in changes.items()}
    assignments = "".join(f", {column} = ?" for column in values)
    reason = note if after in ("blocked", "paused", "lost", "failed", "queued") else ""
    done = db.execute(
        f"UPDATE jobs SET state = ?, reason = ?{assignments} WHERE id = ? AND state = ? AND token = ?",
        (after, reason, *values.values(), job.id, job.state, job.token),
    )
    if done.rowcount != 1:
        raise LostClaim(
            f"Job #{job.number} is no longer {job.state} under this claim; the move to {after} was refused."
        )
    db.execute(
        "INSERT INTO job_events (job, at, before, after, note) VALUES (?, ?, ?, ?, ?)",
        (job.id, now, job.state, after, note),
    )


def note(db: sqlite3.Connection, job_id: str, text: str) -> None:
    """Add a remark to a job's history, unless it is the last that was said; the state stays."""
    with transaction(db):
        db.execute(
            "INSERT INTO job_events (job, at, before, after, note) SELECT id, ?2, state, state, ?3 FROM jobs "
            "WHERE id = ?1 AND ?3 <> (SELECT note FROM job_events WHERE job = ?1 ORDER BY id DESC LIMIT 1)",
            (job_id, time.time(), text),
        )


def claim(db: sqlite3.Connection, job: Job, device: str) -> Job:
    """Take a queued job for a new attempt; the fresh token fences off every earlier worker.

    Who asked a worker to pause that then died still wants the job to rest, so that wish goes on to the next worker.
    """
    changes: dict[str, Any] = {
        "attempt": job.attempt + 1,
        "token": str(ULID()),
        "device": device,
        "request": "pause" if job.request == "pause" else None,
    }
    if job.started_at is None:
        changes["started_at"] = time.time()
    return move(db, job, "starting", note=f"attempt {job.attempt + 1} on {device}", **changes)


def set_request(db: sqlite3.Connection, job: Job, request: str | None) -> None:
    """Leave a wish for the worker: pause, preempt or cancel."""
    with transaction(db):
        db.execute("UPDATE jobs SET request = ? WHERE id = ? AND token = ?", (request, job.id, job.token))


def read_request(db: sqlite3.Connection, job_id: str, token: str) -> str | None:
    """Return the wish that waits for this worker.

    Raises:
        LostClaim: The job has a newer claim; this worker must stop without writing.
    """
    row = db.execute("SELECT request FROM jobs WHERE id = ? AND token = ?", (job_id, token)).fetchone()
    if row is None:
        raise LostClaim("Another worker has claimed this job.")
    request: str | None = row[0]
    return request


def set_priority(db: sqlite3.Connection, job: Job, priority: str) -> Job:
    with transaction(db):
        db.execute("UPDATE jobs SET priority = ? WHERE id = ?", (PRIORITIES[priority], job.id))
    return get(db, job.id)
