"""Choice items for models whose likelihoods can't be had: asked as a lettered list, answered by a letter."""

import re
from collections.abc import Sequence
from string import ascii_uppercase

from core.evaluation.benchmarks import Item
from core.evaluation.grading import find_label

_THOUGHTS = re.compile(r".*</think(ing)?>|^\s*<think(ing)?>.*", re.DOTALL | re.IGNORECASE)


def letters(count: int) -> list[str]:
    """Return A, B, C and so on; behind Z come AA, AB."""
    pairs = [first + second for first in ascii_uppercase for second in ascii_uppercase]
    return [*ascii_uppercase, *pairs][:count]


def write_question(item: Item) -> str:
    """Return what a choice item asks, with its choices and how to answer."""
    listed = "\n".join(
        f"{letter}) {text}" for letter, text in zip(letters(len(item.choices)), item.choices, strict=True)
    )
    return f"{item.prompt}\n\n{listed}\n\nAnswer with the letter of the right choice and nothing else."


def spoken(answer: str) -> str:
    """Return an answer without the thoughts that some models write before it; they may lack their opening mark."""
    return _THOUGHTS.sub("", answer, count=1).strip()


def read_choice(answer: str, choices: Sequence[str]) -> str | None:
    """Return the choice that an answer names, by its letter or by its words; None where that can't be told.

    A first line that is a letter counts, or the last that is called the answer; then a letter before a sign as in the
    list, then the only letter in the text. The words A and I are no letters where a sentence goes on behind them.
    """
    known = letters(len(choices))
    text = re.sub(r"[*_`$]|\\(boxed|text)|[{}]", " ", answer).strip()
    letter = "|".join(sorted(known, key=len, reverse=True))
    mention = rf"((?:{letter})(?![\w'’])(?!(?<=\b[AI])\s+(?!(?:and|or|is|since|because)\b)[a-z]))"
    calling = r"(?i:\b(?:answer|choice|option)\b(?:\s+is)?)\s*[:=]?\s*"
    alone = re.match(rf"\W*({letter})[^\w\n]*(\n|\Z)", text, re.IGNORECASE)
    ended = re.search(rf"{calling}\W*({letter})\W*\Z", text, re.IGNORECASE)
    called = re.findall(rf"{calling}\(?\s*{mention}", text)
    signed = re.findall(rf"(?:^|[\s(\[])\(?({letter})\s*[).:\]](?=\s|$)", text, re.MULTILINE)
    plain = re.findall(rf"(?<![\w'’]){mention}", text)
    certain = [one.group(1) for one in (ended or alone,) if one] or called[-1:]
    found = list(dict.fromkeys(certain or signed or plain))
    if found:
        return choices[known.index(found[0].upper())] if len({one.upper() for one in found}) == 1 else None
    return find_label(answer, tuple(choices))
