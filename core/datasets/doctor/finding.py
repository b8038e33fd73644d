"""What the doctor can find: kinds, how bad each is, what to do, and one finding of a kind."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["severe", "warning", "note"]
Remedy = Literal["drop", "mend", ""]
SHOWN = 3
SHOWN_LETTERS = 240


@dataclass(frozen=True)
class Kind:
    """One kind of finding; `remedy` is what the doctor can do by itself: drop the rows, or mend their text."""

    severity: Severity
    title: str
    advice: str
    remedy: Remedy


KINDS: dict[str, Kind] = {
    "leaks": Kind(
        "severe", "Rows that give away a benchmark question",
        "They would make the verdict look better than it is. Drop them.", "drop",
    ),
    "overlap": Kind(
        "severe", "Rows that the other dataset has too",
        "What is trained on must not be tested on. Drop them here.", "drop",
    ),
    "straddling": Kind(
        "severe", "Groups of which the other dataset has rows too",
        "Rows of one group tell about each other. Keep each group on one side; drop them here.", "drop",
    ),
    "conflicts": Kind(
        "severe", "The same question with different answers",
        "Nothing can be learned from them. Drop all rows of such a question, or correct them in the file.", "drop",
    ),
    "secrets": Kind(
        "severe", "Passwords, keys and tokens", "A model repeats what it was trained on. Replace them.", "mend"
    ),
    "unsupervised": Kind(
        "severe", "Rows whose whole answer is cut off",
        "They teach nothing. Raise the maximum length, or drop them.", "drop",
    ),
    "duplicates": Kind("warning", "The same row again", "They weigh more than others. Drop the repeats.", "drop"),
    "near_duplicates": Kind(
        "warning", "Nearly the same row again", "Drop the repeats, unless the small difference matters.", "drop"
    ),
    "cut": Kind(
        "warning", "Rows longer than the maximum length",
        "The beginning of the question is cut off. Raise the maximum length, or drop them.", "drop",
    ),
    "short_answers": Kind("warning", "Answers of one sign", "Complete them in the file, or drop them.", "drop"),
    "personal_data": Kind(
        "warning", "Personal data: addresses, numbers of phones, cards and accounts",
        "Replace them by marks such as [EMAIL]. No search finds all of them.", "mend",
    ),
    "wrong_sums": Kind(
        "warning", "Sums that are wrong", "Correct them in the file, or drop the rows.", "drop"
    ),
    "odd_characters": Kind(
        "warning", "Broken or invisible characters", "Mend them: wrongly decoded letters are put right.", "mend"
    ),
    "imbalance": Kind(
        "note", "Some answers are much rarer than others", "Rare answers are learned last; add rows of them.", ""
    ),
    "languages": Kind("note", "More than one language", "Nothing to do if that is meant.", ""),
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One row as an example of a finding."""

    row: int
    text: str


@dataclass(frozen=True)
class Finding:
    """Rows of a dataset, counted from 0, that have one kind of fault; `told` says more where that helps."""

    kind: str
    rows: tuple[int, ...]
    examples: tuple[Shown, ...]
    told: str = ""

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind].severity

    @property
    def count(self) -> int:
        return len(self.rows)

    def to_dict(self) -> dict[str, Any]:
        kind = KINDS[self.kind]
        return {
            "kind": self.kind,
            "severity": kind.severity,
            "count": self.count,
            "title": kind.title,
            "told": self.told,
            "advice": kind.advice,
            "remedy": kind.remedy,
            "examples": [asdict(one) for one in self.examples],
        }


def make_finding(kind: str, rows: Iterable[tuple[int, str]], told: str = "") -> Finding | None:
    """Return a finding of (row, what is seen there), or None where there is none."""
    found = list(rows)
    if not found:
        return None
    shown = tuple(Shown(row, " ".join(text.split())[:SHOWN_LETTERS]) for row, text in found[:SHOWN])
    return Finding(kind, tuple(row for row, _ in found), shown, told)
