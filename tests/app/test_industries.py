"""Industries: what is on the shelf can be searched, looked at and trained on, also beside a broken file of one's own.

`core.process.queue.ensure_supervisor` is replaced, so that no process starts; see conftest.py.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.catalog import industries, specialists
from core.paths import Workspace
from tests.app.support import MARKUP, NEW_JOB, all_jobs, as_read, assert_fine, by_label, one_sentence, texts

OpenPage = Callable[..., AppTest]
PAGE = "pages/prepare/industries.py"
OWN = """
id: sea
title: "Sea {mark}"
specialists:
  - id: tide
    title: "Tides {mark}"
    summary: "Says whether the water comes or goes. {mark}"
    task: classification
    base_class: 3B
    base: Qwen/Qwen2.5-3B-Instruct
    rank: 8
    prompt: "Come or go?\\n{{text}}"
    labels: [comes, goes]
    metrics: [accuracy]
    thresholds: {{accuracy: {{baseline: 0.7, tuned: 0.9}}}}
    generator:
      tasks:
        - id: up
          draw: {{time: {{range: [0, 900]}}}}
          ask: ["At minute {{{{ time }}}} the water {verb}."]
          answer: [comes]
"""


def shelf(tab: AppTest, search: str = "") -> AppTest:
    """Turn to the specialists, and search."""
    by_label(tab.segmented_control, "Shelf").set_value("Specialists").run()
    return find(tab, search) if search else tab


def find(tab: AppTest, search: str) -> AppTest:
    return by_label(tab.text_input, "Search").set_value(search).run()


def listed(tab: AppTest) -> list[str]:
    return list(tab.dataframe[0].value["Specialist"]) if tab.dataframe else []


def cards(tab: AppTest) -> list[str]:
    return [one.key.removeprefix("train-") for one in tab.button if one.key and one.key.startswith("train-")]


def write_own(workspace: Workspace, text: str = OWN, mark: str = "", verb: str = "rises") -> Path:
    path = workspace.root / "specialists" / "sea.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.format(mark=mark, verb=verb) if text == OWN else text, encoding="utf-8")
    return path


# Industries


def test_an_empty_workspace_shows_every_industry_with_what_it_holds(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(PAGE)
    assert_fine(tab)
    assert cards(tab) == list(industries.all_industries())
    shown = texts(tab)
    assert "30 worked examples" in shown and "test questions" in shown
    assert "All of finance, education, retail, healthcare, each counting the same." in shown
    assert all_jobs(workspace) == []


def test_the_search_takes_every_word_whatever_its_case(workspace: Workspace, open_page: OpenPage) -> None:
    tab = find(open_page(PAGE), "FINANCE")
    assert_fine(tab)
    assert "finance" in cards(tab) and len(cards(tab)) < 5
    tab = find(tab, "finance nosuchword")
    assert cards(tab) == []
    assert as_read(tab.info[0].value) == "No industry has 'finance nosuchword' in its description."
    assert "finance" in cards(find(tab, ""))


def test_an_industry_leads_to_new_job_with_the_choice_made(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(PAGE)
    tab.button(key="train-retail").click().run()
    assert_fine(tab)
    assert [one.value for one in tab.title] == ["New job"]
    tab.switch_page(NEW_JOB)
    assert by_label(tab.segmented_control, "Data").value == "Industries"
    assert by_label(tab.pills, "Industries").value == ["retail"]
    assert "generated for retail" in texts(tab)


def test_a_broken_pack_is_named_and_the_shipped_ones_stay(workspace: Workspace, open_page: OpenPage) -> None:
    workspace.industries.mkdir(parents=True, exist_ok=True)
    (workspace.industries / "mine.yaml").write_text("id: mine\ntitle: [\n")
    tab = open_page(PAGE)
    assert "mine.yaml" in one_sentence(tab)
    assert cards(tab) == list(industries.all_industries())
    assert listed(shelf(tab))
    (workspace.industries / "mine.yaml").unlink()
    tab = open_page(PAGE)
    assert_fine(tab)


# Specialists


def test_every_specialist_is_listed_and_the_first_is_shown_whole(workspace: Workspace, open_page: OpenPage) -> None:
    known = specialists.all_specialists()
    tab = shelf(open_page(PAGE))
    assert_fine(tab)
    assert listed(tab) == [one.title for one in known.values()]
    table = tab.dataframe[0].value.set_index("Specialist")
    assert list(table.loc[known["sentiment"].title, ["Base", "Decided by", "Aim", "Real data"]]) == [
        "3B",
        "Accuracy",
        "88%",
        "SST-2, IMDB",
    ]
    assert table.loc[known["ticket-routing"].title, "Real data"] == "your own"
    shown = texts(tab)
    assert "Is this text positive or negative?" in shown
    assert "A base should reach 75%, the tuned model 88%." in shown
    assert "Read on the hub as stanfordnlp/sst2 or as the files train.tsv, dev.tsv." in shown.replace("\\", "")


def test_the_category_and_the_search_narrow_the_list(workspace: Workspace, open_page: OpenPage) -> None:
    tab = shelf(open_page(PAGE))
    by_label(tab.pills, "Category").set_value("Customer service").run()
    assert_fine(tab)
    of_service = [one.title for one in specialists.all_specialists().values() if one.category == "customer-service"]
    assert listed(tab) == of_service
    find(tab, "routing")
    assert listed(tab) == [specialists.find("ticket-routing").title]
    assert cards(tab) == ["ticket-routing"]
    find(tab, MARKUP)
    assert_fine(tab)
    assert listed(tab) == [] and "No specialist of this kind has" in tab.info[0].value


def test_a_specialist_leads_to_new_job_with_the_choice_made(workspace: Workspace, open_page: OpenPage) -> None:
    tab = shelf(open_page(PAGE), "ticket routing")
    tab.button(key="train-ticket-routing").click().run()
    assert_fine(tab)
    assert [one.value for one in tab.title] == ["New job"]
    tab.switch_page(NEW_JOB)
    assert by_label(tab.segmented_control, "Data").value == "A specialist"
    assert tab.selectbox(key="specialist").value == "ticket-routing"
    assert by_label(tab.text_input, "Rank").value == "8"


@pytest.mark.parametrize("text", ["id: sea\ntitle: [\n", "", "id: sea\ntitle: Sea\nspecialists: [{id: tide}]\n"])
def test_a_broken_file_of_ones_own_is_named_and_the_shipped_ones_stay(
    workspace: Workspace, open_page: OpenPage, text: str
) -> None:
    write_own(workspace, text)
    tab = shelf(open_page(PAGE))
    assert "sea.yaml" in one_sentence(tab)
    assert listed(tab) == [one.title for one in specialists.all_specialists().values()]
    assert "Is this text positive or negative?" in texts(tab)
    find(tab, "invoice")
    assert "sea.yaml" in one_sentence(tab) and listed(tab)


def test_ones_own_is_shown_as_it_is_written_now(workspace: Workspace, open_page: OpenPage) -> None:
    write_own(workspace, mark=MARKUP)
    tab = shelf(open_page(PAGE), "tides")
    assert_fine(tab)
    assert listed(tab) == [f"Tides {MARKUP}"]
    assert "the water rises" in texts(tab)
    (summary,) = [one.value for one in tab.markdown if one.value.startswith("Says whether the water")]
    assert as_read(summary) == f"Says whether the water comes or goes. {MARKUP}"
    write_own(workspace, verb="is coming in")
    tab.run()
    assert "the water is coming in" in texts(tab)
    write_own(workspace, verb="is {{ tide }}")
    tab.run()
    assert "'tide' is undefined" in one_sentence(tab)
    assert len(listed(tab)) == 1
