"""Rows of a JSON file that holds one list, or one object of values, for each column."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from core.datasets.files.recognition import FileFormat, show_encoding
from core.datasets.files.row import Reject, Row
from core.datasets.files.values import has_half_character, is_too_deep
from core.errors import DataError

MOST_BYTES = 100_000_000  # the file is held whole, and its values take a multiple of its size


def read_columns(stream: IO[bytes], form: FileFormat, path: Path) -> Iterator[Row | Reject]:
    """Yield the rows of a file that holds its columns one behind the other.

    Raises:
        DataError: The file is too large to be held whole, no JSON, or its columns are of different lengths.
    """
    content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise DataError(
            f"{path} holds its columns one behind the other and is larger than {MOST_BYTES // 10**6} MB. Save it as "
            "JSONL."
        )
    try:
        columns = json.loads(content.decode(form.encoding), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        told = f"byte {error.start + 1} is not {show_encoding(form.encoding)}"
        raise DataError(f"{path} is not valid JSON: {told}. Save it as {show_encoding(form.encoding)}.") from error
    except json.JSONDecodeError as error:
        told = f"line {error.lineno}, letter {error.colno}: {error.msg}"
        raise DataError(f"{path} is not valid JSON at {told}. Correct the file.") from error
    except RecursionError as error:
        raise DataError(f"{path} is nested too deeply. Save it as JSONL, one flat object on each line.") from error
    except ValueError as error:
        told = "a number of thousands of digits" if "digits" in str(error) else str(error)
        raise DataError(f"{path} has {told}. Correct the file.") from error
    lists = {
        name: list(values.values()) if isinstance(values, dict) else values
        for name, values in columns.items()
        if isinstance(values, list | dict)
    }
    if has_half_character(list(lists)):
        raise DataError(f"{path} has a column whose name holds half of a character. Rename it.")
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{name[:40]} {count}" for name, count in list(lengths.items())[:6])
        raise DataError(f"The columns of {path} are of different lengths ({told}). Each needs one value for each row.")
    for number, values in enumerate(zip(*lists.values(), strict=True), 1):
        row = dict(zip(lists, values, strict=True))
        problem = _find_problem(row)
        yield Reject(number, problem, _written(row)) if problem else Row(number, row)


def _find_problem(row: dict[str, Any]) -> str:
    if is_too_deep(row):
        return "is nested too deeply"
    return "has half of a character (an escape such as \\ud800 alone)" if has_half_character(row) else ""


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which JSON does not know")


def _written(row: dict[str, Any]) -> str:
    try:
        return json.dumps(row)
    except RecursionError:
        return "(it can't be written down)"
