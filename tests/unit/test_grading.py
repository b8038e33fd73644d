"""How one answer to one item is graded: numbers, choices, facts, labels and free text."""

import pytest

from core.evaluation.benchmarks import Item
from core.evaluation.grading import grade, is_label_right, is_number_right, share_of_facts, word_overlap

# Numbers


@pytest.mark.parametrize("answer", ["198", "202", "198.0001", "The result is 202."])
def test_a_number_on_the_edge_of_its_tolerance_is_right(answer: str) -> None:
    assert is_number_right(answer, 200, 0.01)


@pytest.mark.parametrize("answer", ["197.9", "202.1", "20", "2,000", "-200", ""])
def test_a_number_beyond_its_tolerance_is_wrong(answer: str) -> None:
    assert not is_number_right(answer, 200, 0.01)


def test_without_tolerance_only_the_number_itself_is_right() -> None:
    assert is_number_right("12.50", 12.5, 0)
    assert not is_number_right("12.51", 12.5, 0)


def test_zero_must_be_met_exactly_whatever_the_relative_tolerance() -> None:
    assert is_number_right("0.0", 0, 0.05)
    assert not is_number_right("0.01", 0, 0.05)


def test_the_last_number_of_an_answer_counts() -> None:
    answer = "CET1 ratio = 34 / 200 = 17%"
    assert is_number_right(answer, 17, 0.01)
    assert not is_number_right(answer, 200, 0.01)


def test_an_answer_without_a_number_is_wrong() -> None:
    assert not is_number_right("I do not know the CET1 ratio.", 1, 0.01)


@pytest.mark.parametrize("expected", [1.5, 1.5e9])
def test_a_scale_word_may_be_part_of_the_unit_that_was_asked_for_or_not(expected: float) -> None:
    assert is_number_right("It needs $1.5 billion.", expected, 0.01)


def test_the_wrong_scale_word_is_wrong() -> None:
    assert not is_number_right("It needs $1.5 million.", 1.5e9, 0.01)


def test_a_fraction_is_not_taken_for_the_percentage_that_was_asked_for() -> None:
    assert is_number_right("17%", 17, 0.01)
    assert not is_number_right("0.17", 17, 0.01)


@pytest.mark.parametrize("answer", ["-8", "-8%", "(92 - 100) / 100 = -8%", "= -$8", "-8.05"])
def test_a_negative_number_is_right_with_its_sign(answer: str) -> None:
    assert is_number_right(answer, -8, 0.01)


@pytest.mark.parametrize(
    "answer", ["The operating margin is -8%.", "Growth: -8%", "It changed by −8 points", "The margin: **–8%**", "-$8."]
)
def test_a_negative_number_in_a_sentence_is_right_with_its_sign(answer: str) -> None:
    assert is_number_right(answer, -8, 0.01)
    assert not is_number_right(answer, 8, 0.01)


def test_a_negative_number_is_wrong_without_its_sign() -> None:
    assert not is_number_right("8%", -8, 0.01)


@pytest.mark.parametrize("answer", ["r = .85", "The correlation is .85."])
def test_a_number_without_a_leading_zero_is_right(answer: str) -> None:
    assert is_number_right(answer, 0.85, 0.01)


@pytest.mark.parametrize("answer", ["9,360 / 390 = 24:1", "It is 24 : 1.", "One to 24, or 1:24"])
def test_of_a_ratio_to_one_the_other_number_counts(answer: str) -> None:
    assert is_number_right(answer, 24, 0.01)


@pytest.mark.parametrize(
    ("answer", "expected"), [("24:12", 12), ("10:15", 15), ("Step 3: 1", 1), ("3:1.5", 1.5), ("1:1", 1), ("3:1:1", 1)]
)
def test_what_is_no_ratio_to_one_ends_with_its_last_number(answer: str, expected: float) -> None:
    assert is_number_right(answer, expected, 0)


@pytest.mark.parametrize("answer", ["$1.5 Billion", "$1.5 BILLION", "$1.5bn"])
def test_a_scale_word_counts_in_any_case(answer: str) -> None:
    assert is_number_right(answer, 1.5e9, 0.01)


# Labels

CARDS = ("card_lost", "card_stolen", "loan", "home_loan")


@pytest.mark.parametrize(
    "answer", ["card_lost", "card lost", "Card Lost", "CARD-LOST.", "  card  lost\n", 'The label is "card lost".']
)
def test_case_underscores_and_words_around_a_label_do_not_count(answer: str) -> None:
    assert is_label_right(answer, "card_lost", CARDS)


@pytest.mark.parametrize("answer", ["card stolen", "card", "lost", "", "cardlost", "postcard lostness"])
def test_another_label_a_part_of_one_or_none_is_wrong(answer: str) -> None:
    assert not is_label_right(answer, "card_lost", CARDS)


def test_an_answer_that_names_two_labels_is_wrong() -> None:
    assert not is_label_right("Either card lost or card stolen.", "card_lost", CARDS)


def test_a_label_may_be_named_twice() -> None:
    assert is_label_right("card lost. Yes: card lost.", "card_lost", CARDS)


