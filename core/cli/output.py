"""What the command prints: text for people, or with --json one value on stdout and nothing else."""

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

from core.wording import clip


def print_json(value: Any) -> None:
    """Print one JSON value; NaN and infinities, which JSON has not, become null."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their column names, aligned; long cells are cut to what the terminal shows."""
    texts = [[clip(str(cell), 60) for cell in row] for row in rows]
    widths = [max([len(column), *(len(row[index]) for row in texts)]) for index, column in enumerate(columns)]
    for row in [list(columns), *texts]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say(text: str) -> None:
    """Print a remark for people on stderr, where it disturbs no pipe."""
    print(text, file=sys.stderr)
