"""Jobs: the list, one job in each of its states, what its buttons do, its verdict, charts, log and settings.

`core.process.queue.ensure_supervisor` is replaced, so that no process starts; see conftest.py.
"""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.paths import Workspace
from core.store import jobs
from core.store.connection import opened
from core.store.states import STATES
from pages.widgets import job_list
from tests.app.support import (
    JOBS,
    MARKUP,
    all_jobs,
    as_read,
    assert_fine,
    assert_no_traceback,
    button,
    job_now,
    judged_job,
    labels,
    make_job,
    meanwhile,
    one_sentence,
    open_tab,
    texts,
)

OpenPage = Callable[..., AppTest]

OFFERED = {
    "queued": ["Cancel"],
    "blocked": ["Cancel"],
    "starting": ["End the job"],
    "running": ["Pause", "End the job"],
    "pausing": ["End the job"],
    "paused": ["Resume", "End the job"],
    "cancelling": [],
    "cancelled": ["Retry", "New job from these settings"],
    "succeeded": ["Run again", "New job from these settings"],
    "failed": ["Retry", "New job from these settings"],
    "lost": ["End the job"],
}


# The list


def test_without_jobs_the_page_says_what_a_job_is_and_leads_to_a_new_one(
    workspace: Workspace, open_page: OpenPage
) -> None:
    tab = open_page(JOBS)
    assert_fine(tab)
    assert "No jobs yet." in texts(tab)
    assert [one.value for one in button(tab, "New job").click().run().title] == ["New job"]


def test_the_list_tells_state_and_result_of_every_job(workspace: Workspace, open_page: OpenPage) -> None:
    judged_job(workspace, [0.0] * 30, [1.0] * 30)
    make_job(workspace, "succeeded", name="Base only", result={"score": 0.25})
    make_job(workspace, "paused", name=MARKUP, priority="high")
    tab = open_page(JOBS)
    assert_fine(tab)
    table = tab.dataframe[0].value
    assert table["#"].tolist() == [3, 2, 1]
    assert [state[0] for state in table["State"]] == ["paused", "succeeded", "succeeded"]
    assert table["Name"].tolist() == [MARKUP, "Base only", "Judged on finance"]
    assert table["Result"].tolist() == ["", "base scores 25%", "better, +100 points"]
    assert table["Priority"].tolist() == ["high", "normal", "normal"]


def test_the_newest_job_is_shown_unless_another_is_asked_for(workspace: Workspace, open_page: OpenPage) -> None:
    first = make_job(workspace, name="First")
    make_job(workspace, name="Second")
    assert open_page(JOBS).subheader[0].value == "#2 Second"
    assert open_page(JOBS, job=first.id).subheader[0].value == "#1 First"
    assert open_page(JOBS, job="1").subheader[0].value == "#1 First"


def test_a_link_to_a_job_that_does_not_exist_says_so_and_shows_the_newest(
    workspace: Workspace, open_page: OpenPage
) -> None:
    job = make_job(workspace, name="Only")
    tab = open_page(JOBS, job="**01abc**")
    assert_fine(tab)
    assert as_read(tab.warning[0].value) == "There is no job '**01abc**'. The newest one is shown."
    assert tab.subheader[0].value == "#1 Only"
    assert tab.query_params["job"] == job.id


