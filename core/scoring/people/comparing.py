"""Two models that scored the same rated transcripts: which of them is nearer to people, and how sure that is.

Paired throughout: a transcript counts with the difference of both models' errors, so that what is hard for both does
not blur the picture. Transcripts of one source count as one case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.catalog.rubrics import Rubric
from core.errors import MetricError
from core.evaluation.comparison import LEVEL, Outcome, permutation_p
from core.evaluation.families import holm
from core.scoring.people import agreement
from core.scoring.people.agreement import Agreement, Scores
from core.scoring.people.resampling import LEAST, Figure, estimate, index_groups


@dataclass(frozen=True)
class DimensionResult:
    """One dimension: both models' agreement with people, and the second's error minus the first's in points.

    `p_value` is corrected for the number of dimensions.
    """

    dimension: str
    title: str
    first: Agreement
    second: Agreement
    difference: Figure
    p_value: float
    outcome: Outcome
    sentence: str


@dataclass(frozen=True)
class Comparison:
    """Errors over all dimensions by the rubric's weights, and in each; a negative difference favours the second."""

    names: tuple[str, str]
    transcripts: int
    errors: tuple[float, float]
    difference: Figure
    p_value: float
    outcome: Outcome
    sentence: str
    dimensions: tuple[DimensionResult, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    rubric: Rubric,
    first: Mapping[str, Scores],
    second: Mapping[str, Scores],
    ratings: Mapping[str, np.ndarray],
    groups: Sequence[object] | np.ndarray | None = None,
    names: tuple[str, str] = ("the first model", "the second model"),
) -> Comparison:
    """Return which of two models is nearer to people's ratings.

    Args:
        first, second: By dimension, (transcripts,) expected scores of the same transcripts.
        ratings: By dimension, (transcripts, raters) people's scores, NaN where there is none.
        groups: (transcripts,) what belongs together.

    Raises:
        MetricError: Too few transcripts were rated in all dimensions.
    """
    ids = [one.id for one in rubric.dimensions]
    people = {name: agreement.mean_rating(ratings[name]) for name in ids}
    errors = [
        {name: np.abs(np.asarray(model[name], float) - people[name]) for name in ids} for model in (first, second)
    ]
    total = [sum(one.weight * of[one.id] for one in rubric.dimensions) for of in errors]
    whole = np.isfinite(total[0]) & np.isfinite(total[1])
    if whole.sum() < LEAST:
        raise MetricError(f"{whole.sum()} transcripts were rated in all dimensions; at least {LEAST} are needed.")
    belongs = np.arange(len(whole)) if groups is None else np.array([str(one) for one in groups])
    gaps = {name: errors[1][name] - errors[0][name] for name in ids}
    corrected = holm([_p_value(gaps[name], belongs) for name in ids])
    dimensions = []
    for one, p_value in zip(rubric.dimensions, corrected.tolist(), strict=True):
        gap = gaps[one.id]
        difference, outcome = _mean(gap, belongs), _decide(gap, p_value)
        dimensions.append(
            DimensionResult(
                one.id,
                one.title,
                agreement.with_people(first[one.id], ratings[one.id], groups),
                agreement.with_people(second[one.id], ratings[one.id], groups),
                difference,
                p_value,
                outcome,
                _tell(outcome, names, (_known(errors[0][one.id]), _known(errors[1][one.id])), difference, one.title),
            )
        )
    gap = (total[1] - total[0])[whole]
    p_value = _p_value(gap, belongs[whole])
    difference, outcome = _mean(gap, belongs[whole]), _decide(gap, p_value)
    means = (float(total[0][whole].mean()), float(total[1][whole].mean()))
    return Comparison(
        names, int(whole.sum()), means, difference, p_value, outcome,
        _tell(outcome, names, means, difference, "", int(whole.sum())), tuple(dimensions),
    )  # fmt: skip


def _known(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _mean(gap: np.ndarray, belongs: np.ndarray) -> Figure:
    known = np.isfinite(gap)
    if known.sum() < LEAST:
        return Figure(None, told=f"{known.sum()} transcripts have a rating; at least {LEAST} are needed.")
    values = gap[known]
    return estimate(lambda weights: (weights @ values) / weights.sum(axis=1), belongs[known])


def _p_value(gap: np.ndarray, belongs: np.ndarray) -> float:
    """Return the p-value of the sign-flip test, where transcripts of a group take their sign together."""
    known = np.isfinite(gap)
    if not known.any():
        return 1.0
    places, count = index_groups(belongs[known])
    return permutation_p(np.bincount(places, gap[known], count))


def _decide(gap: np.ndarray, p_value: float) -> Outcome:
    if p_value >= 1 - LEVEL:
        return "not proven"
    return "better" if np.nansum(gap) < 0 else "worse"


def _tell(
    outcome: Outcome,
    names: tuple[str, str],
    errors: tuple[float, float],
    difference: Figure,
    dimension: str,
    transcripts: int = 0,
) -> str:
    """Say which model is nearer to people, by how much, and how sure that is."""
    first, second = names
    where = f" in {dimension.lower()}" if dimension else ""
    if difference.value is None:
        return f"Nothing can be told{where}: {difference.told[:1].lower()}{difference.told[1:]}"
    on = f", on {transcripts} rated transcripts" if transcripts else ""
    facts = f"{second} is {errors[1]:.2f} points from people on average, {first} {errors[0]:.2f}{on}"
    if difference.low is not None and difference.high is not None:
        facts += f" (95% interval of the difference {difference.low:+.2f} to {difference.high:+.2f})"
    if outcome == "not proven":
        return f"A difference{where} is not proven: {facts}."
    return f"{second[:1].upper()}{second[1:]} is {outcome}{where}: {facts}."
