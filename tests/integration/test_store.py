"""The store: moves of jobs, claims, form tokens, busy databases, migrations, on real files and from real processes."""

import json
import math
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.errors import JobStateError, LostClaim, NotFound
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.store import jobs
from core.store.connection import opened, transaction
from core.store.jobs import Job
from core.store.states import ENDED, MOVES, STATES, State


@pytest.fixture
def db(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    with opened(workspace) as db:
        yield db


def new_job(db: sqlite3.Connection, name: str = "a job", **fields: object) -> Job:
    return jobs.create(db, kind="train", name=name, spec={}, **fields)  # type: ignore[arg-type]


def job_in(db: sqlite3.Connection, state: State) -> Job:
    """Return a new job that is in a state, however it may have come there."""
    job = new_job(db)
    allowed = db.execute("SELECT sql FROM sqlite_master WHERE name = 'jobs_move'").fetchone()[0]
    db.execute("DROP TRIGGER jobs_move")
    db.execute("UPDATE jobs SET state = ? WHERE id = ?", (state, job.id))
    db.execute(allowed)
    return jobs.get(db, job.id)


# Moves


@pytest.mark.parametrize("before", STATES)
def test_an_allowed_move_is_made_and_stays_in_the_history(db: sqlite3.Connection, before: State) -> None:
    for after in MOVES[before]:
        job = job_in(db, before)
        assert jobs.move(db, job, after, note="why").state == after
        last = jobs.events(db, job.id)[-1]
        assert (last.before, last.after, last.note) == (before, after, "why")


@pytest.mark.parametrize("before", STATES)
def test_a_forbidden_move_is_refused_by_the_program_and_by_the_database(db: sqlite3.Connection, before: State) -> None:
    job = job_in(db, before)
    history = jobs.events(db, job.id)
    for after in set(STATES) - {before, *MOVES[before]}:
        with pytest.raises(JobStateError, match=f"is {before}"):
            jobs.move(db, job, after)
        with pytest.raises(sqlite3.IntegrityError, match="not allowed"):
            db.execute("UPDATE jobs SET state = ? WHERE id = ?", (after, job.id))
        with pytest.raises(sqlite3.IntegrityError, match="not allowed"), transaction(db):
            jobs.move_within(db, job, after)
    assert jobs.get(db, job.id).state == before
    assert jobs.events(db, job.id) == history


def test_a_state_that_nobody_knows_is_refused(db: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("UPDATE jobs SET state = 'resting' WHERE id = ?", (new_job(db).id,))


def test_a_move_under_an_outdated_view_is_refused_and_changes_nothing(db: sqlite3.Connection) -> None:
    seen = new_job(db)
    jobs.claim(db, seen, "cpu")
    for act in (lambda: jobs.claim(db, seen, "cpu"), lambda: jobs.move(db, seen, "cancelled")):
        with pytest.raises(LostClaim, match="no longer queued"):
            act()
    assert jobs.get(db, seen.id).attempt == 1


def test_a_worker_of_an_earlier_claim_can_write_nothing(db: sqlite3.Connection) -> None:
    first = jobs.move(db, jobs.claim(db, new_job(db), "cpu"), "running")
    lost = jobs.move(db, first, "lost")
    second = jobs.move(db, jobs.claim(db, jobs.move(db, lost, "queued"), "cpu"), "running")
    with pytest.raises(LostClaim):
        jobs.move(db, first, "succeeded")
    with pytest.raises(LostClaim):
        jobs.read_request(db, first.id, first.token)
    jobs.set_request(db, first, "cancel")
    assert jobs.read_request(db, second.id, second.token) is None


def test_an_ended_job_has_its_end_and_no_wish_left(db: sqlite3.Connection) -> None:
    job = jobs.move(db, jobs.claim(db, new_job(db), "cpu"), "running")
    jobs.set_request(db, job, "pause")
    ended = jobs.move(db, job, "failed", note="why", error="why")
    assert ended.ended_at is not None and ended.request is None and ended.reason == "why"


def test_a_move_and_its_event_are_one_write(db: sqlite3.Connection) -> None:
    job = new_job(db)
    with pytest.raises(ZeroDivisionError), transaction(db):
        jobs.move_within(db, job, "cancelled")
        1 / 0  # noqa: B018 - the failure is what is wanted
    assert jobs.get(db, job.id).state == "queued"
    assert len(jobs.events(db, job.id)) == 1


def test_a_remark_is_added_once_and_leaves_the_state(db: sqlite3.Connection) -> None:
    job = new_job(db)
    for _ in range(3):
        jobs.note(db, job.id, "its folder is gone")
    assert [event.note for event in jobs.events(db, job.id)] == ["", "its folder is gone"]
    assert jobs.get(db, job.id) == job


# What a person can do


@pytest.mark.parametrize("state", STATES)
def test_each_wish_is_granted_in_its_states_and_refused_with_a_sentence_in_all_others(
    db: sqlite3.Connection, state: State
) -> None:
    fits = {
        queue.pause: state in ("starting", "running"),
        queue.resume: state == "paused",
        queue.cancel: state not in ENDED,
        queue.retry: state in ENDED,
    }
    for act, possible in fits.items():
        job = job_in(db, state)
        if possible:
            act(db, job)
        else:
            with pytest.raises(JobStateError, match=rf"Job #{job.number} .*{state}"):
                act(db, job)
            assert jobs.get(db, job.id) == job


def test_a_retried_job_is_a_new_one_with_the_same_specification(db: sqlite3.Connection) -> None:
    old = jobs.create(db, kind="train", name="a job", spec={"base": "starter"}, priority="high")
    old = queue.cancel(db, old)
    new = queue.retry(db, old)
    assert (new.state, new.retry_of, new.spec, new.priority) == ("queued", old.id, old.spec, old.priority)
    assert new.id != old.id and new.number == old.number + 1
    assert jobs.get(db, old.id) == old


def test_a_wish_to_pause_outlives_the_worker_that_died_with_it(db: sqlite3.Connection) -> None:
    job = queue.pause(db, jobs.move(db, jobs.claim(db, new_job(db), "cpu"), "running"))
    job = jobs.move(db, jobs.move(db, job, "lost"), "queued")
    assert jobs.claim(db, job, "cpu").request == "pause"


def test_a_resumed_job_has_no_wish_to_pause_left(db: sqlite3.Connection) -> None:
    job = queue.pause(db, jobs.move(db, jobs.claim(db, new_job(db), "cpu"), "running"))
    job = queue.resume(db, jobs.move(db, job, "paused", request=None))
    assert jobs.claim(db, job, "cpu").request is None


# Finding


def test_a_job_is_found_by_number_id_or_the_beginning_of_its_id(db: sqlite3.Connection) -> None:
    job = new_job(db)
    for text in (str(job.number), f"#{job.number}", job.id, job.id.upper(), job.id[:-1], f" {job.id} "):
        assert jobs.find(db, text) == job


@pytest.mark.parametrize("text", ["", " ", "#", "7", "99999999999999999999", "%", "_", "'; --", "zzz"])
def test_what_names_no_job_is_refused_with_a_sentence(db: sqlite3.Connection, text: str) -> None:
    new_job(db)
    with pytest.raises(NotFound, match="There is no job"):
        jobs.find(db, text)


def test_a_beginning_that_fits_several_jobs_is_refused(db: sqlite3.Connection) -> None:
    first, second = new_job(db), new_job(db)
    shared = "".join(one for one, other in zip(first.id, second.id, strict=True) if one == other)[:4]
    with pytest.raises(NotFound, match="Several jobs"):
        jobs.find(db, shared)


def test_the_queue_serves_by_priority_then_by_age(db: sqlite3.Connection) -> None:
    order = ["normal", "low", "high", "normal", "high", "low"]
    made = [new_job(db, priority=priority) for priority in order]
    assert [job.number for job in jobs.in_states(db, ("queued",))] == [3, 5, 1, 4, 2, 6]
    jobs.set_priority(db, made[1], "high")
    assert [job.number for job in jobs.in_states(db, ("queued",))] == [2, 3, 5, 1, 4, 6]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_result_that_is_no_number_comes_back_as_it_was(db: sqlite3.Connection, value: float) -> None:
    job = jobs.move(db, jobs.claim(db, new_job(db), "cpu"), "running")
    ended = jobs.move(db, job, "succeeded", result={"eval_loss_after": value})
    assert str(ended.result["eval_loss_after"]) == str(value)


def test_what_is_stored_as_json_comes_back_equal(db: sqlite3.Connection) -> None:
    spec = {"base": "größer \u202e \x00 '; DROP TABLE jobs; --", "config": {"rank": 8, "targets": ["q", "v"]}}
    job = jobs.create(db, kind="train", name=json.dumps(spec), spec=spec)
    assert jobs.get(db, job.id).spec == spec


# Many at once


def test_eight_tabs_that_send_the_same_form_make_one_job(workspace: Workspace) -> None:
    together = threading.Barrier(8)

    def send(tab: int) -> str:
        with opened(workspace) as db:
            together.wait()
            return new_job(db, f"tab {tab}", form_token="the form").id

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(send, range(8)))
    assert len(set(made)) == 1
    with opened(workspace) as db:
        assert sum(jobs.count_by_state(db).values()) == 1
        assert len(jobs.events(db, made[0])) == 1


def test_other_forms_and_no_form_make_jobs_of_their_own(db: sqlite3.Connection) -> None:
    tokens: list[str | None] = ["one", "two", None, None]
    assert len({new_job(db, form_token=token).id for token in tokens}) == 4


CLAIMER = """
import sys
from pathlib import Path
from core.errors import LostClaim
from core.paths import Workspace
from core.store import jobs
from core.store.connection import opened

with opened(Workspace(Path(sys.argv[1]))) as db:
    print("ready", flush=True)
    sys.stdin.readline()
    while waiting := jobs.in_states(db, ("queued",)):
        for job in waiting[:3]:
            try:
                print(jobs.claim(db, job, sys.argv[2]).id, flush=True)
            except LostClaim:
                pass
"""


def test_processes_that_claim_side_by_side_never_claim_the_same_job(workspace: Workspace) -> None:
    with opened(workspace) as db:
        made = {new_job(db).id for _ in range(120)}
    claimers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, str(workspace.root), f"place {number}"],
            cwd=PROJECT_DIR,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    for claimer in claimers:
        assert claimer.stdout is not None and claimer.stdout.readline() == "ready\n"
    outputs = []
    for claimer in claimers:
        assert claimer.stdin is not None
        claimer.stdin.write("go\n")
        claimer.stdin.flush()
    for claimer in claimers:
        outputs.append(claimer.communicate(timeout=60)[0].split())
    claimed = Counter(job for output in outputs for job in output)
    assert set(claimed) == made
    assert set(claimed.values()) == {1}
    with opened(workspace) as db:
        for number, output in enumerate(outputs):
            for job_id in output:
                job = jobs.get(db, job_id)
                assert (job.state, job.attempt, job.device) == ("starting", 1, f"place {number}")
                assert len(jobs.events(db, job_id)) == 2


def test_threads_that_make_jobs_side_by_side_number_them_without_gap(workspace: Workspace) -> None:
    def make(_: int) -> None:
        with opened(workspace) as db:
            for _ in range(5):
                new_job(db)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(6)))
    with opened(workspace) as db:
        assert sorted(job.number for job in jobs.recent(db)) == list(range(1, 31))
