"""What is kept of transcripts: for its owner's eyes, and gone when it is deleted, also from journals and backups."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from core.errors import NotFound, StoreError
from core.paths import Workspace
from core.store import backup, jobs, scoring
from core.store.connection import opened

CANARY = "Nurse: Mrs Abelard-Quist, your result is 4711-XQ."


def files_with(workspace: Workspace, text: str) -> list[Path]:
    return [path for path in workspace.root.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def keep(workspace: Workspace, transcript: str = CANARY, name: str = "talk") -> str:
    return scoring.keep(
        workspace, name=name, rubric="conversation", adapter="bundled", transcript=transcript, result={"overall": 3.5}
    )


def correct(workspace: Workspace, transcript: str = CANARY) -> int:
    return scoring.add_correction(
        workspace,
        who="Ada",
        rubric="conversation",
        adapter="bundled",
        transcript=transcript,
        scored={"overall": 3.5},
        corrected={"scores": {"empathy": 2}, "reasons": {"empathy": "Passes over the worry."}},
        note="second look",
    )


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_what_is_deleted_is_in_no_file_any_more(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("core.store.connection.journal_mode", lambda: mode)
    long = CANARY + " word" * 4000  # such a row is spread over pages of its own
    with opened(workspace) as other:  # an open program, as the app is
        ids = [keep(workspace, long, f"talk {number}") for number in range(30)]
        numbers = [correct(workspace, long) for _ in range(5)]
        backup.save(workspace)
        assert files_with(workspace, "4711-XQ")
        scoring.delete(workspace, "scorings", ids[3])
        scoring.delete(workspace, "corrections", numbers[0])
        assert {one.id for one in scoring.kept(other)} == set(ids) - {ids[3]}
        jobs.create(other, kind="train", name="in between", spec={})
        assert scoring.delete_all(workspace, "scorings") == 29
        assert scoring.delete_all(workspace, "corrections") == 4
        assert files_with(workspace, "4711-XQ") == []
        assert files_with(workspace, "word word") == []
        assert [job.name for job in jobs.recent(other)] == ["in between"]
    for path in workspace.backups.glob("control-*.db"):
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_one_deletion_takes_one_transcript_and_leaves_the_others_readable(workspace: Workspace) -> None:
    first, second = keep(workspace, "Nurse: Alpha-1."), keep(workspace, "Nurse: Beta-2.")
    scoring.delete(workspace, "scorings", first)
    assert files_with(workspace, "Alpha-1") == []
    with opened(workspace) as db:
        assert scoring.find_kept(db, second).transcript == "Nurse: Beta-2."
        with pytest.raises(NotFound, match="may have been deleted"):
            scoring.find_kept(db, first)
    with pytest.raises(NotFound):
        scoring.delete(workspace, "scorings", first)


def test_a_deletion_that_cannot_empty_the_log_cleans_the_backups_and_is_finished_by_the_next(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.connection.journal_mode", lambda: "WAL")
    for module in ("connection", "scoring"):
        monkeypatch.setattr(f"core.store.{module}.BUSY_TIMEOUT_S", 0.1)
    one = keep(workspace)
    backup.save(workspace)
    with opened(workspace) as other:
        other.execute("BEGIN")
        assert other.execute("SELECT count(*) FROM scorings").fetchone()[0] == 1
        with pytest.raises(StoreError, match="database's log, which another program reads"):
            scoring.delete(workspace, "scorings", one)
        assert not any(workspace.backups in path.parents for path in files_with(workspace, "4711-XQ"))
        other.execute("ROLLBACK")
        with pytest.raises(NotFound, match="nothing of it is left now"):
            scoring.delete(workspace, "scorings", one)
        assert files_with(workspace, "4711-XQ") == []


def test_a_deletion_that_a_backup_refused_can_be_repeated(workspace: Workspace) -> None:
    one = keep(workspace)
    saved = backup.save(workspace)
    sound = saved.read_bytes()
    saved.write_bytes(b"no database " * 500)
    with pytest.raises(StoreError, match=f"in 1 backups, such as .*{saved.name}"):
        scoring.delete(workspace, "scorings", one)
    saved.write_bytes(sound)
    scoring.delete(workspace, "scorings", one)
    assert files_with(workspace, "4711-XQ") == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_files_that_hold_transcripts_are_their_owners_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr("core.store.connection.journal_mode", lambda: mode)
    workspace.database.chmod(0o644)
    with opened(workspace) as other:
        keep(workspace)
        correct(workspace)
        backup.save(workspace)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files_with(workspace, "4711-XQ")}
        assert other.execute("SELECT count(*) FROM scorings").fetchone()[0] == 1
    assert len(modes) >= 2 and set(modes.values()) == {0o600}, modes


def test_corrections_come_back_as_they_were_given(workspace: Workspace) -> None:
    correct(workspace)
    with opened(workspace) as db:
        (one,) = scoring.corrections_of(db, "conversation")
        assert scoring.corrections_of(db, "another") == []
    assert (one.who, one.transcript, one.note) == ("Ada", CANARY, "second look")
    assert one.corrected == {"scores": {"empathy": 2}, "reasons": {"empathy": "Passes over the worry."}}


def test_the_newest_calibration_of_a_model_stands_first(workspace: Workspace) -> None:
    with opened(workspace) as db:
        for name in ("one", "two"):
            scoring.save_calibration(db, name, "conversation", "bundled", {"told": name})
        scoring.save_calibration(db, "three", "conversation", "another adapter", {})
        scoring.save_calibration(db, "one", "conversation", "bundled", {"told": "one"})
        assert [row.id for row in scoring.calibrations_of(db, "conversation", "bundled")] == ["one", "two"]
        scoring.delete_calibration(db, "one")
        assert [row.id for row in scoring.calibrations_of(db, "conversation", "bundled")] == ["two"]
