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
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

from pydantic import ValidationError

from core import durable
from core.catalog.industries import describe_error
from core.datasets import mapping as mappings
from core.datasets import versions
from core.datasets.examples import Example
from core.datasets.files.recognition import FileFormat, recognise
from core.datasets.files.row import Reject, Row
from core.datasets.files.table import read_rows
from core.datasets.mapping import BadRow, ColumnMapping, to_examples
from core.errors import BadInput, DataError
from core.paths import Workspace
from core.store import datasets
from core.store.datasets import ROWS_FILE
from core.wording import show_name

REJECTS_FILE = "rejected.jsonl"
SHOWN_PROBLEMS = 100
MOST_REASONS = 200
GUESS_ROWS = 50
SPARE_BYTES = 1_000_000_000
LOOK_EVERY_ROWS = 2_000
MOST_NAME_LETTERS = 120


@dataclass(frozen=True)
class Preview:
    """What a file looks like before it is imported; `mapping` is the guess, or None where a person has to choose."""

    form: FileFormat
    columns: list[str]
    rows: list[dict[str, Any]]
    rejects: list[Reject]
    mapping: ColumnMapping | None


@dataclass(frozen=True)
class Problem:
    """A row that was put aside: where it stands in the file and why it is no example."""

    line: int
    column: str
    reason: str

    def show(self, name: str) -> str:
        return f"{name}, line {self.line}{_column(self.column)} {self.reason}."


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


def preview(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None, header: bool | None = None
) -> Preview:
    """Return what a file holds, by its first rows.

    Raises:
        DataError: The file can't be read, or none of its first rows can.
    """
    form = recognise(path, encoding=encoding, delimiter=delimiter, header=header)
    rows, rejects = [], []
    for row in islice(read_rows(path, form), GUESS_ROWS):
        if isinstance(row, Row):
            rows.append(row.values)
        else:
            rejects.append(row)
    if not rows:
        if rejects:
            first = rejects[0]
            others = f" None of the first {len(rejects)} rows can be read." if len(rejects) > 1 else ""
            raise DataError(f"{path}, line {first.line}{_column(first.column)} {first.reason}. {first.remedy}{others}")
        raise DataError(f"{path} has no rows. Give a file with at least one.")
    counts = Counter(name for row in rows for name in row)
    usual = [name for name, count in counts.items() if 2 * count >= len(rows)]
    return Preview(form, list(counts), rows, rejects, mappings.guess(usual, rows))


def choose_mapping(found: Preview, path: Path, wanted: dict[str, Any]) -> ColumnMapping:
    """Return the guess with what a person chose in its place.

    Args:
        wanted: Fields of ColumnMapping; those left out are guessed.

    Raises:
        DataError: A column does not exist, or it is not clear what asks and what answers.
    """
    guessed = found.mapping.model_dump() if found.mapping else {}
    chosen = {key: value for key, value in wanted.items() if value}
    if "layout" in chosen and chosen["layout"] != guessed.get("layout"):
        guessed = {}
    try:
        mapping = ColumnMapping(**(guessed | chosen))
    except ValidationError as error:
        raise DataError(f"The mapping is wrong at {describe_error(error)}") from error
    for name in mapping.needed():
        if name not in found.columns:
            raise DataError(f"{path} has no column {name!r}. It has: {', '.join(found.columns)}.")
    has_prompt = bool(mapping.prompt or mapping.template)
    if not has_prompt or (mapping.layout == "pair" and not mapping.response):
        missing = "what asks (prompt) and what answers (response)" if not has_prompt else "what answers (response)"
        raise DataError(
            f"Which column of {path} holds {missing} can't be told. Choose from: {', '.join(found.columns)}."
        )
    if mapping.layout == "pair" and mapping.prompt == mapping.response:
        raise DataError(f"The column {mapping.prompt!r} can't both ask and answer. Choose another for one of them.")
    return mapping


def import_file(
    workspace: Workspace,
    path: Path,
    form: FileFormat,
    mapping: ColumnMapping,
    *,
    name: str,
    source: dict[str, Any] | None = None,
    most_rows: int | None = None,
    told: Callable[[Progress], bool] | None = None,
) -> Imported:
    """Import a file as a version of a dataset.

    Args:
        source: What else the manifest shall say of the origin, such as licence and address.
        most_rows: Only the first so many rows are read.
        told: Called now and then; it returns False to cancel.

    Raises:
        DataError: The file can't be read to its end, holds no example, or the disk has no room.
        Cancelled: `told` returned False.
    """
    began = time.monotonic()
    size = max(1, path.stat().st_size)
    workspace.datasets.mkdir(parents=True, exist_ok=True)
    durable.sweep_staging(workspace.datasets)
    with durable.staged_folder(workspace.datasets / "import") as staging:
        with (staging / ROWS_FILE).open("wb") as kept, (staging / REJECTS_FILE).open("wb") as aside:
            sorter = _Sorter(kept, aside, mapping, show_name(path.name))
            progress = sorter.progress

            def read_so_far(count: int) -> None:
                progress.share = min(1.0, count / size)

            for row in islice(read_rows(path, form, read_so_far), most_rows):
                sorter.take(row)
                if progress.rows % LOOK_EVERY_ROWS == 0:
                    _check_room(workspace.root)
                    if told is not None and not told(progress):
                        raise Cancelled
        if not progress.examples:
            first = f" The first: {sorter.problems[0].show(show_name(path.name))}" if sorter.problems else ""
            raise DataError(f"{path} gives no example; all {progress.rows:,} rows were put aside.{first}")
        if not progress.rejected:
            (staging / REJECTS_FILE).unlink()
        manifest = _describe(path, form, mapping, name, sorter, source or {})
        text = json.dumps(manifest, indent=2, ensure_ascii=False)
        (staging / versions.MANIFEST_FILE).write_text(text, encoding="utf-8")
        sha = sorter.digest.hexdigest()
        is_new = versions.put_in_place(workspace, staging, sha)
    return Imported(
        sha, name, progress.rows, progress.examples, progress.rejected, sorter.counted_reasons, sorter.problems, form,
        mapping, time.monotonic() - began, is_new, manifest,
    )  # fmt: skip


