"""Agreement: values that were published, slow formulas on random cases, and sentences where nothing can be told."""

import itertools
import tracemalloc

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from core.errors import MetricError
from core.scoring.people import agreement
from core.scoring.people.agreement import TITLES
from core.scoring.people.resampling import Figure

GAP = np.nan
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
).T
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def value(figure: Figure) -> float:
    assert figure.value is not None, figure.told
    return figure.value


def test_alpha_of_krippendorffs_own_example() -> None:
    assert value(agreement.alpha(KRIPPENDORFF, level="ordinal")) == pytest.approx(0.815, abs=5e-4)
    assert value(agreement.alpha(KRIPPENDORFF, level="interval")) == pytest.approx(0.849, abs=5e-4)


def test_intraclass_correlations_of_shrout_and_fleiss() -> None:
    assert value(agreement.icc(SHROUT_FLEISS, kind="agreement")) == pytest.approx(0.29, abs=5e-3)
    assert value(agreement.icc(SHROUT_FLEISS, kind="consistency")) == pytest.approx(0.71, abs=5e-3)


def slow_alpha(table: np.ndarray, level: str) -> float:
    """Krippendorff's definition by its coincidence matrix."""
    units = [row[np.isfinite(row)] for row in table if np.isfinite(row).sum() >= 2]
    values = np.unique(np.concatenate(units))
    coincidence = np.zeros((values.size, values.size))
    for unit in units:
        for one, other in itertools.permutations(range(unit.size), 2):
            coincidence[np.searchsorted(values, unit[one]), np.searchsorted(values, unit[other])] += 1 / (unit.size - 1)
    counts = coincidence.sum(axis=1)
    apart = np.zeros_like(coincidence)
    for one, other in itertools.product(range(values.size), repeat=2):
        low, high = min(one, other), max(one, other)
        between = counts[low : high + 1].sum() - (counts[low] + counts[high]) / 2
        apart[one, other] = (between if level == "ordinal" else values[one] - values[other]) ** 2
    by_chance = (np.outer(counts, counts) * apart).sum() / (counts.sum() - 1)
    return float(1 - (coincidence * apart).sum() / by_chance)


def slow_icc(table: np.ndarray, kind: str) -> float:
    """The two-way analysis of variance, cell by cell."""
    targets, judges = table.shape
    middle = table.mean()
    rows = judges * sum((row.mean() - middle) ** 2 for row in table) / (targets - 1)
    columns = targets * sum((column.mean() - middle) ** 2 for column in table.T) / (judges - 1)
    left = sum(
        (table[one, other] - table[one].mean() - table[:, other].mean() + middle) ** 2
        for one in range(targets)
        for other in range(judges)
    ) / ((targets - 1) * (judges - 1))
    below = rows + (judges - 1) * left + (judges * (columns - left) / targets if kind == "agreement" else 0)
    return float((rows - left) / below)


def test_a_thousand_random_cases_equal_the_slow_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scoring.people.resampling.RESAMPLES", 2)  # only the values are looked at
    random = np.random.default_rng(5)
    for _ in range(1000):
        count, raters = int(random.integers(4, 25)), int(random.integers(2, 5))
        truth = random.integers(1, 6, (count, 1))
        table = np.clip(truth + random.integers(-1, 2, (count, raters)), 1, 5).astype(float)
        first, second = table[:, 0], table[:, 1]
        if np.ptp(first) == 0 or np.ptp(second) == 0:
            continue
        assert value(agreement.pearson(first, second)) == pytest.approx(stats.pearsonr(first, second)[0])
        assert value(agreement.spearman(first, second)) == pytest.approx(stats.spearmanr(first, second)[0])
        whole = first.astype(int), second.astype(int)
        told = cohen_kappa_score(*whole, labels=[1, 2, 3, 4, 5], weights="quadratic")
        assert value(agreement.kappa(first, second)) == pytest.approx(told)
        assert value(agreement.mean_absolute_error(first, second)) == pytest.approx(np.mean(np.abs(first - second)))
        for kind in ("agreement", "consistency"):
            assert value(agreement.icc(table, kind=kind)) == pytest.approx(slow_icc(table, kind))
        limits = agreement.bland_altman(first, second)
        apart = first - second
        assert value(limits["upper_limit"]) == pytest.approx(apart.mean() + 1.96 * apart.std(ddof=1))
        holes = np.where(random.random(table.shape) < 0.2, GAP, table)
        if (np.isfinite(holes).sum(axis=1) >= 2).sum() >= 3 and np.ptp(holes[np.isfinite(holes).sum(axis=1) >= 2]) != 0:
            for level in ("ordinal", "interval"):
                assert value(agreement.alpha(holes, level=level)) == pytest.approx(slow_alpha(holes, level))
        labels = truth[:, 0] > 2
        if 3 <= labels.sum() <= count - 3:
            assert value(agreement.auc(first, labels)) == pytest.approx(roc_auc_score(labels, first))


