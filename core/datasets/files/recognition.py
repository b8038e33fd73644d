"""What kind of file this is, told from its content: format, compression, encoding, delimiter, header."""

import codecs
import csv
import gzip
import io
import re
import stat
import zlib
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import IO, Literal

import charset_normalizer

from core.datasets.files import json_shape
from core.datasets.files.row import MOST_BYTES_PER_ROW
from core.errors import DataError

SAMPLE_BYTES = 1 << 20
SAMPLE_LINES = 200
DELIMITERS = (",", "\t", ";", "|")
LONGEST_HEADER = 80
SEPARATOR_LINE = re.compile(r"sep=([,;|\t])\r?\n?$")  # Excel's, before the header
Kind = Literal["csv", "json", "jsonl", "parquet"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Where the zeros of each four bytes lie when letters of two or four bytes are written without a mark.
_ZEROS = {"utf-32-le": (1, 2, 3), "utf-32-be": (0, 1, 2), "utf-16-le": (1, 3), "utf-16-be": (0, 2)}
_PICKLE = ("a Python pickle, which could run code", "Save its rows as JSONL or Parquet")
# What a file begins with that people drop by mistake, and what to do about it.
_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Office document", "Save its rows as CSV"),
    (b"%PDF", "a PDF document", "Save its rows as CSV or JSONL"),
    (b"SQLite format 3\x00", "a SQLite database", "Export the table as CSV"),
    (b"ARROW1", "an Arrow file", "Save it as Parquet"),
    (b"BZh", "packed with bzip2", "Unpack it, or pack it with gzip"),
    (b"\xfd7zXZ", "packed with xz", "Unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Unpack it, or pack it with gzip"),
    (b"\x1f\x8b", "packed with gzip twice", "Unpack it once"),
    (b"7z\xbc\xaf\x27\x1c", "packed with 7-Zip", "Unpack it, or pack it with gzip"),
    (b"Rar!", "a RAR archive", "Unpack it, or pack it with gzip"),
    (b"\x7fELF", "a program", "Give a file with rows"),
    (b"\x89PNG", "a picture", "Give a file with rows"),
    (b"\xff\xd8\xff", "a picture", "Give a file with rows"),
    (b"GIF8", "a picture", "Give a file with rows"),
    (b"{\\rtf", "a text document (RTF)", "Save its rows as CSV"),
    (b"<!doctype html", "a web page", "Download the data file itself"),
    (b"<html", "a web page", "Download the data file itself"),
    (b"<?xml", "an XML document", "Save its rows as CSV or JSONL"),
    (b"version https://git-lfs", "a pointer of git LFS, not the file itself", "Fetch it with `git lfs pull`"),
    (b"\x80\x02", *_PICKLE),
    (b"\x80\x03", *_PICKLE),
    (b"\x80\x04", *_PICKLE),
    (b"\x80\x05", *_PICKLE),
)
_CONTROL = re.compile("[\x01-\b\x0e-\x1a\x1c-\x1f]")  # what no text holds many of
NO_TEXT = "is not a text file. Give CSV, TSV, JSON, JSONL or Parquet."


@dataclass(frozen=True)
class FileFormat:
    """How a file is to be read.

    `quoting` and `header` matter for CSV alone, `rows_at` for JSON: the path of the list that holds the rows, such as
    'item' or 'data.item', 'columns' for one list of values for each column, or nothing where the objects stand one
    behind the other.
    """

    kind: Kind
    compressed: bool = False
    encoding: str = "utf-8"
    delimiter: str = ","
    quoting: bool = True
    header: bool = True
    rows_at: str = "item"

    @property
    def title(self) -> str:
        names = {"csv": "TSV" if self.delimiter == "\t" else "CSV", "json": "JSON", "jsonl": "JSONL"}
        parts = [names.get(self.kind, "Parquet") + (" in gzip" if self.compressed else "")]
        if self.kind != "parquet":
            parts.append(show_encoding(self.encoding))
        if self.kind == "csv" and self.delimiter in ";|":
            parts.append(f"columns split by {self.delimiter}")
        if self.kind == "csv" and not self.header:
            parts.append("no header")
        return ", ".join(parts)


def show_encoding(encoding: str) -> str:
    known = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32", "cp1252": "Windows-1252"}
    return known.get(encoding, encoding.upper().replace("_", "-"))


def show_gzip_fault(error: EOFError | zlib.error | OSError) -> str:
    if isinstance(error, EOFError):
        return "it ends too early"
    return "its sums do not fit" if "check failed" in str(error) else "something else stands in it"


def open_binary(path: Path, compressed: bool) -> IO[bytes]:
    return gzip.open(path, "rb") if compressed else path.open("rb")  # type: ignore[return-value]


def recognise(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None, header: bool | None = None
) -> FileFormat:
    """Return how a file is to be read; its content decides, its name only where the content leaves it open.

    Args:
        encoding, delimiter, header: What a person knows better; None lets the content tell.

    Raises:
        DataError: The file is missing, empty, or of a kind that holds no rows; the message says what to do.
    """
    sample, compressed = _read_sample(path)
    if sample.startswith(b"PAR1"):
        if compressed:
            raise DataError(f"{path} is a Parquet file inside gzip. Unpack it first; Parquet is packed by itself.")
        return FileFormat("parquet")
    for mark, what, remedy in _OTHERS:
        if sample[: len(mark)].lower() == mark.lower():
            raise DataError(f"{path} is {what}. {remedy}.")
    chosen = _check_encoding(encoding) if encoding else _find_encoding(sample, path)
    text = _decode(sample, chosen)
    beginning = text[:4096]
    if beginning.count("\0") > 8 or len(_CONTROL.findall(beginning)) > max(64, 0.05 * len(beginning)):
        raise DataError(f"{path} {NO_TEXT}")
    if not text.strip("\ufeff \t\r\n"):
        raise DataError(f"{path} is empty. Give a file with at least one row.")
    found = FileFormat("csv", compressed, chosen)
    if delimiter is None and text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        if encoding is None and chosen not in {name for _, name in _MARKS} | set(_ZEROS):
            found = replace(found, encoding="utf-8")  # as JSON has to be; other bytes are bad rows
        says_lines = path.name.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))
        may_be_whole = len(sample) < SAMPLE_BYTES and not says_lines
        shape, rows_at = json_shape.shape_of(text.lstrip("\ufeff"), may_be_whole)
        return replace(found, kind="json", rows_at=rows_at) if shape == "json" else replace(found, kind="jsonl")
    return _recognise_csv(text, found, path, delimiter, header, complete=len(sample) < SAMPLE_BYTES)


