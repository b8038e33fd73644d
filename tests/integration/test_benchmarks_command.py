"""Own benchmarks, ranks, the forgetting matrix and summaries by the command; one real evaluation among it."""

import json
import time
from pathlib import Path

import pytest

from core.catalog import specialists
from core.paths import Workspace
from core.process import queue
from core.store import jobs
from core.store.connection import opened
from core.training import submission as training
from tests.app.prove_support import industry, labelled, make_adapter, measured
from tests.integration.command import Command, assert_refused, make_command

ITEMS = [
    {"id": "a", "component": "sums", "type": "numeric", "prompt": "What is 2 + 2?", "answer": 4},
    {"id": "b", "component": "sums", "type": "numeric", "prompt": "What is 3 + 4?", "answer": 7},
    {"id": "c", "component": "rules", "type": "choice", "prompt": "May I?", "answer": 1, "choices": ["yes", "no"]},
]


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture
def items_file(tmp_path: Path) -> Path:
    path = tmp_path / "our rules.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    return path


def test_an_own_benchmark_goes_from_a_file_to_a_place_on_the_board(
    atelier: Command, items_file: Path, tiny_base: Path
) -> None:
    made = json.loads(
        atelier("benchmarks", "add", items_file, "--kind", "compliance", "--weight", "sums=3", "--weight", "rules=1",
                "--json").out
    )  # fmt: skip
    assert (made["name"], made["kind"], made["items"]) == ("our rules", "compliance", 3)
    shown = json.loads(atelier("benchmarks", "show", "our rules", "--json").out)
    assert shown["sha"] == made["sha"]
    assert shown["weights"] == {"sums": 0.75, "rules": 0.25}
    assert [item["id"] for item in shown["items"]] == ["a", "b", "c"]
    answer = atelier("evaluate", "--benchmark", "our rules", "--base", tiny_base, "--wait", "--json")
    assert answer.code == 0, answer.err
    scored = json.loads(answer.out)
    assert scored["items"] == 3
    (line,) = json.loads(atelier("leaderboard", "--benchmark", "our rules", "--json").out)
    assert (line["rank"], line["score"], line["industry"]) == (1, scored["score"], "our rules")
    assert (line["low"], line["high"]) == (scored["low"], scored["high"])
    until = time.monotonic() + 30  # it is written when the process has ended, which is after its result
    while line["memory_bytes"] is None and time.monotonic() < until:
        (line,) = json.loads(atelier("leaderboard", "--benchmark", "our rules", "--json").out)
    assert line["memory_bytes"] > 1e6
    assert line["size_bytes"] > 1000
    summed = json.loads(atelier("results", line["base"], "--json").out)
    assert summed["overall_summary"]["performance_by_type"].keys() == {"compliance"}
    assert summed["industry_summaries"]["our rules"]["num_benchmarks"] == 1
    assert atelier("benchmarks", "delete", "our rules").code == 0
    assert json.loads(atelier("leaderboard", "--benchmark", "our rules", "--json").out) == [line]


def test_a_table_of_questions_becomes_items_graded_by_what_they_are(atelier: Command, tmp_path: Path) -> None:
    path = tmp_path / "teams.csv"
    path.write_text("question,answer\n" + "".join(f"Mail {n}?,team {n % 3}\n" for n in range(30)))
    assert json.loads(atelier("benchmarks", "add", path, "--json").out)["items"] == 30
    assert {item["type"] for item in json.loads(atelier("benchmarks", "show", "teams", "--json").out)["items"]} == {
        "label"
    }
    path.write_text(path.read_text() + "Mail 31?,team 1\n")
    assert json.loads(atelier("benchmarks", "add", path, "--json").out)["versions"] == 2


def test_a_deleted_benchmark_that_nobody_used_leaves_no_file(
    atelier: Command, workspace: Workspace, items_file: Path
) -> None:
    made = json.loads(atelier("benchmarks", "add", items_file, "--json").out)
    assert (workspace.root / "benchmarks" / f"{made['sha']}.json").exists()
    assert atelier("benchmarks", "delete", "our rules").code == 0
    assert not (workspace.root / "benchmarks" / f"{made['sha']}.json").exists()
    assert_refused(atelier("benchmarks", "delete", "our rules"), "no own benchmark 'our rules'")


