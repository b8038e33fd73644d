"""The states of a job: which moves are allowed, and that no state is a trap or an island (reliability rule 3.1)."""

import pytest

from core.store.states import ALIVE, ENDED, MOVES, PRIORITIES, STATES, WAITING, State

# reliability.md, 3.1, written out.
REQUIRED: list[tuple[State, tuple[State, ...]]] = [
    ("queued", ("starting", "blocked", "cancelled")),
    ("starting", ("running", "failed", "lost", "cancelling")),
    ("running", ("pausing", "cancelling", "succeeded", "failed", "lost")),
    ("pausing", ("paused", "lost", "succeeded", "failed")),
    ("paused", ("queued", "cancelled")),
    ("cancelling", ("cancelled", "lost", "succeeded", "failed")),
    ("blocked", ("queued", "cancelled")),
    ("lost", ("queued", "failed")),
]


def reachable_from(start: State) -> set[State]:
    seen: set[State] = {start}
    waiting: list[State] = [start]
    while waiting:
        for after in MOVES[waiting.pop()]:
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return seen


@pytest.mark.parametrize("state", ["cancelled", "succeeded", "failed"])
def test_an_ended_job_never_moves_again(state: State) -> None:
    assert MOVES[state] == ()
    assert state in ENDED


def test_every_state_can_be_reached_by_a_queued_job() -> None:
    assert reachable_from("queued") == set(STATES)


@pytest.mark.parametrize("state", [state for state in STATES if state not in ENDED])
def test_every_unended_job_can_still_come_to_each_kind_of_end(state: State) -> None:
    assert set(ENDED) <= reachable_from(state)


@pytest.mark.parametrize(("before", "required"), REQUIRED)
def test_the_required_moves_are_allowed(before: State, required: tuple[State, ...]) -> None:
    assert set(required) <= set(MOVES[before])


@pytest.mark.parametrize("state", WAITING)
def test_a_waiting_job_can_be_cancelled_at_once(state: State) -> None:
    assert "cancelled" in MOVES[state]


@pytest.mark.parametrize("state", ALIVE)
def test_a_job_with_processes_is_not_called_cancelled_before_they_are_gone(state: State) -> None:
    if state != "cancelling":
        assert "cancelled" not in MOVES[state]


@pytest.mark.parametrize("state", WAITING)
def test_a_waiting_job_starts_only_through_the_queue(state: State) -> None:
    assert "running" not in MOVES[state]


def test_each_state_is_either_waiting_alive_ended_or_lost() -> None:
    assert sorted([*WAITING, *ALIVE, *ENDED, "lost"]) == sorted(STATES)


def test_priorities_are_ordered_from_low_to_high() -> None:
    assert sorted(PRIORITIES, key=PRIORITIES.__getitem__) == ["low", "normal", "high"]
