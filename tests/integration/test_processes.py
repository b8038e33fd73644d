"""Supervisor, runner and worker as real processes, killed one by one and together, on short jobs.

What an interrupted job leaves is compared with what the same job leaves when nothing happens to it.
"""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from core import durable
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.process.liveness import FileLock, is_held
from core.process.supervisor import MOST_LOSSES, Supervisor
from core.store import adapters, evaluations, jobs
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import MetricWriter, read_progress
from tests.conftest import processes_of, wait_until
from tests.integration.support import (
    EXACT_JOB,
    RUNNER,
    Outcome,
    end_of,
    holders,
    notes_of,
    only,
    outcome,
    read,
    states_of,
    submit,
    supervisor_of,
    wait_for_end,
    wait_for_no_process,
    wait_for_state,
    wait_for_step,
    watched_workers,
    worker_of,
)

pytestmark = [
    pytest.mark.xdist_group("processes"),  # one after another: they share the job that nothing disturbed
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc"),
]


def kill(process: psutil.Process) -> None:
    process.kill()
    psutil.wait_procs([process], timeout=10)


def act(workspace: Workspace, job: Job, action: object) -> Job:
    """Do with a job what a person does, and wake a supervisor as every door does."""
    with opened(workspace) as db:
        done: Job = action(db, jobs.get(db, job.id))  # type: ignore[operator]
    queue.ensure_supervisor(workspace)
    return done


# The whole way


def test_a_job_runs_to_its_end_and_leaves_result_adapter_and_verdict(workspace: Workspace, tiny_base: Path) -> None:
    job = wait_for_end(workspace, submit(workspace, tiny_base, name="  whole   way "))
    assert states_of(workspace, job) == ["queued", "starting", "running", "succeeded"]
    assert (job.name, job.attempt, job.losses, job.device) == ("whole way", 1, 0, "cpu")
    assert job.result["steps"] == 40 and job.result["eval_loss_after"] < job.result["eval_loss_before"]
    assert durable.find_damage(workspace.adapters / job.id) is None
    with opened(workspace) as db:
        row = adapters.find(db, "whole way")
        assert row.id == job.id and row.weights_sha == outcome(workspace, job).weights
        verdict = evaluations.verdict_of_job(db, job.id)
        assert verdict is not None and verdict.content == job.result["verdict"]
        assert len(evaluations.of_job(db, job.id)) == 2
    progress = read_progress(workspace.job(job.id).metrics)
    assert progress is not None and progress.milestones >= 4
    wait_until(lambda: not holders(workspace, job), 10, "the end of runner and worker")
    assert json.loads(workspace.job(job.id).exit_file(1).read_text())["code"] == 0


