"""Home: the first run at one press, the jobs with what came of them, the best so far, and a workspace that is broken.

`core.process.queue.ensure_supervisor` is replaced, so that no process starts; see conftest.py.
"""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.paths import Workspace
from core.process import queue
from core.process.liveness import FileLock
from core.store import schema
from tests.app.support import (
    HOME,
    JOBS,
    MARKUP,
    all_jobs,
    as_read,
    assert_fine,
    button,
    judged_job,
    labels,
    make_job,
    meanwhile,
    one_sentence,
    texts,
    write_readings,
)

OpenApp = Callable[[], AppTest]
OpenPage = Callable[..., AppTest]
FIRST_RUN = "Start the first run"


# The first run


def test_an_empty_workspace_offers_the_first_run_with_an_estimate(workspace: Workspace, open_app: OpenApp) -> None:
    tab = open_app()
    assert_fine(tab)
    assert not button(tab, FIRST_RUN).disabled
    estimate = next(one.value for one in tab.caption if one.value.startswith("Takes about"))
    assert any(character.isdigit() for character in estimate)
    assert {"Processor", "Memory in use", "Free disk"} <= {one.label for one in tab.metric}
    assert all_jobs(workspace) == []


def test_pressing_it_queues_one_job_and_goes_to_the_jobs_page(
    workspace: Workspace, open_app: OpenApp, asked_for: list[Workspace]
) -> None:
    tab = button(open_app(), FIRST_RUN).click().run()
    assert_fine(tab)
    (job,) = all_jobs(workspace)
    assert (job.name, job.state) == ("First run: finance", "queued")
    assert (job.spec["base"], job.spec["industries"], job.spec["preset"]) == ("starter", ["finance"], "standard")
    assert job.estimate["seconds"] > 0
    assert workspace in asked_for
    assert [one.value for one in tab.title] == ["Jobs"]
    assert "First run" in tab.subheader[0].value
    assert tab.query_params["job"] == job.id


def test_the_offer_is_gone_once_there_is_a_job(workspace: Workspace, open_app: OpenApp) -> None:
    make_job(workspace)
    assert FIRST_RUN not in labels(open_app())


