"""Rows of the adapters table: what is in the registry."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from core.errors import NotFound

FROM_CARD = ("name", "job", "base", "base_fingerprint", "dataset", "weights_sha")


@dataclass(frozen=True)
class AdapterRow:
    """One adapter; its files are in adapters/<id>, its `card` is what the model card states."""

    id: str
    name: str
    job: str
    base: str
    base_fingerprint: str
    dataset: str
    weights_sha: str
    card: dict[str, Any]
    created_at: float


def insert(db: sqlite3.Connection, adapter: str, card: dict[str, Any]) -> None:
    """Store the row of an adapter, as its card tells it; the caller holds the transaction."""
    db.execute(
        "INSERT INTO adapters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (adapter, *(card[column] for column in FROM_CARD), json.dumps(card), time.time()),
    )


def _row(row: sqlite3.Row) -> AdapterRow:
    values = dict(row)
    return AdapterRow(**values | {"card": json.loads(values["card"])})


def find(db: sqlite3.Connection, text: str) -> AdapterRow:
    """Return the adapter with this id, the only one whose id begins so, or the newest of this name."""
    wanted = text.strip()
    rows = db.execute(
        "SELECT * FROM adapters WHERE substr(id, 1, ?) = ? LIMIT 2", (len(wanted), wanted.lower())
    ).fetchall()
    if len(rows) == 1 and wanted:
        return _row(rows[0])
    row = db.execute(
        "SELECT * FROM adapters WHERE name = ? ORDER BY created_at DESC, id DESC LIMIT 1", (wanted,)
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no adapter {text!r}. `atelier jobs list` shows the jobs that made one.")
    return _row(row)


def all_ids(db: sqlite3.Connection) -> set[str]:
    return {row[0] for row in db.execute("SELECT id FROM adapters")}


def count(db: sqlite3.Connection) -> int:
    total: int = db.execute("SELECT count(*) FROM adapters").fetchone()[0]
    return total
