"""Reads examples from JSONL files, row by row, with a sentence for every row that is none."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.datasets.examples import Example, join_instruction
from core.datasets.files import json_rows
from core.datasets.files.row import Reject
from core.datasets.files.values import kind_of
from core.errors import DataError
from core.wording import show_name

LAYOUTS = (("prompt", "response"), ("instruction", "output"))
OWN_FIELDS = ("prompt", "response", "input", "origin")


def read_examples(path: Path) -> list[Example]:
    """Read instruction/input/output or prompt/response rows.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or a row is wrong; the message names file and line.
    """
    examples = [_to_example(row, path, number) for number, row in read_rows(path)]
    if not examples:
        raise DataError(
            f"{path} holds no rows. Each line needs a JSON object with prompt and response, or with "
            "instruction, input and output."
        )
    return examples


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of every line that is not blank."""
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder. Give a JSONL file.")
        with path.open("rb") as stream:
            for row in json_rows.read_lines(stream):
                if isinstance(row, Reject):
                    raise DataError(f"{path}, line {row.line} {row.reason}. {row.remedy}")
                yield row.line, row.values
    except FileNotFoundError:
        raise DataError(f"There is no file {path}. Check the path.") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}. Check the path and its permissions.") from error


def _to_example(row: dict[str, Any], path: Path, number: int) -> Example:
    for ask, reply in LAYOUTS:
        if ask in row and reply in row:
            break
    else:
        have = ", ".join(list(row)[:6]) or "none"
        raise DataError(
            f"{path}, line {number} has the fields {have}. It needs prompt and response, or instruction, input "
            "and output."
        )
    given = "" if row.get("input") is None else row["input"]
    for name, value in ((ask, row[ask]), (reply, row[reply]), ("input", given)):
        if not isinstance(value, str):
            raise DataError(f"{path}, line {number}: {name} is {kind_of(value)}, not text.")
    if not row[ask].strip():
        raise DataError(f"{path}, line {number}: {ask} is empty.")
    if not row[reply].strip():
        raise DataError(f"{path}, line {number}: {reply} is empty, so there is nothing to learn from.")
    extra = {key: value for key, value in row.items() if key not in (ask, reply, *OWN_FIELDS)}
    return Example(
        join_instruction(row[ask], given), row[reply].strip(), str(row.get("origin", show_name(path.name))), extra
    )
