"""What is trained on in the benchmarks: shapes of models with random weights, and examples of a known make-up."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.datasets import composition
from core.datasets.chat import Encoded, read_chat_format
from core.paths import STARTER_DIR

SUPERVISED_SHARE = 0.3
STARTER = "starter"


@dataclass(frozen=True)
class LlamaShape:
    """A Llama by its sizes; `tied` means that its output layer is its embedding."""

    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    tied: bool = True


SHAPES = {
    "15m": LlamaShape(32_000, 288, 768, 6, 6, 6),
    "135m": LlamaShape(49_152, 576, 1_536, 30, 9, 3),
}


def make_examples(
    vocabulary: int, count: int, seed: int, median: int = 90, spread: float = 0.6, least: int = 16, most: int = 384
) -> list[Encoded]:
    """Return random tokens in examples of log-normal length, the last 30% of each supervised.

    With the lengths as they are by default, a random batch of eight filled up to its longest is about half padding,
    as batches of instructions usually are.
    """
    random = np.random.default_rng(seed)
    examples = []
    for _ in range(count):
        length = int(np.clip(np.exp(random.normal(np.log(median), spread)), least, most))
        supervised = max(1, round(length * SUPERVISED_SHARE))
        ids = tuple(int(one) for one in random.integers(5, vocabulary, length))
        examples.append(Encoded(ids, length - supervised, 0, 0))
    return examples


def finance_examples(generated: int = 1000, seed: int = 42, max_length: int = 1024) -> list[Encoded]:
    """Return the examples of the finance industry as the bundled starter reads them, in random order."""
    examples = composition.of_industries(["finance"], generated, seed).examples
    encoded = [one for one in read_chat_format(STARTER_DIR).encode(examples, max_length) if one.supervised]
    return [encoded[index] for index in np.random.default_rng(seed).permutation(len(encoded))]


def examples_for(shape: str, count: int, seed: int = 0) -> list[Encoded]:
    """Return `count` examples for a shape by name; the starter has as many as the industry gives."""
    return finance_examples()[:count] if shape == STARTER else make_examples(SHAPES[shape].vocabulary, count, seed)


def pick_steps(
    order: Sequence[int], lengths: Sequence[int], per_step: int, steps: int, warm_up: int, seed: int
) -> list[list[int]]:
    """Return the examples of a few steps that stand for the whole epoch in which `order` visits them.

    A sampler that sorts by length gives long batches first, so the first few steps of an epoch would mislead. The
    measured steps are taken from the middles of equal shares of the epoch's steps by size, in random order; the steps
    before them, for warming up, are the largest ones, so that nothing in the measured part is met at its first time.
    """
    groups = [list(order[start : start + per_step]) for start in range(0, len(order) - per_step + 1, per_step)]
    if len(groups) < steps:
        raise ValueError(f"{len(order)} examples give {len(groups)} steps, fewer than the {steps} to measure")
    by_size = sorted(groups, key=lambda group: sum(lengths[index] for index in group))
    measured = [by_size[int((place + 0.5) * len(by_size) / steps)] for place in range(steps)]
    mixed = [measured[place] for place in np.random.default_rng(seed).permutation(steps)]
    return [by_size[-1 - place % len(by_size)] for place in range(warm_up)] + mixed


def padding_share(order: Sequence[int], lengths: Sequence[int], batch_size: int) -> float:
    """Return which share of the places of batches, each filled up to its longest example, is padding."""
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    places = sum(len(batch) * max(lengths[index] for index in batch) for batch in batches)
    return 1 - sum(lengths[index] for index in order) / places
