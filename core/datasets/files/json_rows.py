"""Rows of JSONL files, line by line, and of JSON files, streamed out of their list."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import ijson

from core.datasets.files.recognition import FileFormat, show_encoding
from core.datasets.files.row import MOST_BYTES_PER_ROW, Reject, Row
from core.errors import DataError

MOST_COLUMN_BYTES = 500_000_000
DEEPEST = 100


def read_lines(stream: IO[bytes], encoding: str = "utf-8") -> Iterator[Row | Reject]:
    """Yield the object of every line that is not blank, or why it is none."""
    if encoding.startswith(("utf-16", "utf-32")):
        stream, encoding = _AsUtf8(stream, encoding), "utf-8"  # type: ignore[assignment]
    lines = iter(lambda: stream.readline(MOST_BYTES_PER_ROW + 1), b"")
    for number, raw in enumerate(lines, 1):
        if len(raw) > MOST_BYTES_PER_ROW:
            while (rest := stream.readline(MOST_BYTES_PER_ROW)) and not rest.endswith(b"\n"):
                pass
            reason = f"is longer than {MOST_BYTES_PER_ROW:,} bytes"
            remedy = "Is this a JSONL file, one object on each line?"
            yield Reject(number, reason, raw[:MOST_BYTES_PER_ROW].decode("utf-8", "backslashreplace"), remedy=remedy)
        elif raw.strip():
            yield _parse(raw, number, "utf-8-sig" if number == 1 and encoding == "utf-8" else encoding)


class _AsUtf8:
    """A stream of another encoding, read as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="\n")

    def readline(self, size: int | None = -1) -> bytes:
        return self._text.readline(-1 if size is None else size).encode("utf-8", "replace")

    def read(self, size: int = -1) -> bytes:
        return self._text.read(size).encode("utf-8", "replace")


def _parse(raw: bytes, number: int, encoding: str) -> Row | Reject:
    def reject(reason: str, remedy: str) -> Reject:
        return Reject(number, reason, raw.decode("utf-8", "backslashreplace").rstrip("\r\n"), remedy=remedy)

    try:
        text = raw.decode(encoding).rstrip("\r\n")
        row = json.loads(text, parse_constant=_refuse_constant)
        if b"\\ud" in raw.lower():
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        found = show_encoding(encoding)
        return reject(f"is not {found} text (byte {error.start + 1})", f"Save the file as {found}.")
    except UnicodeEncodeError:
        return reject("has half of a character (an escape such as \\ud800 alone)", "Correct it.")
    except RecursionError:
        return reject("is nested too deeply", "Each line must be one flat object.")
    except json.JSONDecodeError as error:
        found = f"is not valid JSON at letter {error.pos + 1}: {error.msg}"
        return reject(found, "Each line must be one complete object.")
    except ValueError as error:
        found = "a number of thousands of digits" if "digits" in str(error) else str(error)
        return reject(f"has {found}", "Write an ordinary number, or null where it is missing.")
    if isinstance(row, dict):
        return Row(number, row)
    return reject(f"is {kind_of(row)}, not an object with named fields", "Write each row as {...}.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which JSON does not know")


def kind_of(value: object) -> str:
    """Return a value's kind as people call it."""
    return {
        list: "a list",
        dict: "an object",
        str: "a text",
        int: "a number",
        float: "a number",
        bool: "true or false",
        type(None): "null",
    }.get(type(value), type(value).__name__)


def read_document(stream: IO[bytes], form: FileFormat, path: Path) -> Iterator[Row | Reject]:
    """Yield the rows of a JSON file's list; the file is never held whole.

    Raises:
        DataError: The file stops being JSON somewhere; the rows before that have been yielded.
    """
    if form.encoding not in ("utf-8", "utf-8-sig"):
        stream = _AsUtf8(stream, form.encoding)  # type: ignore[assignment]
    elif form.encoding == "utf-8-sig":
        stream.read(3)
    if form.rows_at == "columns":
        yield from _read_columns(stream, path)
        return
    number = 0
    try:
        for number, row in enumerate(ijson.items(stream, form.rows_at, use_float=True), 1):
            if not isinstance(row, dict):
                yield Reject(number, f"is {kind_of(row)}, not an object with named fields", _written(row))
            elif _depth(row) > DEEPEST:
                yield Reject(number, "is nested too deeply", _written(row))
            else:
                yield Row(number, row)
    except (ijson.JSONError, ValueError, OverflowError, UnicodeError, RecursionError) as error:
        told = str(error).split("\n")[0].strip() or "it ends too early"
        raise DataError(f"{path} is not valid JSON behind row {number}: {told}. Correct the file there.") from error


def _read_columns(stream: IO[bytes], path: Path) -> Iterator[Row | Reject]:
    """Yield the rows of a file that holds one list, or one object of values, for each column."""
    content = stream.read(MOST_COLUMN_BYTES + 1)
    if len(content) > MOST_COLUMN_BYTES:
        raise DataError(
            f"{path} holds its columns one behind the other and is larger than {MOST_COLUMN_BYTES // 10**6} MB. Save "
            "it as JSONL."
        )
    try:
        columns = json.loads(content, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON: {error}. Correct the file.") from error
    lists = {
        str(name): list(values.values()) if isinstance(values, dict) else values
        for name, values in columns.items()
        if isinstance(values, list | dict)
    }
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{name} {count}" for name, count in list(lengths.items())[:6])
        raise DataError(f"The columns of {path} are of different lengths ({told}). Each needs one value for each row.")
    for number, values in enumerate(zip(*lists.values(), strict=True), 1):
        yield Row(number, dict(zip(lists, values, strict=True)))


def _depth(value: Any) -> int:
    deepest, open_parts = 0, [(value, 1)]
    while open_parts:
        part, depth = open_parts.pop()
        if depth > DEEPEST:
            return depth
        deepest = max(deepest, depth)
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        open_parts += [(one, depth + 1) for one in inner if isinstance(one, dict | list)]
    return deepest


def _written(row: Any) -> str:
    try:
        return json.dumps(row, ensure_ascii=True)
    except (RecursionError, TypeError, ValueError):
        return "(it can't be written down)"