def test_weights_count_like_transcripts_that_are_there_so_often() -> None:
    """The bootstrap rests on it: a transcript drawn twice must count as if it stood in the file twice."""
    from core.scoring.people import formulas

    random = np.random.default_rng(8)
    table = random.integers(1, 6, (12, 3)).astype(float)
    holes = np.where(random.random(table.shape) < 0.15, GAP, table)
    holes = holes[np.isfinite(holes).sum(axis=1) >= 2]
    for _ in range(20):
        counts = random.multinomial(12, np.full(12, 1 / 12))
        again, weights = np.repeat(table, counts, axis=0), counts[None, :].astype(float)
        ones = np.ones((1, 12))
        for name in ("pearson", "spearman", "kappa", "absolute_error"):
            measure = getattr(formulas, f"weigh_{name}")
            drawn, repeated = (measure(w, t[:, 0], t[:, 1])[0] for w, t in ((weights, table), (ones, again)))
            assert drawn == pytest.approx(repeated, nan_ok=True)
        for kind in ("agreement", "consistency"):
            assert formulas.weigh_icc(weights, table, kind) == pytest.approx(
                formulas.weigh_icc(ones, again, kind), nan_ok=True
            )
        counts = random.multinomial(len(holes), np.full(len(holes), 1 / len(holes)))
        for level in ("ordinal", "interval"):
            drawn = formulas.weigh_alpha(counts[None, :].astype(float), holes, level)
            repeated = formulas.weigh_alpha(np.ones((1, len(holes))), np.repeat(holes, counts, axis=0), level)
            assert drawn == pytest.approx(repeated, nan_ok=True)


def test_intervals_hold_the_truth_about_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scoring.people.resampling.RESAMPLES", 500)
    random = np.random.default_rng(3)
    held, cases = {"pearson": 0, "icc": 0, "error": 0}, 200
    truth = {"pearson": 0.8, "icc": 0.8, "error": 2 * 0.5 / np.sqrt(np.pi)}
    for _ in range(cases):
        table = random.normal(0, 1, (40, 1)) + random.normal(0, 0.5, (40, 2))
        found = {
            "pearson": agreement.pearson(table[:, 0], table[:, 1]),
            "icc": agreement.icc(table),
            "error": agreement.mean_absolute_error(table[:, 0], table[:, 1]),
        }
        for name, one in found.items():
            assert one.low is not None and one.high is not None
            held[name] += one.low <= truth[name] <= one.high
    assert all(0.88 <= count / cases <= 0.99 for count in held.values()), held


def test_many_transcripts_need_no_table_of_all_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scoring.people.resampling.RESAMPLES", 100)
    scores = np.random.default_rng(5).uniform(1, 5, (2, 800))
    whole = agreement.mean_absolute_error(*scores)
    monkeypatch.setattr("core.scoring.people.resampling.NUMBERS_AT_ONCE", 30_000)
    tracemalloc.start()
    found = agreement.mean_absolute_error(*scores)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.low, found.high) == pytest.approx((whole.low, whole.high))  # sums of parts round differently
    assert most < 800 * 800 * 8 / 4


def test_groups_are_drawn_as_a_whole() -> None:
    """Ten versions of one conversation are no ten conversations: the interval must not become narrower by copies."""
    random = np.random.default_rng(4)
    first = random.normal(3, 1, 30)
    second = first + random.normal(0, 0.8, 30)
    once = agreement.pearson(first, second)
    copied = agreement.pearson(np.repeat(first, 10), np.repeat(second, 10), np.repeat(np.arange(30), 10))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ([[3, 3], [3, 3], [3, 3], [3, 3]], "same"),
        ([[1, 2], [4, 4]], "at least 3"),
        ([[1, GAP], [2, GAP], [GAP, 4], [5, 5]], "at least 3"),
        ([[1], [2], [3], [4]], "needed"),
    ],
)
def test_what_can_t_be_told_is_none_with_a_sentence(table: list[list[float]], told: str) -> None:
    found = agreement.among(np.array(table, float))
    assert set(found.figures) <= set(TITLES)
    for name, one in found.figures.items():
        if name == "mean_absolute_error" and table == [[3, 3]] * 4:
            assert one.value == 0 and one.low is None and "same value" in one.told
        else:
            assert one.value is None and one.told.endswith(".")
            assert told in one.told


def test_nothing_on_a_page_is_nan_whatever_the_ratings() -> None:
    random = np.random.default_rng(9)
    for _ in range(150):
        count, raters = int(random.integers(0, 8)), int(random.integers(1, 4))
        ratings = random.integers(1, 3, (count, raters)).astype(float)
        ratings[random.random(ratings.shape) < 0.3] = GAP
        expected = random.choice([2.0, 2.5, 4.0], count)
        for found in (agreement.with_people(expected, ratings), agreement.among(ratings)):
            for one in found.figures.values():
                numbers = [number for number in (one.value, one.low, one.high) if number is not None]
                assert all(np.isfinite(numbers))
                assert one.told or len(numbers) == 3


def test_a_side_of_another_length_is_refused() -> None:
    with pytest.raises(MetricError, match="3 and 2 scores"):
        agreement.pearson([1, 2, 3], [1, 2])
    with pytest.raises(MetricError, match="2 groups for 3"):
        agreement.pearson([1, 2, 3], [1, 2, 3], ["a", "b"])
