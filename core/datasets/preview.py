"""A file before it is imported: how it is read, which column becomes what, and the examples that its rows give."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.catalog.industries import describe_error
from core.datasets import mapping as mappings
from core.datasets.examples import Example
from core.datasets.files.recognition import FileFormat, recognise
from core.datasets.files.row import Reject, Row
from core.datasets.files.table import read_rows
from core.datasets.mapping import BadRow, ColumnMapping, to_examples
from core.errors import DataError
from core.wording import clip, show_name

GUESS_ROWS = 50
SHOWN_COLUMNS = 12
MOST_NAME_LETTERS = 120


@dataclass(frozen=True)
class Preview:
    """What a file looks like before it is imported.

    `mapping` is the guess, or None where a person has to choose; `is_whole` tells that no rows follow those seen.
    """

    form: FileFormat
    columns: list[str]
    rows: list[dict[str, Any]]
    lines: list[int]
    rejects: list[Reject]
    mapping: ColumnMapping | None
    is_whole: bool


def look_at(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None, header: bool | None = None
) -> Preview:
    """Return what a file holds, by its first rows.

    Raises:
        DataError: The file can't be read, or none of its first rows can.
    """
    form = recognise(path, encoding=encoding, delimiter=delimiter, header=header)
    rows, lines, rejects = [], [], []
    for row in islice(read_rows(path, form), GUESS_ROWS):
        if isinstance(row, Row):
            rows.append(row.values)
            lines.append(row.line)
        else:
            rejects.append(row)
    if not rows:
        if rejects:
            first = rejects[0]
            others = f" None of the first {len(rejects)} rows can be read." if len(rejects) > 1 else ""
            raise DataError(
                f"{path}, line {first.line}{show_column(first.column)} {first.reason}. {first.remedy}{others}"
            )
        raise DataError(f"{path} has no rows. Give a file with at least one.")
    if not any(rows):
        raise DataError(f"The rows of {path} have no fields. Each needs one that asks and one that answers.")
    counts = Counter(name for row in rows for name in row)
    usual = [name for name, count in counts.items() if 2 * count >= len(rows)]
    is_whole = len(rows) + len(rejects) < GUESS_ROWS
    return Preview(form, list(counts), rows, lines, rejects, mappings.guess(usual, rows), is_whole)


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
            raise DataError(f"{path} has no column {clip(name, 80)!r}. It has: {show_columns(found.columns)}.")
    has_prompt = bool(mapping.prompt or mapping.template)
    if not has_prompt or (mapping.layout == "pair" and not mapping.response):
        missing = "what asks (prompt) and what answers (response)" if not has_prompt else "what answers (response)"
        raise DataError(
            f"Which column of {path} holds {missing} can't be told. Choose from: {show_columns(found.columns)}."
        )
    if mapping.layout == "pair" and mapping.prompt == mapping.response:
        raise DataError(f"The column {mapping.prompt!r} can't both ask and answer. Choose another for one of them.")
    return mapping


def show_columns(names: Sequence[str]) -> str:
    """Return the first columns of a file as they are named in a sentence."""
    told = [clip(name, 40) or "(no name)" for name in names[:SHOWN_COLUMNS]]
    return ", ".join(told) + (f" and {len(names) - len(told):,} more" if len(names) > len(told) else "")


def name_of(path: Path) -> str:
    """Return what a dataset is called that nobody named: the file's name without its endings."""
    name = path.name
    for ending in (".gz", ".jsonl", ".json", ".csv", ".tsv", ".tab", ".txt", ".parquet"):
        name = name[: -len(ending)] if name.lower().endswith(ending) and len(name) > len(ending) else name
    return show_name(name)


def label_of(path: Path) -> str:
    """Return the name that is proposed for the dataset of a file: the file's, as far as it can be shown."""
    return clip(" ".join(clip(name_of(path), 1000).split()), MOST_NAME_LETTERS) or "data"


def read_strictly(path: Path, wanted: dict[str, Any] | None = None) -> tuple[list[Example], ColumnMapping]:
    """Return the examples of a person's own file and how its columns were understood.

    It is read as an import would, but refused at its first bad row.

    Args:
        wanted: Fields of ColumnMapping that are not guessed.

    Raises:
        DataError: A row is no example; the message names file, line and column.
    """
    found = look_at(path)
    mapping = choose_mapping(found, path, wanted or {})
    examples: list[Example] = []
    for row in read_rows(path, found.form):
        if isinstance(row, Reject):
            raise DataError(f"{path}, line {row.line}{show_column(row.column)} {row.reason}. {row.remedy}")
        try:
            examples += to_examples(row.values, mapping, show_name(path.name))
        except BadRow as bad:
            raise DataError(
                f"{path}, line {row.line}{show_column(bad.column)} {bad.reason}. Correct that row, or import the "
                "file with `atelier data import`, which puts such rows aside."
            ) from None
    return examples, mapping


def read_all(path: Path) -> tuple[list[Example], ColumnMapping, int]:
    """Return the examples of a file, how its columns were understood, and how many rows are no examples."""
    found = look_at(path)
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


def show_column(name: str) -> str:
    """Return a column as it is named behind a line, or nothing."""
    return f", column {clip(name, 80)!r}" if name else ""


def sample_examples(found: Preview, mapping: ColumnMapping, path: Path) -> list[Example]:
    """Return the examples that the first rows of a file give; none where only later rows can.

    Raises:
        DataError: The file has no other rows, and none of them gives one; an import would say the same.
    """
    examples: list[Example] = []
    problems = [(row.line, row.column, row.reason) for row in found.rejects]
    for line, row in zip(found.lines, found.rows, strict=True):
        try:
            examples += to_examples(row, mapping, show_name(path.name))
        except BadRow as bad:
            problems.append((line, bad.column, bad.reason))
    if not examples and found.is_whole:
        raise no_example(path, len(problems), *min(problems))
    return examples


def no_example(path: Path, rows: int, line: int, column: str, reason: str) -> DataError:
    """Return the failure of a file whose rows are all put aside; line, column and reason are those of the first."""
    told = f"Line {line}{show_column(column)} {reason}."
    many = f"{rows:,} {'row' if rows == 1 else 'rows'}"
    return DataError(f"{path} gives no example in {many}. {told} Correct the rows, or choose other columns.")
