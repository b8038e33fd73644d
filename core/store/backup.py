"""Backups of control.db through SQLite's own backup call, and what is done with a damaged one."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from core.errors import StoreError
from core.paths import Workspace

KEPT = 24


def save(workspace: Workspace) -> Path:
    """Write a consistent copy of the live database and return its path; keeps the newest 24."""
    workspace.backups.mkdir(parents=True, exist_ok=True)
    final = workspace.backups / f"control-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 1000:03d}.db"
    staged = final.with_suffix(".part")
    with closing(sqlite3.connect(workspace.database)) as source, closing(sqlite3.connect(staged)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")
    staged.replace(final)
    for old in sorted(workspace.backups.glob("control-*.db"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return final


def restore(workspace: Workspace) -> Path | None:
    """Put the database with its journal files aside, and the newest sound backup in its place.

    Returns:
        The backup that was restored, or None when there was none and the workspace starts afresh.

    Raises:
        StoreError: The damaged files can't be moved.
    """
    aside = workspace.root / "damaged" / time.strftime("%Y%m%d-%H%M%S")
    try:
        aside.mkdir(parents=True, exist_ok=True)
        for suffix in ("", "-wal", "-shm", "-journal"):
            part = workspace.database.with_name(workspace.database.name + suffix)
            if part.exists():
                shutil.move(part, aside / part.name)
    except OSError as error:
        raise StoreError(
            f"The damaged database can't be moved to {aside}: {error}. Stop Atelier and try again."
        ) from error
    for candidate in sorted(workspace.backups.glob("control-*.db"), reverse=True):
        with closing(sqlite3.connect(candidate)) as db:
            try:
                sound = db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            except sqlite3.DatabaseError:
                sound = False
        if sound:
            shutil.copy2(candidate, workspace.database)
            return candidate
    return None
