"""Works off one training job: base, data, training, evaluation, verdict, adapter. Started by a runner."""

import gc
import json
import logging
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from core import durable
from core.catalog import bases
from core.datasets import versions
from core.datasets.chat import Encoded
from core.errors import AppError
from core.evaluation import run as evaluating
from core.evaluation.benchmarks import Benchmark
from core.evaluation.pinned import read_pinned
from core.evaluation.results import Scored, compare_scored
from core.hardware.readings import read_host, read_machine
from core.model import download, packed
from core.model.adapter import add_adapter, base_alone, save_adapter, trainable
from core.model.engines import Engine, make_engine
from core.model.loading import LoadedBase, load_base
from core.process import frame
from core.process.frame import Stopped, Work
from core.registry import proposal
from core.registry.cards import write_card
from core.registry.reconcile import CARD_FILE, JOB_FILE
from core.store import adapters, evaluations, jobs, measurements, proposals, registry
from core.store.measurements import Measurement
from core.training import checkpoint, engine_choice, estimate
from core.training.configuration import TrainingConfig, write_yaml
from core.training.loop import Outcome, Surroundings, Training, measure_eval_loss
from core.training.plan import Plan, make_plan
from core.training.spec import TrainSpec

MOST_VALIDATION = 512
LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors")

log = logging.getLogger("atelier")


def main(line: str) -> int:
    return frame.run(line, train)


def warm_up() -> Iterator[None]:
    """Load what loads lazily, in steps between which a waiting job may be taken."""
    from transformers import LlamaConfig, LlamaForCausalLM

    yield
    tiny = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=32,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
        )
    )
    packed.prepare(tiny)
    adapted = add_adapter(tiny, TrainingConfig(rank=2))
    make_engine(adapted, torch.device("cpu"), 0).loss_sum([Encoded((1, 2, 3, 4), 2, 0, 0)]).backward()
    torch.optim.AdamW(trainable(adapted), fused=True).step()
    yield
    yield from engine_choice.warm_up()


@dataclass
class Prepared:
    """Everything that is the same before and after a restart."""

    loaded: LoadedBase
    train: list[Encoded]
    validation: list[Encoded]
    plan: Plan
    benchmark: Benchmark


def train(work: Work) -> None:
    spec = TrainSpec(**work.job.spec)
    began = time.monotonic()
    prepared = prepare(work, spec)
    log.info(
        "Prepared in %.2f s: %s, %s, %s training examples.",
        time.monotonic() - began,
        bases.title_of(spec.base),
        prepared.loaded.precision,
        len(prepared.train),
    )
    if spec.baseline_only:
        scored = _evaluate(work, prepared, prepared.loaded.model, "", spec)
        work.succeed({"evaluation": scored.row.id, "score": scored.row.score}, lambda db: _store(db, [scored]))
        return
    model = add_adapter(prepared.loaded.model, spec.config)
    if spec.config.gradient_checkpointing:
        prepared.loaded.model.gradient_checkpointing_enable({"use_reentrant": False})
    choice = engine_choice.choose_once(
        work.folder.root / "engine.json", model, prepared.loaded, spec.config.precision, _planned_flops(spec, prepared)
    )
    engine = engine_choice.make(choice, model, prepared.loaded)
    log.info("Engine: %s; %s steps.", engine.name, prepared.plan.steps)
    _probe_memory(prepared, engine, model)
    outcome = _run_training(work, spec, prepared, model, engine)
    before = None
    if prepared.validation:
        with base_alone(model):
            before = measure_eval_loss(engine, model, prepared.validation)
    after = measure_eval_loss(engine, model, prepared.validation) if prepared.validation else None
    _finish(work, spec, prepared, model, outcome, before, after)


# Before


