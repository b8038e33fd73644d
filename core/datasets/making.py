"""New datasets out of grammars: generated examples of industries, or of a specialist in its prompt."""

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from core.catalog import industries, specialists
from core.datasets import combination
from core.datasets.combination import Combined
from core.datasets.examples import Example
from core.datasets.generator import make_examples
from core.datasets.leakage import LeakGuard
from core.datasets.specialist import loading
from core.errors import BadInput
from core.evaluation import benchmarks
from core.paths import Workspace

MOST_EXAMPLES = 200_000


def make_of_industries(workspace: Workspace, ids: Sequence[str], count: int, seed: int) -> dict[str, list[Example]]:
    """Return `count` generated examples of each industry, none of them near a benchmark item.

    Raises:
        BadInput: There is no industry to choose from.
        NotFound: One does not exist.
        CatalogError: A grammar can't make that many.
    """
    if not ids:
        raise BadInput("Nothing to make examples of is chosen. Pick at least one industry.")
    made = {}
    for pack in industries.expand(list(ids), workspace):
        guard = LeakGuard(item.prompt for item in benchmarks.of_industry(pack).items)
        made[pack.id] = make_examples(pack, count, seed, is_too_near=guard.is_too_near)
    return made


def make_of_specialist(workspace: Workspace, name: str, count: int, seed: int) -> list[Example]:
    """Return `count` generated examples of a specialist, in its prompt.

    Raises:
        NotFound: There is no such specialist.
        CatalogError: Its grammar can't make that many.
    """
    one = specialists.find(name, workspace)
    rows = loading.generate(one, count, seed, workspace).parts["train"]
    return [replace(row, prompt=one.ask(row.prompt)) for row in rows]


def store(
    workspace: Workspace, db: sqlite3.Connection, name: str, examples: list[Example], made_of: Sequence[str], seed: int
) -> Combined:
    """Store generated examples as a dataset.

    Raises:
        BadInput: The name is none.
    """
    source = {"made_of": list(made_of), "seed": seed, "licence": "made by Atelier, free to use"}
    return combination.store(workspace, db, name, examples, source, "make")
