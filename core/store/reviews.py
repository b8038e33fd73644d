"""What people found who looked at an adapter's answers. Reviews are never changed; a person's newest one counts."""

import sqlite3
import time
from dataclasses import dataclass
from typing import Literal, get_args

from core.store.connection import transaction

Finding = Literal["fit", "unfit"]
FINDINGS: tuple[Finding, ...] = get_args(Finding)


@dataclass(frozen=True)
class Review:
    """One person's word on the very weights that were there; `finding` says whether they may serve."""

    id: int
    at: float
    adapter: str
    weights_sha: str
    who: str
    finding: Finding
    note: str

    @property
    def text(self) -> str:
        return f"{self.who}: {self.note}"


def add(db: sqlite3.Connection, adapter: str, weights_sha: str, who: str, finding: Finding, note: str) -> Review:
    """Store a review and return it."""
    with transaction(db):
        number = db.execute(
            "INSERT INTO reviews (at, adapter, weights_sha, who, finding, note) VALUES (?, ?, ?, ?, ?, ?)",
            (time.time(), adapter, weights_sha, who, finding, note),
        ).lastrowid
    return Review(**dict(db.execute("SELECT * FROM reviews WHERE id = ?", (number,)).fetchone()))


def of_adapter(db: sqlite3.Connection, adapter: str) -> list[Review]:
    """Return all reviews of an adapter, the newest first."""
    rows = db.execute("SELECT * FROM reviews WHERE adapter = ? ORDER BY id DESC", (adapter,))
    return [Review(**dict(row)) for row in rows]


def standing(db: sqlite3.Connection, adapter: str, weights_sha: str) -> list[Review]:
    """Return the reviews of these weights that count: the newest of each person, the newest first."""
    found: dict[str, Review] = {}
    for one in of_adapter(db, adapter):
        if one.weights_sha == weights_sha:
            found.setdefault(one.who.casefold(), one)
    return list(found.values())
