"""Rated transcripts as a table: one row for each conversation, one column for each person who rated."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.catalog.rubrics import Rubric
from core.scoring.ratings import Rated
from core.scoring.transcript import Transcript


@dataclass(frozen=True)
class Panel:
    """What people gave.

    Attributes:
        transcripts: Each conversation once.
        groups: (transcripts,) what belongs together, see `Rated.bond`.
        raters: Their names; those without one are called by their turn.
        ratings: By dimension, (transcripts, raters), NaN where a person rated none.
        repeats: By dimension, (ratings given again, 2): the first and the second rating of the same person.
    """

    transcripts: tuple[Transcript, ...]
    groups: tuple[str, ...]
    raters: tuple[str, ...]
    ratings: dict[str, np.ndarray]
    repeats: dict[str, np.ndarray]


def arrange(rated: Sequence[Rated], rubric: Rubric) -> Panel:
    """Return rated transcripts as a table.

    Rows without a rater's name are taken for different people, in the order in which they rated a conversation. A named
    person's further ratings of the same conversation are repeats and count nowhere else.
    """
    rows: dict[str, int] = {}
    columns: dict[str, int] = {}
    cells: dict[tuple[int, int], Rated] = {}
    again: dict[tuple[int, int], Rated] = {}
    first: list[Rated] = []
    for one in rated:
        row = rows.setdefault(one.transcript.render(), len(rows))
        if row == len(first):
            first.append(one)
        if one.rater:
            place = row, columns.setdefault(one.rater, len(columns))
            (again if place in cells and place not in again else cells).setdefault(place, one)
            continue
        turn = 1
        while (row, columns.setdefault(f"person {turn}", len(columns))) in cells:
            turn += 1
        cells[row, columns[f"person {turn}"]] = one
    names = [one.id for one in rubric.dimensions]
    ratings = {name: np.full((len(rows), len(columns)), np.nan) for name in names}
    for place, one in cells.items():
        for name in names:
            ratings[name][place] = one.scores.get(name, np.nan)
    repeats = {
        name: np.array([[of.scores.get(name, np.nan) for of in (cells[at], again[at])] for at in again]).reshape(-1, 2)
        for name in names
    }
    return Panel(
        tuple(one.transcript for one in first), tuple(one.bond for one in first), tuple(columns), ratings, repeats
    )
