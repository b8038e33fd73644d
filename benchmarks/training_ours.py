"""Atelier's arms of the training benchmarks: the project's own loop, engines and metric store."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.training_task import ALPHA, RANK, Task, Watch, measure_held_out, sum_adapter, visit
from benchmarks.workload import SHAPES, STARTER, LlamaShape
from core.datasets.chat import Encoded, read_chat_format
from core.model import packed
from core.model.adapter import add_adapter
from core.model.loading import LoadedBase, load_base
from core.paths import STARTER_DIR
from core.store.metrics import MetricWriter
from core.training import engine_choice
from core.training.configuration import TrainingConfig
from core.training.engine_choice import EngineChoice
from core.training.loop import Surroundings, Training
from core.training.plan import Plan, make_plan

LONG_JOB_FLOPS = 1e18  # so many that compiling pays, as in a real job; what it costs is shown as the first step's time


class Halved(Exception):
    """The batches did not fit the memory of the device; the loop went on with smaller ones."""


def llama_config(sizes: LlamaShape) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=sizes.vocabulary,
        hidden_size=sizes.hidden,
        intermediate_size=sizes.intermediate,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.key_value_heads,
        tie_word_embeddings=sizes.tied,
        max_position_embeddings=4096,
        use_cache=False,
    )


def load(shape: str) -> LoadedBase:
    """Return the base in fp32: the bundled starter, or one with random weights that are the same every time."""
    if shape == STARTER:
        return load_base(STARTER_DIR, precision="fp32")
    torch.manual_seed(0)
    return as_loaded(LlamaForCausalLM(llama_config(SHAPES[shape])), torch.device("cpu"), "fp32")


def as_loaded(model: Any, device: torch.device, precision: str) -> LoadedBase:
    """Return a model made here in the state in which core.model.loading hands one over."""
    model.eval().requires_grad_(False)
    packed.prepare(model)
    return LoadedBase(model, read_chat_format(STARTER_DIR), STARTER_DIR, device, precision, "random")


def configure(task: Task, **changes: Any) -> TrainingConfig:
    """Return our configuration, with the rivals' defaults where the two differ, so that the same is computed."""
    steps = task.warm_up + task.steps
    values = {
        "rank": RANK,
        "alpha": ALPHA,
        "dropout": 0.0,
        "learning_rate": task.learning_rate,
        "schedule": "linear",
        "warmup_steps": 0,
        "weight_decay": 0.0,
        "epochs": 1,
        "max_steps": steps,
        "batch_size": task.examples_per_step,
        "accumulation_steps": 1,
        "validation_share": 0.0,
        "save_every_steps": steps + 1,
        "seed": task.seed,
    }
    return TrainingConfig(**(values | changes))


def choose_engine(name: str, model: Any, loaded: LoadedBase) -> EngineChoice:
    """Return what core.training would choose for a long job, with the one change that the arm is about."""
    chosen = engine_choice.choose(model, loaded, "auto", LONG_JOB_FLOPS)
    changes: dict[str, dict[str, Any]] = {
        "ours-plain": {"compiled": False},
        "ours-fp32": {"products": "fp32"},
        "ours-bf16": {"products": "bf16"},
    }
    return replace(chosen, **changes.get(name, {}))


def train(name: str, task: Task, examples: Sequence[Encoded]) -> dict[str, Any]:
    loaded = load(task.shape)
    config = configure(task)
    model = add_adapter(loaded.model, config)
    fresh = sum_adapter(model)
    engine = engine_choice.make(choose_engine(name, model, loaded), model, loaded)
    watch = run_loop(model, engine, config, arrange(task, examples, config), torch.device("cpu"))
    return watch.result(task.warm_up) | {
        "engine": engine.name,
        "fresh_adapter": fresh,
        "eval_loss": measure_held_out(model, task, examples),
    }


def arrange(task: Task, examples: Sequence[Encoded], config: TrainingConfig) -> list[Encoded]:
    """Return the examples in such places that the plan's own shuffling visits them in the wanted order."""
    wanted = [examples[index] for group in visit(task, examples) for index in group]
    places = _plan(wanted, config).epoch_order(0)
    placed = list(wanted)
    for place, example in zip(places, wanted, strict=True):
        placed[place] = example
    return placed


def _plan(examples: Sequence[Encoded], config: TrainingConfig) -> Plan:
    return make_plan(
        examples,
        batch_size=config.batch_size,
        accumulation_steps=config.accumulation_steps,
        epochs=config.epochs,
        max_steps=config.max_steps,
        packing=config.packing,
        max_length=config.max_length,
        seed=config.seed,
    )


def run_loop(
    model: Any,
    engine: Any,
    config: TrainingConfig,
    examples: Sequence[Encoded],
    device: torch.device,
    wait: Callable[[], None] = lambda: None,
) -> Watch:
    """Run the project's training loop as a job does, metrics committed at every step, and watch its steps.

    Args:
        wait: Called before the clock is read, to let a GPU come to the end of its work.

    Raises:
        Halved: The loop had to halve its batches, so the steps are not what they were meant to be.
    """
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder, closing(MetricWriter(Path(folder) / "metrics.db", 1)) as writer:
        plan = _plan(examples, config)
        groups = iter(plan.epoch_groups(0))

        def log_metrics(step: int, values: dict[str, float]) -> None:
            writer.log(step, values)
            wait()
            watch.end_step(sum(plan.lengths[index] for index in next(groups)), values["train/loss"])

        def report(phase: str, step: int, steps: int, rate: float = 0.0, seconds_left: float | None = None) -> None:
            writer.report(phase, step, steps, rate, seconds_left, 0.0)

        outside = Surroundings(log_metrics, report, lambda: None, writer.mark_milestone, Path(folder) / "checkpoints")
        training = Training(model, engine, plan, config, examples, [], outside, {}, device)
        wait()
        watch.begin()
        training.run()
    if training.splits > 1:
        raise Halved
    return watch
