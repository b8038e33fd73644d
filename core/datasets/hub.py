"""Datasets from the hub: which of a repository's files hold rows, and where they lie once they are here."""

import fnmatch
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core import durable
from core import hub as repositories
from core.catalog import bases
from core.errors import BadInput, DataError

PREFIX = "hub:"
COMPLETE_FILE = "atelier-complete.json"  # which files of which commit are here
ROW_FILES = ("*.parquet", "*.csv", "*.tsv", "*.jsonl", "*.json", "*.csv.gz", "*.jsonl.gz")
_NOT_ROWS = ("dataset_infos.json", "dataset_dict.json", "*/dataset_info.json", "*/state.json", "config.json")


@dataclass(frozen=True)
class Fetched:
    """A dataset's files on this disk."""

    id: str
    commit: str
    folder: Path
    files: tuple[str, ...]

    def matching(self, pattern: str) -> list[Path]:
        return [self.folder / name for name in self.files if fnmatch.fnmatch(name, pattern)]

    def paths(self) -> list[Path]:
        return [self.folder / name for name in self.files]

    def origin(self) -> dict[str, str]:
        """Return what a dataset's manifest says of where it comes from."""
        return {"hub": self.id, "commit": self.commit}


def is_hub_name(text: str) -> bool:
    return text.startswith(PREFIX)


def read_name(text: str) -> tuple[str, str]:
    """Return (repository, file or pattern) of hub:owner/name or hub:owner/name/path; without a path it is empty.

    Raises:
        BadInput: It is no name of a dataset.
    """
    parts = text.removeprefix(PREFIX).strip("/").split("/", 2)
    if len(parts) < 2 or not all(part and not part.startswith(".") for part in parts):
        raise BadInput(f"{text!r} names no dataset. Write hub:owner/name, or hub:owner/name/file.parquet.")
    return "/".join(parts[:2]), parts[2] if len(parts) == 3 else ""


def choose_files(names: Sequence[str], repository: str) -> list[str]:
    """Return the files of a repository's training part; of several configurations the first.

    Raises:
        DataError: It has no file that Atelier can read, or several and none of them is called train.
    """
    rows = sorted(
        name
        for name in names
        if any(fnmatch.fnmatch(name, form) for form in ROW_FILES)
        and not any(fnmatch.fnmatch(name, form) for form in _NOT_ROWS)
    )
    if not rows:
        raise DataError(
            f"The dataset {repository} has no Parquet, CSV, TSV, JSON or JSONL file. Convert it, or choose another."
        )
    training = [name for name in rows if "train" in Path(name).name.lower() or "/train" in f"/{name.lower()}"]
    if not training and len(rows) > 1:
        raise DataError(
            f"The dataset {repository} has {len(rows)} files, none of them called train. Name one, as "
            f"hub:{repository}/{rows[0]}."
        )
    chosen = training or rows
    return [name for name in chosen if Path(name).parent == Path(chosen[0]).parent]


def fetch(
    repository: str,
    patterns: Sequence[str],
    report: Callable[[float, float, float], None],
    should_stop: Callable[[], bool],
) -> Fetched:
    """Return the files of a dataset, downloaded where they are not here; without patterns those of its training part.

    Raises:
        DataError: The hub refuses, can't be reached, has no such file, or `should_stop` said so.
        OSError: The disk has no room.
    """
    known = find_cached(repository, patterns)
    if known is not None:
        return known
    if bases.is_offline():
        raise DataError(
            f"The dataset {repository} is not on this machine and the hub can't be reached. Connect to the internet "
            "once, or give a file."
        )
    found = repositories.look_up("dataset", repository)
    names = [file.name for file in found.files]
    wanted = (
        [name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
        if patterns
        else choose_files(names, repository)
    )
    if not wanted:
        raise DataError(f"The dataset {repository} has no file {patterns[0]!r}. It has: {', '.join(names[:12])}.")
    store = found.store(bases.hub_cache())
    folder = store / "snapshots" / found.commit
    folder.mkdir(parents=True, exist_ok=True)
    durable.write_file(store / "refs" / "main", found.commit)
    files = [file for file in found.files if file.name in wanted]
    repositories.check_room(files, folder, "the dataset")
    if not repositories.fetch(found, files, folder, report, should_stop):
        raise DataError(f"The download of {repository} was stopped. Try again; it goes on where it stopped.")
    fetched = Fetched(repository, found.commit, folder, tuple(wanted))
    _note_complete(store, patterns, fetched)
    return fetched


def find_cached(repository: str, patterns: Sequence[str]) -> Fetched | None:
    """Return a dataset whose files for these patterns are here, all of them; None otherwise."""
    store = repositories.store_of(bases.hub_cache(), "dataset", repository)
    try:
        told = json.loads((store / COMPLETE_FILE).read_text(encoding="utf-8"))[_key(patterns)]
    except (OSError, ValueError, KeyError):
        return None
    folder = store / "snapshots" / told["commit"]
    if not all((folder / name).is_file() for name in told["files"]):
        return None
    return Fetched(repository, told["commit"], folder, tuple(told["files"]))


def _note_complete(store: Path, patterns: Sequence[str], found: Fetched) -> None:
    path = store / COMPLETE_FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        told = {}
    durable.write_json(path, told | {_key(patterns): {"commit": found.commit, "files": list(found.files)}})


def _key(patterns: Sequence[str]) -> str:
    return "|".join(sorted(patterns)) or "training"
