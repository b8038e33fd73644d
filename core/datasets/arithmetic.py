"""Finds the sums that a text states and computes them again."""

import math
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

_SCALES = {"thousand": 1e3, "million": 1e6, "mn": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12, "tn": 1e12}
_TOKEN_RE = re.compile(
    r"(?P<number>(?:[$€£]\s?)?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|(?<![\w.])\.\d+)(?:\s?%)?"
    rf"(?:\s?(?i:{'|'.join(_SCALES)})\b)?)"
    r"|(?P<operator>[-+*/×÷^−–]|\bx\b)|(?P<equals>[=≈])|(?P<bracket>[()])|(?P<word>[A-Za-z][A-Za-z0-9_'-]*)|(?P<other>\S)"
)
_MINUS_SIGNS = "-−–"
_BEFORE_A_SIGN = "([{:;,~\"'$€£"
_SYMBOLS = {"×": "*", "x": "*", "÷": "/", "−": "-", "–": "-"}
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2, "^": 3}
_OPERATIONS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
}
MOST_UNIT_WORDS = 3  # "12 nursing care hours / 4 patients"


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int


@dataclass(frozen=True)
class Number:
    """A number as it stands in a text: `value` without its percent sign and scale, `places` behind the point."""

    text: str
    value: float
    places: int
    is_percent: bool
    scale: float


@dataclass(frozen=True)
class Equation:
    """A stated sum: what stands left and right of an equals sign, and what the left side really gives."""

    expression: str
    stated: str
    computed: float
    is_right: bool


def _tokens(text: str) -> list[Token]:
    """Return the tokens of a text; a minus sign that can't be a subtraction belongs to its number."""
    found: list[Token] = []
    for match in _TOKEN_RE.finditer(text):
        kind = match.lastgroup or "other"
        token = Token(kind, match.group(), match.start())
        if kind == "number" and _ends_with_sign(found, text, match.start()):
            sign = found.pop()
            token = Token("number", "-" + token.text, sign.start)
        found.append(token)
    return found


def _ends_with_sign(found: list[Token], text: str, start: int) -> bool:
    """Return whether the last token is the minus sign of the number that begins at `start`.

    Behind an operator it always is; behind a number never; elsewhere it must touch its number, as in "fell by -8%",
    since "- 8" after a word is a subtraction with a unit, or a list's dash.
    """
    if not found or found[-1].text not in _MINUS_SIGNS:
        return False
    sign = found[-1]
    before = found[-2] if len(found) > 1 else Token("start", "", 0)
    if before.kind in ("operator", "equals"):
        return True
    neighbour = text[sign.start - 1 : sign.start]
    opens = not neighbour.strip() or neighbour in _BEFORE_A_SIGN
    return opens and sign.start + 1 == start and before.kind != "number" and before.text != ")"


@lru_cache(maxsize=4096)
def _read(text: str) -> Number:
    scale = next((value for word, value in _SCALES.items() if text.lower().endswith(word)), 1.0)
    digits = re.sub(r"[^\d.-]", "", text)
    return Number(text.strip(), float(digits), len(digits.partition(".")[2]), "%" in text, scale)


def numbers_in(text: str) -> list[Number]:
    """Return the numbers of a text; digits inside a word such as CET1 are part of the word."""
    return [_read(token.text) for token in _tokens(text) if token.kind == "number"]


def find_equations(text: str) -> list[Equation]:
    """Return every 'sum = number' of a text. A right side that is a sum itself is left to its own equals sign."""
    tokens = _tokens(text)
    found = []
    for index, token in enumerate(tokens):
        right = tokens[index + 1 : index + 3]
        if token.kind != "equals" or not right or right[0].kind != "number":
            continue
        if len(right) > 1 and right[1].kind == "operator" and _follows_number(tokens, index + 3):
            continue
        parts = _sum_before(tokens, index)
        stated = _read(right[0].text)
        values = _evaluate(parts, stated)
        if values:
            expression = text[parts[0].start : token.start].strip()
            found.append(Equation(expression, stated.text, values[0], any(_agrees(value, stated) for value in values)))
    return found


def _follows_number(tokens: list[Token], index: int) -> bool:
    return index < len(tokens) and (tokens[index].kind == "number" or tokens[index].text in ("(", "sqrt"))


