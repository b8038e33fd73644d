"""Two models on the same items: known p-values, intervals that cover, and what the verdict says."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from core.errors import MetricError
from core.evaluation import comparison
from core.evaluation.benchmarks import Item, make_benchmark
from core.evaluation.comparison import Paired, Verdict, compare, mcnemar_p, permutation_p, score_interval
from core.evaluation.results import compare_scored
from core.store.evaluations import ItemRow

ONE = {"sums": 1.0}


def paired(base: list[float], tuned: list[float], components: list[str] | None = None, **weights: float) -> Paired:
    return Paired(np.array(base), np.array(tuned), components or ["sums"] * len(base), weights or ONE, {"sums": "Sums"})


def counted(gained: int, lost: int, same: int) -> Paired:
    """Return right/wrong answers: `gained` items that only the tuned model gets right, `lost` only the base."""
    return paired([0.0] * gained + [1.0] * (lost + same), [1.0] * gained + [0.0] * lost + [1.0] * same)


# p-values


@pytest.mark.parametrize(
    ("gained", "lost", "p_value"),
    [
        (0, 0, 1.0),
        (5, 0, 2 / 2**5),
        (6, 0, 2 / 2**6),
        (0, 6, 2 / 2**6),
        (5, 1, 2 * (1 + 6) / 2**6),
        (8, 2, 2 * (1 + 10 + 45) / 2**10),
        (3, 3, 1.0),
        (10, 10, 1.0),
    ],
)
def test_mcnemars_p_value_is_the_binomials_counted_by_hand(gained: int, lost: int, p_value: float) -> None:
    scores = counted(gained, lost, 7)
    assert mcnemar_p(scores.base, scores.tuned) == pytest.approx(p_value)


@pytest.mark.parametrize(
    ("differences", "p_value"),
    [
        ([], 1.0),
        ([0, 0, 0], 1.0),
        ([1], 1.0),
        ([1, -1], 1.0),
        ([1, 1], 0.5),
        ([1] * 6, 2 / 2**6),
        ([-1] * 6 + [0] * 50, 2 / 2**6),
        # of the 8 sign patterns, the two of 4 + 3 + 1 and the two of 4 + 3 - 1 reach 6
        ([4, 3, -1], 4 / 8),
    ],
)
def test_the_sign_flip_p_value_is_the_one_counted_by_hand(differences: list[float], p_value: float) -> None:
    assert permutation_p(np.array(differences, dtype=float)) == pytest.approx(p_value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(min_value=-4, max_value=4), max_size=7))
def test_few_differences_are_judged_by_all_sign_patterns(differences: list[int]) -> None:
    reached = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True))) >= abs(sum(differences))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert permutation_p(np.array(differences, dtype=float)) == pytest.approx(np.mean(reached))


def test_many_differences_are_judged_like_an_exact_test_within_chance() -> None:
    for gained, lost in ((20, 5), (15, 10), (13, 12)):
        exact = stats.binomtest(gained, gained + lost).pvalue
        estimate = permutation_p(np.array([1.0] * gained + [-1.0] * lost))
        assert estimate == pytest.approx(exact, abs=0.015)
        assert estimate > 0


def test_a_p_value_is_never_zero_and_the_same_on_every_call() -> None:
    differences = np.linspace(0.1, 1, 200)
    assert 0 < permutation_p(differences) == permutation_p(differences) < 0.001


@pytest.mark.parametrize("items", [10, 25, 60])
def test_equal_models_are_told_apart_in_at_most_five_of_a_hundred_comparisons(items: int) -> None:
    proven = [
        gained for gained in range(items + 1) if compare(counted(gained, items - gained, 5)).outcome != "not proven"
    ]
    assert 0 < float(stats.binom.pmf(proven, items, 0.5).sum()) <= 0.05


# Intervals


def test_an_interval_of_right_and_wrong_answers_is_wilsons() -> None:
    interval = score_interval(np.array([1.0] * 8 + [0.0] * 2), ["sums"] * 10, ONE)
    z = 1.959964
    middle, half = (0.8 + z**2 / 20) / (1 + z**2 / 10), z * (0.8 * 0.2 / 10 + z**2 / 400) ** 0.5 / (1 + z**2 / 10)
    assert (interval.value, interval.low, interval.high) == pytest.approx((0.8, middle - half, middle + half), abs=1e-6)


def test_an_interval_of_all_right_answers_still_has_a_width() -> None:
    interval = score_interval(np.ones(20), ["sums"] * 20, ONE)
    assert interval.value == interval.high == 1
    assert 0.8 < interval.low < 0.9


def test_the_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    weights = {"sums": 0.7, "facts": 0.3}
    components = ["sums"] * 40 + ["facts"] * 40
    covered = 0
    for _ in range(120):
        scores = np.concatenate([random.beta(2, 1, 40), random.beta(1, 2, 40)])
        interval = score_interval(scores, components, weights)
        covered += interval.low <= 0.7 * 2 / 3 + 0.3 / 3 <= interval.high
    assert 106 <= covered <= 120  # 114 expected; 106 is four standard deviations below


def test_the_interval_of_a_difference_is_the_paired_bootstraps() -> None:
    random = np.random.default_rng(3)
    base, gain = random.uniform(0, 0.5, 60), random.uniform(-0.2, 0.5, 60)
    verdict = compare(paired(list(base), list(base + gain)))
    other = stats.bootstrap((gain,), np.mean, method="percentile", rng=1).confidence_interval
    assert (verdict.low, verdict.high) == pytest.approx((other.low, other.high), abs=0.005)
    assert verdict.low < float(gain.mean()) < verdict.high


# Weights


def test_a_component_counts_by_its_weight_not_by_its_number_of_items() -> None:
    scores = paired(
        [0.0] * 30 + [1.0] * 2, [1.0] * 30 + [1.0] * 2, ["sums"] * 30 + ["facts"] * 2, sums=0.25, facts=0.75
    )
    verdict = compare(scores)
    assert (verdict.base_score, verdict.tuned_score) == pytest.approx((0.75, 1.0))
    assert verdict.difference == pytest.approx(0.25)


def test_a_component_without_items_leaves_its_weight_to_the_others() -> None:
    scores = paired([0.0, 1.0], [1.0, 1.0], ["sums", "facts"], sums=0.4, facts=0.4, advice=0.2)
    assert scores.item_weights() == pytest.approx([0.5, 0.5])
    assert compare(scores).tuned_score == pytest.approx(1)


def test_each_component_is_reported_with_its_own_scores() -> None:
    scores = paired([0.0] * 6 + [0.5] * 4, [1.0] * 6 + [0.25] * 4, ["sums"] * 6 + ["facts"] * 4, sums=0.5, facts=0.5)
    sums, facts = compare(scores).components
    assert (sums.title, sums.items, sums.base.value, sums.tuned.value, sums.difference.value) == ("Sums", 6, 0, 1, 1)
    assert (facts.title, facts.items, facts.base.value, facts.tuned.value) == ("facts", 4, 0.5, 0.25)
    assert (facts.difference.low, facts.difference.high) == pytest.approx((-0.25, -0.25))


# Verdicts


def test_a_clear_gain_is_better() -> None:
    verdict = compare(counted(20, 2, 18))
    assert verdict.outcome == "better"
    assert verdict.test == "exact McNemar"
    assert verdict.sentence == (
        "The tuned model is better: it scores 95% where the base model scores 50%, on 40 held-out items, 45 points "
        "more (95% interval +28 to +62 points). If the two were equal, luck would give such a gap "
        "less than once in 1,000 times."
    )
    assert verdict.items_needed is None


def test_a_clear_loss_is_worse() -> None:
    verdict = compare(counted(1, 12, 7))
    assert verdict.outcome == "worse"
    assert verdict.sentence.startswith("The tuned model is worse: it scores 40% where the base model scores 95%")
    assert "55 points less" in verdict.sentence
    assert "3 times in 1,000" in verdict.sentence


def test_equal_answers_prove_nothing() -> None:
    verdict = compare(counted(0, 0, 30))
    assert (verdict.outcome, verdict.p_value, verdict.difference) == ("not proven", 1.0, 0.0)
    assert (verdict.low, verdict.high, verdict.items_needed) == (0.0, 0.0, None)
    assert verdict.sentence == (
        "A difference is not proven: the tuned model scores 100% where the base model scores 100%, on 30 held-out "
        "items (95% interval +0 to +0 points). If the two were equal, luck would give such a gap every time."
    )


def test_as_many_gains_as_losses_prove_nothing() -> None:
    verdict = compare(counted(10, 10, 20))
    assert verdict.outcome == "not proven"
    assert verdict.low < 0 < verdict.high


def test_a_gain_on_too_few_items_is_not_proven_and_says_how_many_would_do() -> None:
    verdict = compare(counted(5, 0, 5))
    assert (verdict.outcome, verdict.p_value) == ("not proven", pytest.approx(0.0625))
    assert verdict.items_needed is not None
    assert verdict.items_needed > verdict.items
    assert f"About {verdict.items_needed} items would settle" in verdict.sentence
    assert compare(counted(50, 0, 50)).outcome == "better"


def test_the_number_of_items_needed_is_the_usual_one_for_a_power_of_80_percent() -> None:
    verdict = compare(counted(12, 6, 82))
    spread = (0.18 - 0.06**2) ** 0.5
    smooth = ((1.96 + 0.84) * spread / 0.06) ** 2
    assert verdict.items_needed is not None
    assert smooth < verdict.items_needed < 1.15 * smooth  # an exact test moves in steps, and asks for a little more


def test_the_smallest_detectable_difference_is_the_one_that_just_as_many_items_would_settle() -> None:
    few, many = compare(counted(12, 6, 82)), compare(counted(120, 60, 820))
    assert few.detectable is not None
    assert many.detectable is not None
    assert few.outcome == "not proven"
    assert few.detectable > few.difference
    assert many.outcome == "better"
    assert many.detectable < many.difference
    assert compare(counted(0, 0, 20)).detectable is None


def test_one_item_proves_nothing() -> None:
    assert compare(counted(1, 0, 0)).outcome == "not proven"


def test_graded_scores_are_compared_by_sign_flips() -> None:
    verdict = compare(paired([0.2] * 12, [0.5] * 12))
    assert (verdict.outcome, verdict.test) == ("better", "sign-flip permutation")
    assert verdict.p_value == pytest.approx(2 / 2**12)


def test_turned_round_a_comparison_says_the_opposite() -> None:
    def both(scores: Paired) -> tuple[Verdict, Verdict]:
        turned = Paired(scores.tuned, scores.base, scores.components, scores.weights, scores.titles)
        return compare(scores), compare(turned)

    one, other = both(counted(14, 2, 10))
    assert (one.outcome, other.outcome) == ("better", "worse")
    assert one.p_value == other.p_value
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))


def test_the_verdict_names_the_models_that_were_compared() -> None:
    verdict = compare(counted(12, 0, 3), ("model A", "model B"))
    assert verdict.sentence.startswith("Model B is better: it scores 100% where model A scores 20%")


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        (paired([], []), "no items"),
        (paired([1.0], [1.0, 0.0]), "the same items"),
        (paired([1.0, 0.0], [1.0, 0.0], ["sums"]), "the same items"),
        (paired([1.0], [float("nan")]), "not a finite number"),
    ],
)
def test_what_can_not_be_compared_is_refused(scores: Paired, told: str) -> None:
    with pytest.raises(MetricError, match=told):
        compare(scores)


def test_stored_answers_are_paired_by_their_items_whatever_their_order() -> None:
    items = [Item(id=f"i{number}", component="sums", type="numeric", prompt="p", answer=1) for number in range(12)]
    benchmark = make_benchmark("b", items, ONE, {})
    base = [ItemRow(item.id, "sums", "", 0.0) for item in items]
    tuned = [ItemRow(item.id, "sums", "", float(item.id != "i3")) for item in reversed(items)]
    verdict = compare_scored(benchmark, base, tuned[1:])
    assert (verdict.items, verdict.tuned_score, verdict.outcome) == (11, pytest.approx(10 / 11), "better")
    with pytest.raises(MetricError, match="no items"):
        compare_scored(benchmark, base, [])


def test_an_interval_does_not_depend_on_how_many_draws_are_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, parts = np.linspace(0, 1, 61), ["sums", "rates"] * 30 + ["sums"]
    found = set()
    for draws in (1, 1_000, 100_000, 10_000_000):
        monkeypatch.setattr(comparison, "IN_SIGHT", draws)
        found.add(score_interval(scores, parts, {"sums": 0.7, "rates": 0.3}))
    assert len(found) == 1
