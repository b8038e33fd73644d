"""The rows of any file that Atelier reads, one by one."""

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from core.datasets.files import delimited, json_columns, json_document, json_rows
from core.datasets.files.recognition import FileFormat, show_gzip_fault
from core.datasets.files.row import MOST_COLUMNS, Reject, Row
from core.errors import DataError
from core.wording import clip

PARQUET_ROWS = 1_000


def read_rows(path: Path, form: FileFormat, told: Callable[[int], None] | None = None) -> Iterator[Row | Reject]:
    """Yield the rows of a file, and for each bad one why; memory stays flat whatever its size.

    Args:
        told: Called now and then with how many bytes of the file have been read.

    Raises:
        DataError: The file as a whole can't be read, or not any further.
    """
    if form.kind == "parquet":
        yield from _read_parquet(path, told)
        return
    try:
        with path.open("rb") as file, _unpacked(file, form) as stream:
            for count, row in enumerate(_rows(stream, form, path)):
                yield row
                if told is not None and count % 500 == 0:
                    told(file.tell() if not file.closed else 0)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}. Check the path.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        fault = show_gzip_fault(error)
        raise DataError(f"{path} is packed with gzip but damaged: {fault}. Pack or download it again.") from error
    except UnicodeError as error:
        raise DataError(f"{path} can't be read as {form.encoding}: {error}. Choose another encoding.") from error
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}. Check the path and its permissions.") from error


def _unpacked(file: IO[bytes], form: FileFormat) -> IO[bytes]:
    return gzip.GzipFile(fileobj=file, mode="rb") if form.compressed else file  # type: ignore[return-value]


def _rows(stream: IO[bytes], form: FileFormat, path: Path) -> Iterator[Row | Reject]:
    if form.kind == "csv":
        return delimited.read_delimited(stream, form, str(path))
    if form.kind == "jsonl":
        return json_rows.read_lines(stream, form.encoding)
    if form.rows_at == "columns":
        return json_columns.read_columns(stream, form, path)
    return json_document.read_document(stream, form, path)


def _read_parquet(path: Path, told: Callable[[int], None] | None) -> Iterator[Row | Reject]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_columns(file.schema_arrow.names, path)
            size, rows = path.stat().st_size, max(1, file.metadata.num_rows)
            number = 0
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
                if told is not None:
                    told(size * number // rows)
    # Beside its own errors, Arrow raises what Python has for dates, zones and sizes that it can't hold.
    except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError, LookupError, MemoryError) as error:
        told_error = clip(str(error).split("\n")[0].rstrip("."), 200)
        raise DataError(f"{path} can't be read as Parquet: {told_error}. Save it again.") from error


def _check_columns(names: list[str], path: Path) -> None:
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(names):,} columns; at most {MOST_COLUMNS:,} can be read. Keep those that ask and answer."
        )
    if len(set(names)) < len(names):
        name, _ = Counter(names).most_common(1)[0]
        raise DataError(f"{path} has two columns called {clip(name, 80)!r}. Rename one of them.")
