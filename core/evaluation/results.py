"""Evaluations and verdicts: made from answers, compared with each other, ready to be stored."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ulid import ULID

from core import durable
from core.catalog import endpoints
from core.errors import BadInput
from core.evaluation import measures
from core.evaluation.benchmarks import Benchmark
from core.evaluation.comparison import Interval, MetricResult, Paired, Verdict, compare, score_interval
from core.evaluation.pinned import read_pinned
from core.paths import Workspace
from core.store import evaluations
from core.store.evaluations import EvaluationRow, ItemRow

# Raise it when decoding or grading changes, so that old results are not reused as if nothing had.
ANSWERING_VERSION = 3


def settings_sha(precision: str, quantization: str, *more: Any) -> str:
    """Return a name for how answers are made; only evaluations that share it are compared or reused.

    Args:
        more: What else is not as usual, such as answers that are drawn.
    """
    return durable.hash_text(json.dumps([ANSWERING_VERSION, precision, quantization, *more]))[:16]


@dataclass(frozen=True)
class Scored:
    """An evaluation to be stored: the items' scores and the score over all."""

    row: EvaluationRow
    items: tuple[ItemRow, ...]


def make_evaluation(
    *,
    job: str,
    base: str,
    base_fingerprint: str,
    adapter: str,
    benchmark: Benchmark,
    settings: str,
    answers: Sequence[Any],
    seconds: float,
    tokens: int,
) -> Scored:
    """Return a storable evaluation from answers (see core.evaluation.answering.Answer)."""
    scores = np.array([answer.score for answer in answers])
    components = [answer.component for answer in answers]
    total = score_interval(scores, components, benchmark.weights)
    parts: dict[str, Any] = {}
    for name in dict.fromkeys(components):
        chosen = np.array(components) == name
        interval = score_interval(scores[chosen], [name] * int(chosen.sum()), {name: 1.0})
        parts[name] = {
            "title": benchmark.titles.get(name, name),
            "weight": benchmark.weights[name],
            "items": int(chosen.sum()),
            "score": interval.value,
            "low": interval.low,
            "high": interval.high,
        }
    row = EvaluationRow(
        id=str(ULID()).lower(),
        job=job,
        base=base,
        base_fingerprint=base_fingerprint,
        adapter=adapter,
        benchmark=benchmark.name,
        benchmark_sha=benchmark.sha,
        settings_sha=settings,
        items=len(answers),
        score=total.value,
        low=total.low,
        high=total.high,
        components=parts,
        seconds=seconds,
        tokens=tokens,
        created_at=time.time(),
        metrics=_measure(benchmark, {answer.item: (answer.text, answer.score) for answer in answers}),
    )
    return Scored(row, tuple(ItemRow(answer.item, answer.component, answer.text, answer.score) for answer in answers))


def _measure(benchmark: Benchmark, answers: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    """Return the benchmark's metrics over the items that were answered."""
    if not benchmark.metrics:
        return {}
    return measures.measure(
        benchmark.metrics, [(item, *answers[item.id]) for item in benchmark.items if item.id in answers]
    )


def interval_of(row: EvaluationRow) -> Interval:
    return Interval(row.score, row.low, row.high)


def name_of(row: EvaluationRow) -> str:
    endpoint = endpoints.name_in(row.base)
    if endpoint is not None:
        return f"the endpoint {endpoint}"
    return "the tuned model" if row.adapter else "the base model"


def find_obstacle(first_base: str, second_base: str, benchmark: Benchmark) -> str | None:
    """Return in a sentence why the scores of two models on a benchmark mean different things, or None.

    An endpoint answers choice items by a letter, a model of this machine by likelihood: no fair match. Written items
    are the same task for both.
    """
    chosen = sum(item.type == "choice" for item in benchmark.items)
    if not chosen or (endpoints.name_in(first_base) is None) == (endpoints.name_in(second_base) is None):
        return None
    return (
        f"{chosen} of the {len(benchmark.items)} items of {benchmark.name!r} are choices, which an endpoint answers by "
        "a letter and a model of this machine by likelihood. Their scores can't be compared."
    )


def compare_stored(
    db: sqlite3.Connection, workspace: Workspace, first: EvaluationRow, second: EvaluationRow, written: bool = False
) -> Verdict:
    """Return the verdict of the second evaluation against the first, on the items that both answered.

    Args:
        written: Leave the choice items out.

    Raises:
        BadInput: They are of different benchmarks, or were asked in ways that can't be compared.
    """
    if first.benchmark_sha != second.benchmark_sha:
        raise BadInput(
            f"Evaluation {first.id} is of the benchmark {first.benchmark!r}, {second.id} of {second.benchmark!r} with "
            "other items. Only evaluations of the same items can be compared."
        )
    benchmark = read_pinned(workspace, first.benchmark_sha)
    obstacle = None if written else find_obstacle(first.base, second.base, benchmark)
    if obstacle:
        raise BadInput(f"{obstacle} `atelier compare --written` compares the items that both answered in words.")
    names = (name_of(first), name_of(second))
    if names[0] == names[1]:
        names = ("the first model", "the second model")
    left_out = {item.id for item in benchmark.items if written and item.type == "choice"}
    rows = [[one for one in evaluations.items(db, row.id) if one.item not in left_out] for row in (first, second)]
    if not rows[0] or not rows[1]:
        raise BadInput(f"All items of {benchmark.name!r} are choices; none is left to compare.")
    verdict = compare_scored(benchmark, rows[0], rows[1], names)
    if not left_out:
        return verdict
    return replace(verdict, sentence=f"{verdict.sentence} The {len(left_out)} choice items are left out.")


def compare_scored(
    benchmark: Benchmark,
    first: Sequence[ItemRow],
    second: Sequence[ItemRow],
    names: tuple[str, str] = ("the base model", "the tuned model"),
) -> Verdict:
    ours, theirs = {row.item: row for row in first}, {row.item: row for row in second}
    shared = [item for item in benchmark.items if item.id in ours and item.id in theirs]
    verdict = compare(
        Paired(
            np.array([ours[item.id].score for item in shared]),
            np.array([theirs[item.id].score for item in shared]),
            [item.component for item in shared],
            benchmark.weights,
            benchmark.titles,
        ),
        names,
    )
    values = [
        _measure(benchmark, {item.id: (rows[item.id].answer, rows[item.id].score) for item in shared})
        for rows in (ours, theirs)
    ]
    told = [(name, measures.MEASURES[name]) for name in benchmark.metrics if name in values[0]]
    return replace(
        verdict,
        metrics=tuple(
            MetricResult(name, one.title, values[0][name], values[1][name], one.is_share, one.less_is_better)
            for name, one in told
        ),
    )
