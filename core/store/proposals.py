"""What the gate said about an adapter when its job ended; one row for each adapter that was compared with its base."""

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Proposal:
    """The gate's word at the end of a job. `action` is empty while the gate was not asked yet.

    `decision` is the number of the decision that the gate made by itself, None where it only proposed.
    """

    adapter: str
    at: float
    scope: str
    action: Literal["", "promote", "hold"]
    sentence: str
    decision: int | None
    content: dict[str, Any]


def expect(db: sqlite3.Connection, adapter: str, scope: str) -> None:
    """Note that the gate is to be asked about an adapter; the caller holds the transaction."""
    db.execute(
        "INSERT OR IGNORE INTO proposals (adapter, at, scope) VALUES (?, ?, ?)",
        (adapter, time.time(), scope),
    )


def fill(
    db: sqlite3.Connection, adapter: str, action: str, sentence: str, content: Mapping[str, Any], decision: int | None
) -> None:
    """Write what the gate said; it is written once."""
    db.execute(
        "UPDATE proposals SET at = ?, action = ?, sentence = ?, content = ?, decision = ? "
        "WHERE adapter = ? AND action = ''",
        (time.time(), action, sentence, json.dumps(dict(content)), decision, adapter),
    )


def find(db: sqlite3.Connection, adapter: str) -> Proposal | None:
    row = db.execute("SELECT * FROM proposals WHERE adapter = ?", (adapter,)).fetchone()
    return Proposal(**dict(row) | {"content": json.loads(row["content"])}) if row else None


def expected(db: sqlite3.Connection) -> list[str]:
    """Return the adapters about which the gate is still to be asked, the oldest first."""
    rows = db.execute("SELECT adapter FROM proposals WHERE action = '' ORDER BY at, adapter")
    return [row[0] for row in rows]
