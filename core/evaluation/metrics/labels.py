"""Answers that are labels: F1 over labels, and which label was taken for which."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from core.evaluation.grading import find_label

NO_LABEL = "(no label)"


def named_labels(answers: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Return the label that each answer names, or NO_LABEL where it names none or several."""
    return [find_label(answer, tuple(labels)) or NO_LABEL for answer in answers]


def macro_f1(named: Sequence[str], expected: Sequence[str]) -> float:
    """Return the mean of the F1 of the labels that are expected somewhere, 0 to 1: each label counts the same."""
    hits, told, wanted = _counts(named, expected)
    return sum(2 * hits[label] / (told[label] + wanted[label]) for label in wanted) / len(wanted)


def micro_f1(named: Sequence[str], expected: Sequence[str]) -> float:
    """Return the F1 over all answers, 0 to 1; an answer without a label costs recall, not precision."""
    hits, told, wanted = _counts(named, expected)
    return 2 * hits.total() / (sum(told[label] for label in wanted) + wanted.total())


def _counts(named: Sequence[str], expected: Sequence[str]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Return how often each label was rightly named, named, and expected."""
    hits = Counter(theirs for ours, theirs in zip(named, expected, strict=True) if ours == theirs)
    return hits, Counter(named), Counter(expected)


def confusion(named: Sequence[str], expected: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Return the labels, and how often the row's label was answered by the column's, (labels, labels)."""
    labels = [*sorted({*named, *expected} - {NO_LABEL}), NO_LABEL]
    places = {label: place for place, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), int)
    for ours, theirs in zip(named, expected, strict=True):
        table[places[theirs], places[ours]] += 1
    return labels, table


def quadratic_kappa(scores: Sequence[float], expected: Sequence[float]) -> float:
    """Return the quadratic-weighted kappa of whole scores, -1 to 1; 1 where both never vary and agree.

    The weights are the squared distances of the scores themselves, so a score that nobody gave still lies between its
    neighbours. Then observed and chance disagreement are a mean square and two variances, and no matrix is needed.

    Source: Cohen 1968, doi:10.1037/h0026256.
    """
    ours, theirs = np.rint(scores), np.rint(expected)
    by_chance = float(ours.var() + theirs.var() + (ours.mean() - theirs.mean()) ** 2)
    return 1.0 - float(np.mean((ours - theirs) ** 2)) / by_chance if by_chance else 1.0
