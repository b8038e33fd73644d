"""The schema of control.db as a list of migrations, and what is done when a workspace is opened."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlite_utils import Database, Migrations

from core.errors import DamagedDatabase, StoreError
from core.paths import Workspace
from core.store import backup, connection
from core.store.connection import connect, transaction, translated_errors
from core.store.states import MOVES, STATES

migrations = Migrations("control")
VERSION = 7  # raise it with every migration that is added


@migrations()
def jobs(db: Database) -> None:
    states = ", ".join(f"'{state}'" for state in STATES)
    db.execute(f"""
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY,
            number INTEGER NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ({states})),
            reason TEXT NOT NULL DEFAULT '',
            priority INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 2),
            request TEXT CHECK (request IN ('pause', 'preempt', 'cancel')),
            spec TEXT NOT NULL,
            dataset TEXT,
            attempt INTEGER NOT NULL DEFAULT 0,
            token TEXT NOT NULL DEFAULT '',
            losses INTEGER NOT NULL DEFAULT 0,
            lost_at INTEGER NOT NULL DEFAULT -1,
            device TEXT NOT NULL DEFAULT '',
            created_at REAL NOT NULL,
            started_at REAL,
            ended_at REAL,
            error TEXT NOT NULL DEFAULT '',
            traceback TEXT NOT NULL DEFAULT '',
            estimate TEXT NOT NULL DEFAULT '{{}}',
            result TEXT NOT NULL DEFAULT '{{}}',
            retry_of TEXT REFERENCES jobs(id),
            form_token TEXT UNIQUE
        )""")
    db.execute("CREATE INDEX jobs_by_state ON jobs(state, priority DESC, number)")
    db.execute("CREATE TABLE job_moves (before TEXT NOT NULL, after TEXT NOT NULL, PRIMARY KEY (before, after))")
    for before, allowed in MOVES.items():
        for after in allowed:
            db.execute("INSERT INTO job_moves VALUES (?, ?)", (before, after))
    db.execute("""
        CREATE TRIGGER jobs_move BEFORE UPDATE OF state ON jobs
        WHEN NEW.state <> OLD.state
            AND NOT EXISTS (SELECT 1 FROM job_moves WHERE before = OLD.state AND after = NEW.state)
        BEGIN SELECT RAISE(ABORT, 'this move between job states is not allowed'); END""")
    db.execute("""
        CREATE TABLE job_events (
            id INTEGER PRIMARY KEY,
            job TEXT NOT NULL REFERENCES jobs(id),
            at REAL NOT NULL,
            before TEXT NOT NULL,
            after TEXT NOT NULL,
            note TEXT NOT NULL DEFAULT ''
        )""")
    db.execute("CREATE INDEX job_events_by_job ON job_events(job, id)")


@migrations()
def results(db: Database) -> None:
    db.execute("""
        CREATE TABLE datasets (
            sha TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            rows INTEGER NOT NULL,
            manifest TEXT NOT NULL,
            created_at REAL NOT NULL
        )""")
    db.execute("""
        CREATE TABLE adapters (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL,
            job TEXT NOT NULL REFERENCES jobs(id),
            base TEXT NOT NULL,
            base_fingerprint TEXT NOT NULL,
            dataset TEXT NOT NULL,
            weights_sha TEXT NOT NULL,
            card TEXT NOT NULL,
            created_at REAL NOT NULL
        )""")
    db.execute("""
        CREATE TABLE evaluations (
            id TEXT PRIMARY KEY,
            job TEXT NOT NULL REFERENCES jobs(id),
            base TEXT NOT NULL,
            base_fingerprint TEXT NOT NULL,
            adapter TEXT NOT NULL DEFAULT '',
            benchmark TEXT NOT NULL,
            benchmark_sha TEXT NOT NULL,
            settings_sha TEXT NOT NULL,
            items INTEGER NOT NULL,
            score REAL NOT NULL,
            low REAL NOT NULL,
            high REAL NOT NULL,
            components TEXT NOT NULL,
            seconds REAL NOT NULL,
            tokens INTEGER NOT NULL,
            created_at REAL NOT NULL
        )""")
    db.execute(
        "CREATE INDEX evaluations_by_model ON evaluations(base_fingerprint, adapter, benchmark_sha, settings_sha)"
    )
    db.execute("CREATE INDEX evaluations_by_job ON evaluations(job)")
    db.execute("""
        CREATE TABLE evaluation_items (
            evaluation TEXT NOT NULL REFERENCES evaluations(id) ON DELETE CASCADE,
            item TEXT NOT NULL,
            component TEXT NOT NULL,
            answer TEXT NOT NULL,
            score REAL NOT NULL,
            PRIMARY KEY (evaluation, item)
        ) WITHOUT ROWID""")
    db.execute("""
        CREATE TABLE verdicts (
            id TEXT PRIMARY KEY,
            job TEXT NOT NULL REFERENCES jobs(id),
            base_evaluation TEXT NOT NULL REFERENCES evaluations(id),
            tuned_evaluation TEXT NOT NULL REFERENCES evaluations(id),
            benchmark TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('better', 'not proven', 'worse')),
            content TEXT NOT NULL,
            created_at REAL NOT NULL
        )""")
    db.execute("CREATE INDEX verdicts_by_job ON verdicts(job)")
    db.execute("""
        CREATE TABLE measurements (
            job TEXT PRIMARY KEY REFERENCES jobs(id),
            machine TEXT NOT NULL,
            base_fingerprint TEXT NOT NULL,
            features TEXT NOT NULL,
            predicted TEXT NOT NULL,
            measured TEXT NOT NULL,
            created_at REAL NOT NULL
        )""")


@migrations()
def dataset_names(db: Database) -> None:
    """What people call their datasets: a name goes through versions, a version may have several names."""
    db.execute("""
        CREATE TABLE dataset_names (
            name TEXT NOT NULL,
            sha TEXT NOT NULL REFERENCES datasets(sha),
            kind TEXT NOT NULL,
            created_at REAL NOT NULL,
            PRIMARY KEY (name, sha)
        )""")
    db.execute("CREATE INDEX dataset_names_by_sha ON dataset_names(sha)")
    db.execute("CREATE INDEX jobs_by_dataset ON jobs(dataset)")


@migrations()
def evaluation_metrics(db: Database) -> None:
    db.execute("ALTER TABLE evaluations ADD COLUMN metrics TEXT NOT NULL DEFAULT '{}'")


@migrations()
def registry(db: Database) -> None:
    """Which adapter serves which industry or specialist, what was decided about it, own benchmarks, votes of people."""
    db.execute("""
        CREATE TABLE stages (
            scope TEXT NOT NULL,
            adapter TEXT NOT NULL REFERENCES adapters(id),
            stage TEXT NOT NULL CHECK (stage IN ('candidate', 'production', 'archived')),
            since REAL NOT NULL,
            PRIMARY KEY (scope, adapter)
        )""")
    db.execute("CREATE UNIQUE INDEX one_in_production ON stages(scope) WHERE stage = 'production'")
    db.execute("""
        CREATE TABLE decisions (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            scope TEXT NOT NULL,
            adapter TEXT NOT NULL REFERENCES adapters(id),
            action TEXT NOT NULL CHECK (action IN ('promote', 'hold', 'rollback', 'archive', 'undo')),
            before TEXT NOT NULL DEFAULT '',
            after TEXT NOT NULL DEFAULT '',
            figures TEXT NOT NULL,
            hashes TEXT NOT NULL,
            note TEXT NOT NULL DEFAULT '',
            undoes INTEGER UNIQUE REFERENCES decisions(id)
        )""")
    db.execute("CREATE INDEX decisions_by_scope ON decisions(scope, id)")
    db.execute("""
        CREATE TABLE benchmark_names (
            name TEXT NOT NULL,
            sha TEXT NOT NULL,
            kind TEXT NOT NULL,
            items INTEGER NOT NULL,
            created_at REAL NOT NULL,
            PRIMARY KEY (name, sha)
        )""")
    db.execute("""
        CREATE TABLE votes (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            benchmark TEXT NOT NULL,
            item TEXT NOT NULL,
            first TEXT NOT NULL REFERENCES evaluations(id),
            second TEXT NOT NULL REFERENCES evaluations(id),
            choice TEXT NOT NULL CHECK (choice IN ('first', 'second', 'tie')),
            rater TEXT NOT NULL DEFAULT ''
        )""")
    db.execute("CREATE INDEX votes_by_pair ON votes(first, second)")


@migrations()
def evaluation_details(db: Database) -> None:
    """How an endpoint was asked, what it called itself, and what that cost."""
    db.execute("ALTER TABLE evaluations ADD COLUMN details TEXT NOT NULL DEFAULT '{}'")


@migrations()
def scoring(db: Database) -> None:
    """Calibrations against people's ratings, what people corrected, and scored transcripts that somebody keeps."""
    db.execute("""
        CREATE TABLE calibrations (
            id TEXT PRIMARY KEY,
            rubric TEXT NOT NULL,
            adapter TEXT NOT NULL,
            content TEXT NOT NULL,
            created_at REAL NOT NULL
        )""")
    db.execute("CREATE INDEX calibrations_by_model ON calibrations(rubric, adapter, created_at)")
    db.execute("""
        CREATE TABLE corrections (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            who TEXT NOT NULL,
            rubric TEXT NOT NULL,
            adapter TEXT NOT NULL,
            transcript TEXT NOT NULL,
            scored TEXT NOT NULL,
            corrected TEXT NOT NULL,
            note TEXT NOT NULL DEFAULT ''
        )""")
    db.execute("""
        CREATE TABLE scorings (
            id TEXT PRIMARY KEY,
            at REAL NOT NULL,
            name TEXT NOT NULL,
            rubric TEXT NOT NULL,
            adapter TEXT NOT NULL,
            transcript TEXT NOT NULL,
            result TEXT NOT NULL
        )""")