def _read_sample(path: Path) -> tuple[bytes, bool]:
    """Return the first bytes of the content, and whether it is packed with gzip."""
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder. Give a file.")
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe could wait for ever
            raise DataError(f"{path} is not a text file but a pipe or a device. Save what it gives in a file.")
        with path.open("rb") as stream:
            compressed = stream.read(2) == b"\x1f\x8b"
        with open_binary(path, compressed) as stream:
            return stream.read(SAMPLE_BYTES), compressed
    except FileNotFoundError:
        raise DataError(f"There is no file {path}. Check the path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        fault = show_gzip_fault(error)
        raise DataError(f"{path} is packed with gzip but damaged: {fault}. Pack or download it again.") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}. Check the path and its permissions.") from error
    except ValueError:  # a NUL in the path
        raise DataError(f"{str(path)!r} is no path. Check it.") from None


def _check_encoding(name: str) -> str:
    try:
        found = codecs.lookup(name).name
        "".encode(found)  # knows bytes-to-bytes codecs such as base64 by refusing text
    except (LookupError, TypeError, AttributeError):
        raise DataError(f"There is no encoding {name!r}. Try utf-8, cp1252, utf-16, shift_jis or gb18030.") from None
    return found


def _find_encoding(sample: bytes, path: Path) -> str:
    for mark, name in _MARKS:
        if sample[: len(mark)].lower() == mark.lower():
            return name
    for name, places in _ZEROS.items():
        share = [sample[place % 4 : 4000 : 4] for place in places]
        if len(sample) >= 16 and all(part.count(0) > 0.6 * len(part) for part in share):
            return name
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
        return "utf-8"
    except UnicodeDecodeError as error:
        bad_byte = error.start
    if sample[:4096].count(0) > 8:
        raise DataError(f"{path} {NO_TEXT}")
    # A few bad bytes in good UTF-8 are bad rows, not another encoding.
    if len(sample.decode("utf-8", "ignore").encode("utf-8")) > 0.999 * len(sample) and bad_byte > 1000:
        return "utf-8"
    best = charset_normalizer.from_bytes(sample[:200_000]).best()
    return best.encoding if best is not None else "cp1252"


def _decode(sample: bytes, encoding: str) -> str:
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _recognise_csv(
    text: str, found: FileFormat, path: Path, delimiter: str | None, header: bool | None, complete: bool
) -> FileFormat:
    lines = list(islice(io.StringIO(text.lstrip("\ufeff"), newline=""), SAMPLE_LINES + 1))
    if not complete or len(lines) > SAMPLE_LINES:
        lines = lines[:-1] or lines
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '\r\n"'):
        raise DataError(f"The delimiter is {delimiter!r}; it must be one character, such as a comma or a tab.")
    said = SEPARATOR_LINE.match(lines[0]) if lines else None
    lines = lines[1:] if said else lines
    candidates = (delimiter,) if delimiter else (said[1],) if said else _by_name(path)
    best, best_rank = found, (-1.0, False)
    for mark in candidates:
        for quoting in (True, False) if mark in "\t|" else (True,):
            rows = split_lines(lines, mark, quoting)
            wide = len(rows[0]) if rows else 1
            even = sum(len(row) == wide for row in rows) / len(rows) if rows else 0.0
            rank = (round(even, 2) if wide > 1 else 0.0, quoting)
            if rank > best_rank:
                best, best_rank = replace(found, delimiter=mark, quoting=quoting), rank
    rows = split_lines(lines, best.delimiter, best.quoting)
    return replace(best, header=header if header is not None else _looks_like_header(rows[0] if rows else []))


def _by_name(path: Path) -> tuple[str, ...]:
    """Return the delimiters to try; the one that the name speaks of first, since the first of equals wins."""
    if path.name.lower().removesuffix(".gz").endswith((".tsv", ".tab")):
        return ("\t", *(mark for mark in DELIMITERS if mark != "\t"))
    return DELIMITERS


def split_lines(lines: list[str], delimiter: str, quoting: bool) -> list[list[str]]:
    """Return the fields of sample lines; a line that CSV does not allow is a row of its own length."""
    if not quoting:
        return [line.rstrip("\r\n").split(delimiter) for line in lines if line.strip()]
    csv.field_size_limit(MOST_BYTES_PER_ROW)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return rows
        except csv.Error:
            row = [""] * 1000
        if row:
            rows.append(row)


def _looks_like_header(cells: list[str]) -> bool:
    named = len(cells)
    while named > 2 and not cells[named - 1].strip():  # sheets end in columns without a name
        named -= 1
    if not cells or any(len(cell) > LONGEST_HEADER for cell in cells) or not all(map(str.strip, cells[1:named])):
        return False
    return not any(_is_number(cell) for cell in cells)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
