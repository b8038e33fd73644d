"""A figure with its 95% interval, by drawing transcripts (or groups of them) again and again.

A measure is given as a function of weights: how often each transcript counts. All ones give the figure itself, drawn
counts give the bootstrap, a single zero gives the jackknife. So there is one formula for all three.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

RESAMPLES = 2_000
SEED = 20_011  # fixed, so that the same ratings give the same interval everywhere
LEVEL = 0.95
LEAST = 3
MOST_LOST = 0.05  # share of resamples that may be undefined before the interval is not told
NUMBERS_AT_ONCE = 2_000_000

# (resamples, transcripts) weights to (resamples,) values; NaN where the measure is undefined
Measure = Callable[[np.ndarray], np.ndarray]
# The first resample that is wanted and how many, to (resamples, groups): how often each counts each group
Counts = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Figure:
    """A value with its 95% interval; what is None could not be found, and `told` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    told: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate(measure: Measure, groups: Sequence[object] | np.ndarray, columns: int = 1) -> Figure:
    """Return a measure with its bias-corrected and accelerated bootstrap interval.

    Args:
        groups: (transcripts,) what belongs together; transcripts of one group are drawn together.
        columns: how many numbers the measure holds for each transcript; more columns, fewer resamples at once.

    Source: Efron 1987, doi:10.1080/01621459.1987.10478410.
    """
    belongs, count = index_groups(groups)
    value = float(measure(np.ones((1, belongs.size)))[0])
    if not np.isfinite(value):
        return Figure(None, told="This can't be computed: the scores do not vary enough.")
    if count < LEAST:
        return Figure(value, told=f"No interval: the transcripts come from {count} groups; {LEAST} are needed.")
    drawn = _apply(measure, _draw(count), RESAMPLES, belongs, columns)
    known = drawn[np.isfinite(drawn)]
    if known.size < (1 - MOST_LOST) * drawn.size:
        return Figure(value, told="No interval: in too many resamples the scores do not vary.")
    if np.ptp(known) < 1e-12:
        return Figure(value, told="No interval: every resample gives the same value, so the spread is not known.")
    left_out = _apply(measure, _leave_out(count), count, belongs, columns)
    low, high = np.quantile(known, _corrected_levels(value, known, left_out[np.isfinite(left_out)]))
    return Figure(value, float(low), float(high))


def index_groups(groups: Sequence[object] | np.ndarray) -> tuple[np.ndarray, int]:
    """Return each transcript's group as a number from 0, (transcripts,), and how many groups there are."""
    places: dict[object, int] = {}
    belongs = np.array([places.setdefault(one, len(places)) for one in groups], int)
    return belongs, len(places)


def _draw(count: int) -> Counts:
    """Return what draws groups for the bootstrap; resamples have to be asked for in their order."""
    random = np.random.default_rng(SEED)
    return lambda _, many: random.multinomial(count, np.full(count, 1 / count), many).astype(float)


def _leave_out(count: int) -> Counts:
    """Return what leaves each group out once, for the jackknife."""
    return lambda start, many: 1.0 - np.eye(many, count, start)


def _apply(measure: Measure, counts: Counts, resamples: int, belongs: np.ndarray, columns: int) -> np.ndarray:
    """Return a measure's values, (resamples,); only as many resamples are in memory at once as `NUMBERS_AT_ONCE`."""
    at_once = max(1, NUMBERS_AT_ONCE // max(1, belongs.size * columns))
    starts = range(0, resamples, at_once)
    return np.concatenate([measure(counts(at, min(at_once, resamples - at))[:, belongs]) for at in starts])


def _corrected_levels(value: float, drawn: np.ndarray, left_out: np.ndarray) -> tuple[float, float]:
    normal = NormalDist()
    below = (np.sum(drawn < value) + np.sum(drawn == value) / 2) / drawn.size
    bias = normal.inv_cdf(float(np.clip(below, 0.5 / drawn.size, 1 - 0.5 / drawn.size)))
    pulls = left_out.mean() - left_out if left_out.size else np.zeros(1)
    spread = float((pulls**2).sum())
    acceleration = float((pulls**3).sum()) / (6 * spread**1.5) if spread > 1e-18 else 0.0

    def corrected(level: float) -> float:
        reach = bias + normal.inv_cdf(level)
        return normal.cdf(bias + reach / max(1 - acceleration * reach, 0.05))

    return corrected((1 - LEVEL) / 2), corrected((1 + LEVEL) / 2)
