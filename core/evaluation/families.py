"""Many paired comparisons at once: their intervals, their p-values, and Holm's correction for how many there are.

The figures are those of `core.evaluation.comparison`; here all comparisons on the same items share their resamples.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from core.evaluation.comparison import LEVEL, PERMUTATIONS, RESAMPLES, SEED, permutation_p

FEW_DIFFERING = 14  # up to here every sign pattern is tried
DRAWN_ITEMS = 256
FAR_Z = 4.0  # beyond it, random patterns are too few to count; the normal tail is then above the true p-value


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return p-values corrected for their number, so that the chance of any false alarm stays at the level.

    Source: Holm 1979, https://www.jstor.org/stable/4615733.
    """
    given = np.asarray(p_values, float)
    order = np.argsort(given, kind="stable")
    raised = given[order] * np.arange(given.size, 0, -1)
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(np.maximum.accumulate(raised), 1.0) if given.size else raised
    return corrected


def z_values(weighted: np.ndarray) -> np.ndarray:
    """Return each sum of differences over its standard deviation under random signs, (comparisons,)."""
    spread = np.sqrt((weighted**2).sum(axis=1))
    return np.divide(weighted.sum(axis=1), spread, out=np.zeros(len(weighted)), where=spread > 0)


def normal_p(z: np.ndarray) -> np.ndarray:
    return np.array([math.erfc(abs(one) / math.sqrt(2)) for one in z.tolist()])


def sign_flip_p(weighted: np.ndarray) -> np.ndarray:
    """Return the two-sided p-values of the sign-flip test, (comparisons,).

    Args:
        weighted: (comparisons, items) differences, each times its item's share of the score.
    """
    p_values = normal_p(z_values(weighted))
    differing = (weighted != 0).sum(axis=1)
    few = differing <= FEW_DIFFERING
    for place in np.flatnonzero(few):
        p_values[place] = permutation_p(weighted[place])
    rest = np.flatnonzero(~few & (np.abs(z_values(weighted)) < FAR_Z))
    signs = _signs(weighted.shape[1])
    for start in range(0, rest.size, 256):  # 20,000 sums for each comparison: in parts, so that memory stays flat
        part = rest[start : start + 256]
        sums = np.abs(signs @ weighted[part].T.astype(np.float32))
        observed = np.abs(weighted[part].sum(axis=1)).astype(np.float32) - np.float32(1e-6)
        p_values[part] = ((sums >= observed).sum(axis=0) + 1) / (PERMUTATIONS + 1)
    return p_values


def _signs(items: int) -> np.ndarray:
    """Return random signs, (PERMUTATIONS, items); benchmarks of different sizes share what was drawn once."""
    return _drawn_signs(max(DRAWN_ITEMS, items))[:, :items]


@lru_cache(maxsize=2)
def _drawn_signs(items: int) -> np.ndarray:
    drawn = np.random.default_rng(SEED).integers(0, 2, (PERMUTATIONS, items), dtype=np.int8)
    return (2 * drawn - 1).astype(np.float32)


def difference_intervals(weighted: np.ndarray, components: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower and upper 95% bounds of each sum of differences, (comparisons,).

    The resamples are those that a single comparison draws, so that both show the same interval.
    """
    sums = weighted.astype(np.float32) @ _resamples(tuple(components)).T
    low, high = np.quantile(sums, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1)
    return low, high


@lru_cache(maxsize=16)
def _resamples(components: tuple[str, ...]) -> np.ndarray:
    """Return how often each resample draws each item, (RESAMPLES, items); components keep their size."""
    random = np.random.default_rng(SEED)
    labels = np.array(components)
    counts = np.zeros((RESAMPLES, labels.size), np.float32)
    for name in np.unique(labels):
        places = np.flatnonzero(labels == name)
        drawn = random.integers(0, places.size, (RESAMPLES, places.size))
        flat = drawn + places.size * np.arange(RESAMPLES)[:, None]
        tallied = np.bincount(flat.ravel(), minlength=RESAMPLES * places.size)
        counts[:, places] = tallied.reshape(RESAMPLES, places.size)
    return counts