class _Sorter:
    """Takes rows one by one: examples go into one file, what is none goes into another with the reason."""

    def __init__(self, kept: IO[bytes], aside: IO[bytes], mapping: ColumnMapping, origin: str) -> None:
        self._kept, self._aside = kept, aside
        self._mapping, self._origin = mapping, origin
        self._reasons: Counter[str] = Counter()
        self.progress = Progress()
        self.problems: list[Problem] = []
        self.digest = hashlib.sha256()

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

    def _put_aside(self, line: int, column: str, reason: str, text: str) -> None:
        self.progress.rejected += 1
        kind = re.sub(r"\d[\d,]*", "N", f"{column}: {reason}" if column else reason)  # one kind, wherever it stands
        self._reasons[kind if kind in self._reasons or len(self._reasons) < MOST_REASONS else "other"] += 1
        if len(self.problems) < SHOWN_PROBLEMS:
            self.problems.append(Problem(line, column, reason))
        entry = {"line": line, "column": column, "reason": reason, "text": text}
        self._aside.write(json.dumps(entry, ensure_ascii=True).encode() + b"\n")


def _encoded(example: Example) -> bytes:
    return json.dumps(example.to_row(), ensure_ascii=False, sort_keys=True).encode("utf-8") + b"\n"


def _check_room(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < SPARE_BYTES:
        raise DataError(
            f"Only {free / 1e9:.1f} GB are free on the disk of {root}, so the import was stopped; nothing of it is "
            "left. Free some space and try again."
        )


def _describe(
    path: Path,
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
        "origins": {show_name(path.name): sorter.progress.examples},
        "source": source
        | {
            "file": show_name(path.name),
            "file_bytes": path.stat().st_size,
            "file_sha256": durable.hash_file(path),
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


def name_of(path: Path) -> str:
    """Return what a dataset is called that nobody named: the file's name without its endings."""
    name = path.name
    for ending in (".gz", ".jsonl", ".json", ".csv", ".tsv", ".tab", ".txt", ".parquet"):
        name = name[: -len(ending)] if name.lower().endswith(ending) and len(name) > len(ending) else name
    return show_name(name)


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


def read_strictly(path: Path) -> tuple[list[Example], ColumnMapping]:
    """Return the examples of a person's own file and how its columns were understood.

    It is read as an import would, but refused at its first bad row.

    Raises:
        DataError: A row is no example; the message names file, line and column.
    """
    found = preview(path)
    mapping = choose_mapping(found, path, {})
    examples: list[Example] = []
    for row in read_rows(path, found.form):
        if isinstance(row, Reject):
            raise DataError(f"{path}, line {row.line}{_column(row.column)} {row.reason}. {row.remedy}")
        try:
            examples += to_examples(row.values, mapping, show_name(path.name))
        except BadRow as bad:
            raise DataError(
                f"{path}, line {row.line}{_column(bad.column)} {bad.reason}. Correct that row, or import the file with "
                "`atelier data import`, which puts such rows aside."
            ) from None
    return examples, mapping


def read_all(path: Path) -> tuple[list[Example], ColumnMapping, int]:
    """Return the examples of a file, how its columns were understood, and how many rows are no examples."""
    found = preview(path)
    mapping = choose_mapping(found, path, {})
    examples: list[Example] = []
    rejected = 0
    for row in read_rows(path, found.form):
        try:
            if isinstance(row, Row):
                examples += to_examples(row.values, mapping, show_name(path.name))
            else:
                rejected += 1
        except BadRow:
            rejected += 1
    return examples, mapping, rejected


def _column(name: str) -> str:
    return f", column {name!r}" if name else ""


def sample_examples(found: Preview, mapping: ColumnMapping, path: Path) -> list[Example]:
    """Return the examples that the first rows of a file give.

    Raises:
        DataError: None of them gives one.
    """
    examples: list[Example] = []
    first: BadRow | None = None
    for row in found.rows:
        try:
            examples += to_examples(row, mapping, show_name(path.name))
        except BadRow as bad:
            first = first or bad
    if not examples and first is not None:
        raise DataError(
            f"None of the first {len(found.rows)} rows of {path} gives an example. In the first, {first.column!r} "
            f"{first.reason}. Choose other columns."
        )
    return examples


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
