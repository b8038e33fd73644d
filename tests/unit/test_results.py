"""Evaluations made from answers, and two stored ones compared."""

import sqlite3
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from core.errors import BadInput
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark
from core.evaluation.pinned import pin_benchmark
from core.evaluation.results import Scored, compare_stored, interval_of, make_evaluation, settings_sha
from core.paths import Workspace
from core.store import evaluations, jobs
from core.store.connection import opened, transaction
from core.store.evaluations import EvaluationRow

WEIGHTS = {"sums": 0.75, "facts": 0.25}


@pytest.fixture
def db(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    with opened(workspace) as connection:
        yield connection


def benchmark(name: str = "toys", answer: int = 1) -> Benchmark:
    items = [
        Item(id=f"i{number}", component="sums" if number < 8 else "facts", type="numeric", prompt="p", answer=answer)
        for number in range(10)
    ]
    return make_benchmark(name, items, WEIGHTS, {"sums": "Sums"})


def scored(made: Benchmark, scores: list[float], adapter: str = "", job: str = "job") -> Scored:
    return make_evaluation(
        job=job,
        base="starter",
        base_fingerprint="f",
        adapter=adapter,
        benchmark=made,
        settings=settings_sha("fp32", "none"),
        answers=[
            SimpleNamespace(item=item.id, component=item.component, text=f"answer {score}", score=score)
            for item, score in zip(made.items, scores, strict=True)
        ],
        seconds=1.5,
        tokens=70,
    )


def stored(db: sqlite3.Connection, made: Benchmark, scores: list[float], adapter: str = "") -> EvaluationRow:
    job = jobs.create(db, kind="evaluate", name="test", spec={})
    found = scored(made, scores, adapter, job.id)
    with transaction(db):
        evaluations.insert(db, found.row, found.items)
    return evaluations.get(db, found.row.id)


def test_an_evaluation_holds_the_weighted_score_and_that_of_each_component() -> None:
    row = scored(benchmark(), [1.0] * 6 + [0.0] * 2 + [0.5, 0.5]).row
    assert row.score == pytest.approx(0.75 * 6 / 8 + 0.25 * 0.5)
    assert row.low <= row.score <= row.high
    assert row.items == 10
    assert row.components["sums"] == {
        "title": "Sums",
        "weight": 0.75,
        "items": 8,
        "score": pytest.approx(0.75),
        "low": pytest.approx(0.409, abs=0.001),  # Wilson's interval of 6 of 8
        "high": pytest.approx(0.929, abs=0.001),
    }
    assert row.components["facts"]["score"] == 0.5


def test_only_answers_given_in_the_same_way_are_reused() -> None:
    names = {settings_sha(precision, kind) for precision in ("fp32", "bf16") for kind in ("none", "4bit")}
    assert len(names) == 4
    assert settings_sha("fp32", "none") == settings_sha("fp32", "none")


def test_a_stored_adapter_is_compared_with_its_stored_base(workspace: Workspace, db: sqlite3.Connection) -> None:
    made = benchmark()
    pin_benchmark(workspace, made)
    base = stored(db, made, [0.0] * 10)
    tuned = stored(db, made, [1.0] * 8 + [0.0] * 2, adapter="a1")
    verdict = compare_stored(db, workspace, base, tuned)
    assert (verdict.outcome, verdict.items) == ("better", 10)
    assert verdict.difference == pytest.approx(0.75)
    assert verdict.sentence.startswith("The tuned model is better: it scores 75% where the base model scores 0%")
    assert interval_of(tuned).value == pytest.approx(0.75)


def test_two_adapters_are_called_first_and_second(workspace: Workspace, db: sqlite3.Connection) -> None:
    made = benchmark()
    pin_benchmark(workspace, made)
    one, other = (stored(db, made, [score] * 10, adapter=f"a{score}") for score in (1.0, 0.0))
    assert compare_stored(db, workspace, one, other).sentence.startswith(
        "The second model is worse: it scores 0% where the first"
    )


def test_evaluations_of_other_items_are_not_compared(workspace: Workspace, db: sqlite3.Connection) -> None:
    one, other = (stored(db, benchmark("toys", answer), [1.0] * 10) for answer in (1, 2))
    with pytest.raises(BadInput, match="Only evaluations of the same items"):
        compare_stored(db, workspace, one, other)
