"""The shipped packs: what the guide promises, every number right, nothing given away; and the check that watches it."""

import json
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.catalog import industries
from core.datasets.arithmetic import find_equations, numbers_in
from core.datasets.generator import normalise, sample_tasks
from core.datasets.leakage import LeakGuard
from core.datasets.pack_check import find_faults, find_shortfalls
from core.datasets.reading import read_examples
from core.evaluation.benchmarks import Item, of_industry
from core.evaluation.grading import grade, is_number_right, share_of_facts
from core.paths import DATA_DIR
from core.strict_yaml import Loader
from tests.packs import CORPUS, ITEMS, raw_pack, raw_task, stored_pack, write_rows

SINGLE = [pack.id for pack in industries.all_industries().values() if not pack.members]
GUIDED = ["finance", "education", "retail", "healthcare"]  # those that the combined corpus is made of
# The guide's figures: corpus, rows, complexity, hours, and the weight of each component with its tolerance.
GUIDE: dict[str, tuple[str, int, str, float, list[tuple[float, float | None]]]] = {
    "finance": (
        "synthetic_finance_gsib_v3.jsonl",
        30,
        "high",
        3,
        [(0.30, 0.01), (0.25, None), (0.25, None), (0.20, None)],
    ),
    "education": (
        "synthetic_education_v1.jsonl",
        20,
        "medium",
        2,
        [(0.35, 0.02), (0.25, None), (0.25, None), (0.15, None)],
    ),
    "retail": ("synthetic_retail_v1.jsonl", 20, "medium", 2, [(0.35, 0.01), (0.25, None), (0.25, None), (0.15, None)]),
    "healthcare": (
        "synthetic_healthcare_v1.jsonl",
        20,
        "medium",
        2,
        [(0.40, 0.005), (0.30, None), (0.20, None), (0.10, None)],
    ),
    "multi": ("combined_multi_industry_corpus.jsonl", 80, "mixed", 8, []),
}


@pytest.mark.parametrize("name", GUIDE)
def test_a_pack_has_the_guides_figures(name: str) -> None:
    corpus, rows, complexity, hours, components = GUIDE[name]
    pack = industries.find(name)
    assert (pack.corpus, pack.complexity, pack.hours_7b) == (corpus, complexity, hours)
    assert [(part.weight, part.tolerance) for part in pack.components.values()] == components
    assert len(pack.key_metrics) == 3
    assert len(read_examples(pack.corpus_path)) == rows
    assert pack.members or len(of_industry(pack).items) >= 60


@pytest.mark.parametrize("name", [*SINGLE, "multi"])
def test_a_pack_is_sound(name: str) -> None:
    pack = industries.find(name)
    assert find_faults(pack) == [] and find_shortfalls(pack) == []


@pytest.mark.parametrize("path", sorted((DATA_DIR / "industries").glob("*.yaml")), ids=lambda path: path.stem)
def test_no_key_of_a_pack_stands_there_twice(path: Path) -> None:
    assert yaml.load(path.read_text(encoding="utf-8"), Loader)["id"] == path.stem


# The corpora


def rows_of(name: str) -> list[dict[str, Any]]:
    text = industries.find(name).corpus_path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("name", GUIDE)
def test_a_corpus_has_the_guides_fields_and_no_row_twice(name: str) -> None:
    rows = rows_of(name)
    assert {tuple(row) for row in rows} == {("instruction", "input", "output", "industry")}
    assert len({normalise(row["instruction"] + row["input"]) for row in rows}) == len(rows)
    assert {row["industry"] for row in rows} == (set(GUIDED) if name == "multi" else {name})


def test_the_combined_corpus_takes_as_many_rows_of_each_industry() -> None:
    combined = rows_of("multi")
    assert Counter(row["industry"] for row in combined) == dict.fromkeys(GUIDED, 20)
    assert all(row in rows_of(name) for name in GUIDED for row in combined if row["industry"] == name)


SCALES = {"million": 1e6, "billion": 1e9}


def python_values(expression: str) -> list[float]:
    """Compute a sum with Python's own arithmetic, 5% as 0.05, without currency signs and units.

    Scale words are read as their number, and once more as no more than the unit of the sum.
    """
    text = re.sub(r"([\d.]+)%", r"(\1/100)", expression.replace(",", ""))
    text = re.sub(r"\bx\b|×", "*", text.replace("÷", "/").replace("^", "**").replace("−", "-"))
    found = []
    for scaled in (True, False):
        plain = re.sub(
            r"[$€£]|\b(?!sqrt\b)[a-zA-Z][a-z-]*",
            lambda match: f"*{SCALES[match.group()]:g}" if scaled and match.group() in SCALES else "",  # noqa: B023
            text,
        )
        found.append(float(eval(plain, {"__builtins__": {}, "sqrt": math.sqrt})))
    return found


def agrees(values: list[float], stated: str) -> bool:
    [number] = numbers_in(stated)
    step = 0.5 * 10.0**-number.places + 1e-9
    readings = [value * factor / scale for value in values for factor in (1, 100) for scale in (1, number.scale)]
    return any(abs(reading - number.value) <= step for reading in readings)


