"""What the command prints: text for people, or with --json one value on stdout and nothing else.

Names and logs may hold anything; nothing of it reaches the terminal as a control character.
"""

import json
import math
import sys
from collections.abc import Sequence
from typing import Any

import typer

from core.wording import clip, visible


def print_json(value: Any) -> None:
    """Print one JSON value; NaN and infinities, which JSON has not, become null."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    print("\n".join(line if line.isprintable() else _escape(line) for line in text.split("\n")))


def _escape(line: str) -> str:
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)


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


def print_text(text: str) -> None:
    """Print lines for people."""
    print(visible(text))


def say(text: str) -> None:
    """Print a remark for people, on one line of stderr, where it disturbs no pipe."""
    print(visible(" ".join(text.splitlines())), file=sys.stderr)


def show_help(context: typer.Context) -> None:
    """Print a group's help where no command of it was named; that counts as bad input."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)
