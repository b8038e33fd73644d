"""Two models over the same ratings: the nearer one is named, luck is not, and copies are no proof."""

import numpy as np
import pytest

from core.catalog import rubrics
from core.errors import MetricError
from core.scoring.people import comparing
from core.scoring.people.comparing import Comparison

RUBRIC = rubrics.find("conversation")
IDS = [one.id for one in RUBRIC.dimensions]


def compare(count: int, first: float, second: float, seed: int = 1, copies: int = 1) -> Comparison:
    """Compare two models whose scores lie around people's with these standard deviations."""
    random = np.random.default_rng(seed)
    people = {name: random.integers(1, 6, (count, 2)).astype(float) for name in IDS}
    people["clarity"][0, 1] = np.nan
    said = [
        {name: np.nanmean(people[name], axis=1) + random.normal(0, wide, count) for name in IDS}
        for wide in (first, second)
    ]
    copied = [{name: np.repeat(one[name], copies, axis=0) for name in IDS} for one in (*said, people)]
    return comparing.compare(RUBRIC, *copied, np.repeat(np.arange(count), copies), ("the old one", "the new one"))


@pytest.mark.parametrize(("first", "second", "outcome"), [(0.9, 0.4, "better"), (0.4, 0.9, "worse")])
def test_the_model_nearer_to_people_is_told(first: float, second: float, outcome: str) -> None:
    found = compare(80, first, second)
    assert found.outcome == outcome
    assert {one.outcome for one in found.dimensions} == {outcome}
    assert found.sentence.startswith(f"The new one is {outcome}: ") and "on 80 rated transcripts" in found.sentence
    assert found.difference.low is not None and found.difference.high is not None
    assert (found.difference.high < 0) == (outcome == "better")
    assert found.dimensions[0].second.figures["mean_absolute_error"].value is not None


def test_equal_models_are_called_different_no_more_often_than_the_level_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scoring.people.resampling.RESAMPLES", 10)  # the outcome rests on the signs alone
    found = [compare(30, 0.6, 0.6, seed) for seed in range(60)]
    assert sum(one.outcome != "not proven" for one in found) <= 7
    families = sum(any(part.outcome != "not proven" for part in one.dimensions) for one in found)
    assert families <= 7  # over all dimensions at once


def test_copies_of_the_same_conversations_prove_no_more() -> None:
    once, copied = compare(20, 0.8, 0.6), compare(20, 0.8, 0.6, copies=8)
    assert copied.p_value == pytest.approx(once.p_value)
    assert copied.outcome == once.outcome


def test_a_model_compared_with_itself_is_not_proven_better() -> None:
    scores = {name: np.array([1.0, 2, 3, 4, 5]) for name in IDS}
    people = {name: np.array([[1.0], [2], [4], [4], [5]]) for name in IDS}
    found = comparing.compare(RUBRIC, scores, scores, people)
    assert (found.outcome, found.p_value, found.difference.value) == ("not proven", 1.0, 0.0)
    assert "nan" not in str(found.to_dict())


def test_too_few_ratings_are_refused() -> None:
    few = {name: np.array([1.0, 2.0]) for name in IDS}
    with pytest.raises(MetricError, match="2 transcripts were rated"):
        comparing.compare(RUBRIC, few, few, {name: np.array([[1.0], [2.0]]) for name in IDS})
