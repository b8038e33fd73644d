"""Measures of agreement as formulas of weights: how often each transcript counts.

Everywhere `weights` is (resamples, transcripts) and the result (resamples,), NaN where a measure is undefined. What
each measure means, and where it comes from, stands in `core.scoring.people.agreement`.
"""

from collections.abc import Callable

import numpy as np

FLAT = 1e-12  # a variance below it, in relation to the values, is rounding

# weights and the values of both sides to (resamples,)
Pairwise = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def rank(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return each value's mid-rank where values count as often as their weights, (resamples, values)."""
    known, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(known.size))
    counts = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks: np.ndarray = (np.cumsum(counts, axis=1) - counts / 2)[:, place]
    return ranks


def weigh_pearson(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1)
    one, other = _centred(weights, first), _centred(weights, second)
    with np.errstate(invalid="ignore", divide="ignore"):
        spreads = [(weights * side**2).sum(axis=1) / total for side in (one, other)]
        flat = (spreads[0] <= FLAT * _size(first)) | (spreads[1] <= FLAT * _size(second))
        found = (weights * one * other).sum(axis=1) / total / np.sqrt(spreads[0] * spreads[1])
    return np.where(flat, np.nan, np.clip(found, -1, 1))


def weigh_spearman(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return weigh_pearson(weights, rank(first, weights), rank(second, weights))


def weigh_kappa(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = (weights @ (first - second) ** 2) / total
        spread = sum((weights * _centred(weights, side) ** 2).sum(axis=1) / total for side in (first, second))
        by_chance = spread + (weights @ (first - second) / total) ** 2
        return np.where(by_chance <= FLAT * _size(first), np.nan, 1 - apart / by_chance)


def weigh_absolute_error(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        found: np.ndarray = (weights @ np.abs(first - second)) / weights.sum(axis=1)
    return found


def weigh_difference_at(place: float) -> Pairwise:
    """Return the measure: mean difference plus so many standard deviations."""

    def measure(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        total, apart = weights.sum(axis=1), first - second
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = (weights * _centred(weights, apart) ** 2).sum(axis=1) / (total - 1)
            found: np.ndarray = (weights @ apart) / total + place * np.sqrt(spread)
        return found

    return measure


def weigh_icc(weights: np.ndarray, values: np.ndarray, kind: str) -> np.ndarray:
    targets, judges = weights.sum(axis=1), values.shape[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        of_judge = weights @ values / targets[:, None]
        middle = of_judge.mean(axis=1)
        of_target = values.mean(axis=1)
        rows = judges * (weights * (of_target[None, :] - middle[:, None]) ** 2).sum(axis=1)
        columns = targets * ((of_judge - middle[:, None]) ** 2).sum(axis=1)
        rest = np.zeros_like(targets)
        for judge in range(judges):
            left = values[:, judge] - of_target - (of_judge[:, judge] - middle)[:, None]
            rest += (weights * left**2).sum(axis=1)
        between, within = rows / (targets - 1), rest / ((targets - 1) * (judges - 1))
        below = between + (judges - 1) * within
        if kind == "agreement":
            below = below + judges * (columns / (judges - 1) - within) / targets
        flat = rows + columns + rest <= FLAT * targets
        return np.where(flat | (np.abs(below) <= FLAT), np.nan, (between - within) / below)


def weigh_alpha(weights: np.ndarray, table: np.ndarray, level: str) -> np.ndarray:
    known = np.isfinite(table)
    row, _ = np.nonzero(known)
    flat_values, each = table[known], weights[:, row]
    values = rank(flat_values, each) if level == "ordinal" else np.broadcast_to(flat_values, each.shape)
    starts = np.searchsorted(row, np.arange(len(table)))
    count = known.sum(axis=1)
    total = each.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        centred = values - ((each * values).sum(axis=1) / total)[:, None]
        sums = np.add.reduceat(centred, starts, axis=1)
        squares = np.add.reduceat(centred**2, starts, axis=1)
        # the sum over ordered pairs of a unit of (a - b)^2 is 2 (m * sum of squares - square of sum)
        apart = (weights * 2 * (count * squares - sums**2) / (count - 1)).sum(axis=1)
        by_chance = 2 * total * (each * centred**2).sum(axis=1)
        flat = by_chance <= FLAT * total**2 * _size(values)
        return np.where(flat, np.nan, 1 - (total - 1) * apart / by_chance)


def weigh_auc(weights: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    ranks = rank(scores, weights)
    above, below = weights * labels, weights * ~labels
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = (above * ranks).sum(axis=1) / above.sum(axis=1) - (below * ranks).sum(axis=1) / below.sum(axis=1)
        found: np.ndarray = 0.5 + gap / weights.sum(axis=1)
    return found


def _centred(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        centred: np.ndarray = values - ((weights * values).sum(axis=1) / weights.sum(axis=1))[:, None]
    return centred


def _size(values: np.ndarray) -> float:
    return max(1.0, float(np.max(np.abs(values))) ** 2)
