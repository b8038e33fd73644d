"""A job's own database: metric rows, progress and heartbeat. One writer, any number of readers.

Metrics that are logged together form a group and share one row per step: their values as packed doubles, so that a
step costs one insert, NaN and infinities survive, and a million points are read in one sweep.
"""

import json
import math
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from core.errors import DamagedDatabase
from core.store.connection import connect, connect_readonly, transaction, translated_errors

T = TypeVar("T")
Names = tuple[str, ...]
Take = Callable[[Names, np.ndarray, np.ndarray], None]
PIECE_ROWS = 20_000

SCHEMA = """
    CREATE TABLE IF NOT EXISTS groups (id INTEGER PRIMARY KEY, names TEXT NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS points (
        "group" INTEGER NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, "values" BLOB NOT NULL,
        PRIMARY KEY ("group", step)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS superseded (
        "group" INTEGER NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, "values" BLOB NOT NULL,
        PRIMARY KEY ("group", step, attempt)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS progress (
        id INTEGER PRIMARY KEY CHECK (id = 1), attempt INTEGER NOT NULL, phase TEXT NOT NULL, step INTEGER NOT NULL,
        steps INTEGER NOT NULL, rate REAL NOT NULL, seconds_left REAL, seconds REAL NOT NULL,
        heartbeat INTEGER NOT NULL,
        milestones INTEGER NOT NULL, note TEXT NOT NULL);
    INSERT OR IGNORE INTO progress VALUES (1, 0, 'waiting', 0, 0, 0, NULL, 0, 0, 0, '');
"""


@dataclass(frozen=True)
class Progress:
    """Where a job is: `rate` in units of the phase per second, `seconds` since the attempt began.

    `milestones` counts what no restart does again, such as saved checkpoints: a job that dies without a new one makes
    no progress.
    """

    attempt: int
    phase: str
    step: int
    steps: int
    rate: float
    seconds_left: float | None
    seconds: float
    heartbeat: int
    milestones: int
    note: str


