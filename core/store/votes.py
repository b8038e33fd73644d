"""Votes of people who saw two answers to the same item without knowing whose they are."""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.store.connection import transaction

Choice = Literal["first", "second", "tie"]


@dataclass(frozen=True)
class Vote:
    """Which of two evaluations answered an item better, in the eyes of one rater."""

    benchmark: str
    item: str
    first: str
    second: str
    choice: Choice
    rater: str = ""


def add(db: sqlite3.Connection, votes: Sequence[Vote]) -> None:
    """Store votes, all or none; a rater's earlier vote on the same item and pair is replaced."""
    with transaction(db):
        for vote in votes:
            db.execute(
                "DELETE FROM votes WHERE first = ? AND second = ? AND item = ? AND rater = ?",
                (vote.first, vote.second, vote.item, vote.rater),
            )
            db.execute(
                "INSERT INTO votes (at, benchmark, item, first, second, choice, rater) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (time.time(), vote.benchmark, vote.item, vote.first, vote.second, vote.choice, vote.rater),
            )


_VOTE = "SELECT benchmark, item, first, second, choice, rater FROM votes"


def _votes(rows: sqlite3.Cursor) -> list[Vote]:
    return [Vote(*row) for row in rows]


def of_pair(db: sqlite3.Connection, first: str, second: str) -> list[Vote]:
    """Return the votes on a pair of evaluations, in the order in which they were given."""
    return _votes(
        db.execute(
            f"{_VOTE} WHERE first = ? AND second = ? ORDER BY id",
            (first, second),
        )
    )


def of_benchmark(db: sqlite3.Connection, benchmark: str) -> list[Vote]:
    """Return all votes on evaluations of a benchmark."""
    return _votes(
        db.execute(
            f"{_VOTE} WHERE benchmark = ? ORDER BY id",
            (benchmark,),
        )
    )
