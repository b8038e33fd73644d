"""Own benchmarks by name: a name goes through versions, each named by the hash of its content."""

import difflib
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from core.errors import NotFound
from core.store.connection import transaction


@dataclass(frozen=True)
class NamedBenchmark:
    """The newest version of a name; `kind` says what it tests, `versions` how many there are."""

    name: str
    sha: str
    kind: str
    items: int
    versions: int
    created_at: float


_NAMED = """
    SELECT name, sha, kind, items, count(*) OVER (PARTITION BY name) AS versions, created_at,
        row_number() OVER (PARTITION BY name ORDER BY created_at DESC, rowid DESC) AS place
    FROM benchmark_names"""


def _named(row: sqlite3.Row) -> NamedBenchmark:
    values: dict[str, Any] = dict(row)
    del values["place"]
    return NamedBenchmark(**values)


def give_name(db: sqlite3.Connection, name: str, sha: str, kind: str, items: int) -> None:
    """Call a pinned benchmark by a name; it becomes the name's newest version."""
    with transaction(db):
        db.execute(
            "INSERT OR REPLACE INTO benchmark_names VALUES (?, ?, ?, ?, ?)", (name, sha, kind, items, time.time())
        )


def named(db: sqlite3.Connection) -> list[NamedBenchmark]:
    """Return every name in its newest version, the newest first."""
    return [_named(row) for row in db.execute(f"SELECT * FROM ({_NAMED}) WHERE place = 1 ORDER BY created_at DESC")]


def find(db: sqlite3.Connection, name: str) -> NamedBenchmark:
    """Return a benchmark by its name, in its newest version.

    Raises:
        NotFound: There is none of this name.
    """
    row = db.execute(f"SELECT * FROM ({_NAMED}) WHERE name = ? AND place = 1", (name,)).fetchone()
    if row is not None:
        return _named(row)
    known = [one.name for one in named(db)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    have = f" There are: {', '.join(known[:8])}." if known else " Add one with `atelier benchmarks add`."
    raise NotFound(f"There is no own benchmark {name!r}.{hint}{have}")


def kinds_by_sha(db: sqlite3.Connection) -> dict[str, str]:
    """Return what each version of an own benchmark tests."""
    return dict(db.execute("SELECT sha, kind FROM benchmark_names ORDER BY created_at").fetchall())


def forget_name(db: sqlite3.Connection, name: str) -> list[str]:
    """Take a name away, and return its versions that nothing else refers to: their files can go."""
    with transaction(db):
        shas = [row["sha"] for row in db.execute("SELECT sha FROM benchmark_names WHERE name = ?", (name,))]
        db.execute("DELETE FROM benchmark_names WHERE name = ?", (name,))
        return [
            sha
            for sha in shas
            if not db.execute(
                "SELECT 1 FROM benchmark_names WHERE sha = ?1 UNION SELECT 1 FROM evaluations WHERE benchmark_sha = ?1 "
                "UNION SELECT 1 FROM jobs WHERE json_extract(spec, '$.benchmark') = ?1",
                (sha,),
            ).fetchone()
        ]
