"""Two models on the same items: the difference, how sure it is, and what that means in one sentence.

The score of a benchmark is the weighted sum of its components' means. Everything here is paired: an item counts with
the difference of its two answers, so what both find easy or hard does not blur the picture.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from core.errors import MetricError

Outcome = Literal["better", "not proven", "worse"]
RESAMPLES = 10_000
PERMUTATIONS = 20_000
LEVEL = 0.95
SURE = 1.96 + 0.84  # standard errors: 5% to be fooled, 80% to find it
IN_SIGHT = 100_000  # draws at once that the processor's cache holds; all at once take half as long again
STEPS = 1.5  # items; an exact test moves in steps, and asks for so many more than a smooth one
SEED = 20_011  # fixed, so that the same answers give the same verdict everywhere


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ComponentResult:
    """One component of a comparison: scores 0 to 1, the difference with its interval."""

    component: str
    title: str
    weight: float
    items: int
    base: Interval
    tuned: Interval
    difference: Interval


@dataclass(frozen=True)
class MetricResult:
    """One metric of both models over the same items; see core.evaluation.measures for what it means."""

    metric: str
    title: str
    base: float
    tuned: float
    is_share: bool
    less_is_better: bool


@dataclass(frozen=True)
class Verdict:
    """What a comparison proves. Scores are 0 to 1; `difference` is tuned minus base.

    `detectable` is the smallest true difference that as many such items would show in four of five cases.
    """

    outcome: Outcome
    sentence: str
    base_score: float
    tuned_score: float
    difference: float
    low: float
    high: float
    p_value: float
    items: int
    items_needed: int | None
    test: str
    components: tuple[ComponentResult, ...]
    metrics: tuple[MetricResult, ...] = ()
    detectable: float | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Paired:
    """Scores of two models on the same items, with the weight of each component."""

    base: np.ndarray
    tuned: np.ndarray
    components: Sequence[str]
    weights: Mapping[str, float]
    titles: Mapping[str, str]

    def item_weights(self) -> np.ndarray:
        """Return each item's share of the score, (items,); they add up to 1.

        A component without items gives its weight to the others in proportion.
        """
        names, counts = np.unique(np.array(self.components), return_counts=True)
        count = dict(zip(names.tolist(), counts.tolist(), strict=True))
        present = sum(self.weights[name] for name in count)
        return np.array([self.weights[name] / present / count[name] for name in self.components])


def score_interval(scores: np.ndarray, components: Sequence[str], weights: Mapping[str, float]) -> Interval:
    """Return one model's weighted score with its bootstrap interval; right/wrong alone gives Wilson's interval."""
    paired = Paired(scores, scores, components, weights, {})
    share = paired.item_weights()
    if len(set(components)) == 1 and set(np.unique(scores)) <= {0.0, 1.0}:
        return _wilson(scores)
    means = _resampled_sums(scores * share, components)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(scores @ share), float(low), float(high))


def _wilson(scores: np.ndarray) -> Interval:
    """Source: Wilson 1927, doi:10.1080/01621459.1927.10502953."""
    count, share = len(scores), float(scores.mean())
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    reach = z / (1 + z**2 / count) * math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    low, high = (0.0 if share == 0 else middle - reach), (1.0 if share == 1 else middle + reach)
    return Interval(share, low, high)


def _resampled_sums(values: np.ndarray, components: Sequence[str]) -> np.ndarray:
    """Return sums over bootstrap samples, (RESAMPLES,), drawn within each component so that its size stays."""
    random = np.random.default_rng(SEED)
    labels = np.array(components)
    total = np.zeros(RESAMPLES)
    for name in np.unique(labels):
        part = values[labels == name]
        rows = max(1, IN_SIGHT // len(part))
        for start in range(0, RESAMPLES, rows):  # the draws go on where they were, so the size of a block is free
            drawn = random.integers(0, len(part), (min(rows, RESAMPLES - start), len(part)))
            total[start : start + rows] += part[drawn].sum(axis=1)
    return total


def permutation_p(weighted: np.ndarray) -> float:
    """Return the two-sided p-value of the sign-flip test of a sum of paired differences.

    If the models were equal, each difference could as well have the other sign. All sign patterns are tried for up to
    14 items that differ, 20,000 random ones beyond; the observed one counts as one of them, so p is never 0.

    Source: Fisher 1935; the added one: Phipson and Smyth 2010, doi:10.2202/1544-6115.1585.
    """
    differing = weighted[weighted != 0]
    if differing.size == 0:
        return 1.0
    observed = abs(differing.sum()) - 1e-12
    if differing.size <= 14:
        patterns = 1 - 2 * ((np.arange(2**differing.size)[:, None] >> np.arange(differing.size)) & 1)
        return float(np.mean(np.abs(patterns @ differing) >= observed))
    random = np.random.default_rng(SEED)
    hits = 0
    for _ in range(PERMUTATIONS // 2000):
        signs = random.integers(0, 2, (2000, differing.size)) * 2 - 1
        hits += int((np.abs(signs @ differing) >= observed).sum())
    return (hits + 1) / (PERMUTATIONS + 1)


def mcnemar_p(base: np.ndarray, tuned: np.ndarray) -> float:
    """Return the exact two-sided p-value of McNemar's test for right/wrong answers to the same items.

    Source: McNemar 1947, doi:10.1007/BF02295996; exact form: binomial test of the discordant pairs.
    """
    gained, lost = int((tuned > base).sum()), int((tuned < base).sum())
    tail = ways = 1
    for place in range(min(gained, lost)):  # the number of ways to draw one more, from that to draw so many
        ways = ways * (gained + lost - place) // (place + 1)
        tail += ways
    return min(1.0, 2 * tail / 2 ** (gained + lost))


def compare(paired: Paired, names: tuple[str, str] = ("the base model", "the tuned model")) -> Verdict:
    """Return the verdict over two models' scores.

    Raises:
        MetricError: The scores are not of the same items, there are none, or one is no number.
    """
    if paired.base.shape != paired.tuned.shape or paired.base.shape != (len(paired.components),):
        raise MetricError(
            f"base has {paired.base.shape} scores, tuned {paired.tuned.shape}, for {len(paired.components)} "
            "items; a comparison needs the same items."
        )
    if paired.base.size == 0:
        raise MetricError("There are no items to compare on.")
    if not (np.isfinite(paired.base).all() and np.isfinite(paired.tuned).all()):
        raise MetricError("A score is not a finite number; grade the answers again.")
    share = paired.item_weights()
    weighted = (paired.tuned - paired.base) * share
    difference = float(weighted.sum())
    resampled = _resampled_sums(weighted, paired.components)
    low, high = (float(bound) for bound in np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    exact = len(set(paired.components)) == 1 and set(np.unique([paired.base, paired.tuned])) <= {0.0, 1.0}
    p_value = mcnemar_p(paired.base, paired.tuned) if exact else permutation_p(weighted)
    outcome: Outcome = "not proven" if p_value >= 1 - LEVEL else "better" if difference > 0 else "worse"
    base_score, tuned_score = float(paired.base @ share), float(paired.tuned @ share)
    needed = _items_needed(weighted) if outcome == "not proven" else None
    return Verdict(
        outcome=outcome,
        sentence=_sentence(outcome, names, base_score, tuned_score, low, high, p_value, len(share), needed),
        base_score=base_score,
        tuned_score=tuned_score,
        difference=difference,
        low=low,
        high=high,
        p_value=p_value,
        items=len(share),
        items_needed=needed,
        test="exact McNemar" if exact else "sign-flip permutation",
        components=tuple(_component(paired, name) for name in dict.fromkeys(paired.components)),
        detectable=_detectable(weighted),
    )


def _component(paired: Paired, name: str) -> ComponentResult:
    chosen = np.array(paired.components) == name
    base, tuned = paired.base[chosen], paired.tuned[chosen]
    labels = [name] * int(chosen.sum())
    drawn = _resampled_sums((tuned - base) / len(base), labels)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ComponentResult(
        component=name,
        title=paired.titles.get(name, name),
        weight=paired.weights[name],
        items=len(labels),
        base=score_interval(base, labels, {name: 1.0}),
        tuned=score_interval(tuned, labels, {name: 1.0}),
        difference=Interval(float((tuned - base).mean()), float(low), float(high)),
    )


def _items_needed(weighted: np.ndarray) -> int | None:
    """Return how many items in all would probably settle such a difference (80% power); None beyond reason."""
    spread = float(np.std(weighted * len(weighted)))
    effect = abs(float(weighted.sum()))
    if effect == 0 or spread == 0:
        return None
    root = (SURE * spread + np.sqrt((SURE * spread) ** 2 + 4 * STEPS * effect)) / (2 * effect)
    needed = int(np.ceil(root**2))
    return max(needed, len(weighted) + 1) if needed <= 100_000 else None


def _detectable(weighted: np.ndarray) -> float | None:
    """Return the smallest difference that these items would prove with 80% power; None where they never differ."""
    spread = float(np.std(weighted * len(weighted)))
    return float(SURE * spread / np.sqrt(len(weighted)) + STEPS / len(weighted)) if spread else None


def _sentence(
    outcome: Outcome,
    names: tuple[str, str],
    base: float,
    tuned: float,
    low: float,
    high: float,
    p_value: float,
    items: int,
    needed: int | None,
) -> str:
    """Say it so that a manager understands: who, how much, how sure, on how many items."""
    first, second = names
    between = f"95% interval {100 * low:+z.0f} to {100 * high:+z.0f} points"
    facts = f"{tuned:.0%} where {first} scores {base:.0%}, on {items} held-out items"
    points = abs(100 * (tuned - base))
    luck = f"If the two were equal, luck would give such a gap {_odds(p_value)}."
    if outcome == "not proven":
        more = f" About {needed:,} items would settle a difference of this size." if needed else ""
        return f"A difference is not proven: {second} scores {facts} ({between}). {luck}{more}"
    more_or_less = "more" if outcome == "better" else "less"
    return (
        f"{second[:1].upper()}{second[1:]} is {outcome}: it scores {facts}, {points:.0f} points {more_or_less} "
        f"({between}). {luck}"
    )


def _odds(p_value: float) -> str:
    if p_value > 0.995:
        return "every time"
    if p_value < 0.001:
        return "less than once in 1,000 times"
    if p_value < 0.0015:
        return "once in 1,000 times"
    if p_value < 0.1:
        return f"{p_value * 1000:.0f} times in 1,000"
    return f"{p_value * 100:.0f} times in 100"
