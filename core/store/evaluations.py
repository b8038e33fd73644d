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
class Standing:
    """A line of a table: an evaluation without its parts, with the name of its model and the job that made it."""

    id: str
    job: str
    job_number: int
    job_kind: str
    base: str
    base_fingerprint: str
    adapter: str
    adapter_name: str
    benchmark: str
    benchmark_sha: str
    settings_sha: str
    items: int
    score: float
    low: float
    high: float
    seconds: float
    tokens: int
    created_at: float
    cost: float | None = None
    currency: str = ""
    is_written: bool = False  # an endpoint's, and without choice items: the same task as for models of this machine

    @property
    def model(self) -> tuple[str, str]:
        """What makes it the same model: the base's weights, and the adapter."""
        return self.base_fingerprint, self.adapter


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


@dataclass(frozen=True)
class Spent:
    """The tokens that an earlier test of an endpoint took, as its server counted them."""

    benchmark_sha: str
    items: int
    input_tokens: int
    output_tokens: int


def spent_by(db: sqlite3.Connection, base: str) -> list[Spent]:
    """Return what the tests of an endpoint took, the newest first; those that its server did not count are left out."""
    rows = db.execute(
        "SELECT benchmark_sha, items, json_extract(details, '$.input_tokens') AS input_tokens, "
        "json_extract(details, '$.output_tokens') AS output_tokens FROM evaluations "
        "WHERE base = ? AND adapter = '' ORDER BY id DESC",
        (base,),
    )
    return [Spent(*row) for row in rows if row["input_tokens"] is not None and row["output_tokens"] is not None]


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


_STANDING = """
    SELECT e.id, e.job, j.number, j.kind, e.base, e.base_fingerprint, e.adapter, coalesce(a.name, ''), e.benchmark,
        e.benchmark_sha, e.settings_sha, e.items, e.score, e.low, e.high, e.seconds, e.tokens, e.created_at,
        json_extract(e.details, '$.cost'), coalesce(json_extract(e.details, '$.currency'), ''),
        coalesce(json_extract(e.details, '$.settings.choices') = 'none', 0)
    FROM evaluations e JOIN jobs j ON j.id = e.job LEFT JOIN adapters a ON a.id = e.adapter"""


def standings(db: sqlite3.Connection, benchmark_sha: str | None = None) -> list[Standing]:
    """Return of each model on each benchmark the newest evaluation in each way of answering, the newest first."""
    rows = db.execute(
        f"""{_STANDING} WHERE e.id IN (
            SELECT id FROM (SELECT id, max(created_at) FROM evaluations WHERE ?1 IS NULL OR benchmark_sha = ?1
            GROUP BY base_fingerprint, adapter, benchmark_sha, settings_sha))
        ORDER BY e.created_at DESC, e.id DESC""",
        (benchmark_sha,),
    )
    return [Standing(*row) for row in rows]


def standings_of(db: sqlite3.Connection, adapters: Sequence[str]) -> list[Standing]:
    """Return what `standings` does, of these adapters and of all bases alone."""
    marks = ", ".join("?" * len(adapters))
    rows = db.execute(
        f"""{_STANDING} WHERE e.id IN (
            SELECT id FROM (SELECT id, max(created_at) FROM evaluations WHERE adapter = '' OR adapter IN ({marks})
            GROUP BY base_fingerprint, adapter, benchmark_sha, settings_sha))
        ORDER BY e.created_at DESC, e.id DESC""",
        tuple(adapters),
    )
    return [Standing(*row) for row in rows]


def recent(db: sqlite3.Connection, limit: int, words: Sequence[str] = ()) -> list[Standing]:
    """Return the newest evaluations first; with words only those whose model or benchmark holds each of them."""
    text = "lower(coalesce(a.name, '') || ' ' || e.base || ' ' || e.benchmark || ' ' || e.adapter)"
    having = " AND ".join(f"instr({text}, ?)" for _ in words) or "1"
    rows = db.execute(
        f"{_STANDING} WHERE {having} ORDER BY e.created_at DESC, e.id DESC LIMIT ?",
        (*(word.lower() for word in words), limit),
    )
    return [Standing(*row) for row in rows]


