"""Imports a file: reads it row by row, makes examples of the rows, puts the bad ones aside, and stores a version.

Memory stays flat: rows go from the file into the staging folder of the version one by one.
"""

import hashlib
import json
import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

from core import durable
from core.datasets import versions
from core.datasets.examples import Example
from core.datasets.files.recognition import FileFormat
from core.datasets.files.row import Reject, Row
from core.datasets.files.table import read_rows
from core.datasets.mapping import BadRow, ColumnMapping, to_examples
from core.datasets.preview import MOST_NAME_LETTERS, no_example, show_column
from core.errors import BadInput, DataError
from core.paths import Workspace
from core.store import datasets
from core.store.datasets import ROWS_FILE
from core.wording import show_name

REJECTS_FILE = "rejected.jsonl"
SHOWN_PROBLEMS = 100
MOST_REASONS = 200
SPARE_BYTES = 1_000_000_000
LOOK_EVERY_ROWS = 2_000
MOST_REJECTS = 200_000
LEAST_USE = 0.01


@dataclass(frozen=True)
class Problem:
    """A row that was put aside: where it stands in the file and why it is no example."""

    line: int
    column: str
    reason: str
    file: str

    def show(self) -> str:
        return f"{self.file}, line {self.line}{show_column(self.column)} {self.reason}."


@dataclass
class Progress:
    """How far an import is; `share` of the file's bytes."""

    rows: int = 0
    examples: int = 0
    rejected: int = 0
    share: float = 0.0


@dataclass(frozen=True)
class Imported:
    """What an import made; `problems` are the first hundred of the rows put aside."""

    sha: str
    name: str
    rows: int
    examples: int
    rejected: int
    reasons: dict[str, int]
    problems: list[Problem]
    form: FileFormat
    mapping: ColumnMapping
    seconds: float
    is_new: bool
    manifest: dict[str, Any] = field(default_factory=dict)


class Cancelled(Exception):
    """Somebody asked the import to end; nothing of it is left."""


def import_file(
    workspace: Workspace,
    path: Path,
    form: FileFormat,
    mapping: ColumnMapping,
    *,
    name: str,
    more: Sequence[Path] = (),
    source: dict[str, Any] | None = None,
    most_rows: int | None = None,
    told: Callable[[Progress], bool] | None = None,
) -> Imported:
    """Import a file as a version of a dataset.

    Args:
        more: Files of the same form that are read after it, such as the parts of a large dataset.
        source: What else the manifest shall say of the origin, such as licence and address.
        most_rows: Only the first so many rows are read.
        told: Called now and then; it returns False to cancel.

    Raises:
        DataError: The file can't be read to its end, holds no example, or the disk has no room.
        Cancelled: `told` returned False.
    """
    began = time.monotonic()
    files = [path, *more]
    size, before = max(1, sum(_size_of(one) for one in files)), 0
    workspace.datasets.mkdir(parents=True, exist_ok=True)
    durable.sweep_staging(workspace.datasets)
    with durable.staged_folder(workspace.datasets / "import") as staging:
        with (staging / ROWS_FILE).open("wb") as kept, (staging / REJECTS_FILE).open("wb") as aside:
            sorter = _Sorter(kept, aside, mapping)
            progress = sorter.progress

            def read_so_far(count: int) -> None:
                progress.share = min(1.0, (before + count) / size)

            for one in files:
                sorter.begin(show_name(one.name))
                left = None if most_rows is None else most_rows - progress.rows
                for row in islice(read_rows(one, form, read_so_far), left):
                    sorter.take(row)
                    if progress.rows % LOOK_EVERY_ROWS == 0:
                        _check_room(workspace.root)
                        _check_use(one, progress)
                        if told is not None and not told(progress):
                            raise Cancelled
                before += _size_of(one)
        if not progress.examples:
            if not sorter.problems:
                raise DataError(f"{path} has no rows. Give a file with at least one.")
            first = sorter.problems[0]
            raise no_example(path, progress.rows, first.line, first.column, first.reason)
        if not progress.rejected:
            (staging / REJECTS_FILE).unlink()
        manifest = _describe(files, form, mapping, name, sorter, source or {})
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        (staging / versions.MANIFEST_FILE).write_text(text, encoding="utf-8")
        sha = sorter.digest.hexdigest()
        is_new = versions.put_in_place(workspace, staging, sha)
    return Imported(
        sha, name, progress.rows, progress.examples, progress.rejected, sorter.counted_reasons, sorter.problems, form,
        mapping, time.monotonic() - began, is_new, manifest,
    )  # fmt: skip


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it was there when its columns were chosen
        raise DataError(f"There is no file {path}. Check the path.") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}. Check the path and its permissions.") from error


