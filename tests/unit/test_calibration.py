"""Calibration: it mends what is wrong in the same way for many, refuses to learn luck, keeps every order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.errors import DataError
from core.scoring import numbers
from core.scoring.people import calibration
from core.scoring.people.calibration import Calibration, Curve


def model_that_says(count: int, seed: int, steepness: float, moved: float) -> tuple[np.ndarray, np.ndarray]:
    """Return expected scores that are too flat or too high in a fixed way, and people's whole scores."""
    random = np.random.default_rng(seed)
    truth = random.uniform(1, 5, count)
    people = np.clip(np.round(truth + random.normal(0, 0.5, count)), 1, 5)
    expected = np.clip(3 + steepness * (truth - 3) + moved + random.normal(0, 0.15, count), 1, 5)
    return expected, people


@pytest.mark.parametrize(
    ("count", "steepness", "moved", "kinds"),
    [(200, 0.3, 0.8, {"line", "steps"}), (24, 0.4, 0.7, {"line", "shift"}), (60, 1.0, 0.9, {"shift", "line", "steps"})],
)
def test_a_model_that_is_wrong_in_the_same_way_is_put_right(
    count: int, steepness: float, moved: float, kinds: set[str]
) -> None:
    curve = calibration.fit_curve(*model_that_says(count, 1, steepness, moved))
    expected, people = model_that_says(1000, 2, steepness, moved)
    before = np.abs(expected - people).mean()
    after = np.abs([curve.apply(one) for one in expected] - people).mean()
    assert curve.kind in kinds
    assert after < 0.8 * before
    assert curve.after == pytest.approx(after, abs=0.15)  # what it says of itself holds on transcripts it never saw


def test_what_is_right_already_is_left_alone() -> None:
    with pytest.raises(DataError, match="does not beat no calibration"):
        calibration.fit_curve(*model_that_says(200, 3, 1.0, 0.0))


def test_scores_without_any_relation_to_people_are_not_made_worse() -> None:
    """Noise gains by a curve that says everybody's mean; it must not gain a curve that fails on other transcripts."""
    random = np.random.default_rng(4)
    for _ in range(20):
        expected, people = random.uniform(1, 5, 60), random.integers(1, 6, 60).astype(float)
        try:
            curve = calibration.fit_curve(expected[:40], people[:40])
        except DataError:
            continue
        other, rated = random.uniform(1, 5, 2000), random.integers(1, 6, 2000)
        assert np.abs([curve.apply(one) for one in other] - rated).mean() < np.abs(other - rated).mean()


@pytest.mark.parametrize("count", [0, 2, 9])
def test_too_few_ratings_are_refused_with_their_number(count: int) -> None:
    with pytest.raises(DataError, match=f"{count} rated transcripts"):
        calibration.fit_curve([3.0] * count, [4.0] * count)


def test_copies_of_few_conversations_are_few() -> None:
    expected, people = model_that_says(8, 5, 0.3, 0.8)
    with pytest.raises(DataError, match="8 rated transcripts of different sources"):
        calibration.fit_curve(np.repeat(expected, 20), np.repeat(people, 20), [f"talk {n // 20}" for n in range(160)])


def test_every_kind_of_curve_keeps_the_order_and_the_scale() -> None:
    random = np.random.default_rng(6)
    places = np.linspace(0.5, 5.5, 101)
    for _ in range(200):
        count = int(random.integers(10, 60))
        expected, people = random.uniform(1, 5, count), random.integers(1, 6, count).astype(float)
        for fitter in calibration._FITTERS.values():
            curve = Curve("", tuple(fitter(expected, people)), count, 0, 0)
            values = [curve.apply(one) for one in places]
            assert (np.diff(values) >= -1e-12).all()
            assert min(values) >= 1 and max(values) <= 5


@given(
    some.lists(some.floats(0, 1), min_size=5, max_size=5).filter(lambda one: sum(one) > 0.1),
    some.lists(some.floats(1, 5), min_size=2, max_size=2),
)
def test_moved_probabilities_have_the_calibrated_mean(weights: list[float], people: list[float]) -> None:
    probabilities = np.array(weights) / sum(weights)
    curve = Curve("line", ((1.0, min(people)), (5.0, max(people))), 10, 1, 0.5)
    found = Calibration("conversation", "bundled", {"empathy": curve})
    moved = np.array(found.move("empathy", probabilities.tolist()))
    wanted = found.apply("empathy", float(probabilities @ np.arange(1, 6)))
    assert moved.sum() == pytest.approx(1) and (moved >= -1e-12).all()
    assert moved @ np.arange(1, 6) == pytest.approx(wanted, abs=1e-6)
    assert found.move("clarity", probabilities.tolist()) == probabilities.tolist()


def test_a_dimension_without_a_curve_is_scored_as_if_there_were_no_calibration() -> None:
    found = Calibration("conversation", "bundled", {"empathy": Curve("shift", ((1.0, 2.0), (4.0, 5.0)), 10, 1, 0.5)})
    split = [0.0, 0.45, 0.0, 0.0, 0.55]  # the likeliest score is 5, the whole one next to the mean is 4
    assert numbers.make_score("clarity", split, found) == numbers.make_score("clarity", split)
    assert numbers.make_score("empathy", split, found) != numbers.make_score("empathy", split)


def test_a_calibration_is_named_by_its_content_and_comes_back_as_it_was() -> None:
    expected, people = model_that_says(100, 7, 0.3, 0.5)
    right, same = model_that_says(100, 8, 1.0, 0.0)
    found = calibration.fit(
        "conversation", "bundled", {"empathy": expected, "clarity": right}, {"empathy": people, "clarity": same}
    )
    assert set(found.curves) == {"empathy"}
    assert "clarity" in found.told
    again = calibration.from_dict(found.to_dict())
    assert again == found and again.id == found.id
    assert again.apply("empathy", 3.3) == found.apply("empathy", 3.3) and again.apply("clarity", 3.3) == 3.3
    other = calibration.fit("conversation", "base", {"empathy": expected}, {"empathy": people})
    assert other.id != found.id


@pytest.mark.parametrize(
    "points", [[], [[1.0, 4.0], [5.0, 2.0]], [[5.0, 2.0], [1.0, 4.0]], [[1.0, float("nan")]], [["a", 2]], 7]
)
def test_a_stored_curve_that_falls_or_is_none_is_refused(points: object) -> None:
    curve = {"kind": "line", "points": points, "transcripts": 10, "before": 1, "after": 0.5}
    content = {"rubric": "conversation", "adapter": "x", "told": "", "model": "", "curves": {"empathy": curve}}
    with pytest.raises(DataError, match="Fit it again"):
        calibration.from_dict(content)
