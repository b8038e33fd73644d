"""Industry packs: what one must say, which mistakes are told, and how packs of the workspace join the shipped ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.catalog import industries
from core.errors import CatalogError, NotFound
from core.paths import DATA_DIR, Workspace
from tests.packs import make_pack, raw_pack, raw_task, stored_pack, write_pack

SHIPPED = [path.stem for path in (DATA_DIR / "industries").glob("*.yaml")]


def generator(**changes: Any) -> dict[str, Any]:
    return {"names": {"shops": ["Tin Top"]}, "tasks": [raw_task(**changes)]}


def component(weight: float, **changes: Any) -> dict[str, Any]:
    return {"title": "Sums", "weight": weight, "measures": "Sums.", **changes}


def test_the_shipped_packs_are_there_and_combinations_come_last() -> None:
    packs = industries.all_industries()
    assert sorted(packs) == sorted(SHIPPED)
    assert list(packs)[-1] == "multi"


def test_a_written_pack_reads_back_with_its_files_beside_it(tmp_path: Path) -> None:
    pack = stored_pack(tmp_path)
    assert pack.corpus_path == tmp_path / "training" / "toys.jsonl"
    assert pack.benchmark_path == tmp_path / "benchmarks" / "toys.jsonl"
    assert pack.corpus_path.exists()
    assert pack.components["calculation"].tolerance == 0.02


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"title": None}, "title"),
        ({"colour": "red"}, "colour"),
        ({"id": "Toy Shop"}, "id"),
        ({"id": "../toys"}, "id"),
        ({"icon": "<script>"}, "icon"),
        ({"corpus": "../../secret.jsonl"}, "corpus"),
        ({"corpus": "toys.csv"}, "corpus"),
        ({"benchmark": "/etc/passwd"}, "benchmark"),
        ({"focus": []}, "focus"),
        ({"complexity": "enormous"}, "complexity"),
        ({"hours_7b": 0}, "hours_7b"),
        ({"components": {"calculation": component(0.5)}}, "add up to 0.5, not to 1"),
        ({"components": {"calculation": component(1, tolerance=0)}}, "components.calculation.tolerance"),
        ({"components": {"calculation": component(0)}}, "components.calculation.weight"),
        ({"components": {"knowledge": component(1)}}, "'margin' belongs to the component 'calculation'"),
        ({"components": None}, "`components`, `generator` and `benchmark`, or `members`"),
        ({"generator": None}, "`components`, `generator` and `benchmark`, or `members`"),
        ({"benchmark": None}, "`components`, `generator` and `benchmark`, or `members`"),
        ({"members": ["finance"]}, "takes components, generator and benchmark from them"),
        ({"generator": {"tasks": []}}, "generator.tasks"),
        ({"generator": {"names": {"shops": []}, "tasks": [raw_task()]}}, "generator.names.shops"),
        (
            {"generator": {"names": {"shops": ["a"]}, "tasks": [raw_task(), raw_task()]}},
            "two tasks are called 'margin'",
        ),
        ({"generator": generator(id="Margin!")}, "generator.tasks.0.id"),
        ({"generator": generator(ask=[])}, "ask"),
        ({"generator": generator(answer=None)}, "answer"),
        ({"generator": generator(draw={"x": {"from": "banks"}})}, "'x' from 'banks', which is not under `names`"),
        ({"generator": generator(draw={"x": {}})}, "exactly one of `from`, `choices` and `range`"),
        ({"generator": generator(draw={"x": {"from": "shops", "choices": [1]}})}, "exactly one of"),
        ({"generator": generator(draw={"x": {"choices": []}})}, "choices"),
        ({"generator": generator(draw={"x": {"range": [5, 1]}})}, "the range 5.0 to 1.0 is empty"),
        ({"generator": generator(draw={"x": {"range": [1, 5], "step": 0}})}, "step"),
        ({"constants": {"limit": "high"}}, "constants.limit"),
        ({"folder": "/etc"}, "folder"),
    ],
)
def test_a_wrong_pack_is_refused_with_file_and_field(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = tmp_path / "industries" / "toys.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(raw_pack(**changes)), encoding="utf-8")
    with pytest.raises(CatalogError) as refusal:
        industries.read_pack(path)
    assert str(path) in str(refusal.value)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no fields"),
        (b"- a\n- b\n", "holds no fields"),
        (b"id: toys\ntitle: [\n", "line 3 is not valid YAML"),
        (b"id: \xff\n", "can't be read"),
        (b"id: toys\nid: games\n", "line 2 is not valid YAML: 'id' stands there twice"),
        (b"id: 2024-13-45\n", "can't be read"),
        (b"id: " + b"[" * 500, "can't be read"),
        (b"5: 3\n", "not text"),
        (b"id: !!python/object/apply:os.system [ls]\n", "line 1 is not valid YAML"),
    ],
)
def test_a_file_that_is_no_pack_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(CatalogError) as refusal:
        industries.read_pack(path)
    assert str(path) in str(refusal.value)
    assert told in str(refusal.value)


def test_a_missing_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"no\.yaml can't be read"):
        industries.read_pack(tmp_path / "no.yaml")


def test_a_pack_can_not_be_changed_behind_its_readers_backs() -> None:
    with pytest.raises(ValueError, match="frozen"):
        make_pack().title = "Other"  # type: ignore[misc]


# The workspace's packs


def test_a_pack_of_the_workspace_joins_the_shipped_ones(tmp_path: Path) -> None:
    write_pack(tmp_path)
    packs = industries.all_industries(Workspace(tmp_path))
    assert set(packs) == {*SHIPPED, "toys"}
    assert industries.find("toys", Workspace(tmp_path)).title == "Toys"


def test_a_changed_pack_is_read_anew(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    path = write_pack(tmp_path)
    assert industries.find("toys", workspace).title == "Toys"
    path.write_text(path.read_text(encoding="utf-8").replace("title: Toys", "title: Other toys"), encoding="utf-8")
    assert industries.find("toys", workspace).title == "Other toys"
    path.unlink()
    with pytest.raises(NotFound):
        industries.find("toys", workspace)


def test_a_pack_of_the_workspace_takes_the_place_of_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    write_pack(tmp_path, id="retail", title="My retail")
    assert industries.find("retail", Workspace(tmp_path)).title == "My retail"
    assert industries.find("retail").title != "My retail"


def test_an_unknown_industry_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(NotFound, match=r"'helthcare'.*Did you mean 'healthcare'\?.*finance"):
        industries.find("helthcare")


# Combinations


def test_a_combination_stands_for_its_members_each_once() -> None:
    assert [pack.id for pack in industries.expand(["retail", "multi", "retail"])] == [
        "retail",
        "finance",
        "education",
        "healthcare",
    ]


@pytest.mark.parametrize(
    ("members", "error", "told"),
    [(["nowhere"], NotFound, "'nowhere'"), (["multi"], CatalogError, "the combination 'multi' as a member")],
)
def test_a_combination_of_what_is_no_single_industry_is_refused(
    tmp_path: Path, members: list[str], error: type[Exception], told: str
) -> None:
    write_pack(tmp_path, id="both", members=members, components=None, generator=None, benchmark=None)
    with pytest.raises(error, match=told):
        industries.expand(["both"], Workspace(tmp_path))
