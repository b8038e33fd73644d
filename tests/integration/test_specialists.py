"""Specialists on the command line: listed, their data made, real files read, one trained to its verdict."""

import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import durable
from core.catalog import specialists
from core.catalog.specialists import PARTS
from core.datasets.specialist import loading, pipeline
from core.evaluation import sandbox
from core.paths import PROJECT_DIR, Workspace
from core.store import jobs, schema
from core.store.connection import opened
from tests.conftest import SHARED, end_processes
from tests.integration.command import Command, assert_refused, make_command, run_process

pytestmark = pytest.mark.xdist_group("specialists")  # one workspace, one training job

REAL = SHARED / "data"
SHORT = {"max_steps": 12, "epochs": 1000, "batch_size": 4, "accumulation_steps": 1, "learning_rate": 5e-3}


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


# The list


def test_the_list_holds_what_a_program_chooses_by(atelier: Command) -> None:
    found = {one["id"]: one for one in json.loads(atelier("specialists", "--json").out)}
    assert len(found) >= 50
    sql = found["sql-generation"]
    told = [sql[name] for name in ("category", "task_type", "base_class", "rank", "metrics")]
    assert told == ["data-analytics", "sql", "7B coder", 16, ["exact_match", "valid_sql"]]
    assert sql["thresholds"] == {"exact_match": {"baseline": 0.40, "tuned": 0.65}}
    assert all(one["title"] and one["summary"] and one["thresholds"] for one in found.values())


def test_the_list_is_narrowed_by_category_and_task(atelier: Command) -> None:
    tagging = json.loads(atelier("specialists", "--task", "tagging", "--json").out)
    assert tagging and {one["task_type"] for one in tagging} == {"tagging"}
    service = json.loads(atelier("specialists", "--category", "customer-service", "--json").out)
    assert service and {one["category"] for one in service} == {"customer-service"}
    assert "ticket-routing" in atelier("specialists", "--category", "customer-service").out


def test_one_is_shown_with_its_prompt_its_aims_and_where_its_data_come_from(atelier: Command) -> None:
    text = atelier("specialists", "sentiment").out
    for part in ("{text}", "Aim: 0.75 before, 0.88 after training", "SST-2", "Licence: ", "hub:stanfordnlp/sst2"):
        assert part in text
    told = json.loads(atelier("specialists", "sentiment", "--json").out)
    assert told["sources"][0]["local"]["files"] == {"train": "train.tsv", "test": "dev.tsv"}
    assert_refused(atelier("specialists", "sentimant"), "no specialist 'sentimant'", "Did you mean 'sentiment'?")


# Their data


def test_made_data_lie_in_their_parts_with_a_manifest_of_right_hashes(atelier: Command, tmp_path: Path) -> None:
    words = ["--specialist", "ticket-routing", "--specialist", "invoice-fields", "--count", 200, "--seed", 4]
    made = json.loads(atelier("data", "make", *words, "--out", tmp_path / "a", "--json").out)
    assert [one["specialist"] for one in made] == ["ticket-routing", "invoice-fields"]
    for one in made:
        folder = Path(one["folder"])
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["counts"] == one["counts"]
        assert set(manifest["sha256"]) == {f"{part}.jsonl" for part in (*PARTS, "dropped")}
        for name, sha in manifest["sha256"].items():
            assert durable.hash_file(folder / name) == sha
        read = {part: (folder / f"{part}.jsonl").read_text().splitlines() for part in PARTS}
        assert {part: len(lines) for part, lines in read.items()} == {part: one["counts"][part] for part in PARTS}
        assert len(read["test"]) >= 18 and set(json.loads(read["test"][0])) == {"prompt", "response", "metadata"}
    atelier("data", "make", *words, "--out", tmp_path / "b")
    assert (tmp_path / "a" / "ticket-routing" / "train.jsonl").read_bytes() == (
        tmp_path / "b" / "ticket-routing" / "train.jsonl"
    ).read_bytes()


