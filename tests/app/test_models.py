"""The Models page: nothing yet, the list, the gate's word, every press, what a broken file or rule costs."""

import json
import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.paths import Workspace
from core.registry import promotion, proposal
from core.store import connection, proposals, registry
from core.store.adapters import AdapterRow
from core.store.connection import opened, transaction
from tests.adapters import damage, label_benchmark, make_adapter
from tests.app.support import (
    JOBS,
    MARKUP,
    as_read,
    assert_fine,
    assert_no_traceback,
    button,
    by_label,
    held_exclusively,
    labels,
    meanwhile,
    one_sentence,
    texts,
)

OpenPage = Callable[..., AppTest]
MODELS = "pages/use/models.py"
WEAK = [1.0] * 20 + [0.0] * 10


def in_production(workspace: Workspace, scope: str = "finance") -> str:
    with opened(workspace) as db:
        return registry.production_of(db, scope)


def table(tab: AppTest, column: str) -> dict[str, list[object]]:
    """Return the one table that has this column."""
    (found,) = [one.value for one in tab.dataframe if column in one.value.columns]
    return {str(name): values for name, values in found.to_dict("list").items()}


def offered(tab: AppTest) -> list[str]:
    """Return what can be done with the adapter, without the form for a review, which is always there."""
    return [label for label in labels(tab) if label not in ("Read its answers", "Write it down")]


def press(tab: AppTest, label: str) -> AppTest:
    return button(tab, label).click().run()