def test_a_warm_worker_takes_the_next_job(
    workspace: Workspace, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_WARM", "1")
    queue.ensure_supervisor(workspace)
    # For a moment a program that it starts looks like itself.
    wait_until(lambda: len(processes_of(workspace, "core.process.warm")) == 1, 120, "a warm worker")
    warm = only(processes_of(workspace, "core.process.warm"))
    job = submit(workspace, tiny_base, max_steps=200, evaluate=False)
    wait_for_step(workspace, job, 1)
    assert worker_of(workspace, job).pid == warm.pid
    assert wait_for_end(workspace, job).state == "succeeded"
    wait_until(lambda: bool(processes_of(workspace, "core.process.warm")), 120, "the next warm worker")
    kill(supervisor_of(workspace))
    wait_for_no_process(workspace)


# Pause, cancel, retry


def test_a_paused_job_leaves_the_device_and_goes_on_to_the_same_result(
    workspace: Workspace, tiny_base: Path, undisturbed: Outcome
) -> None:
    job = submit(workspace, tiny_base, **EXACT_JOB)
    wait_for_step(workspace, job, 15)
    act(workspace, job, queue.pause)
    paused = wait_for_state(workspace, job, "paused")
    assert (paused.reason, paused.request) == ("paused by you", None)
    act(workspace, job, queue.resume)  # at once, while the worker may still be on its way out
    assert end_of(workspace, job) == undisturbed
    assert read(workspace, job).attempt == 2
    assert "lost" not in states_of(workspace, job)


def test_a_paused_job_rests_until_it_is_resumed(workspace: Workspace, tiny_base: Path) -> None:
    job = submit(workspace, tiny_base, max_steps=2000, evaluate=False)
    wait_for_state(workspace, job, "starting")
    act(workspace, job, queue.pause)
    assert wait_for_state(workspace, job, "paused").reason == "paused by you"
    wait_until(lambda: not holders(workspace, job), 10, "the end of runner and worker")
    other = wait_for_end(workspace, submit(workspace, tiny_base, max_steps=2, evaluate=False))
    assert other.state == "succeeded"
    assert read(workspace, job).state == "paused"


def test_a_cancelled_job_leaves_nothing_half_done_and_its_retry_gives_the_whole(
    workspace: Workspace, tiny_base: Path, undisturbed: Outcome
) -> None:
    job = submit(workspace, tiny_base, **EXACT_JOB)
    wait_for_step(workspace, job, 15)
    act(workspace, job, queue.cancel)
    cancelled = wait_for_state(workspace, job, "cancelled")
    assert cancelled.ended_at is not None and cancelled.request is None
    wait_until(lambda: not holders(workspace, job), 10, "the end of runner and worker")
    assert list(workspace.adapters.iterdir()) == []
    assert list(workspace.job(job.id).root.rglob(f"{durable.STAGING_PREFIX}*")) == []
    with opened(workspace) as db:
        assert adapters.count(db) == 0 and evaluations.of_job(db, job.id) == []
    again = act(workspace, job, queue.retry)
    assert (again.retry_of, again.id == job.id) == (job.id, False)
    assert end_of(workspace, again) == undisturbed
    assert read(workspace, job) == cancelled


def test_a_job_of_high_priority_goes_first_and_the_other_goes_on_to_the_same_result(
    workspace: Workspace, tiny_base: Path, undisturbed: Outcome
) -> None:
    low = submit(workspace, tiny_base, priority="low", **EXACT_JOB)
    wait_for_step(workspace, low, 15)
    high = submit(workspace, tiny_base, name="high", priority="high", max_steps=2, evaluate=False)
    assert end_of(workspace, low) == undisturbed
    assert f"makes way for job #{high.number}" in notes_of(workspace, low)
    assert states_of(workspace, low).count("starting") == 2
    assert (read(workspace, high).ended_at or 0) < (read(workspace, low).ended_at or 0)
    assert states_of(workspace, high) == ["queued", "starting", "running", "succeeded"]


# Kills


@pytest.mark.parametrize(
    ("victims", "attempts"),
    [
        (("worker",), 2),
        (("runner",), 1),
        (("supervisor",), 1),
        (("worker", "runner", "supervisor"), 2),
    ],
    ids=["worker", "runner", "supervisor", "all"],
)
def test_a_job_whose_processes_are_killed_comes_to_the_same_result(
    workspace: Workspace, tiny_base: Path, undisturbed: Outcome, victims: tuple[str, ...], attempts: int
) -> None:
    job = submit(workspace, tiny_base, **EXACT_JOB)
    wait_for_step(workspace, job, 15)
    found = {
        "worker": worker_of(workspace, job),
        "runner": only(holders(workspace, job, RUNNER)),
        "supervisor": supervisor_of(workspace),
    }
    with watched_workers(workspace, job) as seen:
        for name in reversed(victims):
            found[name].kill()
        psutil.wait_procs([found[name] for name in victims], timeout=10)
        queue.wait(workspace, job.id)  # wakes a supervisor, as the app and the command do
        assert end_of(workspace, job) == undisturbed
    assert seen.most == 1
    assert read(workspace, job).attempt == attempts
    assert ("lost" in states_of(workspace, job)) == (attempts > 1)
    wait_until(lambda: not holders(workspace, job), 10, "the end of runner and worker")
    kill(supervisor_of(workspace))
    wait_for_no_process(workspace)


def test_a_job_that_was_to_pause_pauses_although_its_worker_was_killed(workspace: Workspace, tiny_base: Path) -> None:
    job = submit(workspace, tiny_base, **EXACT_JOB | {"max_steps": 5000})
    wait_for_step(workspace, job, 15)
    worker = worker_of(workspace, job)
    worker.suspend()  # so that it can't act on the wish
    act(workspace, job, queue.pause)
    kill(worker)
    assert wait_for_state(workspace, job, "paused").reason == "paused by you"
    assert "lost" in states_of(workspace, job)


# The supervisor


def start_supervisor(workspace: Workspace, prelude: str = "") -> subprocess.Popen[bytes]:
    """Start a supervisor by hand, after some Python that changes its constants."""
    code = f"from core.process import supervisor\n{prelude}\nraise SystemExit(supervisor.main())"
    with (workspace.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(workspace.root)], cwd=PROJECT_DIR, stdout=log, stderr=log
        )


