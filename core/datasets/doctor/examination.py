"""Examines a dataset: every check of the doctor, one report."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.datasets.chat import ChatFormat
from core.datasets.doctor import division, likeness, privacy, writing
from core.datasets.doctor.finding import KINDS, Finding, Severity, make_finding
from core.datasets.doctor.likeness import Texts
from core.datasets.examples import Example
from core.datasets.leakage import LeakGuard

MOST_LABELS = 500
LABEL_LETTERS = 80
TEMPLATE_BYTES = 64  # what a chat template adds
RARE = 10.0  # the most frequent label, so many times more often than the rarest
ORDER: dict[Severity, int] = {"severe": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Report:
    """What the doctor found in `rows` examples, the worst first."""

    rows: int
    findings: list[Finding]

    @property
    def is_sound(self) -> bool:
        return not any(finding.severity == "severe" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "sound": self.is_sound, "findings": [one.to_dict() for one in self.findings]}


def examine(
    examples: Sequence[Example],
    *,
    guard: LeakGuard | None = None,
    chat: ChatFormat | None = None,
    max_length: int = 1024,
    against: Sequence[Example] = (),
) -> Report:
    """Return what is wrong with the examples.

    Args:
        guard: Holds the benchmark questions that no row may give away.
        chat: How the base writes a conversation; without it lengths are not looked at.
        max_length: Tokens that an example may have in training.
        against: Other examples, such as a test set, with which these must have no question in common.
    """
    with _no_collector():
        return _examine(examples, guard, chat, max_length, against)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keep Python from looking again and again for circles among millions of texts that have none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _examine(
    examples: Sequence[Example],
    guard: LeakGuard | None,
    chat: ChatFormat | None,
    max_length: int,
    against: Sequence[Example],
) -> Report:
    texts = Texts(examples)

    def compare() -> list[Finding]:
        repeated = likeness.find_duplicates(examples, texts)
        known = set(repeated.rows) if repeated else set()
        return _those([
            repeated,
            likeness.find_near_duplicates(examples, texts, known),
            likeness.find_conflicts(examples, texts),
            likeness.find_overlap(examples, texts, against) if against else None,
            find_straddling(examples, against) if against else None,
        ])  # fmt: skip

    def survey() -> list[Finding]:
        cuts = find_cuts(examples, chat, max_length) if chat is not None else []
        return cuts + _those([
            writing.find_short_answers(examples), find_imbalance(examples), writing.find_languages(examples)
        ])  # fmt: skip

    def read(start: int, stop: int) -> list[Finding]:
        part = examples[start:stop]
        return _those([
            find_leaks(part, guard) if guard is not None else None,
            find_private(part, "personal_data", privacy.find_personal),
            find_private(part, "secrets", privacy.find_secrets),
            writing.find_wrong_sums(part),
            writing.find_odd_characters(part),
        ])  # fmt: skip

    if division.is_worthwhile(len(examples)):
        findings = division.run(len(examples), [compare, survey], read)
    else:
        findings = [*compare(), *survey(), *read(0, len(examples))]
    return Report(len(examples), sorted(findings, key=lambda one: (ORDER[one.severity], list(KINDS).index(one.kind))))


def _those(findings: Sequence[Finding | None]) -> list[Finding]:
    return [finding for finding in findings if finding is not None]


def find_straddling(examples: Sequence[Example], against: Sequence[Example]) -> Finding | None:
    """Return the rows of groups that the other examples have rows of too."""
    groups = {group for one in against if (group := one.extra.get("group"))}
    rows = (
        (row, f"group {group}: {one.prompt}")
        for row, one in enumerate(examples)
        if (group := one.extra.get("group")) and group in groups
    )
    return make_finding("straddling", rows)


def find_leaks(examples: Sequence[Example], guard: LeakGuard) -> Finding | None:
    return make_finding(
        "leaks",
        ((row, example.prompt) for row, example in enumerate(examples) if guard.is_too_near(example.prompt)),
    )


def find_private(examples: Sequence[Example], kind: str, find: Callable[[str], list[privacy.Spot]]) -> Finding | None:
    """Return rows with something private; the examples show where, and never what."""
    rows = []
    for row, example in enumerate(examples):
        for text in (example.prompt, example.response, *(turn.text for turn in example.turns)):
            spots = find(text)
            if spots:
                hidden = privacy.hide(text, spots)
                place = max(0, hidden.find(spots[0].mark) - 60)
                rows.append((row, hidden[place : place + 160]))
                break
    return make_finding(kind, rows)


def find_cuts(examples: Sequence[Example], chat: ChatFormat, max_length: int) -> list[Finding]:
    """Return rows that the maximum length cuts, and those of which no supervised token is left.

    A token is at least one byte long, so short rows need no counting.
    """
    long = [(row, example) for row, example in enumerate(examples) if _bytes(example) + TEMPLATE_BYTES > max_length]
    cut, silent = [], []
    for start in range(0, len(long), 1000):
        part = long[start : start + 1000]
        encoded = chat.encode([example for _, example in part], max_length)
        for (row, example), one in zip(part, encoded, strict=True):
            if one.supervised <= 0:
                silent.append((row, example.prompt))
            elif one.cut:
                cut.append((row, f"{one.cut:,} tokens too many: {example.prompt}"))
    found = [make_finding("cut", cut, f"The limit is {max_length:,} tokens."), make_finding("unsupervised", silent)]
    return [one for one in found if one is not None]


def _bytes(example: Example) -> int:
    texts = (example.prompt, example.response, *(turn.text for turn in example.turns))
    return sum(len(text) if text.isascii() else len(text.encode("utf-8")) for text in texts)


def find_imbalance(examples: Sequence[Example]) -> Finding | None:
    """Return the rows of rare labels, where the answers are labels."""
    counts = Counter(example.response for example in examples)
    if not 2 <= len(counts) <= min(MOST_LABELS, len(examples) // 3) or any(len(one) > LABEL_LETTERS for one in counts):
        return None
    (common, most), (rarest, least) = counts.most_common()[0], counts.most_common()[-1]
    if most < RARE * least:
        return None
    rare = {label for label, count in counts.items() if most >= RARE * count}
    told = f"{common!r} has {most:,} rows, {rarest!r} has {least:,}."
    rows = ((row, f"{one.prompt} → {one.response}") for row, one in enumerate(examples) if one.response in rare)
    return make_finding("imbalance", rows, told)