def test_with_nothing_there_the_page_says_what_to_do(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(MODELS)
    assert_fine(tab)
    assert "No adapters yet." in texts(tab)
    assert labels(tab) == []


def test_a_candidate_is_shown_with_its_verdict_and_every_rule(workspace: Workspace, open_page: OpenPage) -> None:
    row = make_adapter(workspace)
    tab = open_page(MODELS)
    assert_fine(tab)
    shown = texts(tab)
    assert "Finance one" in shown
    assert "candidate" in shown
    assert "The tuned model is better" in shown
    rules = table(tab, "Rule")
    assert rules["Rule"] == ["Files", "Beside its base", "What it forgot"]
    assert rules["Mark"] == [["passed"], ["passed"], ["not measured"]]
    assert row.weights_sha in table(tab, "Which")["Which"]
    assert offered(tab) == ["Promote", "Archive"]


def test_one_press_promotes_and_one_press_undoes_it(workspace: Workspace, open_page: OpenPage) -> None:
    row = make_adapter(workspace)
    tab = press(open_page(MODELS), "Promote")
    assert_fine(tab)
    assert "Finance one is in production." in as_read(tab.success[0].value)
    assert in_production(workspace) == row.id
    assert offered(tab) == ["Undo"]  # there is nothing before it to go back to
    assert table(tab, "When")["What"] == ["into production"]
    press(tab, "Undo")
    assert_fine(tab)
    assert in_production(workspace) == ""
    assert table(tab, "When")["What"] == ["undone", "into production, later undone"]
    assert offered(tab) == ["Promote", "Archive"]


def test_what_the_gate_holds_back_needs_a_reason_that_stays(workspace: Workspace, open_page: OpenPage) -> None:
    make_adapter(workspace, "Good")
    promotion.decide(workspace, "Good")
    weak = make_adapter(workspace, "Weak", tuned=WEAK)
    tab = open_page(MODELS, model=weak.id)
    assert_fine(tab)
    assert "points below that of the one in production" in texts(tab)
    assert button(tab, "Promote it").disabled
    by_label(tab.text_area, "Why it may serve all the same").set_value("The old one is too slow").run()
    press(tab, "Promote it")
    assert_fine(tab)
    assert in_production(workspace) == weak.id
    assert "the gate was overruled: The old one is too slow" in str(table(tab, "Why")["Why"][0])


def test_a_risky_scope_needs_a_person_by_name(workspace: Workspace, open_page: OpenPage) -> None:
    row = make_adapter(workspace, "Triage", "healthcare")
    tab = open_page(MODELS)
    assert_fine(tab)
    assert "In Healthcare a wrong answer can hurt somebody" in texts(tab)
    assert button(tab, "Promote").disabled
    by_label(tab.text_input, "Reviewed by").set_value("Ann Ray")
    press(tab, "Write it down")
    assert "Give the finding and a note too." in as_read(tab.warning[0].value)
    by_label(tab.segmented_control, "Finding").set_value("unfit")
    by_label(tab.text_area, "What was found").set_value("Item 3: a wrong dose")
    press(tab, "Write it down")
    assert_fine(tab)
    assert button(tab, "Promote").disabled and any("3\\: a wrong dose" in one.value for one in tab.markdown)
    by_label(tab.segmented_control, "Finding").set_value("fit")
    by_label(tab.text_area, "What was found").set_value("Read 30 answers: all in order")
    press(tab, "Write it down")
    press(tab, "Promote")
    assert_fine(tab)
    assert in_production(workspace, "healthcare") == row.id
    assert "Ann Ray: Read 30 answers: all in order" in str(table(tab, "Why")["Why"][0])


def test_what_the_gate_said_at_the_jobs_end_stands_on_its_page_and_under_its_verdict(
    workspace: Workspace, open_page: OpenPage
) -> None:
    row = make_adapter(workspace)
    with opened(workspace) as db, transaction(db):
        proposals.expect(db, row.id, "finance")
    proposal.propose(workspace, row.id)
    assert "When its job ended" in texts(open_page(MODELS))
    tab = open_page(JOBS, job=row.job)
    assert "The gate would promote it because 2 of 3 rules passed" in texts(tab)
    press(tab, "Open in Models")
    assert_no_traceback(tab)


def test_roll_back_brings_the_one_before(workspace: Workspace, open_page: OpenPage) -> None:
    first, second = make_adapter(workspace, "First"), make_adapter(workspace, "Second")
    promotion.decide(workspace, first.id)
    promotion.decide(workspace, second.id)
    tab = press(open_page(MODELS, model=second.id), "Roll back")
    assert_fine(tab)
    assert "First is in production." in as_read(tab.success[0].value)
    assert in_production(workspace) == first.id
    stages = dict(zip(table(tab, "Stage")["Name"], table(tab, "Stage")["Stage"], strict=True))
    assert stages == {"First": ["production"], "Second": ["archived"]}
    assert "Second" in "".join(one.value for one in tab.subheader), "the adapter that was looked at stays chosen"


def test_archive_puts_a_candidate_away(workspace: Workspace, open_page: OpenPage) -> None:
    make_adapter(workspace)
    tab = press(open_page(MODELS), "Archive")
    assert_fine(tab)
    assert "archived" in texts(tab)
    assert offered(tab) == ["Promote", "Undo"]


def test_the_list_is_filtered_by_scope(workspace: Workspace, open_page: OpenPage) -> None:
    make_adapter(workspace, "A", "finance")
    make_adapter(workspace, "B", "finance+retail")
    make_adapter(workspace, "C", base=[0.0] * 30, benchmark=label_benchmark("Sentiment", 30), specialist="sentiment")
    tab = open_page(MODELS)
    assert_fine(tab)
    assert table(tab, "Stage")["For"] == ["Specialist sentiment", "Finance, Retail", "Finance"]
    by_label(tab.selectbox, "For").set_value("finance+retail").run()
    assert_fine(tab)
    assert [one.value for one in tab.subheader] == ["B"]


def test_a_damaged_adapter_says_so_and_is_not_promoted(workspace: Workspace, open_page: OpenPage) -> None:
    row = make_adapter(workspace)
    (workspace.adapters / row.id / "adapter_model.safetensors").unlink()
    tab = open_page(MODELS)
    assert "damaged: adapter_model.safetensors is missing" in one_sentence(tab)
    assert button(tab, "Promote").disabled


def test_damage_that_only_reading_shows_holds_it_back_at_the_press(workspace: Workspace, open_page: OpenPage) -> None:
    row = make_adapter(workspace)
    damage(workspace, row.id)
    tab = press(open_page(MODELS), "Promote")
    assert_no_traceback(tab)
    assert "adapter_model.safetensors is damaged" in as_read(tab.warning[0].value)
    assert in_production(workspace) == ""


def test_what_somebody_else_decided_meanwhile_is_told(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_adapter(workspace, "First"), make_adapter(workspace, "Second")
    tab = open_page(MODELS, model=second.id)
    with meanwhile(registry, "record", lambda: promotion.decide(workspace, first.id), monkeypatch):
        press(tab, "Promote")
    assert "meanwhile" in one_sentence(tab)
    assert in_production(workspace) == first.id


def test_names_are_shown_as_they_are(workspace: Workspace, open_page: OpenPage) -> None:
    make_adapter(workspace, MARKUP, scope="own [x](y).jsonl")
    tab = press(open_page(MODELS), "Promote")
    assert_fine(tab)
    assert as_read(tab.subheader[0].value) == MARKUP
    assert MARKUP in as_read(tab.success[0].value)


def test_broken_rules_cost_the_gate_and_not_the_list(workspace: Workspace, open_page: OpenPage) -> None:
    make_adapter(workspace, "A")
    make_adapter(workspace, "B")
    (workspace.root / "gates.yaml").write_text("defaults: {verdikt: any}\n", encoding="utf-8")
    tab = open_page(MODELS)
    assert "gates.yaml are wrong at defaults.verdikt" in one_sentence(tab)
    assert table(tab, "Stage")["Name"] == ["B", "A"]


def test_a_link_to_an_adapter_that_is_not_there_is_told(workspace: Workspace, open_page: OpenPage) -> None:
    make_adapter(workspace)
    tab = open_page(MODELS, model="nobody")
    assert_fine(tab)
    assert "There is no adapter nobody" in as_read(tab.warning[0].value)


def test_a_database_that_stays_held_gives_a_sentence(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_adapter(workspace)
    tab = open_page(MODELS)
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.05)
    with held_exclusively(workspace):
        assert "busy" in one_sentence(tab.run())
    assert_fine(tab.run())


@pytest.fixture
def many(workspace: Workspace) -> AdapterRow:
    """Five hundred adapters, each with a card as long as that of a combination of five industries."""
    row = make_adapter(workspace)
    parts = row.card["verdict"]["components"] * 10
    card = row.card | {"verdict": row.card["verdict"] | {"components": parts}}
    with opened(workspace) as db:
        db.execute("BEGIN")
        db.executemany(
            "INSERT INTO adapters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (f"{n:026d}", f"Copy {n}", row.job, "starter", row.base_fingerprint, row.dataset, "0" * 64,
                 json.dumps(card), row.created_at - n)
                for n in range(1, 500)
            ],
        )  # fmt: skip
        db.execute("COMMIT")
    return row


def test_five_hundred_adapters_are_listed_in_an_instant(
    workspace: Workspace, open_page: OpenPage, many: AdapterRow
) -> None:
    tab = open_page(MODELS)
    assert_fine(tab)
    assert len(table(tab, "Stage")["Name"]) == 500
    began = time.perf_counter()
    with opened(workspace) as db:
        assert len(registry.entries(db)) == 500
    assert time.perf_counter() - began < 0.5
