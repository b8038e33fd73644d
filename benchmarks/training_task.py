"""What all arms of a training benchmark do alike: the task, the clock, the order of the examples."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from benchmarks.workload import pick_steps
from core.datasets.chat import Encoded
from core.model.engines import PaddedEngine
from core.training.loop import measure_eval_loss

RANK, ALPHA = 16, 32.0


@dataclass(frozen=True)
class Task:
    """One run of one arm.

    Attributes:
        steps: Steps that are measured, after `warm_up` steps that are not.
        examples_per_step: Examples of one update of the adapter, in however many batches an arm computes them.
        in_order: Visit the examples just as they come instead of in the arm's own order.
        held_out: How many of the last examples are kept to measure the eval loss on, in the end.
    """

    shape: str
    seed: int = 0
    steps: int = 8
    warm_up: int = 2
    examples_per_step: int = 16
    learning_rate: float = 2e-4
    in_order: bool = False
    held_out: int = 0


@dataclass
class Watch:
    """Notes the time at the begin and at the end of each step, with what the step did.

    A step's time runs from the end of the step before to its own end, so it holds all that a person waits for: fetching
    and filling up batches, forward, backward, clipping, update, logging.
    """

    walls: list[float] = field(default_factory=list)
    processes: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def begin(self) -> None:
        self.walls.append(time.perf_counter())
        self.processes.append(time.process_time())

    def end_step(self, tokens: int, loss: float) -> None:
        self.begin()
        self.tokens.append(tokens)
        self.losses.append(loss)

    def result(self, warm_up: int) -> dict[str, Any]:
        wall, process = (times[-1] - times[warm_up] for times in (self.walls, self.processes))
        tokens = sum(self.tokens[warm_up:])
        return {
            "tokens": tokens,
            "seconds": wall,
            "process_seconds": process,
            "tokens_per_second": tokens / wall,
            "tokens_per_process_second": tokens / process,
            "first_step_seconds": self.walls[1] - self.walls[0],
            "step_seconds": [end - begin for begin, end in pairwise(self.walls)],
            "losses": self.losses,
        }


def visit(task: Task, examples: Sequence[Encoded]) -> list[list[int]]:
    """Return which examples each step visits, for an arm that shuffles them all."""
    count = len(examples) - task.held_out
    if task.in_order:
        size = task.examples_per_step
        return [[(step * size + place) % count for place in range(size)] for step in range(task.warm_up + task.steps)]
    order = [int(index) for index in np.random.default_rng(task.seed).permutation(count)]
    return stand_for_epoch(order, task, examples)


def stand_for_epoch(order: Sequence[int], task: Task, examples: Sequence[Encoded]) -> list[list[int]]:
    """Return the few steps that stand for a whole epoch in which an arm visits the examples in this order."""
    lengths = [len(example.ids) for example in examples]
    return pick_steps(order, lengths, task.examples_per_step, task.steps, task.warm_up, task.seed)


def sum_adapter(model: Any) -> float:
    """Return a number by which two fresh adapters are seen to be the same."""
    return float(sum(one.detach().double().abs().sum() for one in model.parameters() if one.requires_grad))


@torch.no_grad()
def measure_held_out(model: Any, task: Task, examples: Sequence[Encoded]) -> float | None:
    """Return the eval loss by transformers' own forward pass, whichever arm has trained the adapter."""
    if not task.held_out:
        return None
    engine = PaddedEngine(model, torch.device("cpu"), 0)
    return measure_eval_loss(engine, model, list(examples[-task.held_out :]))
