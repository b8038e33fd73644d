"""What a value of JSON is called, and what of one can't be kept."""

import json
import re
from typing import Any

from core.datasets.files.row import MOST_COLUMNS

DEEPEST = 100
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def kind_of(value: object) -> str:
    """Return a value's kind as people call it."""
    return {
        list: "a list",
        dict: "an object",
        str: "a text",
        int: "a number",
        float: "a number",
        bool: "true or false",
        type(None): "null",
    }.get(type(value), type(value).__name__)


def find_fault(value: Any, raw: str) -> str:
    """Return why a row of good JSON can't be kept, or nothing; `raw` is how it is written in the file."""
    if raw.count("[") + raw.count("{") > DEEPEST and is_too_deep(value):
        return "is nested too deeply"
    if isinstance(value, dict) and len(value) > MOST_COLUMNS:
        return f"has {len(value):,} fields; at most {MOST_COLUMNS:,} can be read"
    if "\\u" in raw and _HALF.search(raw) and has_half_character(value):
        return "has half of a character (an escape such as \\ud800 alone)"
    return ""


def has_half_character(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def is_too_deep(value: Any) -> bool:
    """Tell whether lists and objects lie in one another more than a hundred times; found without recursion."""
    level, depth = [value], 0
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        if depth > DEEPEST:
            return True
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return False
