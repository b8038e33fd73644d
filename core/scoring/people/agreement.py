"""How far scores agree: a model with people, people among each other, a model with itself on another run.

A figure that can't be told, because nothing varies or too few transcripts have both scores, is None with a sentence.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.errors import MetricError
from core.scoring.people import formulas
from core.scoring.people.formulas import Pairwise
from core.scoring.people.resampling import LEAST, Figure, estimate

TITLES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "kappa": "weighted kappa",
    "icc_agreement": "ICC(2,1)",
    "icc_consistency": "ICC(3,1)",
    "alpha_ordinal": "alpha, ordinal",
    "alpha_interval": "alpha, interval",
    "mean_absolute_error": "mean absolute error",
    "bias": "bias",
    "lower_limit": "lower limit",
    "upper_limit": "upper limit",
    "auc": "AUC",
}
LIMITS = 1.96  # standard deviations around the bias that hold 95% of the differences
Scores = Sequence[float] | np.ndarray
Groups = Sequence[object] | np.ndarray | None


@dataclass(frozen=True)
class Agreement:
    """Measures by name (see TITLES); `transcripts` is how many are behind them."""

    transcripts: int
    figures: dict[str, Figure]

    def to_dict(self) -> dict[str, Any]:
        return {"transcripts": self.transcripts, **{name: one.to_dict() for name, one in self.figures.items()}}


def with_people(expected: Scores, ratings: np.ndarray, groups: Groups = None) -> Agreement:
    """Return how a model's expected scores agree with the mean of people's ratings of the same transcripts.

    Kappa takes the model's scores rounded to whole ones; the others take them as they are.

    Args:
        expected: (transcripts,) 1 to 5.
        ratings: (transcripts, raters) 1 to 5, NaN where a rater gave none.
        groups: (transcripts,) what belongs together, such as a source; each transcript for itself where not given.
    """
    people = mean_rating(ratings)
    scores = np.asarray(expected, float)
    known = np.isfinite(people) & np.isfinite(scores)
    both = np.column_stack([scores, people])
    return Agreement(
        int(known.sum()),
        {
            "pearson": pearson(scores, people, groups),
            "spearman": spearman(scores, people, groups),
            "kappa": kappa(round_scores(scores), people, groups),
            "icc_agreement": icc(both, groups, "agreement"),
            "icc_consistency": icc(both, groups, "consistency"),
            "alpha_ordinal": alpha(both, groups, "ordinal"),
            "alpha_interval": alpha(both, groups, "interval"),
            "mean_absolute_error": mean_absolute_error(scores, people, groups),
            **bland_altman(scores, people, groups),
        },
    )


def among(ratings: np.ndarray, groups: Groups = None) -> Agreement:
    """Return how the columns of ratings agree among each other: several raters, or several runs of one model.

    Measures of pairs are the mean over all pairs of columns; ICC takes the transcripts that all have rated.

    Args:
        ratings: (transcripts, columns), NaN for a missing rating.
    """
    table = _table(ratings)
    known = np.isfinite(table).sum(axis=1) >= 2
    return Agreement(
        int(known.sum()),
        {
            "pearson": _over_pairs(formulas.weigh_pearson, table, groups),
            "spearman": _over_pairs(formulas.weigh_spearman, table, groups),
            "kappa": _over_pairs(formulas.weigh_kappa, table, groups),
            "icc_agreement": icc(table, groups, "agreement"),
            "icc_consistency": icc(table, groups, "consistency"),
            "alpha_ordinal": alpha(table, groups, "ordinal"),
            "alpha_interval": alpha(table, groups, "interval"),
            "mean_absolute_error": _over_pairs(formulas.weigh_absolute_error, table, groups, may_be_flat=True),
        },
    )


def mean_rating(ratings: np.ndarray) -> np.ndarray:
    """Return the mean over the raters who rated a transcript, (transcripts,); NaN where nobody did."""
    table = _table(ratings)
    known = np.isfinite(table)
    total, count = np.where(known, table, 0).sum(axis=1), known.sum(axis=1)
    return np.divide(total, count, out=np.full(len(table), np.nan), where=count > 0)


def round_scores(scores: Scores) -> np.ndarray:
    """Return whole scores; a half goes up, as people round."""
    return np.floor(np.asarray(scores, float) + 0.5)


def pearson(first: Scores, second: Scores, groups: Groups = None) -> Figure:
    """Return the linear correlation, -1 to 1."""
    return _of_pair(formulas.weigh_pearson, first, second, groups)


def spearman(first: Scores, second: Scores, groups: Groups = None) -> Figure:
    """Return the correlation of ranks, -1 to 1; equal scores share their rank."""
    return _of_pair(formulas.weigh_spearman, first, second, groups)


def kappa(first: Scores, second: Scores, groups: Groups = None) -> Figure:
    """Return quadratic-weighted kappa: 1 for the same scores, 0 for chance.

    Written with means and variances, where it is Lin's concordance: so a mean of two raters need not be rounded.

    Source: Cohen 1968, doi:10.1037/h0026256; Lin 1989, doi:10.2307/2532051.
    """
    return _of_pair(formulas.weigh_kappa, first, second, groups)


def mean_absolute_error(first: Scores, second: Scores, groups: Groups = None) -> Figure:
    """Return how far the scores are apart on average, in points of the scale; lower is better."""
    return _of_pair(formulas.weigh_absolute_error, first, second, groups, may_be_flat=True)


def bland_altman(first: Scores, second: Scores, groups: Groups = None) -> dict[str, Figure]:
    """Return by how much the first side is higher on average, and between which limits 95% of the differences lie.

    Source: Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8.
    """
    return {
        name: _of_pair(formulas.weigh_difference_at(place), first, second, groups, may_be_flat=True)
        for name, place in (("bias", 0.0), ("lower_limit", -LIMITS), ("upper_limit", LIMITS))
    }


def icc(ratings: np.ndarray, groups: Groups = None, kind: str = "agreement") -> Figure:
    """Return the intraclass correlation of single ratings: ICC(2,1) for "agreement", ICC(3,1) for "consistency".

    Source: Shrout and Fleiss 1979, doi:10.1037/0033-2909.86.2.420.
    """
    table = _table(ratings)
    whole = np.isfinite(table).all(axis=1)
    chosen = table[whole]
    if table.shape[1] < 2:
        return Figure(None, told="There is one rating for each transcript; at least two are needed.")
    if len(chosen) < LEAST:
        return Figure(None, told=_too_few(len(chosen), "were rated by all"))
    if np.ptp(chosen) == 0:
        return Figure(None, told="All ratings are the same, so nothing can agree beyond chance.")
    values = chosen - chosen.mean()
    return estimate(
        lambda weights: formulas.weigh_icc(weights, values, kind), _groups(groups, len(table))[whole], table.shape[1]
    )


def alpha(ratings: np.ndarray, groups: Groups = None, level: str = "ordinal") -> Figure:
    """Return Krippendorff's alpha, 1 for the same ratings, 0 for chance; missing ratings may be anywhere.

    The ordinal distance of two scores is the distance of their mid-ranks, so both levels share one formula.

    Args:
        level: "ordinal" or "interval".

    Source: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability.
    """
    table = _table(ratings)
    paired = np.isfinite(table).sum(axis=1) >= 2
    chosen = table[paired]
    if len(chosen) < LEAST:
        return Figure(None, told=_too_few(len(chosen), "have two ratings or more"))
    if np.nanmin(chosen) == np.nanmax(chosen):
        return Figure(None, told="All ratings are the same, so nothing can agree beyond chance.")
    return estimate(
        lambda weights: formulas.weigh_alpha(weights, chosen, level),
        _groups(groups, len(table))[paired],
        table.shape[1],
    )


def auc(scores: Scores, positive: Sequence[bool] | np.ndarray, groups: Groups = None) -> Figure:
    """Return how often a positive case has a higher score than a negative one; equal scores count half.

    Source: Mann and Whitney 1947, doi:10.1214/aoms/1177730491.
    """
    values, labels = np.asarray(scores, float), np.asarray(positive, bool)
    if values.shape != labels.shape or not np.isfinite(values).all():
        raise MetricError(f"{values.size} scores for {labels.size} cases; one finite score for each is needed.")
    if labels.sum() < LEAST or (~labels).sum() < LEAST:
        few = int(min(labels.sum(), (~labels).sum()))
        return Figure(None, told=f"One side has {few} cases; at least {LEAST} of each are needed.")
    return estimate(lambda weights: formulas.weigh_auc(weights, values, labels), _groups(groups, values.size), 2)


def _table(ratings: np.ndarray) -> np.ndarray:
    table = np.asarray(ratings, float)
    if table.ndim != 2:
        raise MetricError(f"Ratings have the shape {table.shape}; transcripts times raters is needed.")
    return table


def _groups(groups: Groups, count: int) -> np.ndarray:
    if groups is None:
        return np.arange(count)
    if len(groups) != count:
        raise MetricError(f"{len(groups)} groups for {count} transcripts; one for each is needed.")
    return np.array([str(one) for one in groups])


def _too_few(count: int, what: str) -> str:
    return f"{count} transcripts {what}; at least {LEAST} are needed."


def _of_pair(
    measure: Pairwise,
    first: Scores,
    second: Scores,
    groups: Groups,
    may_be_flat: bool = False,
) -> Figure:
    one, other = np.asarray(first, float), np.asarray(second, float)
    if one.shape != other.shape or one.ndim != 1:
        raise MetricError(f"The sides have {one.size} and {other.size} scores; both need one for each transcript.")
    return _over_pairs(measure, np.column_stack([one, other]), groups, may_be_flat)


def _over_pairs(measure: Pairwise, table: np.ndarray, groups: Groups, may_be_flat: bool = False) -> Figure:
    """Return the mean of a measure over all pairs of columns that share enough transcripts."""
    belongs = _groups(groups, len(table))
    pairs, common = [], 0
    for first, second in itertools.combinations(range(table.shape[1]), 2):
        known = np.isfinite(table[:, [first, second]]).all(axis=1)
        common = max(common, int(known.sum()))
        if known.sum() < LEAST:
            continue
        sides = table[known, first], table[known, second]
        different = [np.ptp(side) > 0 for side in sides]
        if may_be_flat or all(different) or (measure is formulas.weigh_kappa and any(different)):
            pairs.append((np.flatnonzero(known), *sides))
    if table.shape[1] < 2:
        return Figure(None, told="There is one rating for each transcript; at least two are needed.")
    if common < LEAST:
        return Figure(None, told=_too_few(common, "have both scores"))
    if not pairs:
        return Figure(None, told="One side gave every transcript the same score, so nothing can go along with it.")
    used = np.unique(np.concatenate([known for known, _, _ in pairs]))
    place = np.searchsorted(used, np.arange(len(table)))

    def over_all(weights: np.ndarray) -> np.ndarray:
        found = [measure(weights[:, place[known]], one, other) for known, one, other in pairs]
        if len(found) == 1:
            return found[0]
        values = np.array(found)
        defined = np.isfinite(values)
        count = defined.sum(axis=0)
        total = np.where(defined, values, 0).sum(axis=0)
        return np.divide(total, count, out=np.full(count.size, np.nan), where=count > 0)

    return estimate(over_all, belongs[used], 2)
