"""What breaks under a job: the disk, the loss, the GPU's memory, its dataset, its base, a double click."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core import durable
from core.datasets import composition, versions
from core.datasets.chat import Encoded, read_chat_format
from core.errors import AppError, ConfigError
from core.model.adapter import add_adapter, read_weights
from core.model.engines import Engine, make_engine
from core.model.loading import load_base
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.store import jobs
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_series
from core.training import checkpoint, loop
from core.training.configuration import TrainingConfig
from core.training.plan import make_plan
from tests.conftest import end_processes
from tests.integration import support
from tests.integration.full_disk import DISK_FULL, resume, trained_steps


def log_of(workspace: Workspace, job: Job) -> str:
    return workspace.job(job.id).log.read_text(encoding="utf-8")


@pytest.fixture
def unattended(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Workspace], bool]]:
    """No supervisor starts by itself; calling this starts one."""
    real = queue.ensure_supervisor
    with monkeypatch.context() as patch:
        patch.setattr(queue, "ensure_supervisor", lambda workspace: False)
        yield real


# The disk


def test_a_full_disk_pauses_the_job_at_its_last_checkpoint_and_resuming_goes_on(
    workspace: Workspace, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_FAULT", "disk_full@25")
    job = support.submit(workspace, tiny_base, evaluate=False)
    paused = support.wait_for_state(workspace, job, "paused", "failed", "succeeded")
    assert (paused.state, paused.reason) == ("paused", DISK_FULL)
    newest, _ = checkpoint.find_newest(workspace.job(job.id).checkpoints)
    assert newest is not None
    assert newest.name == "step-00000020"
    assert not list(workspace.adapters.iterdir())
    end_processes(workspace)  # the fault lives in their environment
    monkeypatch.delenv("ATELIER_FAULT")
    resume(workspace, job)
    ended = support.wait_for_end(workspace, job)
    assert (ended.state, ended.attempt) == ("succeeded", 2)
    assert trained_steps(workspace, job) == list(range(1, 41))


can_mount = shutil.which("unshare") and not subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode


@pytest.mark.skipif(not can_mount, reason="a small disk needs user namespaces (unshare -Urm)")
def test_on_a_disk_that_is_really_full_nothing_is_lost_and_nothing_new_begins(tiny_base: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "-Urm", sys.executable, "-m", "tests.integration.full_disk", str(disk), str(tiny_base)],
        env={**os.environ, "ATELIER_HOME": str(disk / "workspace"), "ATELIER_WARM": "0"},
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]


# The loss


def rows_with_a_bad_one(workspace: Workspace, base: Path, step: int) -> Path:
    """Write rows of which one, met first at this step, holds a sign whose embedding is not a number."""
    path = support.write_rows(workspace.root.parent / "rows.jsonl")
    training, _ = versions.split(composition.of_file(path).examples, 0.2, 42)
    encoded = read_chat_format(base).encode(training, 64)
    plan = make_plan(
        encoded,
        batch_size=4,
        accumulation_steps=1,
        epochs=1000,
        max_steps=None,
        packing=False,
        max_length=64,
        seed=42,
    )
    bad = training[plan.epoch_groups(0)[step - 1][0]].prompt
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        lines.append(json.dumps(row | ({"response": "§ card"} if row["prompt"] == bad else {})))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def base_with_a_bad_token(tiny_base: Path, tmp_path: Path) -> Path:
    """A base in which one token's embedding was never initialised; the others are sound."""
    folder = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    for token in set(read_chat_format(folder).tokenizer.encode("§").ids):
        weights["model.embed_tokens.weight"][token] = math.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"tie_word_embeddings": False}))
    return folder


def test_a_loss_that_is_no_number_ends_the_job_after_three_and_no_checkpoint_follows_the_first(
    workspace: Workspace, base_with_a_bad_token: Path
) -> None:
    rows = rows_with_a_bad_one(workspace, base_with_a_bad_token, step=5)
    job = support.submit(workspace, base_with_a_bad_token, rows=rows, evaluate=False, save_every_steps=1)
    ended = support.wait_for_end(workspace, job)
    assert ended.state == "failed"
    losses = read_series(workspace.job(job.id).metrics)["train/loss"]
    bad = [int(step) for step in losses.steps[np.isnan(losses.values)]]
    assert (len(bad), bad[0], bad[-1]) == (3, 5, losses.steps[-1])
    said = f"the loss was not a number 3 times, last at step {bad[-1]}. Lower the learning rate (it is 0.005)"
    assert said in ended.error
    newest, _ = checkpoint.find_newest(workspace.job(job.id).checkpoints)
    assert newest is not None
    assert newest.name == "step-00000004"
    assert not list(workspace.adapters.iterdir())


def test_a_senseless_learning_rate_is_refused_before_it_can_do_harm(workspace: Workspace, tiny_base: Path) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate is 1000000000\.0: .*less than or equal to 1"):
        support.submit(workspace, tiny_base, learning_rate=1e9)


# The GPU's memory


class SmallCard:
    """An engine on a card that holds only so many examples at once; it remembers which batches it computed."""

    name = "small card"
    mergeable = False

    def __init__(self, engine: Engine, room: int) -> None:
        self.engine = engine
        self.room = room
        self.computed: list[int] = []

    def loss_sum(self, examples: list[Encoded]) -> torch.Tensor:
        if len(examples) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.computed.append(len(examples))
        return self.engine.loss_sum(examples)

    def token_losses(self, examples: list[Encoded]) -> list[torch.Tensor]:
        return self.engine.token_losses(examples)


