"""What a chart is drawn from: few points that stand for all, and only continued."""

from contextlib import closing
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.store.metrics import MetricWriter
from pages.widgets.envelopes import MOST_STRETCHES, NOTHING, EnvelopeCache, envelope

NUMBERS = st.floats(allow_nan=True, allow_infinity=True, width=32)


def test_a_long_metric_keeps_its_extremes_and_its_ends() -> None:
    values = np.sin(np.arange(100_000) / 500)
    values[[31_415, 92_653]] = 7.0, -7.0
    shown = envelope(range(100_000), values).points()
    assert shown.steps.size <= 2 * MOST_STRETCHES + 2
    assert {31_415, 92_653, 0, 99_999} <= set(shown.steps.tolist())
    assert np.array_equal(values[shown.steps], shown.values)


def test_a_short_metric_is_shown_whole() -> None:
    values = np.cos(np.arange(MOST_STRETCHES))
    shown = envelope(range(MOST_STRETCHES), values).points()
    assert np.array_equal(shown.steps, np.arange(MOST_STRETCHES)) and np.array_equal(shown.values, values)


@given(st.lists(st.lists(NUMBERS, max_size=900), max_size=6))
def test_it_does_not_matter_in_which_pieces_the_points_came(pieces: list[list[float]]) -> None:
    grown, step = NOTHING, 0
    for piece in pieces:
        grown = grown.extended(np.arange(step, step + len(piece)), np.array(piece))
        step += len(piece)
    values = [value for piece in pieces for value in piece]
    whole = envelope(range(step), values)
    assert np.array_equal(grown.stretches[:, :4], whole.stretches[:, :4]) and grown.width == whole.width
    assert (grown.not_finite, grown.first_not_finite) == (whole.not_finite, whole.first_not_finite)
    finite = [value for value in values if np.isfinite(value)]
    assert grown.size == len(finite) and grown.not_finite == len(values) - len(finite)
    if finite:
        assert (grown.points().values.min(), grown.points().values.max()) == (min(finite), max(finite))


def test_values_that_are_no_number_are_counted_and_left_out() -> None:
    found = envelope(range(4), [1.0, float("nan"), 2.0, float("inf")])
    assert (found.points().steps.tolist(), found.points().values.tolist()) == ([0, 2], [1.0, 2.0])
    assert (found.not_finite, found.first_not_finite) == (2, 1)


def test_the_trend_is_a_running_mean_of_what_has_been() -> None:
    assert envelope(range(4), [0.0, 3.0, 6.0, 9.0]).trend(share=0.75).values.tolist() == [0.0, 1.5, 3.0, 6.0]


def test_the_trend_of_a_long_metric_is_near_the_mean_of_its_window() -> None:
    values = np.random.default_rng(5).normal(size=50_000)
    trend = envelope(range(50_000), values).trend(share=0.1)
    assert trend.steps[-1] == 49_999
    for step, mean in zip(trend.steps[50::40], trend.values[50::40], strict=True):
        assert abs(mean - values[max(0, step - 4999) : step + 1].mean()) < 0.01


def write(path: Path, attempt: int, losses: dict[int, float]) -> None:
    with closing(MetricWriter(path, attempt)) as writer:
        writer.supersede_after(min(losses) - 1)
        for step, loss in losses.items():
            writer.log(step, {"train/loss": loss})


def test_a_chart_goes_on_with_what_is_new_and_leaves_alone_what_was_drawn(tmp_path: Path) -> None:
    cache = EnvelopeCache(tmp_path / "metrics.db")
    assert cache.refreshed() == {}
    write(tmp_path / "metrics.db", 1, {step: float(step) for step in range(1, 301)})
    first = cache.refreshed()["train/loss"]
    write(tmp_path / "metrics.db", 1, {step: float(step) for step in range(301, 401)})
    second = cache.refreshed()["train/loss"]
    assert first.points().steps.tolist() == first.points().values.tolist() == list(range(1, 301))
    assert second.points().steps.tolist() == second.points().values.tolist() == list(range(1, 401))


def test_a_metric_that_is_logged_in_two_companies_is_one_line_in_order(tmp_path: Path) -> None:
    with closing(MetricWriter(tmp_path / "metrics.db", 1)) as writer:
        for step in range(1, 9):
            others = {"gpu0/power_watts": 1.0} if step % 2 else {}
            writer.log(step, {"host/cpu_percent": float(step)} | others)
    line = EnvelopeCache(tmp_path / "metrics.db").refreshed()["host/cpu_percent"]
    assert line.points().steps.tolist() == line.points().values.tolist() == list(range(1, 9))
    assert line.trend(share=0.5).values[-1] == 6.5


def test_a_resumed_job_replaces_the_points_behind_its_checkpoint(tmp_path: Path) -> None:
    cache = EnvelopeCache(tmp_path / "metrics.db")
    write(tmp_path / "metrics.db", 1, {1: 3.0, 2: 2.0, 3: 9.0})
    cache.refreshed()
    write(tmp_path / "metrics.db", 2, {2: 1.5})
    shown = cache.refreshed()["train/loss"].points()
    assert (shown.steps.tolist(), shown.values.tolist()) == ([1, 2], [3.0, 1.5])
