"""Takes the doctor's remedies: rows are dropped, or their texts mended, and the rest becomes a new version."""

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import replace

from core.datasets import versions
from core.datasets.doctor import privacy, writing
from core.datasets.doctor.examination import Report
from core.datasets.doctor.finding import KINDS
from core.datasets.examples import Example, Turn
from core.errors import BadInput, DataError
from core.paths import Workspace
from core.store import datasets
from core.store.datasets import NamedDataset


def check_kinds(kinds: Collection[str]) -> None:
    """Refuse kinds that do not exist, or that the doctor can't do anything about.

    Raises:
        BadInput: With the kinds that there are.
    """
    can = [name for name, kind in KINDS.items() if kind.remedy]
    for name in kinds:
        if name not in can:
            raise BadInput(f"There is nothing to take against {name!r}. Choose from: {', '.join(can)}.")


def mend(examples: Sequence[Example], report: Report, kinds: Collection[str]) -> tuple[list[Example], dict[str, int]]:
    """Return the examples after the remedies for these kinds, and how many rows each changed."""
    wanted = [finding for finding in report.findings if finding.kind in kinds and KINDS[finding.kind].remedy]
    dropped = {row for finding in wanted if KINDS[finding.kind].remedy == "drop" for row in finding.rows}
    mended = {finding.kind: set(finding.rows) for finding in wanted if KINDS[finding.kind].remedy == "mend"}
    kept = [
        _mend_example(example, [kind for kind, rows in mended.items() if row in rows])
        for row, example in enumerate(examples)
        if row not in dropped
    ]
    return kept, {finding.kind: finding.count for finding in wanted}


def _mend_example(example: Example, kinds: list[str]) -> Example:
    if not kinds:
        return example
    return replace(
        example,
        prompt=_mend_text(example.prompt, kinds),
        response=_mend_text(example.response, kinds),
        turns=tuple(Turn(turn.role, _mend_text(turn.text, kinds)) for turn in example.turns),
    )


def _mend_text(text: str, kinds: list[str]) -> str:
    if "odd_characters" in kinds:
        text = writing.mend(text)
    spots = privacy.find_personal(text) if "personal_data" in kinds else []
    if "secrets" in kinds:
        known = spots
        spots = known + [
            one
            for one in privacy.find_secrets(text)
            if not any(one.start < other.end and other.start < one.end for other in known)
        ]
    return privacy.hide(text, spots)


def store(
    workspace: Workspace, db: sqlite3.Connection, one: NamedDataset, kept: list[Example], changed: dict[str, int]
) -> str:
    """Store mended examples as the newest version of their dataset, and return its hash.

    Raises:
        DataError: Nothing is left.
    """
    if not kept:
        raise DataError(f"After this nothing of {one.name!r} would be left. Take fewer remedies.")
    source = {"cleaned_from": one.sha, "remedies": changed, "before": one.manifest["source"]}
    version = versions.save(workspace, db, one.name, kept, source)
    datasets.give_name(db, one.name, version.sha, "clean")
    return version.sha
