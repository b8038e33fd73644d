"""What a job trains on and is tested on: industries with generated examples, or a person's own file."""

from pathlib import Path
from typing import Any

import pytest

from core.datasets.composition import Composition, items_of_rows, of_file, of_industries
from core.datasets.examples import Example
from core.datasets.generator import normalise
from core.datasets.leakage import LeakGuard
from core.errors import DataError, NotFound
from core.evaluation.grading import grade
from core.paths import Workspace
from tests.packs import CORPUS, ITEMS, write_pack, write_rows

# Industries


def test_one_industry_gives_its_corpus_and_generated_examples() -> None:
    made = of_industries(["finance"], 50, seed=1)
    assert made.by_origin == {"corpus:finance": 30, "generated:finance": 50}
    assert made.name == "Finance"
    assert made.benchmark.name == "finance"
    assert made.removed == {}


def test_the_same_choice_gives_the_same_examples_and_another_seed_others() -> None:
    first, same, other = (of_industries(["retail"], 30, seed=seed) for seed in (1, 1, 2))
    assert first.examples == same.examples
    assert first.benchmark == same.benchmark == other.benchmark
    assert first.examples != other.examples


def test_some_industries_give_a_corpus_each() -> None:
    made = of_industries(["finance", "retail"], 10, seed=1)
    assert made.by_origin == {
        "corpus:finance": 30,
        "corpus:retail": 20,
        "generated:finance": 10,
        "generated:retail": 10,
    }
    assert made.name == "Finance + Retail"


@pytest.mark.parametrize("ids", [["multi"], ["healthcare", "retail", "education", "finance"], ["multi", "retail"]])
def test_all_industries_give_the_combined_corpus(ids: list[str]) -> None:
    made = of_industries(ids, 10, seed=1)
    assert sum(count for origin, count in made.by_origin.items() if origin.startswith("corpus:")) == 80
    assert {origin for origin in made.by_origin if origin.startswith("corpus:")} == {
        f"corpus:{name}" for name in ("finance", "education", "retail", "healthcare")
    }
    assert made.source["corpora"] == ["combined_multi_industry_corpus.jsonl"]
    assert len(made.benchmark.items) == 360


def test_a_mix_shifts_generated_examples_but_not_their_sum() -> None:
    made = of_industries(["finance", "retail", "education"], 40, seed=1, mix={"finance": 4, "retail": 1})
    assert made.source["generated"] == {"finance": 80, "retail": 20, "education": 20}


def test_each_industry_counts_the_same_in_the_benchmark_of_several() -> None:
    weights = of_industries(["finance", "healthcare"], 0, seed=1).benchmark.weights
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["finance.calculation"] == pytest.approx(0.15)
    assert weights["healthcare.calculation"] == pytest.approx(0.2)


def test_no_training_example_comes_near_a_benchmark_item_or_repeats_another() -> None:
    made = of_industries(["healthcare"], 400, seed=5)
    guard = LeakGuard(item.prompt for item in made.benchmark.items)
    assert not any(guard.is_too_near(example.prompt) for example in made.examples)
    assert len({normalise(example.prompt) for example in made.examples}) == len(made.examples) == 420


@pytest.mark.parametrize(
    ("ids", "mix", "told"),
    [
        ([], {}, "No industry is chosen"),
        (["finance"], {"retail": 2}, "'retail', which is not among"),
        (["finance"], {"finance": 0}, "above 0"),
        (["finance"], {"finance": float("nan")}, "above 0"),
        (["finance"], {"finance": float("inf")}, "above 0"),
    ],
)
def test_a_wrong_choice_is_refused(ids: list[str], mix: dict[str, float], told: str) -> None:
    with pytest.raises(DataError, match=told):
        of_industries(ids, 5, seed=1, mix=mix)


def test_an_unknown_industry_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFound, match=r"'finanse'.*finance, .*retail"):
        of_industries(["finanse"], 5, seed=1)


