"""Rows of a specialist as test items: graded by its first metric."""

from collections.abc import Sequence
from typing import Any

from core.catalog.specialists import Specialist
from core.datasets.arithmetic import numbers_in
from core.datasets.examples import Example
from core.errors import DataError
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark
from core.evaluation.grading import find_fault

COMPONENT = "answers"


def item_of(one: Specialist, example: Example, name: str, labels: Sequence[str] = ()) -> Item:
    """Return the test item of a row.

    Raises:
        DataError: The row's answer can't be graded so.
    """
    common: dict[str, Any] = {"id": name, "component": COMPONENT, "prompt": example.prompt, "turns": example.turns}
    kind = one.grading
    if kind == "numeric":
        numbers = numbers_in(example.response)
        if not numbers:
            raise DataError(f"The answer {example.response!r} has no number.")
        number = numbers[-1].value * numbers[-1].scale
        return Item(**common, type="numeric", answer=number, tolerance=one.tolerance or 0.0, reference=example.response)
    if kind == "label":
        return Item(**common, type="label", answer=example.response, choices=tuple(labels or one.labels))
    if kind == "code":
        tests = str(example.extra.get("tests") or "")
        if not tests.strip():
            raise DataError("The row has no tests for its code.")
        return Item(**common, type="code", answer=example.response, tests=tests)
    if kind == "sql":
        return _query(one, example, common)
    return Item(**common, type=kind, answer=example.response)  # type: ignore[arg-type]


def _query(one: Specialist, example: Example, common: dict[str, Any]) -> Item:
    database = str(example.extra.get("database") or "") if one.runs_queries else ""
    if one.runs_queries and not database.strip():
        raise DataError("The row has no database to run its query on.")
    item = Item(**common, type="sql", answer=example.response, database=database)
    if fault := find_fault(item):
        raise DataError(fault)
    return item


def benchmark_of(one: Specialist, rows: Sequence[Example]) -> Benchmark:
    """Return the benchmark of held-out rows, measured by the specialist's metrics.

    Raises:
        DataError: A row's answer can't be graded.
    """
    items = [item_of(one, row, f"{one.id}-{number}") for number, row in enumerate(rows, 1)]
    return make_benchmark(one.title, items, {COMPONENT: 1.0}, {COMPONENT: "Answers"}, tuple(one.metrics))