def test_two_tabs_that_press_in_the_same_moment_make_one_job(
    workspace: Workspace, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_app(), open_app()
    press_second = button(second, FIRST_RUN).click().run
    with meanwhile(queue, "submit", press_second, monkeypatch):
        button(first, FIRST_RUN).click().run()
    assert len(all_jobs(workspace)) == 1
    for tab in (first, second):
        assert_fine(tab)
        assert [one.value for one in tab.title] == ["Jobs"]


def test_a_second_tab_that_presses_later_makes_no_second_job(workspace: Workspace, open_app: OpenApp) -> None:
    first, second = open_app(), open_app()
    button(first, FIRST_RUN).click().run()
    button(second, FIRST_RUN).click().run()
    assert_fine(second)
    assert len(all_jobs(workspace)) == 1


# Jobs


def test_jobs_are_listed_with_their_state_and_what_came_of_them(workspace: Workspace, open_app: OpenApp) -> None:
    judged_job(workspace, [0.0] * 30, [1.0] * 30)
    make_job(workspace, "failed", name="Broke", note="no memory left", error="no memory left")
    make_job(workspace, "blocked", name="Waits", note="The folder of the base is missing.")
    make_job(workspace, "queued", name="Next")
    tab = open_app()
    assert_fine(tab)
    shown = texts(tab)
    for number, state in ((1, "succeeded"), (2, "failed"), (3, "blocked"), (4, "queued")):
        assert f"#{number}" in shown
        assert f" {state}]" in shown
    assert "better, +100 points" in shown
    assert "no memory left" in shown
    assert "The folder of the base is missing." in shown
    assert labels(tab).count("Open") == 4


def test_home_shows_the_five_newest_jobs(workspace: Workspace, open_app: OpenApp) -> None:
    for _ in range(7):
        make_job(workspace)
    tab = open_app()
    assert [one.value.split("**")[1] for one in tab.markdown if "**#" in one.value] == ["#7", "#6", "#5", "#4", "#3"]


def test_open_leads_to_the_job_of_its_line(workspace: Workspace, open_app: OpenApp) -> None:
    first = make_job(workspace, name="Older")
    make_job(workspace, name="Newer")
    tab = open_app().button(key=f"open-{first.id}").click().run()
    assert_fine(tab)
    assert [one.value for one in tab.title] == ["Jobs"]
    assert tab.subheader[0].value == "#1 Older"


def test_the_button_for_a_new_job_leads_to_its_page(workspace: Workspace, open_app: OpenApp) -> None:
    make_job(workspace)
    tab = button(open_app(), "New job").click().run()
    assert_fine(tab)
    assert [one.value for one in tab.title] == ["New job"]


def test_a_running_job_shows_how_far_it_is(workspace: Workspace, open_app: OpenApp) -> None:
    job = make_job(workspace, "running")
    write_readings(workspace, job, [2.0, 1.5, 1.0])
    tab = open_app()
    assert_fine(tab)
    assert "Running now" in [one.value for one in tab.subheader]
    assert tab.get("progress")[0].text == "Training: step 3 of 6 · 1,200 tokens/s · about 30 s left"


@pytest.mark.parametrize("state", ["queued", "running", "failed"])
def test_a_name_with_markup_is_shown_as_it_is(workspace: Workspace, open_app: OpenApp, state: str) -> None:
    make_job(workspace, state, name=MARKUP)  # type: ignore[arg-type]
    tab = open_app()
    assert_fine(tab)
    lines = [one.value.removeprefix("**#1** ") for one in tab.markdown if one.value.startswith("**#1** ")]
    assert len(lines) == (2 if state == "running" else 1)
    for line in lines:
        assert as_read(line) == MARKUP


def test_a_reason_with_markup_is_shown_as_it_is(workspace: Workspace, open_app: OpenApp) -> None:
    make_job(workspace, "blocked", note="There is no base *x* in [a](b).")
    line = next(one.value for one in open_app().markdown if "badge" in one.value)
    assert as_read(line.rpartition("] · ")[2].removesuffix("]")) == "There is no base *x* in [a](b)."


# The best so far


def test_the_best_so_far_appears_with_the_first_proof(workspace: Workspace, open_app: OpenApp) -> None:
    judged_job(workspace, [1.0, 0.0] * 15, [0.0, 1.0] * 15)
    assert "No adapter is proven better than its base yet." in texts(open_app())
    judged_job(workspace, [0.0] * 20 + [1.0] * 10, [1.0] * 24 + [0.0] * 6)
    tab = open_app()
    assert_fine(tab)
    best = next(one for one in tab.metric if one.label == "Finance")
    assert (best.value, best.delta) == ("80%", "+47 points over its base")


def test_of_several_proofs_the_best_is_shown_for_each_benchmark(workspace: Workspace, open_app: OpenApp) -> None:
    judged_job(workspace, [0.0] * 30, [1.0] * 24 + [0.0] * 6)
    judged_job(workspace, [0.0] * 30, [1.0] * 18 + [0.0] * 12)
    judged_job(workspace, [0.0] * 30, [1.0] * 30, name="retail")
    shown = [(one.label, one.value) for one in open_app().metric if "over its base" in str(one.delta)]
    assert shown == [("Finance", "80%"), ("Retail", "100%")]


def test_the_name_of_an_own_benchmark_is_shown_as_it_is(workspace: Workspace, open_app: OpenApp) -> None:
    judged_job(workspace, [0.0] * 30, [1.0] * 30, name="costs of $1$ *each*")
    label = next(one.label for one in open_app().metric if "over its base" in str(one.delta))
    assert as_read(label) == "costs of $1$ *each*"


# A workspace that is broken


def test_a_broken_pack_is_named_and_costs_only_the_estimate(workspace: Workspace, open_app: OpenApp) -> None:
    (workspace.industries / "legal.yaml").write_text("id: legal\ntitle: [\n")
    tab = open_app()
    assert "legal.yaml" in one_sentence(tab)
    assert FIRST_RUN in labels(tab)
    assert "Processor" in {one.label for one in tab.metric}


def test_a_broken_pack_leaves_the_best_so_far_with_its_titles(workspace: Workspace, open_app: OpenApp) -> None:
    judged_job(workspace, [0.0] * 30, [1.0] * 30)
    (workspace.industries / "legal.yaml").write_text("id: legal\ntitle: [\n")
    tab = open_app()
    assert_fine(tab)
    assert "Finance" in {one.label for one in tab.metric}


def spoil_all(database: Path) -> None:
    database.write_bytes(b"this is no database at all " * 400)


def spoil_pages(database: Path) -> None:
    """Leave the header as it is; what it describes is gone."""
    content = bytearray(database.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    database.write_bytes(bytes(content))


def make_a_folder_of_it(database: Path) -> None:
    database.unlink()
    database.mkdir()


@pytest.mark.parametrize("spoil", [spoil_all, spoil_pages], ids=["no-database", "spoilt-pages"])
def test_a_damaged_database_gives_one_sentence(
    workspace: Workspace, open_app: OpenApp, spoil: Callable[[Path], None]
) -> None:
    spoil(workspace.database)
    sentence = one_sentence(open_app())
    assert str(workspace.database) in sentence
    assert "damaged" in sentence
    assert "atelier doctor" in sentence


@pytest.mark.parametrize("page", [HOME, JOBS])
def test_a_database_that_is_damaged_while_the_app_is_open_gives_one_sentence(
    workspace: Workspace, open_page: OpenPage, page: str
) -> None:
    make_job(workspace)
    tab = open_page(page)
    spoil_all(workspace.database)
    sentence = one_sentence(tab.run())
    assert "damaged" in sentence
    assert "atelier doctor" in sentence


def test_a_database_of_a_later_version_gives_one_sentence(workspace: Workspace, open_app: OpenApp) -> None:
    with closing(sqlite3.connect(workspace.database)) as db:
        db.execute(f"PRAGMA user_version={schema.VERSION + 1}")
    assert "later Atelier" in one_sentence(open_app())


def test_a_database_that_can_not_be_opened_gives_one_sentence(workspace: Workspace, open_app: OpenApp) -> None:
    make_a_folder_of_it(workspace.database)
    assert str(workspace.database) in one_sentence(open_app())


def test_a_workspace_that_can_not_be_written_gives_one_sentence(
    tmp_path: Path, open_app: OpenApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file stands where the folder should be")
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "file" / "workspace"))
    sentence = one_sentence(open_app())
    assert str(tmp_path / "file" / "workspace") in sentence
    assert "ATELIER_HOME" in sentence


def test_a_workspace_that_works_again_is_shown_at_the_next_look(workspace: Workspace, open_app: OpenApp) -> None:
    sound = workspace.database.read_bytes()
    spoil_all(workspace.database)
    tab = open_app()
    one_sentence(tab)
    workspace.database.write_bytes(sound)
    assert_fine(tab.run())
    assert FIRST_RUN in labels(tab)


def test_a_second_app_on_the_same_workspace_is_named(workspace: Workspace, open_app: OpenApp) -> None:
    other = FileLock(workspace.root / "app.lock")
    assert other.acquire()
    try:
        tab = open_app()
    finally:
        other.release()
    assert_fine(tab)
    assert "also open in another Atelier" in tab.info[0].value


def test_the_only_app_on_a_workspace_says_nothing_of_others(workspace: Workspace, open_app: OpenApp) -> None:
    assert [one.value for one in open_app().info] == []
