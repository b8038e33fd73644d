"""Metrics of any length as a chart needs them: read once, only continued, and held in a few hundred stretches each."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import streamlit as st

from core.store.metrics import EMPTY, Names, Series, read_progress, visit_points

MOST_STRETCHES = 400
# Of a stretch of points: where it is lowest and highest, its sum and number of points, and its last step.
_LOW_STEP, _LOW, _HIGH_STEP, _HIGH, _SUM, _COUNT, _LAST_STEP = range(7)


@dataclass(frozen=True)
class Envelope:
    """A metric cut into at most `MOST_STRETCHES` stretches of `width` points, the last one maybe shorter.

    Up to that many points every point is a stretch of its own; then `width` doubles as the metric grows. The lowest and
    the highest value are never lost. Values that are no number are only counted.
    """

    stretches: np.ndarray = field(default_factory=lambda: np.empty((0, 7)))
    width: int = 1
    ends: Series = EMPTY
    not_finite: int = 0
    first_not_finite: int | None = None

    def extended(self, steps: np.ndarray, values: np.ndarray) -> "Envelope":
        """Return the envelope with further points; the cost does not depend on how many there were before."""
        finite = np.isfinite(values)
        not_finite, first = self.not_finite, self.first_not_finite
        if not finite.all():
            not_finite += int(finite.size - finite.sum())
            first = int(steps[~finite][0]) if first is None else first
            steps, values = steps[finite], values[finite]
        if not steps.size:
            return Envelope(self.stretches, self.width, self.ends, not_finite, first)
        points = np.column_stack([steps, values, steps, values, values, np.ones(steps.size), steps])
        known, width = _filled(self.stretches, points, self.width), self.width
        while len(known) > MOST_STRETCHES:
            known, width = _grouped(known, 2), 2 * width
        order = np.argsort(both := np.concatenate([self.ends.steps, steps]), kind="stable")[[0, -1]]
        ends = Series(both[order], np.concatenate([self.ends.values, values])[order])
        return Envelope(known, width, ends, not_finite, first)

    @property
    def size(self) -> int:
        """Return how many points with a number there are."""
        return int(self.stretches[:, _COUNT].sum())

    def points(self) -> Series:
        """Return the first, the last, and of each stretch the lowest and the highest point, by step."""
        low, high = self.stretches[:, [_LOW_STEP, _LOW]], self.stretches[:, [_HIGH_STEP, _HIGH]]
        steps = np.concatenate([self.ends.steps, low[:, 0], high[:, 0]]).astype(np.int64)
        values = np.concatenate([self.ends.values, low[:, 1], high[:, 1]])
        steps, kept = np.unique(steps, return_index=True)
        return Series(steps, values[kept])

    def trend(self, share: float = 0.06) -> Series:
        """Return a running mean over a share of the points, to show where a noisy line goes."""
        window = int(self.size * share)
        if window < 3:
            return self.points()
        rows = self.stretches[np.argsort(self.stretches[:, _LAST_STEP], kind="stable")]
        upto = np.concatenate([[0.0], np.cumsum(rows[:, _COUNT])])
        sums = np.concatenate([[0.0], np.cumsum(rows[:, _SUM])])
        begins = np.searchsorted(upto[1:], upto[1:] - window, side="right")
        means = (sums[1:] - sums[begins]) / (upto[1:] - upto[begins])
        return Series(rows[:, _LAST_STEP].astype(np.int64), means)


NOTHING = Envelope()


def _filled(known: np.ndarray, points: np.ndarray, width: int) -> np.ndarray:
    """Append points to stretches: first the last stretch is filled up, then new ones are made."""
    room = width - int(known[-1, _COUNT]) if len(known) else 0
    if room > 0:
        begun = np.concatenate([known[-1:], points[:room]])
        known, points = np.concatenate([known[:-1], _reduced(begun[None])]), points[room:]
    return np.concatenate([known, _grouped(points, width)])


def _grouped(rows: np.ndarray, size: int) -> np.ndarray:
    """Join every `size` rows into one, the last of what is left."""
    whole = len(rows) // size * size
    parts = [_reduced(rows[:whole].reshape(-1, size, rows.shape[1]))] if whole else []
    if whole < len(rows):
        parts.append(_reduced(rows[whole:][None]))
    return np.concatenate(parts) if parts else rows


def _reduced(rows: np.ndarray) -> np.ndarray:
    """Join the stretches of each group: (groups, stretches, 7) to (groups, 7)."""
    groups = np.arange(len(rows))
    joined = np.empty((len(rows), rows.shape[2]))
    joined[:, [_LOW_STEP, _LOW]] = rows[groups, rows[..., _LOW].argmin(1)][:, [_LOW_STEP, _LOW]]
    joined[:, [_HIGH_STEP, _HIGH]] = rows[groups, rows[..., _HIGH].argmax(1)][:, [_HIGH_STEP, _HIGH]]
    joined[:, [_SUM, _COUNT]] = rows[..., [_SUM, _COUNT]].sum(1)
    joined[:, _LAST_STEP] = rows[..., _LAST_STEP].max(1)
    return joined


def envelope(steps: Sequence[int] | np.ndarray, values: Sequence[float] | np.ndarray) -> Envelope:
    return NOTHING.extended(np.asarray(steps, np.int64), np.asarray(values, np.float64))


class EnvelopeCache:
    """The envelopes of one job's metrics; `refreshed` reads only what is new since the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._attempt = -1
        self._known: dict[str, Envelope] = {}
        self._read_upto: dict[Names, int] = {}
        self._lock = threading.Lock()

    def refreshed(self) -> Mapping[str, Envelope]:
        """Return every metric of the job up to now. A new attempt may have put points aside, so all is read again."""
        with self._lock:
            progress = read_progress(self._path)
            if progress is not None and progress.attempt != self._attempt:
                self._attempt, self._known, self._read_upto = progress.attempt, {}, {}
            visit_points(self._path, self._read_upto, self._take)
            return dict(self._known)

    def _take(self, names: Names, steps: np.ndarray, values: np.ndarray) -> None:
        for column, name in enumerate(names):
            self._known[name] = self._known.get(name, NOTHING).extended(steps, values[:, column])
        self._read_upto[names] = int(steps[-1])


@st.cache_resource(show_spinner=False, max_entries=200)
def envelopes_of(path: Path) -> EnvelopeCache:
    return EnvelopeCache(path)
