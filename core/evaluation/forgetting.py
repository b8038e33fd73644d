"""The forgetting matrix: what each adapter gained at home, and what it lost on every other industry."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from core.catalog import industries as catalog
from core.evaluation.comparison import LEVEL
from core.evaluation.families import difference_intervals, holm, sign_flip_p
from core.evaluation.leaderboard import pinned_shares, score_table
from core.evaluation.submission import Missing
from core.paths import Workspace
from core.store.evaluations import Home, Standing

Outcome = Literal["better", "not proven", "worse"]


@dataclass(frozen=True)
class Cell:
    """An adapter against its base on the same items of one industry; scores 0 to 1, `difference` adapter minus base.

    `p_corrected` is Holm's, over the industries on which this adapter was measured; the outcome follows from it.
    """

    industry: str
    is_home: bool
    base_score: float
    score: float
    difference: float
    low: float
    high: float
    p_value: float
    p_corrected: float
    items: int
    base_evaluation: str
    evaluation: str
    outcome: Outcome


@dataclass(frozen=True)
class Row:
    """One adapter: its cells by industry, those that are not measured left out."""

    adapter: str
    name: str
    base: str
    home: tuple[str, ...]
    cells: dict[str, Cell]

    @property
    def lost(self) -> list[str]:
        """The industries on which a loss is proven."""
        return [name for name, cell in self.cells.items() if cell.outcome == "worse"]

    @property
    def sentence(self) -> str:
        """Say what is proven of this adapter over all industries together."""
        away = [cell for cell in self.cells.values() if not cell.is_home]
        gained = [name for name, cell in self.cells.items() if cell.outcome == "better"]
        told = "No gain is proven"
        if gained:
            told = f"{_listed(gained)} {'is' if len(gained) == 1 else 'are'} proven better"
        if self.lost:
            return f"{told}; {_listed(self.lost)} {'is' if len(self.lost) == 1 else 'are'} proven worse."
        if not away:
            return f"{told}; no other industry was measured."
        widest = min(cell.low for cell in away)
        many = "other industry" if len(away) == 1 else f"{len(away)} other industries"
        doubt = f", though one of {-100 * widest:.0f} points can't be ruled out" if widest < -0.005 else ""
        return f"{told}; no loss is proven on the {many}{doubt}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def make_matrix(
    db: sqlite3.Connection,
    workspace: Workspace,
    homes: Sequence[Home],
    industries: Mapping[str, str],
    standings: Sequence[Standing],
) -> list[Row]:
    """Return a row for each adapter.

    Args:
        industries: Id of each industry and the hash of its benchmark as it is now.
        standings: The newest evaluation of each model on each benchmark, the newest first.
    """
    pairs = _find_pairs(homes, industries, standings)
    figures = _compare(db, workspace, pairs)
    packs = catalog.all_industries(workspace)
    rows = []
    for home in homes:
        trained = tuple(
            dict.fromkeys(
                one for name in home.industries for one in (packs[name].members if name in packs else []) or [name]
            )
        )
        measured = [key for key in pairs if key[0] == home.adapter]
        corrected = holm([figures[key][3] for key in measured])
        cells = {
            key[1]: _cell(key[1], key[1] in trained, pairs[key], figures[key], float(p_value))
            for key, p_value in zip(measured, corrected, strict=True)
        }
        ordered = {name: cells[name] for name in industries if name in cells}
        rows.append(Row(home.adapter, home.name, home.base, trained, ordered))
    return rows


Key = tuple[str, str]
Pair = tuple[Standing, Standing]
Figures = tuple[float, float, float, float]


def _find_pairs(homes: Sequence[Home], industries: Mapping[str, str], standings: Sequence[Standing]) -> dict[Key, Pair]:
    """Return by (adapter, industry) the evaluations of base and adapter that were made in the same way."""
    latest: dict[tuple[str, str, str, str], Standing] = {}
    ways: dict[tuple[str, str, str], list[str]] = {}
    for row in standings:
        key = (row.base_fingerprint, row.adapter, row.benchmark_sha)
        if (*key, row.settings_sha) not in latest:
            latest[*key, row.settings_sha] = row
            ways.setdefault(key, []).append(row.settings_sha)
    pairs: dict[Key, Pair] = {}
    for home in homes:
        for industry, sha in industries.items():
            for way in ways.get((home.base_fingerprint, home.adapter, sha), []):
                base = latest.get((home.base_fingerprint, "", sha, way))
                if base is not None:
                    pairs[home.adapter, industry] = base, latest[home.base_fingerprint, home.adapter, sha, way]
                    break
    return pairs


def _compare(db: sqlite3.Connection, workspace: Workspace, pairs: Mapping[Key, Pair]) -> dict[Key, Figures]:
    """Return difference, low, high and p-value of each pair; those on the same items are computed together.

    A stored evaluation never changes, so what was computed once is kept.
    """
    found = {key: _kept[ids] for key, pair in pairs.items() if (ids := (pair[0].id, pair[1].id)) in _kept}
    waiting: dict[str, list[Key]] = {}
    for key in pairs.keys() - found.keys():
        waiting.setdefault(pairs[key][0].benchmark_sha, []).append(key)
    for sha, keys in waiting.items():
        weights, components = pinned_shares(workspace, sha)
        base = score_table(db, [pairs[key][0].id for key in keys])
        tuned = score_table(db, [pairs[key][1].id for key in keys])
        weighted = (tuned - base) * weights
        low, high = difference_intervals(weighted, components)
        p_values = sign_flip_p(weighted)
        for place, key in enumerate(keys):
            found[key] = (
                float(weighted[place].sum()), float(low[place]), float(high[place]), float(p_values[place])
            )  # fmt: skip
    if len(_kept) > _MOST_KEPT:
        _kept.clear()
    _kept.update({(pairs[key][0].id, pairs[key][1].id): figures for key, figures in found.items()})
    return found


_kept: dict[tuple[str, str], Figures] = {}
_MOST_KEPT = 50_000


def _cell(industry: str, is_home: bool, pair: Pair, figures: Figures, p_corrected: float) -> Cell:
    base, tuned = pair
    difference, low, high, p_value = figures
    outcome: Outcome = "not proven" if p_corrected >= 1 - LEVEL else "better" if difference > 0 else "worse"
    return Cell(
        industry, is_home, base.score, tuned.score, difference, low, high, p_value, p_corrected,
        tuned.items, base.id, tuned.id, outcome,
    )  # fmt: skip


def find_missing(
    homes: Sequence[Home], industries: Mapping[str, str], standings: Sequence[Standing], rows: Sequence[Row]
) -> list[Missing]:
    """Return the evaluations that the empty cells wait for, each once, those of bases first."""
    measured = {(row.base_fingerprint, row.adapter, row.benchmark_sha) for row in standings}
    cells = {(row.adapter, name) for row in rows for name in row.cells}
    found: dict[Missing, None] = {}
    for home in homes:
        for industry, sha in industries.items():
            if (home.adapter, industry) in cells:
                continue
            # Measured in different ways, both are asked anew, in the way that the adapter was trained.
            anew = all((home.base_fingerprint, one, sha) in measured for one in ("", home.adapter))
            for adapter in ("", home.adapter):
                if anew or (home.base_fingerprint, adapter, sha) not in measured:
                    one = Missing(
                        home.base, home.base_fingerprint, adapter, industry, home.precision, home.quantization
                    )
                    found[one] = None
    return sorted(found, key=lambda one: bool(one.adapter))


def describe(row: Row, industries: Sequence[str]) -> dict[str, Any]:
    """Return a row as the command's JSON has it; industries that were not measured are null."""
    return {
        "adapter": row.adapter,
        "name": row.name,
        "base": row.base,
        "home": list(row.home),
        "sentence": row.sentence,
        "cells": {name: asdict(row.cells[name]) if name in row.cells else None for name in industries},
    }
