"""Checkpoints: all that a job needs to go on exactly where it was, written so that a crash leaves the old or the new.

They hold pickles (optimizer and random states) and are only ever read from the job that wrote them.
"""

import json
import random
import re
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import PeftModel

from core import durable
from core.errors import CheckpointError
from core.model.adapter import load_weights, save_weights

KEPT = 2
_NAME = re.compile(r"^step-\d{8}(-final)?$")


@dataclass
class TrainingState:
    """Where training is, beside the weights: everything that decides what the next step does."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    eval_loss_before: float | None = None
    best_eval_loss: float | None = None
    best_step: int = 0
    evals_without_better: int = 0
    finished: bool = False
    identity: dict[str, Any] = field(default_factory=dict)


def write(
    folder: Path, model: PeftModel, optimizer: torch.optim.Optimizer, state: TrainingState, scaler: Any = None
) -> Path:
    """Save a checkpoint at the end of a step and return its folder; afterwards the last two and the best stay.

    Raises:
        OSError: The disk is full or broken; the earlier checkpoints are untouched.
    """
    final = folder / f"step-{state.step:08d}{'-final' if state.finished else ''}"
    if final.exists():
        if durable.find_damage(final) is None:
            return final
        shutil.rmtree(final)
    with durable.new_folder(final) as staging:
        save_weights(model, staging / "adapter.safetensors")
        torch.save(optimizer.state_dict(), staging / "optimizer.pt")
        torch.save(_random_states() | ({"scaler": scaler.state_dict()} if scaler else {}), staging / "random.pt")
        (staging / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")
    _forget_old(folder, keep={final.name, f"step-{state.best_step:08d}"})
    return final


def _random_states() -> dict[str, Any]:
    numbers = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (numbers[0], numbers[1].tolist(), *numbers[2:]),  # type: ignore[index]
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _forget_old(folder: Path, keep: set[str]) -> None:
    newest = sorted((path for path in folder.iterdir() if _NAME.match(path.name)), reverse=True)
    for path in newest[KEPT:]:
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)


def find_newest(folder: Path) -> tuple[Path | None, list[str]]:
    """Return the newest checkpoint of which every byte is as written, and why newer ones were skipped."""
    durable.sweep_staging(folder)
    skipped: list[str] = []
    candidates = folder.iterdir() if folder.is_dir() else iter(())
    for path in sorted((path for path in candidates if _NAME.match(path.name)), reverse=True):
        damage = durable.find_damage(path)
        if damage is None:
            return path, skipped
        skipped.append(f"the checkpoint {path.name} is skipped: {damage}")
    return None, skipped


def read_state(path: Path) -> TrainingState:
    return TrainingState(**json.loads((path / "state.json").read_text(encoding="utf-8")))


def restore(
    path: Path, model: PeftModel, optimizer: torch.optim.Optimizer, identity: dict[str, Any], scaler: Any = None
) -> TrainingState:
    """Put a checkpoint's weights, optimizer and random states in place.

    Raises:
        CheckpointError: It belongs to another configuration, dataset or base, or to other library versions.
    """
    state = read_state(path)
    changed = [name for name in identity if state.identity.get(name) != identity[name]]
    if changed:
        told = ", ".join(f"{name} was {state.identity.get(name)!r} and is {identity[name]!r}" for name in changed)
        raise CheckpointError(
            f"The checkpoint {path.name} does not fit, an exact continuation is impossible: {told}. Cancel "
            "the job and retry it from the start."
        )
    load_weights(model, path / "adapter.safetensors")
    optimizer.load_state_dict(torch.load(path / "optimizer.pt", weights_only=True))  # noqa: TID251 - our own file
    states = torch.load(path / "random.pt", weights_only=True)  # noqa: TID251 - our own file
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    if scaler is not None and "scaler" in states:
        scaler.load_state_dict(states["scaler"])
    return state
