"""Rows of JSONL files, line by line."""

import io
import json
from collections.abc import Iterator
from typing import IO

from core.datasets.files.recognition import show_encoding
from core.datasets.files.row import MOST_BYTES_PER_ROW, Reject, Row
from core.datasets.files.values import find_fault, kind_of

_REPLACED = "\ufffd".encode()  # what undecodable bytes become in encodings of two and four bytes


def read_lines(stream: IO[bytes], encoding: str = "utf-8") -> Iterator[Row | Reject]:
    """Yield the object of every line that is not blank, or why it is none."""
    wide = show_encoding(encoding) if encoding.startswith(("utf-16", "utf-32")) else ""
    if wide:
        stream, encoding = _AsUtf8(stream, encoding), "utf-8"  # type: ignore[assignment]
    lines = iter(lambda: stream.readline(MOST_BYTES_PER_ROW + 1), b"")
    for number, raw in enumerate(lines, 1):
        if len(raw) > MOST_BYTES_PER_ROW:
            while (rest := stream.readline(MOST_BYTES_PER_ROW)) and not rest.endswith(b"\n"):
                pass
            reason = f"is longer than {MOST_BYTES_PER_ROW:,} bytes"
            remedy = "Is this a JSONL file, one object on each line?"
            yield Reject(number, reason, raw[:MOST_BYTES_PER_ROW].decode("utf-8", "backslashreplace"), remedy=remedy)
        elif wide and _REPLACED in raw:
            remedy = f"Save the file as {wide}."
            yield Reject(number, f"has bytes that are not {wide}", raw.decode("utf-8").rstrip("\r\n"), remedy=remedy)
        elif raw.strip():
            yield _parse(raw, number, "utf-8-sig" if number == 1 and encoding == "utf-8" else encoding)


class _AsUtf8:
    """A stream of another encoding, read as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="\n")

    def readline(self, size: int | None = -1) -> bytes:
        return self._text.readline(-1 if size is None else size).encode("utf-8", "replace")


def _parse(raw: bytes, number: int, encoding: str) -> Row | Reject:
    def reject(reason: str, remedy: str) -> Reject:
        return Reject(number, reason, raw.decode("utf-8", "backslashreplace").rstrip("\r\n"), remedy=remedy)

    try:
        text = raw.decode(encoding).rstrip("\r\n").lstrip("\ufeff")  # files put together have marks inside
        row = json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        found = show_encoding(encoding)
        return reject(f"is not {found} text (byte {error.start + 1})", f"Save the file as {found}.")
    except RecursionError:
        return reject("is nested too deeply", "Each line must be one flat object.")
    except json.JSONDecodeError as error:
        found = f"is not valid JSON at letter {error.pos + 1}: {error.msg}"
        return reject(found, "Each line must be one complete object.")
    except ValueError as error:
        found = "a number of thousands of digits" if "digits" in str(error) else str(error)
        return reject(f"has {found}", "Write an ordinary number, or null where it is missing.")
    if isinstance(row, dict):
        fault = find_fault(row, text)
        return reject(fault, "Correct that row.") if fault else Row(number, row)
    return reject(f"is {kind_of(row)}, not an object with named fields", "Write each row as {...}.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which JSON does not know")