def wait_for_leader(workspace: Workspace) -> None:
    wait_until(lambda: is_held(queue.supervisor_lock(workspace)), 120, "a supervisor")


def test_of_several_supervisors_one_leads_and_the_others_go(workspace: Workspace) -> None:
    started = [start_supervisor(workspace) for _ in range(4)]
    wait_until(lambda: sum(one.poll() is None for one in started) == 1, 120, "one supervisor alone")
    [leader] = [one for one in started if one.poll() is None]
    assert {one.returncode for one in started if one is not leader} == {0}
    assert is_held(queue.supervisor_lock(workspace))
    assert not queue.ensure_supervisor(workspace)
    leader.kill()
    leader.wait()
    assert queue.ensure_supervisor(workspace)
    wait_for_leader(workspace)


def test_a_supervisor_that_is_on_its_way_is_not_started_again(workspace: Workspace) -> None:
    assert [queue.ensure_supervisor(workspace) for _ in range(5)] == [True, False, False, False, False]
    wait_for_leader(workspace)
    kill(supervisor_of(workspace))
    assert queue.ensure_supervisor(workspace)


def test_the_supervisor_goes_when_the_app_is_gone_and_nothing_is_left_to_do(
    workspace: Workspace, tiny_base: Path
) -> None:
    app = FileLock(queue.presence_lock(workspace))
    assert app.acquire(shared=True)
    supervisor = start_supervisor(workspace, "supervisor.IDLE_EXIT_S = 0.3")
    wait_for_leader(workspace)
    job = submit(workspace, tiny_base, max_steps=30, evaluate=False)
    app.release()
    assert wait_for_end(workspace, job).state == "succeeded"
    assert supervisor.wait(timeout=120) == 0
    wait_for_no_process(workspace)


def test_the_supervisor_stays_while_an_app_is_open(workspace: Workspace) -> None:
    app, other = FileLock(queue.presence_lock(workspace)), FileLock(queue.presence_lock(workspace))
    assert app.acquire(shared=True) and other.acquire(shared=True)
    supervisor = start_supervisor(workspace, "supervisor.IDLE_EXIT_S = 0.3")
    wait_for_leader(workspace)
    with pytest.raises(subprocess.TimeoutExpired):
        supervisor.wait(timeout=1)
    app.release()
    with pytest.raises(subprocess.TimeoutExpired):
        supervisor.wait(timeout=1)
    other.release()
    assert supervisor.wait(timeout=120) == 0


