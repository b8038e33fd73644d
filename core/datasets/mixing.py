"""Mixes several datasets into one: by ratios, or by a temperature between their sizes and equal parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.datasets.examples import Example
from core.errors import DataError

MOST_TEMPERATURE = 100.0


@dataclass(frozen=True)
class Part:
    """One dataset of a mix: how many examples it has, and how many of them are taken."""

    name: str
    available: int
    taken: int


def plan(
    sizes: Mapping[str, int],
    *,
    ratios: Mapping[str, float] | None = None,
    temperature: float | None = None,
    caps: Mapping[str, int] | None = None,
    rows: int | None = None,
) -> list[Part]:
    """Return how many examples of each dataset a mix takes; none is taken twice.

    Args:
        sizes: Examples by dataset.
        ratios: Parts by dataset, such as 2 and 1; what is left out counts 1.
        temperature: 1 takes them by their sizes, more moves towards equal parts. Not together with ratios.
        caps: The most to take of a dataset.
        rows: How many in all; without it as many as the proportions allow.

    Raises:
        DataError: A name, ratio, temperature, cap or count is not possible.
    """
    caps = caps or {}
    _check(sizes, ratios, temperature, caps, rows)
    names = list(sizes)
    available = np.array([min(sizes[name], caps.get(name, sizes[name])) for name in names], float)
    if ratios:
        weights = np.array([ratios.get(name, 1.0) for name in names])
    else:
        weights = available ** (1.0 / (temperature or 1.0))
    weights = weights / weights.sum()
    total = float(rows) if rows is not None else float((available / weights).min())
    # What a small dataset can't give, the others give in their proportion.
    taken = np.zeros(len(names))
    open_parts = np.ones(len(names), bool)
    while open_parts.any() and total - taken.sum() > 0.5:
        share = weights * open_parts / (weights * open_parts).sum() * (total - taken.sum())
        taken = np.minimum(available, taken + share)
        open_parts = taken < available - 1e-9
    counts = np.floor(taken + 1e-6).astype(int)
    short = round(min(total, float(available.sum()))) - counts.sum()
    for place in np.argsort(counts - taken)[: max(0, short)]:
        counts[place] += 1
    return [Part(name, sizes[name], int(count)) for name, count in zip(names, counts, strict=True)]


def _check(
    sizes: Mapping[str, int],
    ratios: Mapping[str, float] | None,
    temperature: float | None,
    caps: Mapping[str, int],
    rows: int | None,
) -> None:
    if len(sizes) < 2:
        raise DataError("A mix needs at least two different datasets.")
    for name in [*(ratios or {}), *caps]:
        if name not in sizes:
            raise DataError(f"{name!r} is not among the datasets of the mix: {', '.join(sizes)}.")
    for name, ratio in (ratios or {}).items():
        if not 0 < ratio <= 1_000:
            raise DataError(f"The ratio of {name!r} is {ratio:g}; it must be above 0 and at most 1,000.")
    for name, cap in caps.items():
        if cap < 1:
            raise DataError(f"At most {cap} examples of {name!r} would be none. Leave the dataset out instead.")
    if ratios and temperature is not None:
        raise DataError("Give ratios or a temperature, not both.")
    if temperature is not None and not 1 <= temperature <= MOST_TEMPERATURE:
        raise DataError(
            f"The temperature is {temperature:g}; it goes from 1 (by size) to {MOST_TEMPERATURE:g} (equal)."
        )
    if rows is not None and rows < 1:
        raise DataError(f"A mix of {rows} examples is none.")


def mix(sources: Mapping[str, Sequence[Example]], parts: Sequence[Part], seed: int) -> list[Example]:
    """Return the mixed examples in a seeded order; each says in `origin` which dataset it is from."""
    random = np.random.default_rng([seed, 2203])
    mixed = []
    for part in parts:
        rows = sources[part.name]
        chosen = sorted(random.permutation(len(rows))[: part.taken])
        mixed += [replace(rows[place], origin=part.name) for place in chosen]
    return [mixed[place] for place in random.permutation(len(mixed))]
