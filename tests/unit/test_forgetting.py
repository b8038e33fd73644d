"""The forgetting matrix: what is compared with what, what is proven, what is missing."""

import sqlite3
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from core.evaluation import forgetting
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark
from core.evaluation.pinned import pin_benchmark
from core.evaluation.results import compare_stored, make_evaluation
from core.paths import Workspace
from core.store import evaluations, jobs
from core.store.connection import opened, transaction
from core.store.evaluations import Home


def benchmark(name: str) -> Benchmark:
    items = [
        Item(id=f"{name}-{n:02}", component="ab"[n % 2], type="text", prompt=f"{name} {n}", answer="x")
        for n in range(40)
    ]
    return make_benchmark(name, items, {"a": 0.75, "b": 0.25}, {})


FINANCE, RETAIL, HEALTH = (benchmark(name) for name in ("finance", "retail", "healthcare"))
SHAS = {"finance": FINANCE.sha, "retail": RETAIL.sha, "healthcare": HEALTH.sha}


@pytest.fixture
def db(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    with opened(workspace) as connection:
        yield connection


def measure(
    workspace: Workspace, db: sqlite3.Connection, of: Benchmark, adapter: str, right: int, settings: str = "s"
) -> None:
    """Store an evaluation in which the first `right` items are right."""
    pin_benchmark(workspace, of)
    job = jobs.create(db, kind="evaluate", name="test", spec={})
    scored = make_evaluation(
        job=job.id, base="starter", base_fingerprint="f", adapter=adapter, benchmark=of, settings=settings,
        answers=[
            SimpleNamespace(item=item.id, component=item.component, text="x", score=float(place < right))
            for place, item in enumerate(of.items)
        ],
        seconds=1.0, tokens=10,
    )  # fmt: skip
    with transaction(db):
        evaluations.insert(db, scored.row, scored.items)


def home(adapter: str, *industries: str) -> Home:
    return Home(adapter, f"{adapter} tuned", "starter", "f", industries, FINANCE.sha, "finance", "auto", "none", 1.0)


def matrix(workspace: Workspace, db: sqlite3.Connection, *homes: Home) -> list[forgetting.Row]:
    return forgetting.make_matrix(db, workspace, homes, SHAS, evaluations.standings(db))


def test_a_row_tells_the_gain_at_home_and_the_loss_elsewhere(workspace: Workspace, db: sqlite3.Connection) -> None:
    for of, base, tuned in ((FINANCE, 10, 34), (RETAIL, 30, 8), (HEALTH, 20, 20)):
        measure(workspace, db, of, "", base)
        measure(workspace, db, of, "one", tuned)
    (row,) = matrix(workspace, db, home("one", "finance"))
    assert {name: cell.outcome for name, cell in row.cells.items()} == {
        "finance": "better", "retail": "worse", "healthcare": "not proven"
    }  # fmt: skip
    assert [name for name, cell in row.cells.items() if cell.is_home] == ["finance"]
    assert row.cells["finance"].difference == pytest.approx(0.6)
    assert row.lost == ["retail"]
    assert row.sentence == "finance is proven better; retail is proven worse."


def test_a_cell_shows_the_interval_of_the_comparison_that_stands_behind_it(
    workspace: Workspace, db: sqlite3.Connection
) -> None:
    measure(workspace, db, FINANCE, "", 15)
    measure(workspace, db, FINANCE, "one", 22)
    cell = matrix(workspace, db, home("one", "finance"))[0].cells["finance"]
    verdict = compare_stored(
        db, workspace, evaluations.get(db, cell.base_evaluation), evaluations.get(db, cell.evaluation)
    )
    assert (cell.low, cell.high) == pytest.approx((verdict.low, verdict.high), abs=1e-5)
    assert cell.p_value == pytest.approx(verdict.p_value, abs=0.01)


def test_a_loss_that_would_count_alone_may_not_count_among_many(workspace: Workspace, db: sqlite3.Connection) -> None:
    measure(workspace, db, FINANCE, "", 26)
    measure(workspace, db, FINANCE, "one", 20)  # six items lost, none gained: p is 1 in 32
    assert matrix(workspace, db, home("one", "retail"))[0].cells["finance"].outcome == "worse"
    for of in (RETAIL, HEALTH):
        measure(workspace, db, of, "", 20)
        measure(workspace, db, of, "one", 20)
    cell = matrix(workspace, db, home("one", "retail"))[0].cells["finance"]
    assert cell.p_corrected == pytest.approx(3 * cell.p_value)
    assert cell.outcome == "not proven"


def test_what_was_asked_in_different_ways_is_not_compared(workspace: Workspace, db: sqlite3.Connection) -> None:
    measure(workspace, db, FINANCE, "", 20, settings="4bit")
    measure(workspace, db, FINANCE, "one", 30)
    rows = matrix(workspace, db, home("one", "finance"))
    assert rows[0].cells == {}
    missing = forgetting.find_missing([home("one")], {"finance": FINANCE.sha}, evaluations.standings(db), rows)
    assert [one.adapter for one in missing] == ["", "one"]


def test_a_base_that_several_adapters_need_is_missing_once(workspace: Workspace, db: sqlite3.Connection) -> None:
    measure(workspace, db, FINANCE, "", 20)
    measure(workspace, db, FINANCE, "one", 30)
    homes = [home("one", "finance"), home("two", "retail")]
    missing = forgetting.find_missing(homes, SHAS, evaluations.standings(db), matrix(workspace, db, *homes))
    assert [(one.adapter, one.industry) for one in missing] == [
        ("", "retail"), ("", "healthcare"), ("one", "retail"), ("one", "healthcare"),
        ("two", "finance"), ("two", "retail"), ("two", "healthcare"),
    ]  # fmt: skip


def test_a_combination_is_at_home_in_all_its_members(workspace: Workspace, db: sqlite3.Connection) -> None:
    for of in (FINANCE, RETAIL):
        measure(workspace, db, of, "", 20)
        measure(workspace, db, of, "one", 21)
    (row,) = matrix(workspace, db, home("one", "multi"))
    assert all(cell.is_home for cell in row.cells.values())
    assert row.sentence == "No gain is proven; no other industry was measured."
