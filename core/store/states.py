"""The states of a job and the moves between them: one table, enforced here and by a trigger in the database."""

from typing import Literal, get_args

State = Literal[
    "queued",
    "blocked",
    "starting",
    "running",
    "pausing",
    "paused",
    "cancelling",
    "cancelled",
    "succeeded",
    "failed",
    "lost",
]
STATES: tuple[State, ...] = get_args(State)

MOVES: dict[State, tuple[State, ...]] = {
    "queued": ("starting", "blocked", "cancelled"),
    "blocked": ("queued", "cancelled"),
    "starting": ("running", "failed", "lost", "cancelling"),
    "running": ("pausing", "cancelling", "succeeded", "failed", "lost"),
    "pausing": ("paused", "cancelling", "succeeded", "failed", "lost"),
    "paused": ("queued", "cancelled"),
    "cancelling": ("cancelled", "succeeded", "failed", "lost"),
    "lost": ("queued", "failed", "cancelled"),
    "cancelled": (),
    "succeeded": (),
    "failed": (),
}

ALIVE: tuple[State, ...] = ("starting", "running", "pausing", "cancelling")
WAITING: tuple[State, ...] = ("queued", "blocked", "paused")
ENDED: tuple[State, ...] = ("cancelled", "succeeded", "failed")

PRIORITIES = {"low": 0, "normal": 1, "high": 2}
