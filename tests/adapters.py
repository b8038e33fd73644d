"""Adapters as a training job leaves them: a sealed folder, a row, evaluations of both models, a verdict."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from core import durable
from core.evaluation import benchmarks, results
from core.evaluation.benchmarks import Benchmark, Item
from core.evaluation.pinned import pin_benchmark
from core.paths import Workspace
from core.registry.cards import write_card
from core.store import adapters, evaluations, jobs
from core.store.adapters import AdapterRow
from core.store.connection import opened, transaction
from core.training.configuration import TrainingConfig
from tests.app.support import Answer, make_benchmark, make_job

FINGERPRINT = "f" * 64


def label_benchmark(name: str, count: int) -> Benchmark:
    """Return a specialist's benchmark: one label out of two, measured by accuracy and macro F1."""
    items = [
        Item(id=f"l{n}", component="answers", type="label", prompt=f"Mail {n}?", answer="yes", choices=("yes", "no"))
        for n in range(count)
    ]
    return benchmarks.make_benchmark(name, items, {"answers": 1.0}, {"answers": "Answers"}, ("accuracy", "macro_f1"))


def add_evaluation(
    workspace: Workspace,
    job: str,
    benchmark: Benchmark,
    scores: Sequence[float],
    adapter: str = "",
    settings: str = "s",
    seconds: float = 3.0,
) -> results.Scored:
    """Store one model's answers to a benchmark; an answer names the expected one where its score is 1."""
    pin_benchmark(workspace, benchmark)
    who = "tuned" if adapter else "base"
    answers = [
        Answer(item.id, item.component, item.expected if score == 1 else f"{who} guesses {item.id}", score)
        for item, score in zip(benchmark.items, scores, strict=True)
    ]
    scored = results.make_evaluation(
        job=job,
        base="starter",
        base_fingerprint=FINGERPRINT,
        adapter=adapter,
        benchmark=benchmark,
        settings=settings,
        answers=answers,
        seconds=seconds,
        tokens=100,
    )
    with opened(workspace) as db, transaction(db):
        evaluations.insert(db, scored.row, scored.items)
    return scored


def make_adapter(
    workspace: Workspace,
    name: str = "Finance one",
    scope: str = "finance",
    base: Sequence[float] = (0.0,) * 30,
    tuned: Sequence[float] = (1.0,) * 30,
    *,
    benchmark: Benchmark | None = None,
    specialist: str = "",
    aims: Mapping[str, Mapping[str, float]] | None = None,
    judged: bool = True,
    size: int = 64,
) -> AdapterRow:
    """Return a registered adapter whose job was judged on these scores, item by item."""
    chosen = benchmark or make_benchmark(scope, len(base))
    pin_benchmark(workspace, chosen)
    job = make_job(workspace, "running", name=name, benchmark=chosen.sha)
    verdict: dict[str, Any] | None = None
    if judged:
        first = add_evaluation(workspace, job.id, chosen, base)
        second = add_evaluation(workspace, job.id, chosen, tuned, job.id)
        verdict = results.compare_scored(chosen, first.items, second.items).to_dict() | {
            "base_evaluation": first.row.id,
            "tuned_evaluation": second.row.id,
            "aims": dict(aims or {}),
        }
    card: dict[str, Any] = {
        "name": name,
        "job": job.id,
        "base": "starter",
        "base_title": "Starter",
        "base_source": "starter",
        "base_fingerprint": FINGERPRINT,
        "dataset": "d" * 64,
        "dataset_name": scope.title(),
        "composition": {"corpus": 30, "generated": 200},
        "train_examples": 184,
        "validation_examples": 46,
        "benchmark": chosen.sha,
        "benchmark_name": chosen.name,
        "config": TrainingConfig().model_dump(mode="json"),
        "specialist": specialist,
        "steps": 60,
        "tokens": 123_456,
        "seconds": 61.4,
        "eval_loss_before": 3.25,
        "eval_loss_after": 1.5,
        "verdict": verdict,
        "machine": "A processor x2",
        "made_on": "2026-01-31",
        "versions": {"torch": "2.13.0"},
    }
    with durable.new_folder(workspace.adapters / job.id) as staging:
        weights = np.random.default_rng(job.number).normal(size=size).astype(np.float32)
        save_file({"weight": weights}, staging / "adapter_model.safetensors")
        card["weights_sha"] = durable.hash_file(staging / "adapter_model.safetensors")
        (staging / "README.md").write_text(write_card(card), encoding="utf-8")
        (staging / "card.json").write_text(json.dumps(card), encoding="utf-8")
    with opened(workspace) as db, transaction(db):
        if verdict is not None:
            evaluations.insert_verdict(
                db,
                job=job.id,
                base_evaluation=verdict["base_evaluation"],
                tuned_evaluation=verdict["tuned_evaluation"],
                benchmark=chosen.name,
                content=verdict,
            )
        adapters.insert(db, job.id, card)
        jobs.move_within(db, job, "succeeded", result={"adapter": job.id})
    with opened(workspace) as db:
        return adapters.find(db, job.id)


def damage(workspace: Workspace, adapter: str) -> None:
    """Turn one bit of an adapter's weights; their size stays."""
    file = workspace.adapters / adapter / "adapter_model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
