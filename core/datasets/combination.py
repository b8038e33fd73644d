"""New datasets out of those that there are: the parts of a split, and mixes, each with where its rows come from."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.datasets import importing, mixing, splitting, versions
from core.datasets.examples import Example
from core.datasets.mixing import Part
from core.paths import Workspace
from core.store import datasets
from core.store.datasets import NamedDataset

MOST_ROWS = 200_000


@dataclass(frozen=True)
class Combined:
    """A dataset that was made of others."""

    name: str
    sha: str
    examples: int


def split_dataset(
    workspace: Workspace, db: sqlite3.Connection, one: NamedDataset, shares: Sequence[float], seed: int
) -> list[Combined]:
    """Store the parts of a dataset as datasets of their own, called after it, and return them.

    Raises:
        DataError: The shares are wrong, a part would be empty, or the dataset is damaged or too large.
    """
    parts = splitting.split(versions.load(workspace, one.sha, most=MOST_ROWS), shares, seed)
    made = []
    for part, examples in parts.items():
        if examples:
            source = {"split_from": one.sha, "part": part, "shares": list(shares), "seed": seed}
            source["before"] = one.manifest["source"]
            made.append(store(workspace, db, f"{one.name} {part}", examples, source, "split"))
    return made


def mix_datasets(
    workspace: Workspace,
    db: sqlite3.Connection,
    name: str,
    found: Sequence[NamedDataset],
    parts: Sequence[Part],
    seed: int,
) -> Combined:
    """Store the mix that was planned (see `mixing.plan`) and return it.

    Raises:
        BadInput: The name is none.
        DataError: A dataset is damaged or too large.
    """
    sources: Mapping[str, Sequence[Example]] = {
        one.name: versions.load(workspace, one.sha, most=MOST_ROWS) for one in found
    }
    shas = {one.name: one.sha for one in found}
    told = [{"dataset": part.name, "sha": shas[part.name], "taken": part.taken} for part in parts]
    mixed = mixing.mix(sources, parts, seed)
    return store(workspace, db, name, mixed, {"mixed_from": told, "seed": seed}, "mix")


def store(
    workspace: Workspace,
    db: sqlite3.Connection,
    name: str,
    examples: list[Example],
    source: dict[str, object],
    kind: str,
) -> Combined:
    """Store examples as a version under a name, with where they come from.

    Raises:
        BadInput: The name is none.
        DataError: There are no examples.
    """
    label = importing.check_name(name)
    version = versions.save(workspace, db, label, examples, source)
    datasets.give_name(db, label, version.sha, kind)
    return Combined(label, version.sha, len(examples))
