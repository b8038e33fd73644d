"""Grades one answer to one item: deterministic, 0 to 1, no model involved.

Choice items are graded by likelihood where the model is at hand; here their answer is the text of the chosen one.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Set

from core.errors import MetricError
from core.evaluation.benchmarks import Item
from core.evaluation.metrics.facts import share_of_facts as share_of_facts
from core.evaluation.metrics.numbers import last_number


def grade(item: Item, answer: str) -> float:
    """Return the score of an answer, 0.0 to 1.0."""
    if item.type == "numeric":
        assert isinstance(item.answer, int | float)
        return float(is_number_right(answer, float(item.answer), item.tolerance or 0.0))
    if item.type == "choice":
        return float(answer == item.choices[int(item.answer or 0)])
    if item.type == "facts":
        return share_of_facts(answer, item.facts)
    if item.type == "label":
        return float(is_label_right(answer, str(item.answer), item.choices))
    if item.type == "text":
        return word_overlap(answer, str(item.answer))
    return _grade_by_metric(item, answer)


def _grade_by_metric(item: Item, answer: str) -> float:
    """Grade what libraries measure; they are loaded only where something is graded by them."""
    expected = str(item.answer)
    if item.type in ("refusal", "checklist"):
        from core.evaluation.metrics import conduct

        if item.type == "refusal":
            return float(conduct.behaves(answer, should_refuse=expected == "refuse"))
        kept = conduct.check_statements(answer, item.required, item.forbidden)
        return kept.required_present if kept.forbidden_absent == 1.0 else 0.0
    if item.type in ("fields", "entities", "tags"):
        from core.evaluation.metrics import structures

        read: dict[str, Callable[[str], Set[object]]] = {
            "fields": structures.field_pairs,
            "entities": structures.entity_pairs,
            "tags": structures.tags,
        }
        return structures.set_f1(read[item.type](answer), read[item.type](expected))
    if item.type == "sql":
        from core.evaluation.metrics import sql, sql_execution

        if item.database:
            return float(sql_execution.is_same_result(sql_execution.build(item.database), answer, expected))
        return float(sql.is_same(answer, expected))
    if item.type == "code":
        from core.evaluation import sandbox

        return float(sandbox.run_tests(answer, item.tests).passed)
    from core.evaluation.metrics import texts

    metrics = {"rouge": texts.rouge_l, "bleu": texts.bleu_of_one, "chrf": texts.chrf_of_one}
    return metrics.get(item.type, texts.same_text)(answer, expected)


def find_fault(item: Item) -> str:
    """Return why no answer to an item can be graded, or nothing: its database can't be made, or its query fails."""
    if item.type != "sql" or not item.database:
        return ""
    from core.evaluation.metrics import sql_execution

    try:
        found = sql_execution.execute(sql_execution.build(item.database), str(item.answer))
    except MetricError as error:
        return str(error)
    if found.error:
        return f"The expected query fails in its database ({found.error})."
    if not found.rows:
        return "The expected query finds no row, so any query that finds none would be right. Give the tables rows."
    return ""


def is_number_right(answer: str, expected: float, tolerance: float) -> bool:
    """Return whether one reading of the last number of an answer is right within the relative tolerance."""
    allowed = tolerance * abs(expected) + 1e-9
    return any(abs(value - expected) <= allowed for value in last_number(answer))


def _plain(text: str) -> str:
    """Return a text's words in lower case, of letters and digits only."""
    return " ".join(re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).split())


def _signed(text: str) -> str:
    """Return a text's words in lower case with the signs that belong to them, as in C++ or -1."""
    return " ".join(word.strip("\"'`.,;:!?()[]") for word in text.casefold().split())


def is_label_right(answer: str, expected: str, labels: tuple[str, ...]) -> bool:
    """Return whether an answer names the expected label: it is the label, or contains it and no other one."""
    read, named = _find_labels(answer, (*labels, expected))
    return named == {read(expected)}


def find_label(answer: str, labels: tuple[str, ...]) -> str | None:
    """Return the one label that an answer names, or None where it names none or several."""
    read, named = _find_labels(answer, labels)
    return next((label for label in labels if {read(label)} == named), None)


def _find_labels(answer: str, labels: tuple[str, ...]) -> tuple[Callable[[str], str], set[str]]:
    """Return how labels are read, and which ones, so read, an answer names.

    Case, punctuation and underscores do not count, unless labels such as C and C++ differ by nothing else. A longer
    label that contains a shorter one is one mention.
    """
    known = set(labels)
    plain = {_plain(label) for label in known}
    read = _plain if "" not in plain and len(plain) == len({_signed(label) for label in known}) else _signed
    rest = read(answer)
    named = set()
    for label in sorted({read(label) for label in known} - {""}, key=len, reverse=True):
        if label in rest:
            rest, count = re.subn(rf"(?<!\S){re.escape(label)}(?!\S)", "|", rest)
            named |= {label} if count else set()
    return read, named


def word_overlap(answer: str, expected: str) -> float:
    """Return the F1 of the words that answer and expected text share, as SQuAD counts it without its article rule."""
    ours, theirs = _plain(answer).split(), _plain(expected).split()
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(ours), common / len(theirs)
    return 2 * precision * recall / (precision + recall)