def test_the_supervisor_outlives_a_database_that_stays_busy(workspace: Workspace) -> None:
    prelude = "from core.store import connection; connection.BUSY_TIMEOUT_S = 0.5; supervisor.IDLE_EXIT_S = 600"
    supervisor = start_supervisor(workspace, prelude)
    wait_for_leader(workspace)
    log = workspace.logs / "supervisor.log"
    with closing(sqlite3.connect(workspace.database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        wait_until(lambda: "has been busy" in log.read_text(), 120, "the supervisor's word of the busy database")
    assert supervisor.poll() is None
    with opened(workspace) as db:
        job = jobs.create(db, kind="train", name="a job", spec={}, dataset="0" * 64)
    wait_for_state(workspace, job, "blocked", timeout_s=120)
    assert "Traceback" not in log.read_text()
    supervisor.kill()
    supervisor.wait()


def test_the_supervisor_starts_nothing_on_a_damaged_database(workspace: Workspace) -> None:
    with opened(workspace) as db:
        for _ in range(30):
            jobs.create(db, kind="train", name="a job", spec={"text": "x" * 500})
    content = workspace.database.read_bytes()
    workspace.database.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))
    assert start_supervisor(workspace).wait(timeout=120) == 1
    said = (workspace.logs / "supervisor.log").read_text()
    assert "damaged" in said and "atelier doctor --restore" in said and "Traceback" not in said


class TestLosses:
    """The supervisor's book of dead workers, without starting any."""

    @pytest.fixture
    def supervisor(self, workspace: Workspace) -> Iterator[Supervisor]:
        with opened(workspace) as db:
            found = Supervisor(workspace, db, keep_warm=False)
            found.devices = ()  # so that it starts nothing
            yield found

    def lose(self, supervisor: Supervisor, job: Job) -> Job:
        """Let a worker of the job begin and vanish, and the supervisor notice it."""
        job = jobs.move(supervisor.db, jobs.claim(supervisor.db, jobs.get(supervisor.db, job.id), "cpu"), "running")
        supervisor.last_version = -1
        supervisor.tick()
        return jobs.get(supervisor.db, job.id)

    def test_a_job_that_dies_without_progress_fails_in_the_end(self, supervisor: Supervisor) -> None:
        job = jobs.create(supervisor.db, kind="train", name="a job", spec={})
        for _ in range(MOST_LOSSES):
            job = self.lose(supervisor, job)
            assert job.state == "queued" and "goes on from its last checkpoint" in job.reason
        job = self.lose(supervisor, job)
        assert job.state == "failed" and f"died {MOST_LOSSES + 1} times" in job.error and "log" in job.error

    def test_a_job_that_gets_further_each_time_is_never_given_up(self, supervisor: Supervisor) -> None:
        job = jobs.create(supervisor.db, kind="train", name="a job", spec={})
        for attempt in range(1, 3 * MOST_LOSSES):
            with closing(MetricWriter(supervisor.workspace.job(job.id).metrics, attempt)) as writer:
                writer.mark_milestone()
            job = self.lose(supervisor, job)
            assert (job.state, job.losses) == ("queued", 1)

    def test_a_job_that_takes_all_memory_twice_fails_with_advice(
        self, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = jobs.create(supervisor.db, kind="train", name="a job", spec={})
        for attempt in (1, 2):
            content = {"code": -9, "peak_memory_bytes": psutil.virtual_memory().total}
            durable.write_json(supervisor.workspace.job(job.id).exit_file(attempt), content)
            job = self.lose(supervisor, job)
        assert job.state == "failed" and "memory" in job.error and "smaller batch" in job.error

    def test_unreadable_readings_stop_neither_the_supervisor_nor_the_job(self, supervisor: Supervisor) -> None:
        job = jobs.create(supervisor.db, kind="train", name="a job", spec={})
        metrics = supervisor.workspace.job(job.id).metrics
        metrics.parent.mkdir(parents=True)
        metrics.write_bytes(b"no database" * 1000)
        assert self.lose(supervisor, job).state == "queued"
