"""Rows of the datasets table, and whether the rows of a dataset are still those that its name says."""

import difflib
import json
import sqlite3
import time
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from core import durable
from core.errors import NotFound
from core.paths import Workspace
from core.store.connection import transaction

ROWS_FILE = "train.jsonl"
LEAST_SHA_LETTERS = 6


@dataclass(frozen=True)
class DatasetRow:
    sha: str
    name: str
    rows: int
    manifest: dict[str, Any]
    created_at: float


def insert(db: sqlite3.Connection, sha: str, name: str, rows: int, manifest: dict[str, Any]) -> None:
    with transaction(db) if not db.in_transaction else nullcontext():
        db.execute(
            "INSERT OR IGNORE INTO datasets VALUES (?, ?, ?, ?, ?)",
            (sha, name, rows, json.dumps(manifest), time.time()),
        )


def give_name(db: sqlite3.Connection, name: str, sha: str, kind: str) -> None:
    """Call a version by a name; it becomes the name's newest version.

    Args:
        kind: How it came about: import, make, mix, split or clean.
    """
    with transaction(db) if not db.in_transaction else nullcontext():
        db.execute("INSERT OR REPLACE INTO dataset_names VALUES (?, ?, ?, ?)", (name, sha, kind, time.time()))


@dataclass(frozen=True)
class NamedDataset:
    """The newest version of a name; `versions` says how many there are."""

    name: str
    sha: str
    kind: str
    rows: int
    versions: int
    created_at: float
    manifest: dict[str, Any]


_NAMED = """
    SELECT name, sha, kind, rows, count(*) OVER (PARTITION BY name) AS versions, created_at, manifest,
        row_number() OVER (PARTITION BY name ORDER BY created_at DESC, names_row DESC) AS place
    FROM (SELECT n.name, n.sha, n.kind, d.rows, n.created_at, d.manifest, n.rowid AS names_row
        FROM dataset_names n JOIN datasets d ON d.sha = n.sha)"""


def named(db: sqlite3.Connection) -> list[NamedDataset]:
    """Return the datasets that have a name, each in its newest version, the newest first."""
    return [_named(row) for row in db.execute(f"SELECT * FROM ({_NAMED}) WHERE place = 1 ORDER BY created_at DESC")]


def versions_of(db: sqlite3.Connection, name: str) -> list[NamedDataset]:
    """Return all versions of a name, the newest first."""
    return [_named(row) for row in db.execute(f"SELECT * FROM ({_NAMED}) WHERE name = ? ORDER BY place", (name,))]


def find_named(db: sqlite3.Connection, wanted: str) -> NamedDataset:
    """Return a dataset by its name (then its newest version), or by the beginning of its hash.

    Raises:
        NotFound: There is none, or the beginning fits several.
    """
    versions = versions_of(db, wanted)
    if versions:
        return versions[0]
    known = named(db)
    rows = db.execute(f"SELECT * FROM ({_NAMED}) WHERE substr(sha, 1, ?) = ?", (len(wanted), wanted)).fetchall()
    shas = {row["sha"] for row in rows} if len(wanted) >= LEAST_SHA_LETTERS else set()
    if len(shas) == 1:
        return _named(rows[0])
    near = difflib.get_close_matches(wanted, [one.name for one in known], n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    have = f" There are: {', '.join(one.name for one in known[:8])}." if known else " Import one first."
    raise NotFound(f"There is no dataset {wanted!r}.{hint}{have}")


def _named(row: sqlite3.Row) -> NamedDataset:
    return NamedDataset(
        row["name"], row["sha"], row["kind"], row["rows"], row["versions"], row["created_at"],
        json.loads(row["manifest"]),
    )  # fmt: skip


def jobs_of(db: sqlite3.Connection, sha: str) -> list[tuple[int, str, str]]:
    """Return (number, name, state) of the jobs that are pinned to a version."""
    rows = db.execute("SELECT number, name, state FROM jobs WHERE dataset = ? ORDER BY number", (sha,))
    return [(row["number"], row["name"], row["state"]) for row in rows]


def forget_name(db: sqlite3.Connection, name: str) -> list[str]:
    """Take a name away, and return the versions that then have no name and no job: their folders can go."""
    with transaction(db):
        shas = [row["sha"] for row in db.execute("SELECT sha FROM dataset_names WHERE name = ?", (name,))]
        db.execute("DELETE FROM dataset_names WHERE name = ?", (name,))
        free = [
            sha
            for sha in shas
            if not db.execute(
                "SELECT 1 FROM dataset_names WHERE sha = ? UNION SELECT 1 FROM jobs WHERE dataset = ?", (sha, sha)
            ).fetchone()
        ]
        db.executemany("DELETE FROM datasets WHERE sha = ?", [(sha,) for sha in free])
    return free


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
