"""What is done with scores that are known already: shown, corrected, kept, shared. No service runs."""

import json
from collections.abc import Callable, Sequence
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
from pages.widgets import kept_list, scoring_run
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
    shown = scoring_run.run(prepared, [Given("a", said)], Choice(rubric, mask=True))
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


# The page itself, on what is kept and on answers that are known


@pytest.fixture
def open_transcripts(
    prepared: Workspace, open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], AppTest]:
    monkeypatch.setattr(client, "ensure_service", lambda *_: None)
    return lambda: open_page("pages/use/transcripts.py")


def keep(workspace: Workspace, said: str = SAID, scored: Scored | None = None) -> str:
    result = (scored or scored_as(4)).model_dump(mode="json")
    return scoring.keep(
        workspace, name="a.txt", rubric=RUBRIC.id, adapter=result["adapter"], transcript=said, result=result
    )


def drawn(tab: AppTest) -> str:
    return " ".join(one.proto.body for one in tab.get("html"))


def labels_of(tab: AppTest, kind: str) -> list[str]:
    return [one.label for one in tab.get(kind)]


def choices_of(tab: AppTest) -> list[str]:
    return next(one for one in tab.selectbox if one.key == "transcripts_kept_choice").options


def test_of_kept_conversations_that_look_alike_the_chosen_one_is_opened_and_deleted(
    prepared: Workspace, open_transcripts: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as frozen:
        frozen.setattr("time.time", lambda: 1_700_000_000.0)
        kept = [keep(prepared, SAID.replace("needle", word)) for word in ("first", "second", "third")]
    tab = open_transcripts()
    assert len(set(choices_of(tab))) == 3
    next(one for one in tab.selectbox if one.key == "transcripts_kept_choice").set_value(kept[0]).run()
    tab = press(tab, "Open")
    assert "The first." in drawn(tab)
    tab = press(tab, "Delete this one")
    assert not tab.exception
    with opened(prepared) as db:
        assert {one.id for one in scoring.kept(db)} == set(kept[1:])


def test_more_kept_conversations_than_are_listed_are_told(
    prepared: Workspace, open_transcripts: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_list, "MOST_SHOWN", 2)
    for _ in range(3):
        keep(prepared)
    tab = open_transcripts()
    assert "Kept conversations (more than 2)" in labels_of(tab, "expander") and len(choices_of(tab)) == 2


@pytest.mark.parametrize(
    "changed", [{"scores": {"tact": scored_as(4).scores[DIMENSIONS[0]].model_dump()}}, {"overall": "no"}]
)
def test_a_kept_conversation_that_no_longer_fits_is_one_sentence(
    changed: dict[str, Any], prepared: Workspace, open_transcripts: Callable[[], AppTest]
) -> None:
    result = scored_as(4).model_dump(mode="json") | changed
    scoring.keep(prepared, name="a", rubric=RUBRIC.id, adapter="bundled", transcript=SAID, result=result)
    tab = press(open_transcripts(), "Open")
    assert not tab.exception
    assert ("has changed since this was scored" if "scores" in changed else "can't be read") in tab.error[0].value
    assert "Score" in labels_of(tab, "button") and "sc-big" not in drawn(tab)


def test_what_is_kept_is_not_kept_twice_and_says_so_only_while_it_is_there(
    prepared: Workspace, open_transcripts: Callable[[], AppTest]
) -> None:
    keep(prepared)
    tab = press(open_transcripts(), "Open")
    assert "Keep" not in labels_of(tab, "button")
    assert "Kept on this computer." in [one.value for one in tab.caption]
    tab = press(tab, "Delete this one")
    assert "Kept on this computer." not in [one.value for one in tab.caption]
    tab = press(tab, "Keep")
    assert "Keep" not in labels_of(tab, "button")
    with opened(prepared) as db:
        assert len(scoring.kept(db)) == 1


def test_a_kept_conversation_names_its_model_and_when_it_was_scored(
    prepared: Workspace, open_transcripts: Callable[[], AppTest]
) -> None:
    for adapter, told in (("bundled", "Shipped adapter"), ("0123abcd", "an adapter that is gone (0123abcd)")):
        kept = keep(prepared, scored=scored_as(4, adapter))
        tab = press(open_transcripts(), "Open")
        shown = tab.session_state["transcripts_shown"]
        with opened(prepared) as db:
            assert (shown.scored_by, shown.at) == (told, scoring.find_kept(db, kept).at)


def test_what_is_in_use_scores_unless_a_model_is_named_and_the_one_that_did_is_told(
    prepared: Workspace, open_transcripts: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(_: Workspace, transcripts: Sequence[Transcript], rubric: str, model: str) -> list[Scored]:
        asked.append(model)
        return [scored_as(2, "base" if model == "base" else "bundled") for _ in transcripts]

    monkeypatch.setattr(client, "score", answer)
    tab = open_transcripts()
    tab.text_area[0].set_value(SAID).run()
    tab = press(tab, "Score")
    assert "Scored by Shipped adapter." in [one.value for one in tab.caption]
    next(one for one in tab.selectbox if one.label == "Compare with").set_value("base").run()
    tab = press(tab, "Score")
    assert asked == ["", "", "base"]
    told = next(one.value for one in tab.caption if one.value.startswith("Bars show"))
    assert told.startswith("Bars show Shipped adapter, the upright lines ")
    (first, *_) = next(one for one in tab.selectbox if one.label == "Scored by").options
    assert first == "In use: Shipped adapter"


def test_deleting_corrections_tells_how_many_go_of_every_rubric(
    prepared: Workspace, open_transcripts: Callable[[], AppTest]
) -> None:
    for rubric in (RUBRIC.id, "another"):
        scoring.add_correction(
            prepared, who="Ada", rubric=rubric, adapter="base", transcript=SAID, scored={}, corrected={}
        )
    tab = open_transcripts()
    assert "Corrections (1)" in labels_of(tab, "expander")
    press(tab, "Delete all 2 corrections")
    with opened(prepared) as db:
        assert scoring.corrections_of(db) == []
