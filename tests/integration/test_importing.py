"""Imports: rows become a version, bad ones are put aside with their reason, and nothing half-done remains."""

import csv
import gzip
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from core import durable
from core.datasets import importing, preview, submission, versions
from core.datasets.importing import Cancelled, Imported, Progress
from core.errors import DataError
from core.paths import Workspace
from core.process import queue
from core.store import datasets, jobs
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_progress
from tests.conftest import SHARED, processes_of, wait_until
from tests.integration import support
from tests.integration.command import Command, make_command

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data lie beside the project, not in it")


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def write_table(path: Path, rows: list[tuple[object, ...]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return path


def import_whole(workspace: Workspace, path: Path, told: Any = None, **wanted: Any) -> Imported:
    found = preview.look_at(path)
    mapping = preview.choose_mapping(found, path, wanted)
    return importing.import_file(workspace, path, found.form, mapping, name="rows", told=told)


def left_over(workspace: Workspace) -> list[str]:
    return [path.name for path in workspace.datasets.iterdir()] if workspace.datasets.exists() else []


def test_what_was_imported_is_read_back_and_can_be_traced(workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(
        tmp_path / "mails.csv", [("text", "team"), ("Where is it?", "post"), ("I pay", "sales"), ("", "x")]
    )
    made = import_whole(workspace, path, prompt="text", response="team")
    assert (made.rows, made.examples, made.rejected, made.is_new) == (3, 2, 1, True)
    examples = versions.load(workspace, made.sha)
    assert [(one.prompt, one.response, one.origin) for one in examples] == [
        ("Where is it?", "post", "mails.csv"),
        ("I pay", "sales", "mails.csv"),
    ]
    manifest = json.loads((versions.folder_of(workspace, made.sha) / versions.MANIFEST_FILE).read_text())
    source = manifest["source"]
    assert (source["file"], source["rows_read"], source["rejected"]) == ("mails.csv", 3, 1)
    assert source["mapping"] == {"layout": "pair", "prompt": "text", "response": "team"}
    [aside] = importing.first_rejects(workspace, made.sha, 10)
    assert aside == {
        "file": "mails.csv", "line": 4, "column": "text", "reason": "is empty", "text": '{"text": "", "team": "x"}',
    }  # fmt: skip


def test_the_same_rows_are_the_same_version(workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", [("question", "answer"), ("a", "b"), ("c", "d")])
    first, again = import_whole(workspace, path), import_whole(workspace, path)
    assert (first.sha, first.is_new, again.is_new) == (again.sha, True, False)
    assert left_over(workspace) == [first.sha]


def test_a_cancelled_import_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", [("question", "answer"), *[(f"q{n}", f"a{n}") for n in range(9000)]])
    seen: list[int] = []

    def told(progress: Progress) -> bool:
        seen.append(progress.rows)
        return progress.rows < 4000

    with pytest.raises(Cancelled):
        import_whole(workspace, path, told)
    assert seen == [2000, 4000] and left_over(workspace) == []


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.csv", b"question,answer\n,x\n,y\n", "gives no example"),
        ("a.json", b'[{"question": "a", "answer": "b"}, {"question"', "behind row 1"),
        ("a.csv.gz", gzip.compress(b"question,answer\n" + b"a,b\n" * 90_000)[:-40], "damaged"),
    ],
)
def test_a_failed_import_leaves_nothing(
    name: str, content: bytes, word: str, workspace: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=word):
        import_whole(workspace, path)
    assert left_over(workspace) == []


def test_a_full_disk_stops_the_import_before_it_is_full(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_table(tmp_path / "a.csv", [("question", "answer"), *[(f"q{n}", f"a{n}") for n in range(3000)]])
    monkeypatch.setattr(importing, "SPARE_BYTES", 10**18)
    with pytest.raises(DataError, match="Free some space"):
        import_whole(workspace, path)
    assert left_over(workspace) == []


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"response": "nothing"}, "no column 'nothing'. It has: question, answer"),
        ({"template": "Say {more}"}, "no column 'more'"),
        ({"prompt": "answer"}, "can't both ask and answer"),
    ],
)
def test_a_mapping_that_does_not_fit_the_file_is_refused(wanted: dict[str, str], says: str, tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", [("question", "answer"), ("a", "b")])
    with pytest.raises(DataError, match=says):
        preview.choose_mapping(preview.look_at(path), path, wanted)


# The command


def test_the_command_imports_lists_shows_and_deletes(atelier: Command, workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(tmp_path / "My mails.csv", [("text", "label"), *[(f"mail {n}", n % 2) for n in range(30)]])
    made = json.loads(atelier("data", "import", path, "--label", "0=no", "--label", "1=yes", "--json").out)
    assert (made["dataset"], made["rows"], made["rejected"]) == ("My mails", 30, 0) and made["seconds"] > 0
    assert "My mails" in atelier("data", "list").out
    shown = json.loads(atelier("data", "show", "My mails", "--json").out)
    assert shown["sha"] == made["sha"] and shown["first"][1]["response"] == "yes"
    assert json.loads(atelier("data", "show", made["sha"][:10], "--json").out)["dataset"] == "My mails"
    asked = atelier("data", "delete", "My mails")
    assert asked.code == 2 and "--yes" in asked.err
    assert atelier("data", "delete", "My mails", "--yes").code == 0
    assert json.loads(atelier("data", "list", "--json").out) == [] and left_over(workspace) == []


def test_a_name_goes_through_versions_and_the_newest_is_meant(
    atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    for count in (5, 6):
        path = write_table(tmp_path / "a.csv", [("question", "answer"), *[(f"q{n}", "x") for n in range(count)]])
        atelier("data", "import", path, "--name", "mine")
    [listed] = json.loads(atelier("data", "list", "--json").out)
    assert (listed["examples"], listed["versions"]) == (6, 2)
    history = json.loads(atelier("data", "show", "mine", "--json").out)["history"]
    assert [one["examples"] for one in history] == [6, 5]


def test_what_a_job_was_trained_on_outlives_its_name(atelier: Command, workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", [("question", "answer"), ("a", "b"), ("c", "d")])
    made = json.loads(atelier("data", "import", path, "--json").out)
    with opened(workspace) as db:
        jobs.create(db, kind="train", name="on a", spec={}, dataset=made["sha"])
    assert json.loads(atelier("data", "show", "a", "--json").out)["jobs"][0]["name"] == "on a"
    assert atelier("data", "delete", "a", "--yes").code == 0
    assert left_over(workspace) == [made["sha"]]
    with opened(workspace) as db:
        assert datasets.get(db, made["sha"]) is not None


def test_an_unknown_dataset_is_refused_with_the_nearest_name(
    atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    atelier("data", "import", write_table(tmp_path / "mails.csv", [("question", "answer"), ("a", "b")]))
    refused = atelier("data", "show", "mail")
    assert refused.code == 2 and "Did you mean 'mails'?" in refused.err


def test_a_dry_run_shows_the_examples_and_stores_none(atelier: Command, workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", [("question", "answer"), ("a", "b")])
    shown = json.loads(atelier("data", "import", path, "--dry-run", "--json").out)
    assert shown["examples"] == [{"prompt": "a", "response": "b", "origin": "a.csv"}]
    assert shown["mapping"] == {"layout": "pair", "prompt": "question", "response": "answer"}
    assert left_over(workspace) == []


@pytest.mark.parametrize(
    "words",
    [
        ["--name", "x" * 200],
        ["--name", " "],
        ["--label", "yes"],
        ["--response", "no such column"],
        ["--delimiter", "ab"],
        ["--encoding", "klingon"],
        ["--layout", "round"],
    ],
)
def test_bad_words_beside_a_good_file_are_refused_in_a_sentence(
    words: list[str], atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    path = write_table(tmp_path / "a.csv", [("question", "answer"), ("a", "b")])
    refused = atelier("data", "import", path, *words)
    assert refused.code == 2 and refused.out == "" and "Traceback" not in refused.err
    assert left_over(workspace) == []


# The real files

REAL: dict[str, tuple[int, list[str]]] = {
    "banking77/train.csv": (10_003, []),
    "banking77/test.csv": (3_080, []),
    "sst2/train.tsv": (67_349, ["--label", "0=negative", "--label", "1=positive"]),
    "sst2/dev.tsv": (872, []),
    "sst2/test.tsv": (1_821, []),
    "gsm8k/train_first2000.jsonl": (2_000, []),
    "gsm8k/test.jsonl": (1_319, []),
    "mbpp/mbpp.jsonl": (974, []),
    "humaneval/HumanEval.jsonl.gz": (164, []),
    "wikisql_mlx_lora/train.jsonl": (1_000, []),
    "wikisql_mlx_lora/valid.jsonl": (100, []),
    "mts_dialog/MTS-Dialog-TrainingSet.csv": (1_201, []),
    "mts_dialog/MTS-Dialog-ValidationSet.csv": (100, []),
    "annomi_dev/annomi_dev.csv": (5_080, ["--response", "main_therapist_behaviour"]),
}


@needs_data
@pytest.mark.parametrize("name", REAL)
def test_a_real_file_is_imported_whole(name: str, atelier: Command, workspace: Workspace) -> None:
    rows, words = REAL[name]
    made = json.loads(atelier("data", "import", DATA / name, *words, "--json").out)
    assert (made["rows"], made["examples"], made["rejected"]) == (rows, rows, 0)


def test_an_older_workspace_gets_the_names_of_datasets(workspace: Workspace, atelier: Command) -> None:
    atelier("data", "list")
    db = sqlite3.connect(workspace.database)
    db.execute("DROP TABLE dataset_names")
    db.execute("DROP INDEX jobs_by_dataset")
    db.execute("DELETE FROM _sqlite_migrations WHERE name = 'dataset_names'")
    db.execute("PRAGMA user_version=1")
    db.commit()
    db.close()
    assert json.loads(atelier("data", "list", "--json").out) == []


# The job


def submit_import(workspace: Workspace, path: Path, name: str = "mine") -> Job:
    found = preview.look_at(path)
    return submission.submit(workspace, path, found.form, preview.choose_mapping(found, path, {}), name=name)


def test_a_job_imports_beside_a_training_that_holds_the_device(
    workspace: Workspace, tmp_path: Path, tiny_base: Path
) -> None:
    training = support.submit(workspace, tiny_base, max_steps=100_000, evaluate=False)
    support.wait_for_step(workspace, training, 2)
    path = write_table(tmp_path / "a.csv", [("question", "answer"), *[(f"q{n}", f"a{n}") for n in range(5000)]])
    upload = submission.keep_upload(workspace, path)
    job = support.wait_for_end(workspace, submit_import(workspace, upload))
    assert (job.state, job.device, job.result["examples"]) == ("succeeded", "host", 5000)
    assert support.read(workspace, training).state == "running"
    with opened(workspace) as db:
        assert datasets.find_named(db, "mine").rows == 5000
        queue.cancel(db, jobs.get(db, training.id))
    assert not upload.exists() and path.exists()
    support.wait_for_end(workspace, training)


def test_a_killed_import_begins_anew_and_a_cancelled_one_leaves_nothing(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "much.jsonl"
    with path.open("w") as stream:
        for n in range(400_000):
            stream.write(json.dumps({"prompt": f"question {n} " * 8, "response": f"answer {n}"}) + "\n")
    job = submit_import(workspace, path)

    def is_underway() -> bool:
        progress = read_progress(workspace.job(job.id).metrics)
        return progress is not None and progress.phase == "importing" and progress.step > 2

    wait_until(is_underway, 60, "an import that is underway")
    (worker,) = [one for one in processes_of(workspace) if "core.datasets.worker" in " ".join(one.cmdline())]
    worker.kill()
    support.wait_for_state(workspace, job, "queued", "starting", "running")
    wait_until(is_underway, 60, "the second attempt")
    with opened(workspace) as db:
        queue.cancel(db, jobs.get(db, job.id))
    assert support.wait_for_end(workspace, job).state == "cancelled"
    versions_left = [name for name in left_over(workspace) if not name.startswith(".staging")]
    assert versions_left == []
    durable.sweep_staging(workspace.datasets)  # as the next import does with what the killed one left
    assert left_over(workspace) == []


def test_a_file_that_breaks_off_fails_the_job_with_the_commands_sentence(
    workspace: Workspace, atelier: Command, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text("[" + '{"question": "q", "answer": "a"},' * 200)
    refused = atelier("data", "import", path)
    job = support.wait_for_end(workspace, submit_import(workspace, path))
    assert job.state == "failed" and job.error == refused.err.strip()
