"""Models ranked on the same items, asked in the same way; those that no comparison can tell apart share their ranks."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from core.catalog import bases
from core.evaluation.benchmarks import Benchmark
from core.evaluation.comparison import LEVEL, Paired
from core.evaluation.families import holm, normal_p, sign_flip_p
from core.evaluation.pinned import read_pinned
from core.paths import Workspace
from core.store import evaluations
from core.store.evaluations import Standing

MOST_EXACT_PAIRS = 1_000
NEAR_Z = 1.95
OVERALL = "all industries"


@dataclass(frozen=True)
class Board:
    """Evaluations that may be compared: the same items, asked in the same way. One for each model."""

    benchmark: str
    sha: str
    settings: str
    rows: tuple[Standing, ...]

    @property
    def newest(self) -> float:
        return max(row.created_at for row in self.rows)


@dataclass(frozen=True)
class Line:
    """One model's place. Scores are 0 to 1; `rank` to `rank_to` are the places that it may hold.

    Over several benchmarks `benchmarks` says on how many the model was measured; without all of them it has no rank.
    """

    rank: int | None
    rank_to: int | None
    model: str
    base: str
    base_fingerprint: str
    adapter: str
    benchmark: str
    score: float
    low: float
    high: float
    items: int
    benchmarks: int
    latency_ms: float
    tokens_per_second: float
    cost: float | None
    currency: str
    evaluations: tuple[str, ...]
    created_at: float

    @property
    def rank_text(self) -> str:
        if self.rank is None:
            return "–"
        return str(self.rank) if self.rank == self.rank_to else f"{self.rank}-{self.rank_to}"


def boards(standings: Sequence[Standing]) -> list[Board]:
    """Return the boards, those with most models first; the same name may stand for several versions of a benchmark.

    An endpoint that answered in words alone stands on every board of those items, beside the models of this machine.
    """
    groups: dict[tuple[str, str], list[Standing]] = defaultdict(list)
    guests: dict[str, dict[tuple[str, str], Standing]] = defaultdict(dict)
    for row in standings:
        if row.is_written:
            guests[row.benchmark_sha].setdefault(row.model, row)
        else:
            groups[row.benchmark_sha, row.settings_sha].append(row)
    hosts = {sha for sha, _ in groups}
    for (sha, _), rows in groups.items():
        rows += guests[sha].values()
    for sha, models in guests.items():
        if models and sha not in hosts:
            groups[sha, next(iter(models.values())).settings_sha] = list(models.values())
    found = [Board(rows[0].benchmark, sha, settings, tuple(rows)) for (sha, settings), rows in groups.items()]
    return sorted(found, key=lambda board: (-len(board.rows), -board.newest))


def rank_ranges(weighted: np.ndarray) -> list[tuple[int, int]]:
    """Return for each model the best and the worst place that it may hold.

    A model stands behind those that a paired comparison proves better, with Holm's correction over all pairs; so with
    95% certainty no separation is due to luck.

    Args:
        weighted: (models, items) scores, each times its item's share of the whole.

    Source: ranks from corrected pairwise tests, Mogstad et al. 2024, doi:10.1093/restud/rdad006.
    """
    count = len(weighted)
    first, second = np.triu_indices(count, 1)
    if not first.size:
        return [(1, 1)] * count
    if first.size <= MOST_EXACT_PAIRS:
        p_values = sign_flip_p(weighted[first] - weighted[second])
        ahead = weighted.sum(axis=1)[first] > weighted.sum(axis=1)[second]
    else:  # with so many pairs only large distances pass, and there the normal tail is on the safe side
        inner = weighted @ weighted.T
        squares = np.diag(inner)
        spread = np.sqrt(np.maximum(squares[first] + squares[second] - 2 * inner[first, second], 0))
        gap = weighted.sum(axis=1)[first] - weighted.sum(axis=1)[second]
        z = np.divide(gap, spread, out=np.zeros_like(gap), where=spread > 1e-9)
        p_values, far = np.ones(len(z)), np.abs(z) > NEAR_Z  # what is nearer fails without a correction already
        p_values[far] = normal_p(z[far])
        ahead = gap > 0
    proven = holm(p_values) < 1 - LEVEL
    better, worse = np.zeros(count, int), np.zeros(count, int)
    winners, losers = np.where(ahead, first, second)[proven], np.where(ahead, second, first)[proven]
    np.add.at(better, losers, 1)
    np.add.at(worse, winners, 1)
    return [(1 + int(above), count - int(below)) for above, below in zip(better, worse, strict=True)]


def name_models(rows: Sequence[Standing]) -> dict[tuple[str, str], str]:
    """Return what each model is called: its adapter, or its base; the same name twice gets the beginning of its id."""
    names = {row.model: row.adapter_name or row.adapter or bases.title_of(row.base) for row in rows}
    count: dict[str, int] = defaultdict(int)
    for name in names.values():
        count[name] += 1
    return {key: name if count[name] == 1 else f"{name} ({(key[1] or key[0])[-6:]})" for key, name in names.items()}


def rank(db: sqlite3.Connection, workspace: Workspace, board: Board) -> list[Line]:
    """Return a board's models, the best first.

    Raises:
        DataError: The benchmark is gone or damaged.
    """
    ranges = _ranges(db, workspace, {board.sha: tuple(row.id for row in board.rows)})
    names = name_models(board.rows)
    found = [
        _line(places, names[row.model], board.benchmark, [row], (row.score, row.low, row.high))
        for row, places in zip(board.rows, ranges, strict=True)
    ]
    return _sorted(found)


def rank_over_all(db: sqlite3.Connection, workspace: Workspace, chosen: Sequence[Board]) -> list[Line]:
    """Return the models over several benchmarks, each of which counts the same.

    A model that was not measured on all of them has the mean of those that it has, but no rank.
    """
    by_model: dict[tuple[str, str], dict[str, Standing]] = defaultdict(dict)
    for board in chosen:
        for row in board.rows:
            by_model[row.model][board.sha] = row
    names = name_models([row for board in chosen for row in board.rows])
    whole = [model for model, rows in by_model.items() if len(rows) == len(chosen)]
    places: dict[tuple[str, str], tuple[int, int]] = {}
    if whole:
        ids = {board.sha: tuple(by_model[model][board.sha].id for model in whole) for board in chosen}
        places = dict(zip(whole, _ranges(db, workspace, ids), strict=True))
    return _sorted(
        [
            _line(places.get(model), names[model], OVERALL, list(rows.values()), mean_of(list(rows.values())))
            for model, rows in by_model.items()
        ]
    )


def mean_of(rows: Sequence[Standing]) -> tuple[float, float, float]:
    """Return the mean of scores on different benchmarks with its interval, from the intervals of each.

    Source: recovery of variances from limits, Zou and Donner 2008, doi:10.1002/sim.3095.
    """
    score = sum(row.score for row in rows) / len(rows)
    below = sum((row.score - row.low) ** 2 for row in rows) ** 0.5 / len(rows)
    above = sum((row.high - row.score) ** 2 for row in rows) ** 0.5 / len(rows)
    return score, max(0.0, score - below), min(1.0, score + above)


def _line(
    places: tuple[int, int] | None, name: str, benchmark: str, rows: list[Standing], score: tuple[float, float, float]
) -> Line:
    seconds, items = sum(row.seconds for row in rows), sum(row.items for row in rows)
    return Line(
        rank=places[0] if places else None,
        rank_to=places[1] if places else None,
        model=name,
        base=rows[0].base,
        base_fingerprint=rows[0].base_fingerprint,
        adapter=rows[0].adapter,
        benchmark=benchmark,
        score=score[0],
        low=score[1],
        high=score[2],
        items=items,
        benchmarks=len(rows),
        latency_ms=1000 * seconds / max(1, items),
        tokens_per_second=sum(row.tokens for row in rows) / max(1e-9, seconds),
        cost=sum(row.cost or 0 for row in rows) if all(row.cost is not None for row in rows) else None,
        currency=rows[0].currency,
        evaluations=tuple(row.id for row in rows),
        created_at=max(row.created_at for row in rows),
    )


def _sorted(lines: list[Line]) -> list[Line]:
    """Return the ranked ones by score, then those without a rank."""
    return sorted(lines, key=lambda line: (line.rank is None, -line.benchmarks, -line.score))


def shares(benchmark: Benchmark) -> tuple[np.ndarray, list[str]]:
    """Return each item's share of the score and its component, in the order of the items' ids."""
    items = sorted(benchmark.items, key=lambda item: item.id)
    components = [item.component for item in items]
    nothing = np.zeros(len(items))
    return Paired(nothing, nothing, components, benchmark.weights, benchmark.titles).item_weights(), components


@lru_cache(maxsize=64)
def pinned_shares(workspace: Workspace, sha: str) -> tuple[np.ndarray, list[str]]:
    return shares(read_pinned(workspace, sha))


_kept: dict[str, np.ndarray] = {}  # an evaluation never changes, so its scores are read once
_MOST_KEPT = 20_000


def score_table(db: sqlite3.Connection, evaluation_ids: Sequence[str]) -> np.ndarray:
    """Return the scores of evaluations of the same benchmark, (evaluations, items), in the order of the items' ids."""
    missing = [one for one in evaluation_ids if one not in _kept]
    if len(_kept) + len(missing) > _MOST_KEPT:
        _kept.clear()
        missing = list(evaluation_ids)
    _kept.update({one: np.array(scores) for one, scores in evaluations.scores_of(db, missing).items()})
    return np.array([_kept[one] for one in evaluation_ids])


