"""Files and folders that are either old or new, never half: the only place that writes final files.

A folder is written beside its final place, every file is flushed to the disk, a manifest with sizes and hashes is
added, and only then is it renamed. A reader that finds the folder finds all of it, or can tell that it can't.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

MANIFEST = "MANIFEST.json"
STAGING_PREFIX = ".staging-"


def hash_file(path: Path) -> str:
    """Return the sha256 of a file as hex; reads in pieces, so size does not matter."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sync_folder(path: Path) -> None:
    """Flush the names in a folder to the disk; a rename is not safe before that. Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def staging_path(final: Path) -> Path:
    """Return where to write what shall become `final`: beside it, under a name that tells who writes."""
    return final.with_name(f"{STAGING_PREFIX}{final.name}-{uuid.uuid4().hex}-{os.getpid()}")


def write_file(path: Path, content: bytes | str) -> None:
    """Replace a file in one step; after a crash it holds the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode("utf-8") if isinstance(content, str) else content
    staged = staging_path(path)
    try:
        staged.write_bytes(data)
        put_in_place(staged, path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def put_in_place(staged: Path, final: Path) -> None:
    """Let a file that others wrote beside its final place become the final one."""
    sync_file(staged)
    staged.replace(final)
    sync_folder(final.parent)


def write_json(path: Path, content: object) -> None:
    write_file(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


@contextmanager
def new_folder(final: Path) -> Iterator[Path]:
    """Yield an empty folder to fill; on a clean exit it becomes `final`, complete and with a manifest.

    Raises:
        FileExistsError: `final` is there already; what was written is dropped.
    """
    with staged_folder(final) as staging:
        yield staging
        put_folder_in_place(staging, final)


@contextmanager
def staged_folder(near: Path) -> Iterator[Path]:
    """Yield an empty folder beside `near`; what was not put in place by the end is dropped."""
    near.parent.mkdir(parents=True, exist_ok=True)
    staging = staging_path(near)
    staging.mkdir()
    try:
        yield staging
    finally:
        if staging.exists():
            shutil.rmtree(staging, ignore_errors=True)


def put_folder_in_place(staging: Path, final: Path) -> None:
    """Let a staged folder become `final`, complete and with a manifest.

    Raises:
        FileExistsError: `final` is there already.
    """
    _seal(staging)
    if final.exists():
        raise FileExistsError(f"{final} exists already")
    staging.rename(final)
    sync_folder(final.parent)


def _seal(folder: Path) -> None:
    entries = {}
    folders = {folder}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        sync_file(file)
        folders.add(file.parent)
        entries[file.relative_to(folder).as_posix()] = {"bytes": file.stat().st_size, "sha256": hash_file(file)}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"files": entries}, indent=1) + "\n", encoding="utf-8")
    sync_file(manifest)
    for inner in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        sync_folder(inner)


def find_damage(folder: Path, *, by_size: bool = False) -> str | None:
    """Return what is wrong with a folder that `new_folder` made, or None if every byte is as it was written.

    Args:
        by_size: Look only for files that are missing or of another size, which costs no reading.
    """
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        expected = {name: (entry["bytes"], entry["sha256"]) for name, entry in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "its manifest is missing or unreadable"
    for name, (size, digest) in expected.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size or (not by_size and hash_file(file) != digest):
            return f"{name} is damaged"
    return None


def sweep_staging(parent: Path) -> int:
    """Remove what interrupted writes left under `parent` (not below), and return how many there were.

    What a live process may still be writing stays.
    """
    left = [path for path in parent.glob(f"{STAGING_PREFIX}*") if not _has_live_writer(path)]
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(left)


def _has_live_writer(staged: Path) -> bool:
    pid = staged.name.rpartition("-")[2]
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return True
    except (ValueError, psutil.NoSuchProcess):
        return False