class _Sorter:
    """Takes rows one by one: examples go into one file, what is none goes into another with the reason."""

    def __init__(self, kept: IO[bytes], aside: IO[bytes], mapping: ColumnMapping) -> None:
        self._kept, self._aside = kept, aside
        self._mapping, self._origin = mapping, ""
        self.origins: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self.progress = Progress()
        self.problems: list[Problem] = []
        self.digest = hashlib.sha256()

    def begin(self, name: str) -> None:
        """Say from which file the next rows come."""
        self._origin = name

    @property
    def counted_reasons(self) -> dict[str, int]:
        return dict(self._reasons.most_common())

    def take(self, row: Row | Reject) -> None:
        self.progress.rows += 1
        if isinstance(row, Reject):
            self._put_aside(row.line, row.column, row.reason, row.text)
            return
        try:
            lines = [_encoded(example) for example in to_examples(row.values, self._mapping, self._origin)]
        except BadRow as bad:
            self._put_aside(row.line, bad.column, bad.reason, json.dumps(row.values, default=str))
        except UnicodeEncodeError:  # an escape such as \ud800 alone, in a text that is JSON itself
            self._put_aside(row.line, "", "has half of a character", json.dumps(row.values, default=str))
        else:
            for line in lines:
                self.digest.update(line)
                self._kept.write(line)
            self.progress.examples += len(lines)
            self.origins[self._origin] += len(lines)

    def _put_aside(self, line: int, column: str, reason: str, text: str) -> None:
        self.progress.rejected += 1
        kind = re.sub(r"\d[\d,]*", "N", f"{column}: {reason}" if column else reason)  # one kind, wherever it stands
        self._reasons[kind if kind in self._reasons or len(self._reasons) < MOST_REASONS else "other"] += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(Problem(line, column, reason, self._origin))
        entry = {"file": self._origin, "line": line, "column": column, "reason": reason, "text": text}
        self._aside.write(json.dumps(entry, ensure_ascii=True).encode() + b"\n")


def _encoded(example: Example) -> bytes:
    return json.dumps(example.to_row(), ensure_ascii=False, sort_keys=True).encode("utf-8") + b"\n"


def _check_use(path: Path, progress: Progress) -> None:
    """Refuse a file of which next to nothing is an example, before all of it lies among the rows put aside."""
    if progress.rejected >= MOST_REJECTS and progress.examples < LEAST_USE * progress.rows:
        raise DataError(
            f"{path} gives {progress.examples:,} examples in its first {progress.rows:,} rows, so the import was "
            "stopped. Look at how it is read, or give a file of the good rows alone."
        )


def _check_room(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < SPARE_BYTES:
        raise DataError(
            f"Only {free / 1e9:.1f} GB are free on the disk of {root}, so the import was stopped; nothing of it is "
            "left. Free some space and try again."
        )


def _describe(
    files: Sequence[Path],
    form: FileFormat,
    mapping: ColumnMapping,
    name: str,
    sorter: _Sorter,
    source: dict[str, Any],
) -> dict[str, Any]:
    """Return the manifest: where the rows come from, how they were read, and what became of each."""
    return {
        "name": name,
        "rows": sorter.progress.examples,
        "origins": dict(sorter.origins),
        "source": source
        | {
            "file": show_name(files[0].name),
            "files": len(files),
            "file_bytes": sum(one.stat().st_size for one in files),
            "file_sha256": durable.hash_file(files[0]),
            "format": asdict(form),
            "mapping": mapping.model_dump(exclude_defaults=True) | {"layout": mapping.layout},
            "rows_read": sorter.progress.rows,
            "rejected": sorter.progress.rejected,
            "reasons": sorter.counted_reasons,
        },
    }


def first_rejects(workspace: Workspace, sha: str, count: int) -> list[dict[str, Any]]:
    """Return the first rows that an import put aside: line, column, reason and the text as it stood in the file."""
    path = versions.folder_of(workspace, sha) / REJECTS_FILE
    if not path.exists():
        return []
    with path.open("rb") as stream:
        return [json.loads(line) for line in islice(stream, count)]


def first_source(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return where the rows of a dataset came from at first, before anything was put right in them."""
    source: dict[str, Any] = manifest["source"]
    while "before" in source:
        source = source["before"]
    return source


def mapping_of(source: dict[str, Any]) -> ColumnMapping | None:
    """Return how the columns of an imported dataset were understood, by its manifest."""
    return ColumnMapping(**source["mapping"]) if "mapping" in source else None


def check_name(name: str) -> str:
    """Return a dataset's name with single blanks.

    Raises:
        BadInput: It is empty, too long, or no text.
    """
    label = " ".join(name.split())
    if not label:
        raise BadInput("The dataset's name is empty. Give it one with --name.")
    if len(label) > MOST_NAME_LETTERS:
        raise BadInput(f"The dataset's name has {len(label)} letters; at most {MOST_NAME_LETTERS} are possible.")
    if not label.isprintable() or label != show_name(label):
        raise BadInput("The dataset's name holds characters that can't be shown. Type it anew.")
    return label


def register(db: sqlite3.Connection, made: Imported) -> None:
    """Enter an imported version under its name."""
    datasets.insert(db, made.sha, made.name, made.examples, made.manifest)
    datasets.give_name(db, made.name, made.sha, "import")


def describe(made: Imported) -> dict[str, Any]:
    return {
        "dataset": made.name,
        "sha": made.sha,
        "rows": made.rows,
        "examples": made.examples,
        "rejected": made.rejected,
        "reasons": made.reasons,
        "problems": [{"line": one.line, "column": one.column, "reason": one.reason} for one in made.problems],
        "format": made.form.title,
        "mapping": made.mapping.model_dump(exclude_defaults=True) | {"layout": made.mapping.layout},
        "seconds": round(made.seconds, 3),
        "new": made.is_new,
    }
