"""The command from start to end: a job is trained, watched, steered, tested and compared without a page."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import durable
from core.cli import main
from core.paths import PROJECT_DIR, Workspace
from core.store import adapters, evaluations, jobs, schema
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_last, read_series
from core.training.configuration import TrainingConfig
from tests.conftest import end_processes, wait_until
from tests.integration.command import Command, make_command, run_process
from tests.integration.support import wait_for_state, wait_for_step, weights_hash, write_rows

pytestmark = pytest.mark.xdist_group("command line")  # one workspace, one process

HOSTILE = "job\x1b[2J \u202egnp.exe \x9b31m<script>=cmd|"
SHORT = {"max_steps": 20, "epochs": 1000, "batch_size": 4, "accumulation_steps": 1, "learning_rate": 5e-3, "rank": 4}
LONG = SHORT | {"max_steps": 100_000, "save_every_steps": 50, "eval_every_steps": 100_000, "rank": 8}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """One workspace for all tests of this file: what one makes, the next one looks at."""
    root = tmp_path_factory.mktemp("command")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(root / "workspace"))
        patch.setenv("ATELIER_WARM", "1")
        chosen = Workspace.chosen()
        schema.prepare(chosen)
        yield chosen
        end_processes(chosen)


@pytest.fixture(scope="module")
def rows(place: Workspace) -> Path:
    return write_rows(place.root.parent / "rows.jsonl", 90)


@pytest.fixture
def atelier(place: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def train_words(rows: Path, base: Path, fields: dict[str, object], *more: object) -> list[object]:
    settings = [word for name, value in fields.items() for word in ("--set", f"{name}={value}")]
    return ["train", "--data", rows, "--base", base, "--preset", "quick", *settings, *more]


def all_jobs(place: Workspace) -> list[Job]:
    with opened(place) as db:
        return jobs.recent(db, 1000)


def job_of(place: Workspace, text: object) -> Job:
    with opened(place) as db:
        return jobs.find(db, str(text))


@pytest.fixture(scope="module")
def trained(place: Workspace, rows: Path, tiny_base: Path) -> dict[str, Any]:
    """What `atelier train --wait --json` printed, as a process of its own."""
    answer = run_process(*train_words(rows, tiny_base, SHORT, "--name", HOSTILE, "--wait", "--json"), home=place.root)
    assert answer.code == 0, answer.err
    assert answer.err == ""
    result: dict[str, Any] = json.loads(answer.out)
    return result


def test_training_gives_the_figures_of_the_store(place: Workspace, trained: dict[str, Any]) -> None:
    job = job_of(place, trained["job"])
    assert (trained["state"], trained["number"], trained["error"]) == ("succeeded", job.number, "")
    same = ("steps", "tokens", "seconds", "tokens_per_second", "eval_loss_before", "eval_loss_after", "adapter")
    assert {name: trained[name] for name in same} == {name: job.result[name] for name in same}
    assert trained["steps"] == 20
    assert read_series(place.job(job.id).metrics)["train/loss"].steps.tolist() == list(range(1, 21))
    assert trained["eval_loss_after"] < trained["eval_loss_before"]


def test_its_adapter_stands_in_the_registry_with_the_bytes_it_tells(place: Workspace, trained: dict[str, Any]) -> None:
    with opened(place) as db:
        row = adapters.find(db, trained["adapter"])
    assert durable.find_damage(place.adapters / row.id) is None
    assert row.weights_sha == weights_hash(place, job_of(place, trained["job"]))
    assert row.weights_sha in (place.adapters / row.id / "README.md").read_text()


def test_its_verdict_is_that_of_the_store_of_compare_and_of_the_page(
    place: Workspace, trained: dict[str, Any], atelier: Command
) -> None:
    verdict = trained["verdict"]
    with opened(place) as db:
        row = evaluations.verdict_of_job(db, trained["job"])
        assert row is not None
        pair = [evaluations.get(db, row.base_evaluation), evaluations.get(db, row.tuned_evaluation)]
    assert {name: verdict[name] for name in row.content} == json.loads(json.dumps(row.content))
    assert [round(verdict[name], 9) for name in ("base_score", "tuned_score")] == [round(one.score, 9) for one in pair]

    compared = json.loads(atelier("compare", pair[0].id, pair[1].id, "--json").out)
    assert compared == {name: verdict[name] for name in compared}
    plain = atelier("compare", pair[0].id, pair[1].id).out
    assert plain.startswith(verdict["sentence"])

    page = AppTest.from_file(str(PROJECT_DIR / "app.py"), default_timeout=60)
    page.query_params["job"] = trained["job"]
    page.switch_page("pages/train/jobs.py").run()
    assert not page.exception
    shown = " ".join(element.value for element in page.markdown).replace("\\", "")
    assert verdict["sentence"] in shown


def test_list_names_the_job_and_its_state_on_one_line(trained: dict[str, Any], atelier: Command) -> None:
    (one,) = [job for job in json.loads(atelier("jobs", "list", "--json").out) if job["job"] == trained["job"]]
    assert (one["name"], one["state"], one["priority"]) == (HOSTILE, "succeeded", "normal")
    (line,) = [line for line in atelier("jobs", "list").out.split("\n") if line.startswith(f"{trained['number']} ")]
    assert "succeeded" in line and "<script>" in line and line.isprintable()


def test_show_gives_the_newest_metrics_the_verdict_and_the_history(
    place: Workspace, trained: dict[str, Any], atelier: Command
) -> None:
    found = json.loads(atelier("jobs", "show", trained["number"], "--json").out)
    assert found["metrics"] == json.loads(json.dumps(read_last(place.job(trained["job"]).metrics)))
    assert found["verdict"] == trained["verdict"]
    assert [event["after"] for event in found["events"]] == ["queued", "starting", "running", "succeeded"]
    assert found["spec"]["config"]["rank"] == 4
    text = atelier("jobs", "show", trained["job"][:24]).out
    assert trained["verdict"]["sentence"] in text
    assert f"train/loss {found['metrics']['train/loss']:.6g}" in text


def test_no_output_lets_a_hostile_name_steer_the_terminal(trained: dict[str, Any], atelier: Command) -> None:
    number = trained["number"]
    for words in (["list"], ["show", number], ["log", number], ["list", "--json"], ["show", number, "--json"]):
        out = atelier("jobs", *words).out
        assert out.replace("\n", "").replace("\t", "").isprintable(), words


def test_log_gives_the_last_lines_of_what_the_worker_wrote(
    place: Workspace, trained: dict[str, Any], atelier: Command
) -> None:
    lines = place.job(trained["job"]).log.read_text().splitlines()
    assert len(lines) > 3
    assert atelier("jobs", "log", trained["number"]).out.splitlines() == lines[-200:]
    assert atelier("jobs", "log", trained["number"], "--lines", "2").out.splitlines() == lines[-2:]


def test_evaluations_of_base_and_adapter_are_compared_on_the_same_items(
    place: Workspace, rows: Path, tiny_base: Path, trained: dict[str, Any], atelier: Command
) -> None:
    own = write_rows(place.root.parent / "own-items.jsonl", 24)
    base = json.loads(atelier("evaluate", "--data", own, "--base", tiny_base, "--wait", "--json").out)
    tuned = json.loads(atelier("evaluate", "--data", own, "--adapter", trained["adapter"], "--wait", "--json").out)
    with opened(place) as db:
        stored = [evaluations.get(db, one["evaluation"]) for one in (base, tuned)]
        scores = [[item.score for item in evaluations.items(db, one.id)] for one in stored]
    for said, row, items in zip((base, tuned), stored, scores, strict=True):
        assert (said["score"], said["low"], said["high"], said["items"]) == (row.score, row.low, row.high, 24)
        assert said["score"] == pytest.approx(sum(items) / 24)
    assert tuned["model"] == trained["adapter"]
    verdict = json.loads(atelier("compare", base["evaluation"], tuned["evaluation"], "--json").out)
    assert verdict["difference"] == pytest.approx(tuned["score"] - base["score"])
    assert verdict["items"] == 24
    refused = atelier("compare", base["evaluation"], trained["verdict"]["base_evaluation"])
    assert refused.code == 2 and "same items" in refused.err


@pytest.fixture(scope="module")
def interrupted(place: Workspace, rows: Path, tiny_base: Path) -> tuple[Job, int, str]:
    """A long job whose waiting command got Ctrl-C: the job, and how the command ended."""
    known = {job.id for job in all_jobs(place)}
    words = train_words(rows, tiny_base, LONG, "--no-evaluate", "--priority", "low", "--wait")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "core.cli.main", *map(str, words)],
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that a shell runs in its background ignore Ctrl-C, and so does all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: len(all_jobs(place)) > len(known), what="the job of the waiting command")
    (job,) = [job for job in all_jobs(place) if job.id not in known]
    wait_for_step(place, job, 2)
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=60)
    return job, waiting.returncode, said


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send there")
def test_an_interrupted_wait_leaves_the_job_at_work(place: Workspace, interrupted: tuple[Job, int, str]) -> None:
    job, code, said = interrupted
    assert code == 130
    assert said.splitlines()[-1].startswith("Interrupted. Jobs go on")
    step = int(read_series(place.job(job.id).metrics)["train/loss"].steps[-1])
    wait_for_step(place, job, step + 2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send there")
def test_a_running_job_is_paused_resumed_preferred_cancelled_and_retried(
    place: Workspace, trained: dict[str, Any], interrupted: tuple[Job, int, str], atelier: Command
) -> None:
    job = interrupted[0]
    assert json.loads(atelier("jobs", "pause", job.number, "--json").out)["state"] == "pausing"
    wait_for_state(place, job, "paused")
    step = int(read_series(place.job(job.id).metrics)["train/loss"].steps[-1])

    assert atelier("jobs", "priority", job.number, "high").code == 0
    assert atelier("jobs", "resume", job.number).out == f"Job #{job.number} is queued.\n"
    wait_for_step(place, job, step + 5)
    now = job_of(place, job.id)
    assert (now.state, now.attempt, now.priority_name) == ("running", 2, "high")

    different = {
        one["field"]: one for one in json.loads(atelier("jobs", "diff", trained["number"], job.number, "--json").out)
    }
    assert different["rank"] == {"field": "rank", "first": 4, "second": 8}
    assert different["max_steps"] == {"field": "max_steps", "first": 20, "second": 100_000}
    assert "learning_rate" not in different and "base" not in different

    assert atelier("jobs", "cancel", job.number).code == 0
    wait_for_state(place, job, "cancelled")
    again = json.loads(atelier("jobs", "retry", job.number, "--json").out)
    assert again["number"] > job.number and again["priority"] == "high"
    assert job_of(place, again["job"]).retry_of == job.id
    assert job_of(place, again["job"]).spec == job.spec
    atelier("jobs", "cancel", again["number"])
    wait_for_state(place, job_of(place, again["job"]), "cancelled")
    assert atelier("jobs", "diff", job.number, again["number"]).out == "The two jobs have the same configuration.\n"


def test_a_job_that_fails_makes_the_waiting_command_fail_with_its_sentence(
    place: Workspace, rows: Path, tiny_base: Path, atelier: Command
) -> None:
    words = train_words(rows, tiny_base, SHORT | {"target_modules": "[no_such_layer]"}, "--wait")
    answer = atelier(*words)
    job = all_jobs(place)[0]
    assert answer.code == 1
    assert job.state == "failed" and "no_such_layer" in job.error
    assert answer.err.splitlines()[-1] == f"Job #{job.number} is failed. {job.error}"
    assert job.error in atelier("jobs", "show", job.number).out


def test_a_dry_run_tells_the_size_and_queues_nothing(
    place: Workspace, rows: Path, tiny_base: Path, atelier: Command
) -> None:
    before = len(all_jobs(place))
    told = json.loads(atelier(*train_words(rows, tiny_base, SHORT, "--dry-run", "--json")).out)
    assert told["steps"] == 20
    assert told["config"]["rank"] == 4
    assert sum(told["composition"].values()) == 70
    assert told["estimate"]["seconds"] > 0
    assert len(all_jobs(place)) == before


def test_made_data_are_the_same_bytes_for_the_same_seed(tmp_path: Path, atelier: Command) -> None:
    for folder, seed in (("a", 7), ("b", 7), ("c", 8)):
        words = ["data", "make", "--industry", "finance", "--industry", "retail", "--count", 30, "--seed", seed]
        told = json.loads(atelier(*words, "--out", tmp_path / folder, "--json").out)
        assert [(one["industry"], one["examples"]) for one in told] == [("finance", 30), ("retail", 30)]
        assert [Path(one["file"]).name for one in told] == ["finance.jsonl", "retail.jsonl"]
    made = {folder: (tmp_path / folder / "finance.jsonl").read_bytes() for folder in "abc"}
    assert made["a"] == made["b"] != made["c"]
    rows = [json.loads(line) for line in made["a"].decode().splitlines()]
    assert len(rows) == 30
    assert all(row["prompt"] and row["response"] and row["metadata"]["source"] for row in rows)


def test_industries_and_bases_are_listed_with_what_a_person_chooses_by(atelier: Command) -> None:
    found = {one["id"]: one for one in json.loads(atelier("industries", "--json").out)}
    examples = {name: one["examples"] for name, one in found.items()}
    guided = {"finance": 30, "education": 20, "retail": 20, "healthcare": 20, "multi": 80}
    assert {name: examples[name] for name in guided} == guided
    assert all(count >= 20 for count in examples.values())
    assert all(one["benchmark_items"] >= 40 for one in found.values())
    bases = {one["id"]: one for one in json.loads(atelier("bases", "--json").out)}
    assert bases["starter"]["on_this_machine"] is True
    assert "starter" in atelier("bases").out and "finance" in atelier("industries").out


COMMANDS = [
    [],
    *[[name] for name in ("train", "evaluate", "compare", "app", "doctor", "industries", "specialists", "bases")],
    ["jobs"],
    ["data"],
    *[["jobs", name] for name in ("list", "show", "log", "diff", "cancel", "pause", "resume", "retry", "priority")],
    *[["data", name] for name in ("import", "check", "split", "mix", "list", "show", "delete", "make")],
    *[[name] for name in ("leaderboard", "results", "matrix", "score", "serve", "agreement")],
    ["corrections"],
    *[["corrections", name] for name in ("list", "export", "dataset", "delete")],
    ["benchmarks"],
    *[["benchmarks", name] for name in ("list", "show", "add", "delete")],
    ["models"],
    *[["models", name] for name in ("list", "show", "gate", "promote", "hold", "rollback", "undo", "archive")],
    *[["models", name] for name in ("production", "card", "report", "review")],
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "atelier")
def test_help_is_short_and_says_what_the_command_does(words: list[str], atelier: Command) -> None:
    answer = atelier(*words, "--help")
    lines = answer.out.splitlines()
    assert (answer.code, answer.err) == (0, "")
    assert lines[0].startswith(" ".join(["Usage: atelier", *words]))
    assert lines[2].startswith("  ") and re.match(r"[A-Z].+", lines[2].strip())
    assert len(lines) < 60 and max(map(len, lines)) <= 80
    options = [line for line in lines if re.match(r"  --\w", line)]
    assert options and all("  " in line.strip() or lines[lines.index(line) + 1].startswith("   ") for line in options)


def test_the_list_of_commands_to_be_helped_with_is_whole() -> None:
    groups = {
        "": main.app, "jobs": main.jobs.app, "data": main.data.app, "benchmarks": main.own_benchmarks.app,
        "models": main.models.app, "corrections": main.corrections.app,
    }  # fmt: skip
    known = {
        " ".join(filter(None, [group, command.name or command.callback.__name__]))  # type: ignore[union-attr]
        for group, app in groups.items()
        for command in app.registered_commands
    }
    assert known | set(groups) == {" ".join(words) for words in COMMANDS}


def test_the_help_of_train_names_every_field(atelier: Command) -> None:
    text = " ".join(atelier("train", "--help").out.split())
    assert all(re.search(rf"\b{name}\b", text) for name in TrainingConfig.model_fields)


@pytest.mark.parametrize("words", [[], ["jobs"], ["data"], ["benchmarks"], ["models"]])
def test_without_a_command_the_help_is_shown(words: list[str], atelier: Command) -> None:
    answer = atelier(*words)
    assert answer.code == 2
    assert answer.out.startswith("Usage: atelier") and "Commands:" in answer.out
    assert answer.err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with head")
def test_a_reader_that_leaves_early_causes_no_complaint(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m core.cli.main industries --json | head -c 1",
        shell=True,
        cwd=PROJECT_DIR,
        env={**os.environ, "ATELIER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "["
    assert done.stderr == ""
