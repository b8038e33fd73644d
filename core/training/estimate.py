"""What a job will take: memory, time, energy and disk, learned from this machine's past jobs where there are any.

No torch in here: the page asks before every launch. The first figures come from counting the arithmetic of a training
step; each finished job then says how far they were off on this machine, and the next estimate is corrected by that.
"""

import math
import re
import statistics
from dataclasses import asdict, dataclass
from typing import Any

from core.catalog.bases import Shape
from core.hardware.readings import Machine
from core.store.measurements import Measurement
from core.training.configuration import TrainingConfig

# Arithmetic that a device really does while it trains, before anything was measured: peak times what is usual.
_CPU_FLOPS_PER_CORE = 45e9
_GPU_FLOPS = {
    "H100": 350e12,
    "H200": 350e12,
    "A100": 110e12,
    "L40": 60e12,
    "4090": 60e12,
    "4080": 35e12,
    "3090": 25e12,
    "A10": 22e12,
    "T4": 12e12,
    "4070": 20e12,
    "4060": 11e12,
}
_GPU_FLOPS_UNKNOWN = 15e12
_OVERHEAD_BYTES = 600e6  # libraries and runtime
_SPARE_DISK_BYTES = 1e9


@dataclass(frozen=True)
class Workload:
    """What the estimate is for. Tokens are those of one epoch of the training share."""

    tokens: int
    supervised_tokens: int
    longest: int
    examples: int
    steps: int
    benchmark_items: int


@dataclass(frozen=True)
class Estimate:
    """A prediction; None where nothing on this machine tells. `jobs` past jobs went into it, `typical_error` off by."""

    memory_bytes: float
    seconds: float
    joules: float | None
    disk_bytes: float
    tokens: float
    jobs: int
    typical_error: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def count_adapter_parameters(shape: Shape, config: TrainingConfig) -> int:
    """Return how many weights the adapter has, for the usual seven linear layers of a decoder block."""
    attention = shape.heads * shape.head_dim
    key_value = shape.key_value_heads * shape.head_dim
    sizes = {
        "q_proj": shape.hidden + attention,
        "k_proj": shape.hidden + key_value,
        "v_proj": shape.hidden + key_value,
        "o_proj": attention + shape.hidden,
        "gate_proj": shape.hidden + shape.intermediate,
        "up_proj": shape.hidden + shape.intermediate,
        "down_proj": shape.intermediate + shape.hidden,
    }
    wanted = (
        sizes
        if config.target_modules == "all-linear"
        else {name: size for name, size in sizes.items() if name in config.target_modules}
    )
    return config.rank * shape.layers * sum(wanted.values())


def count_spare_disk(shape: Shape | None, config: TrainingConfig) -> float:
    """Return the bytes that must be free before a job starts: two checkpoints, and a gigabyte for all else."""
    checkpoint = 0.0 if shape is None else 12.0 * count_adapter_parameters(shape, config)
    return 2 * checkpoint + _SPARE_DISK_BYTES


def count_step_flops(shape: Shape, config: TrainingConfig, supervised_share: float) -> float:
    """Return the arithmetic of one training token: frozen blocks twice forward and twice back, the adapter six times,
    the output layer at supervised positions only."""
    embedding = shape.vocabulary * shape.hidden
    blocks = max(0, shape.parameters - embedding)
    per_token = 4.0 * blocks + 6.0 * count_adapter_parameters(shape, config) + supervised_share * 4.0 * embedding
    return per_token + (2.0 * blocks if config.gradient_checkpointing else 0.0)


def count_memory(shape: Shape, config: TrainingConfig, workload: Workload, on_gpu: bool) -> float:
    """Return the bytes that training needs on its device: base, adapter with optimizer, activations, scores."""
    weight = {"4bit": 0.52, "8bit": 1.0, "none": 2.0 if on_gpu else 4.0}[config.quantization]
    embedding = shape.vocabulary * shape.hidden
    base = weight * (shape.parameters - embedding) + (2.0 if on_gpu else 4.0) * embedding
    adapter = count_adapter_parameters(shape, config) * (10 if config.optimizer == "adamw_8bit" else 16)
    mean_length = workload.tokens / max(1, workload.examples)
    tokens = min(
        config.batch_size * workload.longest,
        config.batch_size * config.max_length,
        max(workload.longest, 1.5 * config.batch_size * mean_length),
    )
    if config.packing:
        tokens = config.batch_size * config.max_length
    width = 2 if on_gpu else 4
    key_value = shape.key_value_heads * shape.head_dim
    per_token = width * shape.layers * (6 * shape.hidden + 2 * key_value + shape.head_dim + 3 * shape.intermediate)
    if config.gradient_checkpointing:
        per_token = width * (shape.layers * shape.hidden + 14 * shape.hidden)
    return base + adapter + tokens * per_token + 8e6 + _OVERHEAD_BYTES


