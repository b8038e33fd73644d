"""Backups of control.db through SQLite's own backup call, and what is done with a damaged one."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from core import durable
from core.errors import StoreError
from core.paths import Workspace

KEPT = 24


def save(workspace: Workspace) -> Path:
    """Write a consistent copy of the live database and return its path; keeps the newest 24."""
    workspace.backups.mkdir(parents=True, exist_ok=True)
    durable.sweep_staging(workspace.backups)
    microseconds = time.time_ns() // 1000
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(microseconds // 1_000_000))  # no summer time: names sort
    final = workspace.backups / f"control-{moment}-{microseconds % 1_000_000:06d}.db"
    staged = durable.staging_path(final)
    try:
        with closing(sqlite3.connect(workspace.database)) as source, closing(sqlite3.connect(staged)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
        shutil.copymode(workspace.database, staged)  # what others may not read, they may not read here
        durable.put_in_place(staged, final)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    for old in sorted(workspace.backups.glob("control-*.db"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return final


def find_loss(workspace: Workspace) -> str | None:
    """Return in words that the database is gone or emptied while its backups are there, or None."""
    if next(workspace.backups.glob("control-*.db"), None) is None:
        return None
    if not workspace.database.exists():
        return "it is gone, but its backups are there"
    return None if workspace.database.stat().st_size else "it is empty, but its backups are there"


def restore(workspace: Workspace) -> Path | None:
    """Put the database with its journal files aside, and the newest sound backup in its place.

    Returns:
        The backup that was restored, or None when there was none and the workspace starts afresh.

    Raises:
        StoreError: The damaged files can't be moved.
    """
    sound = next(
        (path for path in sorted(workspace.backups.glob("control-*.db"), reverse=True) if _is_sound(path)), None
    )
    aside = workspace.root / "damaged" / time.strftime("%Y%m%d-%H%M%S")
    try:
        aside.mkdir(parents=True, exist_ok=True)
        if workspace.database.exists():
            shutil.copy2(workspace.database, aside / workspace.database.name)
        for suffix in ("-wal", "-shm", "-journal"):
            part = workspace.database.with_name(workspace.database.name + suffix)
            if part.exists():
                shutil.move(part, aside / part.name)
        if sound is None:
            workspace.database.unlink(missing_ok=True)
        else:
            staged = durable.staging_path(workspace.database)
            shutil.copy2(sound, staged)
            durable.put_in_place(staged, workspace.database)
    except OSError as error:
        raise StoreError(
            f"The damaged database can't be moved to {aside}: {error}. Stop Atelier and try again."
        ) from error
    return sound


def _is_sound(path: Path) -> bool:
    try:
        with closing(sqlite3.connect(path)) as db:
            empty = db.execute("PRAGMA user_version").fetchone()[0] == 0
            return not empty and bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok")
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return False
