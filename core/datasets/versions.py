"""Datasets as immutable versions: a folder named by the hash of its rows, with a manifest of their origin."""

import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import durable
from core.datasets.examples import Example, from_row
from core.errors import DataError
from core.paths import Workspace
from core.store import datasets
from core.store.datasets import ROWS_FILE

MANIFEST_FILE = "dataset.json"
DROPPED_FILE = "dropped.jsonl"
PRIVATE = "private"  # what an example says beside its text if only the owner of the workspace may read it


@dataclass(frozen=True)
class Version:
    """A stored dataset; `sha` names its folder and its content."""

    sha: str
    name: str
    manifest: dict[str, Any]


def save(
    workspace: Workspace,
    db: sqlite3.Connection,
    name: str,
    examples: list[Example],
    source: dict[str, Any],
    dropped: Sequence[Mapping[str, str]] = (),
) -> Version:
    """Store examples as a version; the same rows give the same version, which is then left as it is.

    With a private example among them, nobody but the owner gets into the folder, from before anything is in it.

    Args:
        dropped: Rows that were left out, each with its place, reason and text; kept beside the others.

    Raises:
        DataError: There are no examples.
    """
    if not examples:
        raise DataError(f"The dataset {name!r} has no examples.")
    text = "".join(json.dumps(example.to_row(), ensure_ascii=False, sort_keys=True) + "\n" for example in examples)
    sha = durable.hash_text(text)
    folder = workspace.datasets / sha
    manifest = {
        "name": name,
        "rows": len(examples),
        "origins": dict(Counter(example.origin for example in examples)),
        "source": source,
    }
    if datasets.find_damage(workspace, sha) is not None:
        with durable.staged_folder(folder) as staging:
            if any(example.extra.get(PRIVATE) for example in examples):
                staging.chmod(0o700)
            (staging / ROWS_FILE).write_text(text, encoding="utf-8")
            (staging / MANIFEST_FILE).write_text(json.dumps(manifest, indent=2, ensure_ascii=False), encoding="utf-8")
            if dropped:
                lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in dropped)
                (staging / DROPPED_FILE).write_text(lines, encoding="utf-8")
            put_in_place(workspace, staging, sha)
    datasets.insert(db, sha, name, len(examples), manifest)
    return Version(sha, name, manifest)


def put_in_place(workspace: Workspace, staging: Path, sha: str) -> bool:
    """Let a staged folder become the version `sha`; return False where the very same rows are stored already.

    Raises:
        DataError: The version is there, but damaged.
    """
    folder = folder_of(workspace, sha)
    try:
        durable.put_folder_in_place(staging, folder)
    except FileExistsError:
        if datasets.find_damage(workspace, sha) is not None:
            raise DataError(f"The dataset folder {folder} is damaged. Delete it and try again.") from None
        return False
    return True


def load(workspace: Workspace, sha: str, most: int | None = None) -> list[Example]:
    """Return the examples of a version, after every byte was checked.

    Raises:
        DataError: The folder is missing or damaged, or holds more than `most` examples.
    """
    folder = workspace.datasets / sha
    damage = datasets.find_damage(workspace, sha)
    if damage:
        raise DataError(f"The dataset {sha[:12]} can't be used: {damage}.")
    rows = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))["rows"]
    if most is not None and rows > most:
        raise DataError(
            f"The dataset holds {rows:,} examples; at most {most:,} can be trained on at once. Import a part of it."
        )
    examples = []
    for line in (folder / ROWS_FILE).read_bytes().split(b"\n")[:-1]:  # a text may hold other kinds of line ends
        examples.append(from_row(json.loads(line)))
    return examples


def first_examples(workspace: Workspace, sha: str, count: int) -> list[Example]:
    """Return the first examples of a version, for a look; the rest is not read."""
    try:
        with (folder_of(workspace, sha) / ROWS_FILE).open("rb") as stream:
            return [from_row(json.loads(line)) for line in itertools.islice(stream, count)]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"The dataset {sha[:12]} can't be read: {error}. Import it again.") from error


def folder_of(workspace: Workspace, sha: str) -> Path:
    return workspace.datasets / sha


def split(examples: list[Example], validation_share: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Return (training, validation) examples, each origin split in the same proportion, in a seeded order.

    Examples that were split before say so themselves (`part`), and stay where they are.
    """
    training: list[Example] = []
    validation: list[Example] = []
    random = np.random.default_rng([seed, 4099])
    if validation_share > 0 and any("part" in example.extra for example in examples):
        for example in (examples[index] for index in random.permutation(len(examples))):
            (validation if example.extra.get("part") == "validation" else training).append(example)
        return training, validation
    for origin in sorted({example.origin for example in examples}):
        group = [example for example in examples if example.origin == origin]
        held = round(validation_share * len(group))
        order = random.permutation(len(group))
        validation += [group[index] for index in order[:held]]
        training += [group[index] for index in order[held:]]
    if not training:
        raise DataError(
            f"With a validation share of {validation_share:g}, none of the {len(examples)} examples is left for "
            "training. Lower the share or add examples."
        )
    return training, validation