def test_a_longer_label_that_contains_a_shorter_one_is_one_mention() -> None:
    assert is_label_right("It is a home loan.", "home_loan", CARDS)
    assert not is_label_right("It is a home loan.", "loan", CARDS)


def test_a_denied_label_is_not_the_label() -> None:
    assert not is_label_right("not fraud", "fraud", ("fraud", "not fraud"))


def test_labels_in_other_scripts_are_told_apart() -> None:
    assert is_label_right("是", "是", ("是", "否"))
    assert not is_label_right("否", "是", ("是", "否"))


def test_the_same_letters_composed_in_another_way_are_the_same_label() -> None:
    assert is_label_right("cafe\u0301", "caf\u00e9", ("caf\u00e9", "bar"))


@pytest.mark.parametrize("labels", [("+", "-"), ("-1", "0", "1"), ("C", "C++", "C#"), ("A", "A*"), ("👍", "👎")])
def test_labels_that_differ_by_signs_alone_are_told_apart(labels: tuple[str, ...]) -> None:
    for expected in labels:
        assert [is_label_right(answer, expected, labels) for answer in labels] == [one == expected for one in labels]
        assert is_label_right(f"The label is '{expected}'.", expected, labels)
        assert not is_label_right("", expected, labels)


def test_a_longer_label_named_twice_in_a_row_is_still_no_shorter_one() -> None:
    assert is_label_right("home loan home loan", "home_loan", CARDS)


# Facts


def test_the_share_of_facts_counts_each_fact_once_in_any_phrasing() -> None:
    facts = (("Tier 1", "core capital"), ("8%", "8 percent"), ("leverage",))
    assert share_of_facts("Core capital, that is Tier 1, must reach 8 PERCENT.", facts) == pytest.approx(2 / 3)
    assert share_of_facts("Nothing of this.", facts) == 0
    assert share_of_facts("tier 1, 8% and Leverage", facts) == 1


def test_line_breaks_within_a_fact_do_not_count() -> None:
    assert share_of_facts("core\n  capital", (("core capital",),)) == 1


@pytest.mark.parametrize("answer", ["at 18% now", "4.8% now", "an arrival", "see 2.88"])
def test_a_fact_within_a_longer_number_or_word_is_not_named(answer: str) -> None:
    assert share_of_facts(answer, (("8%", "rival", "2.8"),)) == 0


@pytest.mark.parametrize("answer", ["at 8%.", "their rivals", "(2.8)", "about 2.8."])
def test_a_fact_may_begin_a_longer_word_or_touch_a_sign(answer: str) -> None:
    assert share_of_facts(answer, (("8%", "rival", "2.8"),)) == 1


def test_a_fact_in_a_script_without_spaces_is_found_within_the_text() -> None:
    assert share_of_facts("这是资本充足率。", (("资本",),)) == 1


# Words


@pytest.mark.parametrize(
    ("answer", "expected", "f1"),
    [
        ("the bank is sound", "the bank is sound", 1.0),
        ("Sound is the bank!", "the bank is sound", 1.0),
        # 2 shared words of 4 and of 3: precision 1/2, recall 2/3
        ("a bank lends money", "the bank lends", 4 / 7),
        # "the" is shared twice at most: 2 of 4 and of 3
        ("the the the end", "the the start", 4 / 7),
        ("one", "one two three four", 0.4),
        ("cat", "dog", 0.0),
        ("", "dog", 0.0),
        ("dog", "", 0.0),
        ("", "", 1.0),
        ("It costs 5.5%", "it costs 5.5", 1.0),
    ],
)
def test_word_overlap_equals_the_f1_counted_by_hand(answer: str, expected: str, f1: float) -> None:
    assert word_overlap(answer, expected) == pytest.approx(f1)


def test_different_texts_in_another_script_do_not_overlap_fully() -> None:
    assert word_overlap("完全に違う", "正しい") == 0


# Items


def item(**fields: object) -> Item:
    return Item.model_validate({"id": "a", "component": "c", "prompt": "p", **fields})


@pytest.mark.parametrize(
    ("graded", "right", "wrong"),
    [
        (item(type="numeric", answer=200, tolerance=0.01), "201", "203"),
        (item(type="numeric", answer=200), "200", "201"),
        (item(type="choice", answer=1, choices=("yes", "no")), "no", "yes"),
        (item(type="choice", answer=0, choices=("yes", "no")), "yes", "no"),
        (item(type="facts", facts=(("eight",),)), "eight", "nine"),
        (item(type="label", answer="a b", choices=("a b", "c")), "A_B", "c"),
        (item(type="text", answer="the bank"), "the bank", "a house"),
    ],
)
def test_each_kind_of_item_gives_1_for_right_and_0_for_wrong(graded: Item, right: str, wrong: str) -> None:
    assert grade(graded, right) == 1.0
    assert grade(graded, wrong) == 0.0


@pytest.mark.parametrize(
    "graded", [item(type="numeric", answer=-8, tolerance=0.01), item(type="text", answer="the bank is sound")]
)
def test_the_expected_answer_of_an_item_gets_the_full_score(graded: Item) -> None:
    assert grade(graded, graded.expected) == 1.0