@pytest.mark.parametrize(
    ("name", "place", "read", "kept", "test", "first"),
    [
        ("intent-banking", "banking77", 13_083, 12_346, 3_075, ("How do I locate my card?", "card_arrival")),
        ("sentiment", "sst2", 68_221, 48_702, 872, ("one long string of cliches .", "negative")),
        ("sql-generation", "wikisql_mlx_lora", 1_200, 1_196, 100, ("terrence ross' nationality", "SELECT Nationality")),
        ("dialogue-note", "mts_dialog", 1_301, 1_296, 100, ("Doctor", "The patient is a 26-year-old female")),
        ("word-problem", "gsm8k/test.jsonl", 1_319, 1_319, 132, ("Billy sells DVDs", "#### 7")),
        ("code-generation", "mbpp/mbpp.jsonl", 974, 974, 97, ("assert ", "def ")),
        ("counselling-behaviour", "annomi_dev/annomi_dev.csv", 5_080, 1_915, 190, ("Hi, Nick.", "reflection")),
    ],
)
def test_real_files_are_read_by_their_specialist(
    name: str, place: str, read: int, kept: int, test: int, first: tuple[str, str]
) -> None:
    if not (REAL / place).exists():
        pytest.skip("the public data beside the project are absent")
    one = specialists.find(name)
    prepared = pipeline.prepare(one, loading.read_local(one, REAL / place), 42)
    counts = prepared.manifest["counts"]
    assert counts["read"] == read == kept + sum(counts["dropped"].values())
    assert sum(counts[part] for part in PARTS) == kept
    assert counts["test"] == test
    assert first[0] in prepared.test[0].prompt and first[1] in prepared.test[0].response
    assert "\r" not in "".join(row.prompt + row.response for row in prepared.test)
    asked = [{row.prompt for row in prepared.parts[part]} for part in PARTS]
    assert not (asked[0] & asked[2] or asked[1] & asked[2])
    if "group" in prepared.test[0].extra:
        groups = [{row.extra["group"] for row in prepared.parts[part]} for part in PARTS]
        assert not (groups[0] & groups[2] or groups[1] & groups[2] or groups[0] & groups[1])


# One is trained


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("specialist")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(root / "workspace"))
        patch.setenv("ATELIER_WARM", "0")
        chosen = Workspace.chosen()
        schema.prepare(chosen)
        yield chosen
        end_processes(chosen)


@pytest.fixture(scope="module")
def trained(place: Workspace, tiny_base: Path) -> dict[str, Any]:
    """What `atelier train --specialist ... --wait --json` printed."""
    settings = [word for name, value in SHORT.items() for word in ("--set", f"{name}={value}")]
    words = ["train", "--specialist", "sentiment", "--rows", 300, "--base", tiny_base, "--preset", "quick", *settings]
    answer = run_process(*words, "--wait", "--json", home=place.root)
    assert answer.code == 0, answer.err
    result: dict[str, Any] = json.loads(answer.out)
    return result


def test_the_verdict_has_the_specialists_metrics_and_its_aims(place: Workspace, trained: dict[str, Any]) -> None:
    verdict = trained["verdict"]
    metrics = {one["metric"]: one for one in verdict["metrics"]}
    assert list(metrics) == ["accuracy", "macro_f1"]
    assert metrics["accuracy"]["base"] == pytest.approx(verdict["base_score"])
    assert metrics["accuracy"]["tuned"] == pytest.approx(verdict["tuned_score"])
    assert verdict["aims"] == {"accuracy": {"baseline": 0.75, "tuned": 0.88}}
    with opened(place) as db:
        job = jobs.find(db, trained["job"])
    assert (job.spec["specialist"], job.spec["config"]["rank"], job.spec["config"]["alpha"]) == ("sentiment", 8, 16)
    assert trained["train_examples"] + trained["validation_examples"] + verdict["items"] <= 300
    assert trained["validation_examples"] == pytest.approx(30, abs=3)
    assert verdict["items"] == pytest.approx(30, abs=3)


