"""Rows of the datasets table, and whether the rows of a dataset are still those that its name says."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from core import durable
from core.paths import Workspace
from core.store.connection import transaction

ROWS_FILE = "train.jsonl"


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


def find_damage(workspace: Workspace, sha: str) -> str | None:
    """Return what is wrong with a stored dataset, or None if it holds the very rows that its name is the hash of."""
    folder = workspace.datasets / sha
    damage = durable.find_damage(folder)
    if damage is not None:
        return damage
    manifest = json.loads((folder / durable.MANIFEST).read_text(encoding="utf-8"))
    told = manifest["files"].get(ROWS_FILE, {}).get("sha256")
    return None if told == sha else "its rows are not those that it was made with"
