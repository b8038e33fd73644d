"""Which engine trains a base on this device: decided at a job's first attempt and kept, so that resuming is exact."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from core import durable
from core.model import kernels, lean
from core.model.engines import Engine, make_engine
from core.model.loading import DTYPES, LoadedBase, multiplies_bf16

# Compiling takes some 20 s once, a few afterwards; it saves a quarter of the time of the work behind it.
WORTH_COMPILING_FLOPS = 2e13


@dataclass(frozen=True)
class EngineChoice:
    """lean or general, with compiled or plain passes, and the number format of the products."""

    lean: bool
    compiled: bool
    products: str


def choose(model: Any, loaded: LoadedBase, precision: str, planned_flops: float) -> EngineChoice:
    """Return the fastest way for this base on this device.

    Args:
        precision: What the configuration asks for; fp32 keeps the products exact.
        planned_flops: Arithmetic of the whole job, which decides whether compiling pays.
    """
    base = model.get_base_model()
    if not lean.fits(base):
        return EngineChoice(False, False, loaded.precision)
    products = "bf16" if precision in ("auto", "bf16") and multiplies_bf16() else "fp32"
    worth = kernels.is_compiled() or planned_flops > WORTH_COMPILING_FLOPS
    return EngineChoice(True, kernels.can_compile() and worth, products)


def choose_once(path: Path, model: Any, loaded: LoadedBase, precision: str, planned_flops: float) -> EngineChoice:
    """Return the choice that the job's first attempt wrote down, or make it and write it down."""
    try:
        return EngineChoice(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        made = choose(model, loaded, precision, planned_flops)
        durable.write_json(path, asdict(made))
        return made


def make(choice: EngineChoice, model: Any, loaded: LoadedBase) -> Engine:
    if not choice.lean:
        return make_engine(model, loaded.device, loaded.chat.pad_id)
    passes = kernels.compiled() if choice.compiled else kernels.PLAIN
    return lean.LeanEngine(model.get_base_model(), passes, DTYPES[choice.products])


def warm_up() -> Iterator[None]:
    """Compile, in steps, what the first job would wait for."""
    if kernels.can_compile():
        yield from kernels.compile_in_steps(torch.bfloat16 if multiplies_bf16() else torch.float32)
