"""Proves by simulation that verdicts hold: equal models are seldom called better, and a promised difference is found.

    python -m tests.torture.statistics [--pairs 2000] [--seed N]

Answers are drawn item by item: some items are hard for every model, some easy. Two equal models answer with the same
chances; then "better" may come out in at most 5% of the pairs. Two models that differ by just what a verdict names as
its smallest detectable difference must be told apart in at least 80%. Each share stands with its 95% interval.
"""

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from core.cli.output import print_table, say
from core.evaluation import comparison
from core.evaluation.comparison import Paired

MOST_FALSE, LEAST_POWER = 0.05, 0.80
FEW_RESAMPLES = 100  # the interval does not decide, so it need not be exact here

Draw = Callable[[np.random.Generator, float], Paired]


@dataclass(frozen=True)
class Setting:
    """One kind of benchmark: `draw` gives answers of two models whose true scores differ by so much."""

    name: str
    draw: Draw


def right_or_wrong(items: int) -> Draw:
    def draw(chance: np.random.Generator, difference: float) -> Paired:
        easy = np.clip(chance.beta(1.5, 1.5, items), 0, 1 - difference)
        base = (chance.random(items) < easy).astype(float)
        tuned = (chance.random(items) < easy + difference).astype(float)
        return Paired(base, tuned, ["answers"] * items, {"answers": 1.0}, {})

    return draw


def weighted(counts: dict[str, int], weights: dict[str, float]) -> Draw:
    """Parts of different kinds and weights, as the industries have them; half of the items are graded in parts."""

    def draw(chance: np.random.Generator, difference: float) -> Paired:
        base, tuned, names = [], [], []
        for place, (name, count) in enumerate(counts.items()):
            easy = np.clip(chance.beta(1.5, 1.5, count), 0, 1 - difference)
            if place % 2:
                base.append(chance.binomial(4, easy) / 4)
                tuned.append(chance.binomial(4, easy + difference) / 4)
            else:
                base.append((chance.random(count) < easy).astype(float))
                tuned.append((chance.random(count) < easy + difference).astype(float))
            names += [name] * count
        return Paired(np.concatenate(base), np.concatenate(tuned), names, weights, {})

    return draw


SETTINGS = [
    Setting("60 items, right or wrong", right_or_wrong(60)),
    Setting("300 items, right or wrong", right_or_wrong(300)),
    Setting(
        "90 items in four weighted parts",
        weighted(
            {"calculation": 30, "knowledge": 24, "explanation": 18, "application": 18},
            {"calculation": 0.3, "knowledge": 0.25, "explanation": 0.25, "application": 0.2},
        ),
    ),
]


def share_better(setting: Setting, pairs: int, seed: int, difference: float) -> tuple[int, float]:
    """Return how many pairs come out better, and the mean of the smallest detectable differences that they name."""
    chance = np.random.default_rng([seed, round(1e6 * difference)])
    better, named = 0, []
    for _ in range(pairs):
        verdict = comparison.compare(setting.draw(chance, difference))
        better += verdict.outcome == "better"
        if verdict.detectable is not None:
            named.append(verdict.detectable)
    return better, float(np.mean(named))


def run(pairs: int, seed: int) -> bool:
    """Print what came out of every setting, and return whether all of it holds."""
    comparison.RESAMPLES = FEW_RESAMPLES
    rows, holds = [], True
    for setting in SETTINGS:
        false, detectable = share_better(setting, pairs, seed, 0.0)
        found, _ = share_better(setting, pairs, seed + 1, detectable)
        low, high = _interval(false, pairs)
        power_low, power_high = _interval(found, pairs)
        holds &= low <= MOST_FALSE and false <= MOST_FALSE * pairs and power_high >= LEAST_POWER
        rows.append(
            (
                setting.name,
                f"{false / pairs:.1%} ({low:.1%} to {high:.1%})",
                f"{100 * detectable:.1f} points",
                f"{found / pairs:.1%} ({power_low:.1%} to {power_high:.1%})",
            )
        )
    print_table(("benchmark", "equal models called better", "detectable difference", "found"), rows)
    return holds


def _interval(hits: int, trials: int) -> tuple[float, float]:
    told = stats.binomtest(hits, trials).proportion_ci(0.95, method="wilson")
    return float(told.low), float(told.high)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.torture.statistics", description=__doc__)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    chosen = parser.parse_args()
    say(f"seed {chosen.seed}, {chosen.pairs} pairs of models")
    if not run(chosen.pairs, chosen.seed):
        raise SystemExit("A promise does not hold; the table says which.")


if __name__ == "__main__":
    main()
