"""One job's page below its buttons: the verdict, what it took, charts, settings, log and history.

`core.process.queue.ensure_supervisor` is replaced, so that no process starts; see conftest.py.
"""

import math
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets import versions
from core.datasets.examples import Example
from core.paths import Workspace
from core.store import metrics
from core.store.connection import opened
from pages.widgets.text import plain
from tests.app.support import (
    JOBS,
    as_read,
    assert_fine,
    charts,
    judged_job,
    make_job,
    one_sentence,
    open_tab,
    texts,
    write_readings,
)

OpenPage = Callable[..., AppTest]


# The verdict


@pytest.mark.parametrize(
    ("base", "tuned", "outcome", "headline"),
    [
        ([0.0] * 30, [1.0] * 30, "Better", "100 points better than the base"),
        ([1.0] * 30, [0.0] * 30, "Worse", "100 points worse than the base"),
        ([1.0, 0.0] * 15, [0.0, 1.0] * 15, "Not proven", "No difference is proven"),
    ],
)
def test_a_judged_job_ends_on_the_verdict_card(
    workspace: Workspace, open_page: OpenPage, base: list[float], tuned: list[float], outcome: str, headline: str
) -> None:
    job = judged_job(workspace, base, tuned)
    tab = open_page(JOBS)
    assert_fine(tab)
    shown = texts(tab)
    assert f" {outcome}]" in shown
    assert f"#### {headline}" in shown
    with opened(workspace) as db:
        sentence = db.execute("SELECT content ->> 'sentence' FROM verdicts WHERE job = ?", (job.id,)).fetchone()[0]
    assert any(one.value.startswith(plain(sentence)) for one in tab.markdown)
    assert {"Base", "Tuned", "Difference, 95% interval"} <= {one.label for one in tab.metric}


def test_the_answers_show_question_expectation_and_both_models_side_by_side(
    workspace: Workspace, open_page: OpenPage
) -> None:
    judged_job(workspace, [0.0] * 20 + [1.0] * 10, [1.0] * 20 + [0.0] * 10)
    tab = open_page(JOBS)
    assert tab.tabs[0].label == "Answers"
    lines = [one.value for one in tab.text]
    at = lines.index("Question 0 of finance?")
    assert lines[at + 1 : at + 4] == ["right 0", "base says 0 to i0", "tuned says 1 to i0"]
    assert any(line.startswith("tuned says 0") for line in lines), "a loss is shown too"
    assert "the tuned model answers 20 better, 10 worse and 0 alike" in texts(tab)


def test_a_missing_benchmark_costs_the_answers_but_not_the_verdict(workspace: Workspace, open_page: OpenPage) -> None:
    job = judged_job(workspace, [0.0] * 30, [1.0] * 30)
    for path in workspace.root.rglob(f"*{job.spec['benchmark']}*"):
        path.unlink()
    tab = open_page(JOBS)
    assert "benchmark" in one_sentence(tab)
    assert "#### 100 points better than the base" in texts(tab)


RESULT = {
    "adapter": "some",
    "steps": 1200,
    "seconds": 65.0,
    "tokens_per_second": 5000.0,
    "eval_loss_before": 2.5,
    "eval_loss_after": 1.25,
    "peak_memory_bytes": 9e8,
    "joules": None,
    "job_seconds": 80.0,
}


def test_what_a_job_took_stands_beside_what_was_predicted(workspace: Workspace, open_page: OpenPage) -> None:
    make_job(workspace, "succeeded", result=RESULT, estimate={"seconds": 70.0, "memory_bytes": 8e8})
    tab = open_page(JOBS)
    assert_fine(tab)
    figures = {one.label: (one.value, one.delta) for one in tab.metric}
    assert figures["Training"] == ("1 min 5 s", "1,200 steps")
    assert figures["Eval loss"] == ("1.250", "-1.250")
    assert "Energy" not in figures
    assert "Predicted were 1 min 10 s and 800.0 MB; with loading and testing it took 1 min 20 s" in texts(tab)


def test_the_adapter_is_named_with_its_place_and_a_deleted_one_is_missed(
    workspace: Workspace, open_page: OpenPage
) -> None:
    job = make_job(workspace, "succeeded", result=RESULT)
    folder = workspace.adapters / job.id
    tab = open_page(JOBS)
    assert_fine(tab)
    assert as_read(tab.warning[0].value).startswith(f"The adapter's folder {folder} is gone.")
    folder.mkdir()
    tab.run()
    assert [one.value for one in tab.warning] == []
    assert f"The adapter, with its model card, lies in {folder}" in [as_read(one.value) for one in tab.caption]


# The tabs


def test_a_running_job_shows_how_far_it_is_and_its_charts(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "running")
    write_readings(workspace, job, [2.0, 1.5, 1.0])
    tab = open_page(JOBS)
    assert_fine(tab)
    assert tab.get("progress")[0].text.startswith("Training: step 3 of 6")
    shown = texts(tab)
    for title in ("Loss", "Learning rate", "Gradient norm", "Processor use", "Memory of the machine"):
        assert f"**{title}**" in shown
    assert len(charts(tab)) == 5


