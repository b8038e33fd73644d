"""Fetches a base from the model hub: only safetensors, JSON and the tokenizer (see core.hub)."""

import fnmatch
import time
from collections.abc import Callable
from pathlib import Path

from core import durable, hub
from core.catalog import bases
from core.errors import BaseModelError
from core.hub import File, Report, Repository
from core.process.liveness import FileLock

DESCRIPTIONS = ("*.json", "*.jinja", "tokenizer.model", "*.txt", "LICENSE*", "README.md")
WEIGHTS = "model*.safetensors"
PICKLES = (".bin", ".pt", ".pth")


def obtain(base: str, report: Report, should_stop: Callable[[], bool]) -> Path | None:
    """Return the folder of a base, downloading it first where it is not here; None when `should_stop` said so.

    Args:
        report: Called about once a second with (bytes here, bytes in all, bytes per second).

    Raises:
        BaseModelError: The hub refuses or can't be reached; what has come is kept, and the next try goes on from there.
        OSError: The disk has no room for the base.
    """
    folder = bases.locate(base)
    if folder is not None:
        return folder
    store = hub.store_of(bases.hub_cache(), "model", base)
    lock = FileLock(store / "atelier.lock")
    while not lock.acquire():  # another job fetches the same base
        if should_stop():
            return None
        time.sleep(hub.REPORT_EVERY_S)
    try:
        return bases.locate(base) or _download(hub.look_up("model", base), store, report, should_stop)
    finally:
        lock.release()


def _choose(found: Repository) -> tuple[list[File], list[File]]:
    """Return the descriptions and the weights of a base; what could not be used is refused before a byte is fetched."""
    files = [file for file in found.files if Path(file.name).name == file.name]  # in the topmost folder
    weights = [file for file in files if fnmatch.fnmatch(file.name, WEIGHTS)]
    if not weights and any(file.name.endswith(PICKLES) for file in files):
        raise BaseModelError(
            f"The model {found.id} has pickled weights only, which can run code. Atelier loads only safetensors; "
            "choose another base."
        )
    if not weights:
        raise BaseModelError(f"The model {found.id} has no model.safetensors on the hub. Choose another base.")
    return [file for file in files if any(fnmatch.fnmatch(file.name, form) for form in DESCRIPTIONS)], weights


def _download(found: Repository, store: Path, report: Report, should_stop: Callable[[], bool]) -> Path | None:
    descriptions, weights = _choose(found)
    folder = store / "snapshots" / found.commit
    folder.mkdir(parents=True, exist_ok=True)
    durable.write_file(store / "refs" / "main", found.commit)
    if not hub.fetch(found, descriptions, folder, lambda *_: None, should_stop):
        return None
    bases.check_code(folder)
    hub.check_room(weights, folder, "the base")
    if not hub.fetch(found, weights, folder, report, should_stop):
        return None
    return bases.check_folder(folder)