def prepare(work: Work, spec: TrainSpec) -> Prepared:
    """Load base and data, encode and plan."""
    work.report("loading the base", 0, 0)
    folder = download.obtain(
        spec.base,
        lambda here, total, rate: work.report(
            "downloading the base",
            int(here / 1e6),
            int(total / 1e6),
            rate / 1e6,
            (total - here) / rate if rate > 0 else None,
            "MB",
        ),
        lambda: work.stop_request() is not None,
    )
    if folder is None:
        raise Stopped(work.stop_request() or "pause")
    _check_disk(work, estimate.count_spare_disk(bases.read_shape(folder), spec.config))
    _choose_threads(folder)
    loaded = load_base(folder, precision=spec.config.precision, quantization=spec.config.quantization)
    examples = versions.load(work.workspace, spec.dataset)
    training, validation = versions.split(examples, spec.config.validation_share, spec.config.seed)
    encoded = loaded.chat.encode(training, spec.config.max_length)
    usable = [example for example in encoded if example.supervised > 0 and len(example.ids) > 1]
    if not usable:
        raise AppError(
            f"With max_length {spec.config.max_length} no example keeps a token of its response. Raise max_length."
        )
    cut = sum(example.cut > 0 for example in encoded)
    if cut:
        log.warning(
            "%s of %s examples are longer than %s tokens and were cut at the beginning of their prompt.",
            cut,
            len(encoded),
            spec.config.max_length,
        )
    plan = make_plan(
        usable,
        batch_size=spec.config.batch_size,
        accumulation_steps=spec.config.accumulation_steps,
        epochs=spec.config.epochs,
        max_steps=spec.config.max_steps,
        packing=spec.config.packing,
        max_length=spec.config.max_length,
        seed=spec.config.seed,
    )
    held = loaded.chat.encode(validation[:MOST_VALIDATION], spec.config.max_length)
    return Prepared(
        loaded,
        usable,
        [example for example in held if example.supervised > 0],
        plan,
        read_pinned(work.workspace, spec.benchmark),
    )


def _check_disk(work: Work, needed: float) -> None:
    free = read_host(work.workspace.root).disk_free_bytes
    if free < needed:
        log.warning(
            "The disk of %s has %.0f MB free; the job needs %.0f MB.", work.workspace.root, free / 1e6, needed / 1e6
        )
        raise Stopped("disk full")


def _choose_threads(folder: Path) -> None:
    """Use one thread for a tiny base: more of them wait for each other longer than they compute."""
    if "OMP_NUM_THREADS" not in os.environ and bases.read_shape(folder).hidden < 128:
        torch.set_num_threads(1)


def _planned_flops(spec: TrainSpec, prepared: Prepared) -> float:
    """Return the arithmetic of the whole job."""
    shape = bases.read_shape(prepared.loaded.folder)
    tokens = sum(len(example.ids) for example in prepared.train)
    share = sum(example.supervised for example in prepared.train) / tokens
    epochs = prepared.plan.steps * (prepared.plan.examples_per_step or 1) / len(prepared.train)
    return tokens * max(epochs, 1.0) * estimate.count_step_flops(shape, spec.config, share)


def _probe_memory(prepared: Prepared, engine: Engine, model: PeftModel) -> None:
    """On a GPU, compute the longest batch before the first step: what does not fit fails now, not in an hour."""
    if prepared.loaded.device.type != "cuda":
        return
    longest = sorted(prepared.train, key=lambda example: -len(example.ids))[: prepared.plan.batch_size]
    torch.cuda.reset_peak_memory_stats()
    try:
        engine.loss_sum(longest).backward()
    except torch.OutOfMemoryError:
        log.warning("The longest batch does not fit the GPU's memory; batches will be halved.")
    finally:
        model.zero_grad(set_to_none=True)
        gc.collect()
        torch.cuda.empty_cache()
    log.info("The longest batch takes %.2f GB of the GPU.", torch.cuda.max_memory_allocated() / 1e9)