def test_a_loss_that_is_no_number_is_told_in_words(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "failed", error="Training diverged.")
    write_readings(workspace, job, [2.0, math.nan, math.inf])
    tab = open_page(JOBS)
    assert "The loss was not a number at 2 steps, first at step 1." in texts(tab)
    assert charts(tab)


@pytest.mark.parametrize("state", ["running", "succeeded"])
def test_damaged_readings_cost_the_charts_and_nothing_else(
    workspace: Workspace, open_page: OpenPage, state: str
) -> None:
    job = make_job(workspace, state)  # type: ignore[arg-type]
    path = workspace.job(job.id).metrics
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"this is no database at all " * 400)
    tab = open_page(JOBS)
    assert "damaged" in one_sentence(tab)
    assert charts(tab) == []
    assert_fine(open_tab(tab, job, "History"))


def test_a_job_without_readings_says_so(workspace: Workspace, open_page: OpenPage) -> None:
    make_job(workspace, "cancelled")
    assert "No readings were taken." in texts(open_page(JOBS))


def test_only_the_open_tab_is_read(workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(workspace, "succeeded")
    write_readings(workspace, job, [1.0])
    tab = open_tab(open_page(JOBS), job, "Log")
    monkeypatch.delattr(metrics, "_visit")  # whoever reads a series now fails
    tab.run()
    assert_fine(tab)
    assert charts(tab) == []


def test_the_log_shows_its_last_whole_lines(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "succeeded")
    log = workspace.job(job.id).log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("".join(f"line {number} " + "x" * 90 + "\n" for number in range(2000)), encoding="utf-8")
    (code,) = open_tab(open_page(JOBS), job, "Log").code
    lines = code.value.splitlines()
    assert lines[-1].startswith("line 1999 ")
    assert 100 < len(lines) < 1000
    assert all(line.startswith("line ") for line in lines)


def test_the_history_tells_every_state_and_why(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "failed", note="no memory left", error="no memory left")
    table = open_tab(open_page(JOBS), job, "History").dataframe[-1].value
    assert table["State"].tolist() == ["queued", "starting", "running", "failed"]
    assert table["Why"].tolist() == ["", "attempt 1 on cpu", "", "no memory left"]


def test_the_configuration_is_shown_in_words(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, config={"rslora": True, "max_steps": None, "target_modules": ["q_proj", "v_proj"]})
    table = open_tab(open_page(JOBS), job, "Configuration").dataframe[-1].value
    shown = dict(zip(table["Setting"], table["Value"], strict=True))
    assert shown["Rank"] == "8"
    assert shown["Learning rate"] == "0.0002"
    assert (shown["rsLoRA"], shown["Max steps"], shown["Target modules"]) == ("yes", "automatic", "q_proj, v_proj")


def test_two_jobs_are_compared_by_what_differs(workspace: Workspace, open_page: OpenPage) -> None:
    other = make_job(workspace, name="Other", config={"rank": 32})
    same = make_job(workspace, name="Same")
    job = make_job(workspace, name="Mine")
    tab = open_tab(open_page(JOBS), job, "Configuration")
    tab.selectbox[0].set_value(other.id).run()
    table = tab.dataframe[-1].value
    assert table.to_dict("list") == {"Setting": ["Rank"], "#3": ["8"], "#1": ["32"]}
    tab.selectbox[0].set_value(same.id).run()
    assert "Both have the same configuration." in texts(tab)


# The data


def test_a_job_shows_its_rows_by_origin_what_was_left_out_and_the_doctors_report(
    workspace: Workspace, open_page: OpenPage
) -> None:
    rows = [Example(f"Where is parcel {n} of the shop?", "post", "mails.csv") for n in range(30)]
    rows += [Example("Write to ann@mail.example.com about it", "sales", "other.csv")] * 2
    with opened(workspace) as db:
        source = {"removed": {"repeated rows": 4}, "accepted": "They are made up."}
        version = versions.save(workspace, db, "mails", rows, source)
    job = make_job(workspace, "succeeded", dataset=version.sha, config={"max_length": 256})
    tab = open_tab(open_page(JOBS), job, "Data")
    assert_fine(tab)
    shown = texts(tab)
    assert "**30** mails.csv" in shown
    assert "4 rows were left out: repeated rows" in shown
    assert "Severe findings were accepted: They are made up" in shown
    assert "Personal data" in shown
    assert "The same row again" in shown


def test_a_job_whose_data_are_gone_says_so(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "succeeded", dataset="0" * 64)
    tab = open_tab(open_page(JOBS), job, "Data")
    assert_fine(tab)
    assert "This job's data are no longer in the workspace." in texts(tab)
