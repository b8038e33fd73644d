"""Specialists: every shipped one is sound, and a wrong one is refused by file, specialist and field."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.catalog import industries, specialists
from core.catalog.specialists import METRICS, TASK_TYPES, Specialist
from core.datasets.specialist import check, loading
from core.errors import CatalogError, NotFound
from core.evaluation.measures import ABOUT, MEASURES
from core.paths import PROJECT_DIR, Workspace

SHIPPED = specialists.all_specialists()
# The fields that narrow models are wanted for, and what in each.
FIELDS = {
    "finance": ("credit-risk", "fraud-check", "compliance-check", "trading-order"),
    "healthcare": ("clinical-triage", "drug-interaction", "health-identifiers", "dialogue-note"),
    "manufacturing": ("maintenance-alert", "defect-label", "process-step", "reorder-quantity"),
    "technology": ("code-review", "vulnerability-label", "design-pattern", "performance-diagnosis", "security-threat"),
}


# The shipped ones


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_specialist_makes_600_examples_with_right_answers(name: str) -> None:
    assert check.find_faults(SHIPPED[name]) == []


def test_there_are_enough_of_them_and_each_is_called_otherwise() -> None:
    ids = [one.id for file in specialists.files_of() for one in specialists.read_category(file)]
    assert len(ids) >= 50
    assert sorted(set(ids)) == sorted(ids)
    assert len({one.title for one in SHIPPED.values()}) == len(ids)
    assert not set(ids) & set(industries.all_industries()), "a name stands for one thing, also for the doctor"


def test_every_kind_of_task_category_and_field_is_there() -> None:
    assert {one.task for one in SHIPPED.values()} == set(TASK_TYPES)
    categories = {one.category_title for one in SHIPPED.values()}
    assert categories >= {
        "Business operations",
        "Data and analytics",
        "Customer service",
        "Content and writing",
        "Code and technical",
    }
    assert [name for names in FIELDS.values() for name in names if name not in SHIPPED] == []


@pytest.mark.parametrize(
    ("name", "metric", "baseline", "tuned", "base", "rank"),
    [
        ("sentiment", "accuracy", 0.75, 0.88, "3B", 8),
        ("sql-generation", "exact_match", 0.40, 0.65, "7B coder", 16),
        ("invoice-fields", "field_f1", 0.60, 0.80, "3B", 16),
        ("text-classification", "accuracy", None, None, "3B", 8),
        ("named-entities", "entity_f1", None, None, "3B", 16),
        ("data-summary", "rouge_l", None, None, "7B", 32),
        ("intent-banking", "accuracy", None, None, "3B", 8),
        ("ticket-routing", "accuracy", None, None, "3B", 8),
        ("content-writer", "chrf", None, None, "32B", 32),
        ("code-generation", "pass_at_1", None, None, "7B coder", 32),
    ],
)
def test_base_rank_and_aim_are_those_that_were_asked_for(
    name: str, metric: str, baseline: float | None, tuned: float | None, base: str, rank: int
) -> None:
    one = SHIPPED[name]
    assert (one.metrics[0], one.base_class, one.rank) == (metric, base, rank)
    if baseline is not None:
        assert one.thresholds[metric].model_dump() == {"baseline": baseline, "tuned": tuned}


def test_the_base_of_each_class_is_one_and_the_ranks_grow_with_the_task() -> None:
    bases = {(one.base_class, one.base) for one in SHIPPED.values()}
    assert sorted(bases) == [
        ("32B", "Qwen/Qwen2.5-32B-Instruct"),
        ("3B", "Qwen/Qwen2.5-3B-Instruct"),
        ("7B", "Qwen/Qwen2.5-7B-Instruct"),
        ("7B coder", "Qwen/Qwen2.5-Coder-7B-Instruct"),
    ]
    ranks = {one.task: {other.rank for other in SHIPPED.values() if other.task == one.task} for one in SHIPPED.values()}
    assert ranks["routing"] == {8} and ranks["translation"] == ranks["code"] == {32}
    assert ranks["sql"] == ranks["tagging"] == ranks["scoring"] == {16}


def test_every_metric_can_be_computed_and_shares_are_aimed_at_as_shares() -> None:
    of_conduct = set(ABOUT) - {"execution_accuracy"}
    assert set(METRICS) == set(MEASURES) - of_conduct, "the catalogue and the evaluation know the same metrics"
    for one in SHIPPED.values():
        assert one.metrics[0] in one.thresholds
        for name, aim in one.thresholds.items():
            assert 0 < aim.baseline < aim.tuned <= 1 or MEASURES[name].less_is_better, (one.id, name)


def test_a_prompt_is_put_around_the_text_even_where_the_text_has_braces() -> None:
    assert SHIPPED["code-generation"].ask("return {x}").endswith("\nreturn {x}")


# One's own


def raw(**changes: Any) -> dict[str, Any]:
    """Return the fields of a small sound specialist with some of them changed; None leaves a field out."""
    fields: dict[str, Any] = {
        "id": "tide",
        "title": "Tides",
        "summary": "Says whether the water comes or goes.",
        "task": "classification",
        "base_class": "3B",
        "base": "Qwen/Qwen2.5-3B-Instruct",
        "rank": 8,
        "prompt": "Does the water come or go?\n{text}",
        "labels": ["comes", "goes"],
        "metrics": ["accuracy", "macro_f1"],
        "thresholds": {"accuracy": {"baseline": 0.7, "tuned": 0.9}},
        "generator": {"names": {"pier": ["north", "south"]}, "tasks": [task("comes", "rises"), task("goes", "falls")]},
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def task(label: str, verb: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": label,
        "draw": {"pier": {"from": "pier"}, "time": {"range": [0, 900]}},
        "ask": [f"At minute {{{{ time }}}} the water at the {{{{ pier }}}} pier {verb}."],
        "answer": [label],
    } | changes


def write(folder: Path, *fields: dict[str, Any], name: str = "sea.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    text = yaml.safe_dump({"id": "sea", "title": "Sea", "specialists": list(fields)}, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    return path


def aim(metric: str) -> dict[str, Any]:
    return {metric: {"baseline": 0.5, "tuned": 0.7}}


def narrow(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"names": {"pier": ["north", "south"]}, "tasks": list(tasks)}


def source(**changes: Any) -> dict[str, Any]:
    local = {"files": {"train": "tides.csv"}, "mapping": {"prompt": "text", "response": "way"}}
    return {"name": "Harbor log", "licence": "own", "local": local} | changes


def test_ones_own_stand_beside_the_shipped_ones_and_one_of_the_same_id_in_its_place(workspace: Workspace) -> None:
    write(workspace.root / "specialists", raw(), raw(id="sentiment", title="My sentiment"))
    known = specialists.all_specialists(workspace)
    assert len(known) == len(SHIPPED) + 1
    assert (known["tide"].category, known["tide"].category_title) == ("sea", "Sea")
    assert known["sentiment"].title == "My sentiment"
    assert specialists.all_specialists()["sentiment"] == SHIPPED["sentiment"]


def test_a_changed_file_is_read_anew(workspace: Workspace) -> None:
    write(workspace.root / "specialists", raw())
    assert specialists.find("tide", workspace).title == "Tides"
    write(workspace.root / "specialists", raw(title="Ebb and flow"))
    assert specialists.find("tide", workspace).title == "Ebb and flow"


def test_an_unknown_one_is_refused_with_the_nearest(workspace: Workspace) -> None:
    with pytest.raises(NotFound, match=r"no specialist 'sentimant'\. Did you mean 'sentiment'\?"):
        specialists.find("sentimant", workspace)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"colour": "red"}, "colour: "),
    "a field of the file": ({"category": "sea"}, "category: there is no such field"),
    "no title": ({"title": None}, "title: "),
    "an empty title": ({"title": ""}, "title: "),
    "an id with spaces": ({"id": "High Tide"}, "id: "),
    "an id that is a path": ({"id": "../tide"}, "id: "),
    "two texts": ({"prompt": "{text} and {text}"}, "`prompt` must hold {text} once"),
    "no text": ({"prompt": "Does the water come?"}, "`prompt` must hold {text} once"),
    "another name": ({"prompt": "{text} {tide}"}, "`prompt` must hold {text} once"),
    "a reach into the text": ({"prompt": "{text.__class__}"}, "`prompt` must hold {text} once"),
    "a lone brace": ({"prompt": "{text} }"}, "ingle '}'"),
    "an unknown task type": ({"task": "divination"}, "task: "),
    "an unknown class of base": ({"base_class": "5B"}, "base_class: "),
    "no base": ({"base": ""}, "base: "),
    "another rank": ({"rank": 12}, "rank: "),
    "no metric": ({"metrics": []}, "metrics: "),
    "an unknown metric": ({"metrics": ["accuracy", "luck"]}, "`metrics` names 'luck'"),
    "a metric twice": ({"metrics": ["accuracy", "accuracy"]}, "`metrics` holds one of them twice"),
    "a second metric first": ({"metrics": ["macro_f1", "accuracy"]}, "`metrics` can't begin with macro_f1"),
    "no labels": ({"labels": []}, "`labels` must hold two or more"),
    "one label": ({"labels": ["comes"]}, "`labels` must hold two or more"),
    "a label twice": ({"labels": ["comes", "goes", "comes"]}, "`labels` holds one of them twice"),
    "an empty label": ({"labels": ["comes", ""]}, "labels.1: "),
    "a label that is no text": ({"labels": ["comes", True]}, "labels.1: "),
    "labels of F1 missing": (
        {"metrics": ["exact_match", "macro_f1"], "labels": [], "thresholds": aim("exact_match")},
        "`labels` must hold two or more where macro_f1 is measured",
    ),
    "no threshold": ({"thresholds": {}}, "thresholds: "),
    "a threshold of a foreign metric": ({"thresholds": {"bleu": {"baseline": 0.1, "tuned": 0.2}}}, "names 'bleu'"),
    "no threshold of the first": ({"thresholds": {"macro_f1": {"baseline": 0.1, "tuned": 0.2}}}, "needs accuracy"),
    "a threshold in percent": ({"thresholds": {"accuracy": {"baseline": 75, "tuned": 88}}}, "write 88% as 0.88"),
    "an aim below the base": ({"thresholds": {"accuracy": {"baseline": 0.9, "tuned": 0.7}}}, "fall from 0.9 to 0.7"),
    "an aim that is no number": ({"thresholds": {"accuracy": {"baseline": 0.1, "tuned": float("nan")}}}, "thresholds."),
    "half a threshold": ({"thresholds": {"accuracy": {"tuned": 0.9}}}, "thresholds.accuracy.baseline: "),
    "a tolerance of a half": ({"tolerance": 0.5}, "tolerance: "),
    "no generator": ({"generator": None}, "generator: "),
    "a generator without tasks": ({"generator": {"tasks": []}}, "generator.own.tasks: "),
    "an unknown list": (
        {"generator": {"tasks": [task("comes", "rises")]}},
        "draws 'pier' from 'pier', which is not under `names`",
    ),
    "two tasks of one name": (
        {"generator": {"names": {"pier": ["n"]}, "tasks": [task("comes", "rises")] * 2}},
        "two tasks are called 'comes'",
    ),
    "a pack without tasks": ({"generator": {"pack": "finance", "tasks": []}}, "generator.pack.tasks: "),
    "a pack with names": ({"generator": {"pack": "finance", "tasks": ["x"], "names": {}}}, "generator.pack.names: "),
    "a source of nowhere": ({"sources": [source(local=None)]}, "give `hub` or `local`"),
    "a source without licence": ({"sources": [{"name": "Log", "hub": {}}]}, "sources.0."),
    "a hub without name": (
        {"sources": [source(hub={"files": {"train": "a"}, "mapping": {}})]},
        "`hub` needs the `id` of a dataset",
    ),
    "a hub name that is a path": (
        {"sources": [source(hub={"id": "../../x", "files": {"train": "a"}, "mapping": {}})]},
        "sources.0.hub.id: ",
    ),
    "a source that only tests": (
        {"sources": [source(local={"files": {"test": "t.csv"}, "mapping": {}})]},
        "`files` needs a file for `train`",
    ),
    "an unknown part": ({"sources": [source(local={"files": {"train": "a", "dev": "b"}, "mapping": {}})]}, "files.dev"),
    "rows below one": ({"sources": [source(rows=0)]}, "sources.0.rows: "),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_one_is_refused_with_file_specialist_and_field(kind: str, tmp_path: Path) -> None:
    changes, says = WRONG[kind]
    path = write(tmp_path, raw(id="sound"), raw(**changes))
    with pytest.raises(CatalogError) as refused:
        specialists.read_category(path)
    told = str(refused.value)
    assert told.startswith(f"{path}: the specialist {changes.get('id', 'tide')!r} is wrong at ")
    assert says in told
    assert told.endswith(".") and "\n" not in told and len(told) < 500


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id: sea\ntitle: [\n", "line 3 is not valid YAML"),
        ("id: sea\nid: lake\n", "line 2"),
        ("", "holds no fields"),
        ("- tide\n", "holds no fields"),
        ("7: tide\n", "holds no fields"),
        ("id: sea\ntitle: Sea\n", "specialists: "),
        ("id: sea\ntitle: Sea\nspecialists: []\n", "specialists: "),
        ("id: sea\ntitle: Sea\nspecialists: [tide]\n", "specialists.0: "),
        ("id: Sea!\ntitle: Sea\nspecialists: [{id: tide}]\n", "id: "),
        ("id: sea\ntitle: Sea\nspecialists: [{title: Tide}]\n", "the specialist number 1 is wrong at "),
        ("id: sea\ntitle: Sea\nspecialists: [{7: Tide}]\n", "specialists.0.7"),
        ("id: sea\ntitle: Sea\nday: 2026-02-31\n", "can't be read"),
        ("a: " + "[" * 3000, "sea.yaml"),
        ("id: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    ],
)
def test_a_broken_file_is_refused_by_its_name(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "sea.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as refused:
        specialists.read_category(path)
    assert "sea.yaml" in str(refused.value) and says in str(refused.value)


def test_bytes_that_are_no_text_and_a_folder_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"id: \xff\xfe\x00")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("bytes.yaml", "folder.yaml"):
        with pytest.raises(CatalogError, match=name):
            specialists.read_category(tmp_path / name)


def test_an_id_that_stands_twice_is_refused_in_one_file_and_in_two(workspace: Workspace) -> None:
    folder = workspace.root / "specialists"
    path = write(folder, raw(), raw())
    with pytest.raises(CatalogError, match=r"sea\.yaml: the specialist 'tide' is wrong at id: "):
        specialists.read_category(path)
    write(folder, raw())
    write(folder, raw(), name="tides.yaml")
    with pytest.raises(CatalogError, match=r"tides\.yaml: the specialist 'tide' is wrong at id: one in sea\.yaml"):
        specialists.all_specialists(workspace)


# What shows only when examples are made


def read_one(folder: Path, **changes: Any) -> Specialist:
    return specialists.read_category(write(folder, raw(**changes)))[0]


def test_the_tasks_of_a_pack_make_a_specialists_examples(tmp_path: Path) -> None:
    tasks = [one.id for one in industries.find("retail").generator.tasks[:2]]  # type: ignore[union-attr]
    one = read_one(
        tmp_path,
        generator={"pack": "retail", "tasks": tasks},
        metrics=["within_tolerance"],
        labels=[],
        task="question answering",
        thresholds=aim("within_tolerance"),
    )
    rows = loading.generate(one, 40, 1).parts["train"]
    assert {row.extra["task"] for row in rows} == set(tasks)


@pytest.mark.parametrize(
    ("generator", "says"),
    [
        ({"pack": "retial", "tasks": ["margin"]}, "pack: There is no industry 'retial'. Did you mean 'retail'?"),
        ({"pack": "retail", "tasks": ["tides"]}, "tasks: the pack 'retail' has no task 'tides'"),
        ({"pack": "multi", "tasks": ["tides"]}, "tasks: the pack 'multi' has no task 'tides'"),
        (narrow(task("comes", "rises {{")), "has a text that can't be read"),
        (narrow(task("comes", "is {{ tide }}")), "'tide' is undefined"),
        (narrow(task("comes", "rises", draw={"pier": {"from": "pier"}, "time": {"range": [1, 3]}})),
         "makes only 6 different examples"),
        (narrow(task("comes", "rises", require="false")), "Widen the ranges or loosen it"),
    ],
)  # fmt: skip
def test_a_grammar_that_does_not_work_is_told_with_file_and_specialist(
    tmp_path: Path, generator: dict[str, Any], says: str
) -> None:
    one = read_one(tmp_path, generator=generator)
    with pytest.raises(CatalogError) as refused:
        loading.generate(one, 50, 1)
    assert str(refused.value).startswith(f"{tmp_path / 'sea.yaml'}: the specialist 'tide' is wrong at generator")
    assert says in str(refused.value) and "\n" not in str(refused.value)
    [fault] = check.find_faults(one)
    assert says in fault


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"generator": narrow(task("comes", "rises"), task("stays", "stays"))},
         "The answer 'stays' is none of the labels."),
        ({"generator": narrow(task("comes", "rises"))},
         "The label 'goes' has 0 of 600 examples."),
        ({}, "% of the examples. Write more tasks."),
        ({"metrics": ["field_f1"], "labels": [], "thresholds": aim("field_f1")},
         "has no `name: value` line"),
        ({"metrics": ["within_tolerance"], "labels": [], "thresholds": aim("within_tolerance")},
         "has no number"),
        ({"metrics": ["pass_at_1"], "labels": [], "thresholds": aim("pass_at_1")},
         "The row has no tests for its code."),
        ({"sources": [source(local={"files": {"train": "a"}, "mapping": {"promt": "text"}})]},
         "in the mapping of its source 'Harbor log' at promt: "),
        ({"sources": [source(local={"files": {"train": "a"}, "mapping": {"prompt": 7}})]},
         "in the mapping of its source 'Harbor log' at prompt: "),
    ],
)  # fmt: skip
def test_the_check_names_what_is_wrong_with_a_grammar_its_answers_and_its_sources(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    assert any(says in fault for fault in check.find_faults(read_one(tmp_path, **changes)))


def test_the_readme_counts_them_rightly() -> None:
    readme = (PROJECT_DIR / "README.md").read_text(encoding="utf-8")
    counted = {int(number) for number in re.findall(r"(\d+) (?:specialists|narrow tasks)", readme)}
    assert counted == {len(SHIPPED)}
