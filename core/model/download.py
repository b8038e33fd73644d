"""Fetches a base from the model hub: only safetensors, JSON and the tokenizer, resumable, with progress.

The files go where the hub's client looks for them too. The client itself throws the begun part of a broken-off file
away, several gigabytes of a large base, so begun files are kept and gone on with here.
"""

import errno
import fnmatch
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_url
from huggingface_hub.errors import GatedRepoError, HTTPError, RepositoryNotFoundError  # type: ignore[attr-defined]
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from core import durable
from core.catalog import bases
from core.errors import BaseModelError
from core.process.liveness import FileLock

DESCRIPTIONS = ("*.json", "*.jinja", "tokenizer.model", "*.txt", "LICENSE*", "README.md")
WEIGHTS = "model*.safetensors"
PICKLES = (".bin", ".pt", ".pth")
BEGUN = ".incomplete"
REPORT_EVERY_S = 1.0
AT_ONCE = 4
HUB_TIMEOUT_S = 20

Report = Callable[[float, float, float], None]


@dataclass(frozen=True)
class _File:
    """A file on the hub; `sha256` where the hub tells it."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True)
class _Listing:
    base: str
    commit: str
    descriptions: list[_File]
    weights: list[_File]


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
    store = bases.hub_cache() / f"models--{base.replace('/', '--')}"
    lock = FileLock(store / "atelier.lock")
    while not lock.acquire():  # another job fetches the same base
        if should_stop():
            return None
        time.sleep(REPORT_EVERY_S)
    try:
        return bases.locate(base) or _download(_list(base), store, report, should_stop)
    finally:
        lock.release()


def _list(base: str) -> _Listing:
    """Ask the hub for the files of a base; what could not be used is refused before a byte of it is fetched."""
    try:
        told = HfApi().model_info(base, files_metadata=True, timeout=HUB_TIMEOUT_S)
    except (HTTPError, OSError, ValueError) as error:
        raise _refusal(base, error) from error
    files = [
        _File(one.rfilename, int(one.size or 0), one.lfs.sha256 if one.lfs else None)
        for one in told.siblings or []
        if Path(one.rfilename).name == one.rfilename  # in the topmost folder
    ]
    weights = [file for file in files if fnmatch.fnmatch(file.name, WEIGHTS)]
    if not weights and any(file.name.endswith(PICKLES) for file in files):
        raise BaseModelError(
            f"The model {base} has pickled weights only, which can run code. Atelier loads only safetensors; choose "
            "another base."
        )
    if not weights:
        raise BaseModelError(f"The model {base} has no model.safetensors on the hub. Choose another base.")
    described = [file for file in files if any(fnmatch.fnmatch(file.name, form) for form in DESCRIPTIONS)]
    return _Listing(base, str(told.sha), described, weights)


def _download(listing: _Listing, store: Path, report: Report, should_stop: Callable[[], bool]) -> Path | None:
    folder = store / "snapshots" / listing.commit
    folder.mkdir(parents=True, exist_ok=True)
    durable.write_file(store / "refs" / "main", listing.commit)
    if not _fetch(listing.base, listing.commit, listing.descriptions, folder, lambda *_: None, should_stop):
        return None
    bases.check_code(folder)
    _check_room(listing.weights, folder)
    if not _fetch(listing.base, listing.commit, listing.weights, folder, report, should_stop):
        return None
    return bases.check_folder(folder)


def _check_room(files: list[_File], folder: Path) -> None:
    needed = sum(file.size for file in files) - _bytes_here(files, folder)
    if needed > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, f"No room for {needed / 1e9:.1f} GB of the base", str(folder))


def _fetch(
    base: str, commit: str, files: list[_File], folder: Path, report: Report, should_stop: Callable[[], bool]
) -> bool:
    """Fetch files, some at once, and return whether all are here; False when `should_stop` said so."""
    waiting, failures = deque(files), deque[BaseException]()

    def work() -> None:
        while not failures:
            try:
                file = waiting.popleft()
            except IndexError:
                return
            try:
                _fetch_file(base, commit, file, folder)
            except (HTTPError, OSError, ValueError) as error:
                failures.append(error)

    # They die with the process; what they have begun serves the next try.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(files)))]
    for thread in threads:
        thread.start()
    total, first, began = float(sum(file.size for file in files)), _bytes_here(files, folder), time.monotonic()
    while any(thread.is_alive() for thread in threads):
        next((thread for thread in threads if thread.is_alive()), threads[0]).join(REPORT_EVERY_S)
        here = _bytes_here(files, folder)
        report(here, total, (here - first) / max(1e-3, time.monotonic() - began))
        if should_stop():
            return False
    if failures:
        raise _refusal(base, failures[0], begun=True) from failures[0]
    return True


def _fetch_file(base: str, commit: str, file: _File, folder: Path) -> None:
    target, begun = folder / file.name, folder / f"{file.name}{BEGUN}"
    if target.exists():
        return
    if begun.exists() and begun.stat().st_size > file.size:
        begun.unlink()
    with begun.open("ab") as stream:
        http_get(
            hf_hub_url(base, file.name, revision=commit, endpoint=constants.ENDPOINT),
            stream,
            resume_size=stream.tell(),
            headers=build_hf_headers(),
            expected_size=file.size,
        )
    if file.sha256 and durable.hash_file(begun) != file.sha256:
        begun.unlink()
        raise ValueError(f"{file.name} arrived damaged")
    durable.sync_file(begun)
    begun.replace(target)


def _bytes_here(files: list[_File], folder: Path) -> float:
    total = 0
    for file in files:
        for path in (folder / file.name, folder / f"{file.name}{BEGUN}"):
            try:
                total += path.stat().st_size
            except OSError:  # not begun, or renamed just now
                continue
    return float(total)


def _refusal(base: str, error: BaseException, begun: bool = False) -> Exception:
    """Return what to raise for a failure of the hub's client: a full disk stays what it is."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error
    if isinstance(error, GatedRepoError):
        return BaseModelError(
            f"The model {base} is gated. Accept its licence on its page of the hub and put your token into HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return BaseModelError(
            f"The hub has no model {base}. Check the name; a private model needs your token in HF_TOKEN."
        )
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    if begun:
        return BaseModelError(f"The download of {base} broke off: {reason}. Try again; it goes on where it stopped.")
    return BaseModelError(f"The hub does not give {base}: {reason}. Try again later.")
