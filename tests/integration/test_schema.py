"""The database as a file: busy, broken, of an older or a later version, opened by several at once."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from core.errors import StoreError
from core.paths import PROJECT_DIR, Workspace
from core.store import connection, jobs, schema
from core.store.connection import connect, opened
from core.store.jobs import Job


@pytest.fixture
def db(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    with opened(workspace) as db:
        yield db


def new_job(db: sqlite3.Connection, name: str = "a job") -> Job:
    return jobs.create(db, kind="train", name=name, spec={})


def test_a_database_that_stays_busy_gives_a_sentence(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(workspace.database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"busy.*Try again"), opened(workspace) as db:
            new_job(db)
        with pytest.raises(StoreError, match="busy"):
            schema.find_damage(workspace.database)


def test_a_database_that_is_busy_for_a_moment_is_waited_for(workspace: Workspace) -> None:
    with (
        opened(workspace) as db,
        closing(sqlite3.connect(workspace.database, isolation_level=None, check_same_thread=False)) as holder,
    ):
        holder.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.5, holder.execute, ["COMMIT"])
        release.start()
        assert new_job(db).number == 1
        release.join()


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be one" * 100, b"SQLite format 3\0" * 300]
)
def test_a_file_that_is_no_database_gives_a_sentence(workspace: Workspace, content: bytes) -> None:
    workspace.database.write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged.*atelier doctor --restore"):
        schema.prepare(workspace)
    assert workspace.database.read_bytes() == content


def test_a_place_that_can_not_be_opened_gives_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be opened"):
        connect(tmp_path / "nowhere" / "control.db", several_writers=True)


def test_every_commit_is_on_the_disk_before_it_returns(db: sqlite3.Connection) -> None:
    assert db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == connection.journal_mode().lower()
    assert db.execute("PRAGMA foreign_keys").fetchone()[0] == 1


@pytest.mark.parametrize(
    ("version", "journal"), [((3, 40, 1), "DELETE"), ((3, 51, 2), "DELETE"), ((3, 51, 3), "WAL"), ((4, 0, 0), "WAL")]
)
def test_the_write_ahead_log_is_used_only_where_several_writers_are_safe(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int, int], journal: str
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    assert connection.journal_mode() == journal


def later_version(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """Let the program be one migration later."""
    later = Migrations("control")

    @later()
    def more(db: Database) -> None:
        db.execute("ALTER TABLE jobs ADD COLUMN colour TEXT NOT NULL DEFAULT 'green'")
        db.execute(statement)

    first = schema.migrations

    class Both:
        def apply(self, db: Database) -> None:
            first.apply(db)
            later.apply(db)

    monkeypatch.setattr(schema, "migrations", Both())
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)


def colours(workspace: Workspace) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(workspace.database)) as db:
        return [tuple(row) for row in db.execute("SELECT name, colour FROM jobs ORDER BY number")]


def test_a_migration_keeps_the_rows_and_is_made_once_after_a_backup(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(workspace) as db:
        new_job(db, "kept")
    later_version(monkeypatch, "CREATE TABLE gates (id TEXT PRIMARY KEY)")
    for _ in range(2):
        schema.prepare(workspace)
    assert colours(workspace) == [("kept", "green")]
    saved = list(workspace.backups.glob("control-*.db"))
    assert len(saved) == 1
    with closing(sqlite3.connect(saved[0])) as db:
        assert db.execute("SELECT name FROM jobs").fetchall() == [("kept",)]
        assert db.execute("PRAGMA user_version").fetchone()[0] == schema.VERSION - 1


def test_a_migration_that_fails_half_way_leaves_the_older_version_at_work(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(workspace) as db:
        new_job(db, "kept")
    with monkeypatch.context() as patch:
        later_version(patch, "CREATE TABLE jobs (twice TEXT)")
        with pytest.raises(sqlite3.OperationalError, match="already exists"):
            schema.prepare(workspace)
    schema.prepare(workspace)
    with opened(workspace) as db:
        assert [job.name for job in jobs.recent(db)] == ["kept"]
        assert "colour" not in [row[1] for row in db.execute("PRAGMA table_info(jobs)")]


def test_a_workspace_of_a_later_version_is_refused_and_not_touched(workspace: Workspace) -> None:
    with opened(workspace) as db:
        db.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    before = workspace.database.read_bytes()
    with pytest.raises(StoreError, match="later Atelier"):
        schema.prepare(workspace)
    assert workspace.database.read_bytes() == before
    assert list(workspace.backups.iterdir()) == []


def test_processes_that_open_a_new_workspace_at_once_make_one_database(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from core.paths import Workspace; from core.store import schema; "
    code += "schema.prepare(Workspace(Path(sys.argv[1])))"
    openers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "new")], cwd=PROJECT_DIR, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    assert [(opener.communicate(timeout=60)[1], opener.returncode) for opener in openers] == [(b"", 0)] * 4
    with opened(Workspace(tmp_path / "new")) as db:
        assert new_job(db).number == 1
