"""Going on from checkpoints: exactly, from the newest that is whole, and never from one of another job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core import durable
from core.datasets.reading import read_examples
from core.errors import CheckpointError
from core.model.adapter import add_adapter, read_weights
from core.model.engines import make_engine
from core.model.loading import load_base
from core.paths import Workspace
from core.process import queue
from core.store import jobs
from core.store.connection import opened
from core.training import checkpoint, configuration
from core.training.configuration import TrainingConfig
from core.training.loop import Surroundings, Training
from core.training.plan import make_plan
from tests.conftest import wait_until
from tests.integration.support import (
    EXACT_JOB,
    Outcome,
    end_of,
    holders,
    notes_of,
    read,
    submit,
    wait_for_state,
    wait_for_step,
    write_rows,
)

IDENTITY = {"config": "abc", "dataset": "def", "versions": {"torch": "2"}}


# A real job


def flip_newest(checkpoints: list[Path]) -> list[str]:
    """Damage the newest checkpoint as a bad disk does, and return the names of the damaged."""
    file = checkpoints[-1] / "optimizer.pt"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    return [checkpoints[-1].name]


def cut_all(checkpoints: list[Path]) -> list[str]:
    for folder in checkpoints:
        (folder / durable.MANIFEST).unlink()
    return [folder.name for folder in checkpoints]


@pytest.mark.xdist_group("processes")
@pytest.mark.parametrize("damage", [flip_newest, cut_all])
def test_a_job_goes_on_from_the_newest_whole_checkpoint_and_says_which_it_skipped(
    workspace: Workspace, tiny_base: Path, undisturbed: Outcome, damage: object
) -> None:
    job = submit(workspace, tiny_base, **EXACT_JOB)
    wait_for_step(workspace, job, 25)
    with opened(workspace) as db:
        queue.pause(db, jobs.get(db, job.id))
    wait_for_state(workspace, job, "paused")
    wait_until(lambda: not holders(workspace, job), 10, "the end of runner and worker")
    there = sorted(workspace.job(job.id).checkpoints.iterdir())
    assert len(there) >= 2
    damaged = damage(there)  # type: ignore[operator]
    with opened(workspace) as db:
        queue.resume(db, read(workspace, job))
    queue.ensure_supervisor(workspace)
    assert end_of(workspace, job) == undisturbed
    told = [note for note in notes_of(workspace, job) if "is skipped" in note]
    assert [name for name in reversed(damaged) if any(name in note for note in told)] == damaged[::-1]
    assert len(told) == len(damaged)
    log = workspace.job(job.id).log.read_text()
    went_on = "Going on from step" in log
    assert went_on == (len(damaged) < len(there))


# The loop by itself


class Process:
    """What a worker process is to the loop: base, adapter and optimizer made anew, and a folder for checkpoints."""

    def __init__(
        self, base: Path, rows: Path, config: TrainingConfig, folder: Path, stop_at: int | None = None
    ) -> None:
        loaded = load_base(base, precision="fp32")
        examples = read_examples(rows)
        encoded = loaded.chat.encode(examples[:48], config.max_length)
        plan = make_plan(
            encoded,
            batch_size=config.batch_size,
            accumulation_steps=config.accumulation_steps,
            epochs=config.epochs,
            max_steps=config.max_steps,
            packing=config.packing,
            max_length=config.max_length,
            seed=config.seed,
        )
        self.rows: dict[int, dict[str, float]] = {}
        self.step = 0
        self.stop_at = stop_at
        outside = Surroundings(self._log, lambda *_: None, self._stop_request, lambda: None, folder)
        self.model = add_adapter(loaded.model, config)
        engine = make_engine(self.model, loaded.device, loaded.chat.pad_id)
        held = loaded.chat.encode(examples[48:], config.max_length)
        self.training = Training(
            self.model, engine, plan, config, encoded, held, outside, dict(IDENTITY), loaded.device
        )

    def _log(self, step: int, values: dict[str, float]) -> None:
        exact = {name: value for name, value in values.items() if name != "train/tokens_per_second"}
        self.rows[step] = self.rows.get(step, {}) | exact
        self.step = step

    def _stop_request(self) -> str | None:
        return "pause" if self.stop_at is not None and self.step >= self.stop_at else None

    @property
    def weights(self) -> dict[str, bytes]:
        return {name: tensor.numpy().tobytes() for name, tensor in read_weights(self.model).items()}


@pytest.fixture
def make_process(tiny_base: Path, tmp_path: Path) -> Callable[..., Process]:
    rows = write_rows(tmp_path / "rows.jsonl")

    def make(folder: str, stop_at: int | None = None, **fields: Any) -> Process:
        values = EXACT_JOB | {"max_steps": 30, "epochs": 1000, "max_length": 64, "rank": 4, "save_every_steps": 1000}
        config = configuration.resolve_preset("quick", None, **values | fields)
        return Process(tiny_base, rows, config, tmp_path / folder, stop_at)

    return make


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"packing": True, "accumulation_steps": 1},
        {"schedule": "linear", "warmup_steps": 20, "learning_rate": 5e-3},
        {"dora": True},
        {"gradient_checkpointing": True},
        {"eval_every_steps": 3, "early_stopping_patience": 2, "early_stopping_min_delta": 0.05},
    ],
    ids=str,
)
def test_training_that_stops_twice_gives_the_same_rows_and_weights_as_training_that_does_not(
    make_process: Callable[..., Process], fields: dict[str, Any]
) -> None:
    whole = make_process("whole", **fields)
    ended = whole.training.run()
    rows: dict[int, dict[str, float]] = {}
    for stop_at in (7, 19, None):
        part = make_process("parts", stop_at, **fields)
        newest, skipped = checkpoint.find_newest(part.training.outside.checkpoints)
        assert skipped == []
        torch.manual_seed(stop_at or 0)  # another process: nothing may hang on what was drawn before
        if newest is not None:
            part.training.resume(newest)
        outcome = part.training.run()
        rows |= part.rows
        if outcome.stopped is None:
            break
    assert rows == whole.rows
    assert part.weights == whole.weights
    assert (outcome.state.step, outcome.state.tokens) == (ended.state.step, ended.state.tokens)


@pytest.mark.parametrize("field", IDENTITY)
def test_a_checkpoint_of_other_circumstances_is_refused_with_what_has_changed(
    make_process: Callable[..., Process], field: str
) -> None:
    make_process("one", 3).training.run()
    other = make_process("one")
    other.training.state.identity[field] = "changed"
    newest, _ = checkpoint.find_newest(other.training.outside.checkpoints)
    before = other.weights
    with pytest.raises(CheckpointError, match=rf"{field} was {IDENTITY[field]!r} and is 'changed'.*retry"):
        other.training.resume(newest)
    assert other.weights == before


def test_the_last_two_checkpoints_and_the_best_are_kept(make_process: Callable[..., Process]) -> None:
    process = make_process("kept", save_every_steps=4, max_steps=18, eval_every_steps=6, early_stopping_patience=50)
    process.training.run()
    there = sorted(path.name for path in process.training.outside.checkpoints.iterdir())
    best = f"step-{process.training.state.best_step:08d}"
    assert there == sorted({"step-00000016", "step-00000018", "step-00000018-final", best} & set(there))
    assert {"step-00000018-final", best} <= set(there) and len(there) <= 3


def test_training_that_had_ended_already_is_not_done_again(make_process: Callable[..., Process]) -> None:
    first = make_process("one")
    first.training.run()
    again = make_process("one")
    newest, _ = checkpoint.find_newest(again.training.outside.checkpoints)
    again.training.resume(newest)
    assert again.training.run().state.finished
    assert again.rows == {} and again.weights == first.weights


# Checkpoints by themselves


def save_folders(folder: Path, *names: str) -> None:
    for name in names:
        with durable.new_folder(folder / name) as staging:
            (staging / "state.json").write_text(name)


def test_the_newest_checkpoint_is_found_and_the_final_one_comes_last(tmp_path: Path) -> None:
    assert checkpoint.find_newest(tmp_path / "never") == (None, [])
    save_folders(tmp_path, "step-00000009", "step-00000010")
    assert checkpoint.find_newest(tmp_path) == (tmp_path / "step-00000010", [])
    save_folders(tmp_path, "step-00000010-final")
    assert checkpoint.find_newest(tmp_path) == (tmp_path / "step-00000010-final", [])


def test_what_is_no_checkpoint_is_passed_over_and_half_written_ones_are_swept(tmp_path: Path) -> None:
    save_folders(tmp_path, "step-00000010", "step-20", "other")
    (tmp_path / "step-00000030").mkdir()
    (tmp_path / ".staging-step-00000040-0123-0").mkdir()
    assert checkpoint.find_newest(tmp_path) == (
        tmp_path / "step-00000010",
        ["the checkpoint step-00000030 is skipped: its manifest is missing or unreadable"],
    )
    assert not (tmp_path / ".staging-step-00000040-0123-0").exists()


def test_a_damaged_checkpoint_of_the_same_step_is_written_anew(make_process: Callable[..., Process]) -> None:
    process = make_process("one", 3)
    process.training.run()
    folder = process.training.outside.checkpoints
    saved, _ = checkpoint.find_newest(folder)
    assert saved is not None
    (saved / "optimizer.pt").write_bytes(b"damaged")
    again = checkpoint.write(folder, process.model, process.training.optimizer, process.training.state)
    assert again == saved and durable.find_damage(saved) is None
