"""Connections to SQLite, with the settings that keep what was committed."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from core.errors import DamagedDatabase, StoreError
from core.paths import Workspace

BUSY_TIMEOUT_S = 20.0
# Older versions can damage a write-ahead log that two processes write and reset at the same instant.
SAFE_WAL_VERSION = (3, 51, 3)


def journal_mode() -> str:
    """Return the journal for a database with several writers, by the SQLite that Python links."""
    return "WAL" if sqlite3.sqlite_version_info >= SAFE_WAL_VERSION else "DELETE"


def connect(path: Path, *, several_writers: bool) -> sqlite3.Connection:
    """Open a database for reading and writing, creating it where it is missing.

    Args:
        several_writers: True syncs every commit to the disk (control.db); False is for one writer that may lose the
            last commits when the power fails, but never when a process is killed (metrics.db).
    """
    with translated_errors(path):
        db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute(f"PRAGMA journal_mode={journal_mode() if several_writers else 'WAL'}")
            db.execute(f"PRAGMA synchronous={'FULL' if several_writers else 'NORMAL'}")
            db.execute("PRAGMA foreign_keys=ON")
        except BaseException:
            db.close()
            raise
    return db


def connect_readonly(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    db.row_factory = sqlite3.Row
    return db


@contextmanager
def opened(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """Yield a connection to a workspace's control.db; the schema must be there (see core.store.schema.prepare)."""
    with closing(connect(workspace.database, several_writers=True)) as db, translated_errors(workspace.database):
        yield db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Take the write lock at once, commit on a clean exit, roll back on any error."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back already
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


_SIGNS_OF_DAMAGE = ("malformed", "not a database", "unsupported file format", "disk I/O error")


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite says about locks, damage and space into sentences."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if any(sign in text for sign in _SIGNS_OF_DAMAGE):
            raise DamagedDatabase(
                f"The database {path} is damaged. Stop Atelier and run `atelier doctor --restore`."
            ) from error
        if not isinstance(error, sqlite3.OperationalError):
            raise
        if "locked" in text or "busy" in text:
            raise StoreError(
                f"The database {path} has been busy for {BUSY_TIMEOUT_S:.0f} seconds. Try again; if it "
                "stays so, see which program holds it open."
            ) from error
        if "full" in text:
            raise StoreError(f"The disk of {path.parent} is full. Free some space; nothing was lost.") from error
        if "unable to open" in text or "readonly" in text:
            raise StoreError(
                f"The database {path} can't be opened for writing. Check the folder's permissions."
            ) from error
        raise
