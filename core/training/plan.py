"""Which examples each step sees: the order is a pure function of the seed, so a resumed job meets the same batches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets.chat import Encoded

MERGED_TOKENS = 4096  # batches of one step are computed together up to here: same sum, fewer passes


@dataclass(frozen=True)
class Plan:
    """The schedule of a training job.

    Attributes:
        lengths: Tokens of each training example.
        examples_per_step: Batch size times accumulation; 0 with packing.
        tokens_per_step: The budget of a step with packing, else 0.
    """

    lengths: tuple[int, ...]
    examples_per_step: int
    tokens_per_step: int
    batch_size: int
    steps: int
    seed: int

    def epoch_order(self, epoch: int) -> list[int]:
        return [int(index) for index in np.random.default_rng([self.seed, epoch]).permutation(len(self.lengths))]

    def epoch_groups(self, epoch: int) -> list[list[int]]:
        """Return the examples of each step of an epoch; the last step of an epoch may be smaller."""
        order = self.epoch_order(epoch)
        if not self.tokens_per_step:
            return [
                order[start : start + self.examples_per_step] for start in range(0, len(order), self.examples_per_step)
            ]
        groups: list[list[int]] = [[]]
        filled = 0
        for index in order:
            if groups[-1] and filled + self.lengths[index] > self.tokens_per_step:
                groups.append([])
                filled = 0
            groups[-1].append(index)
            filled += self.lengths[index]
        return groups

    def batches(self, groups: "GroupCursor", step: int, mergeable: bool) -> list[list[int]]:
        """Return the batches of one step, each a list of example indices.

        Args:
            mergeable: Whether several small batches may be computed as one, which gives the same gradient.
        """
        chosen = groups.at(step)
        batches = [chosen[start : start + self.batch_size] for start in range(0, len(chosen), self.batch_size)]
        if self.tokens_per_step or not mergeable:
            return batches if not self.tokens_per_step else [chosen]
        merged: list[list[int]] = []
        for batch in batches:
            size = sum(self.lengths[index] for index in batch)
            if merged and sum(self.lengths[index] for index in merged[-1]) + size <= MERGED_TOKENS:
                merged[-1] += batch
            else:
                merged.append(list(batch))
        return merged


class GroupCursor:
    """Finds a step's examples; keeps the current epoch so that each epoch is shuffled once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._epoch = 0
        self._first = 0
        self._groups = plan.epoch_groups(0)

    def at(self, step: int) -> list[int]:
        if step < self._first:
            self._epoch, self._first, self._groups = 0, 0, self._plan.epoch_groups(0)
        while step >= self._first + len(self._groups):
            self._first += len(self._groups)
            self._epoch += 1
            self._groups = self._plan.epoch_groups(self._epoch)
        return self._groups[step - self._first]

    def epochs_after(self, step: int) -> float:
        """Return how many epochs have passed once this step, the last one asked for, is done."""
        return self._epoch + (step + 1 - self._first) / len(self._groups)


def make_plan(
    encoded: Sequence[Encoded],
    *,
    batch_size: int,
    accumulation_steps: int,
    epochs: float,
    max_steps: int | None,
    packing: bool,
    max_length: int,
    seed: int,
) -> Plan:
    lengths = tuple(len(example.ids) for example in encoded)
    if packing:
        draft = Plan(lengths, 0, batch_size * max_length * accumulation_steps, batch_size, 0, seed)
        whole, part = divmod(epochs, 1)
        steps = sum(len(draft.epoch_groups(epoch)) for epoch in range(int(whole)))
        steps += math.ceil(part * len(draft.epoch_groups(int(whole)))) if part else 0
    else:
        draft = Plan(lengths, batch_size * accumulation_steps, 0, batch_size, 0, seed)
        steps = math.ceil(epochs * len(lengths) / draft.examples_per_step - 1e-9)
    steps = max(1, steps if max_steps is None else min(steps, max_steps))
    return Plan(lengths, draft.examples_per_step, draft.tokens_per_step, batch_size, steps, seed)


def learning_rate_at(step: int, *, steps: int, peak: float, warmup: int, schedule: str) -> float:
    """Return the learning rate of a step, 0-based: it rises over `warmup` steps, then falls by the schedule to 0."""
    if step < warmup:
        return peak * (step + 1) / warmup
    if schedule == "constant":
        return peak
    share = (step - warmup) / max(1, steps - warmup)
    return peak * (0.5 * (1 + math.cos(math.pi * share)) if schedule == "cosine" else 1 - share)
