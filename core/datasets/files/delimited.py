"""Rows of CSV and TSV files, streamed; a row that is wrong is handed on with its reason, and the next one is read."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import IO

from core.datasets.files.recognition import SEPARATOR_LINE, FileFormat, show_encoding
from core.datasets.files.row import MOST_BYTES_PER_ROW, MOST_COLUMNS, Reject, Row
from core.errors import DataError
from core.wording import clip

# What undecodable bytes become: halves of a surrogate pair, or in two-byte encodings the replacement character.
_UNDECODED = re.compile("[\udc80-\udcff]")
_REPLACED = re.compile("\ufffd")


def read_delimited(stream: IO[bytes], form: FileFormat, where: str) -> Iterator[Row | Reject]:
    """Yield the rows of a CSV or TSV stream.

    Raises:
        DataError: The header names a column twice.
    """
    wide = form.encoding.startswith(("utf-16", "utf-32"))
    text = io.TextIOWrapper(
        stream, encoding=form.encoding, errors="replace" if wide else "surrogateescape", newline=_line_end(stream, form)
    )
    lines = _Lines(text)
    rows = _quoted(lines, form.delimiter) if form.quoting else _plain(lines, form.delimiter)
    names: list[str] | None = None
    undecoded = _REPLACED if wide else _UNDECODED
    for line, fields, problem in rows:
        raw = "".join(lines.taken)
        lines.taken.clear()
        if line == 1 and SEPARATOR_LINE.match(raw.lstrip("\ufeff")):
            continue
        if problem is None and not any(field.strip() for field in fields):
            continue  # blank lines, and rows of nothing but delimiters
        if names is None and form.header:
            names = _names(fields, where, line, problem or _find_broken(raw, undecoded, form))
            continue
        if names is None and problem is None:
            names = _names([""] * len(fields), where, line, "")
        problem, column = problem or "", ""
        if not problem and names is not None:
            problem, column = _find_problem(fields, names, raw, undecoded, form)
        if problem or names is None:
            yield Reject(line, problem, _shown(raw), column)
        else:
            yield Row(line, dict(zip(names, fields, strict=False)))


def _line_end(stream: IO[bytes], form: FileFormat) -> str:
    """Return how lines end; only old Mac files end them with a carriage return alone."""
    peek = getattr(stream, "peek", None)
    start = peek(65_536)[:65_536] if peek else b""
    return "\r" if b"\r" in start and b"\n" not in start else "\n"


class _Lines:
    """The lines of a stream; `taken` keeps those of the present row, so that a bad one can be shown as it stands."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.taken: list[str] = []
        self.number = 0
        self.too_long = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MOST_BYTES_PER_ROW + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        if len(line) > MOST_BYTES_PER_ROW:
            while (rest := self._text.readline(MOST_BYTES_PER_ROW)) and not rest.endswith(("\n", "\r")):
                pass
            raise _RowTooLong
        return line


class _RowTooLong(Exception):
    pass


_Fields = tuple[int, list[str], str | None]


def _quoted(lines: _Lines, delimiter: str) -> Iterator[_Fields]:
    csv.field_size_limit(MOST_BYTES_PER_ROW)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except _RowTooLong:
            yield line, [], f"is longer than {MOST_BYTES_PER_ROW:,} characters"
        except csv.Error as error:
            yield line, [], _explain(str(error))
        else:
            yield line, fields, None


def _explain(error: str) -> str:
    if "field larger" in error or "unexpected end" in error:
        return "opens a quotation mark that is never closed"
    if "expected after" in error:
        return "has text behind a closing quotation mark; quotation marks inside a field must be doubled"
    if "new-line character" in error:
        return "has a carriage return outside quotation marks"
    return f"is no row of CSV: {error}"


def _plain(lines: _Lines, delimiter: str) -> Iterator[_Fields]:
    while True:
        line = lines.number + 1
        try:
            yield line, next(lines).rstrip("\r\n").split(delimiter), None
        except StopIteration:
            return
        except _RowTooLong:
            yield line, [], f"is longer than {MOST_BYTES_PER_ROW:,} characters"


def _names(fields: list[str], where: str, line: int, problem: str) -> list[str]:
    if problem:
        raise DataError(f"{where}, line {line}, which names the columns, {problem}. Correct that line.")
    if len(fields) > MOST_COLUMNS:
        raise DataError(
            f"{where} has {len(fields):,} columns; at most {MOST_COLUMNS:,} can be read. Keep those that ask and "
            "answer."
        )
    names = [field.strip().lstrip("\ufeff") or f"column {place}" for place, field in enumerate(fields, 1)]
    if len(set(names)) < len(names):
        name, _ = Counter(names).most_common(1)[0]
        raise DataError(f"{where} has two columns called {clip(name, 80)!r}. Rename one of them in the first line.")
    return names


def _find_broken(raw: str, undecoded: re.Pattern[str], form: FileFormat) -> str:
    if "\0" in raw:
        return "has a NUL character"
    return f"has bytes that are not {show_encoding(form.encoding)}" if undecoded.search(raw) else ""


def _find_problem(
    fields: list[str], names: list[str], raw: str, undecoded: re.Pattern[str], form: FileFormat
) -> tuple[str, str]:
    """Return what is wrong with a row and in which column, or two empty texts."""
    if len(fields) > len(names) and not any(field.strip() for field in fields[len(names) :]):
        del fields[len(names) :]  # a delimiter at the end of each line
    if len(fields) != len(names):
        return f"has {len(fields)} fields where the header has {len(names)}", ""
    problem = _find_broken(raw, undecoded, form)
    if problem:
        broken = re.compile("\0") if "\0" in raw else undecoded
        return problem, next((name for name, field in zip(names, fields, strict=True) if broken.search(field)), "")
    return "", ""


def _shown(raw: str) -> str:
    """Return a row's text as far as it can be written down again: undecodable bytes as \\xNN."""
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").rstrip("\r\n")
