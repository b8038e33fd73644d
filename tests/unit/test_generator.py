"""Examples from a pack's grammar: reproducible, different, balanced, computed, and unable to reach out."""

import math
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.arithmetic import find_equations
from core.datasets.generator import draw_endlessly, make_examples, normalise, round_half_up, sample_tasks, show_number
from core.errors import CatalogError
from tests.packs import make_pack, raw_task


def test_the_same_seed_makes_the_same_examples_and_another_seed_others() -> None:
    pack = make_pack()
    assert make_examples(pack, 40, seed=1) == make_examples(pack, 40, seed=1)
    assert make_examples(pack, 40, seed=1) != make_examples(pack, 40, seed=2)


def test_more_examples_begin_with_the_fewer_ones() -> None:
    assert make_examples(make_pack(), 30, seed=1)[:10] == make_examples(make_pack(), 10, seed=1)


def test_no_two_examples_ask_the_same() -> None:
    made = make_examples(make_pack(), 300, seed=3)
    assert len({normalise(example.prompt) for example in made}) == len(made) == 300


def test_an_example_says_what_it_was_made_of() -> None:
    [example] = make_examples(make_pack(), 1, seed=0)
    assert example.origin == "generated:toys"
    assert example.extra == {"task": "margin", "component": "calculation"}
    question, given_values = example.prompt.split("\n")
    assert "profit" in question.lower()
    assert given_values.startswith("Profit: $")


def test_answers_are_computed_and_their_value_is_what_they_state() -> None:
    for made in sample_tasks(make_pack(), seed=5, each=20):
        [equation] = find_equations(made.example.response)
        assert equation.is_right
        assert equation.computed == made.value


def test_no_examples_can_be_asked_for() -> None:
    assert make_examples(make_pack(), 0, seed=1) == []


def test_every_task_comes_equally_often() -> None:
    tasks = [raw_task(id=f"task-{number}") for number in range(7)]
    made = list(islice(draw_endlessly(make_pack(*tasks), seed=2), 70))
    assert Counter(one.task.id for one in made) == {task["id"]: 10 for task in tasks}


def test_refused_and_too_near_prompts_do_not_come_out() -> None:
    pack = make_pack()
    first = make_examples(pack, 20, seed=1)
    refused = {normalise(example.prompt) for example in first[:5]}
    made = make_examples(pack, 20, seed=1, refused=refused, is_too_near=lambda prompt: "Tin Top" in prompt)
    assert len(made) == 20
    assert not any(normalise(example.prompt) in refused or "Tin Top" in example.prompt for example in made)


def test_more_examples_than_the_grammar_has_are_refused_with_what_it_has() -> None:
    small = raw_task(draw={"shop": {"from": "shops"}, "profit": {"choices": [5]}}, ask=["Double it for {{ shop }}."])
    with pytest.raises(CatalogError, match=r"'toys' makes only 4 different examples; 50 were asked for"):
        make_examples(make_pack(small), 50, seed=1)


def test_a_requirement_throws_draws_away() -> None:
    made = sample_tasks(make_pack(raw_task(require="profit > 450")), seed=1, each=50)
    assert len(made) == 50
    assert all(one.value is not None and one.value > 900 for one in made)


def test_a_requirement_that_nothing_meets_is_refused_with_its_task() -> None:
    with pytest.raises(CatalogError, match=r"task .margin. did not meet"):
        make_examples(make_pack(raw_task(require="profit > 5000")), 1, seed=1)


@pytest.mark.parametrize(
    ("draw", "possible"),
    [
        ({"range": [1, 3]}, {1, 2, 3}),
        ({"range": [0.5, 1], "step": 0.25}, {0.5, 0.75, 1}),
        ({"range": [5, 5]}, {5}),
        ({"range": [0, 1], "step": 0.3}, {0, 0.3, 0.6, 0.9}),
        ({"choices": [2, 4]}, {2, 4}),
    ],
)
def test_values_are_drawn_from_the_whole_of_their_range(draw: dict[str, object], possible: set[float]) -> None:
    task = raw_task(draw={"profit": draw}, let={}, ask=["{{ profit }}"], value="profit", answer=["{{ profit }}"])
    assert {one.value for one in sample_tasks(make_pack(task), seed=1, each=120)} == possible


@pytest.mark.parametrize(
    "text",
    [
        "{{ unknown }}",
        "{{ profit / 0 }}",
        "{{ profit | upper }}",
        "{{ [] | first }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ sqrt.__globals__ }}",
        "{{ sqrt(-profit) }}",
        "{% include 'other' %}",
        "{{ profit | random }}",
        "{{ profit",
    ],
)
@pytest.mark.parametrize("field", ["ask", "answer"])
def test_a_text_that_fails_or_reaches_out_is_refused_with_its_task(field: str, text: str) -> None:
    with pytest.raises(CatalogError, match=r"[Tt]ask 'margin'"):
        sample_tasks(make_pack(raw_task(**{field: [text]})))


@pytest.mark.parametrize("field", ["require", "value"])
def test_an_expression_that_can_not_be_read_is_refused_with_its_task(field: str) -> None:
    with pytest.raises(CatalogError, match="'margin'"):
        sample_tasks(make_pack(raw_task(**{field: "profit +"})))


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [
        (1234567, None, "1,234,567"),
        (1234.5, None, "1,234.5"),
        (12.50, None, "12.5"),
        (100, None, "100"),
        (0, None, "0"),
        (0.1 + 0.2, None, "0.3"),
        (2.675, 2, "2.68"),
        (0.5, 0, "1"),
        (2.5, 0, "3"),
        (-2.5, 0, "-3"),
        (-0.04, 1, "0.0"),
        (-0.0000001, None, "0"),
        (7, 2, "7.00"),
        ("3.1", 0, "3"),
    ],
)
def test_numbers_are_shown_as_people_write_them(value: object, places: int | None, shown: str) -> None:
    assert show_number(value, places) == shown


@given(st.integers(min_value=-(10**9), max_value=10**9), st.integers(min_value=0, max_value=3))
def test_rounding_moves_a_number_by_half_a_step_at_most_and_halves_away_from_zero(
    thousandths: int, places: int
) -> None:
    value = thousandths / 1000
    rounded = round_half_up(value, places)
    assert abs(rounded - value) <= 0.5 * 10.0**-places + 1e-9 * max(1, abs(value))
    assert math.copysign(1, rounded) == 1 or rounded < 0
    assert round_half_up(thousandths + 0.5, 0) == (thousandths + 1 if thousandths >= 0 else thousandths)


def test_normalised_texts_are_equal_where_only_case_signs_and_spaces_differ() -> None:
    assert normalise("  The CET1-ratio\nis 13.0%! ") == normalise("the cet1 ratio IS 13 0") == "the cet1 ratio is 13 0"
    assert normalise("?!") == ""
    assert normalise("一 Größe") == "一 größe"
