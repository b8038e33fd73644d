"""Rated transcripts: both formats read back to the same, and a wrong cell is named by line and column."""

from pathlib import Path

import pytest

from core.catalog import rubrics
from core.catalog.rubrics import Dimension, Rubric, Side
from core.errors import DataError
from core.scoring import ratings, sampling

CONVERSATION = rubrics.find("conversation")
HEADER = "transcript,empathy,clarity,accuracy,professionalism"
GUIDE_JSON = (
    '{"transcript": "RD: Hello, how are you feeling today? Patient: I\'m struggling with my diet. RD: Tell me more.",'
    ' "empathy": 4, "clarity": 4, "accuracy": 4, "professionalism": 5, "reasoning": "Acknowledges the struggle.",'
    ' "strengths": ["Shows empathy", "Professional tone"], "areas_for_improvement": ["Ask more"]}\n'
)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_row_of_the_guide_is_read_with_its_turns_scores_and_lists(tmp_path: Path) -> None:
    [one] = ratings.read(write(tmp_path / "rated.jsonl", GUIDE_JSON), CONVERSATION)
    assert [turn.speaker for turn in one.transcript.utterances] == ["RD", "Patient", "RD"]
    assert one.scores == {"empathy": 4, "clarity": 4, "accuracy": 4, "professionalism": 5}
    assert one.strengths == ("Shows empathy", "Professional tone")


@pytest.mark.parametrize("name", ["rated.jsonl", "rated.csv"])
def test_what_was_written_is_read_back_whole(tmp_path: Path, name: str) -> None:
    rated = [*sampling.make(CONVERSATION, 12, 3), *sampling.read_samples(CONVERSATION)]
    ratings.save(tmp_path / name, rated)
    assert ratings.read(tmp_path / name, CONVERSATION) == rated


def test_csv_has_its_lists_behind_semicolons_and_keeps_who_rated(tmp_path: Path) -> None:
    row = '"RD: Hi. Patient: Hi.",3,3.5,3,3,a; b;,x/y/1,g,Ann,Plain.'
    text = f"{HEADER},strengths,source,group,rater,reason_clarity\n{row}\n"
    [one] = ratings.read(write(tmp_path / "rated.csv", text), CONVERSATION)
    assert (one.strengths, one.source, one.group, one.rater) == (("a", "b"), "x/y/1", "g", "Ann")
    assert (one.scores["clarity"], one.reasons) == (3.5, {"clarity": "Plain."})


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('"RD: Hi.",3,,3,3', "line 2, column 'clarity' is empty"),
        ('"RD: Hi.",6,3,3,3', "line 2, column 'empathy' is '6'"),
        ('"RD: Hi.",3,3,good,3', "line 2, column 'accuracy' is 'good'"),
        ('"RD: Hi.",3,3,nan,3', "line 2, column 'accuracy' is 'nan'"),
        ("  ,3,3,3,3", "line 2, column 'transcript' is empty"),
    ],
)
def test_a_wrong_cell_is_named(tmp_path: Path, row: str, told: str) -> None:
    with pytest.raises(DataError) as error:
        ratings.read(write(tmp_path / "rated.csv", f"{HEADER}\n{row}\n"), CONVERSATION)
    assert told in str(error.value)


def test_another_rubric_brings_its_own_columns(tmp_path: Path) -> None:
    anchors = {score: f"level {score}" for score in range(1, 6)}
    pace = Dimension(id="pace", title="Pace", description="How fast it goes.", weight=1, anchors=anchors)
    own = Rubric(
        id="calls",
        title="Calls",
        rated=Side(title="caller", names=["Caller"]),
        other=Side(title="clerk", names=["Clerk"]),
        dimensions=[pace],
    )
    text = '{"transcript": "Caller: Hello.\\nClerk: Hello.", "pace": 2}\n'
    [one] = ratings.read(write(tmp_path / "rated.jsonl", text), own)
    assert one.scores == {"pace": 2}
    with pytest.raises(DataError, match="column 'empathy' is empty"):
        ratings.read(tmp_path / "rated.jsonl", CONVERSATION)
