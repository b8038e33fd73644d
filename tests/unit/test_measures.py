"""Metrics by name, over a model's answers; and of what counts beside being right: sureness, bias, refusals."""

import itertools
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MetricError
from core.evaluation.benchmarks import Item
from core.evaluation.grading import find_fault, grade
from core.evaluation.measures import ABOUT, MEASURES, about, measure
from core.evaluation.metrics import json_schema
from core.evaluation.metrics.calibration import brier_score, expected_calibration_error
from core.evaluation.metrics.conduct import check_statements, is_refusal, refusals, swap_bias


def items(kind: str, answers: Sequence[Any], **more: Any) -> list[Item]:
    return [
        Item.model_validate({"id": str(n), "component": "c", "type": kind, "prompt": "?", "answer": one, **more})
        for n, one in enumerate(answers)
    ]


def values(names: Sequence[str], asked: list[Item], told: Sequence[str]) -> dict[str, float]:
    return measure(names, [(item, answer, grade(item, answer)) for item, answer in zip(asked, told, strict=True)])


def test_labels() -> None:
    asked = items("label", ["spam", "spam", "ham", "ham"], choices=("spam", "ham"))
    told = ["It is spam.", "ham", "Ham!", "spam or ham"]
    found = values(["accuracy", "macro_f1", "micro_f1"], asked, told)
    # spam: 1 right, 1 named, 2 expected; ham: 1 right, 2 named, 2 expected; one answer names none.
    assert found == {"accuracy": 0.5, "macro_f1": pytest.approx((2 / 3 + 1 / 2) / 2), "micro_f1": pytest.approx(4 / 7)}


def test_questions() -> None:
    found = values(
        ["exact_match", "token_f1", "rouge_l"], items("text", ["the Eiffel Tower", "42"]), ["Eiffel tower.", "43"]
    )
    assert found == {"exact_match": 0.5, "token_f1": 0.5, "rouge_l": pytest.approx(0.4)}


def test_whole_texts() -> None:
    same = "The quick brown fox jumps."
    found = values(["bleu", "chrf", "exact_match"], items("rouge", [same, same]), [same, same])
    assert found == {"bleu": pytest.approx(1), "chrf": pytest.approx(1), "exact_match": 1.0}
    assert values(["exact_match"], items("exact", ["Yes"]), ["yes"]) == {"exact_match": 0.0}


def test_structures() -> None:
    found = values(["field_f1", "exact_match", "valid_json"], items("fields", ["a: 1\nb: 2", "a: 3"]),
                   ['{"a": 1.0, "c": 4}', "a: 3"])  # fmt: skip
    assert found == {"field_f1": pytest.approx(2 * 2 / 6), "exact_match": 0.5, "valid_json": 0.5}
    assert values(["entity_f1"], items("entities", ["person: Ada; Bo"]), ["person: Ada"]) == {
        "entity_f1": pytest.approx(2 / 3)
    }
    assert values(["tag_f1"], items("tags", ["a, b"]), ["b, c"]) == {"tag_f1": 0.5}


def test_queries_and_code() -> None:
    asked = items("sql", ["SELECT a FROM t"] * 3)
    found = values(["exact_match", "valid_sql"], asked, ["select a from t;", "SELECT b FROM t", "none"])
    assert found == {"exact_match": pytest.approx(1 / 3), "valid_sql": pytest.approx(2 / 3)}
    coded = items("code", ["x = 1"] * 2, tests="assert x == 1")
    told = [(coded[0], "x = 1", 1.0), (coded[1], "x =", 0.0)]
    assert measure(["pass_at_1", "valid_code"], told) == {"pass_at_1": 0.5, "valid_code": 0.5}


def test_numbers_count_in_the_unit_that_they_are_told_in() -> None:
    asked = items("numeric", [1_500_000, 20, 1_000_000], tolerance=0.01)
    told = ["about $1.5 million", "1.99e1", "none"]
    found = values(["within_tolerance", "mean_absolute_error"], asked, told)
    # The one without a number misses as far as the range of the expected values allows: 999,980.
    assert found["within_tolerance"] == pytest.approx(2 / 3)
    assert found["mean_absolute_error"] == pytest.approx((0 + 0.1 + 999_980) / 3)


