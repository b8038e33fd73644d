"""Datasets made on the page: out of grammars, and as a mix with shares, temperature and caps."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.datasets import making, versions
from core.paths import Workspace
from core.store import datasets
from core.store.connection import opened
from tests.app.support import DATASETS, assert_fine, button, by_label, texts

OpenPage = Callable[..., AppTest]


def store(workspace: Workspace, name: str, count: int, seed: int) -> None:
    with opened(workspace) as db:
        rows = making.make_of_specialist(workspace, "sentiment", count, seed)
        making.store(workspace, db, name, rows, ["sentiment"], seed)


def names(workspace: Workspace) -> dict[str, int]:
    with opened(workspace) as db:
        return {one.name: one.rows for one in datasets.named(db)}


def test_examples_of_an_industry_are_made_at_one_press(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(DATASETS)
    assert button(tab, "Make them").disabled
    next(one for one in tab.button_group if one.key == "make_industries").set_value(["hr"]).run()
    by_label(tab.number_input, "Examples of each").set_value(40).run()
    button(tab, "Make them").click().run()
    assert_fine(tab)
    assert names(workspace) == {"Human resources, made": 40}
    assert "Generated from hr" in texts(tab)


def test_a_mix_by_temperature_shows_counts_and_tokens_and_is_made_so(workspace: Workspace, open_page: OpenPage) -> None:
    store(workspace, "large", 120, 1)
    store(workspace, "small", 30, 2)
    tab = open_page(DATASETS)
    by_label(tab.multiselect, "Datasets").set_value(["large", "small"]).run()
    by_label(tab.button_group, "How").set_value("By their sizes").run()
    by_label(tab.number_input, "Examples in all").set_value(50).run()
    assert_fine(tab)
    table = next(one.value for one in tab.dataframe if "Taken" in one.value.columns)
    assert dict(zip(table["Dataset"], table["Taken"], strict=True)) == {"large": 40, "small": 10}
    assert (table["Tokens, about"] > 0).all()
    button(tab, "Mix them").click().run()
    assert_fine(tab)
    assert names(workspace)["large and small"] == 50
    with opened(workspace) as db:
        rows = versions.load(workspace, datasets.find_named(db, "large and small").sha)
    assert {row.origin for row in rows} == {"large", "small"}


def test_a_cap_holds_for_each_dataset(workspace: Workspace, open_page: OpenPage) -> None:
    store(workspace, "large", 120, 1)
    store(workspace, "small", 30, 2)
    tab = open_page(DATASETS)
    by_label(tab.multiselect, "Datasets").set_value(["large", "small"]).run()
    by_label(tab.number_input, "Most of one").set_value(25).run()
    table = next(one.value for one in tab.dataframe if "Taken" in one.value.columns)
    assert list(table["Taken"]) == [25, 25]


def test_with_many_datasets_one_is_found_by_its_name(workspace: Workspace, open_page: OpenPage) -> None:
    for number in range(14):
        store(workspace, f"mails of week {number}", 20, number)
    tab = open_page(DATASETS)
    by_label(tab.text_input, "Search").set_value("week 7").run()
    assert_fine(tab)
    assert list(tab.dataframe[0].value["Name"]) == ["mails of week 7"]
    by_label(tab.text_input, "Search").set_value("nothing").run()
    assert "None of the 14 datasets is called so." in texts(tab)