@migrations()
def gate_at_work(db: Database) -> None:
    """What the gate said when a job ended, and what people found who reviewed an adapter."""
    db.execute("""
        CREATE TABLE proposals (
            adapter TEXT PRIMARY KEY REFERENCES adapters(id),
            at REAL NOT NULL,
            scope TEXT NOT NULL,
            action TEXT NOT NULL DEFAULT '' CHECK (action IN ('', 'promote', 'hold')),
            sentence TEXT NOT NULL DEFAULT '',
            decision INTEGER REFERENCES decisions(id),
            content TEXT NOT NULL DEFAULT '{}'
        )""")
    db.execute("""
        CREATE TABLE reviews (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            adapter TEXT NOT NULL REFERENCES adapters(id),
            weights_sha TEXT NOT NULL,
            who TEXT NOT NULL,
            finding TEXT NOT NULL CHECK (finding IN ('fit', 'unfit')),
            note TEXT NOT NULL
        )""")
    db.execute("CREATE INDEX reviews_by_adapter ON reviews(adapter, id)")


def prepare(workspace: Workspace) -> None:
    """Make a workspace's folders and bring its database to this version, after a backup of the old one.

    Raises:
        StoreError: The database is damaged, locked, or was written by a later version.
    """
    workspace.create()
    path = workspace.database
    loss = backup.find_loss(workspace)
    if loss:
        raise DamagedDatabase(
            f"The database {path} is lost: {loss}. Stop Atelier and run `atelier doctor --restore`, or remove "
            f"{workspace.backups} to start afresh."
        )
    with closing(connect(path, several_writers=True)) as db, translated_errors(path):
        if is_current(db):
            return
        if db.execute("PRAGMA user_version").fetchone()[0]:
            backup.save(workspace)
        with transaction(db):  # two processes may open a new workspace at once; the second finds it done
            if not is_current(db):
                migrations.apply(Database(db))
                db.execute(f"PRAGMA user_version={VERSION}")


def is_current(db: sqlite3.Connection) -> bool:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StoreError("The workspace was written by a later Atelier. Update this one.")
    return version == VERSION


def find_damage(path: Path) -> str | None:
    """Return what SQLite's quick check says, or None for a sound database.

    Opened for writing, since what a killed program left half-written is rolled back first.

    Raises:
        StoreError: The database is busy or can't be opened, which says nothing about its soundness.
    """
    wait_s = connection.BUSY_TIMEOUT_S
    try:
        with (
            translated_errors(path),
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=wait_s)) as db,
        ):
            verdict: str = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    except DamagedDatabase as error:
        return str(error.__cause__)
    except UnicodeDecodeError:  # SQLite's own message quotes a damaged schema
        return "its schema is unreadable"
    return None if verdict == "ok" else verdict
