"""Rows out of the list in a JSON document, one by one; the document is never held whole, however long or deep it is."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from core.datasets.files.recognition import FileFormat, show_encoding
from core.datasets.files.row import MOST_BYTES_PER_ROW, Reject, Row
from core.datasets.files.values import find_fault, kind_of
from core.errors import DataError

PIECE_BYTES = 1 << 16
LONGEST_TOKEN = 16  # a number or name that the piece ends in is wrong only so few letters before that end
_BLANKS = re.compile(r"[ \t\r\n]*")
_MARK = re.compile(r'["\[\]{}]')
_STRING_END = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR_END = re.compile(r"[,\]} \t\r\n]")
_UNDECODED = re.compile("[\udc80-\udcff]")


def read_document(stream: IO[bytes], form: FileFormat, path: Path) -> Iterator[Row | Reject]:
    """Yield the rows of a JSON file: of the list at `form.rows_at`, or the objects that stand one behind the other.

    Raises:
        DataError: The file stops being JSON somewhere; the rows before that have been yielded.
    """
    reader = _Reader(stream, form, path)
    if not form.rows_at:
        while reader.peek():
            yield reader.read_row()
        return
    yield from reader.rows(form.rows_at)
    if reader.peek():
        reader.refuse("something stands behind its end")


class _Constant:
    """Stands for NaN or an infinity, which JSON does not know, until its row is put aside."""

    def __init__(self, name: str) -> None:
        self.name = name


class _Reader:
    """A place in a JSON text; what lies before it is forgotten."""

    def __init__(self, stream: IO[bytes], form: FileFormat, path: Path) -> None:
        self._stream, self._path, self._encoding = stream, path, form.encoding
        self._keeps_bytes = form.encoding.startswith("utf-8")
        how = "surrogateescape" if self._keeps_bytes else "replace"
        self._decoder = codecs.getincrementaldecoder(form.encoding)(how)
        self._json = json.JSONDecoder(parse_constant=_Constant)
        self._text, self._at, self._ended = "", 0, False
        self._row = 0

    def peek(self) -> str:
        """Move to the next letter that is no blank and return it, or nothing at the end."""
        while True:
            found = _BLANKS.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def rows(self, where: str) -> Iterator[Row | Reject]:
        """Yield the rows at a path such as 'item' or 'data.item'; what else stands on the way is passed over."""
        if not where:
            yield self.read_row()
        elif self.peek() == "[":
            inner = where.removeprefix("item").removeprefix(".")
            for _ in self._members("]"):
                if inner:
                    yield from self.rows(inner)
                else:
                    yield self.read_row()
        elif self.peek() == "{":
            for _ in self._members("}"):
                name = self._read_name()
                if where == name or where.startswith(f"{name}."):
                    yield from self.rows(where[len(name) + 1 :])
                else:
                    self._pass_over()
        else:
            self._pass_over()

    def read_row(self) -> Row | Reject:
        """Return the row that stands here, or why it is none, and move behind it."""
        value, raw, problem = self._read_value()
        if problem:
            self._pass_over()
        self._row += 1
        if problem:
            return Reject(self._row, problem, _shown(raw[:MOST_BYTES_PER_ROW]))
        if not isinstance(value, dict):
            return Reject(self._row, f"is {kind_of(value)}, not an object with named fields", _shown(raw))
        if not raw.isascii() and (_UNDECODED.search(raw) if self._keeps_bytes else "\ufffd" in raw):
            problem = f"has bytes that are not {show_encoding(self._encoding)}"
        elif "NaN" in raw or "Infinity" in raw:
            problem = _find_constant(value)
        problem = problem or find_fault(value, raw)
        return Reject(self._row, problem, _shown(raw)) if problem else Row(self._row, value)

    def refuse(self, why: str) -> NoReturn:
        raise DataError(f"{self._path} is not valid JSON behind row {self._row}: {why}. Correct the file there.")

    def _members(self, end: str) -> Iterator[None]:
        """Stand at each member of a list or object in turn."""
        self._at += 1
        if self.peek() == end:
            self._at += 1
            return
        while True:
            yield
            found = self.peek()
            self._at += 1
            if found == end:
                return
            if found != ",":
                self.refuse(f"a comma is missing before {found!r}" if found else "it ends too early")
            if self.peek() == end:
                self.refuse(f"a comma stands before the closing {end}")

    def _read_name(self) -> str:
        if self.peek() != '"':
            self.refuse("a name in quotation marks is missing" if self.peek() else "it ends too early")
        name, raw, problem = self._read_value()
        if problem or self.peek() != ":":
            self.refuse(f"a name {problem}" if problem else f"a colon is missing behind {raw[:40]}")
        self._at += 1
        return str(name)

    def _read_value(self) -> tuple[Any, str, str]:
        """Return the value that stands here with its text, and move behind it; or what is wrong with it, and stay."""
        if not self.peek():
            self.refuse("it ends too early")
        while True:
            fault = None
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except RecursionError:
                return None, self._text[self._at :], "is nested too deeply"
            except json.JSONDecodeError as error:
                fault = error
            except ValueError:  # Python makes no number of thousands of digits
                return None, self._text[self._at :], "has a number of thousands of digits"
            else:
                if end < len(self._text) or not self._more():  # a number may go on in the next piece
                    start, self._at = self._at, end
                    return value, self._text[start:end], ""
                continue
            is_open = fault.msg.startswith("Unterminated") or fault.pos >= len(self._text) - LONGEST_TOKEN
            if is_open and len(self._text) - self._at > MOST_BYTES_PER_ROW:
                return None, self._text[self._at :], f"is longer than {MOST_BYTES_PER_ROW:,} characters"
            if not is_open or not self._more():
                self.refuse(_explain(fault))

    def _pass_over(self) -> None:
        """Move behind the value that stands here; how long and how deep it is does not matter."""
        if self.peek() not in ('"', "[", "{"):
            while not (found := _SCALAR_END.search(self._text, self._at)) and self._forget():
                pass
            self._at = found.start() if found else len(self._text)
            return
        depth, inside = 0, False
        while True:
            found = (_STRING_END.match if inside else _MARK.search)(self._text, self._at)
            if not found:
                if not self._forget():
                    self.refuse("it ends too early")
                continue
            self._at = found.end()
            mark = found[0][-1]
            if mark == '"':
                inside = not inside
            else:
                depth += 1 if mark in "[{" else -1
            if depth <= 0 and not inside:
                return

    def _forget(self) -> bool:
        """Drop what is left of the piece and read the next; the beginning of an escape is kept."""
        rest = self._text[self._at :]
        escapes = len(rest) - len(rest.rstrip("\\"))
        self._at = len(self._text) - escapes % 2
        return self._more()

    def _more(self) -> bool:
        """Read on, twice as much each time, and return whether there was more."""
        self._text, self._at = self._text[self._at :], 0
        while not self._ended:
            content = self._stream.read(max(PIECE_BYTES, len(self._text)))
            self._ended = not content
            text = self._decoder.decode(content, final=self._ended)
            if text:
                self._text += text
                return True
        return False


def _explain(fault: json.JSONDecodeError) -> str:
    if fault.pos >= len(fault.doc.rstrip()) or fault.msg.startswith("Unterminated"):
        return "it ends too early"
    found = fault.doc[fault.pos : fault.pos + 20].split("\n")[0]
    return f"{fault.msg[:1].lower()}{fault.msg[1:]}, but {found!r} stands there"


def _find_constant(value: Any) -> str:
    open_parts = [value]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, _Constant):
            return f"has {part.name}, which JSON does not know"
        open_parts += part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return ""


def _shown(raw: str) -> str:
    """Return a row's text as far as it can be written down again: undecodable bytes as \\xNN."""
    return raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
