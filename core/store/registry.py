"""The registry: which adapter is in which stage of its scope, and every decision that led there.

Stages and decisions change in `record` alone, in one transaction, so that the two never tell different stories.
"""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from core.errors import NotFound, RegistryError
from core.store.connection import transaction
from core.store.evaluations import EvaluationRow

Stage = Literal["candidate", "production", "archived"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Action = Literal["promote", "hold", "rollback", "archive", "undo"]
Moves = dict[str, tuple[Stage, Stage]]
SPECIALIST = "specialist:"
RUBRIC = "rubric:"

_SCOPE = f"""CASE WHEN coalesce(json_extract(card, '$.specialist'), '') <> ''
    THEN '{SPECIALIST}' || json_extract(card, '$.specialist')
    WHEN coalesce(json_extract(card, '$.rubric'), '') <> '' THEN '{RUBRIC}' || json_extract(card, '$.rubric')
    ELSE coalesce(json_extract(card, '$.benchmark_name'), '') END"""


@dataclass(frozen=True)
class Entry:
    """An adapter in the list: its score on the benchmark of its job (0 to 1), None where it was not tested."""

    id: str
    name: str
    job: str
    base: str
    created_at: float
    scope: str
    stage: Stage
    score: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Decision:
    """One decision; `before` and `after` are the adapter in production of the scope, empty for none.

    `figures` holds what the gate saw and, under `stages`, which stages were changed; `hashes` what that was bound to.
    """

    id: int
    at: float
    scope: str
    adapter: str
    action: Action
    before: str
    after: str
    figures: dict[str, Any]
    hashes: dict[str, str]
    note: str
    undoes: int | None
    is_undone: bool

    @property
    def moves(self) -> Moves:
        """Return which adapters it moved: from which stage, to which."""
        return {adapter: (stages[0], stages[1]) for adapter, stages in self.figures.get("stages", {}).items()}


def scope_of(card: Mapping[str, Any]) -> str:
    """Return the scope of an adapter by its card: the specialist or rubric it was trained for, else its benchmark."""
    if card.get("specialist"):
        return f"{SPECIALIST}{card['specialist']}"
    return f"{RUBRIC}{card['rubric']}" if card.get("rubric") else str(card.get("benchmark_name") or "")


def entries(db: sqlite3.Connection, scope: str | None = None) -> list[Entry]:
    """Return the adapters, the newest first: all, or those of a scope."""
    rows = db.execute(
        f"""
        WITH known AS (
            SELECT id, name, job, base, created_at, base_fingerprint, {_SCOPE} AS scope,
                json_extract(card, '$.benchmark') AS benchmark
            FROM adapters)
        SELECT k.id, k.name, k.job, k.base, k.created_at, k.scope, coalesce(s.stage, 'candidate'),
            e.score, e.low, e.high
        FROM known k
        LEFT JOIN stages s ON s.adapter = k.id AND s.scope = k.scope
        LEFT JOIN evaluations e ON e.id = (
            SELECT max(o.id) FROM evaluations o
            WHERE o.base_fingerprint = k.base_fingerprint AND o.adapter = k.id AND o.benchmark_sha = k.benchmark)
        WHERE ?1 IS NULL OR k.scope = ?1
        ORDER BY k.created_at DESC, k.id DESC""",
        (scope,),
    )
    return [Entry(*row) for row in rows]


def evaluations_of(db: sqlite3.Connection, base_fingerprint: str, adapter: str) -> list[EvaluationRow]:
    """Return all evaluations of an adapter on its base, the newest first."""
    rows = db.execute(
        "SELECT * FROM evaluations WHERE base_fingerprint = ? AND adapter = ? ORDER BY id DESC",
        (base_fingerprint, adapter),
    )
    return [
        EvaluationRow(**dict(row) | {name: json.loads(row[name]) for name in ("components", "metrics")}) for row in rows
    ]


def scopes(db: sqlite3.Connection) -> list[str]:
    return [row[0] for row in db.execute(f"SELECT DISTINCT {_SCOPE} FROM adapters ORDER BY 1")]


def stage_of(db: sqlite3.Connection, scope: str, adapter: str) -> Stage:
    row = db.execute("SELECT stage FROM stages WHERE scope = ? AND adapter = ?", (scope, adapter)).fetchone()
    return row[0] if row else "candidate"


def production_of(db: sqlite3.Connection, scope: str) -> str:
    """Return the id of the adapter that is in production of a scope, empty for none."""
    row = db.execute("SELECT adapter FROM stages WHERE scope = ? AND stage = 'production'", (scope,)).fetchone()
    return row[0] if row else ""


_DECISIONS = "SELECT d.*, EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.id) AS is_undone FROM decisions d"


def _decision(row: sqlite3.Row) -> Decision:
    values = dict(row)
    for column in ("figures", "hashes"):
        values[column] = json.loads(values[column])
    return Decision(**values | {"is_undone": bool(values["is_undone"])})


def decisions(
    db: sqlite3.Connection, scope: str | None = None, adapter: str | None = None, limit: int = -1
) -> list[Decision]:
    """Return decisions, the newest first: of a scope, those that concern an adapter, or all."""
    rows = db.execute(
        f"{_DECISIONS} WHERE (?1 IS NULL OR scope = ?1) AND (?2 IS NULL OR ?2 IN (adapter, before, after)) "
        "ORDER BY id DESC LIMIT ?3",
        (scope, adapter, limit),
    )
    return [_decision(row) for row in rows]


def decision(db: sqlite3.Connection, number: int) -> Decision:
    row = db.execute(f"{_DECISIONS} WHERE d.id = ?", (number,)).fetchone()
    if row is None:
        raise NotFound(f"There is no decision {number}. `atelier models show` lists those about an adapter.")
    return _decision(row)


def undoable(db: sqlite3.Connection, scope: str) -> Decision | None:
    """Return the last decision of a scope that changed a stage and still holds.

    After an undo that is the one before it, so pressing again goes back further.
    """
    for one in decisions(db, scope):
        if one.moves and one.action != "undo" and not one.is_undone:
            return one
    return None


def earlier_productions(db: sqlite3.Connection, scope: str) -> list[str]:
    """Return what was in production of a scope before the present one, the latest first.

    Promotions pile up, a rollback takes from the top, and what was undone never was.
    """
    pile: list[str] = []
    for one in reversed(decisions(db, scope)):
        if one.is_undone or one.action == "undo" or one.before == one.after:
            continue
        if one.action == "rollback" and one.after in pile[:-1]:
            pile.pop()
            while pile[-1] != one.after:
                pile.pop()
        else:
            pile.append(one.after)
    present = production_of(db, scope)
    found = [adapter for adapter in reversed(pile[:-1]) if adapter and adapter != present]
    return list(dict.fromkeys(found))


def record(
    db: sqlite3.Connection,
    *,
    scope: str,
    adapter: str,
    action: Action,
    before: str,
    moves: Moves,
    figures: Mapping[str, Any],
    hashes: Mapping[str, str],
    note: str = "",
    undoes: int | None = None,
) -> Decision:
    """Store a decision and do what it says, in one transaction, if the scope is still as it was seen.

    Args:
        before: The adapter that was seen in production, empty for none.
        moves: Which adapters change their stage: the one that was seen, the new one.

    Raises:
        RegistryError: Another decision came first.
    """
    with transaction(db):
        last = undoable(db, scope) if undoes is not None else None
        if production_of(db, scope) != before or (last.id if last else None) != undoes:
            raise _changed(scope)
        now = time.time()
        # Who leaves production goes first: there is never more than one in it.
        for one, (seen, new) in sorted(moves.items(), key=lambda move: move[1][1] == "production"):
            if stage_of(db, scope, one) != seen:
                raise _changed(scope)
            db.execute(
                "INSERT INTO stages VALUES (?1, ?2, ?3, ?4) "
                "ON CONFLICT (scope, adapter) DO UPDATE SET stage = ?3, since = ?4",
                (scope, one, new, now),
            )
        number = db.execute(
            "INSERT INTO decisions (at, scope, adapter, action, before, after, figures, hashes, note, undoes) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                now,
                scope,
                adapter,
                action,
                before,
                production_of(db, scope),
                json.dumps({**figures, "stages": moves}),
                json.dumps(dict(hashes)),
                note,
                undoes,
            ),
        ).lastrowid
    assert number is not None
    return decision(db, number)


def _changed(scope: str) -> RegistryError:
    return RegistryError(f"Something else was decided about {scope!r} meanwhile. Look again, then decide anew.")
