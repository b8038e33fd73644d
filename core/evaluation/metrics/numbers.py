"""Answers that are numbers: the value that an answer ends with, in the readings that its unit allows."""

import re

from core.datasets.arithmetic import numbers_in

_TO_ONE = re.compile(r"(?<=\d)(?P<gap>\s?):(?P=gap)1(?![\d:]|[.,]\d)")
_BLANK_IN_NUMBER = re.compile(r"(?<=\d)[\u00a0\u202f\u2009](?=\d{3}(?!\d))")
_LETTER = re.compile(r"(?<=\d)\s?(?:(?P<thousand>[kK])|(?P<million>M|mio)|(?P<billion>B))(?![\w/])")
_SIGN = "[-+−–]"
_POWER = re.compile(
    r"(?<![\w.])(?P<mantissa>\d+(?:\.\d+)?)(?:[eE](?P<e>" + _SIGN + r"?\d{1,3})(?!\w)"
    r"|\s?[×x*·]\s?10(?:\^\{?(?P<caret>" + _SIGN + r"?\d{1,3})\}?|(?P<raised>[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)))"
)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−–", "0123456789-+--")
MOST_LETTERS = 20_000


def last_number(answer: str) -> tuple[float, ...]:
    """Return the readings of the last number of an answer, most literal first; none where it has no number.

    The last number counts, since a worked answer ends with its result; of a ratio to one, such as 24:1, it is the 24.
    A scale word or letter ('$1.5 billion', '30k') may belong to the unit that was asked for or not, so both readings
    are given. A power of ten ('1.5e6', '1.5 × 10^6') is one number, and a percentage counts as it is stated.
    """
    text = _BLANK_IN_NUMBER.sub("", _TO_ONE.sub("", answer[-MOST_LETTERS:]))
    text = _LETTER.sub(lambda match: f" {match.lastgroup}", _POWER.sub(_written_out, text))
    numbers = numbers_in(text)
    if not numbers:
        return ()
    last = numbers[-1]
    return (last.value,) if last.scale == 1 else (last.value, last.value * last.scale)


def _written_out(match: re.Match[str]) -> str:
    """Return a power of ten as plain digits, which is how numbers are found in text."""
    exponent = int((match["e"] or match["caret"] or match["raised"]).translate(_RAISED))
    return f"{float(match['mantissa']) * 10.0**exponent:.{max(0, 15 - exponent)}f}" if abs(exponent) < 30 else match[0]
