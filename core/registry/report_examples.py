"""The items of a report: won, lost and still wrong, with both answers, from all parts of the benchmark in turn."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from core.errors import DataError
from core.paths import Workspace
from core.store import evaluations
from core.wording import visible

MOST_EXAMPLES, MOST_MISSED = 5, 3
MOST_LETTERS = 1500
RIGHT = 0.999


@dataclass(frozen=True)
class Pair:
    """Two evaluations on the same items."""

    first: str
    second: str
    benchmark: str
    benchmark_sha: str


@dataclass(frozen=True)
class Shown:
    """One test item with both answers and their scores from 0 to 1."""

    component: str
    prompt: str
    expected: str
    first: str
    second: str
    first_score: float
    second_score: float


@dataclass(frozen=True)
class Examples:
    """`counts` are the items answered better, worse and alike; `alike_right` how many of the last are right."""

    won: tuple[Shown, ...] = ()
    lost: tuple[Shown, ...] = ()
    missed: tuple[Shown, ...] = ()
    counts: tuple[int, int, int] = (0, 0, 0)
    alike_right: int = 0


def find_examples(workspace: Workspace, db: sqlite3.Connection, pair: Pair) -> Examples:
    """Return items that were won, lost, and answered wrong by both, and how many of each kind there are."""
    from core.evaluation.pinned import read_pinned

    first, second = ({one.item: one for one in evaluations.items(db, name)} for name in (pair.first, pair.second))
    items: Sequence[Any] = ()
    titles: Mapping[str, str] = {}
    try:
        pinned = read_pinned(workspace, pair.benchmark_sha)
        items, titles = pinned.items, pinned.titles
    except DataError:  # the verdict stands without the questions' words
        pass
    gains = {name: second[name].score - first[name].score for name in second if name in first}
    groups: dict[str, list[Shown]] = {"won": [], "lost": [], "missed": []}
    for item in _in_turns([one for one in items if one.id in gains]):
        one, other, gain = first[item.id], second[item.id], gains[item.id]
        kind = "won" if gain > 0 else "lost" if gain < 0 else "missed" if other.score == 0 else ""
        if kind and len(groups[kind]) < (MOST_MISSED if kind == "missed" else MOST_EXAMPLES):
            groups[kind].append(
                Shown(
                    component=visible(titles.get(item.component, "")) if len(titles) > 1 else "",
                    prompt=_cut(item.prompt),
                    expected=_cut(item.expected),
                    first=_cut(one.answer),
                    second=_cut(other.answer),
                    first_score=one.score,
                    second_score=other.score,
                )
            )
    better, worse = sum(gain > 0 for gain in gains.values()), sum(gain < 0 for gain in gains.values())
    return Examples(
        tuple(groups["won"]),
        tuple(groups["lost"]),
        tuple(groups["missed"]),
        (better, worse, len(gains) - better - worse),
        sum(gain == 0 and second[name].score >= RIGHT for name, gain in gains.items()),
    )


def _in_turns(items: Sequence[Any]) -> Iterator[Any]:
    """Yield the items with their components taking turns, so that the first few show different parts."""
    by_component: dict[str, list[Any]] = {}
    for item in items:
        by_component.setdefault(item.component, []).append(item)
    for turn in zip_longest(*by_component.values()):
        yield from (item for item in turn if item is not None)


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= MOST_LETTERS else f"{shown[:MOST_LETTERS]}…"


def mark_of(score: float) -> str:
    """Return what an answer's score means: right, wrong, or the share that is right."""
    return "right" if score >= RIGHT else "wrong" if score <= 0 else f"{score:.0%} right"
