"""Rated transcripts as a table of conversations and people."""

import numpy as np

from core.catalog import rubrics
from core.scoring.people.panel import arrange
from core.scoring.ratings import Rated
from core.scoring.transcript import Transcript, Utterance

RUBRIC = rubrics.find("conversation")


def rate(text: str, score: int, rater: str = "", source: str = "") -> Rated:
    transcript = Transcript((Utterance("Nurse", "rated", text),))
    return Rated(transcript, {one.id: score for one in RUBRIC.dimensions}, rater=rater, source=source)


def test_each_conversation_is_a_row_and_each_person_a_column() -> None:
    found = arrange([rate("one", 1, "Ada"), rate("two", 2, "Ben"), rate("one", 3, "Ben")], RUBRIC)
    assert found.raters == ("Ada", "Ben") and len(found.transcripts) == 2
    assert np.array_equal(found.ratings["clarity"], [[1, 3], [np.nan, 2]], equal_nan=True)
    assert len(found.repeats["clarity"]) == 0


def test_a_rating_given_again_is_a_repeat_and_no_second_opinion() -> None:
    found = arrange([rate("one", 1, "Ada"), rate("one", 4, "Ada"), rate("one", 5, "Ada")], RUBRIC)
    assert found.ratings["empathy"].tolist() == [[1]]
    assert found.repeats["empathy"].tolist() == [[1, 4]]


def test_people_without_a_name_are_different_people() -> None:
    found = arrange([rate("one", 1), rate("two", 2), rate("one", 3)], RUBRIC)
    assert np.array_equal(found.ratings["empathy"], [[1, 3], [2, np.nan]], equal_nan=True)


def test_conversations_of_one_scenario_belong_together() -> None:
    found = arrange(
        [rate("one", 1, source="nurse/fall/1"), rate("two", 2, source="nurse/fall/2"), rate("x", 3)], RUBRIC
    )
    assert found.groups[0] == found.groups[1] != found.groups[2]