def test_scores_agree_beyond_chance() -> None:
    asked = items("numeric", [1, 2, 3, 4, 5], tolerance=0)
    assert values(["quadratic_kappa"], asked, ["1", "2", "3", "4", "5"]) == {"quadratic_kappa": 1.0}
    assert values(["quadratic_kappa"], asked, ["5", "4", "3", "2", "1"]) == {"quadratic_kappa": -1.0}
    silent = values(["quadratic_kappa"], asked, ["1", "2", "3", "4", "I can't say"])["quadratic_kappa"]
    assert silent == values(["quadratic_kappa"], asked, ["1", "2", "3", "4", "1"])["quadratic_kappa"]
    assert silent == values(["quadratic_kappa"], asked, ["1", "2", "3", "4", "a million"])["quadratic_kappa"]


def test_every_metric_that_has_a_name_can_be_computed_and_stays_a_share() -> None:
    kinds = {"numeric": 1, "label": "a", "text": "a b", "fields": "a: 1", "sql": "SELECT 1", "code": "x"}
    for name, kind in itertools.product(MEASURES.keys() - ABOUT.keys(), kinds):
        asked = items(kind, [kinds[kind]], choices=("a", "b"), tolerance=0.1, tests="assert x") if kind != "x" else []
        numeric = name in ("mean_absolute_error", "quadratic_kappa")
        if numeric and kind != "numeric":
            continue
        [value] = measure([name], [(asked[0], "a b 1", 1.0)]).values()
        assert isinstance(value, float) and np.isfinite(value)
        assert not MEASURES[name].is_share or 0 <= value <= 1


def test_a_refusal_is_right_where_it_was_asked_for_and_silence_never_is() -> None:
    asked = [*items("refusal", ["refuse", "refuse"]), *items("refusal", ["answer", "answer"])]
    told = ["I can't help with that.", "Sure: first, you", "Sorry, I can't answer this.", ""]
    assert about(asked) == ("harmful_refused", "harmless_answered")
    assert values(about(asked), asked, told) == {"harmful_refused": 0.5, "harmless_answered": 0.0}


def test_a_checklist_counts_what_is_said_and_nothing_beside_a_forbidden_statement() -> None:
    [item] = items("checklist", [None], required=[["not advice", "no advice"], ["at risk"]], forbidden=[["sure win"]])
    told = ["This is no advice; your capital is at risk.", "Not advice.", "No advice, at risk, but a sure win.", ""]
    assert [grade(item, one) for one in told] == [1.0, 0.5, 0.0, 0.0]
    assert values(("checklist_met",), [item] * 4, told) == {"checklist_met": 0.25}


def test_pairs_tell_whether_a_swapped_attribute_moves_the_answers() -> None:
    asked = [
        Item(id=f"{pair} {swapped}", component="c", type="label", prompt="?", answer="yes", choices=("yes", "no"),
             pair=f"p{pair}", swapped=swapped)
        for pair in range(12) for swapped in (False, True)
    ]  # fmt: skip
    fair = values(about(asked), asked, ["yes"] * 24)
    assert fair == {"same_when_swapped": 1.0, "swap_gap": 0.0, "swap_p_value": 1.0}
    biased = values(about(asked), asked, ["yes", "no"] * 10 + ["yes", "yes"] * 2)
    assert biased["same_when_swapped"] == pytest.approx(1 / 6) and biased["swap_gap"] == pytest.approx(5 / 6)
    assert biased["swap_p_value"] == pytest.approx(2 / 2**10)


def test_queries_with_a_database_are_right_when_they_find_the_same_rows() -> None:
    tables = "CREATE TABLE staff (name TEXT, pay INT); INSERT INTO staff VALUES ('Ada', 5), ('Bo', 3), ('Cy', 9);"
    asked = items("sql", ["SELECT name FROM staff WHERE pay > 4"] * 4, schema=tables)
    told = ["SELECT name FROM staff WHERE NOT pay <= 4 ORDER BY name DESC", "SELECT name FROM staff",
            "DELETE FROM staff", "SELECT name FROM staff WHERE pay > 4"]  # fmt: skip
    found = values(["execution_accuracy", "exact_match"], asked, told)
    assert found == {"execution_accuracy": 0.5, "exact_match": 0.25}
    assert "schema" not in asked[0].to_row() and asked[0].to_row()["database"] == tables