def train_on(room: int, base: Path, tmp_path: Path) -> tuple[SmallCard, dict[str, torch.Tensor]]:
    """Train three steps of eight examples, four at once, and return the card and the adapter."""
    config = TrainingConfig(rank=2, dropout=0.0, batch_size=4, accumulation_steps=2, learning_rate=1e-2)
    loaded = load_base(base)
    model = add_adapter(loaded.model, config)
    card = SmallCard(make_engine(model, loaded.device, 0), room)
    examples = [Encoded(tuple(range(5, 12 + index)), 3, 0, 0) for index in range(8)]
    plan = make_plan(
        examples,
        batch_size=4,
        accumulation_steps=2,
        epochs=3,
        max_steps=None,
        packing=False,
        max_length=64,
        seed=1,
    )
    outside = loop.Surroundings(
        lambda *_: None, lambda *_: None, lambda: None, lambda: None, tmp_path / f"checkpoints-{room}"
    )
    loop.Training(model, card, plan, config, examples, [], outside, {}, loaded.device).run()
    return card, read_weights(model)


def test_too_little_gpu_memory_halves_the_batches_and_the_result_stays(tiny_base: Path, tmp_path: Path) -> None:
    large, expected = train_on(4, tiny_base, tmp_path)
    small, halved = train_on(2, tiny_base, tmp_path)
    assert large.computed == [4, 4] * 3
    assert small.computed == [2, 2, 2, 2] * 3
    for name, weights in expected.items():
        torch.testing.assert_close(halved[name], weights, atol=1e-5, rtol=1e-4)


def test_when_half_the_batch_does_not_fit_either_the_job_ends_with_advice(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(AppError, match="does not suffice even with half the batch") as refusal:
        train_on(1, tiny_base, tmp_path)
    for advice in ("batch_size", "max_length", "gradient_checkpointing", "4bit", "smaller base"):
        assert advice in str(refusal.value)


def test_a_job_survives_one_lack_of_gpu_memory_and_says_so(
    workspace: Workspace, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_FAULT", "cuda_oom@5")
    job = support.submit(workspace, tiny_base, max_steps=8, evaluate=False)
    ended = support.wait_for_end(workspace, job)
    assert (ended.state, ended.attempt) == ("succeeded", 1)
    assert trained_steps(workspace, job) == list(range(1, 9))
    assert "did not suffice at step 5; batches are halved" in log_of(workspace, job)


# Its dataset and its base


def lose(folder: Path) -> None:
    folder.rename(folder.with_name("away"))


def change_a_byte(folder: Path) -> None:
    rows = folder / "train.jsonl"
    content = bytearray(rows.read_bytes())
    content[20] ^= 1
    rows.write_bytes(content)


def put_others_in_its_place(folder: Path) -> None:
    """Replace the rows and their manifest, so that the folder is sound in itself."""
    shutil.rmtree(folder)
    with durable.new_folder(folder) as staging:
        support.write_rows(staging / "train.jsonl", 33)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lose, "its manifest is missing or unreadable"),
        (change_a_byte, "train.jsonl is damaged"),
        (put_others_in_its_place, "its rows are not those that it was made with"),
    ],
)
def test_a_job_never_trains_on_other_bytes_than_those_it_was_queued_with(
    workspace: Workspace,
    tiny_base: Path,
    tmp_path: Path,
    unattended: Callable[[Workspace], bool],
    harm: Callable[[Path], None],
    told: str,
) -> None:
    own_file = support.write_rows(tmp_path / "rows.jsonl")
    job = support.submit(workspace, tiny_base, rows=own_file, max_steps=3, evaluate=False)
    own_file.unlink()  # the job has its own copy
    folder = workspace.datasets / str(job.dataset)
    kept = Path(shutil.copytree(folder, tmp_path / "kept"))
    harm(folder)
    unattended(workspace)
    blocked = support.wait_for_state(workspace, job, "blocked", *support.ENDED)
    assert blocked.state == "blocked"
    assert told in blocked.reason
    assert "Put the folder back to unblock it." in blocked.reason
    shutil.rmtree(folder, ignore_errors=True)
    kept.rename(folder)
    support.wait_for_state(workspace, job, "starting", "running", "succeeded")


def test_a_job_whose_base_is_gone_waits_until_it_is_back(
    workspace: Workspace, tiny_base: Path, tmp_path: Path, unattended: Callable[[Workspace], bool]
) -> None:
    base = Path(shutil.copytree(tiny_base, tmp_path / "base"))
    job = support.submit(workspace, base, max_steps=3, evaluate=False)
    base.rename(tmp_path / "elsewhere")
    unattended(workspace)
    blocked = support.wait_for_state(workspace, job, "blocked", *support.ENDED)
    assert blocked.state == "blocked"
    assert re.search(rf"{re.escape(str(base))}.* is missing\. Put it back", blocked.reason)
    (tmp_path / "elsewhere").rename(base)
    assert support.wait_for_end(workspace, job).state == "succeeded"


# A double click


def test_eight_clicks_on_one_form_make_one_job(
    workspace: Workspace, tiny_base: Path, unattended: Callable[[Workspace], bool]
) -> None:
    made: list[Job] = []
    failed: list[BaseException] = []
    together = threading.Barrier(8)
    rows = support.write_rows(workspace.root.parent / "own.jsonl")

    def click() -> None:
        together.wait()
        try:
            made.append(support.submit(workspace, tiny_base, rows=rows, form_token="the form"))
        except (AppError, OSError) as error:
            failed.append(error)

    threads = [threading.Thread(target=click) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(made) == 8
    assert len({job.id for job in made}) == 1
    with opened(workspace) as db:
        assert len(jobs.recent(db)) == 1
    assert durable.find_damage(workspace.datasets / str(made[0].dataset)) is None
    assert support.submit(workspace, tiny_base, rows=rows, form_token="another form").id != made[0].id
