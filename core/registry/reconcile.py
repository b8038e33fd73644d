"""Brings registry and folders together again after a crash, or after an older database was put back.

An adapter's folder gets its final name just before its row is stored. What lies between is settled here by the job,
which knows whether the adapter was to be.
"""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from core import durable
from core.paths import Workspace
from core.registry import proposal
from core.store import adapters, jobs
from core.store.connection import transaction

CARD_FILE = "card.json"
JOB_FILE = "job.json"
MISSING = "its adapter's folder is missing or damaged; put it back from a backup, or retry the job"


def reconcile(workspace: Workspace, db: sqlite3.Connection) -> list[str]:
    """Give whole adapters without a row their row, drop leftovers, and return in sentences what was found."""
    for folder in (workspace.adapters, workspace.datasets):
        durable.sweep_staging(folder)
    known = adapters.all_ids(db)
    folders = [path for path in sorted(workspace.adapters.iterdir()) if path.is_dir() and path.name[0] != "."]
    findings = [_settle(db, folder) for folder in folders if folder.name not in known]
    told = [finding for finding in findings if finding] + _find_missing(workspace, db, known)
    return told + proposal.catch_up(workspace, db)


def _settle(db: sqlite3.Connection, folder: Path) -> str | None:
    """Settle a folder without a row. While its job has not ended, the worker will write it anew."""
    job = jobs.get_if_known(db, folder.name)
    if job is not None and not job.is_ended:
        return None
    if job is not None and job.state != "succeeded":
        shutil.rmtree(folder, ignore_errors=True)
        return f"The adapter {folder.name} is removed: its job #{job.number} is {job.state}."
    damage = durable.find_damage(folder)
    if damage:
        return f"The folder {folder.name} is left out of the registry: {damage}."
    card, told = _read_json(folder / CARD_FILE), _read_json(folder / JOB_FILE)
    if card.get("job") != folder.name or not all(isinstance(card.get(column), str) for column in adapters.FROM_CARD):
        return f"The folder {folder.name} is left out of the registry: it is no adapter that a job here made."
    with transaction(db):
        if folder.name in adapters.all_ids(db):  # its worker has just ended well
            return None
        if job is None:
            jobs.insert_succeeded(
                db,
                folder.name,
                name=card["name"],
                spec=told.get("spec", {}),
                result=told.get("result", {}),
                ended_at=folder.stat().st_mtime,
            )
        adapters.insert(db, folder.name, card)
    return f"The adapter {folder.name} is in the registry again."


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _find_missing(workspace: Workspace, db: sqlite3.Connection, known: set[str]) -> list[str]:
    """Tell of adapters whose files are not what their row promises, in the history of their jobs too."""
    found = []
    for adapter in sorted(known):
        damage = durable.find_damage(workspace.adapters / adapter, by_size=True)
        if damage:
            jobs.note(db, adapters.find(db, adapter).job, MISSING)
            found.append(f"The adapter {adapter} can't be used: {damage}.")
    return found
