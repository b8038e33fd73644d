"""The page Transcripts, with a real scoring service behind it: scores, what is refused, and what is kept."""

import json
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core.catalog import rubrics
from core.errors import ServiceError
from core.paths import Workspace
from core.scoring import report
from core.scoring.reading import read_transcript
from core.scoring.report import Entry
from core.scoring.result import Evidence, Flag, Score, Scored
from core.scoring.service import client
from core.store import schema, scoring
from core.store.connection import opened
from pages.widgets.scoring_run import Shown
from tests.conftest import end_processes

PAGE = "pages/use/transcripts.py"
SAID = (
    "Nurse: How have you been sleeping?\nPatient: Badly, I worry about Friday.\n"
    "Nurse: That sounds hard. What worries you most?\nPatient: The needle."
)
RUBRIC = rubrics.find("conversation")
DIMENSIONS = [one.id for one in RUBRIC.dimensions]

pytestmark = pytest.mark.xdist_group("scoring-page")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    root = tmp_path_factory.mktemp("transcripts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(root / "workspace"))
        chosen = Workspace.chosen()
        schema.prepare(chosen)
        client.ensure_service(chosen)
        yield chosen
        end_processes(chosen)


@pytest.fixture
def workspace(served: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("ATELIER_HOME", str(served.root))
    return served


def press(tab: AppTest, label: str) -> AppTest:
    return next(one for one in tab.button if one.label == label).click().run()


def drawn(tab: AppTest) -> str:
    return " ".join(one.proto.body for one in tab.get("html"))


def test_a_pasted_conversation_is_scored_and_nothing_of_it_is_kept(
    open_page: Callable[..., AppTest], workspace: Workspace
) -> None:
    tab = open_page(PAGE)
    assert not tab.exception
    tab.text_area[0].set_value(SAID).run()
    tab = press(tab, "Score")
    assert not tab.exception and not tab.error
    picture = drawn(tab)
    for one in RUBRIC.dimensions:
        assert one.title in picture
    assert "The needle." in picture
    with opened(workspace) as db:
        assert scoring.kept(db) == []
    said = b"I worry about Friday"
    assert not [file for file in workspace.root.rglob("*") if file.is_file() and said in file.read_bytes()]


def test_what_cannot_be_read_is_told_beside_nothing_scored(open_page: Callable[..., AppTest]) -> None:
    tab = press(open_page(PAGE), "Score")
    assert "no conversation yet" in tab.warning[0].value
    tab.text_area[0].set_value("Nurse: " + "word " * 20_500).run()
    tab = press(tab, "Score")
    assert "20,000" in tab.error[0].value
    assert "sc-big" not in drawn(tab)


def test_keeping_opens_again_and_deletes_without_a_trace(
    open_page: Callable[..., AppTest], workspace: Workspace
) -> None:
    tab = open_page(PAGE)
    tab.text_area[0].set_value(SAID.replace("needle", "ANAESTHETIC")).run()
    tab = press(press(tab, "Score"), "Keep")
    with opened(workspace) as db:
        assert [one.name for one in scoring.kept(db)] == ["Pasted conversation"]
    tab = press(open_page(PAGE), "Open")
    assert "ANAESTHETIC" in drawn(tab)
    tab = press(tab, "Delete this one")
    with opened(workspace) as db:
        assert scoring.kept(db) == []
    assert not [one for one in workspace.root.glob("control.db*") if b"ANAESTHETIC" in one.read_bytes()]


def test_a_correction_is_stored_with_who_gave_it(open_page: Callable[..., AppTest], workspace: Workspace) -> None:
    tab = open_page(PAGE)
    tab.text_area[0].set_value(SAID).run()
    tab = press(tab, "Score")
    shown: Shown = tab.session_state["transcripts_shown"]
    before = shown.entries[0].scored.scores[DIMENSIONS[0]].score
    wanted = 1 if before > 2 else 5
    next(one for one in tab.button_group if one.label == "Empathy").set_value(wanted)
    next(one for one in tab.text_input if one.label == "Your name").set_value("Ada")
    tab = press(tab, "Store the correction")
    assert not tab.error
    with opened(workspace) as db:
        (stored,) = scoring.corrections_of(db)
    assert (stored.who, stored.corrected["scores"]) == ("Ada", {DIMENSIONS[0]: wanted})
    scoring.delete_all(workspace, "corrections")


def test_a_service_that_does_not_start_is_told(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ensure_service", _refuse)
    tab = open_page(PAGE)
    tab.text_area[0].set_value(SAID).run()
    tab = press(tab, "Score")
    assert "no room for a model" in tab.error[0].value


def _refuse(*_: object, **__: object) -> None:
    raise ServiceError("There is no room for a model.")


# What is drawn and handed on, from scores that are known


def scored_as(score: int, said: str = SAID) -> Scored:
    transcript = read_transcript(said, RUBRIC)
    text = transcript.utterances[2].text
    passage = Evidence(utterance=2, start=0, end=17, text=text[:17], effect=0.4)
    one = Score(score=score, expected=float(score), confidence=0.8, reason="=cmd|' /C calc'!A0", evidence=(passage,))
    flag = Flag(utterance=0, start=0, end=3, text="How", kind="order", told="It gives an order.")
    return Scored(
        scores=dict.fromkeys(DIMENSIONS, one),
        overall=float(score),
        flags=(flag,),
        adapter="bundled",
        rubric=RUBRIC.id,
        milliseconds=1.0,
    )


def draw(rubric, transcript, scored):  # its source is run by itself, where no type is known
    from pages.widgets import transcript_view

    transcript_view.show(rubric, transcript, scored)


def test_marks_stand_on_the_very_words_and_markup_of_speakers_stays_text() -> None:
    said = SAID.replace("Patient: The needle.", "Patient: <script>alert(1)</script> & more")
    transcript = read_transcript(said, RUBRIC)
    found = AppTest.from_function(draw, args=(RUBRIC, transcript, scored_as(4, said))).run()
    body = drawn(found)
    assert "<script>" not in body and "&lt;script&gt;" in body
    assert ">That sounds hard.</mark>" in body
    assert 'class="tv-flag"' in body and ">How</mark>" in body


def test_tables_hold_every_score_and_no_formula() -> None:
    entries = [Entry("a.txt", scored_as(4)), Entry("=b.txt", scored_as(2))]
    lines = report.to_csv(RUBRIC, entries).splitlines()
    assert len(lines) == 3 and lines[0].startswith("name,overall,empathy")
    assert lines[1].startswith("a.txt,4.00,4,4,4,4") and lines[2].startswith("'=b.txt,2.00")
    assert "'=cmd" in lines[1]
    assert [one["overall"] for one in json.loads(report.to_json(entries))] == [4.0, 2.0]
    page = report.to_html(RUBRIC, entries, "a <model>", "today")
    assert "a &lt;model&gt;" in page and "http" not in page.replace("http-equiv", "")


def test_two_models_stand_beside_each_other() -> None:
    shown = Shown(RUBRIC, (Entry("a", scored_as(4)),), "Shipped", 0.0, (scored_as(2),), "Base")
    beside = shown.beside(0)
    assert beside is not None and (beside[0], beside[1].overall) == ("Base", 2.0)
