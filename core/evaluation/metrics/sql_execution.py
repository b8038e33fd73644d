"""Answers in SQL, executed: on a database that they can only read, and stopped when they take too long or too much."""

import sqlite3
import time
from collections import Counter
from collections.abc import Set
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from core.errors import MetricError
from core.evaluation.metrics.sql import read_query

SECONDS = 1.0
MOST_ROWS = 10_000
DIGITS = 10  # to which numbers with a point are compared
_OPERATIONS_BETWEEN_LOOKS = 1_000
_RECURSIVE = 33  # sqlite3 has no name for it
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, _RECURSIVE}
_FUNCTIONS = {
    *(
        "abs",
        "ceil",
        "ceiling",
        "exp",
        "floor",
        "ln",
        "log",
        "log10",
        "log2",
        "mod",
        "pow",
        "power",
        "round",
        "sign",
        "sqrt",
    ),
    *("char", "concat", "concat_ws", "format", "glob", "hex", "instr", "length", "like", "lower", "ltrim", "printf"),
    *("quote", "replace", "rtrim", "substr", "substring", "trim", "unicode", "upper"),
    *("avg", "count", "group_concat", "max", "min", "string_agg", "sum", "total"),
    *("coalesce", "ifnull", "iif", "nullif", "trunc", "typeof"),
    *("date", "datetime", "julianday", "strftime", "time", "timediff", "unixepoch"),
    *("cume_dist", "dense_rank", "first_value", "lag", "last_value", "lead", "nth_value", "ntile", "percent_rank"),
    *("rank", "row_number"),
}
BUILD_SECONDS = 5.0
MOST_SCHEMA_LETTERS = 2_000_000
MOST_PAGES = 4_096  # of 4 KiB
_BUILT_BY = {
    *_ALLOWED,
    *(sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE, sqlite3.SQLITE_TRANSACTION),
    *(sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_VIEW, sqlite3.SQLITE_REINDEX),
    *(sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_INDEX, sqlite3.SQLITE_DROP_VIEW),
}
# One step of a query can't be stopped, so each is kept short: no long texts, patterns or expressions.
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 100_000,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 200,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 100_000,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 20,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 100,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


@dataclass(frozen=True)
class Result:
    """The rows of a query, or why there are none."""

    rows: tuple[tuple[object, ...], ...] = ()
    error: str = ""


@lru_cache(maxsize=32)
def build(schema: str) -> bytes:
    """Return the database that SQLite statements make: tables, indexes, views and their rows, nothing else.

    Raises:
        MetricError: A statement fails or does something else, or the database takes too long or gets too large.
    """
    if len(schema) > MOST_SCHEMA_LETTERS:
        raise MetricError(f"The database has {len(schema):,} letters; at most {MOST_SCHEMA_LETTERS:,} are read.")
    end = time.monotonic() + BUILD_SECONDS
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("PRAGMA trusted_schema = OFF")
        db.execute(f"PRAGMA max_page_count = {MOST_PAGES}")
        db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        db.set_progress_handler(lambda: time.monotonic() > end, _OPERATIONS_BETWEEN_LOOKS)
        db.set_authorizer(lambda *told: _decide(_BUILT_BY, *told))
        try:
            db.executescript(schema)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
            why = f"not done after {BUILD_SECONDS:g} s" if time.monotonic() > end else str(error)
            raise MetricError(f"The database can't be made ({why}). Give SQLite statements that make tables.") from None
        db.set_authorizer(None)  # it would forbid the copy
        db.set_progress_handler(None, 0)
        return db.serialize()


def execute(database: Path | bytes, answer: str, seconds: float = SECONDS, most_rows: int = MOST_ROWS) -> Result:
    """Return what the query of an answer finds in an SQLite file, or in what `build` made.

    Raises:
        MetricError: The file is no database that can be read.
    """
    query = read_query(answer)
    if not query:
        return Result(error="there is no query")
    with closing(_open(database)) as db:
        end = time.monotonic() + seconds
        db.set_progress_handler(lambda: time.monotonic() > end, _OPERATIONS_BETWEEN_LOOKS)
        db.set_authorizer(_authorise)
        try:
            rows = db.execute(query).fetchmany(most_rows + 1)
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError) as error:
            over = time.monotonic() > end
            return Result(error=f"not done after {seconds:g} s" if over else str(error) or type(error).__name__)
    if len(rows) > most_rows:
        return Result(error=f"more than {most_rows:,} rows")
    return Result(tuple(rows))


def _open(database: Path | bytes) -> sqlite3.Connection:
    if isinstance(database, bytes):
        db = sqlite3.connect(":memory:", isolation_level=None)
        db.deserialize(database)
        return _guard(db)
    try:
        db = sqlite3.connect(f"file:{quote(str(database.resolve()))}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise MetricError(f"{database} can't be opened ({error}). Name an SQLite file that exists.") from error
    try:
        return _guard(db)
    except sqlite3.Error as error:
        db.close()
        raise MetricError(f"{database} can't be read ({error}). Name an SQLite file that is whole.") from error


def _guard(db: sqlite3.Connection) -> sqlite3.Connection:
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA query_only = ON")
    db.execute("PRAGMA schema_version").fetchone()
    for category, most in _LIMITS.items():
        db.setlimit(category, most)
    db.text_factory = lambda content: content.decode("utf-8", "replace")
    return db


def _authorise(*told: Any) -> int:
    return _decide(_ALLOWED, *told)


def _decide(actions: Set[int], action: int, first: str | None, second: str | None, *_: str | None) -> int:
    allowed = action in actions or (action == sqlite3.SQLITE_FUNCTION and str(second).lower() in _FUNCTIONS)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def is_same_result(database: Path | bytes, answer: str, expected: str) -> bool:
    """Return whether two queries find the same rows, in the same order where the expected one asks for an order.

    Columns count by their place, not by their name; numbers with a point to ten digits.

    Raises:
        MetricError: The expected query itself fails, or the database can't be read.
    """
    right = execute(database, expected)
    if right.error:
        raise MetricError(f"The expected query fails ({right.error}): {expected}")
    found = execute(database, answer)
    if found.error:
        return False
    ours, theirs = [_plain(row) for row in found.rows], [_plain(row) for row in right.rows]
    return ours == theirs if _is_ordered(expected) else Counter(ours) == Counter(theirs)


def _plain(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(float(f"{one:.{DIGITS}g}") if isinstance(one, float) else one for one in row)


def _is_ordered(query: str) -> bool:
    """Return whether the outermost query has an ORDER BY."""
    try:
        parsed = sqlglot.parse_one(read_query(query), dialect="sqlite")
    except (SqlglotError, RecursionError):
        return "order by" in " ".join(query.casefold().split())
    return isinstance(parsed, exp.Query) and parsed.args.get("order") is not None