def test_compare_and_the_page_show_the_same_figures(
    place: Workspace, trained: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATELIER_HOME", str(place.root))
    verdict = trained["verdict"]
    atelier = make_command(monkeypatch, capsys)
    compared = json.loads(atelier("compare", verdict["base_evaluation"], verdict["tuned_evaluation"], "--json").out)
    assert compared["metrics"] == verdict["metrics"]
    shown = atelier("jobs", "show", trained["number"], "--json").out
    assert json.loads(shown)["verdict"]["metrics"] == verdict["metrics"]

    page = AppTest.from_file(str(PROJECT_DIR / "app.py"), default_timeout=60)
    page.query_params["job"] = trained["job"]
    page.switch_page("pages/train/jobs.py").run()
    assert not page.exception
    (table,) = [one.value for one in page.dataframe if "Aim" in one.value.columns]
    for row, metric in zip(table.itertuples(), verdict["metrics"], strict=True):
        assert row.Metric == metric["title"]
        assert (row.Base, row.Tuned) == (f"{metric['base']:.0%}", f"{metric['tuned']:.0%}")
    reached = "reached" if verdict["metrics"][0]["tuned"] >= 0.88 else "not reached"
    assert list(table["Aim"]) == [f"88%, {reached}", ""]


# What is refused


def test_wrong_wishes_are_refused_in_a_sentence_and_nothing_is_queued(
    atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign.csv"
    foreign.write_text("question,answer\n" + "".join(f"What is in box {n}?,apples {n}\n" for n in range(90)))
    few = tmp_path / "few.csv"
    few.write_text("text,label\n" + "".join(f"What a fine day {n}!,positive\n" for n in range(20)))
    empty = tmp_path / "empty"
    empty.mkdir()
    own = "--specialist", "sentiment"
    refusals: list[tuple[tuple[object, ...], tuple[str, ...]]] = [
        (("--specialist", "sentimant"), ("no specialist 'sentimant'", "'sentiment'")),
        ((*own, "--industry", "finance"), ("has data of its own", "--industry")),
        ((*own, "--dataset", "mine"), ("--dataset",)),
        ((*own, "--source", "web"), ("--source is 'web'",)),
        ((*own, "--source", "hub", "--data", few), ("not both",)),
        (("--specialist", "ticket-routing", "--source", "hub"), ("no dataset on the hub",)),
        ((*own, "--data", foreign), ("0 can be used", "is none of the labels")),
        ((*own, "--data", few), ("20 can be used", "at least 30")),
        ((*own, "--data", empty), ("holds no file of the specialist 'sentiment'", "train.tsv")),
        ((*own, "--data", tmp_path / "nowhere.csv"), ("nowhere.csv",)),
        ((*own, "--rows", 20), ("at least 30",)),
        (("--rows", 20, "--industry", "finance"), ("--rows to --specialist",)),
    ]
    for words, parts in refusals:
        assert_refused(atelier("train", *words), *parts)
    with opened(workspace) as db:
        assert jobs.recent(db, 10) == []


def test_without_data_or_network_the_hub_is_refused_in_a_sentence(atelier: Command) -> None:
    refused = atelier("train", "--specialist", "sentiment", "--source", "hub", "--dry-run")
    assert refused.code != 0 and refused.out == ""
    assert "stanfordnlp/sst2" in refused.err and "Traceback" not in refused.err


@pytest.mark.skipif(sys.platform != "linux", reason="code is contained on Linux only")
def test_a_specialist_of_code_is_refused_where_code_can_not_be_contained(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that forbids namespaces: `unshare` is there, and fails as it does in such a container."""
    forbidding = tmp_path / "bin" / "unshare"
    forbidding.parent.mkdir()
    forbidding.write_text("#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2\nexit 1\n")
    forbidding.chmod(forbidding.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{forbidding.parent}:/usr/bin:/bin")
    refused = run_process("train", "--specialist", "code-generation", "--dry-run", home=workspace.root)
    assert refused.code == 1 and refused.out == ""
    assert refused.err.startswith("Code can't be contained on this machine (unshare: unshare failed")
    assert "choose another specialist" in refused.err and refused.err.count("\n") == 1
    assert run_process("train", "--specialist", "sentiment", "--dry-run", home=workspace.root).code == 0


def test_a_specialist_of_code_is_planned_where_code_can_be_contained(atelier: Command) -> None:
    try:
        sandbox.check()
    except sandbox.SandboxError as error:
        pytest.skip(str(error))
    words = ["train", "--specialist", "code-generation", "--base", "starter", "--preset", "quick", "--rows", 100]
    planned = json.loads(atelier(*words, "--dry-run", "--json").out)
    assert planned["config"]["rank"] == 32 and sum(planned["composition"].values()) >= 80