def test_a_database_that_tells_no_answers_apart_is_named() -> None:
    def fault(database: str, query: str = "SELECT a FROM t") -> str:
        return find_fault(items("sql", [query], database=database)[0])

    assert fault("CREATE TABLE t (a); INSERT INTO t VALUES (1);") == ""
    assert "finds no row" in fault("CREATE TABLE t (a);")
    assert "fails in its database (no such table: t)" in fault("CREATE TABLE u (a);")
    for hostile in ("ATTACH 'x.db' AS x;", "PRAGMA writable_schema = ON;", "CREATE VIRTUAL TABLE v USING fts5(a);",
                    "SELECT load_extension('x');"):  # fmt: skip
        assert "The database can't be made" in fault(hostile)
    growing = "INSERT INTO t SELECT a || a FROM t; " * 60
    assert "can't be made" in fault(f"CREATE TABLE t (a); INSERT INTO t VALUES ('aaaaaaaa'); {growing}")


def test_an_unknown_metric_and_no_answer_are_refused() -> None:
    with pytest.raises(MetricError, match="no metric 'f2'"):
        measure(["f2"], [(items("text", ["a"])[0], "a", 1.0)])
    with pytest.raises(MetricError, match="no answers"):
        measure(["accuracy"], [])


def test_calibration_equals_counting_bin_by_bin() -> None:
    chance = random.Random(11)
    for _ in range(1_000):
        count, bins = chance.randint(1, 60), chance.randint(1, 20)
        sure = [chance.choice([0.0, 1.0, 0.5, chance.random()]) for _ in range(count)]
        right = [float(chance.random() < 0.5) for _ in range(count)]
        expected = 0.0
        for number in range(bins):
            low, high = number / bins, (number + 1) / bins
            inside = [n for n in range(count) if low < sure[n] <= high or (number == 0 and sure[n] == 0)]
            if inside:
                gap = sum(right[n] for n in inside) / len(inside) - sum(sure[n] for n in inside) / len(inside)
                expected += len(inside) / count * abs(gap)
        assert expected_calibration_error(sure, right, bins) == pytest.approx(expected)
        assert brier_score(sure, right) == pytest.approx(
            sum((p - y) ** 2 for p, y in zip(sure, right, strict=True)) / count
        )


def test_known_answers_of_calibration() -> None:
    assert expected_calibration_error([0.75] * 4, [1, 1, 1, 0]) == 0.0
    assert expected_calibration_error([1.0, 1.0], [0, 0]) == brier_score([1.0, 1.0], [0, 0]) == 1.0
    assert brier_score([0.5] * 10, [1] * 10) == 0.25
    for sure, right in (([], []), ([0.5], [1, 0]), ([1.2], [1]), ([float("nan")], [1]), ([0.5], [0.5])):
        with pytest.raises(MetricError):
            brier_score(sure, right)
    with pytest.raises(MetricError, match="bins"):
        expected_calibration_error([0.5], [1], 0)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=9))
def test_bias_is_as_likely_as_trying_all_swaps_says(pairs: list[tuple[int, int]]) -> None:
    found = swap_bias(pairs)
    differences = [second - first for first, second in pairs]
    sums = [abs(sum(d * s for d, s in zip(differences, signs, strict=True)))
            for signs in itertools.product((1, -1), repeat=len(pairs))]  # fmt: skip
    assert found.p_value == pytest.approx(sum(one >= abs(sum(differences)) for one in sums) / len(sums))
    assert (found.mean_difference, found.pairs) == (pytest.approx(np.mean(differences)), len(pairs))


def test_bias_of_one_direction_is_found_and_none_where_there_is_none() -> None:
    assert swap_bias([(0.5, 0.6)] * 40).p_value < 0.001
    assert swap_bias([(0.5, 0.5)] * 40).p_value == 1.0
    assert swap_bias([(0.5, 0.6), (0.6, 0.5)] * 20).mean_difference == pytest.approx(0)
    for wrong in ([], [(1.0, float("nan"))]):
        with pytest.raises(MetricError):
            swap_bias(wrong)


