"""Probabilities of the scores 1 to 5 made into a dimension's score."""

from collections.abc import Sequence

from core.catalog.rubrics import SCALE
from core.scoring.people.calibration import Calibration
from core.scoring.result import Evidence, Score

DIGITS = 5  # behind the point; what differs from machine to machine lies beyond


def expect(probabilities: Sequence[float]) -> float:
    """Return the mean score, 1 to 5."""
    return sum(score * share for score, share in zip(SCALE, probabilities, strict=True)) / sum(probabilities)


def make_score(dimension: str, probabilities: Sequence[float], calibrated: Calibration | None = None) -> Score:
    """Return a dimension's score: the likeliest, or with a curve the one nearest to what people would give.

    A calibration changes only the dimensions that it has curves for.

    Args:
        probabilities: Of the scores 1 to 5, as the model says them.
    """
    expected = expect(probabilities)
    shares = list(probabilities)
    if calibrated is None or dimension not in calibrated.curves:
        score = SCALE[shares.index(max(shares))]
    else:
        shares = calibrated.move(dimension, shares)
        expected = calibrated.apply(dimension, expected)
        score = min(5, max(1, int(expected + 0.5)))
    confidence = shares[score - 1] / sum(shares)
    return Score(
        score=score,
        expected=min(5.0, max(1.0, round(expected, DIGITS))),
        confidence=min(1.0, max(0.0, round(confidence, DIGITS))),
    )


def calibrate_effect(passage: Evidence, dimension: str, expected: float, calibrated: Calibration) -> Evidence:
    """Return evidence with its effect on the calibrated score.

    Args:
        expected: The expected score as the model says it.
    """
    with_it = calibrated.apply(dimension, expected)
    without = calibrated.apply(dimension, min(5.0, max(1.0, expected - passage.effect)))
    return passage.model_copy(update={"effect": round(with_it - without, DIGITS)})
