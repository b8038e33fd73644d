"""The order of the examples, the steps, and the learning rate: pure functions of the configuration."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.chat import Encoded
from core.training.plan import MERGED_TOKENS, GroupCursor, Plan, learning_rate_at, make_plan


def examples(*lengths: int) -> list[Encoded]:
    return [Encoded(tuple(range(length)), 1, 0, 0) for length in lengths]


def plan_of(lengths: list[int], **changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "batch_size": 2,
        "accumulation_steps": 2,
        "epochs": 1,
        "max_steps": None,
        "packing": False,
        "max_length": 64,
        "seed": 7,
    }
    return make_plan(examples(*lengths), **fields | changes)


# Steps


@pytest.mark.parametrize(
    ("count", "changes", "steps"),
    [
        (8, {}, 2),
        (9, {}, 3),
        (8, {"epochs": 3}, 6),
        (8, {"epochs": 0.5}, 1),
        (10, {"epochs": 0.5}, 2),
        (8, {"epochs": 3, "max_steps": 4}, 4),
        (8, {"max_steps": 100}, 2),
        (1, {"epochs": 0.01}, 1),
        (8, {"batch_size": 64}, 1),
    ],
)
def test_steps_follow_from_examples_epochs_and_limit(count: int, changes: dict[str, Any], steps: int) -> None:
    assert plan_of([10] * count, **changes).steps == steps


def test_with_packing_a_step_holds_as_many_examples_as_its_budget_of_tokens() -> None:
    plan = plan_of([40] * 9, packing=True, batch_size=1, accumulation_steps=2, max_length=64)
    assert plan.tokens_per_step == 128
    assert [len(group) for group in plan.epoch_groups(0)] == [3, 3, 3]
    assert plan.steps == 3
    assert plan_of([40] * 9, packing=True, batch_size=1, max_length=64, epochs=2.5).steps == 3 + 3 + 2


def test_with_packing_an_example_longer_than_the_budget_still_gets_its_step() -> None:
    plan = plan_of([500, 10, 500], packing=True, batch_size=1, accumulation_steps=1)
    assert sorted(index for group in plan.epoch_groups(0) for index in group) == [0, 1, 2]


# Order


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=30),
    packing=st.booleans(),
    batch_size=st.integers(1, 5),
    accumulation=st.integers(1, 3),
    seed=st.integers(0, 2**31 - 1),
    mergeable=st.booleans(),
)
def test_every_epoch_sees_every_example_once(
    lengths: list[int], packing: bool, batch_size: int, accumulation: int, seed: int, mergeable: bool
) -> None:
    plan = plan_of(
        lengths, packing=packing, batch_size=batch_size, accumulation_steps=accumulation, seed=seed, epochs=2
    )
    cursor = GroupCursor(plan)
    seen = [index for step in range(plan.steps) for batch in plan.batches(cursor, step, mergeable) for index in batch]
    first, second = seen[: len(lengths)], seen[len(lengths) :]
    assert sorted(first) == list(range(len(lengths)))
    whole_second = [index for group in plan.epoch_groups(1) for index in group]
    assert second == whole_second[: len(second)]


def test_epochs_are_shuffled_anew_and_by_the_seed_alone() -> None:
    lengths = [10] * 40
    plan = plan_of(lengths)
    assert plan.epoch_order(0) == plan_of(lengths).epoch_order(0)
    assert plan.epoch_order(0) != plan.epoch_order(1)
    assert plan.epoch_order(0) != plan_of(lengths, seed=8).epoch_order(0)


def test_a_resumed_job_meets_the_same_batches_as_one_that_ran_through() -> None:
    plan = plan_of([10] * 11, epochs=6)
    through = GroupCursor(plan)
    all_steps = [through.at(step) for step in range(plan.steps)]
    for step in range(plan.steps):
        assert GroupCursor(plan).at(step) == all_steps[step]
    assert through.at(0) == all_steps[0]  # and back again


def test_batches_are_merged_only_where_allowed_and_up_to_the_limit() -> None:
    long = MERGED_TOKENS // 4
    plan = plan_of([long] * 8, batch_size=1, accumulation_steps=8)
    cursor = GroupCursor(plan)
    assert [len(batch) for batch in plan.batches(cursor, 0, mergeable=False)] == [1] * 8
    assert [len(batch) for batch in plan.batches(cursor, 0, mergeable=True)] == [4, 4]


def test_epochs_done_are_counted_in_shares() -> None:
    cursor = GroupCursor(plan_of([10] * 8, epochs=3))
    done = []
    for step in range(6):
        cursor.at(step)
        done.append(cursor.epochs_after(step))
    assert done == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]


# The learning rate


def rates(schedule: str, steps: int = 10, warmup: int = 2) -> list[float]:
    return [learning_rate_at(step, steps=steps, peak=1.0, warmup=warmup, schedule=schedule) for step in range(steps)]


def test_the_rate_rises_evenly_to_its_peak_then_falls_as_asked() -> None:
    assert rates("constant") == [0.5] + [1.0] * 9
    assert rates("linear") == pytest.approx([0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125])
    cosine = rates("cosine")
    assert cosine[:3] == [0.5, 1.0, 1.0]
    assert cosine[6] == pytest.approx(0.5)
    assert cosine == sorted(cosine[:2]) + sorted(cosine[2:], reverse=True)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (1, 1), (3, 3), (5, 9)])
def test_the_rate_is_never_zero_nor_above_the_peak(schedule: str, steps: int, warmup: int) -> None:
    assert all(0 < rate <= 1 for rate in rates(schedule, steps, warmup))
