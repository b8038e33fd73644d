"""Short training jobs on the tiny base, and what tests look at in them."""

import hashlib
import json
from pathlib import Path

import numpy as np

from core.datasets import composition
from core.paths import Workspace
from core.store import jobs
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_series
from core.store.states import ENDED, State
from core.training import configuration, submission
from tests.conftest import wait_until

EXACT_METRICS = ("train/loss", "train/learning_rate", "train/grad_norm", "eval/loss")


def write_rows(path: Path, count: int = 60) -> Path:
    """Write rows with three labels, learnable from one word."""
    words = ["card", "loan", "rate"]
    rows = [
        {"prompt": f"Question {index} about the {words[index % 3]} of branch {index * 7}", "response": words[index % 3]}
        for index in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def submit(
    workspace: Workspace,
    base: Path,
    *,
    name: str = "",
    priority: str = "normal",
    form_token: str | None = None,
    evaluate: bool = True,
    rows: Path | None = None,
    **fields: object,
) -> Job:
    """Queue a short job on the tiny base with an own file."""
    values = {
        "max_steps": 40,
        "epochs": 1000,
        "batch_size": 4,
        "accumulation_steps": 1,
        "learning_rate": 5e-3,
        "rank": 4,
        "alpha": 8,
        "save_every_steps": 10,
        "eval_every_steps": 10,
        "max_length": 64,
    } | fields
    config = configuration.resolve_preset("quick", None, **values)
    data = rows or write_rows(workspace.root.parent / "own.jsonl")
    chosen = composition.of_file(data)
    return submission.submit(
        workspace,
        base=str(base),
        config=config,
        chosen=chosen,
        name=name,
        priority=priority,
        evaluate=evaluate,
        form_token=form_token,
    )


def read(workspace: Workspace, job: Job) -> Job:
    with opened(workspace) as db:
        return jobs.get(db, job.id)


def wait_for_state(workspace: Workspace, job: Job, *states: State, timeout_s: float = 90.0) -> Job:
    wait_until(
        lambda: read(workspace, job).state in states, timeout_s, f"state {' or '.join(states)} of job #{job.number}"
    )
    return read(workspace, job)


def wait_for_end(workspace: Workspace, job: Job, timeout_s: float = 120.0) -> Job:
    return wait_for_state(workspace, job, *ENDED, timeout_s=timeout_s)


def wait_for_step(workspace: Workspace, job: Job, step: int, timeout_s: float = 90.0) -> None:
    def reached() -> bool:
        loss = read_series(workspace.job(job.id).metrics).get("train/loss")
        return loss is not None and loss.steps.size > 0 and int(loss.steps[-1]) >= step

    wait_until(reached, timeout_s, f"step {step} of job #{job.number}")


def weights_hash(workspace: Workspace, job: Job) -> str:
    return hashlib.sha256((workspace.adapters / job.id / "adapter_model.safetensors").read_bytes()).hexdigest()


def exact_rows(workspace: Workspace, job: Job) -> dict[str, list[tuple[int, float]]]:
    """Return the metric rows that must be the same however often the job was interrupted."""
    series = read_series(workspace.job(job.id).metrics)
    return {
        name: [(int(step), float(value)) for step, value in zip(series[name].steps, series[name].values, strict=True)]
        for name in EXACT_METRICS
        if name in series
    }


def finite(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all())