_kept_ranges: dict[tuple[tuple[str, ...], ...], list[tuple[int, int]]] = {}
_MOST_RANGES = 200


def _ranges(db: sqlite3.Connection, workspace: Workspace, ids: Mapping[str, tuple[str, ...]]) -> list[tuple[int, int]]:
    """Return the places of models by their evaluations on each benchmark; the same evaluations are ranked once.

    Args:
        ids: By the benchmark's hash the evaluations, the same models in the same order.
    """
    key = tuple(ids.values())
    if key not in _kept_ranges:
        parts = [score_table(db, some) * pinned_shares(workspace, sha)[0] for sha, some in ids.items()]
        if len(_kept_ranges) >= _MOST_RANGES:
            _kept_ranges.clear()
        _kept_ranges[key] = rank_ranges(np.hstack(parts) / len(parts))
    return _kept_ranges[key]


def main_boards(found: Sequence[Board], industries: Mapping[str, str]) -> list[Board]:
    """Return for each industry the board of its present items that has most models.

    Args:
        industries: Id of each industry and the hash of its benchmark as it is now.
    """
    chosen: dict[str, Board] = {}
    by_sha = {sha: name for name, sha in industries.items()}
    for board in found:  # the one with most models comes first
        if board.sha in by_sha:
            chosen.setdefault(by_sha[board.sha], board)
    return [chosen[name] for name in industries if name in chosen]


def common(found: Sequence[Board]) -> list[Board]:
    """Return the boards with at least half as many models as the fullest, so that few models go without a rank."""
    most = max((len(board.rows) for board in found), default=0)
    return [board for board in found if 2 * len(board.rows) >= most]


def describe(line: Line, **more: Any) -> dict[str, Any]:
    """Return a line as the command's JSON and the exports have it."""
    return {
        "rank": line.rank,
        "rank_to": line.rank_to,
        "model": line.model,
        "industry": line.benchmark,
        "score": line.score,
        "low": line.low,
        "high": line.high,
        "base": line.base,
        "adapter": line.adapter or None,
        "items": line.items,
        "benchmarks": line.benchmarks,
        "latency_ms": line.latency_ms,
        "tokens_per_second": line.tokens_per_second,
        "cost": line.cost,
        "currency": line.currency or None,
        **more,
        "evaluations": list(line.evaluations),
    }
