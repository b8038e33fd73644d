"""The page Benchmarks: run, read item by item, the forgetting matrix, own benchmarks, judging by eye."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.evaluation import own_benchmarks
from core.paths import Workspace
from core.store import benchmarks as stored
from core.store import votes
from core.store.connection import opened
from tests.app.prove_support import BENCHMARKS, industry, labelled, make_adapter, measured
from tests.app.support import MARKUP, all_jobs, assert_fine, button, by_label, charts, make_job, texts

OpenPage = Callable[..., AppTest]


def open_form(tab: AppTest, name: str) -> AppTest:
    tab.session_state[f"form-{name}"] = True
    return tab.run()


def open_tab(tab: AppTest, name: str) -> AppTest:
    tab.session_state["benchmark_tabs"] = name
    return tab.run()


def items_shown(tab: AppTest) -> Any:
    (table,) = [one.value for one in tab.dataframe if "Question" in one.value.columns]
    return table


def evaluations_of(workspace: Workspace) -> list[dict[str, Any]]:
    return [job.spec for job in reversed(all_jobs(workspace)) if job.kind == "evaluate"]


def test_an_empty_workspace_says_what_to_do_and_offers_it(open_page: OpenPage) -> None:
    tab = open_page(BENCHMARKS)
    assert_fine(tab)
    assert "Nothing measured yet" in texts(tab)
    assert "Starter" in by_label(tab.multiselect, "Models").options
    assert button(tab, "Run the test").disabled


def test_models_and_benchmarks_are_queued_in_every_pair(workspace: Workspace, open_page: OpenPage) -> None:
    adapter = make_adapter(workspace, "Finance one", "finance")
    tab = open_page(BENCHMARKS)
    by_label(tab.multiselect, "Models").set_value([f"adapter:{adapter}", "base:starter"])
    by_label(tab.multiselect, "Benchmarks").set_value(["finance", "retail"])
    tab.run()
    button(tab, "Run 4 tests").click().run()
    assert_fine(tab)
    assert sorted((spec["benchmark_name"], spec["adapter"]) for spec in evaluations_of(workspace)) == sorted(
        (name, one) for name in ("finance", "retail") for one in ("", adapter)
    )
    button(tab, "Run 4 tests").click().run()
    assert len(evaluations_of(workspace)) == 4
    assert "0 tests are queued. 4 are measured or queued already." in [one.value for one in tab.success]


def test_an_endpoint_is_tested_like_a_model_of_this_machine(workspace: Workspace, open_page: OpenPage) -> None:
    path = workspace.root / "endpoints.yaml"
    path.write_text("- name: mine\n  url: http://127.0.0.1:9\n  model: some-model\n")
    tab = open_page(BENCHMARKS)
    by_label(tab.multiselect, "Models").set_value(["base:endpoint:mine"])
    by_label(tab.multiselect, "Benchmarks").set_value(["finance"]).run()
    button(tab, "Run the test").click().run()
    assert_fine(tab)
    assert [spec["base"] for spec in evaluations_of(workspace)] == ["endpoint:mine"]
    path.write_text("- name: [\n")
    tab = open_page(BENCHMARKS)
    assert_fine(open_form(tab, "Run benchmarks"))
    assert "Starter" in by_label(tab.multiselect, "Models").options


def test_waiting_tests_can_be_cancelled_together(workspace: Workspace, open_page: OpenPage) -> None:
    for number in range(3):
        make_job(workspace, kind="evaluate", name=f"Test {number}")
    tab = open_page(BENCHMARKS)
    assert "3 waiting" in texts(tab)
    button(tab, "Cancel what waits").click().run()
    assert {job.state for job in all_jobs(workspace)} == {"cancelled"}


def test_an_adapter_is_shown_against_its_base_item_by_item(workspace: Workspace, open_page: OpenPage) -> None:
    cases = labelled()
    adapter = make_adapter(workspace, "Tuned", "finance")
    measured(workspace, cases, range(10))
    measured(workspace, cases, range(5, 30), adapter)
    tab = open_page(BENCHMARKS)
    assert_fine(tab)
    assert "points better than the base" in texts(tab)
    groups = by_label(tab.segmented_control, "Items")
    assert [str(one) for one in groups.options] == ["All 30", "Won 20", "Lost 5", "Both wrong 0"]
    groups.set_value("Lost").run()
    assert list(items_shown(tab)["Question"]) == [f"Case {n}?" for n in range(5)]
    assert set(items_shown(tab)["grade-1"]) == {0}
    groups.set_value("All").run()
    next(one for one in tab.text_input if one.placeholder.startswith("Search questions")).set_value("case 17").run()
    assert list(items_shown(tab)["Question"]) == ["Case 17?"]


def test_labels_that_were_confused_are_counted(workspace: Workspace, open_page: OpenPage) -> None:
    shown = measured(workspace, labelled(), range(20), wrong="card")
    tab = open_page(BENCHMARKS)
    assert not charts(tab)
    tab.session_state[f"confusion-{shown}"] = True
    tab.run()
    assert_fine(tab)
    (chart,) = charts(tab)
    trace = json.loads(chart.proto.spec)["data"][0]
    assert trace["x"] == ["card", "loan", "rate", "(no label)"]
    told = dict(zip(trace["y"], trace["text"], strict=True))
    assert told["loan"] == ["3", "7", "", ""]


def test_what_would_settle_it_is_told(workspace: Workspace, open_page: OpenPage) -> None:
    cases = labelled()
    measured(workspace, cases, range(10))
    measured(workspace, cases, range(3, 16), make_adapter(workspace, "Tuned"))
    tab = open_page(BENCHMARKS)
    more = by_label(tab.metric, "Would settle it")
    assert more.value.endswith("more items")
    in_all = int(more.delta.removesuffix(" in all").replace(",", ""))
    assert in_all - 30 == int(more.value.removesuffix(" more items").replace(",", ""))


def test_two_that_the_leaderboard_asks_for_stay_compared(workspace: Workspace, open_page: OpenPage) -> None:
    cases = labelled()
    two = [measured(workspace, cases, right, make_adapter(workspace, name)) for name, right in (("A", 4), ("B", 28))]
    measured(workspace, cases, 10)
    tab = open_page(BENCHMARKS)
    tab.session_state["shown_evaluations"] = two
    tab.run()
    by_label(tab.segmented_control, "Items").set_value("Won").run()
    assert_fine(tab)
    assert "80 points better than A" in texts(tab)
    assert len(items_shown(tab)) == 24
    assert "B is better: it scores 93% where A scores 13%" in texts(tab).replace("\\", "")


def test_two_of_different_items_are_not_compared(workspace: Workspace, open_page: OpenPage) -> None:
    two = [measured(workspace, labelled(), 10), measured(workspace, labelled(24), 10)]
    tab = open_page(BENCHMARKS)
    tab.session_state["shown_evaluations"] = two
    tab.run()
    assert "different items" in tab.error[0].value


def test_the_matrix_shows_gain_and_loss_and_queues_what_is_missing(workspace: Workspace, open_page: OpenPage) -> None:
    adapter = make_adapter(workspace, "Tuned", "finance")
    for name, base, tuned in (("finance", 20, 70), ("retail", 60, 20)):
        measured(workspace, industry(name), base)
        measured(workspace, industry(name), tuned, adapter)
    tab = open_tab(open_page(BENCHMARKS), "Forgetting")
    assert_fine(tab)
    assert "Finance is proven better; Retail is proven worse" in texts(tab).replace("\\", "")
    (table,) = [one.value for one in tab.dataframe if "p, corrected" in one.value.columns]
    assert list(table["Verdict"]) == ["better", "worse"]
    missing = 2 * (len(own_benchmarks.industry_shas(workspace)) - 2)
    button(tab, f"Measure what is missing ({missing})").click().run()
    specs = evaluations_of(workspace)[4:]
    assert len(specs) == missing
    assert not {"finance", "retail"} & {spec["benchmark_name"] for spec in specs}
    assert f"{missing} evaluations are queued, with low priority." in [
        one.value.replace("\\", "") for one in tab.success
    ]
    button(open_tab(tab, "Forgetting"), f"Measure what is missing ({missing})").click().run()
    assert len(evaluations_of(workspace)) == 4 + missing


def test_written_items_become_a_frozen_benchmark(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_form(open_page(BENCHMARKS), "Own benchmarks")
    by_label(tab.segmented_control, "A new benchmark").set_value("Write items").run()
    for question, answer in (("What is 2 + 2?", "4"), ("How many days has a leap year?", "366")):
        by_label(tab.text_area, "Question").set_value(question)
        by_label(tab.text_input, "Right answer").set_value(answer)
        button(tab, "Add the item").click().run()
        assert_fine(tab)
    by_label(tab.text_input, "Name").set_value("our sums")
    by_label(tab.selectbox, "What it tests").set_value("calculation")
    button(tab, "Freeze it").click().run()
    assert_fine(tab)
    with opened(workspace) as db:
        made = stored.find(db, "our sums")
    assert (made.kind, made.items) == ("calculation", 2)
    items = own_benchmarks.resolve(workspace, ["our sums"], lambda name: pytest.fail(name)).items
    assert [(item.prompt, item.answer) for item in items] == [
        ("What is 2 + 2?", 4.0), ("How many days has a leap year?", 366.0)
    ]  # fmt: skip


def test_an_item_that_can_not_be_graded_is_refused_in_place(open_page: OpenPage) -> None:
    tab = open_form(open_page(BENCHMARKS), "Own benchmarks")
    by_label(tab.segmented_control, "A new benchmark").set_value("Write items").run()
    by_label(tab.text_area, "Question").set_value("What is 2 + 2?")
    by_label(tab.text_input, "Right answer").set_value("four")
    button(tab, "Add the item").click().run()
    assert "is no number" in tab.error[0].value


def test_votes_are_blind_and_add_up(workspace: Workspace, open_page: OpenPage) -> None:
    cases = labelled(6)
    first = measured(workspace, cases, range(6))
    adapter = make_adapter(workspace, "Tuned")
    second = measured(workspace, cases, [], adapter, wrong="nonsense")
    tab = open_tab(open_page(BENCHMARKS), "Judge by eye")
    assert [one.proto.text for one in tab.get("progress")] == ["0 of 6 judged"]
    for _ in range(6):
        answers = [one.value for one in tab.text][-2:]
        label = "A is better" if answers[0] != "nonsense" else "B is better"
        button(tab, label).click().run()
        assert_fine(tab)
    with opened(workspace) as db:
        cast = votes.of_pair(db, min(first, second), max(first, second))
    won = "first" if min(first, second) == first else "second"
    assert [vote.choice for vote in cast] == [won] * 6
    by_label(tab.toggle, "Show what the votes say").set_value(True).run()
    assert_fine(tab)
    assert by_label(tab.metric, "Won, lost, alike").value in ("6, 0, 0", "0, 6, 0")


def test_names_of_people_are_no_markup(workspace: Workspace, open_page: OpenPage) -> None:
    adapter = make_adapter(workspace, MARKUP, "finance")
    cases = labelled()
    measured(workspace, cases, 5)
    measured(workspace, cases, 25, adapter)
    tab = open_page(BENCHMARKS)
    assert_fine(tab)
    assert "<script>" not in texts(tab).replace("\\<", "")
    assert_fine(open_tab(tab, "Forgetting"))
    assert_fine(open_tab(tab, "Judge by eye"))


def test_a_damaged_benchmark_is_named_and_the_page_stays(workspace: Workspace, open_page: OpenPage) -> None:
    cases = labelled()
    measured(workspace, cases, 5)
    (workspace.root / "benchmarks" / f"{cases.sha}.json").write_text("{}")
    tab = open_page(BENCHMARKS)
    assert not tab.exception
    assert "missing or damaged" in tab.error[0].value
