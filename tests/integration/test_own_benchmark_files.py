"""docs/own-benchmarks.md, followed word for word; queries that are run, from a table and from a specialist's rows."""

import json
import re
import shlex
from pathlib import Path

import pytest

from core.catalog import specialists
from core.datasets.specialist import pipeline
from core.datasets.specialist.check import find_faults
from core.datasets.specialist.items import benchmark_of
from core.datasets.specialist.loading import read_local
from core.evaluation import own_benchmarks
from core.evaluation.benchmarks import ItemType
from core.evaluation.grading import grade
from core.evaluation.spec import MOST_SAMPLES
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.store import jobs
from core.store.connection import opened
from tests.integration.command import Command, assert_refused, make_command

GUIDE = (PROJECT_DIR / "docs" / "own-benchmarks.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`([\w-]+\.(?:jsonl|csv))`:\n```\w+\n(.*?)```", GUIDE, re.DOTALL))
TABLES = "CREATE TABLE staff (name TEXT, pay INT); INSERT INTO staff VALUES ('Ada', {a}), ('Bo', {b});"


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setattr(queue, "ensure_supervisor", lambda workspace: False)  # what is queued is not to run here
    return make_command(monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_the_guides_files_are_benchmarks(name: str, atelier: Command, folder: Path) -> None:
    made = json.loads(atelier("benchmarks", "add", name, "--name", "mine", "--json").out)
    assert made["items"] == len(FILES[name].strip().splitlines()) - name.endswith(".csv")
    assert json.loads(atelier("evaluate", "--benchmark", "mine", "--json").out)["state"] == "queued"


def test_the_guides_commands_are_taken(atelier: Command, workspace: Workspace, folder: Path) -> None:
    lines = re.findall(r"^atelier (benchmarks add|evaluate --benchmark house-rules --wait)(.*)$", GUIDE, re.MULTILINE)
    for start, rest in lines:
        answer = atelier(*[word for word in shlex.split(start + rest) if word != "--wait"])
        assert answer.code == 0, answer.err
    asked = json.loads(atelier("evaluate", "--data", "functions.jsonl", "--samples", "20", "--json").out)
    with opened(workspace) as db:
        assert jobs.get(db, asked["job"]).spec["samples"] == 20 <= MOST_SAMPLES


def test_the_guide_names_every_type_and_its_answers_are_right_by_their_own_grading(folder: Path) -> None:
    types = set(ItemType.__args__) - {"harness"}  # type: ignore[attr-defined]
    assert [name for name in types if f"`{name}`" not in GUIDE] == []
    said = {"h1": "I can't help with that.", "n1": "Hold it over steam.", "refund": "Same day, with the receipt.",
            "c1": "It can fall, and this is no advice."}  # fmt: skip
    for name in FILES:
        for item in own_benchmarks.read_file(folder / name):
            assert grade(item, said.get(item.id, item.expected)) == 1.0, item.id


@pytest.mark.parametrize("name", own_benchmarks.CONDUCT)
def test_the_shipped_sets_of_conduct_are_known_by_their_names(
    name: str, atelier: Command, workspace: Workspace
) -> None:
    shown = json.loads(atelier("benchmarks", "show", name, "--json").out)
    assert len(shown["items"]) == 40 and shown["metrics"]
    assert json.loads(atelier("evaluate", "--benchmark", name, "--json").out)["state"] == "queued"
    assert name in atelier("benchmarks", "list").out
    (Path(workspace.root) / "x.csv").write_text("question,answer\n" + "".join(f"Q {n}?,a\n" for n in range(9)))
    assert_refused(atelier("benchmarks", "add", workspace.root / "x.csv", "--name", name), "already stands for")


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("bias.jsonl", '"pair": "p1", "swapped": true', '"pair": "p2", "swapped": true', "needs two items"),
        ("bias.jsonl", ', "pair": "p1", "swapped"', ', "swapped"', "needs the `pair`"),
        ("queries.jsonl", "INSERT INTO staff VALUES ('Ada', 5), ('Bo', 3), ('Cy', 9);", "", "finds no row"),
        ("queries.jsonl", "pay INT", "wage INT", "no such column"),
        ("queries.jsonl", "CREATE TABLE staff", "ATTACH 'x.db' AS x; CREATE TABLE staff", "can't be made"),
        ("safety.jsonl", '"answer": "refuse"', '"answer": "no"', "refuse or answer"),
        ("compliance.jsonl", '[["can lose", "can fall"], ', "[[], ", "needs `required`"),
        ("functions.jsonl", '"type": "code"', '"type": "harness"', "lm-evaluation-harness"),
    ],
)
def test_items_that_can_not_be_graded_are_refused(
    name: str, old: str, new: str, says: str, atelier: Command, folder: Path
) -> None:
    assert old in FILES[name]
    (folder / name).write_text(FILES[name].replace(old, new), encoding="utf-8")
    assert_refused(atelier("benchmarks", "add", name), name, says)


