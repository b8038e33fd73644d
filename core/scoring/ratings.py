"""Rated transcripts: what people scored by a rubric, read and written as JSONL or CSV.

Both formats have a column for the transcript and one for each dimension, numbers from 1 to 5; all else may be missing.
Lists in CSV are separated by semicolons.
"""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from core import durable
from core.catalog.rubrics import SCALE, Rubric
from core.datasets.files.recognition import recognise
from core.datasets.files.row import Row
from core.datasets.files.table import read_rows
from core.errors import DataError, TranscriptError
from core.scoring.reading import read_transcript
from core.scoring.transcript import Transcript
from core.wording import clip

MOST_RATED = 50_000
LISTS = ("strengths", "areas_for_improvement")
NOTES = ("reasoning", "source", "group", "rater", "title")
REASON = "reason_"


@dataclass(frozen=True)
class Rated:
    """A transcript with a person's scores, by dimension.

    `source` says where the transcript comes from, `group` what must stay on one side of a split, `rater` who scored.
    """

    transcript: Transcript
    scores: dict[str, int | float]
    reasons: dict[str, str] = field(default_factory=dict)
    reasoning: str = ""
    strengths: tuple[str, ...] = ()
    areas_for_improvement: tuple[str, ...] = ()
    source: str = ""
    rater: str = ""
    group: str = ""
    title: str = ""

    @property
    def bond(self) -> str:
        """What this shares with those that must stay on its side of a split: its group, else scenario, else text.

        Of a source such as `nurse/fall/17` the first two parts count.
        """
        if self.group or self.source:
            return self.group or "/".join(self.source.split("/")[:2])
        return hashlib.sha256(self.transcript.render().encode("utf-8")).hexdigest()


def read(path: Path, rubric: Rubric) -> list[Rated]:
    """Return the rated transcripts of a JSONL, CSV or other table file.

    Raises:
        DataError: The file can't be read, or a row is wrong; the message names file, line and column.
    """
    found: list[Rated] = []
    for row in islice(read_rows(path, recognise(path)), MOST_RATED + 1):
        place = f"{path}, line {row.line}"
        if not isinstance(row, Row):
            column = f", column {row.column!r}" if row.column else ""
            raise DataError(f"{place}{column} {row.reason}. {row.remedy}")
        found.append(_read_row(row.values, rubric, place))
    if not found:
        raise DataError(f"{path} has no rows. Give a file with rated transcripts; docs/rating-guide.md shows its form.")
    if len(found) > MOST_RATED:
        raise DataError(f"{path} has more than {MOST_RATED:,} rows. Split the file.")
    return found


def _read_row(values: Mapping[str, Any], rubric: Rubric, place: str) -> Rated:
    given = values.get("transcript")
    if given is None or not str(given).strip():
        raise DataError(f"{place}, column 'transcript' is empty. Each row needs the conversation.")
    try:
        text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        transcript = read_transcript(text, rubric)
    except TranscriptError as error:
        raise DataError(f"{place}, column 'transcript': {error}") from error
    lists = {name: _read_list(values.get(name), f"{place}, column {name!r}") for name in LISTS}
    notes = {name: _text(values.get(name)) for name in NOTES}
    ids = [one.id for one in rubric.dimensions]
    reasons = {name: _text(values.get(REASON + name)) for name in ids}
    return Rated(
        transcript,
        {name: read_score(values.get(name), f"{place}, column {name!r}") for name in ids},
        {name: reason for name, reason in reasons.items() if reason},
        notes["reasoning"],
        lists["strengths"],
        lists["areas_for_improvement"],
        notes["source"],
        notes["rater"],
        notes["group"],
        notes["title"],
    )


def read_score(value: Any, place: str) -> int | float:
    """Return a score of the scale, which need not be whole, as means of raters are not; "3,5" is read too.

    Raises:
        DataError: It is missing, no number, or outside of the scale.
    """
    low, high = SCALE[0], SCALE[-1]
    if value is None or not str(value).strip():
        raise DataError(f"{place} is empty. Each dimension needs a score from {low} to {high}.")
    try:
        number = float("nan") if isinstance(value, bool) else float(str(value).strip().replace(",", "."))
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise DataError(f"{place} is {clip(str(value), 40)!r}. A score is a number from {low} to {high}.")
    return int(number) if number.is_integer() else number


def _read_list(value: Any, place: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        value = value.split(";")
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise DataError(f"{place} is no list of texts. Write texts with semicolons between them, or a JSON list.")
    return tuple(part for one in value if (part := " ".join(one.split())))


def _text(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def to_row(one: Rated) -> dict[str, Any]:
    """Return a row as JSONL has it; what is empty and may be missing is left out."""
    row: dict[str, Any] = {"transcript": one.transcript.render(), **one.scores, "reasoning": one.reasoning}
    row |= {name: list(getattr(one, name)) for name in LISTS}
    row |= {REASON + name: reason for name, reason in one.reasons.items()}
    return row | {name: getattr(one, name) for name in ("source", "group", "rater", "title") if getattr(one, name)}


def write_jsonl(rated: Sequence[Rated]) -> str:
    return "".join(json.dumps(to_row(one), ensure_ascii=False) + "\n" for one in rated)


def write_csv(rated: Sequence[Rated]) -> str:
    """Return CSV with a header. A semicolon inside of a strength or area becomes a comma, as it separates them."""
    rows = [to_row(one) for one in rated]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        lists = {name: ";".join(part.replace(";", ",") for part in row[name]) for name in LISTS}
        writer.writerow(row | lists)
    return out.getvalue()


def save(path: Path, rated: Sequence[Rated]) -> None:
    """Write a file, as CSV where its name ends so, else as JSONL."""
    durable.write_file(path, write_csv(rated) if path.suffix.casefold() == ".csv" else write_jsonl(rated))
