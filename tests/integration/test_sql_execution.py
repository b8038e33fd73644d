"""SQL that a model wrote, executed: hostile queries change nothing and stop in time, right ones are recognised."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from core.errors import MetricError
from core.evaluation.metrics.sql_execution import MOST_ROWS, execute, is_same_result

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT"
HOSTILE = {
    "an endless query": f"{ENDLESS} count(*) FROM c",
    "another database": "ATTACH DATABASE '{folder}/other.db' AS other",
    "a huge blob": "SELECT length(randomblob(2000000000))",
    "an extension": "SELECT load_extension('{folder}/evil.so')",
    "deleted rows": "DELETE FROM sales",
    "a dropped table behind a query": "SELECT 1; DROP TABLE sales",
    "a copy elsewhere": "VACUUM INTO '{folder}/copy.db'",
    "settings": "PRAGMA writable_schema = ON",
    "a join of everything": "SELECT count(*) FROM " + ", ".join(f"sales s{number}" for number in range(12)),
    "rows without end": f"{ENDLESS} x FROM c",
    "a sorted endless query": f"{ENDLESS} x FROM c ORDER BY -x",
    "a growing text": "WITH RECURSIVE c(x) AS (SELECT 'aa' UNION ALL SELECT x || x FROM c) SELECT max(x) FROM c",
    "a wide format": "SELECT length(printf('%99000d', 1) || printf('%99000d', 1))",
    "zeros": "SELECT hex(zeroblob(1000000000))",
    "a search in a long text": "SELECT instr(printf('%99000d', 1), printf('%49000d', 2)) FROM sales a, sales b, sales",
    "a deep pattern": "SELECT printf('%99000d', 1) LIKE '" + "%0_" * 30 + "' FROM sales a, sales b, sales c",
    "a function that tells files": "SELECT readfile('/etc/hostname')",
    "a table function": "SELECT * FROM pragma_database_list",
    "a temporary table": "CREATE TEMP TABLE t AS SELECT * FROM sales",
    "an insert": "INSERT INTO sales VALUES ('x', 1, 1.0)",
    "a nested expression": "SELECT " + "(" * 4000 + "1" + ")" * 4000,
    "a null byte": "SELECT 1\0; DROP TABLE sales",
    "half a character": "SELECT '\ud800'",
}  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "shop?#%20.db"  # signs that mean something in an address
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE sales (town TEXT, year INTEGER, amount REAL)")
        rows = [(f"town {number % 7}", 2000 + number % 5, number / 3) for number in range(100)]
        db.executemany("INSERT INTO sales VALUES (?, ?, ?)", rows)
        db.commit()
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_query_is_refused_or_stopped_and_changes_nothing(name: str, database: Path) -> None:
    before, listing = database.read_bytes(), sorted(database.parent.iterdir())
    held, began = psutil.Process().memory_info().rss, time.monotonic()
    told = execute(database, HOSTILE[name].replace("{folder}", str(database.parent)))
    assert time.monotonic() - began < 1.5
    assert told.error and not told.rows
    assert psutil.Process().memory_info().rss - held < 200_000_000
    assert database.read_bytes() == before and sorted(database.parent.iterdir()) == listing


def test_an_endless_query_is_stopped_after_a_second(database: Path) -> None:
    assert execute(database, HOSTILE["an endless query"]).error == "not done after 1 s"
    assert execute(database, HOSTILE["rows without end"]).error == f"more than {MOST_ROWS:,} rows"


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT count(*), min(year) FROM sales;", ((100, 2000),)),
        ("```sql\nSELECT DISTINCT year FROM sales ORDER BY year DESC LIMIT 2\n```", ((2004,), (2003,))),
        ("WITH t AS (SELECT town, sum(amount) s FROM sales GROUP BY 1) SELECT s FROM t WHERE s > 246", ((250.0,),)),
        (f"{ENDLESS} group_concat(x) FROM (SELECT x FROM c LIMIT 4)", (("1,2,3,4",),)),
        ("SELECT upper(substr(town, 1, 4)), rank() OVER (ORDER BY year) FROM sales WHERE amount = 0", (("TOWN", 1),)),
        ("SELECT strftime('%Y', '2024-02-29'), round(2.567, 1), coalesce(NULL, 3)", (("2024", 2.6, 3),)),
    ],
)  # fmt: skip
def test_a_plain_query_gives_its_rows(query: str, rows: tuple[tuple[object, ...], ...], database: Path) -> None:
    told = execute(database, query)
    assert (told.error, told.rows) == ("", rows)


@pytest.mark.parametrize(
    ("answer", "expected", "same"),
    [
        ("SELECT year, town FROM sales", "SELECT town, year FROM sales", False),
        ("SELECT town AS t FROM sales WHERE year=2001", "select town from sales where year = 2001", True),
        ("SELECT town FROM sales ORDER BY amount DESC", "SELECT town FROM sales", True),
        ("SELECT town FROM sales", "SELECT town FROM sales ORDER BY amount DESC", False),
        ("SELECT town FROM sales ORDER BY -amount", "SELECT town FROM sales ORDER BY amount DESC", True),
        ("SELECT town FROM sales ORDER BY 1", "SELECT town FROM (SELECT * FROM sales ORDER BY year)", True),
        ("SELECT DISTINCT town FROM sales", "SELECT town FROM sales", False),
        ("SELECT sum(amount) / count(*) FROM sales", "SELECT avg(amount) FROM sales", True),
        ("SELECT 100", "SELECT count(*) * 1.0 FROM sales", True),
        ("SELECT 'a' FROM sales WHERE 0", "SELECT town FROM sales WHERE year = 1", True),
        ("SELECT nothing FROM sales", "SELECT town FROM sales", False),
        ("I don't know", "SELECT town FROM sales", False),
        ("", "SELECT town FROM sales WHERE 0", False),
        ("DROP TABLE sales", "SELECT 1 WHERE 0", False),
    ],
)  # fmt: skip
def test_two_queries_are_the_same_by_what_they_find(answer: str, expected: str, same: bool, database: Path) -> None:
    assert is_same_result(database, answer, expected) is same


def test_a_broken_benchmark_is_told_and_not_held_against_the_answer(database: Path, tmp_path: Path) -> None:
    with pytest.raises(MetricError, match="expected query fails"):
        is_same_result(database, "SELECT 1", "SELECT nothing FROM sales")
    with pytest.raises(MetricError, match="exists"):
        execute(tmp_path / "no.db", "SELECT 1")
    (tmp_path / "damaged.db").write_bytes(b"not a database" * 100)
    with pytest.raises(MetricError, match="can't be read"):
        execute(tmp_path / "damaged.db", "SELECT 1")


def test_text_that_is_no_utf8_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "latin.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE t AS SELECT CAST(x'e9' AS TEXT) AS name")
    assert execute(path, "SELECT name FROM t").rows == (("\ufffd",),)
