"""Calibrations, corrections by people, and scored transcripts that somebody chose to keep.

Corrections and kept scorings hold what people said. So the database is readable by its owner alone before the first one
is written, and what is deleted is overwritten: in the database, in its journal, and in the backups of the database.
Copies that a person made, and damaged databases that were put aside, are out of reach.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ulid import ULID

from core.errors import NotFound, StoreError
from core.paths import Workspace
from core.store.connection import BUSY_TIMEOUT_S, opened, transaction, translated_errors

OWNER_ALONE = 0o600
Table = Literal["corrections", "scorings"]


@dataclass(frozen=True)
class CalibrationRow:
    """A stored calibration; `id` is the hash of its content."""

    id: str
    rubric: str
    adapter: str
    content: dict[str, Any]
    created_at: float


@dataclass(frozen=True)
class Correction:
    """What a person made of scores: `scored` is the model's result, `corrected` the person's scores and reasons."""

    id: int
    at: float
    who: str
    rubric: str
    adapter: str
    transcript: str
    scored: dict[str, Any]
    corrected: dict[str, Any]
    note: str


@dataclass(frozen=True)
class Kept:
    """A scored transcript that somebody chose to keep."""

    id: str
    at: float
    name: str
    rubric: str
    adapter: str
    transcript: str
    result: dict[str, Any]


def save_calibration(
    db: sqlite3.Connection, calibration: str, rubric: str, adapter: str, content: Mapping[str, Any]
) -> None:
    """Store a calibration; one with the same content becomes the newest again."""
    with transaction(db):
        db.execute(
            "INSERT OR REPLACE INTO calibrations VALUES (?, ?, ?, ?, ?)",
            (calibration, rubric, adapter, json.dumps(content, ensure_ascii=False), time.time()),
        )


def calibrations_of(db: sqlite3.Connection, rubric: str, adapter: str) -> list[CalibrationRow]:
    """Return the calibrations of a model by a rubric, the newest first."""
    rows = db.execute(
        "SELECT id, rubric, adapter, content, created_at FROM calibrations WHERE rubric = ? AND adapter = ? "
        "ORDER BY created_at DESC, rowid DESC",
        (rubric, adapter),
    )
    return [CalibrationRow(row[0], row[1], row[2], json.loads(row[3]), row[4]) for row in rows]


def delete_calibration(db: sqlite3.Connection, calibration: str) -> None:
    with transaction(db):
        _expect_one(db.execute("DELETE FROM calibrations WHERE id = ?", (calibration,)), "calibration", calibration)


def add_correction(
    workspace: Workspace,
    *,
    who: str,
    rubric: str,
    adapter: str,
    transcript: str,
    scored: Mapping[str, Any],
    corrected: Mapping[str, Any],
    note: str = "",
) -> int:
    """Store a correction and return its number."""
    values = (time.time(), who, rubric, adapter, transcript, _text(scored), _text(corrected), note)
    with _private(workspace) as db, transaction(db):
        added = db.execute(
            "INSERT INTO corrections (at, who, rubric, adapter, transcript, scored, corrected, note) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        return int(added.lastrowid or 0)


def corrections_of(db: sqlite3.Connection, rubric: str = "") -> list[Correction]:
    """Return the corrections by a rubric, or all, the newest first."""
    rows = db.execute(
        "SELECT id, at, who, rubric, adapter, transcript, scored, corrected, note FROM corrections "
        "WHERE ? = '' OR rubric = ? ORDER BY id DESC",
        (rubric, rubric),
    )
    return [Correction(**dict(row) | {key: json.loads(row[key]) for key in ("scored", "corrected")}) for row in rows]


def keep(
    workspace: Workspace, *, name: str, rubric: str, adapter: str, transcript: str, result: Mapping[str, Any]
) -> str:
    """Store a scored transcript and return its id."""
    scoring = str(ULID())
    values = (scoring, time.time(), name, rubric, adapter, transcript, _text(result))
    with _private(workspace) as db, transaction(db):
        db.execute("INSERT INTO scorings VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    return scoring


def kept(db: sqlite3.Connection, rubric: str = "", most: int = 500) -> list[Kept]:
    """Return what was kept by a rubric, or all, the newest first."""
    rows = db.execute(
        "SELECT id, at, name, rubric, adapter, transcript, result FROM scorings WHERE ? = '' OR rubric = ? "
        "ORDER BY at DESC, id DESC LIMIT ?",
        (rubric, rubric, most),
    )
    return [_kept(row) for row in rows]


def find_kept(db: sqlite3.Connection, scoring: str) -> Kept:
    """Return what was kept under an id.

    Raises:
        NotFound: It is not there, or not any more.
    """
    row = db.execute(
        "SELECT id, at, name, rubric, adapter, transcript, result FROM scorings WHERE id = ?", (scoring,)
    ).fetchone()
    if row is None:
        raise NotFound(f"There is no kept transcript {scoring!r}. It may have been deleted.")
    return _kept(row)


def _kept(row: sqlite3.Row) -> Kept:
    return Kept(**dict(row) | {"result": json.loads(row["result"])})


def delete(workspace: Workspace, table: Table, one: str | int) -> None:
    """Delete a kept scoring by its id or a correction by its number, so that nothing of it can be read back.

    A deletion that could not reach everything can be repeated: it then finishes what was left.

    Raises:
        NotFound: It is neither there nor in a backup.
        StoreError: The journal or a backup can't be cleaned; everything else is gone then.
    """
    if not any(_erase(workspace, table, "WHERE id = ?", (one,))):
        raise NotFound(f"There is no entry {one!r}. If it was deleted before, nothing of it is left now.")


def delete_all(workspace: Workspace, table: Table) -> int:
    """Delete all kept scorings or all corrections, so that nothing can be read back; return how many there were.

    Raises:
        StoreError: The journal or a backup can't be cleaned; everything else is gone then.
    """
    return _erase(workspace, table, "", ())[0]


def _erase(workspace: Workspace, table: Table, where: str, values: tuple[Any, ...]) -> tuple[int, int]:
    """Delete rows everywhere, and return how many there were in the database and in its backups."""
    with _private(workspace) as db:
        with transaction(db):
            count = db.execute(f"DELETE FROM {table} {where}", values).rowcount
        is_emptied = _empty_journal(db)
    cleaned = {path: _clean(path, table, where, values) for path in sorted(workspace.backups.glob("control-*.db"))}
    failed = [path for path, found in cleaned.items() if found is None]
    left = [] if is_emptied else ["in the database's log, which another program reads: close it"]
    if failed:
        left.append(f"in {len(failed)} backups, such as {failed[0]}, which are busy or damaged: delete these files")
    if left:
        raise StoreError(f"Deleted, but it can still be found {'; and '.join(left)}. Then delete once more.")
    return count, sum(found or 0 for found in cleaned.values())


def _clean(backup: Path, table: Table, where: str, values: tuple[Any, ...]) -> int | None:
    """Delete rows of a backup and return how many there were, None if that can't be done."""
    try:
        with closing(sqlite3.connect(backup, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as db:
            if not db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone():
                return 0  # written before there were such things
            db.execute("PRAGMA secure_delete=ON")
            with transaction(db):
                count = db.execute(f"DELETE FROM {table} {where}", values).rowcount
            return count if _empty_journal(db) else None
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None if backup.exists() else 0


@contextmanager
def _private(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """Yield a connection that overwrites what it deletes, to files that only their owner can read."""
    with opened(workspace) as db, translated_errors(workspace.database):
        for path in [workspace.database, *workspace.root.glob(f"{workspace.database.name}-*")]:
            _close_to_others(path)
        db.execute("PRAGMA secure_delete=ON")
        yield db


def _close_to_others(path: Path) -> None:
    try:
        if path.stat().st_mode & 0o077:
            path.chmod(OWNER_ALONE)
    except FileNotFoundError:  # a journal that another process has just removed
        return
    except OSError as error:
        raise StoreError(f"{path} can't be closed to others: {error.strerror}. Nothing was written.") from error


def _empty_journal(db: sqlite3.Connection) -> bool:
    """Bring a write-ahead log into the database and cut it to nothing; a rollback journal is gone by itself.

    Returns:
        Whether that was done; not while another process reads what was before.
    """
    until = time.monotonic() + BUSY_TIMEOUT_S
    while db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False)


def _expect_one(done: sqlite3.Cursor, what: str, wanted: str) -> None:
    if done.rowcount == 0:
        raise NotFound(f"There is no {what} {wanted!r}.")
