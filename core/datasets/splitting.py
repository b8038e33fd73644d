"""Splits a dataset into parts for training, validation and test that have nothing in common."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from core.datasets.examples import Example
from core.datasets.generator import normalise
from core.errors import DataError

PARTS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)
MOST_LABELS, LABEL_LETTERS = 200, 80


def split(examples: Sequence[Example], shares: Sequence[float], seed: int) -> dict[str, list[Example]]:
    """Return the examples of each part, in their old order.

    Rows of one group, or with the same question, stay together. Where the answers are labels, each label is shared out
    in the same proportion, as far as its groups allow.

    Args:
        shares: Of training, validation and test; they add up to 1.

    Raises:
        DataError: The shares are wrong, or a part would be empty.
    """
    check_shares(shares)
    bundles: defaultdict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        bundles[_bond_of(example)].append(row)
    strata: defaultdict[str, list[list[int]]] = defaultdict(list)
    labelled = _is_labelled(examples)
    for bundle in bundles.values():
        label = Counter(examples[row].response for row in bundle).most_common(1)[0][0] if labelled else ""
        strata[label].append(bundle)
    random = np.random.default_rng([seed, 811])
    parts: list[list[int]] = [[] for _ in PARTS]
    owed = np.zeros(len(PARTS))  # what a label too small for every part still owes each of them
    for label in sorted(strata):
        found = strata[label]
        owed += np.array(shares) * sum(len(bundle) for bundle in found)
        for place in random.permutation(len(found)):
            part = int(np.argmax(owed / np.maximum(shares, 1e-9) ** 0.5))
            parts[part] += found[place]
            owed[part] -= len(found[place])
    made = {name: [examples[row] for row in sorted(rows)] for name, rows in zip(PARTS, parts, strict=True)}
    for name, share in zip(PARTS, shares, strict=True):
        if share > 0 and not made[name]:
            raise DataError(
                f"No example is left for the part {name!r}: {len(bundles)} questions or groups must stay together. Add "
                "rows, or give this part a share of 0."
            )
    return made


def check_shares(shares: Sequence[float]) -> None:
    """Refuse shares that are no shares of three parts.

    Raises:
        DataError: They are not three, below 0, without training, or do not add up to 1.
    """
    if len(shares) != len(PARTS) or any(share < 0 for share in shares) or shares[0] <= 0:
        raise DataError("Give three shares, of training, validation and test, such as 80,10,10.")
    if abs(sum(shares) - 1) > 1e-6:
        raise DataError(f"The shares add up to {100 * sum(shares):g}%, not to 100%.")


def _bond_of(example: Example) -> str:
    group = example.extra.get("group")
    if group:
        return f"group {group}"
    return normalise(" ".join([*(turn.text for turn in example.turns), example.prompt])) or example.prompt


def _is_labelled(examples: Sequence[Example]) -> bool:
    labels = {example.response for example in examples}
    return 2 <= len(labels) <= min(MOST_LABELS, len(examples) // 3) and all(len(one) <= LABEL_LETTERS for one in labels)
