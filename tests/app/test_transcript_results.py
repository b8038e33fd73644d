"""What is done with scores that are known already: shown, corrected, kept, shared. No service runs."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.catalog import rubrics
from core.paths import Workspace
from core.scoring import report
from core.scoring.reading import read_transcript
from core.scoring.report import Entry
from core.scoring.result import Evidence, Flag, Score, Scored
from core.scoring.service import client
from core.scoring.transcript import Transcript
from core.store import schema, scoring
from core.store.connection import opened
from pages.widgets import scoring_run
from pages.widgets.scoring_run import Choice
from pages.widgets.transcript_form import Given

RUBRIC = rubrics.find("conversation")
DIMENSIONS = [one.id for one in RUBRIC.dimensions]
SAID = "Nurse: How have you been?\nPatient: Badly.\nNurse: That sounds hard, I am sorry.\nPatient: The needle."


def scored_as(score: int, adapter: str = "bundled") -> Scored:
    passage = Evidence(utterance=2, start=0, end=16, text="That sounds hard", effect=0.4)
    one = Score(score=score, expected=float(score), confidence=0.8, reason="It is warm.", evidence=(passage,))
    flag = Flag(utterance=0, start=0, end=3, text="How", kind="order", told="It gives an order.")
    return Scored(
        scores=dict.fromkeys(DIMENSIONS, one),
        overall=float(score),
        flags=(flag,),
        adapter=adapter,
        rubric=RUBRIC.id,
        milliseconds=1.0,
    )


def entry_of(score: int, said: str = SAID, name: str = "Pasted conversation") -> Entry:
    return Entry(name, scored_as(score), read_transcript(said, RUBRIC))


@pytest.fixture
def prepared(workspace: Workspace) -> Workspace:
    schema.prepare(workspace)
    return workspace


def press(tab: AppTest, label: str) -> AppTest:
    return next(one for one in tab.button if one.label == label).click().run()


def correct(workspace, rubric):  # the sources of such functions are run by themselves, where no type is known
    import streamlit as st

    from pages.widgets import correction_form

    correction_form.show(workspace, rubric, st.session_state["entry"])


def test_the_form_of_another_conversation_by_the_same_name_holds_its_own_scores(prepared: Workspace) -> None:
    tab = AppTest.from_function(correct, args=(prepared, RUBRIC), default_timeout=60)
    tab.session_state["entry"] = entry_of(2)
    tab.run()
    tab.text_input[0].set_value("Cold.").run()
    tab.session_state["entry"] = entry_of(4, SAID.replace("needle", "scar"))
    tab.run()
    assert [one.value for one in tab.button_group] == [4] * len(DIMENSIONS)
    next(one for one in tab.text_input if one.label == "Your name").set_value("Ada")
    assert "Nothing is corrected" in press(tab, "Store the correction").error[0].value
    with opened(prepared) as db:
        assert scoring.corrections_of(db) == []


@pytest.mark.parametrize(
    "said",
    ["Mr Smith (nurse): Good morning to you.\nNurse Lee: Hello, how are you?", "Gardener Kim: It grows.\nAnna: Yes."],
    ids=["a label that no longer reads as one", "a label that only this rubric knows"],
)
def test_what_is_shown_masked_is_what_the_service_reads(
    said: str, prepared: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    rated = RUBRIC.rated.model_copy(update={"names": [*RUBRIC.rated.names, "Gardener"]})
    rubric = RUBRIC.model_copy(update={"rated": rated})
    sent: list[Transcript] = []

    def answer(_: Workspace, transcripts: Sequence[Transcript], *__: Any) -> list[Scored]:
        sent.extend(transcripts)
        return [scored_as(3) for _ in transcripts]

    monkeypatch.setattr(client, "score", answer)
    shown = scoring_run.run(prepared, [Given("a", said)], Choice(rubric, "bundled", "Shipped", mask=True))
    transcript = shown.entries[0].transcript
    assert transcript == read_transcript(sent[0].render(), rubric)
    assert "Gardener" not in said or transcript.utterances[0].speaker == "Gardener"


def test_without_the_conversations_no_passage_is_shared_and_with_them_all_are() -> None:
    whole = entry_of(4)
    scores_alone = [Entry(whole.name, whole.scored)]
    page = report.to_html(RUBRIC, scores_alone, "a model", "today")
    given = report.to_json(scores_alone)
    for shared in (page, given, report.to_csv(RUBRIC, [whole])):
        assert "That sounds hard" not in shared and "How" not in shared
    assert "not scored: 1." in page and "struck out" not in page
    (row,) = json.loads(given)
    assert row["scores"][DIMENSIONS[0]]["evidence"] == [{"utterance": 2, "start": 0, "end": 16, "effect": 0.4}]
    assert row["flags"][0]["told"] == "It gives an order."

    page = report.to_html(RUBRIC, [whole], "a model", "today")
    assert "“That sounds hard”" in page and "The needle." in page and "struck out below: 1." in page
    (row,) = json.loads(report.to_json([whole]))
    assert [one["text"] for one in row["utterances"]] == [one.partition(": ")[2] for one in SAID.splitlines()]
    assert row["scores"][DIMENSIONS[0]]["evidence"][0]["text"] == "That sounds hard"