def standing(db: sqlite3.Connection, evaluation: str) -> Standing | None:
    row = db.execute(f"{_STANDING} WHERE e.id = ?", (evaluation,)).fetchone()
    return Standing(*row) if row else None


def jobs_of(db: sqlite3.Connection, evaluation_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Return (id, kind) of the jobs that made these evaluations."""
    marks = ", ".join("?" * len(evaluation_ids))
    rows = db.execute(
        f"SELECT j.id, j.kind FROM evaluations e JOIN jobs j ON j.id = e.job WHERE e.id IN ({marks})",
        tuple(evaluation_ids),
    )
    return [(row[0], row[1]) for row in rows]


def count(db: sqlite3.Connection) -> int:
    total: int = db.execute("SELECT count(*) FROM evaluations").fetchone()[0]
    return total


def scores_of(db: sqlite3.Connection, evaluation_ids: Sequence[str]) -> dict[str, list[float]]:
    """Return the scores of evaluations, each in the order of its items' ids."""
    found: dict[str, list[float]] = {}
    for one in evaluation_ids:
        rows = db.execute("SELECT score FROM evaluation_items WHERE evaluation = ? ORDER BY item", (one,))
        found[one] = [row[0] for row in rows.fetchall()]
    return found


def count_answered(db: sqlite3.Connection, evaluation: str) -> int:
    """Return to how many items the model said anything at all."""
    total: int = db.execute(
        "SELECT count(*) FROM evaluation_items WHERE evaluation = ? AND trim(answer) <> ''", (evaluation,)
    ).fetchone()[0]
    return total


def stored_verdict(db: sqlite3.Connection, base_evaluation: str, tuned_evaluation: str) -> VerdictRow | None:
    """Return the verdict that a job gave on exactly these two evaluations."""
    row = db.execute(
        "SELECT * FROM verdicts WHERE job = (SELECT job FROM evaluations WHERE id = ?2) AND base_evaluation = ?1 "
        "AND tuned_evaluation = ?2 ORDER BY id DESC LIMIT 1",
        (base_evaluation, tuned_evaluation),
    ).fetchone()
    return VerdictRow(**dict(row) | {"content": json.loads(row["content"])}) if row else None


@dataclass(frozen=True)
class Home:
    """What an adapter was trained for: industries, and the benchmark that its job was tested on."""

    adapter: str
    name: str
    base: str
    base_fingerprint: str
    industries: tuple[str, ...]
    benchmark: str
    benchmark_name: str
    precision: str
    quantization: str
    created_at: float


def homes(db: sqlite3.Connection, adapters: Sequence[str] | None = None) -> list[Home]:
    """Return what adapters were trained for, by their cards; of all, or of these; the newest first."""
    wanted = "1" if adapters is None else f"id IN ({', '.join('?' * len(adapters))})"
    rows = db.execute(
        f"""SELECT id AS adapter, name, base, base_fingerprint,
            coalesce(json_extract(card, '$.industries'), '[]') AS industries,
            coalesce(json_extract(card, '$.benchmark'), '') AS benchmark,
            coalesce(json_extract(card, '$.benchmark_name'), '') AS benchmark_name,
            coalesce(json_extract(card, '$.config.precision'), 'auto') AS precision,
            coalesce(json_extract(card, '$.config.quantization'), 'none') AS quantization, created_at
        FROM adapters WHERE {wanted} ORDER BY created_at DESC, id DESC""",
        tuple(adapters or ()),
    )
    found = [dict(row) for row in rows]
    return [Home(**row | {"industries": tuple(json.loads(row["industries"]))}) for row in found]
