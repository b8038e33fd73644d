"""Registry and folders after crashes and restored databases: what is whole comes back, what is half is never shown."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import durable
from core.errors import NotFound
from core.paths import PROJECT_DIR, Workspace
from core.process import environment, queue
from core.process.runner import Assignment
from core.registry.reconcile import MISSING, reconcile
from core.store import adapters, backup, jobs, schema
from core.store.connection import opened, transaction
from core.store.jobs import Job
from core.store.states import ENDED, State
from tests.conftest import processes_of, wait_until
from tests.integration.support import EXACT_JOB, SUPERVISOR, Outcome, end_of, outcome, read, submit, supervisor_of

DIES_BEFORE_ITS_ROW = """
import os, signal, sys
from core.store import adapters
adapters.insert = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from core.training import worker
raise SystemExit(worker.main(sys.argv[1]))
"""


@pytest.fixture
def db(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    with opened(workspace) as db:
        yield db


def job_in(db: sqlite3.Connection, *states: State) -> Job:
    job = jobs.create(db, kind="train", name="a job", spec={"base": "starter"})
    for state in states:
        job = jobs.move(db, job, state)
    return job


def write_adapter(workspace: Workspace, job_id: str, **changes: Any) -> Path:
    """Write what a worker writes before it stores the row."""
    card = {"name": "a job", "job": job_id, "base": "starter", "base_fingerprint": "f", "dataset": "d"}
    folder = workspace.adapters / job_id
    with durable.new_folder(folder) as staging:
        (staging / "adapter_model.safetensors").write_bytes(b"weights")
        (staging / "card.json").write_text(json.dumps(card | {"weights_sha": "s"} | changes))
        (staging / "job.json").write_text(json.dumps({"spec": {"base": "starter"}, "result": {"adapter": job_id}}))
    return folder


# A real worker


@pytest.mark.xdist_group("processes")
def test_a_worker_that_dies_between_folder_and_row_leaves_no_half_and_an_older_database_loses_no_adapter(
    workspace: Workspace, tiny_base: Path, undisturbed: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = backup.save(workspace)
    with monkeypatch.context() as patch:
        patch.setattr(queue, "ensure_supervisor", lambda _: False)
        job = submit(workspace, tiny_base, **EXACT_JOB)
    with opened(workspace) as db:
        job = jobs.claim(db, job, "cpu")
    assignment = Assignment(str(workspace.root), job.id, job.attempt, job.token, "core.training.worker", "cpu")
    command = [sys.executable, "-c", DIES_BEFORE_ITS_ROW, assignment.to_line().decode()]
    died = subprocess.run(command, cwd=PROJECT_DIR, env=environment.for_worker("cpu"), capture_output=True)
    assert died.returncode == -9, died.stderr.decode()
    assert durable.find_damage(workspace.adapters / job.id) is None
    with opened(workspace) as db, pytest.raises(NotFound):
        adapters.find(db, job.id)

    queue.ensure_supervisor(workspace)
    assert end_of(workspace, job) == undisturbed
    ended = read(workspace, job)
    with opened(workspace) as db:
        row = adapters.find(db, job.id)
        assert adapters.count(db) == 1 and ended.attempt == 2

    supervisor_of(workspace).kill()
    wait_until(lambda: not processes_of(workspace, SUPERVISOR), 10, "the end of the supervisor")
    assert backup.restore(workspace) == older
    schema.prepare(workspace)
    with opened(workspace) as db:
        assert adapters.count(db) == 0 and jobs.recent(db) == []

    def is_back() -> bool:
        queue.ensure_supervisor(workspace)  # again and again, as the app does: the killed one may still be dying
        with opened(workspace) as db:
            return adapters.count(db) == 1

    wait_until(is_back, 120, "the adapter's row")
    again = read(workspace, job)
    assert (again.state, again.name, again.spec, again.result) == ("succeeded", ended.name, ended.spec, ended.result)
    assert outcome(workspace, again).weights == undisturbed.weights
    with opened(workspace) as db:
        found = adapters.find(db, job.id)
    assert (found.weights_sha, found.card, found.base_fingerprint) == (row.weights_sha, row.card, row.base_fingerprint)


# Folders without a row


def test_nothing_is_said_and_done_when_all_is_well(workspace: Workspace, db: sqlite3.Connection) -> None:
    job = job_in(db, "starting", "running", "succeeded")
    folder = write_adapter(workspace, job.id)
    with transaction(db):
        adapters.insert(db, job.id, json.loads((folder / "card.json").read_text()))
    history = jobs.events(db, job.id)
    assert reconcile(workspace, db) == []
    assert jobs.events(db, job.id) == history


def test_the_whole_adapter_of_a_succeeded_job_gets_its_row_again(workspace: Workspace, db: sqlite3.Connection) -> None:
    job = job_in(db, "starting", "running", "succeeded")
    write_adapter(workspace, job.id)
    [said] = reconcile(workspace, db)
    assert "in the registry again" in said
    assert adapters.find(db, job.id).card["weights_sha"] == "s"
    assert reconcile(workspace, db) == []


@pytest.mark.parametrize(
    "way", [(), ("starting", "running"), ("starting", "running", "lost"), ("starting", "running", "pausing", "paused")]
)
def test_the_adapter_of_a_job_that_goes_on_waits_for_its_worker(
    workspace: Workspace, db: sqlite3.Connection, way: tuple[State, ...]
) -> None:
    folder = write_adapter(workspace, job_in(db, *way).id)
    assert reconcile(workspace, db) == []
    assert adapters.count(db) == 0 and folder.exists()


@pytest.mark.parametrize("end", [state for state in ENDED if state != "succeeded"])
def test_the_adapter_of_a_job_that_did_not_succeed_is_removed(
    workspace: Workspace, db: sqlite3.Connection, end: State
) -> None:
    way: tuple[State, ...] = ("cancelled",) if end == "cancelled" else ("starting", "failed")
    folder = write_adapter(workspace, job_in(db, *way).id)
    [said] = reconcile(workspace, db)
    assert f"is {end}" in said
    assert adapters.count(db) == 0 and not folder.exists()


@pytest.mark.parametrize("known", [True, False], ids=["job known", "job unknown"])
def test_a_damaged_or_foreign_folder_stays_out_of_the_registry_and_is_not_touched(
    workspace: Workspace, db: sqlite3.Connection, known: bool
) -> None:
    ids = [job_in(db, "starting", "running", "succeeded").id if known else f"unknown-{number}" for number in range(5)]
    made = [write_adapter(workspace, ids[0]), write_adapter(workspace, ids[1])]
    (made[0] / "adapter_model.safetensors").write_bytes(b"WEIGHTS")
    (made[1] / durable.MANIFEST).unlink()
    made += [write_adapter(workspace, ids[2], job="another"), write_adapter(workspace, ids[3], base=None)]
    with durable.new_folder(workspace.adapters / ids[4]) as staging:
        (staging / "card.json").write_text("[]")
    made.append(workspace.adapters / ids[4])
    said = reconcile(workspace, db)
    assert len(said) == len(made) == 5
    assert all("left out of the registry" in sentence for sentence in said)
    assert adapters.count(db) == 0 and all(folder.exists() for folder in made)


def test_an_adapter_whose_job_an_older_database_does_not_know_brings_its_job_with_it(
    workspace: Workspace, db: sqlite3.Connection
) -> None:
    older = job_in(db)
    write_adapter(workspace, "01jzzzzzzzzzzzzzzzzzzzzzzz")
    reconcile(workspace, db)
    job = jobs.get(db, "01jzzzzzzzzzzzzzzzzzzzzzzz")
    assert (job.state, job.kind, job.name, job.number) == ("succeeded", "train", "a job", older.number + 1)
    assert (job.spec, job.result) == ({"base": "starter"}, {"adapter": job.id})
    assert [event.note for event in jobs.events(db, job.id)] == ["found again by its adapter's folder"]
    assert adapters.find(db, "a job").job == job.id


# Staging, and rows without a folder


def test_what_dead_writers_left_is_swept_and_what_live_ones_write_is_spared(
    workspace: Workspace, db: sqlite3.Connection
) -> None:
    for folder in (workspace.adapters, workspace.datasets):
        (folder / ".staging-x-0123-0").mkdir()
    with durable.new_folder(workspace.adapters / "live") as staging:
        reconcile(workspace, db)
        assert [path.name for path in workspace.adapters.iterdir()] == [staging.name]
    assert list(workspace.datasets.iterdir()) == []


@pytest.mark.parametrize("loss", ["folder", "file"])
def test_a_row_whose_files_are_gone_is_told_and_stays_in_the_history_of_its_job_once(
    workspace: Workspace, db: sqlite3.Connection, loss: str
) -> None:
    job = job_in(db, "starting", "running", "succeeded")
    folder = write_adapter(workspace, job.id)
    with transaction(db):
        adapters.insert(db, job.id, json.loads((folder / "card.json").read_text()))
    if loss == "folder":
        shutil.rmtree(folder)
    else:
        (folder / "adapter_model.safetensors").unlink()
    for _ in range(2):
        [said] = reconcile(workspace, db)
        assert job.id in said and "can't be used" in said
    assert [event.note for event in jobs.events(db, job.id)].count(MISSING) == 1
    assert adapters.find(db, job.id).job == job.id