def test_a_link_leads_to_a_job_that_is_too_old_for_the_list(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_job(workspace, name="Old")
    for _ in range(3):
        make_job(workspace)
    monkeypatch.setattr(job_list, "SHOWN", 2)
    tab = open_page(JOBS, job=old.id)
    assert_fine(tab)
    assert tab.subheader[0].value == "#1 Old"
    assert tab.dataframe[0].value["#"].tolist() == [4, 3, 1]


def test_a_job_that_another_tab_makes_does_not_change_which_one_is_shown(
    workspace: Workspace, open_page: OpenPage
) -> None:
    make_job(workspace, name="First")
    tab = open_page(JOBS)
    make_job(workspace, name="From elsewhere")
    tab.run()
    assert_fine(tab)
    assert tab.subheader[0].value == "#1 First"
    assert tab.dataframe[0].value["#"].tolist() == [2, 1]


# One job in its states


@pytest.mark.parametrize("state", STATES)
def test_each_state_is_named_and_offers_what_can_be_done(workspace: Workspace, open_page: OpenPage, state: str) -> None:
    make_job(workspace, state, name=MARKUP)  # type: ignore[arg-type]
    tab = open_page(JOBS)
    assert_no_traceback(tab)
    assert as_read(tab.subheader[0].value) == f"#1 {MARKUP}"
    assert any(f" {state}]" in one.value for one in tab.markdown)
    assert labels(tab) == ["New job", *OFFERED[state]]


def test_a_failed_job_says_why_and_keeps_the_traceback_for_the_log(workspace: Workspace, open_page: OpenPage) -> None:
    why = "There is no *base* in [a](b). Run `atelier doctor`."
    job = make_job(workspace, "failed", note=why, error=why, traceback="Traceback: line 7")
    tab = open_page(JOBS)
    assert one_sentence(tab) == "There is no *base* in [a](b). Run atelier doctor."
    assert [one.value for one in tab.code] == []
    assert [one.value for one in open_tab(tab, job, "Log").code] == ["Traceback: line 7"]


def test_a_blocked_job_says_what_is_missing_and_that_it_goes_on_by_itself(
    workspace: Workspace, open_page: OpenPage
) -> None:
    make_job(workspace, "blocked", note="The folder /models/mine is missing.")
    assert as_read(open_page(JOBS).warning[0].value) == (
        "The folder /models/mine is missing. The job starts by itself once that is mended."
    )


def test_a_queued_job_says_how_many_are_ahead(workspace: Workspace, open_page: OpenPage) -> None:
    make_job(workspace, "running")
    make_job(workspace)
    low = make_job(workspace, priority="low")
    make_job(workspace, priority="high")
    asked = make_job(workspace)
    assert "4 jobs are ahead" not in texts(open_page(JOBS, job=asked.id))
    assert "It waits for its turn; 3 jobs are ahead of it." in texts(open_page(JOBS, job=asked.id))
    assert "It waits for its turn; 4 jobs are ahead of it." in texts(open_page(JOBS, job=low.id))


# What the buttons do


def test_pause_asks_a_running_job_to_pause(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "running")
    tab = button(open_page(JOBS), "Pause").click().run()
    assert_fine(tab)
    now = job_now(workspace, job)
    assert (now.state, now.request) == ("pausing", "pause")
    assert "pausing]" in texts(tab)


def test_resume_queues_a_paused_job_again(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "paused", note="paused by you")
    tab = open_page(JOBS)
    assert "Paused by you. Resume goes on exactly where it was." in texts(tab)
    assert_fine(button(tab, "Resume").click().run())
    assert job_now(workspace, job).state == "queued"


@pytest.mark.parametrize(
    ("state", "label", "after"),
    [
        ("queued", "Cancel", "cancelled"),
        ("blocked", "Cancel", "cancelled"),
        ("paused", "End the job", "cancelled"),
        ("lost", "End the job", "cancelled"),
        ("running", "End the job", "cancelling"),
        ("pausing", "End the job", "cancelling"),
    ],
)
def test_cancel_ends_a_job_at_once_while_it_waits_and_asks_one_that_works(
    workspace: Workspace, open_page: OpenPage, state: str, label: str, after: str
) -> None:
    job = make_job(workspace, state)  # type: ignore[arg-type]
    assert_fine(button(open_page(JOBS), label).click().run())
    assert job_now(workspace, job).state == after


@pytest.mark.parametrize(("state", "label"), [("failed", "Retry"), ("cancelled", "Retry"), ("succeeded", "Run again")])
def test_retry_queues_a_new_job_and_shows_it(workspace: Workspace, open_page: OpenPage, state: str, label: str) -> None:
    job = make_job(workspace, state, name="Again", priority="high")  # type: ignore[arg-type]
    tab = button(open_page(JOBS), label).click().run()
    assert_fine(tab)
    new, old = all_jobs(workspace)
    assert (new.retry_of, new.state, new.spec, new.priority) == (job.id, "queued", job.spec, job.priority)
    assert old.state == state
    assert tab.subheader[0].value == "#2 Again"
    assert tab.query_params["job"] == new.id


def test_the_priority_of_a_waiting_job_can_be_changed(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace)
    tab = open_page(JOBS).segmented_control[0].set_value("high").run()
    assert_fine(tab)
    assert job_now(workspace, job).priority_name == "high"


def test_a_press_that_comes_too_late_is_refused_with_a_sentence(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(workspace, "running")
    tab = open_page(JOBS)

    def end() -> None:
        with opened(workspace) as db:
            jobs.move(db, jobs.get(db, job.id), "succeeded")

    with meanwhile(jobs, "get", end, monkeypatch):
        button(tab, "Pause").click().run()
    assert one_sentence(tab) == "Job #1 is succeeded; only a running job can be paused."
    assert job_now(workspace, job).state == "succeeded"


def test_a_press_acts_on_the_job_that_is_shown_and_on_no_other(workspace: Workspace, open_page: OpenPage) -> None:
    first, second = make_job(workspace, name="First"), make_job(workspace, name="Second")
    tab = open_page(JOBS, job=first.id)
    button(tab, "Cancel").click().run()
    assert job_now(workspace, first).state == "cancelled"
    assert job_now(workspace, second).state == "queued"
    assert tab.subheader[0].value == "#1 First"
