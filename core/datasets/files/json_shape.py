"""How the rows lie in a text of JSON: told from its beginning."""

import io
import json
from typing import Literal

from core.datasets.files.values import DEEPEST

SAMPLE_LINES = 200
Shape = Literal["json", "jsonl"]


def shape_of(text: str, may_be_whole: bool) -> tuple[Shape, str]:
    """Return whether a text is one JSON document or has an object on each line, and where a document's rows are.

    The place is a path such as 'item' or 'data.item', 'columns' for one list of values for each column, or nothing
    where the objects stand one behind the other.

    Args:
        may_be_whole: Whether an object on a line of its own, the only one, may hold the rows inside.
    """
    lines = [line for line in text.split("\n", SAMPLE_LINES)[:SAMPLE_LINES] if line.strip()]
    if text.lstrip()[0] == "[":
        if len(lines) > 1 and _is_whole(lines[0]) and _is_whole(lines[1]):
            return "jsonl", ""
        return "json", _find_rows(text) or "item"
    if len(lines) > 1:
        objects = [line.startswith("{") and _is_whole(line) for line in lines[:20]]
        follows = lines[1].lstrip().startswith(("{", "[")) and lines[0].rstrip().endswith("}")
        if follows or objects[0] or 2 * sum(objects) >= len(objects):
            return "jsonl", ""
        return "json", _find_rows(text)
    if _is_whole(lines[0]):
        rows_at = _find_rows(text) if may_be_whole else ""
        return ("json", rows_at) if rows_at else ("jsonl", "")
    # One row that is longer than the sample, several without a line end, or a broken one.
    rows_at = _find_rows(text)
    if rows_at or _begins_with_object(lines[0]):
        return "json", rows_at
    return "jsonl", ""


def _begins_with_object(text: str) -> bool:
    try:
        json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return False
    return True


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _find_rows(text: str) -> str:
    """Return where the first list of objects lies, 'columns' where each key holds one list of values, or nothing."""
    import ijson

    path: list[str] = []
    in_columns, is_flat = 0, False
    try:
        for event, value in ijson.basic_parse(io.BytesIO(text.encode("utf-8", "replace"))):
            if event == "start_map" and path and path[-1] == "item":
                return ".".join(path)
            if event == "map_key":
                path[-1] = value
            elif event in ("start_map", "start_array"):
                path.append("item" if event == "start_array" else "")
            elif event in ("end_map", "end_array"):
                path.pop()
            elif len(path) == 2 and text.lstrip()[0] == "{":
                in_columns += 1
            elif len(path) == 1:
                is_flat = True  # a value of its own beside the columns, so they are none
            if len(path) > DEEPEST or in_columns > 50:
                break
    except (ijson.JSONError, ValueError):
        pass
    return "columns" if in_columns > 1 and not is_flat else ""
