"""Statements found in an answer by the letters of their phrasings."""

import re


def share_of_facts(answer: str, facts: tuple[tuple[str, ...], ...]) -> float:
    """Return the share of key facts of which at least one phrasing occurs in the answer.

    A phrasing may be the beginning of a longer word, not its end, nor a part of a longer number.
    """
    text = " ".join(answer.casefold().split())
    return sum(any(_occurs(phrase.casefold(), text) for phrase in variants) for variants in facts) / len(facts)


def _occurs(phrase: str, text: str) -> bool:
    behind = r"(?![.,]?\d)" if phrase[-1:].isdigit() else ""
    return re.search(rf"(?<![0-9a-z])(?<!\d[.,]){re.escape(phrase)}{behind}", text) is not None