def estimate(
    shape: Shape,
    config: TrainingConfig,
    workload: Workload,
    machine: Machine,
    base_fingerprint: str,
    past: list[Measurement],
) -> Estimate:
    """Return what a job will take on this machine.

    Args:
        past: Measurements of this machine, newest first (core.store.measurements.of_machine).
    """
    on_gpu = bool(machine.gpus)
    tokens = workload.tokens * min(config.epochs, workload.steps / max(1, steps_per_epoch(workload, config)))
    share = workload.supervised_tokens / max(1, workload.tokens)
    flops = count_step_flops(shape, config, share)
    memory = count_memory(shape, config, workload, on_gpu)
    speed = machine_flops(machine)
    train_seconds = tokens * flops / speed
    # Reading an item and writing some forty tokens, for base and tuned model, and what starting takes.
    answer_seconds = workload.benchmark_items * 2 * (40 * max(2.0 * shape.parameters / speed * 4, 2e-4 * shape.layers))
    raw = {"seconds": train_seconds + answer_seconds, "memory_bytes": memory}
    same = [one for one in past if one.base_fingerprint == base_fingerprint]
    lessons = (same or past)[:12]
    corrected = {key: value * _correction(lessons, key) for key, value in raw.items()}
    joules = _joules(corrected["seconds"], machine, lessons)
    disk = count_adapter_parameters(shape, config) * 4 * (1 + 2 * 3) + workload.tokens * 6.0
    return Estimate(
        memory_bytes=corrected["memory_bytes"],
        seconds=corrected["seconds"],
        joules=joules,
        disk_bytes=disk,
        tokens=tokens,
        jobs=len(lessons),
        typical_error=typical_error(lessons),
    )


def steps_per_epoch(workload: Workload, config: TrainingConfig) -> float:
    if config.packing:
        return max(1.0, workload.tokens / (config.batch_size * config.accumulation_steps * config.max_length))
    return max(1.0, math.ceil(workload.examples / (config.batch_size * config.accumulation_steps)))


def machine_flops(machine: Machine) -> float:
    if machine.gpus:
        # An A1000 is no A100.
        known = (value for name, value in _GPU_FLOPS.items() if re.search(rf"{name}(?!\d)", machine.gpus[0]))
        return next(known, _GPU_FLOPS_UNKNOWN)
    return _CPU_FLOPS_PER_CORE * machine.cores


def _correction(lessons: list[Measurement], key: str) -> float:
    """Return by what the counted figure must be multiplied: the median of measured over counted, newest jobs first."""
    ratios = [
        one.measured[key] / one.features[f"counted_{key}"]
        for one in lessons
        if one.measured.get(key) and one.features.get(f"counted_{key}")
    ]
    return statistics.median(ratios[:5]) if ratios else 1.0


def typical_error(lessons: list[Measurement]) -> float | None:
    """Return the median relative error of past time predictions, or None before there is one."""
    errors = [
        abs(one.predicted["seconds"] / one.measured["seconds"] - 1)
        for one in lessons
        if one.predicted.get("seconds") and one.measured.get("seconds")
    ]
    return statistics.median(errors) if errors else None


def _joules(seconds: float, machine: Machine, lessons: list[Measurement]) -> float | None:
    watts = [
        one.measured["joules"] / one.measured["seconds"]
        for one in lessons
        if one.measured.get("joules") and one.measured.get("seconds")
    ]
    return seconds * statistics.median(watts) if watts else None


def counted(shape: Shape, config: TrainingConfig, workload: Workload, machine: Machine) -> dict[str, float]:
    """Return the uncorrected figures, which are stored beside what a job really took."""
    plain = estimate(shape, config, workload, machine, "", [])
    return {"counted_seconds": plain.seconds, "counted_memory_bytes": plain.memory_bytes}
