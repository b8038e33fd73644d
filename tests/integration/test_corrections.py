"""Corrections of scores: stored with who made them, and turned into what a training takes."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from core.catalog import rubrics
from core.datasets import versions
from core.errors import BadInput, DataError
from core.paths import Workspace
from core.scoring import corrections, ratings
from core.scoring.reading import read_transcript
from core.scoring.result import Score, Scored
from core.store import scoring
from core.store.connection import opened
from tests.integration.command import make_command

RUBRIC = rubrics.find("conversation")
SCORED = Scored(
    scores={
        one.id: Score(score=4, expected=3.8, confidence=0.6, reason="Takes the worry into account.")
        for one in RUBRIC.dimensions
    },
    overall=3.8,
    adapter="bundled",
    rubric="conversation",
    milliseconds=12.0,
)
GOOD: dict[str, Any] = {"who": "Ada", "scores": {"empathy": 2}, "reasons": {"empathy": "Passes over the fear."}}


def correct(workspace: Workspace, text: str = "Nurse: Sit down.\nPatient: I am afraid.", **changes: Any) -> int:
    return corrections.correct(workspace, RUBRIC, read_transcript(text, RUBRIC), SCORED, **GOOD | changes)


@pytest.fixture
def corrected(workspace: Workspace) -> Workspace:
    """Five conversations; two people on the first, one of whom changed her mind."""
    correct(workspace, scores={"empathy": 1})
    correct(workspace)
    correct(workspace, who="Ben", scores={"empathy": 3, "clarity": 5}, reasons={})
    for number in range(4):
        correct(workspace, f"Nurse: Question {number}?\nPatient: Answer {number}.")
    return workspace


def test_corrections_become_rated_transcripts(corrected: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "out" / "corrections.jsonl"
    assert corrections.to_ratings(corrected, RUBRIC, path) == 6
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = {(one.rater, one.transcript.utterances[0].text): one for one in ratings.read(path, RUBRIC)}
    ada, ben = found["Ada", "Sit down."], found["Ben", "Sit down."]
    assert ada.scores == {"empathy": 2, "clarity": 4, "accuracy": 4, "professionalism": 4}
    assert ada.reasons == {"empathy": "Passes over the fear."}
    assert (ben.scores["empathy"], ben.scores["clarity"]) == (3, 5)
    assert ada.bond == ben.bond != found["Ada", "Question 1?"].bond


def test_corrections_become_a_dataset_of_what_people_scored(corrected: Workspace) -> None:
    made = corrections.to_dataset(corrected, RUBRIC, "Corrected")
    rows = versions.load(corrected, made.sha)
    assert len(rows) == made.examples == 7
    answers = [row.response for row in rows if "Sit down." in row.prompt]
    assert answers == ["2. Passes over the fear.", "3", "5"]
    training, validation = versions.split(rows, 0.2, seed=1)
    assert validation and not {row.prompt for row in training} & {row.prompt for row in validation}
    if os.name != "nt":
        files = list(versions.folder_of(corrected, made.sha).iterdir())
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_models_reason_does_not_stay_under_another_score(workspace: Workspace) -> None:
    same = "Takes the worry into account."
    correct(workspace, scores={"empathy": 2, "clarity": 4}, reasons={"empathy": same, "clarity": same})
    with opened(workspace) as db:
        (one,) = scoring.corrections_of(db)
    assert one.corrected["reasons"] == {"clarity": same}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"who": "  "}, "needs a name"),
        ({"who": "A" * 101}, "at most 100"),
        ({"who": "Ada\x1b[2J"}, "can't be printed"),
        ({"scores": {}}, "Nothing is corrected"),
        ({"scores": {"empathy": 6}}, "not one of 1 to 5"),
        ({"scores": {"empathy": True}}, "not one of 1 to 5"),
        ({"scores": {"kindness": 3}}, "no dimension 'kindness'"),
        ({"reasons": {"kindness": "so"}}, "no dimension 'kindness'"),
        ({"reasons": {"empathy": "x" * 1001}}, "at most 1,000"),
    ],
)
def test_a_wrong_correction_is_refused_and_stores_nothing(
    workspace: Workspace, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(BadInput, match=told):
        correct(workspace, **changes)
    with opened(workspace) as db:
        assert scoring.corrections_of(db) == []


def test_without_corrections_there_is_nothing_to_train_on(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Nobody has corrected"):
        corrections.to_dataset(workspace, RUBRIC, "Corrected")
    with pytest.raises(DataError, match="Nobody has corrected"):
        corrections.to_ratings(workspace, RUBRIC, tmp_path / "none.jsonl")
    assert list(tmp_path.glob("*.jsonl")) == []


def test_the_command_lists_exports_and_deletes(
    corrected: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    atelier = make_command(monkeypatch, capsys)
    listed = json.loads(atelier("corrections", "list", "--json").out)
    assert len(listed) == 7 and "Sit down" not in str(listed)
    path = tmp_path / "mine.jsonl"
    assert atelier("corrections", "export", path).code == 0 and len(ratings.read(path, RUBRIC)) == 6
    again = atelier("corrections", "export", path)
    assert (again.code, "is there already" in again.err) == (2, True)
    assert json.loads(atelier("corrections", "dataset", "Mine", "--json").out)["examples"] == 7
    assert atelier("corrections", "delete").code == 2
    assert atelier("corrections", "delete", listed[0]["number"]).code == 0
    assert json.loads(atelier("corrections", "delete", "--all", "--json").out) == {"deleted": 6}
    assert atelier("corrections", "dataset", "None left").code == 2
    assert b"Question 3?" not in corrected.database.read_bytes()
