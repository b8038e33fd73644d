"""Rows of the datasets table."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from core.store.connection import transaction


@dataclass(frozen=True)
class DatasetRow:
    sha: str
    name: str
    rows: int
    manifest: dict[str, Any]
    created_at: float


def insert(db: sqlite3.Connection, sha: str, name: str, rows: int, manifest: dict[str, Any]) -> None:
    with transaction(db):
        db.execute(
            "INSERT OR IGNORE INTO datasets VALUES (?, ?, ?, ?, ?)",
            (sha, name, rows, json.dumps(manifest), time.time()),
        )


def get(db: sqlite3.Connection, sha: str) -> DatasetRow | None:
    row = db.execute("SELECT * FROM datasets WHERE sha = ?", (sha,)).fetchone()
    return (
        DatasetRow(row["sha"], row["name"], row["rows"], json.loads(row["manifest"]), row["created_at"])
        if row
        else None
    )
