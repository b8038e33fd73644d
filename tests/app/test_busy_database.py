"""Pages while another program holds the database: a moment is waited for, longer gives a sentence."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from streamlit.testing.v1 import AppTest

from core.paths import Workspace
from core.store import connection
from tests.app.support import (
    DATASETS,
    HOME,
    JOBS,
    NEW_JOB,
    assert_fine,
    button,
    held_exclusively,
    job_now,
    make_job,
    one_sentence,
)

PAGES = [HOME, DATASETS, NEW_JOB, JOBS]
OpenApp = Callable[[], AppTest]
OpenPage = Callable[..., AppTest]


@contextmanager
def busy_for_a_moment(workspace: Workspace) -> Iterator[None]:
    """Hold the database exclusively; another thread lets it go, so that whoever needs it must wait until then."""
    with held_exclusively(workspace) as db:
        release = threading.Timer(0.3, db.execute, ["ROLLBACK"])
        release.start()
        yield
        assert not db.in_transaction, "the page came to its end without the database"
        release.join()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_waits_for_a_database_that_is_held_for_a_moment(
    workspace: Workspace, open_page: OpenPage, page: str
) -> None:
    make_job(workspace)
    tab = open_page(page)
    with busy_for_a_moment(workspace):
        tab.run()
    assert_fine(tab)


def test_the_app_opens_on_a_database_that_is_held_for_a_moment(workspace: Workspace, open_app: OpenApp) -> None:
    with busy_for_a_moment(workspace):
        tab = open_app()
    assert_fine(tab)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_says_so_when_the_database_stays_held(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    make_job(workspace)
    tab = open_page(page)
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.05)
    with held_exclusively(workspace):
        assert "busy" in one_sentence(tab.run())
    assert_fine(tab.run())


def test_the_app_says_so_when_the_database_is_held_while_it_opens(
    workspace: Workspace, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.05)
    with held_exclusively(workspace):
        tab = open_app()
        assert "busy" in one_sentence(tab)
    assert_fine(tab.run())


def test_a_press_that_meets_a_held_database_says_so_and_can_be_repeated(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page itself is drawn before the lock is taken: only the press meets it."""
    job = make_job(workspace)
    tab = open_page(JOBS)
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.05)
    with held_exclusively(workspace):
        assert "busy" in one_sentence(button(tab, "Cancel").click().run())
    assert job_now(workspace, job).state == "queued"
    assert_fine(tab.run())
    button(tab, "Cancel").click().run()
    assert job_now(workspace, job).state == "cancelled"
