"""A job's readings: nothing that was acknowledged is lost when the writer is killed, and nothing is torn."""

import math
import os
import random
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from core.errors import DamagedDatabase
from core.store.metrics import (
    MetricWriter,
    find_not_finite,
    read_last,
    read_last_step,
    read_progress,
    read_series,
    visit_points,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
STEPS, SAVE_EVERY, KILLS = 400, 25, 40


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "job" / "metrics.db"


def loss_at(step: int) -> float:
    return math.nan if step % 97 == 0 else math.sin(step) * step


def values_at(step: int) -> dict[str, float]:
    return {"train/loss": loss_at(step), "train/learning_rate": 1.0 / step, "train/grad_norm": -float(step)}


def train(path: Path, attempt: int, start: int, acknowledge: int | None = None) -> None:
    """Write what a worker writes that goes on behind `start`; each step that is stored is told on a pipe."""
    with closing(MetricWriter(path, attempt)) as writer:
        writer.log(attempt, {"host/cpu_percent": float(attempt)})
        writer.supersede_after(start, ("host/cpu_percent",))
        for step in range(start + 1, STEPS + 1):
            writer.log(step, values_at(step))
            if step % 10 == 0:
                writer.log(step, {"eval/loss": 2 * float(step)})
            if acknowledge is not None:
                os.write(acknowledge, b".")


def run_and_kill(path: Path, attempt: int, start: int, kill_after: int) -> int:
    """Let a process train from `start`, kill it once it has stored some steps, and return the last one told."""
    told, tell = os.pipe()
    child = os.fork()
    if child == 0:
        train(path, attempt, start, tell)
        os._exit(0)
    os.close(tell)
    count = 0
    while count < kill_after and (heard := os.read(told, kill_after - count)):
        count += len(heard)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while heard := os.read(told, 65536):
        count += len(heard)
    os.close(told)
    return start + count


def assert_series(path: Path, upto: int) -> None:
    """Every step to `upto` is there with exactly its values; behind it at most what was not acknowledged any more."""
    series = read_series(path)
    for name in values_at(1):
        steps = series[name].steps.tolist()
        assert steps == list(range(1, len(steps) + 1)) and len(steps) >= upto
        assert np.array_equal(series[name].values, [values_at(step)[name] for step in steps], equal_nan=True)


def test_a_writer_that_is_killed_again_and_again_loses_no_row_and_tears_none(path: Path) -> None:
    chance = random.Random(20260730)
    start = attempt = 0
    for attempt in range(1, KILLS + 1):
        last = run_and_kill(path, attempt, start, chance.randint(1, 60))
        assert_series(path, last)
        start = last // SAVE_EVERY * SAVE_EVERY % STEPS
    train(path, attempt + 1, start)
    assert_series(path, STEPS)
    assert read_series(path)["eval/loss"].steps.tolist() == list(range(10, STEPS + 1, 10))
    assert read_series(path)["host/cpu_percent"].steps.tolist() == list(range(1, KILLS + 2))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        assert db.execute("SELECT count(*) FROM superseded").fetchone()[0] > 0


def test_a_reader_meanwhile_sees_whole_rows_in_order(path: Path) -> None:
    child = os.fork()
    if child == 0:
        train(path, 1, 0)
        os._exit(0)
    seen, ended = 0, False
    while not ended:
        pid, status = os.waitpid(child, os.WNOHANG)
        ended = pid == child
        loss = read_series(path).get("train/loss")
        if loss is not None:
            assert loss.steps.tolist() == list(range(1, loss.steps.size + 1))
            assert np.array_equal(loss.values, [loss_at(int(step)) for step in loss.steps], equal_nan=True)
            assert loss.steps.size >= seen
            seen = loss.steps.size
    assert (status, seen) == (0, STEPS)


def test_a_later_attempt_puts_aside_what_lies_behind_its_start_and_history_keeps_it(path: Path) -> None:
    with closing(MetricWriter(path, 1)) as first:
        for step in range(1, 11):
            first.log(step, {"train/loss": 100.0 + step})
            first.log(step, {"host/cpu_percent": float(step), "gpu0/power_watts": 1.0})
    with closing(MetricWriter(path, 2)) as second:
        second.supersede_after(6, ("host/cpu_percent",))
        second.log(7, {"train/loss": 207.0})
    series = read_series(path)
    assert dict(zip(series["train/loss"].steps.tolist(), series["train/loss"].values.tolist(), strict=True)) == {
        **{step: 100.0 + step for step in range(1, 7)},
        7: 207.0,
    }
    assert series["host/cpu_percent"].steps.tolist() == list(range(1, 11))
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT step, attempt FROM superseded ORDER BY step").fetchall() == [
            (step, 1) for step in range(7, 11)
        ]


def test_starting_anew_puts_all_steps_aside(path: Path) -> None:
    train(path, 1, 0)
    with closing(MetricWriter(path, 2)) as writer:
        writer.supersede_after(0, ("host/cpu_percent",))
    assert "train/loss" not in read_series(path)
    assert "train/loss" not in read_last(path)