def _identity(work: Work, spec: TrainSpec, prepared: Prepared, engine: Engine) -> dict[str, Any]:
    """Return what must be unchanged for an exact continuation."""
    return {
        "config": durable.hash_text(spec.config.model_dump_json())[:16],
        "dataset": spec.dataset[:16],
        "base": prepared.loaded.fingerprint[:16],
        "precision": prepared.loaded.precision,
        "engine": engine.name,
        "threads": torch.get_num_threads(),
        "device": prepared.loaded.device.type,
        "versions": {name: version(name) for name in LIBRARIES},
    }


# Training


def _run_training(work: Work, spec: TrainSpec, prepared: Prepared, model: PeftModel, engine: Engine) -> Outcome:
    outside = Surroundings(
        work.metrics.log, work.report, work.stop_request, work.metrics.mark_milestone, work.folder.checkpoints
    )
    training = Training(
        model,
        engine,
        prepared.plan,
        spec.config,
        prepared.train,
        prepared.validation,
        outside,
        _identity(work, spec, prepared, engine),
        prepared.loaded.device,
        half_precision=prepared.loaded.precision == "fp16",
    )
    newest, skipped = checkpoint.find_newest(work.folder.checkpoints)
    for reason in skipped:
        log.warning("%s", reason)
        jobs.note(work.db, work.job.id, reason)
    if newest is not None:
        training.resume(newest)
        log.info("Going on from step %s.", training.state.step)
    work.metrics.supersede_after(training.state.step, ("host/cpu_percent",))
    work.report("training", training.state.step, prepared.plan.steps)
    outcome = training.run()
    if outcome.stopped is not None:
        raise Stopped(outcome.stopped)
    return outcome


# After


def _evaluate(work: Work, prepared: Prepared, model: Any, adapter: str, spec: TrainSpec) -> Scored:
    try:
        return evaluating.evaluate(
            work, prepared.loaded, model, adapter, spec.base, prepared.benchmark, spec.config.quantization
        )
    finally:
        work.metrics.mark_milestone()


def _finish(
    work: Work,
    spec: TrainSpec,
    prepared: Prepared,
    model: PeftModel,
    outcome: Outcome,
    before: float | None,
    after: float | None,
) -> None:
    """Evaluate, write the adapter's folder with its card, and end in one transaction."""
    scored: list[Scored] = []
    verdict: dict[str, Any] | None = None
    if spec.evaluate:
        tuned = _evaluate(work, prepared, model, work.job.id, spec)
        reused = evaluating.find_base_evaluation(work.db, prepared.loaded, prepared.benchmark, spec.config.quantization)
        if reused is None:
            with base_alone(model):
                base = _evaluate(work, prepared, model, "", spec)
            base_row, base_items = base.row, list(base.items)
            scored = [base, tuned]
        else:
            log.info("The base's evaluation %s on the same items is used again.", reused.id)
            base_row, base_items = reused, evaluations.items(work.db, reused.id)
            scored = [tuned]
        verdict = compare_scored(prepared.benchmark, base_items, tuned.items).to_dict()
        verdict |= {"base_evaluation": base_row.id, "tuned_evaluation": tuned.row.id, "aims": spec.aims}
        log.info("%s", verdict["sentence"])
    card = _card(work, spec, prepared, outcome, before, after, verdict)
    result = {
        "adapter": work.job.id,
        "steps": outcome.state.step,
        "tokens": outcome.state.tokens,
        "seconds": round(outcome.state.seconds, 3),
        "tokens_per_second": round(outcome.state.tokens / max(1e-9, outcome.state.seconds), 1),
        "eval_loss_before": before,
        "eval_loss_after": after,
        "verdict": verdict,
        "precision": prepared.loaded.precision,
        "peak_memory_bytes": _peak_memory(prepared),
        "joules": work.energy.joules,
        "cut_examples": sum(example.cut > 0 for example in prepared.train),
        "train_examples": len(prepared.train),
        "validation_examples": len(prepared.validation),
        "job_seconds": round(time.monotonic() - work.began, 3),
    }
    _write_adapter(work, spec, model, card, result)

    def write(db: sqlite3.Connection) -> None:
        _store(db, scored)
        if verdict is not None:
            evaluations.insert_verdict(
                db,
                job=work.job.id,
                base_evaluation=verdict["base_evaluation"],
                tuned_evaluation=verdict["tuned_evaluation"],
                benchmark=spec.benchmark_name,
                content=verdict,
            )
        adapters.insert(db, work.job.id, card)
        if verdict is not None:
            proposals.expect(db, work.job.id, registry.scope_of(card))
        if work.job.attempt == 1:  # a resumed job's time says little about the next one
            measurements.insert(
                db,
                Measurement(
                    work.job.id,
                    read_machine().key,
                    prepared.loaded.fingerprint,
                    dict(spec.counted),
                    work.job.estimate,
                    _measured(work, result),
                ),
            )

    work.succeed(result, write)
    if verdict is not None:
        asked = proposal.propose(work.workspace, work.job.id)
        if asked is not None:
            log.info("%s", proposal.tell(asked))


