"""Reads examples from JSONL files, row by row, with a sentence for every row that is none."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.datasets.examples import Example, join_instruction
from core.errors import DataError
from core.wording import show_name

MOST_BYTES_PER_ROW = 4_000_000
LAYOUTS = (("prompt", "response"), ("instruction", "output"))
OWN_FIELDS = ("prompt", "response", "input", "origin")


def read_examples(path: Path) -> list[Example]:
    """Read instruction/input/output or prompt/response rows.

    Raises:
        DataError: The file is missing, empty, not UTF-8, or a row is wrong; the message names file and line.
    """
    examples = [_to_example(row, path, number) for number, row in read_rows(path)]
    if not examples:
        raise DataError(
            f"{path} holds no rows. Each line needs a JSON object with prompt and response, or with "
            "instruction, input and output."
        )
    return examples


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, object) of every line that is not blank."""
    try:
        if path.is_dir():
            raise DataError(f"{path} is a folder. Give a JSONL file.")
        with path.open("rb") as stream:
            lines = iter(lambda: stream.readline(MOST_BYTES_PER_ROW + 1), b"")
            for number, raw in enumerate(lines, 1):
                if raw.strip():
                    yield number, _parse(raw, path, number)
    except FileNotFoundError:
        raise DataError(f"There is no file {path}. Check the path.") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror}. Check the path and its permissions.") from error


def _parse(raw: bytes, path: Path, number: int) -> dict[str, Any]:
    where = f"{path}, line {number}"
    if len(raw) > MOST_BYTES_PER_ROW:
        raise DataError(
            f"{where} is longer than {MOST_BYTES_PER_ROW:,} bytes. Is this a JSONL file, one object on each line?"
        )
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        row = json.loads(text, parse_constant=_refuse_constant)
        if b"\\ud" in raw.lower():
            json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where} is not UTF-8 text (byte {error.start + 1}). Save the file as UTF-8.") from error
    except UnicodeEncodeError:
        raise DataError(f"{where} has half of a character (an escape such as \\ud800 alone). Correct it.") from None
    except RecursionError:
        raise DataError(f"{where} is nested too deeply. Each line must be one flat object.") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where} is not valid JSON at letter {error.pos + 1}: {error.msg}. Each line must be one complete object."
        ) from error
    except ValueError as error:
        found = "a number of thousands of digits" if "digits" in str(error) else str(error)
        raise DataError(f"{where} has {found}. Write an ordinary number, or null where it is missing.") from None
    if not isinstance(row, dict):
        raise DataError(f"{where} is {_kind(row)}, not an object with named fields.")
    return row


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name}, which JSON does not know")


def _kind(value: object) -> str:
    return {
        list: "a list",
        str: "a text",
        int: "a number",
        float: "a number",
        bool: "true or false",
        type(None): "null",
    }.get(type(value), type(value).__name__)


def _to_example(row: dict[str, Any], path: Path, number: int) -> Example:
    for ask, reply in LAYOUTS:
        if ask in row and reply in row:
            break
    else:
        have = ", ".join(list(row)[:6]) or "none"
        raise DataError(
            f"{path}, line {number} has the fields {have}. It needs prompt and response, or instruction, input "
            "and output."
        )
    given = "" if row.get("input") is None else row["input"]
    for name, value in ((ask, row[ask]), (reply, row[reply]), ("input", given)):
        if not isinstance(value, str):
            raise DataError(f"{path}, line {number}: {name} is {_kind(value)}, not text.")
    if not row[ask].strip():
        raise DataError(f"{path}, line {number}: {ask} is empty.")
    if not row[reply].strip():
        raise DataError(f"{path}, line {number}: {reply} is empty, so there is nothing to learn from.")
    extra = {key: value for key, value in row.items() if key not in (ask, reply, *OWN_FIELDS)}
    return Example(
        join_instruction(row[ask], given), row[reply].strip(), str(row.get("origin", show_name(path.name))), extra
    )
