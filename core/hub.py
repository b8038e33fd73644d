"""Fetches files of a repository on the hub: some at once, resumable, with progress, checked by their hash.

The files go where the hub's client looks for them too. The client itself throws the begun part of a broken-off file
away, several gigabytes of a large one, so begun files are kept and gone on with here.
"""

import errno
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core import durable
from core.errors import BadInput, BaseModelError, DataError

Kind = Literal["model", "dataset"]
Report = Callable[[float, float, float], None]
BEGUN = ".incomplete"
REPORT_EVERY_S = 1.0
AT_ONCE = 4
TIMEOUT_S = 20
_ERRORS: dict[Kind, type[BadInput]] = {"model": BaseModelError, "dataset": DataError}


@dataclass(frozen=True)
class File:
    """A file on the hub; `sha256` where the hub tells it."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True)
class Repository:
    """A repository at one commit, with its files."""

    kind: Kind
    id: str
    commit: str
    files: tuple[File, ...]

    def store(self, cache: Path) -> Path:
        """Return its folder in the hub's cache."""
        return store_of(cache, self.kind, self.id)


def store_of(cache: Path, kind: Kind, name: str) -> Path:
    return cache / f"{kind}s--{name.replace('/', '--')}"


def client_errors() -> tuple[type[Exception], ...]:
    """Return what the hub's client raises; it is loaded only where the hub is asked."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    return (HTTPError, OSError, ValueError)


def look_up(kind: Kind, name: str) -> Repository:
    """Ask the hub for a repository's newest commit and its files.

    Raises:
        BadInput: The hub refuses or can't be reached (BaseModelError or DataError, by the kind).
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        ask = api.model_info if kind == "model" else api.dataset_info
        told = ask(name, files_metadata=True, timeout=TIMEOUT_S)
    except client_errors() as error:
        raise refusal(kind, name, error) from error
    files = tuple(
        File(one.rfilename, int(one.size or 0), one.lfs.sha256 if one.lfs else None) for one in told.siblings or []
    )
    return Repository(kind, name, str(told.sha), files)


def check_room(files: Sequence[File], folder: Path, what: str) -> None:
    """Refuse to begin what the disk has no room for.

    Raises:
        OSError: Too little is free.
    """
    needed = sum(file.size for file in files) - bytes_here(files, folder)
    if needed > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, f"No room for {needed / 1e9:.1f} GB of {what}", str(folder))


def fetch(
    found: Repository, files: Sequence[File], folder: Path, report: Report, should_stop: Callable[[], bool]
) -> bool:
    """Fetch files into a folder, and return whether all are here; False when `should_stop` said so.

    Args:
        report: Called about once a second with (bytes here, bytes in all, bytes per second).

    Raises:
        BadInput: The hub refuses or breaks off; what has come is kept, and the next try goes on from there.
        OSError: The disk is full.
    """
    waiting, failures = deque(files), deque[BaseException]()

    def work() -> None:
        while not failures:
            try:
                file = waiting.popleft()
            except IndexError:
                return
            try:
                _fetch_file(found, file, folder)
            except client_errors() as error:
                failures.append(error)

    # They die with the process; what they have begun serves the next try.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(AT_ONCE, len(files)))]
    for thread in threads:
        thread.start()
    total, first, began = float(sum(file.size for file in files)), bytes_here(files, folder), time.monotonic()
    while any(thread.is_alive() for thread in threads):
        next((thread for thread in threads if thread.is_alive()), threads[0]).join(REPORT_EVERY_S)
        here = bytes_here(files, folder)
        report(here, total, (here - first) / max(1e-3, time.monotonic() - began))
        if should_stop():
            return False
    if failures:
        raise refusal(found.kind, found.id, failures[0], begun=True) from failures[0]
    return True


def _fetch_file(found: Repository, file: File, folder: Path) -> None:
    from huggingface_hub import constants, hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    target, begun = folder / file.name, folder / f"{file.name}{BEGUN}"
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if begun.exists() and begun.stat().st_size > file.size:
        begun.unlink()
    url = hf_hub_url(found.id, file.name, repo_type=found.kind, revision=found.commit, endpoint=constants.ENDPOINT)
    with begun.open("ab") as stream:
        http_get(url, stream, resume_size=stream.tell(), headers=build_hf_headers(), expected_size=file.size)
    if file.sha256 and durable.hash_file(begun) != file.sha256:
        begun.unlink()
        raise ValueError(f"{file.name} arrived damaged")
    durable.sync_file(begun)
    begun.replace(target)


def bytes_here(files: Sequence[File], folder: Path) -> float:
    total = 0
    for file in files:
        for path in (folder / file.name, folder / f"{file.name}{BEGUN}"):
            try:
                total += path.stat().st_size
            except OSError:  # not begun, or renamed just now
                continue
    return float(total)


def refusal(kind: Kind, name: str, error: BaseException, begun: bool = False) -> Exception:
    """Return what to raise for a failure of the hub's client: a full disk stays what it is."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return error
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    refused = _ERRORS[kind]
    if isinstance(error, GatedRepoError):
        return refused(
            f"The {kind} {name} is gated. Accept its licence on its page of the hub and put your token into HF_TOKEN."
        )
    if isinstance(error, RepositoryNotFoundError):
        return refused(f"The hub has no {kind} {name}. Check the name; a private {kind} needs your token in HF_TOKEN.")
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    if begun:
        return refused(f"The download of {name} broke off: {reason}. Try again; it goes on where it stopped.")
    return refused(f"The hub does not give {name}: {reason}. Try again later.")