def test_a_specialist_is_tested_on_the_rows_that_its_training_holds_out(atelier: Command, workspace: Workspace) -> None:
    shown = json.loads(atelier("benchmarks", "show", "specialist:shipment-status", "--json").out)
    again = json.loads(atelier("benchmarks", "show", "specialist:shipment-status", "--json").out)
    assert shown == again
    assert len(shown["items"]) >= 50
    config = training.configure("starter", "standard", specialist=specialists.find("shipment-status"))
    trained = training.compose_specialist(workspace, config, training.Sourcing("shipment-status"))
    assert trained.benchmark.sha == shown["sha"]


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["evaluate", "--benchmark", "nothing"], ["no benchmark 'nothing'", "specialist:ID"]),
        (["evaluate", "--benchmark", "finance", "--benchmark", "our rules"], ["our rules must be tested alone"]),
        (["evaluate", "--benchmark", "shipment-status"], ["Did you mean 'specialist:shipment-status'?"]),
        (["benchmarks", "add", "FILE", "--name", "finance"], ["already stands for a shipped benchmark"]),
        (["benchmarks", "add", "FILE", "--kind", "luck"], ["'luck' is unknown", "calculation"]),
        (["benchmarks", "add", "FILE", "--weight", "sums=1"], ["Give a weight for each of: sums, rules"]),
        (["benchmarks", "add", "FILE", "--weight", "sums"], ["'sums' can't be read"]),
        (["leaderboard", "--benchmark", "nothing"], ["Nothing was measured on 'nothing'"]),
        (["results", "nobody"], ["Nothing was measured of a model 'nobody'"]),
        (["matrix", "--adapter", "nobody"], ["no adapter 'nobody'"]),
    ],
)
def test_what_does_not_exist_is_refused_in_a_sentence(
    atelier: Command, items_file: Path, words: list[str], parts: list[str]
) -> None:
    assert_refused(atelier(*[items_file if word == "FILE" else word for word in words]), *parts)


def test_a_wrong_item_is_named_by_file_line_and_field(atelier: Command, items_file: Path) -> None:
    items_file.write_text(items_file.read_text() + json.dumps(ITEMS[0] | {"id": "d", "answer": "four"}) + "\n")
    assert_refused(atelier("benchmarks", "add", items_file), "line 4", "needs a number")
    assert_refused(atelier("benchmarks", "show", "our rules"), "no benchmark")


def test_the_matrix_is_told_and_filled(atelier: Command, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "ensure_supervisor", lambda workspace: False)  # what is queued is not to run here
    adapter = make_adapter(workspace, "Tuned", "finance")
    for name, base, tuned in (("finance", 20, 80), ("retail", 70, 20)):
        measured(workspace, industry(name), base)
        measured(workspace, industry(name), tuned, adapter)
    found = json.loads(atelier("matrix", "--json").out)
    (row,) = found["rows"]
    assert row["cells"]["finance"]["outcome"] == "better"
    assert row["cells"]["finance"]["is_home"]
    assert row["cells"]["retail"]["outcome"] == "worse"
    assert row["cells"]["legal"] is None
    assert found["missing"] == 2 * (len(found["industries"]) - 2)
    shown = atelier("matrix").out
    assert "finance is proven better; retail is proven worse" in shown
    filled = json.loads(atelier("matrix", "--adapter", "Tuned", "--fill", "--json").out)
    assert len(filled["queued"]) == found["missing"]
    with opened(workspace) as db:
        assert {jobs.get(db, one).priority_name for one in filled["queued"]} == {"low"}
    assert json.loads(atelier("matrix", "--fill", "--json").out)["queued"] == []


def test_the_board_of_an_industry_and_of_all(atelier: Command, workspace: Workspace) -> None:
    adapter = make_adapter(workspace, "Tuned", "finance")
    measured(workspace, labelled(), 3)
    measured(workspace, industry("finance"), 10)
    measured(workspace, industry("finance"), 80, adapter)
    measured(workspace, industry("retail"), 10)
    measured(workspace, industry("retail"), 30, adapter)
    lines = json.loads(atelier("leaderboard", "--industry", "finance", "--json").out)
    assert [(line["rank"], line["model"], line["industry"]) for line in lines] == [
        (1, "Tuned", "finance"), (2, "Starter", "finance")
    ]  # fmt: skip
    whole = json.loads(atelier("leaderboard", "--json").out)
    assert [line["benchmarks"] for line in whole] == [2, 2]
    assert json.loads(atelier("leaderboard", "--industry", "legal", "--json").out) == []
    summed = json.loads(atelier("results", "Tuned", "--json").out)
    assert summed["overall_summary"]["industries_tested"] == 2
    assert set(summed["industry_summaries"]) == {"finance", "retail"}