def _store(db: sqlite3.Connection, scored: list[Scored]) -> None:
    for one in scored:
        evaluations.insert(db, one.row, one.items)


def _measured(work: Work, result: dict[str, Any]) -> dict[str, Any]:
    return {
        "seconds": result["job_seconds"],
        "memory_bytes": result["peak_memory_bytes"],
        "joules": result["joules"],
        "tokens_per_second": result["tokens_per_second"],
    }


def _peak_memory(prepared: Prepared) -> float:
    """Return the most memory the job took on its device, in bytes."""
    if prepared.loaded.device.type == "cuda":
        return float(torch.cuda.max_memory_reserved())
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def _card(
    work: Work,
    spec: TrainSpec,
    prepared: Prepared,
    outcome: Outcome,
    before: float | None,
    after: float | None,
    verdict: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "name": work.job.name,
        "job": work.job.id,
        "base": spec.base,
        "base_title": bases.title_of(spec.base),
        "base_source": spec.base if "/" in spec.base else str(prepared.loaded.folder.name),
        "base_fingerprint": prepared.loaded.fingerprint,
        "dataset": spec.dataset,
        "dataset_name": spec.dataset_name,
        "composition": spec.composition,
        "train_examples": len(prepared.train),
        "validation_examples": len(prepared.validation),
        "benchmark": spec.benchmark,
        "benchmark_name": spec.benchmark_name,
        "config": spec.config.model_dump(mode="json"),
        "industries": list(spec.industries),
        "specialist": spec.specialist,
        "rubric": spec.rubric,
        "steps": outcome.state.step,
        "tokens": outcome.state.tokens,
        "seconds": outcome.state.seconds,
        "eval_loss_before": before,
        "eval_loss_after": after,
        "verdict": verdict,
        "machine": read_machine().key,
        "made_on": time.strftime("%Y-%m-%d"),
        "precision": prepared.loaded.precision,
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _write_adapter(work: Work, spec: TrainSpec, model: PeftModel, card: dict[str, Any], result: dict[str, Any]) -> None:
    """Write the adapter's folder, complete or not at all; the hash of the weights goes into the card."""
    final = work.workspace.adapters / work.job.id
    if final.exists():  # an earlier attempt wrote it and died before its transaction
        shutil.rmtree(final)
    with durable.new_folder(final) as staging:
        save_adapter(model, staging, card["base_source"])
        card["weights_sha"] = durable.hash_file(staging / "adapter_model.safetensors")
        told = {"spec": work.job.spec, "result": result}
        (staging / "README.md").write_text(write_card(card), encoding="utf-8")
        (staging / CARD_FILE).write_text(json.dumps(card, indent=2), encoding="utf-8")
        (staging / JOB_FILE).write_text(json.dumps(told, indent=2), encoding="utf-8")
        (staging / "training_config.yaml").write_text(write_yaml(spec.config, spec.base), encoding="utf-8")


if __name__ == "__main__":
    frame.leave(main(sys.argv[1]))
