"""Benchmarks: their items, what is refused, and that they are named, pinned and read back by their content."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.catalog import industries
from core.errors import DataError
from core.evaluation import benchmarks
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark, of_industries, of_industry, read_items
from core.evaluation.pinned import benchmark_file, pin_benchmark, read_pinned
from core.paths import Workspace
from tests.packs import ITEMS, stored_pack, write_rows

NUMERIC = {"id": "a", "component": "sums", "type": "numeric", "prompt": "1 + 2?", "answer": 3}
WEIGHTS = {"calculation": 0.75, "knowledge": 0.25}


def items() -> list[Item]:
    return [Item.model_validate(item) for item in ITEMS]


def named(**changes: Any) -> Benchmark:
    return make_benchmark(**{"name": "toys", "items": items(), "weights": WEIGHTS, "titles": {}} | changes)


# Items


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": ""}, "id"),
        ({"component": None}, "component"),
        ({"type": "essay"}, "type"),
        ({"prompt": ""}, "prompt"),
        ({"answr": 3}, "answr"),
        ({"answer": "three"}, "needs a number"),
        ({"answer": None}, "needs a number"),
        ({"tolerance": 1}, "tolerance"),
        ({"tolerance": -0.1}, "tolerance"),
        ({"type": "choice"}, "index of the right one"),
        ({"type": "choice", "choices": ["x", "y"], "answer": 2}, "index of the right one"),
        ({"type": "choice", "choices": ["x", "y"], "answer": -1}, "index of the right one"),
        ({"type": "choice", "choices": ["x", "y"], "answer": "x"}, "index of the right one"),
        ({"type": "choice", "choices": ["x", "x"], "answer": 0}, "two choices are the same"),
        ({"type": "facts"}, "needs `facts`"),
        ({"type": "facts", "facts": [["x"], []]}, "needs `facts`"),
        ({"type": "facts", "facts": [["x", " "]]}, "is empty"),
        ({"type": "label"}, "needs text"),
        ({"type": "label", "answer": " "}, "needs text"),
        ({"type": "text", "answer": None}, "needs text"),
    ],
)
def test_a_wrong_item_is_refused_with_file_line_and_what_is_wrong(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    path = write_rows(tmp_path / "own.jsonl", [{**NUMERIC, "id": "first"}, {**NUMERIC, **changes}])
    with pytest.raises(DataError) as refusal:
        read_items(path)
    assert str(refusal.value).startswith(f"{path}, line 2, ")
    assert told in str(refusal.value)


def test_an_id_that_occurs_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 3: the id 'a' occurs twice"):
        read_items(write_rows(tmp_path / "own.jsonl", [NUMERIC, {**NUMERIC, "id": "b"}, NUMERIC]))


@pytest.mark.parametrize("content", [b"[1]\n", b"{\n", b"\xff\xfe\n", b'"text"\n'])
def test_a_line_that_is_no_object_is_refused_with_its_place(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(b"\n" + content)
    with pytest.raises(DataError, match=r"own\.jsonl, line 2 "):
        read_items(path)


def test_a_missing_benchmark_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.jsonl"):
        read_items(tmp_path / "no.jsonl")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"type": "numeric", "answer": 3}, "3"),
        ({"type": "numeric", "answer": 3, "reference": "1 + 2 = 3"}, "1 + 2 = 3"),
        ({"type": "choice", "choices": ("x", "y"), "answer": 0}, "x"),
        ({"type": "facts", "facts": (("x", "z"), ("y",))}, "x; y"),
        ({"type": "text", "answer": "words"}, "words"),
    ],
)
def test_the_expected_answer_is_shown_as_a_person_reads_it(fields: dict[str, Any], shown: str) -> None:
    assert Item.model_validate({"id": "a", "component": "c", "prompt": "p", **fields}).expected == shown


# The name by content


def test_the_same_items_and_weights_give_the_same_hash_whatever_the_name() -> None:
    assert named().sha == named(name="other", titles={"calculation": "Sums"}).sha


@pytest.mark.parametrize(
    "changes",
    [
        {"items": items()[::-1]},
        {"items": items()[:1]},
        {"items": [items()[0].model_copy(update={"answer": 26}), items()[1]]},
        {"items": [items()[0].model_copy(update={"tolerance": 0.5}), items()[1]]},
        {"weights": {"calculation": 0.5, "knowledge": 0.5}},
    ],
)
def test_whatever_could_change_a_score_changes_the_hash(changes: dict[str, Any]) -> None:
    assert named(**changes).sha != named().sha


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"items": []}, "has no items"),
        ({"weights": {"calculation": 1.0}}, "knowledge, for which there is no weight"),
        ({"items": [items()[0], items()[0]]}, "two items with the same id"),
    ],
)
def test_a_benchmark_that_can_not_be_scored_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        named(**changes)


def test_items_take_their_components_tolerance_unless_they_have_one(tmp_path: Path) -> None:
    pack = stored_pack(tmp_path)
    own = {**ITEMS[0], "id": "three", "tolerance": 0.2}
    write_rows(tmp_path / "benchmarks" / "toys.jsonl", [*ITEMS, own])
    assert [item.tolerance for item in of_industry(pack).items] == [0.02, None, 0.2]


def test_packs_with_the_same_item_ids_make_one_benchmark_without_mixing_them_up(tmp_path: Path) -> None:
    packs = [stored_pack(tmp_path / name, id=name) for name in ("toys", "games")]
    both = of_industries(packs)
    assert [item.id for item in both.items] == ["toys.one", "toys.two", "games.one", "games.two"]
    assert both.weights == {
        "toys.calculation": 0.375,
        "toys.knowledge": 0.125,
        "games.calculation": 0.375,
        "games.knowledge": 0.125,
    }
    assert both.titles["games.knowledge"] == "Toys: Facts"


# Pinned


def test_a_pinned_benchmark_reads_back_the_same(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    shipped = benchmarks.of_industries([industries.find("finance"), industries.find("retail")])
    for made in (named(titles={"calculation": "Sums"}), shipped):
        assert read_pinned(workspace, pin_benchmark(workspace, made)) == made


def test_a_pinned_benchmark_stays_when_the_pack_changes(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    pack = stored_pack(tmp_path)
    sha = pin_benchmark(workspace, of_industry(pack))
    write_rows(tmp_path / "benchmarks" / "toys.jsonl", [{**ITEMS[0], "answer": 26}, ITEMS[1]])
    assert of_industry(pack).sha != sha
    assert read_pinned(workspace, sha).items[0].answer == 25


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"name": "x", "items": [5]}', '{"items": "abc"}'])
def test_a_damaged_pin_is_refused(tmp_path: Path, content: str) -> None:
    workspace = Workspace(tmp_path)
    sha = pin_benchmark(workspace, named())
    benchmark_file(workspace, sha).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="missing or damaged"):
        read_pinned(workspace, sha)


def test_a_missing_pin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="missing or damaged"):
        read_pinned(Workspace(tmp_path), "0" * 64)


def test_a_pin_whose_items_were_changed_is_refused(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    sha = pin_benchmark(workspace, named())
    path = benchmark_file(workspace, sha)
    raw = json.loads(path.read_text(encoding="utf-8"))
    raw["items"][0]["answer"] = 26
    path.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(DataError, match="was changed"):
        read_pinned(workspace, sha)
