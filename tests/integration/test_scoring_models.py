"""Which model scores: what is in production, as soon as it is, and never an adapter made for something else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from core.catalog import bases, rubrics
from core.errors import AdapterUnfit, NotFound
from core.paths import STARTER_DIR, Workspace
from core.scoring import models
from core.store import registry
from core.store.adapters import AdapterRow
from core.store.connection import opened, transaction
from tests.adapters import damage, make_adapter

RUBRIC = rubrics.find("conversation")


def make_scorer(workspace: Workspace, name: str, fingerprint: str = "") -> AdapterRow:
    """Return an adapter that is registered for the rubric, on the shipped base."""
    row = make_adapter(workspace, name)
    card = row.card | {"rubric": RUBRIC.id, "config": row.card["config"] | {"max_length": 777}}
    with opened(workspace) as db, transaction(db):
        db.execute(
            "UPDATE adapters SET card = ?, base_fingerprint = ? WHERE id = ?",
            (json.dumps(card), fingerprint or bases.fingerprint(STARTER_DIR), row.id),
        )
    return row


def promote(workspace: Workspace, row: AdapterRow, before: str = "") -> None:
    moves: registry.Moves = {row.id: ("candidate", "production")}
    if before:
        moves[before] = ("production", "archived")
    with opened(workspace) as db:
        registry.record(
            db,
            scope=models.SCOPE + RUBRIC.id,
            adapter=row.id,
            action="promote",
            before=before,
            moves=moves,
            figures={},
            hashes={},
            note="",
        )


def test_what_is_in_production_scores_from_the_moment_it_is(workspace: Workspace) -> None:
    before = models.resolve(workspace, RUBRIC)
    assert before.id == ("bundled" if models.has_bundle(RUBRIC) else "base")
    first, second = make_scorer(workspace, "First"), make_scorer(workspace, "Second")
    stamps = [models.stamp(workspace, RUBRIC)]
    assert models.resolve(workspace, RUBRIC).id == before.id  # a candidate does not score unasked
    promote(workspace, first)
    stamps.append(models.stamp(workspace, RUBRIC))
    found = models.resolve(workspace, RUBRIC)
    assert (found.id, found.length) == (first.id, 777)
    promote(workspace, second, before=first.id)
    stamps.append(models.stamp(workspace, RUBRIC))
    assert models.resolve(workspace, RUBRIC).id == second.id
    assert len(set(stamps)) == 3 == len({*stamps, models.stamp(workspace, RUBRIC)})
    assert [one.id for one in models.list_models(workspace, RUBRIC) if one.scores] == [second.id]


def test_a_damaged_one_in_production_gives_way_to_the_one_before(workspace: Workspace) -> None:
    first, second = make_scorer(workspace, "First"), make_scorer(workspace, "Second")
    promote(workspace, first)
    promote(workspace, second, before=first.id)
    stamp = models.stamp(workspace, RUBRIC)
    damage(workspace, second.id)
    assert models.stamp(workspace, RUBRIC) != stamp
    assert models.resolve(workspace, RUBRIC).id == first.id


def test_another_file_of_the_base_changes_the_stamp_of_what_is_on_it(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = tmp_path / "base"
    shutil.copytree(STARTER_DIR, base)
    monkeypatch.setattr(bases, "locate", lambda _: base)
    row = make_scorer(workspace, "On a base")
    promote(workspace, row)
    before = [models.stamp(workspace, RUBRIC, asked) for asked in ("", "On a base")]
    os.utime(base / "config.json", (1, 1))
    after = [models.stamp(workspace, RUBRIC, asked) for asked in ("", "On a base")]
    assert len({*before, *after}) == 2 and not set(before) & set(after)
    monkeypatch.setattr(bases, "locate", lambda _: None)
    assert models.stamp(workspace, RUBRIC) not in {*before, *after}  # a base that is gone is told by the request


def test_one_that_is_asked_for_scores_if_it_fits(workspace: Workspace) -> None:
    row = make_scorer(workspace, "Mine")
    assert models.resolve(workspace, RUBRIC, "Mine") == models.resolve(workspace, RUBRIC, row.id[:8])
    assert models.resolve(workspace, RUBRIC, "base").adapter_folder is None
    with pytest.raises(NotFound, match="no adapter 'nobody'"):
        models.resolve(workspace, RUBRIC, "nobody")
    make_adapter(workspace, "For banks", "banking")
    with pytest.raises(AdapterUnfit, match="trained for 'banking', not for the rubric 'conversation'"):
        models.resolve(workspace, RUBRIC, "For banks")
    make_scorer(workspace, "Elsewhere", fingerprint="e" * 64)
    with pytest.raises(AdapterUnfit, match="made for another base"):
        models.resolve(workspace, RUBRIC, "Elsewhere")
    damage(workspace, row.id)
    with pytest.raises(AdapterUnfit, match="can't be used"):
        models.resolve(workspace, RUBRIC, "Mine")
