"""The page Leaderboard: ranks, filters, the mean over industries, the way to a comparison."""

import json
from collections.abc import Callable
from typing import Any

from streamlit.testing.v1 import AppTest

from core.paths import Workspace
from tests.app.prove_support import LEADERBOARD, industry, labelled, make_adapter, measured
from tests.app.support import assert_fine, button, by_label, charts, texts

OpenPage = Callable[..., AppTest]


def board(tab: AppTest) -> Any:
    (table,) = [one.value for one in tab.dataframe]
    return table


def test_an_empty_workspace_says_how_models_come_here(open_page: OpenPage) -> None:
    tab = open_page(LEADERBOARD)
    assert_fine(tab)
    assert "Nothing measured yet" in texts(tab)
    assert button(tab, "Run benchmarks")


def test_models_stand_by_score_and_share_ranks_where_nothing_separates_them(
    workspace: Workspace, open_page: OpenPage
) -> None:
    cases = labelled()
    good, alike = make_adapter(workspace, "Good"), make_adapter(workspace, "Nearly as good")
    measured(workspace, cases, 4)
    measured(workspace, cases, 28, good)
    measured(workspace, cases, 26, alike)
    tab = open_page(LEADERBOARD)
    assert_fine(tab)
    assert list(zip(board(tab)["Rank"], board(tab)["Model"], strict=True)) == [
        ("1-2", "Good"), ("1-2", "Nearly as good"), ("3", "Starter")
    ]  # fmt: skip
    assert "Holm's correction for 3 comparisons" in texts(tab)
    (chart,) = charts(tab)
    assert len(json.loads(chart.proto.spec)["data"][0]["y"]) == 3


def test_filters_keep_the_ranks_among_all(workspace: Workspace, open_page: OpenPage) -> None:
    cases = labelled()
    measured(workspace, cases, 2)
    measured(workspace, cases, 29, make_adapter(workspace, "Good"))
    tab = open_page(LEADERBOARD)
    by_label(tab.segmented_control, "Models").set_value("Bases").run()
    assert list(zip(board(tab)["Rank"], board(tab)["Model"], strict=True)) == [("2", "Starter")]
    by_label(tab.segmented_control, "Models").set_value("All models").run()
    by_label(tab.text_input, "Search").set_value("good").run()
    assert list(board(tab)["Model"]) == ["Good"]
    by_label(tab.text_input, "Search").set_value("nobody").run()
    assert_fine(tab)
    assert "None of the 2 models is like that" in texts(tab)


def test_over_all_industries_only_who_was_measured_on_all_has_a_rank(workspace: Workspace, open_page: OpenPage) -> None:
    one, two = make_adapter(workspace, "One", "finance"), make_adapter(workspace, "Two", "finance")
    for name in ("finance", "retail"):
        measured(workspace, industry(name), 10)
        measured(workspace, industry(name), 60, one)
    measured(workspace, industry("finance"), 90, two)
    tab = open_page(LEADERBOARD)
    assert_fine(tab)
    assert list(zip(board(tab)["Rank"], board(tab)["Model"], strict=True)) == [
        ("1", "One"), ("2", "Starter"), ("–", "Two")
    ]  # fmt: skip
    assert list(board(tab)["Industries"]) == [2, 2, 1]
    (chart,) = charts(tab)
    assert len(json.loads(chart.proto.spec)["data"][0]["y"]) == 2  # a mean over fewer is in the table only
    (counted,) = [one for one in tab.pills if one.label == "Industries that count"]
    counted.set_value(counted.value[:1]).run()
    assert_fine(tab)
    assert "Only Finance counts" in texts(tab)
    assert sorted(board(tab)["Rank"]) == ["1", "2", "3"]


def test_versions_of_a_benchmark_are_boards_of_their_own(workspace: Workspace, open_page: OpenPage) -> None:
    measured(workspace, labelled(30), 10)
    measured(workspace, labelled(24), 10)
    tab = open_page(LEADERBOARD)
    assert_fine(tab)
    options = by_label(tab.selectbox, "Benchmark").options
    assert len(options) == 2
    assert all("items " in option for option in options)
    assert len(board(tab)) == 1
