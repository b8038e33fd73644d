"""The main ways through the app, in a real browser, with real jobs of a few seconds."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.store import jobs
from core.store.connection import opened
from core.store.jobs import Job
from tests.app.support import MARKUP, make_job
from tests.browser.conftest import App
from tests.integration.support import submit, wait_for_state, write_rows

OpenTab = Callable[..., Page]
LIVE = re.compile(r"Training: step ([\d,]+) of ([\d,]+)")
NAME_IN_SECOND_ROW, MARK_OF_FIRST_ROW, MARK_OF_SECOND_ROW = {"x": 300, "y": 87}, {"x": 17, "y": 52}, {"x": 17, "y": 87}
LONG = {"max_steps": 100_000, "epochs": 1e3, "save_every_steps": None, "eval_every_steps": 100_000}


def all_jobs(app: App) -> list[Job]:
    with opened(app.workspace) as db:
        return jobs.recent(db)


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).click()


def heading(page: Page, text: str) -> Locator:
    return page.get_by_role("heading", name=text, exact=True)


def chart(page: Page, title: str) -> Locator:
    """Return the drawn lines of the chart with this title."""
    return page.get_by_role("figure", name=title, exact=True).locator("path.js-line")


def state(page: Page, word: str) -> Locator:
    return page.locator(".stMarkdownBadge", has_text=word)


def step(page: Page) -> int:
    found = LIVE.search(page.get_by_text(LIVE).first.inner_text())
    assert found is not None
    return int(found[1].replace(",", ""))


def wait_for_later_step(page: Page) -> None:
    """The step on the page rises by itself, without a press or a reload."""
    before = step(page)
    expect(page.get_by_text(f"Training: step {before:,} of")).to_have_count(0)
    assert step(page) > before


def open_job(page: Page, app: App, job: Job) -> None:
    page.goto(f"{app.url}/jobs?job={job.id}")
    expect(page.get_by_role("heading", name=f"#{job.number} ")).to_be_visible()


def fill_new_job(page: Page, base: Path, data: Path, steps: int) -> None:
    """Fill the form of New job with an own base, an own file and a few steps."""
    page.get_by_role("link", name="New job").click()
    page.get_by_text("My own file").click()
    page.locator(".st-key-own_file input[type=file]").set_input_files(data)
    page.get_by_test_id("stSelectbox").get_by_role("combobox").first.click()
    page.get_by_role("option", name="A folder or hub id").click()
    folder = page.get_by_role("textbox", name="Folder or hub id")
    folder.fill(str(base))
    folder.press("Enter")
    page.get_by_text("Every setting").click()
    page.get_by_role("tab", name="Length").click()
    for label, value in (("Epochs", 1000), ("Max steps", steps)):
        page.get_by_role("textbox", name=label).fill(str(value))
        page.get_by_role("textbox", name=label).press("Enter")
    expect(page.get_by_text(f"{steps} steps")).to_be_visible()


def test_the_first_run_starts_at_one_press_is_watched_live_and_can_be_ended(fresh_app: App, open_tab: OpenTab) -> None:
    page = open_tab(fresh_app)
    press(page, "Start the first run")
    expect(heading(page, "#1 First run: finance")).to_be_visible()
    expect(page.get_by_text(LIVE)).to_be_visible()
    expect(chart(page, "Loss").first).to_be_visible()
    wait_for_later_step(page)

    page.reload()
    expect(heading(page, "#1 First run: finance")).to_be_visible()
    wait_for_later_step(page)
    other = open_tab(fresh_app)
    expect(other.get_by_text("Running now")).to_be_visible()
    expect(other.get_by_text(LIVE)).to_be_visible()

    press(page, "Cancel")
    press(page, "End the job")
    expect(state(page, "cancelled")).to_be_visible()
    expect(other.get_by_text("Running now")).to_have_count(0)
    assert [job.state for job in all_jobs(fresh_app)] == ["cancelled"]


def test_whoever_opens_a_link_first_gets_its_page(fresh_app: App, open_tab: OpenTab) -> None:
    page = open_tab(fresh_app)
    page.goto(f"{fresh_app.url}/datasets")
    expect(heading(page, "Datasets")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)


def test_a_file_becomes_a_dataset_that_is_trained_on(app: App, open_tab: OpenTab, tmp_path: Path) -> None:
    path = tmp_path / "mails.csv"
    path.write_text("text,team\n" + "".join(f"mail number {n},team {n % 3}\n" for n in range(60)) + ",lost\n")
    page = open_tab(app)
    page.get_by_role("link", name="Datasets").click()
    page.locator(".st-key-import_file input[type=file]").set_input_files(path)
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("mails holds 60 examples of 61 rows. 1 rows were put aside.")).to_be_visible()
    page.get_by_role("tab", name="Put aside").click()
    page.get_by_role("button", name="Train on this").click()
    expect(heading(page, "New job")).to_be_visible()
    expect(page.get_by_text("rows of mails")).to_be_visible()


def test_a_job_on_an_own_file_ends_on_the_verdict_card(
    app: App, open_tab: OpenTab, tiny_base: Path, tmp_path: Path
) -> None:
    page = open_tab(app)
    fill_new_job(page, tiny_base, write_rows(tmp_path / "branches.jsonl"), 120)
    press(page, "Start training")
    expect(heading(page, "Jobs")).to_be_visible()
    expect(state(page, "succeeded")).to_be_visible()
    expect(page.locator(".stMarkdownBadge").filter(has_text=re.compile("Better|Not proven|Worse"))).to_be_visible()
    expect(page.get_by_text(re.compile("on 20 held-out items"))).to_be_visible()
    expect(page.get_by_text(re.compile("Of 20 held-out questions the tuned model answers"))).to_be_visible()
    page.get_by_role("tab", name="Charts").click()
    expect(chart(page, "Loss").first).to_be_visible()
    (job,) = [one for one in all_jobs(app) if one.spec.get("dataset_name") == "branches"]
    assert job.result["steps"] == 120
    expect(page.get_by_text(f"lies in {app.workspace.adapters / job.id}")).to_be_visible()


def test_a_wrong_file_is_refused_where_it_was_dropped(app: App, open_tab: OpenTab, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps({"prompt": "a", "response": "b"}) + "\n" + json.dumps({"prompt": "a"}) + "\n")
    before = len(all_jobs(app))
    page = open_tab(app)
    page.get_by_role("link", name="New job").click()
    page.get_by_text("My own file").click()
    page.locator(".st-key-own_file input[type=file]").set_input_files(wrong)
    expect(page.get_by_role("alert")).to_contain_text("wrong.jsonl, line 2, column 'response' is missing.")
    expect(page.get_by_role("button", name="Start training")).to_be_disabled()
    assert len(all_jobs(app)) == before


def test_a_running_job_can_be_paused_resumed_and_ended(app: App, open_tab: OpenTab, tiny_base: Path) -> None:
    job = submit(app.workspace, tiny_base, name="To be paused", **LONG)
    page = open_tab(app)
    open_job(page, app, job)
    expect(page.get_by_text(LIVE)).to_be_visible()
    press(page, "Pause")
    expect(state(page, "paused")).to_be_visible()
    expect(page.get_by_text("Paused by you. Resume goes on exactly where it was.")).to_be_visible()
    reached = wait_for_state(app.workspace, job, "paused")
    press(page, "Resume")
    expect(page.get_by_text(LIVE)).to_be_visible()
    wait_for_later_step(page)
    press(page, "Cancel")
    press(page, "End the job")
    expect(state(page, "cancelled")).to_be_visible()
    assert reached.id == wait_for_state(app.workspace, job, "cancelled").id


def test_two_tabs_that_press_start_make_one_job(app: App, open_tab: OpenTab, tiny_base: Path, tmp_path: Path) -> None:
    before = len(all_jobs(app))
    data = write_rows(tmp_path / "twice.jsonl")
    tabs = [open_tab(app), open_tab(app)]
    for page in tabs:
        fill_new_job(page, tiny_base, data, 3)
    for page in tabs:
        press(page, "Start training")
    number = before + 1
    for page in tabs:
        expect(page.get_by_role("heading", name=f"#{number} twice on ")).to_be_visible()
    assert len(all_jobs(app)) == number


def test_a_row_of_the_list_shows_its_job_and_a_name_is_never_markup(app: App, open_tab: OpenTab) -> None:
    hostile = make_job(app.workspace, "cancelled", name=MARKUP)
    newest = make_job(app.workspace, "cancelled", name="Newest")
    page = open_tab(app)
    page.get_by_role("link", name="Jobs").click()
    expect(heading(page, f"#{newest.number} Newest")).to_be_visible()
    table = page.get_by_test_id("stDataFrame").first
    table.click(position=NAME_IN_SECOND_ROW)
    expect(heading(page, f"#{hostile.number} {MARKUP}")).to_be_visible()
    expect(page).to_have_url(re.compile(hostile.id))
    table.click(position=MARK_OF_FIRST_ROW)
    expect(heading(page, f"#{newest.number} Newest")).to_be_visible()
    table.click(position=MARK_OF_SECOND_ROW)
    expect(heading(page, f"#{hostile.number} {MARKUP}")).to_be_visible()
    page.reload()
    expect(heading(page, f"#{hostile.number} {MARKUP}")).to_be_visible()


@pytest.mark.parametrize("width", [800, 1440])
def test_nothing_sticks_out_of_a_narrow_or_a_wide_window(app: App, open_tab: OpenTab, width: int) -> None:
    make_job(app.workspace, "cancelled", name="A name that is as long as a name may be " * 3)
    page = open_tab(app, width)
    for link in ("Home", "Datasets", "New job", "Jobs"):
        page.get_by_role("link", name=link).first.click()
        expect(heading(page, "Atelier" if link == "Home" else link)).to_be_visible()
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        main = page.get_by_test_id("stMain")
        assert main.evaluate("box => box.scrollWidth - box.clientWidth") == 0, link
        cut = "texts => texts.filter(text => text.scrollWidth > text.clientWidth + 1).map(text => text.textContent)"
        assert main.locator("button p, [data-testid=stMetricValue] p").evaluate_all(cut) == [], link


def test_a_tab_of_a_job_keeps_its_place_while_the_job_runs(app: App, open_tab: OpenTab, tiny_base: Path) -> None:
    job = submit(app.workspace, tiny_base, name="To be read", **LONG)
    page = open_tab(app)
    open_job(page, app, job)
    expect(page.get_by_text(LIVE)).to_be_visible()
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_text(re.compile("Engine: "))).to_be_visible()
    wait_for_later_step(page)
    expect(page.get_by_text(re.compile("Engine: "))).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart")).to_have_count(0)
    press(page, "Cancel")
    press(page, "End the job")
    expect(state(page, "cancelled")).to_be_visible()