@pytest.mark.parametrize("name", SINGLE)
def test_python_computes_every_worked_number_of_corpus_benchmark_and_generator_alike(name: str) -> None:
    pack = industries.find(name)
    texts = [row["output"] for row in rows_of(name)]
    texts += [item.reference for item in of_industry(pack).items]
    texts += [made.example.response for made in sample_tasks(pack, seed=3, each=5)]
    equations = [equation for text in texts for equation in find_equations(text)]
    assert len(equations) > 100
    assert [one for one in equations if not agrees(python_values(one.expression), one.stated)] == []


# The benchmarks


def items_of(name: str) -> list[Item]:
    return list(of_industry(industries.find(name)).items)


@pytest.mark.parametrize("name", SINGLE)
def test_a_benchmark_has_items_enough_and_ten_of_each_component_at_least(name: str) -> None:
    counts = Counter(item.component for item in items_of(name))
    assert sum(counts.values()) >= (60 if name in GUIDED else 40)
    assert set(counts) == set(industries.find(name).components)
    assert min(counts.values()) >= 10


@pytest.mark.parametrize("name", SINGLE)
def test_a_numeric_items_answer_is_what_its_worked_reference_comes_to(name: str) -> None:
    for item in items_of(name):
        if item.type == "numeric":
            assert isinstance(item.answer, int | float)
            assert item.tolerance == industries.find(name).components["calculation"].tolerance
            *_, last = find_equations(item.reference) or [None]
            if last is None:  # picked from the question, not computed
                assert item.answer in [number.value for number in numbers_in(item.prompt)], item.id
            else:
                results = [value * factor for value in python_values(last.expression) for factor in (1, 100)]
                assert any(result == pytest.approx(item.answer, rel=1e-3) for result in results), item.id


@pytest.mark.parametrize("name", SINGLE)
def test_the_expected_answer_gets_the_full_score_and_silence_or_an_echo_none(name: str) -> None:
    for item in items_of(name):
        assert grade(item, item.expected) == 1, item.id
        assert grade(item, "") == 0, item.id
        if item.type == "facts":
            assert share_of_facts(item.prompt, item.facts) == 0, item.id


@pytest.mark.parametrize("name", SINGLE)
def test_a_generated_calculation_is_right_by_the_benchmarks_own_grading(name: str) -> None:
    pack = industries.find(name)
    checked = 0
    for made in sample_tasks(pack, seed=21, each=10):
        if made.value is not None:
            tolerance = pack.components[made.task.component].tolerance or 0.01
            assert is_number_right(made.example.response, made.value, tolerance), made.example
            checked += 1
    assert checked >= 100


# Nothing given away


def test_no_corpus_row_comes_near_an_item_of_any_industry() -> None:
    guard = LeakGuard(item.prompt for name in SINGLE for item in items_of(name))
    rows = [example for corpus in GUIDE for example in read_examples(industries.find(corpus).corpus_path)]
    assert [example.prompt for example in rows if guard.is_too_near(example.prompt)] == []


@pytest.mark.parametrize("name", SINGLE)
def test_no_corpus_row_works_with_the_figures_of_an_item(name: str) -> None:
    figures = {frozenset(number.value for number in numbers_in(item.prompt)): item for item in items_of(name)}
    for example in read_examples(industries.find(name).corpus_path):
        found = frozenset(number.value for number in numbers_in(example.prompt))
        assert len(found) < 2 or found not in figures, example.prompt


# The check itself


def faults_of(tmp_path: Path, *, corpus: Any = CORPUS, items: Any = ITEMS, **changes: Any) -> list[str]:
    pack = stored_pack(tmp_path, **changes)
    write_rows(pack.corpus_path, corpus)
    assert pack.benchmark_path is not None
    write_rows(pack.benchmark_path, items)
    return find_faults(pack)


def choices(count: int, **changes: Any) -> list[dict[str, Any]]:
    """Return choice items without fault: the right one is at each place, and neither the longest nor the shortest."""
    texts = ["up", "down!", "sideways"]
    return [
        {
            "id": f"choice-{number}",
            "component": "knowledge",
            "type": "choice",
            "prompt": f"Where does toy {number} go when it is thrown?",
            "choices": texts[number % 3 :] + texts[: number % 3],
            "answer": (1 - number % 3) % 3,
            **changes,
        }
        for number in range(count)
    ]


NUMERIC = {"id": "n", "component": "calculation", "type": "numeric", "prompt": "5 and 3?", "answer": 8}
FACTS = {"id": "f", "component": "knowledge", "type": "facts", "prompt": "Why?", "facts": [["kite"], ["wind"]]}


def raw_draw(highest: int) -> dict[str, Any]:
    return {"shop": {"from": "shops"}, "profit": {"range": [1, highest]}}


def grammar(*tasks: dict[str, Any]) -> dict[str, Any]:
    return raw_pack()["generator"] | {"tasks": list(tasks)}


