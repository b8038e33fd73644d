"""Whether a training prompt gives a benchmark item away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.leakage import RUN_WORDS, LeakGuard, word_runs

ITEM = "A bank has 34 billion of CET1 capital and 200 billion of risk-weighted assets. Give its ratio."
WORDS = st.lists(st.sampled_from(["a", "bank", "has", "34", "billion", "of", "capital", "ratio"]), max_size=30)


@pytest.mark.parametrize(
    "prompt",
    [
        ITEM,
        ITEM.upper().replace(".", " !"),
        f"Please answer. {ITEM} Show your steps.",
        "We know that A BANK has 34 billion of CET1 capital now.",
    ],
)
def test_an_item_or_a_long_run_of_its_words_is_too_near(prompt: str) -> None:
    guard = LeakGuard(["Another question of no concern to anyone here at all.", ITEM])
    assert guard.is_too_near(prompt)
    assert guard.find_item(prompt) == ITEM


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "A bank has 35 billion of CET1 capital and 210 billion of risk-weighted assets. Its ratio?",
        "a bank has 34 billion of CET1",
        "Give its ratio.",
    ],
)
def test_other_figures_and_common_phrases_are_not_too_near(prompt: str) -> None:
    assert LeakGuard([ITEM]).find_item(prompt) is None


def test_an_item_shorter_than_a_run_is_given_away_only_by_itself() -> None:
    guard = LeakGuard(["What is CET1?"])
    assert guard.is_too_near("what is cet1")
    assert not guard.is_too_near("What is CET1 capital?")
    assert not guard.is_too_near("What is Tier 2?")


def test_a_prompt_without_letters_and_digits_gives_nothing_away() -> None:
    assert not LeakGuard(["???", ""]).is_too_near("!!!")


@given(WORDS, WORDS, WORDS)
def test_whatever_holds_eight_words_of_an_item_in_a_row_is_too_near(
    item: list[str], before: list[str], after: list[str]
) -> None:
    guard = LeakGuard([" ".join(item)])
    part = item[:RUN_WORDS]
    assert guard.is_too_near(" ".join([*before, *part, *after])) or len(item) < RUN_WORDS


@given(WORDS, WORDS)
def test_to_be_too_near_is_mutual(first: list[str], second: list[str]) -> None:
    one, other = " ".join(first), " ".join(second)
    assert LeakGuard([one]).is_too_near(other) == LeakGuard([other]).is_too_near(one)
    assert LeakGuard([one]).is_too_near(other) == bool(word_runs(one) & word_runs(other))