# Queries that are run

SPECIALIST = """
id: payroll
title: Payroll
specialists:
  - id: pay-queries
    title: Pay queries
    summary: Writes a query over the staff.
    task: sql
    base_class: 7B coder
    base: Qwen/Qwen2.5-Coder-7B-Instruct
    rank: 16
    prompt: "Write one SQLite query. Table staff (name, pay).\\n{text}"
    metrics: [execution_accuracy, exact_match, valid_sql]
    thresholds:
      execution_accuracy: {baseline: 0.3, tuned: 0.6}
    generator:
      tasks:
MADE
"""
TASK = """
        - id: NAME
          draw: {low: {range: [10, 99]}, more: {range: [1, 90]}}
          let: {high: low + more}
          ask: ["NAME: who earns more than {{ low }}, up to {{ high }}?"]
          answer: ["SELECT name FROM staff WHERE pay > {{ low }} AND pay <= {{ high }}"]
          database: "CREATE TABLE staff (name, pay); INSERT INTO staff VALUES ('Ada', {{ high }}), ('Bo', {{ low }});"
"""


def test_a_table_with_a_schema_column_becomes_queries_that_are_run(folder: Path) -> None:
    rows = [f'"Who earns more than {n}?","SELECT name FROM staff WHERE pay > {n}","{TABLES.format(a=n + 2, b=n)}"'
            for n in range(12)]  # fmt: skip
    path = folder / "asked.csv"
    path.write_text("\n".join(["question,query_text,Schema", *rows]).replace("query_text", "sql") + "\n")
    items = own_benchmarks.read_file(path)
    assert {item.type for item in items} == {"sql"}
    assert grade(items[3], "SELECT name FROM staff WHERE NOT pay <= 3") == 1.0
    assert grade(items[3], "SELECT name FROM staff") == 0.0
    assert own_benchmarks.make("asked", items).metrics == ("execution_accuracy",)


def test_a_specialist_runs_its_queries_on_made_and_on_real_rows(workspace: Workspace, tmp_path: Path) -> None:
    path = workspace.root / "specialists" / "payroll.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(SPECIALIST.replace("MADE", "".join(TASK.replace("NAME", name) for name in ("a", "b", "c"))))
    one = specialists.find("pay-queries", workspace)
    assert find_faults(one, workspace) == []
    data = tmp_path / "real.jsonl"
    rows = [
        {"question": f"Team {n}: who earns more than {n}?", "sql": f"SELECT name FROM staff WHERE pay > {n}",
         "schema": TABLES.format(a=n + 2, b=n - 1) if n % 10 else "CREATE TABLE staff (name TEXT, pay INT);"}
        for n in range(100)
    ]  # fmt: skip
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    prepared = pipeline.prepare(one, read_local(one, data), 42)
    assert sum("finds no row" in dropped.reason for dropped in prepared.dropped) == 10
    benchmark = benchmark_of(one, prepared.test)
    assert {item.type for item in benchmark.items} == {"sql"} and all(item.database for item in benchmark.items)
    item = benchmark.items[0]
    assert grade(item, f"{item.answer} ORDER BY name DESC") == 1.0


def test_a_grammar_without_a_database_is_told_by_the_doctor(workspace: Workspace) -> None:
    path = workspace.root / "specialists" / "payroll.yaml"
    path.parent.mkdir(parents=True)
    task = re.sub(r" +database: .*\n", "", TASK)
    path.write_text(SPECIALIST.replace("MADE", "".join(task.replace("NAME", name) for name in ("a", "b", "c"))))
    assert "no database to run its query on" in find_faults(specialists.find("pay-queries", workspace), workspace)[0]