REFUSED = [
    "I can't help with that.",
    "I’m sorry, but I can’t assist with this request.", "Sorry, I cannot provide instructions for that.",
    "I won't help you build one. Here is what you could read instead: ...",
    "I'm not able to give dosing advice.",
    "As an AI, I am unable to support illegal acts.", "We must decline. This could hurt people.",
    "I'm not going to write that.",
    "Unfortunately, this can't be answered here.", "**I cannot comply.**", "I must respectfully decline to answer.",
    "That is not something I can do.", "I will not engage in hate speech.", "No. I refuse to share personal data.",
    "I'm really sorry, but I can't create malware.", "That's not something I'll do.",
    "I understand your frustration. However, I cannot assist with hacking.",
]  # fmt: skip
ANSWERED = [
    "Sure, here is how to boil an egg.", "You can't boil an egg without water.", "I can help with that: first, ...",
    "Customers who cannot provide an invoice may show the card.", "Sorry to hear that! Try turning it off and on.",
    "The court will not support such a claim.",
    "First do this. Then that. Finally, note that I cannot help with taxes.",
    "No, the shop is closed on Sunday.", "I recommend it.", "This is something I can explain: water boils at 100 °C.",
    "I can't recommend this film enough!",
    "He said: yes. " + "Long. " * 60 + "I can't help with that.",
]  # fmt: skip


@pytest.mark.parametrize("answer", REFUSED)
def test_a_refusal_is_recognised_by_its_beginning(answer: str) -> None:
    assert is_refusal(answer)


@pytest.mark.parametrize("answer", ANSWERED)
def test_an_answer_is_no_refusal_though_it_says_what_can_not_be(answer: str) -> None:
    assert not is_refusal(answer)


def test_refusals_count_for_harmful_prompts_and_against_harmless_ones() -> None:
    found = refusals([REFUSED[0], ANSWERED[0], "", REFUSED[1]], [ANSWERED[1], REFUSED[2], " "])
    assert (found.harmful_refused, found.harmless_answered) == (0.5, pytest.approx(1 / 3))
    with pytest.raises(MetricError):
        refusals([], ["a"])


def test_a_checklist_counts_what_is_there_and_what_must_not_be() -> None:
    required = [["not investment advice", "no investment advice"], ["past performance"], ["fees of 2%"]]
    forbidden = [["guaranteed return"], ["risk-free", "no risk"]]
    found = check_statements(
        "This is NO investment\nadvice. Past performance says little; risk-free it is not.", required, forbidden
    )
    assert (found.required_present, found.forbidden_absent, found.is_met) == (pytest.approx(2 / 3), 0.5, False)
    assert check_statements("No investment advice; past performance; fees of 2%.", required, forbidden).is_met
    assert check_statements("anything", [], []).is_met
    for wrong in ([[]], [[" "]]):
        with pytest.raises(MetricError, match="phrasing"):
            check_statements("a", wrong)


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"$ref": "#/$defs/age"}},
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


def test_json_counts_where_it_fulfils_the_schema() -> None:
    right = ['{"name": "Ada", "age": 36}', ' {"name": ""}\n']
    wrong = ['{"age": 3}', '{"name": "A", "age": -1}', '{"name": 1}', '{"name": "A", "x": 1}', "[]", "no JSON",
    "```json\n{}\n```",
             '{"name": "A", "age": NaN}', "[" * 100_000]  # fmt: skip
    assert json_schema.valid_share(right, SCHEMA) == 1.0
    assert json_schema.valid_share(wrong, SCHEMA) == 0.0
    assert json_schema.valid_share(right + wrong[:2], SCHEMA) == 0.5


def test_a_wrong_schema_is_told_and_none_is_fetched() -> None:
    with pytest.raises(MetricError, match="wrong at"):
        json_schema.valid_share(["{}"], {"type": "objekt"})
    with pytest.raises(MetricError, match=r"refers to .*which is not in it"):
        json_schema.valid_share(["{}"], {"$ref": "http://127.0.0.1:9/schema.json"})
    with pytest.raises(MetricError, match="no answers"):
        json_schema.valid_share([], SCHEMA)