def _sum_before(tokens: list[Token], end: int) -> list[Token]:
    """Return the tokens of the sum that ends before `end`, without units; empty where no sum ends there."""
    taken: list[Token] = []
    index, open_brackets = end - 1, 0
    while index >= 0:
        token = tokens[index]
        if token.kind == "word" and token.text != "sqrt":
            first = index
            while first >= 0 and tokens[first].kind == "word" and index - first < MOST_UNIT_WORDS:
                first -= 1
            after = taken[0].text if taken else "="
            if (
                first < 0
                or tokens[first].kind != "number"
                or not (after in ")=" or (taken and taken[0].kind == "operator"))
            ):
                break
            index = first
            continue
        if token.text == ")":
            open_brackets += 1
        elif token.text == "(":
            if open_brackets == 0:
                break
            open_brackets -= 1
        elif token.kind not in ("number", "operator", "word"):
            break
        starts_new = token.kind == "number" or token.text == ")"
        if taken and starts_new and taken[0].kind not in ("operator",) and taken[0].text != ")":
            break
        taken.insert(0, token)
        index -= 1
    while taken and taken[0].kind == "operator":
        taken.pop(0)
    return taken if any(token.kind == "operator" or token.text == "sqrt" for token in taken) else []


def _evaluate(tokens: list[Token], stated: Number) -> list[float]:
    """Return what a sum gives, once with 5% as 5 and once as 0.05, each without and with its scale words.

    Without them only where all are the same, since then they can be the unit of the whole sum.
    """
    numbers = [_read(token.text) for token in tokens if token.kind == "number"]
    scales = {number.scale for number in numbers} - {1.0}
    several = len(scales | ({stated.scale} - {1.0})) > 1
    results: list[float] = []
    for percent in (1.0, 0.01) if any(number.is_percent for number in numbers) else (1.0,):
        for scaled in (True,) if several else (False, True) if scales else (False,):
            value = _evaluate_as(tokens, percent, scaled)
            if value is not None and math.isfinite(value) and value not in results:
                results.append(value)
    return results


def _evaluate_as(tokens: list[Token], percent: float, scaled: bool) -> float | None:
    """Evaluate by the shunting-yard method; None where the tokens are no well-formed sum."""
    numbers: list[float] = []
    waiting: list[str] = []

    def apply() -> None:
        symbol = waiting.pop()
        if symbol == "sqrt":
            numbers.append(math.sqrt(numbers.pop()))
        else:
            second, first = numbers.pop(), numbers.pop()
            numbers.append(_OPERATIONS[symbol](first, second))

    try:
        for token in tokens:
            if token.kind == "number":
                number = _read(token.text)
                numbers.append(number.value * (percent if number.is_percent else 1) * (number.scale if scaled else 1))
            elif token.text in ("(", "sqrt"):
                waiting.append(token.text)
            elif token.text == ")":
                while waiting[-1] != "(":
                    apply()
                waiting.pop()
                if waiting and waiting[-1] == "sqrt":
                    apply()
            else:
                symbol = _SYMBOLS.get(token.text, token.text)
                while waiting and _PRECEDENCE.get(waiting[-1], 0) >= _PRECEDENCE[symbol] + (symbol == "^"):
                    apply()
                waiting.append(symbol)
        while waiting:
            apply()
    except (IndexError, KeyError, ZeroDivisionError, OverflowError, ValueError, TypeError):
        return None
    return numbers[0] if len(numbers) == 1 and not isinstance(numbers[0], complex) else None


def _agrees(value: float, stated: Number) -> bool:
    """Return whether a value, rounded as the stated number is, gives it: in its own unit, in percent, or scaled."""
    half_step = 0.5 * 10.0**-stated.places * (1 + 1e-6) + 1e-9
    candidates = [value] if stated.scale == 1 else [value, value / stated.scale]
    if stated.is_percent:
        candidates += [candidate * 100 for candidate in candidates]
    return any(abs(candidate - stated.value) <= half_step for candidate in candidates)


def wrong_equations(text: str) -> list[Equation]:
    return [equation for equation in find_equations(text) if not equation.is_right]


def unexplained_numbers(prompt: str, response: str, constants: Iterable[float] = ()) -> list[Number]:
    """Return the numbers of a response that neither the prompt, nor a right sum, nor a known constant gives."""
    known = {round(abs(number.value), 6) for number in numbers_in(prompt)} | {
        round(abs(value), 6) for value in constants
    }
    known |= {round(abs(_read(equation.stated).value), 6) for equation in find_equations(response) if equation.is_right}
    return [number for number in numbers_in(response) if round(abs(number.value), 6) not in known]
