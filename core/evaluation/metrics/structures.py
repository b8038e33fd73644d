"""Answers with a structure: named fields, entities by type, tags; read from an answer and compared as sets."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence, Set
from decimal import Context, Decimal

from core.datasets.arithmetic import numbers_in

_NAME = re.compile(r"[^\W\d_][\w \-/()]{0,40}")
_CODE = re.compile(r"0\d+")
MOST_NUMBER_LETTERS = 40
_EXACT = Context(prec=2 * MOST_NUMBER_LETTERS)
_NOTHING = {"", "none", "null", "n/a", "-"}
Pair = tuple[str, str]


def read_fields(text: str) -> dict[str, str]:
    """Return the fields of an answer, names and values as they are compared; later ones of a name do not count.

    An answer is a JSON object, or has one `name: value` a line.
    """
    told = _read_object(text)
    if told is None:
        told = {}
        for name, value in _named_lines(text):
            told.setdefault(name, value)
    fields: dict[str, str] = {}
    for name, value in told.items():
        fields.setdefault(_plain_name(name), _plain_value(value))
    return fields


def _named_lines(text: str) -> Iterator[Pair]:
    """Yield (name, value) of each line with a colon, without a list's dash or a bold name's asterisks."""
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        name = name.strip().removeprefix("-").removeprefix("•").strip("* \t")
        if colon and _NAME.fullmatch(name):
            yield name, value.strip("* \t")


def _read_object(text: str) -> dict[str, str] | None:
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        told = json.loads(text[start : end + 1])
    except (ValueError, RecursionError):
        return None
    return _flatten(told) if isinstance(told, dict) else None


def _flatten(told: dict[str, object], above: str = "") -> dict[str, str]:
    """Return the leaves of nested objects by their path; lists of values as their entries, joined."""
    flat: dict[str, str] = {}
    for name, value in told.items():
        entries = value if isinstance(value, list) else [value]
        if isinstance(value, dict):
            flat |= _flatten(value, f"{above}{name} ")
        elif any(isinstance(one, dict | list) for one in entries):
            flat |= _flatten({str(index): one for index, one in enumerate(entries, 1)}, f"{above}{name} ")
        else:
            flat[f"{above}{name}"] = "; ".join("" if one is None else str(one) for one in entries)
    return flat


def _plain_name(name: str) -> str:
    return " ".join(re.sub(r"[\W_]+", " ", name).casefold().split())


def _plain_value(value: str) -> str:
    """Return a value as it is compared: a number by what it is worth, text in lower case without outer signs.

    Digits that begin with a zero are a code, such as a postcode; long ones keep every digit.
    """
    plain = " ".join(value.casefold().split()).strip(" .,;\"'`")
    numbers = numbers_in(plain) if len(plain) <= MOST_NUMBER_LETTERS and not _CODE.fullmatch(plain) else []
    if len(numbers) == 1 and len(numbers[0].text) >= len(re.sub(r"[\s$€£]", "", plain)):
        digits = abs(Decimal(re.sub(r"[^\d.-]", "", numbers[0].text)))
        sign = "-" if numbers[0].value < 0 else ""
        return f"{sign}{_EXACT.normalize(_EXACT.multiply(digits, Decimal(numbers[0].scale))):f}"
    return "" if plain in _NOTHING else plain


def field_pairs(text: str) -> set[Pair]:
    """Return (name, value) of the fields of an answer that have a value."""
    return {(name, value) for name, value in read_fields(text).items() if value}


def entity_pairs(text: str) -> set[Pair]:
    """Return (type, mention) of an answer with the mentions of a type a line: `person: Ada Byron; Mary Shelley`."""
    found = set()
    for name, value in _named_lines(text):
        mentions = (_plain_value(one) for one in value.split(";"))
        found |= {(_plain_name(name), mention) for mention in mentions if mention}
    return found


def tags(text: str) -> set[str]:
    """Return the tags of an answer: what stands between commas, semicolons or line ends."""
    plain = (_plain_value(one.lstrip("-*•# \t")) for one in re.split(r"[,;\n]", text))
    return {one for one in plain if one}


def set_f1(found: Set[object], expected: Set[object]) -> float:
    """Return the F1 of two sets, 0 to 1; two empty ones agree."""
    if not found and not expected:
        return 1.0
    return 2 * len(found & expected) / (len(found) + len(expected))


def micro_f1(pairs: Iterable[tuple[Set[object], Set[object]]]) -> float:
    """Return the F1 over all members of (found, expected) sets, 0 to 1: each member counts the same."""
    right = total = 0
    for found, expected in pairs:
        right += len(found & expected)
        total += len(found) + len(expected)
    return 2 * right / total if total else 1.0


def valid_json_share(answers: Sequence[str]) -> float:
    """Return the share of answers that are a JSON value as they stand, 0 to 1."""
    return sum(_is_json(answer) for answer in answers) / len(answers)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
