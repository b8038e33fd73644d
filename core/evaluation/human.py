"""Judging by eye: items in a random order, sides hidden, and what the votes say about the models behind them."""

import csv
import hashlib
import io
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.errors import DataError, MetricError
from core.evaluation.benchmarks import Item
from core.evaluation.comparison import mcnemar_p
from core.store.votes import Choice, Vote

SHEET_COLUMNS = ("item", "question", "answer A", "answer B", "better (A, B or tie)")
MOST_ROUNDS = 200
Z = 1.959964  # of a 95% interval


@dataclass(frozen=True)
class Strength:
    """How strong a model is against the average of all judged, in log-odds, with its 95% interval.

    `share` is the chance, 0 to 1, that its answer is preferred to that of an average one.
    """

    model: str
    value: float
    low: float
    high: float
    votes: int

    @property
    def share(self) -> float:
        return float(1 / (1 + np.exp(-self.value)))


@dataclass(frozen=True)
class WinShare:
    """The second model's share of the votes, a tie counting half; `p_value` is of the sign test without ties."""

    wins: int
    losses: int
    ties: int
    share: float
    low: float
    high: float
    p_value: float


def win_share(choices: Sequence[Choice]) -> WinShare:
    """Return how often the second was preferred.

    The interval is Wilson's, with ties as half a win.

    Raises:
        MetricError: There is no vote.
    """
    if not choices:
        raise MetricError("There are no votes yet.")
    wins, losses, ties = (sum(one == name for one in choices) for name in ("second", "first", "tie"))
    count, z = len(choices), Z
    share = (wins + ties / 2) / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    p_value = mcnemar_p(np.repeat([0, 1], [wins, losses]), np.repeat([1, 0], [wins, losses]))  # the same sign test
    return WinShare(wins, losses, ties, share, float(middle - reach), float(middle + reach), p_value)


def strengths(votes: Sequence[tuple[str, str, Choice]]) -> list[Strength]:
    """Return Bradley-Terry strengths of all models that occur in (first, second, choice), the strongest first.

    A tie counts as half a win for each. Where one side won all, no finite strength fits; then each pair that was judged
    gets half a win in both directions. The strengths of each group that is linked by votes add up to 0.

    Raises:
        MetricError: There is no vote, or models were judged in groups that no vote links.

    Source: Bradley and Terry 1952, doi:10.2307/2334029; fitted by Newton's method.
    """
    if not votes:
        raise MetricError("There are no votes yet.")
    names = sorted({name for first, second, _ in votes for name in (first, second)})
    place = {name: index for index, name in enumerate(names)}
    wins = np.zeros((len(names), len(names)))
    for first, second, choice in votes:
        ours, theirs = place[first], place[second]
        wins[ours, theirs] += {"first": 1.0, "tie": 0.5, "second": 0.0}[choice]
        wins[theirs, ours] += {"first": 0.0, "tie": 0.5, "second": 1.0}[choice]
    judged = wins + wins.T
    if not _is_linked(judged > 0):
        raise MetricError("Some models were never judged against the others, not even through a third one.")
    counts = judged.sum(axis=1)
    if not _is_strongly_linked(wins > 0):
        wins = wins + (judged > 0) * 0.5
    values, information = _fit(wins)
    # The information matrix has no inverse along "all by the same amount"; the pseudo-inverse leaves that out.
    errors = np.sqrt(np.maximum(np.diag(np.linalg.pinv(information)), 0))
    found = [
        Strength(name, float(value), float(value - Z * error), float(value + Z * error), round(count))
        for name, value, error, count in zip(names, values, errors, counts, strict=True)
    ]
    return sorted(found, key=lambda one: -one.value)


