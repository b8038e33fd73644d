"""Datasets from the hub: which files are taken, a broken-off download, the import by command and by job, refusals."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from core.datasets import hub, submission
from core.errors import BadInput, DataError
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.store import datasets
from core.store.connection import opened
from tests.integration.hub_server import REPOSITORY, Hub, serve


def parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), stream)
    return stream.getvalue()


def rows(start: int, count: int) -> list[dict[str, Any]]:
    return [
        {"sentence": f"Review number {number} of a kettle", "label": number % 2}
        for number in range(start, start + count)
    ]


@pytest.fixture
def server() -> Iterator[Hub]:
    files = {
        "README.md": b"---\nlicence: mit\n---",
        "data/train-00000-of-00002.parquet": parquet(rows(0, 40)),
        "data/train-00001-of-00002.parquet": parquet(rows(40, 30)),
        "data/validation-00000-of-00001.parquet": parquet(rows(70, 10)),
    }
    with serve(files) as made:
        yield made


def variables(server: Hub, home: Path, workspace: Path | None = None) -> dict[str, str]:
    told = {"HF_ENDPOINT": server.address, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(PROJECT_DIR)}
    return {**os.environ, **told} | ({"ATELIER_HOME": str(workspace)} if workspace else {})


def command(server: Hub, home: Path, workspace: Path, *arguments: str) -> tuple[int, str, str]:
    """Run the command in a process of its own: the hub's client reads its variables when it is imported."""
    done = subprocess.run(
        [sys.executable, "-m", "core.cli.main", *arguments],
        env=variables(server, home, workspace), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_training_part_comes_with_all_its_files_and_only_once(server: Hub, tmp_path: Path) -> None:
    work = tmp_path / "work"
    labels = ["--label", "0=bad", "--label", "1=good"]
    code, out, err = command(server, tmp_path, work, "data", "import", f"hub:{REPOSITORY}", *labels, "--json")
    assert code == 0, err
    made = json.loads(out)
    assert (made["dataset"], made["rows"], made["examples"], made["rejected"]) == (REPOSITORY, 70, 70, 0)
    with opened(Workspace(work)) as db:
        source = datasets.find_named(db, REPOSITORY).manifest["source"]
    assert source["hub"] == REPOSITORY
    assert source["files"] == 2
    assert len(source["commit"]) == 40
    assert server.fetched("data/validation-00000-of-00001.parquet") == []
    asked = len(server.asked)
    code, again, _ = command(server, tmp_path, work, "data", "import", f"hub:{REPOSITORY}", *labels, "--json")
    assert code == 0
    assert json.loads(again)["sha"] == made["sha"]
    assert len(server.asked) == asked


def test_a_file_can_be_named(server: Hub, tmp_path: Path) -> None:
    what = f"hub:{REPOSITORY}/data/validation-00000-of-00001.parquet"
    code, out, err = command(server, tmp_path, tmp_path / "work", "data", "import", what, "--json")
    assert code == 0, err
    assert json.loads(out)["rows"] == 10


def test_a_file_that_does_not_exist_is_told_with_those_that_do(server: Hub, tmp_path: Path) -> None:
    code, _, err = command(server, tmp_path, tmp_path / "work", "data", "import", f"hub:{REPOSITORY}/nothing.csv")
    assert code == 2
    assert "has no file 'nothing.csv'" in err
    assert "data/train-00000-of-00002.parquet" in err


def test_a_dataset_that_does_not_exist_is_told(server: Hub, tmp_path: Path) -> None:
    code, _, err = command(server, tmp_path, tmp_path / "work", "data", "import", "hub:owner/other")
    assert code == 2
    assert "The hub has no dataset owner/other" in err


def test_out_of_reach_a_dataset_that_is_here_is_still_read(server: Hub, tmp_path: Path) -> None:
    what = ("data", "import", f"hub:{REPOSITORY}", "--dry-run", "--json")
    assert command(server, tmp_path, tmp_path / "work", *what)[0] == 0
    server.refusal = (503, "")
    assert command(server, tmp_path, tmp_path / "work", *what)[0] == 0


def test_a_job_fetches_and_a_second_one_imports(
    server: Hub, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(server, tmp_path / "hub").items():
        monkeypatch.setenv(name, value)
    job = queue.wait(workspace, submission.submit_fetch(workspace, REPOSITORY, []).id)
    assert job.state == "succeeded", job.error
    assert job.result["files"] == 2
    found = hub.find_cached(REPOSITORY, [])
    assert found is not None
    assert [path.name for path in found.paths()] == [
        "train-00000-of-00002.parquet", "train-00001-of-00002.parquet",
    ]  # fmt: skip


def test_a_specialist_takes_its_rows_from_the_hub(server: Hub, tmp_path: Path) -> None:
    own = tmp_path / "work" / "specialists"
    own.mkdir(parents=True)
    (own / "mine.yaml").write_text(SPECIALIST, encoding="utf-8")
    what = ("train", "--specialist", "kettles", "--source", "hub", "--dry-run", "--json")
    code, out, err = command(server, tmp_path, tmp_path / "work", *what)
    assert code == 0, err
    told = json.loads(out)
    assert sum(told["composition"].values()) == 70
    assert server.fetched("data/validation-00000-of-00001.parquet") == [""]


SPECIALIST = f"""
id: mine
title: Mine
specialists:
  - id: kettles
    title: Kettle reviews
    summary: Says whether a review of a kettle is good or bad.
    task: classification
    base_class: 3B
    base: Qwen/Qwen2.5-3B-Instruct
    rank: 8
    prompt: "Good or bad? {{text}}"
    labels: [good, bad]
    metrics: [accuracy]
    thresholds: {{accuracy: {{baseline: 0.5, tuned: 0.9}}}}
    sources:
      - name: Kettles
        licence: MIT
        hub:
          id: {REPOSITORY}
          files: {{train: "data/train-*.parquet", test: "data/validation-*.parquet"}}
          mapping: {{prompt: sentence, response: label, labels: {{"0": bad, "1": good}}}}
    generator:
      tasks:
        - id: one
          draw: {{n: {{range: [1, 9000]}}}}
          ask: ["Kettle {{{{ n }}}} leaks"]
          answer: ["bad"]
"""


@pytest.mark.parametrize("text", ["hub:", "hub:owner", "hub:/x", "hub:../x", "hub:owner/.."])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="names no dataset"):
        hub.read_name(text)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a/train-0.parquet", "a/test-0.parquet"], ["a/train-0.parquet"]),
        (["main/train-0.parquet", "socratic/train-0.parquet"], ["main/train-0.parquet"]),
        (["dataset_infos.json", "rows.jsonl"], ["rows.jsonl"]),
        (["train/0.parquet", "train/1.parquet", "test/0.parquet"], ["train/0.parquet", "train/1.parquet"]),
    ],
)
def test_the_training_part_is_found_by_its_name(names: list[str], chosen: list[str]) -> None:
    assert hub.choose_files(names, "owner/x") == chosen


def test_several_files_without_a_training_part_are_not_guessed() -> None:
    with pytest.raises(DataError, match=r"Name one, as hub:owner/x/a\.csv"):
        hub.choose_files(["b.csv", "a.csv"], "owner/x")


def test_files_of_other_kinds_are_no_rows() -> None:
    with pytest.raises(DataError, match="has no Parquet, CSV"):
        hub.choose_files(["pictures.zip", "README.md"], "owner/x")
