"""Splits: parts without anything in common, in the wanted proportions."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.examples import Example
from core.datasets.splitting import PARTS, SHARES, split
from core.errors import DataError


def rows(count: int, labels: int = 2) -> list[Example]:
    return [Example(f"question {n}", f"label {n % labels}") for n in range(count)]


def test_80_10_10_of_every_label() -> None:
    made = split(rows(1000, 4), SHARES, 1)
    assert {name: len(part) for name, part in made.items()} == {"train": 800, "validation": 100, "test": 100}
    for part, share in zip(PARTS, SHARES, strict=True):
        assert all(abs(count - 250 * share) <= 2 for count in Counter(one.response for one in made[part]).values())


@given(st.integers(12, 300), st.integers(1, 9), st.integers(0, 5))
def test_every_row_is_in_one_part_and_no_question_in_two(count: int, repeats: int, seed: int) -> None:
    examples = [Example(f"Question {n // repeats}!", f"answer {n}") for n in range(count)]
    try:
        made = split(examples, SHARES, seed)
    except DataError:
        assert count // repeats < 30  # too few questions for three parts
        return
    assert sorted(one.response for part in made.values() for one in part) == sorted(one.response for one in examples)
    asked = [{one.prompt for one in part} for part in made.values()]
    assert not (asked[0] & asked[1] or asked[0] & asked[2] or asked[1] & asked[2])


def test_a_group_is_never_torn_apart() -> None:
    examples = [Example(f"q{n}", f"a{n}", extra={"group": str(n // 7)}) for n in range(350)]
    made = split(examples, SHARES, 3)
    groups = [{one.extra["group"] for one in part} for part in made.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert abs(len(made["train"]) - 280) <= 7


def test_the_seed_decides_and_the_order_stays() -> None:
    first, again, other = split(rows(200), SHARES, 1), split(rows(200), SHARES, 1), split(rows(200), SHARES, 2)
    assert first == again != other
    assert [int(one.prompt.split()[1]) for one in first["train"]] == sorted(
        int(one.prompt.split()[1]) for one in first["train"]
    )


def test_rare_labels_are_shared_out_over_all_parts_together() -> None:
    examples = [Example(f"q{n}", f"label {n % 100}") for n in range(400)]
    made = split(examples, SHARES, 5)
    assert {name: len(part) for name, part in made.items()} == {"train": 320, "validation": 40, "test": 40}


@pytest.mark.parametrize("shares", [(0.8, 0.2), (0.8, 0.3, -0.1), (0, 0.5, 0.5), (0.8, 0.1, 0.2)])
def test_wrong_shares_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(DataError):
        split(rows(100), shares, 1)


def test_too_few_rows_for_a_part_are_refused() -> None:
    with pytest.raises(DataError, match="must stay together"):
        split([Example("same", f"a{n}") for n in range(50)], SHARES, 1)