@pytest.mark.parametrize(("value", "kind"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "inf")])
def test_what_is_no_number_is_stored_as_such_and_found(path: Path, value: float, kind: str) -> None:
    with closing(MetricWriter(path, 1)) as writer:
        writer.log(1, {"train/loss": 2.5, "train/grad_norm": 1.0})
        writer.log(2, {"train/loss": value, "train/grad_norm": 1.5})
    assert str(read_series(path)["train/loss"].values[1]) == str(value)
    assert find_not_finite(path) == [("train/loss", 2, kind)]
    assert read_last(path) == {"train/loss": 2.5, "train/grad_norm": 1.5}


@pytest.mark.parametrize("value", [0.1 + 0.2, 5e-324, -0.0, 1.7976931348623157e308, 2.0**-40 / 3])
def test_a_value_comes_back_to_the_last_bit(path: Path, value: float) -> None:
    with closing(MetricWriter(path, 1)) as writer:
        writer.log(1, {"train/loss": value})
    assert float(read_series(path)["train/loss"].values[0]).hex() == value.hex()


def test_only_what_is_new_is_read_when_asked_so(path: Path) -> None:
    train(path, 1, 0)
    new: dict[str, list[int]] = {}
    after = {tuple(values_at(1)): 390, ("eval/loss",): 400}
    visit_points(path, after, lambda names, steps, values: new.update(dict.fromkeys(names, steps.tolist())))
    assert new["train/loss"] == list(range(391, 401))
    assert "eval/loss" not in new


def test_the_last_step_of_a_metric_is_told_without_reading_the_others(path: Path) -> None:
    train(path, 1, 0)
    assert read_last_step(path, "train/loss") == STEPS
    assert read_last_step(path, "nothing") is None


def test_the_newest_value_is_the_newest_of_all_companies(path: Path) -> None:
    with closing(MetricWriter(path, 1)) as writer:
        writer.log(1, {"host/cpu_percent": 1.0, "gpu0/power_watts": 10.0})
        writer.log(2, {"host/cpu_percent": 2.0})
        writer.log(3, {"host/cpu_percent": math.nan, "gpu0/power_watts": math.nan})
    assert read_last(path) == {"host/cpu_percent": 2.0, "gpu0/power_watts": 10.0}


def test_a_metric_that_is_logged_in_two_companies_is_one_series_in_order(path: Path) -> None:
    with closing(MetricWriter(path, 1)) as writer:
        writer.log(2, {"host/cpu_percent": 2.0, "gpu0/power_watts": 20.0})
        writer.log(1, {"host/cpu_percent": 1.0})
        writer.log(3, {"host/cpu_percent": 3.0})
    series = read_series(path)
    assert series["host/cpu_percent"].steps.tolist() == [1, 2, 3]
    assert series["host/cpu_percent"].values.tolist() == [1.0, 2.0, 3.0]
    assert series["gpu0/power_watts"].steps.tolist() == [2]


def test_the_loop_and_the_sampler_write_side_by_side(path: Path) -> None:
    with closing(MetricWriter(path, 1)) as writer:

        def sample() -> None:
            for step in range(300):
                writer.log(step, {f"host/reading{step % 30}": float(step)})
                writer.beat()

        sampler = threading.Thread(target=sample)
        sampler.start()
        for step in range(1, 301):
            writer.log(step, values_at(step))
            if step % 50 == 0:
                writer.supersede_after(step)
        sampler.join()
    assert read_series(path)["train/loss"].steps.tolist() == list(range(1, 301))
    progress = read_progress(path)
    assert progress is not None and progress.heartbeat == 300


def test_progress_is_what_was_reported_last(path: Path) -> None:
    assert read_progress(path) is None
    with closing(MetricWriter(path, 3)) as writer:
        writer.report("training", 5, 40, 1200.5, None, 2.5, "MB")
        writer.beat()
        writer.mark_milestone()
        writer.mark_milestone()
        progress = read_progress(path)
    assert progress is not None
    assert (progress.attempt, progress.phase, progress.step, progress.steps) == (3, "training", 5, 40)
    assert (progress.rate, progress.seconds_left, progress.seconds, progress.note) == (1200.5, None, 2.5, "MB")
    assert (progress.heartbeat, progress.milestones) == (1, 2)


def test_a_new_attempt_keeps_the_milestones_and_forgets_the_pace(path: Path) -> None:
    with closing(MetricWriter(path, 1)) as writer:
        writer.report("training", 5, 40, 1200.5, 9.0, 2.5, "MB")
        writer.mark_milestone()
    with closing(MetricWriter(path, 2)):
        progress = read_progress(path)
    assert progress is not None
    assert (progress.attempt, progress.milestones) == (2, 1)
    assert (progress.rate, progress.seconds_left, progress.note) == (0.0, None, "")


def test_before_the_worker_has_made_its_tables_there_is_nothing_to_read(path: Path) -> None:
    path.parent.mkdir()
    for content in (None, b""):
        if content is not None:
            path.write_bytes(content)
        assert read_progress(path) is None
        assert read_series(path) == {} and read_last(path) == {} and find_not_finite(path) == []


def test_damaged_readings_are_told_to_a_reader_and_put_aside_by_the_next_worker(path: Path) -> None:
    train(path, 1, 0)
    damaged = b"\x00" * path.stat().st_size
    path.write_bytes(damaged)
    for read in (read_progress, read_series):
        with pytest.raises(DamagedDatabase, match=r"metrics\.db are damaged"):
            read(path)
    train(path, 2, 0)
    assert_series(path, STEPS)
    assert (path.parent / "damaged-2-metrics.db").read_bytes() == damaged