def _fit(wins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the likeliest strengths, adding up to 0, and the Fisher information there."""
    judged = wins + wins.T
    values = np.zeros(len(wins))
    for _ in range(MOST_ROUNDS):
        expected = 1 / (1 + np.exp(values[None, :] - values[:, None]))
        weight = judged * expected * (1 - expected)
        information = np.diag(weight.sum(axis=1)) - weight
        step = np.linalg.pinv(information) @ (wins.sum(axis=1) - (judged * expected).sum(axis=1))
        values = values + np.clip(step, -1, 1)  # a longer step could leave the region where the fit converges
        values -= values.mean()
        if np.abs(step).max() < 1e-10:
            break
    return values, information


def _reached(links: np.ndarray) -> set[int]:
    """Return what can be reached from the first model."""
    seen, waiting = {0}, [0]
    while waiting:
        for other in np.flatnonzero(links[waiting.pop()]).tolist():
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return seen


def _is_linked(links: np.ndarray) -> bool:
    return len(_reached(links | links.T)) == len(links)


def _is_strongly_linked(links: np.ndarray) -> bool:
    return len(_reached(links)) == len(links) == len(_reached(links.T))


# What a rater sees


@dataclass(frozen=True)
class Card:
    """One item with two answers; `swapped` says that A is the second model's."""

    item: Item
    answer_a: str
    answer_b: str
    swapped: bool

    def choice_of(self, said: str) -> Choice:
        """Return whom a rater who said A, B or tie has preferred."""
        if said == "tie":
            return "tie"
        return "second" if (said == "A") == self.swapped else "first"


def deal(
    items: Sequence[Item], first: Mapping[str, str], second: Mapping[str, str], pair: tuple[str, str], rater: str
) -> list[Card]:
    """Return the items that both answered, in the rater's own random order, each with its sides shuffled.

    The same pair and rater always give the same, so a rater can go on later and a filled sheet can be read back. Items
    that both answered alike are left out: there is nothing to prefer.
    """
    seed = int.from_bytes(hashlib.sha256("|".join((*pair, rater)).encode()).digest()[:8])
    drawn = random.Random(seed)
    shared = [item for item in items if item.id in first and item.id in second]
    cards = []
    for item in shared:
        swapped = drawn.random() < 0.5
        answers = (second[item.id], first[item.id]) if swapped else (first[item.id], second[item.id])
        if answers[0].split() != answers[1].split():
            cards.append(Card(item, *answers, swapped))
    drawn.shuffle(cards)
    return cards


def write_sheet(cards: Sequence[Card]) -> str:
    """Return a CSV table to be printed or filled in; nothing in it tells whose answer is whose."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(SHEET_COLUMNS)
    for card in cards:
        texts = (card.item.id, card.item.prompt, card.answer_a, card.answer_b)
        writer.writerow([*map(_harmless, texts), ""])
    return stream.getvalue()


def _harmless(text: str) -> str:
    """Return a cell that a spreadsheet shows as it is, and does not take for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def read_sheet(text: str, cards: Sequence[Card], benchmark: str, pair: tuple[str, str], rater: str) -> list[Vote]:
    """Return the votes of a filled sheet; rows without a vote are passed over.

    Raises:
        DataError: The sheet is of another pair or rater, or a vote is none; the message names the row.
    """
    rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff")), _dialect(text)))
    if not rows or len(rows[0]) < len(SHEET_COLUMNS) or rows[0][0].strip().casefold() != SHEET_COLUMNS[0]:
        raise DataError(f"This is no filled sheet: its first row must be {', '.join(SHEET_COLUMNS)}.")
    known = {_harmless(card.item.id): card for card in cards}
    votes: dict[str, Vote] = {}
    for number, row in enumerate(rows[1:], 2):
        if not any(cell.strip() for cell in row):
            continue
        card = known.get(row[0].strip())
        if card is None:
            raise DataError(f"Row {number} is about the item {row[0]!r}, which is not on the sheet of this pair.")
        if len(row) > 3 and (_words(row[2]), _words(row[3])) != tuple(
            map(_words, (_harmless(card.answer_a), _harmless(card.answer_b)))
        ):
            raise DataError(
                f"Row {number} shows other answers than the sheet of this pair and rater. Type the rater's name as it "
                "was when the sheet was saved."
            )
        said = row[4].strip().casefold() if len(row) > 4 else ""
        if not said:
            continue
        if said not in ("a", "b", "tie"):
            raise DataError(f"Row {number} says {row[4].strip()!r}. Write A, B or tie.")
        choice = card.choice_of("tie" if said == "tie" else said.upper())
        votes[card.item.id] = Vote(benchmark, card.item.id, *pair, choice, rater)
    return list(votes.values())


def _words(text: str) -> list[str]:
    return text.split()


def _dialect(text: str) -> type[csv.Dialect]:
    """Return how the cells are parted: a spreadsheet may save them with semicolons or tabs."""
    first = text.lstrip("\ufeff").partition("\n")[0]

    class Saved(csv.excel):
        delimiter = max(",;\t", key=first.count)

    return Saved