class MetricWriter:
    """Writes one job's metrics; each `log` is committed before it returns, so a killed worker loses none."""

    def __init__(self, path: Path, attempt: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db, self._groups = _open(path)
        except DamagedDatabase:  # readings are not worth a job: they start anew
            for part in path.parent.glob(f"{path.name}*"):
                part.replace(part.with_name(f"damaged-{attempt}-{part.name}"))
            self._db, self._groups = _open(path)
        self._attempt = attempt
        self._lock = threading.Lock()  # the training loop and the hardware sampler share the connection
        self._db.execute("UPDATE progress SET attempt = ?, rate = 0, seconds_left = NULL, note = ''", (attempt,))

    def supersede_after(self, step: int, except_names: Iterable[str] = ()) -> None:
        """Put aside the rows behind `step`, where this attempt goes on; history keeps them, charts do not.

        Args:
            except_names: Metrics that are not counted in training steps, such as hardware readings.
        """
        with self._lock, transaction(self._db):
            spared = [group for names, group in self._groups.items() if set(names) & set(except_names)]
            marks = ", ".join("?" * len(spared))
            where = f'step > ? AND "group" NOT IN ({marks})'
            self._db.execute(f"INSERT OR REPLACE INTO superseded SELECT * FROM points WHERE {where}", (step, *spared))
            self._db.execute(f"DELETE FROM points WHERE {where}", (step, *spared))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Store the values of one group at one step; NaN and infinities are kept as they are."""
        names = tuple(values)
        group = self._groups.get(names)
        if group is None:
            group = self._add_group(names)
        packed = struct.pack(f"<{len(names)}d", *values.values())
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO points VALUES (?, ?, ?, ?)", (group, step, self._attempt, packed))

    def _add_group(self, names: tuple[str, ...]) -> int:
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO groups (names) VALUES (?)", (json.dumps(names),))
            group: int = self._db.execute("SELECT id FROM groups WHERE names = ?", (json.dumps(names),)).fetchone()[0]
            self._groups[names] = group
        return group

    def report(
        self, phase: str, step: int, steps: int, rate: float, seconds_left: float | None, seconds: float, note: str = ""
    ) -> None:
        with self._lock:
            self._db.execute(
                "UPDATE progress SET phase = ?, step = ?, steps = ?, rate = ?, seconds_left = ?, seconds = ?, note = ?",
                (phase, step, steps, rate, seconds_left, seconds, note),
            )

    def beat(self) -> None:
        with self._lock:
            self._db.execute("UPDATE progress SET heartbeat = heartbeat + 1")

    def mark_milestone(self) -> None:
        with self._lock:
            self._db.execute("UPDATE progress SET milestones = milestones + 1")

    def close(self) -> None:
        with self._lock:
            self._db.close()


def _open(path: Path) -> tuple[sqlite3.Connection, dict[Names, int]]:
    db = connect(path, several_writers=False)
    try:
        with translated_errors(path):
            db.executescript(SCHEMA)
            groups = {tuple(json.loads(names)): group for group, names in db.execute("SELECT id, names FROM groups")}
    except BaseException:
        db.close()
        raise
    return db, groups


@dataclass(frozen=True)
class Series:
    """One metric over the steps: `steps` int64 and `values` float64 of the same length."""

    steps: np.ndarray
    values: np.ndarray


EMPTY = Series(np.empty(0, np.int64), np.empty(0, np.float64))


def read_progress(path: Path) -> Progress | None:
    columns = "attempt, phase, step, steps, rate, seconds_left, seconds, heartbeat, milestones, note"
    row = _read(path, lambda db: db.execute(f"SELECT {columns} FROM progress").fetchone(), None)
    return Progress(*row) if row else None


def read_series(path: Path) -> dict[str, Series]:
    """Return every metric by name, whole."""
    pieces: dict[str, list[Series]] = {}

    def take(names: Names, steps: np.ndarray, values: np.ndarray) -> None:
        for column, name in enumerate(names):
            pieces.setdefault(name, []).append(Series(steps, values[:, column]))

    visit_points(path, {}, take)
    return {name: _joined(parts) for name, parts in pieces.items()}


def visit_points(path: Path, after: Mapping[Names, int], take: Take) -> None:
    """Read the points behind the step that `after` gives for their group, piece by piece, in each group by step.

    Args:
        take: Gets the group's names, steps (n,) int64 and values (n, names) float64.
    """
    _read(path, lambda db: _visit(db, after, take), None)


def _read(path: Path, ask: Callable[[sqlite3.Connection], T], nothing: T) -> T:
    """Ask a job's database; before its worker has made it there is nothing.

    Raises:
        DamagedDatabase: SQLite can't read it any more.
    """
    if not path.exists():
        return nothing
    try:
        with closing(connect_readonly(path)) as db:
            return ask(db)
    except sqlite3.OperationalError:  # the worker is just making it
        return nothing
    except sqlite3.DatabaseError as error:
        raise DamagedDatabase(f"The readings in {path} are damaged. The job goes on without them.") from error


def _visit(db: sqlite3.Connection, after: Mapping[Names, int], take: Take) -> None:
    for group, names in _groups(db):
        points = db.execute(
            'SELECT step, "values" FROM points WHERE "group" = ? AND step > ? ORDER BY step',
            (group, after.get(names, -1)),
        )
        while rows := points.fetchmany(PIECE_ROWS):
            steps = np.fromiter((row[0] for row in rows), np.int64, len(rows))
            values = np.frombuffer(b"".join(row[1] for row in rows), "<f8").reshape(len(rows), len(names))
            take(names, steps, values)


def _groups(db: sqlite3.Connection) -> list[tuple[int, Names]]:
    return [(group, tuple(json.loads(names))) for group, names in db.execute("SELECT id, names FROM groups")]


def _joined(parts: list[Series]) -> Series:
    """Join the pieces of a metric; the steps of a group are in order, those of two groups need not be."""
    steps = np.concatenate([part.steps for part in parts])
    order = np.argsort(steps, kind="stable")
    return Series(steps[order], np.concatenate([part.values for part in parts])[order])


def read_last(path: Path) -> dict[str, float]:
    """Return the newest finite value of every metric."""
    found: dict[str, tuple[int, float]] = {}

    def ask(db: sqlite3.Connection) -> None:
        for group, names in _groups(db):
            wanted = set(names)
            points = db.execute('SELECT step, "values" FROM points WHERE "group" = ? ORDER BY step DESC', (group,))
            for step, packed in points:
                values = dict(zip(names, struct.unpack(f"<{len(names)}d", packed), strict=True))
                for name in [name for name in wanted if math.isfinite(values[name])]:
                    wanted.remove(name)
                    found[name] = max(found.get(name, (step, values[name])), (step, values[name]))
                if not wanted:
                    break

    _read(path, ask, None)
    return {name: value for name, (_, value) in found.items()}


def read_last_step(path: Path, metric: str) -> int | None:
    """Return the step of a metric's newest point, or None where it has none."""

    def ask(db: sqlite3.Connection) -> list[int]:
        last = 'SELECT max(step) FROM points WHERE "group" = ?'
        steps = [db.execute(last, (group,)).fetchone()[0] for group, names in _groups(db) if metric in names]
        return [step for step in steps if step is not None]

    none: list[int] = []
    return max(_read(path, ask, none), default=None)


def find_not_finite(path: Path) -> list[tuple[str, int, str]]:
    """Return (metric, step, 'nan' or 'inf') of every value that is no number."""
    return [
        (name, int(step), "nan" if math.isnan(value) else "inf")
        for name, series in read_series(path).items()
        for step, value in zip(series.steps, series.values, strict=True)
        if not math.isfinite(value)
    ]
