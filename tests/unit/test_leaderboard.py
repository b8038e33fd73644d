"""Ranks that paired comparisons prove, means over industries, and many comparisons at once."""

import numpy as np
import pytest
from scipy import stats

from core.evaluation import families, leaderboard
from core.evaluation.comparison import Paired, compare
from core.store.evaluations import Standing


def standing(name: str, score: float = 0.5, sha: str = "s", settings: str = "w", **fields: object) -> Standing:
    values = {
        "id": f"{name}-{sha}-{settings}", "job": "j", "job_number": 1, "job_kind": "evaluate", "base": "starter",
        "base_fingerprint": "f", "adapter": name, "adapter_name": name, "benchmark": "finance", "benchmark_sha": sha,
        "settings_sha": settings, "items": 10, "score": score, "low": score - 0.1, "high": score + 0.1, "seconds": 2.0,
        "tokens": 50, "created_at": 1.0,
    }  # fmt: skip
    return Standing(**values | fields)  # type: ignore[arg-type]


def test_holm_gives_the_textbook_values() -> None:
    assert families.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert families.holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert families.holm([]).size == 0


def test_holm_raises_a_false_alarm_in_at_most_one_family_of_twenty() -> None:
    random = np.random.default_rng(5)
    alarms = sum((families.holm(random.random(12)) < 0.05).any() for _ in range(2000))
    assert 0.03 < alarms / 2000 < 0.065


def test_comparisons_made_together_say_what_each_says_alone() -> None:
    random = np.random.default_rng(3)
    components = ["a"] * 50 + ["b"] * 30
    weights = {"a": 0.3, "b": 0.7}
    base = (random.random(80) < 0.4).astype(float)
    tuned = (random.random((6, 80)) < np.linspace(0.4, 0.7, 6)[:, None]).astype(float)
    alone = [compare(Paired(base, one, components, weights, {})) for one in tuned]
    share = Paired(base, base, components, weights, {}).item_weights()
    low, high = families.difference_intervals((tuned - base) * share, components)
    assert low == pytest.approx([one.low for one in alone], abs=1e-5)
    assert high == pytest.approx([one.high for one in alone], abs=1e-5)
    p_values = families.sign_flip_p((tuned - base) * share)
    assert p_values == pytest.approx([one.p_value for one in alone], abs=0.012)


def test_few_differing_items_are_tested_exactly() -> None:
    weighted = np.zeros((2, 100))
    weighted[0, :5] = 0.01
    assert families.sign_flip_p(weighted) == pytest.approx([2 / 2**5, 1.0])


def test_a_far_difference_has_a_p_value_below_what_random_signs_can_show() -> None:
    p_value = families.sign_flip_p(np.full((1, 60), 0.01))[0]
    assert stats.binomtest(60, 60).pvalue <= p_value < 1e-10


def test_models_that_no_comparison_separates_share_their_ranks() -> None:
    good, also_good, bad = np.ones(60), np.ones(60), np.zeros(60)
    also_good[:2] = 0
    assert leaderboard.rank_ranges(np.stack([bad, also_good, good]) / 60) == [(3, 3), (1, 2), (1, 2)]
    assert leaderboard.rank_ranges(np.ones((1, 5))) == [(1, 1)]
    assert leaderboard.rank_ranges(np.ones((3, 5)) / 5) == [(1, 3)] * 3


def test_equal_models_are_hardly_ever_separated_and_hundreds_take_no_other_verdict() -> None:
    random = np.random.default_rng(8)
    separated = 0
    for _ in range(100):
        scores = (random.random((6, 80)) < 0.5) / 80
        separated += any(places != (1, 6) for places in leaderboard.rank_ranges(scores))
    assert separated <= 11
    many = (random.random((80, 120)) < np.repeat([0.2, 0.9], 40)[:, None]) / 120
    assert all(best >= 41 for best, _ in leaderboard.rank_ranges(many)[:40])
    assert all(worst <= 40 for _, worst in leaderboard.rank_ranges(many)[40:])


def test_only_evaluations_on_the_same_items_in_the_same_way_stand_on_one_board() -> None:
    rows = [standing("a"), standing("b"), standing("c", sha="other"), standing("a", settings="4bit")]
    found = leaderboard.boards(rows)
    assert [(one.sha, one.settings, len(one.rows)) for one in found] == [
        ("s", "w", 2), ("other", "w", 1), ("s", "4bit", 1)
    ]  # fmt: skip
    assert leaderboard.main_boards(found, {"retail": "none", "finance": "s"})[0] == found[0]


def test_the_mean_over_industries_is_surer_than_each_and_stays_within_the_possible() -> None:
    score, low, high = leaderboard.mean_of([standing("a", 0.4), standing("a", 0.6, "t")])
    assert (score, low, high) == pytest.approx((0.5, 0.5 - 0.1 / 2**0.5, 0.5 + 0.1 / 2**0.5))
    assert leaderboard.mean_of([standing("a", 1.0)])[2] == 1.0


def test_two_models_of_the_same_name_are_told_apart() -> None:
    rows = [
        standing("aaaaaa1", adapter_name="tuned"),
        standing("bbbbbb2", adapter_name="tuned"),
        standing("", base="x/y"),
    ]
    names = leaderboard.name_models(rows)
    assert sorted(names.values()) == ["tuned (aaaaa1)", "tuned (bbbbb2)", "y"]
