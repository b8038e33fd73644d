"""Evaluations, their items, and verdicts: rows in and out."""

import json
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ulid import ULID

from core.errors import NotFound

_JSON = ("components", "metrics", "details")


@dataclass(frozen=True)
class EvaluationRow:
    """One model on one benchmark; scores are 0 to 1, `adapter` is empty for the base alone, `metrics` by name.

    `details` says how an endpoint was asked and what that cost; it is empty for models of this machine.
    """

    id: str
    job: str
    base: str
    base_fingerprint: str
    adapter: str
    benchmark: str
    benchmark_sha: str
    settings_sha: str
    items: int
    score: float
    low: float
    high: float
    components: dict[str, Any]
    seconds: float
    tokens: int
    created_at: float
    metrics: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ItemRow:
    item: str
    component: str
    answer: str
    score: float


@dataclass(frozen=True)
class VerdictRow:
    id: str
    job: str
    base_evaluation: str
    tuned_evaluation: str
    benchmark: str
    outcome: str
    content: dict[str, Any]
    created_at: float


def insert(db: sqlite3.Connection, row: EvaluationRow, items: Sequence[ItemRow]) -> None:
    """Store an evaluation with its items; the caller holds the transaction."""
    values = asdict(row) | {name: json.dumps(getattr(row, name)) for name in _JSON}
    columns = ", ".join(values)
    db.execute(f"INSERT INTO evaluations ({columns}) VALUES ({', '.join('?' * len(values))})", tuple(values.values()))
    db.executemany(
        "INSERT INTO evaluation_items (evaluation, item, component, answer, score) VALUES (?, ?, ?, ?, ?)",
        [(row.id, item.item, item.component, item.answer, item.score) for item in items],
    )


def insert_verdict(
    db: sqlite3.Connection,
    *,
    job: str,
    base_evaluation: str,
    tuned_evaluation: str,
    benchmark: str,
    content: dict[str, Any],
) -> None:
    db.execute(
        "INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(ULID()).lower(),
            job,
            base_evaluation,
            tuned_evaluation,
            benchmark,
            content["outcome"],
            json.dumps(content),
            time.time(),
        ),
    )


def _row(row: sqlite3.Row) -> EvaluationRow:
    values = dict(row)
    return EvaluationRow(**values | {name: json.loads(values[name]) for name in _JSON})


def get(db: sqlite3.Connection, text: str) -> EvaluationRow:
    """Return the evaluation with this id, or the only one whose id begins so."""
    wanted = text.strip().lower()
    rows = db.execute("SELECT * FROM evaluations WHERE substr(id, 1, ?) = ? LIMIT 2", (len(wanted), wanted)).fetchall()
    if len(rows) != 1 or not wanted:
        problem = "Several evaluations begin" if len(rows) > 1 and wanted else "There is no evaluation that begins"
        raise NotFound(f"{problem} with {text!r}. `atelier evaluate` prints the id of each.")
    return _row(rows[0])


def of_job(db: sqlite3.Connection, job: str) -> list[EvaluationRow]:
    return [_row(row) for row in db.execute("SELECT * FROM evaluations WHERE job = ? ORDER BY id", (job,))]


def find_reusable(
    db: sqlite3.Connection, *, base_fingerprint: str, adapter: str, benchmark_sha: str, settings_sha: str
) -> EvaluationRow | None:
    """Return an evaluation of exactly this model on exactly these items in exactly this way."""
    row = db.execute(
        "SELECT * FROM evaluations WHERE base_fingerprint = ? AND adapter = ? AND benchmark_sha = ? "
        "AND settings_sha = ? ORDER BY created_at DESC LIMIT 1",
        (base_fingerprint, adapter, benchmark_sha, settings_sha),
    ).fetchone()
    return _row(row) if row else None


def items(db: sqlite3.Connection, evaluation: str) -> list[ItemRow]:
    rows = db.execute(
        "SELECT item, component, answer, score FROM evaluation_items WHERE evaluation = ? ORDER BY item", (evaluation,)
    )
    return [ItemRow(*row) for row in rows]


def verdict_of_job(db: sqlite3.Connection, job: str) -> VerdictRow | None:
    row = db.execute("SELECT * FROM verdicts WHERE job = ? ORDER BY id DESC LIMIT 1", (job,)).fetchone()
    return VerdictRow(**dict(row) | {"content": json.loads(row["content"])}) if row else None


def best_by_benchmark(db: sqlite3.Connection) -> list[VerdictRow]:
    """Return for each benchmark the verdict 'better' with the highest tuned score."""
    rows = db.execute("""
        SELECT v.* FROM verdicts v JOIN evaluations e ON e.id = v.tuned_evaluation
        WHERE v.outcome = 'better' AND e.score = (
            SELECT max(e2.score) FROM verdicts v2 JOIN evaluations e2 ON e2.id = v2.tuned_evaluation
            WHERE v2.outcome = 'better' AND v2.benchmark = v.benchmark)
        GROUP BY v.benchmark ORDER BY v.benchmark""")
    return [VerdictRow(**dict(row) | {"content": json.loads(row["content"])}) for row in rows]