def test_a_row_of_an_own_corpus_that_gives_an_item_away_is_left_out_and_counted(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    write_pack(tmp_path)
    given_away = [{"prompt": f"{start}{ITEMS[0]['prompt']}", "response": "25"} for start in ("", "Well: ")]
    write_rows(tmp_path / "training" / "toys.jsonl", [*CORPUS, *given_away])
    made = of_industries(["toys"], 10, seed=1, workspace=workspace)
    assert made.removed == {"too near to a benchmark item": 2}
    assert made.by_origin == {"corpus:toys": 2, "generated:toys": 10}


# A person's own file


def file_of(tmp_path: Path, pairs: list[tuple[str, str]], name: str = "mine.jsonl") -> Composition:
    rows: list[dict[str, Any]] = [{"prompt": prompt, "response": response} for prompt, response in pairs]
    return of_file(write_rows(tmp_path / name, rows))


def words(count: int) -> list[tuple[str, str]]:
    return [(f"What is thing {number}?", f"It is the thing called {number}.") for number in range(count)]


@pytest.mark.parametrize(("rows", "held"), [(3, 1), (9, 3), (60, 20), (150, 20), (500, 50), (2500, 200)])
def test_a_tenth_is_held_out_but_neither_too_few_nor_most_of_them(tmp_path: Path, rows: int, held: int) -> None:
    made = file_of(tmp_path, words(rows))
    assert len(made.benchmark.items) == made.source["held_out"] == held
    assert len(made.examples) == rows - held


def test_no_row_is_trained_on_and_tested_on(tmp_path: Path) -> None:
    pairs = [(f"Ask {number % 40}{'!' * (number // 40)}", f"answer {number}") for number in range(80)]
    made = file_of(tmp_path, pairs)
    tested = {normalise(item.prompt) for item in made.benchmark.items}
    trained = {normalise(example.prompt) for example in made.examples}
    assert tested
    assert trained
    assert not tested & trained
    left_out = made.removed.get("same prompt as a held-out row", 0)
    assert len(made.examples) + len(made.benchmark.items) + left_out == 80


def test_the_held_out_rows_depend_on_their_content_alone(tmp_path: Path) -> None:
    forth, back = file_of(tmp_path, words(90)), file_of(tmp_path, words(90)[::-1])
    assert {item.prompt for item in forth.benchmark.items} == {item.prompt for item in back.benchmark.items}


def test_repeated_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    made = file_of(tmp_path, [*words(30), *words(10), (" what is THING 3", "It is the thing called 3.")])
    assert made.removed == {"repeated rows": 11}
    assert len(made.examples) + len(made.benchmark.items) == 30


def test_prompts_of_signs_alone_are_told_apart(tmp_path: Path) -> None:
    made = file_of(tmp_path, [("+", "plus"), ("-", "minus"), ("?", "question mark"), ("!", "exclamation mark")])
    assert len(made.examples) + len(made.benchmark.items) == 4


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (words(2), "has 2 different rows"),
        (words(1) * 50, "has 1 different rows"),
        ([("Same?", f"answer {number}") for number in range(30)], "ask the same"),
    ],
)
def test_a_file_that_can_not_be_split_is_refused(tmp_path: Path, pairs: list[tuple[str, str]], told: str) -> None:
    with pytest.raises(DataError, match=told):
        file_of(tmp_path, pairs)


@pytest.mark.parametrize(
    ("responses", "kind"),
    [
        (["yes", "no"], "label"),
        (["card_lost", "card_stolen", "loan"], "label"),
        ([str(number / 2) for number in range(60)], "numeric"),
        ([f"${number:,} million" for number in range(980, 1040)], "numeric"),
        ([f"-{number}%" for number in range(60)], "numeric"),
        ([f"It is {number}." for number in range(60)], "text"),
        ([f"Answer {number} at length" for number in range(60)], "text"),
        (["one long answer that no one would call a label, " * 3, "no"], "text"),
    ],
)
def test_rows_are_graded_by_what_their_responses_look_like(responses: list[str], kind: str) -> None:
    rows = [Example(f"Ask {number}", responses[number % len(responses)]) for number in range(60)]
    items = items_of_rows(rows, rows[:5])
    assert {item.type for item in items} == {kind}
    for item, row in zip(items, rows, strict=False):
        assert grade(item, row.response) == 1
        assert item.expected == row.response


def test_a_label_among_few_is_the_whole_answer() -> None:
    rows = [Example(f"Ask {number}", ("-1", "0", "1")[number % 3]) for number in range(30)]
    items = items_of_rows(rows, rows[:3])
    assert [[grade(item, answer) for answer in ("-1", "0", "1")] for item in items] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_a_number_in_another_scale_than_the_rows_is_wrong() -> None:
    rows = [Example(f"Ask {number}", f"${number} million") for number in range(2, 60)]
    [item] = items_of_rows(rows, rows[:1])
    assert grade(item, "$2,000,000") == 1
    assert grade(item, "$2 billion") == 0
