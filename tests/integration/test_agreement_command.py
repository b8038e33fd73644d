"""`atelier agreement` on the shipped base: scores, people, calibration and what it then changes."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.catalog import rubrics
from core.paths import Workspace
from core.scoring.people import calibration, measuring
from core.scoring.people.measuring import Measured
from core.scoring.reading import read_transcript
from core.scoring.transcript import Transcript
from tests.integration.command import Command, make_command

RUBRIC = rubrics.find("conversation")
IDS = [one.id for one in RUBRIC.dimensions]
SPEECHES = ("Sit down.", "What worries you most?", "Take one in the morning.", "I don't care.", "That must be hard.")


def talks() -> list[Transcript]:
    """Return short conversations that all differ."""
    texts = [
        f"Nurse: {first} Number {place}.\nPatient: I am {mood}.\nNurse: {second}"
        for place, (first, second, mood) in enumerate(
            (first, second, mood) for first in SPEECHES for second in SPEECHES[:3] for mood in ("afraid", "well")
        )
    ]
    return [read_transcript(text, RUBRIC) for text in texts]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return measuring.measure(Workspace(tmp_path_factory.mktemp("measured")), RUBRIC, talks(), "base")


@pytest.fixture
def rated(tmp_path: Path, measured: Measured) -> Path:
    """Ratings of two people that stand in the order of the base's scores, but spread over the whole scale."""
    ranks = {name: np.argsort(np.argsort(values)) for name, values in measured.expected.items()}
    path = tmp_path / "rated.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for place, one in enumerate(talks()):
            for person, moved in (("Ada", 0), ("Ben", 1)):
                score = {name: min(4, int(1 + 4 * ranks[name][place] / 30) + moved) for name in IDS}
                stream.write(json.dumps({"transcript": one.render(), "rater": person, **score}) + "\n")
    return path


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def test_calibration_by_people_changes_what_is_told_and_stays(
    atelier: Command, workspace: Workspace, rated: Path, measured: Measured
) -> None:
    answer = atelier("agreement", rated, "--adapter", "base", "--calibrate", "--json")
    assert answer.code == 0, answer.err
    before: dict[str, Any] = json.loads(answer.out)
    assert before["calibration"] == "" and before["raters"] == ["Ada", "Ben"]
    made = before["calibrated"]
    assert set(made["curves"]) == set(IDS)
    found = calibration.find_newest(workspace, RUBRIC.id, "base", measured.files)
    assert found is not None and found.id == made["id"]
    assert calibration.find_newest(workspace, RUBRIC.id, "base", "other weights") is None
    after = json.loads(atelier("agreement", rated, "--adapter", "base", "--json").out)
    assert after["calibration"] == made["id"]
    for name in (*IDS, "overall"):
        was, now = (one["with_people"][name]["mean_absolute_error"]["value"] for one in (before, after))
        assert now < 0.7 * was
        assert after["with_people"][name]["spearman"]["value"] > 0.8


def test_the_table_names_every_dimension_and_a_model_against_itself_is_not_better(
    atelier: Command, rated: Path
) -> None:
    answer = atelier("agreement", rated, "--adapter", "base", "--against", "base")
    assert answer.code == 0, answer.err
    for one in (
        *(dimension.title for dimension in RUBRIC.dimensions),
        "Overall",
        "People among each other",
        "ICC(2,1)",
    ):
        assert one in answer.out
    assert "A difference is not proven" in answer.out and "nan" not in answer.out.lower()


def test_what_can_not_be_scored_is_told_by_its_row_in_the_file(
    atelier: Command, rated: Path, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = {2: "The model's numbers are no numbers."}
    monkeypatch.setattr(measuring, "measure", lambda *_: dataclasses.replace(measured, problems=problems))
    answer = atelier("agreement", rated, "--adapter", "base")
    assert "1 transcripts could not be scored, such as the one in row 5: The model's" in answer.out  # two rated each
    assert json.loads(atelier("agreement", rated, "--adapter", "base", "--json").out)["not_scored"] == {
        "5": problems[2]
    }


def test_too_few_ratings_calibrate_nothing_and_say_so(atelier: Command, rated: Path, workspace: Workspace) -> None:
    few = rated.with_name("few.jsonl")
    few.write_text("".join(rated.read_text(encoding="utf-8").splitlines(keepends=True)[:8]), encoding="utf-8")
    answer = atelier("agreement", few, "--adapter", "base", "--calibrate")
    assert answer.code == 1
    assert "No calibration was saved" in answer.out and "at least 10" in answer.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["missing.jsonl"], "There is no file 'missing.jsonl'"),
        (["{rated}", "--rubric", "none"], "There is no rubric 'none'"),
        (["{rated}", "--adapter", "nobody"], "There is no adapter 'nobody'"),
        (["{rated}", "--calibrate", "--against", "base"], "Calibrate one model at a time"),
    ],
)
def test_bad_input_is_one_sentence(atelier: Command, rated: Path, words: list[str], told: str) -> None:
    answer = atelier("agreement", *(word.format(rated=rated) for word in words))
    assert answer.code == 2
    assert told in answer.err and "Traceback" not in answer.err
