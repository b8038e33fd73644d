"""Backups of the database, and what is done when it is damaged: the newest sound copy serves, nothing is lost."""

import errno
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from core import durable
from core.cli import doctor
from core.errors import StoreError
from core.paths import PROJECT_DIR, Workspace
from core.process.liveness import FileLock
from core.process.queue import presence_lock
from core.store import backup, jobs, schema
from core.store.connection import opened, transaction


def add_jobs(workspace: Workspace, count: int, name: str = "job") -> None:
    with opened(workspace) as db:
        for number in range(count):
            jobs.create(db, kind="train", name=f"{name} {number}", spec={"text": "x" * 500})


def names_in(workspace: Workspace) -> list[str]:
    with opened(workspace) as db:
        return [job.name for job in reversed(jobs.recent(db, 1000))]


def damage(workspace: Workspace) -> bytes:
    """Overwrite the database's second half, and return what it holds then."""
    content = workspace.database.read_bytes()
    workspace.database.write_bytes(content[: len(content) // 2] + b"\xa5" * (len(content) // 2))
    return workspace.database.read_bytes()


def restore_by_command(workspace: Workspace) -> list[dict[str, str]]:
    """Run the real command and return what it found about the database."""
    done = subprocess.run(
        [sys.executable, "-m", "core.cli.main", "doctor", "--json", "--restore"],
        cwd=PROJECT_DIR,
        env=os.environ | {"ATELIER_HOME": str(workspace.root)},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    findings: list[dict[str, str]] = json.loads(done.stdout)
    return [one for one in findings if "atabase" in one["text"] and one["area"] == "workspace"]


def test_the_doctor_restores_the_newest_backup_and_puts_the_damaged_files_aside(workspace: Workspace) -> None:
    add_jobs(workspace, 30)
    backup.save(workspace)
    wreck = damage(workspace)
    with pytest.raises(StoreError, match=r"damaged.*atelier doctor --restore"):
        names_in(workspace)
    [restored] = restore_by_command(workspace)
    assert "put aside" in restored["text"] and "backup" in restored["text"]
    assert names_in(workspace) == [f"job {number}" for number in range(30)]
    assert schema.find_damage(workspace.database) is None
    [aside] = (workspace.root / "damaged").iterdir()
    assert (aside / "control.db").read_bytes() == wreck


def test_nothing_is_restored_under_an_open_app(workspace: Workspace) -> None:
    backup.save(workspace)
    wreck = damage(workspace)
    app = FileLock(presence_lock(workspace))
    assert app.acquire(shared=True)
    [found] = [one for one in doctor.look_at_workspace(workspace, restore=True) if "atabase" in one.text]
    assert found.severity == "problem" and "Close the app" in found.remedy
    assert workspace.database.read_bytes() == wreck
    app.release()


def test_a_backup_of_a_database_in_use_holds_whole_transactions(workspace: Workspace) -> None:
    done = threading.Event()

    def write() -> None:
        with opened(workspace) as db:
            while not done.is_set():
                with transaction(db):
                    job = jobs.in_states(db, ("queued",))
                    assert len(job) == 1
                    jobs.move_within(db, job[0], "starting")
                    db.execute("UPDATE jobs SET name = name || '.', attempt = attempt + 1")
                    jobs.move_within(db, jobs.get(db, job[0].id), "lost")
                    jobs.move_within(db, jobs.get(db, job[0].id), "queued")

    add_jobs(workspace, 1, "")
    writer = threading.Thread(target=write)
    writer.start()
    saved = [backup.save(workspace) for _ in range(3)]
    done.set()
    writer.join()
    for path in saved:
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            name, attempt, state = db.execute("SELECT name, attempt, state FROM jobs").fetchone()
            assert (len(name) - len(" 0"), state) == (attempt, "queued")
            assert db.execute("SELECT count(*) FROM job_events").fetchone()[0] == 1 + 3 * attempt


def test_the_newest_backups_are_kept_and_their_names_sort_by_time(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "KEPT", 3)
    clock = iter(1_900_000_000_000_000_000 + 1_000 * step for step in range(6))
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))
    saved = []
    for number in range(6):
        with opened(workspace) as db:
            db.execute(f"PRAGMA user_version={number}")
        saved.append(backup.save(workspace))
    assert saved == sorted(saved)
    assert sorted(workspace.backups.iterdir()) == saved[-3:]


def test_a_damaged_backup_is_passed_over(workspace: Workspace) -> None:
    add_jobs(workspace, 3)
    good = backup.save(workspace)
    add_jobs(workspace, 3, "later")
    for content in (b"", b"junk" * 5000, good.read_bytes()[:5000]):
        backup.save(workspace).write_bytes(content)
    damage(workspace)
    assert backup.restore(workspace) == good
    assert names_in(workspace) == ["job 0", "job 1", "job 2"]


def test_without_a_backup_the_workspace_starts_afresh_and_the_damaged_files_are_kept(workspace: Workspace) -> None:
    add_jobs(workspace, 3)
    wreck = damage(workspace)
    beside = workspace.database.with_name("control.db-journal")
    beside.write_bytes(b"its journal")
    assert backup.restore(workspace) is None
    schema.prepare(workspace)
    assert names_in(workspace) == []
    [aside] = (workspace.root / "damaged").iterdir()
    assert (aside / "control.db").read_bytes() == wreck
    assert (aside / "control.db-journal").read_bytes() == b"its journal"
    assert not beside.exists()


def test_a_backup_that_finds_no_room_leaves_nothing_and_spares_the_older_ones(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = backup.save(workspace)

    def refuse(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(durable, "sync_file", refuse)
    with pytest.raises(OSError, match="No space left"):
        backup.save(workspace)
    assert list(workspace.backups.iterdir()) == [older]


def test_random_damage_is_never_more_than_a_sentence_and_the_backup_always_comes_back(workspace: Workspace) -> None:
    seed = 20260730
    chance = random.Random(seed)
    add_jobs(workspace, 12)
    backup.save(workspace)
    whole, found = workspace.database.read_bytes(), 0
    for _ in range(60):
        wreck = bytearray(whole)
        if chance.random() < 0.3:
            wreck = wreck[: chance.randrange(len(wreck))]
        for _ in range(chance.choice((1, 8, 200))):
            if wreck:
                wreck[chance.randrange(len(wreck))] = chance.randrange(256)
        workspace.database.write_bytes(wreck)
        if schema.find_damage(workspace.database) is None:
            continue
        found += 1
        assert backup.restore(workspace) is not None
        assert schema.find_damage(workspace.database) is None
        assert len(names_in(workspace)) == 12
        workspace.database.write_bytes(whole)
    assert found > 20, f"seed {seed}"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_what_a_killed_writer_left_half_written_is_rolled_back_and_counts_as_no_damage(workspace: Workspace) -> None:
    add_jobs(workspace, 40)
    child = os.fork()
    if child == 0:
        db = sqlite3.connect(workspace.database, isolation_level=None)
        db.execute("PRAGMA cache_size=5")  # so that pages go to the file before the commit
        db.execute("BEGIN IMMEDIATE")
        db.execute("UPDATE jobs SET name = 'half', spec = zeroblob(20000)")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    left = [workspace.database.with_name(f"control.db-{part}") for part in ("journal", "wal")]
    assert any(part.exists() and part.stat().st_size for part in left)
    assert schema.find_damage(workspace.database) is None
    assert names_in(workspace) == [f"job {number}" for number in range(40)]