def item(name: str, **changes: Any) -> dict[str, Any]:
    return {**NUMERIC, "id": name, "prompt": f"Question {name}: 5 and 3?", **changes}


def test_a_faulty_corpus_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    rows = [("5 and 3?", "5 + 3 = 9"), ("5?", "It is 7."), (str(ITEMS[0]["prompt"]), "A quarter.")]
    faults = faults_of(tmp_path, corpus=[{"prompt": prompt, "response": response} for prompt, response in rows])
    assert "toys.jsonl, row 1: 5 + 3 = 9 is wrong; it gives 8." in faults
    assert any("row 2: the number 7 stands neither in the question" in fault for fault in faults)
    assert any(fault.startswith("The corpus gives away the item 'Of 80 toys") for fault in faults)


def test_a_corpus_that_can_not_be_read_does_not_hide_other_faults(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, corpus=[], items=[item("odd", component="odd")])
    assert any("toys.jsonl holds no rows" in fault for fault in faults)
    assert any(fault.startswith("Item odd belongs to odd") for fault in faults)


def test_a_small_pack_is_told_in_what_it_is_small_and_is_no_faulty_one(tmp_path: Path) -> None:
    pack = stored_pack(tmp_path)
    write_rows(pack.corpus_path, CORPUS)
    assert pack.benchmark_path is not None
    write_rows(pack.benchmark_path, ITEMS)
    told = find_shortfalls(pack)
    assert any(one.startswith("The grammar has 1 tasks; 20 are needed") for one in told)
    assert f"The benchmark has {len(ITEMS)} items; at least 40 are needed." in told
    assert not any("needed" in fault for fault in find_faults(pack))


def test_a_faulty_grammar_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    tasks = (
        raw_task(id="wrong", answer=["{{ profit | num }} x 2 = 1"]),
        raw_task(id="stray", answer=["It is 12,345."]),
        raw_task(id="silent", answer=["No number."]),
        raw_task(id="near", ask=[f"{ITEMS[0]['prompt']} And of those of {{{{ shop }}}}?"], draw=raw_draw(9000)),
    )
    faults = faults_of(tmp_path, generator=grammar(*tasks))
    assert any("task wrong: " in fault and "x 2 = 1 is wrong" in fault for fault in faults)
    assert any(fault.startswith("task stray: the number 12,345 in ") for fault in faults)
    assert any(fault.startswith("task silent: the answer 'No number.' does not state its value") for fault in faults)
    assert any("of 1500 generated examples come too near" in fault for fault in faults)


def test_a_faulty_benchmark_is_told_what_is_wrong_with_it(tmp_path: Path) -> None:
    items = [
        item("odd", component="odd"),
        item("one"),
        item("two", prompt="question ONE, 5 and 3!"),
        item("sum", reference="5 + 3 = 9"),
        item("other", reference="5 + 4 = 9"),
        {**FACTS, "id": "half", "reference": "The kite."},
        {**FACTS, "id": "echo", "prompt": "Why wind?"},
    ]
    faults = faults_of(tmp_path, items=items)
    assert "Item odd belongs to odd, which the pack does not define." in faults
    assert "Two items ask the same: 'question one 5 and 3'." in faults
    assert "Item sum: 5 + 3 = 9 is wrong; it gives 8." in faults
    assert "The reference of item other would not get the full score." in faults
    assert "The reference of item half would not get the full score." in faults
    assert "The question of item echo already names one of its facts." in faults
    assert not any("item one" in fault for fault in faults)


def test_choices_that_give_the_right_one_away_are_told(tmp_path: Path) -> None:
    given_away = choices(30, choices=["up", "down and away", "left"], answer=1)
    faults = faults_of(tmp_path, items=given_away)
    assert any("too often at the same place: {1: 30}" in fault for fault in faults)
    assert any("is the longest one in 30 of 30 items" in fault for fault in faults)


def test_a_pack_without_fault_is_told_of_none(tmp_path: Path) -> None:
    tasks = [
        raw_task(id=f"task-{number}", ask=[f"Kind {number}: twice that of {{{{ shop }}}}?"]) for number in range(20)
    ]
    sums = [item(f"n{number}", prompt=f"Add {number} and 3.", answer=number + 3) for number in range(40)]
    assert faults_of(tmp_path, items=[*sums, *choices(30)], generator=grammar(*tasks)) == []


@pytest.mark.parametrize("name", SINGLE)
def test_each_shipped_industry_has_its_words_its_base_and_where_its_news_are_published(name: str) -> None:
    pack = industries.find(name)
    assert len(pack.vocabulary) >= 15
    assert len(set(pack.vocabulary)) == len(pack.vocabulary)
    assert pack.suits.endswith(".")
    assert pack.feeds
    text = " ".join(
        [*(row.prompt + row.response for row in read_examples(pack.corpus_path)), pack.model_dump_json()]
    ).casefold()
    known = [word for word in pack.vocabulary if text.count(word.casefold()) > 1]  # beside its own list
    assert len(known) >= len(pack.vocabulary) // 3
