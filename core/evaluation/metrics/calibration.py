"""Whether a model is as sure as it is right: expected calibration error and Brier score."""

from collections.abc import Sequence

import numpy as np

from core.errors import MetricError


def expected_calibration_error(confidence: Sequence[float], right: Sequence[float], bins: int = 10) -> float:
    """Return by how much confidence and share of right answers differ on average, 0 to 1; lower is better.

    Bins have equal width and hold their upper end; each weighs by how many answers it holds.

    Args:
        confidence: (answers,) how sure the model was, 0 to 1.
        right: (answers,) 1 for a right answer, 0 for a wrong one.
        bins: how many bins.

    Raises:
        MetricError: See `_checked`.

    Source: Guo et al. 2017, arXiv:1706.04599, equation 3.
    """
    sure, hits = _checked(confidence, right)
    if bins < 1:
        raise MetricError(f"{bins} bins; at least one is needed.")
    places = np.clip(np.ceil(sure * bins) - 1, 0, bins - 1).astype(int)
    gaps = np.bincount(places, weights=sure - hits, minlength=bins)
    return float(np.abs(gaps).sum() / sure.size)


def brier_score(confidence: Sequence[float], right: Sequence[float]) -> float:
    """Return the mean squared distance of confidence and outcome, 0 to 1; lower is better.

    Source: Brier 1950, Verification of forecasts expressed in terms of probability.
    """
    sure, hits = _checked(confidence, right)
    return float(np.mean((sure - hits) ** 2))


def _checked(confidence: Sequence[float], right: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Raises MetricError: nothing to measure, two lengths, or a value outside of 0 to 1."""
    sure, hits = np.asarray(confidence, float), np.asarray(right, float)
    if sure.shape != hits.shape or sure.ndim != 1 or sure.size == 0:
        raise MetricError(f"{sure.size} confidences for {hits.size} answers; one for each of at least one is needed.")
    if not (((sure >= 0) & (sure <= 1)).all() and np.isin(hits, (0.0, 1.0)).all()):
        raise MetricError("A confidence is not between 0 and 1, or an answer neither right (1) nor wrong (0).")
    return sure, hits
