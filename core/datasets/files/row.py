"""One row of a file: its values by column, or why it has none."""

from dataclasses import dataclass
from typing import Any

MOST_BYTES_PER_ROW = 4_000_000
MOST_COLUMNS = 16_384  # as many as a sheet of Excel has


@dataclass(frozen=True)
class Row:
    """The values of one row; `line` counts from 1, the line where it begins (in Parquet and JSON: the row)."""

    line: int
    values: dict[str, Any]


@dataclass(frozen=True)
class Reject:
    """A row that can't be read: where, why, its text as it stands in the file, and what to do about it."""

    line: int
    reason: str
    text: str
    column: str = ""
    remedy: str = "Correct that row."
