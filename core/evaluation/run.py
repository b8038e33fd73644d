"""Runs one evaluation within a worker: answers, grades, and the row to store."""

import dataclasses
import sqlite3
import time
from typing import Any

from core.errors import BaseModelError
from core.evaluation import harness
from core.evaluation.answering import Answers, answer_items
from core.evaluation.benchmarks import Benchmark
from core.evaluation.metrics.code import pass_at_k
from core.evaluation.pinned import pin_benchmark
from core.evaluation.results import Scored, make_evaluation, settings_sha
from core.evaluation.spec import TEMPERATURE, EvaluateSpec
from core.model.engines import make_engine
from core.model.loading import LoadedBase
from core.process.frame import Stopped, Work
from core.store import evaluations
from core.store.evaluations import EvaluationRow

KS = (1, 5, 10, 100)  # for which pass@k is told, with the number of samples itself


def evaluate(
    work: Work,
    loaded: LoadedBase,
    model: Any,
    adapter: str,
    base: str,
    benchmark: Benchmark,
    quantization: str,
    samples: int = 1,
    seed: int = 0,
) -> Scored:
    """Answer a benchmark with a model in its present state.

    Args:
        samples: How often each code item is answered; above 1 the answers are drawn by the seed.

    Raises:
        Stopped: A stop was asked for; nothing of the evaluation is kept.
    """
    phase = "testing the tuned model" if adapter else "testing the base"
    began = time.monotonic()
    total = len(benchmark.items)
    work.report(phase, 0, total)

    def report(done: int, of: int) -> None:
        passed = time.monotonic() - began
        work.report(phase, done, of, done / passed, (of - done) * passed / max(1, done))

    engine = make_engine(model, loaded.device, loaded.chat.pad_id)
    was_training = model.training
    model.eval()
    try:
        found = answer_items(
            model, loaded.chat, engine, benchmark.items, loaded.device, report, lambda: work.stop_request() is not None,
            samples, seed,
        )  # fmt: skip
    finally:
        model.train(was_training)
    if found is None:
        raise Stopped(work.stop_request() or "pause")
    drawing = ["sampled", samples, seed, TEMPERATURE] if found.passed else []
    scored = make_evaluation(
        job=work.job.id,
        base=base,
        base_fingerprint=loaded.fingerprint,
        adapter=adapter,
        benchmark=benchmark,
        settings=settings_sha(loaded.precision, quantization, *drawing),
        answers=found.answers,
        seconds=found.seconds,
        tokens=found.tokens,
    )
    return _with_pass_rates(scored, found, samples, seed) if found.passed else scored


def _with_pass_rates(scored: Scored, found: Answers, samples: int, seed: int) -> Scored:
    """Return an evaluation with pass@k over the items that were answered several times, and how that was done."""
    rates = {
        f"pass_at_{k}": sum(pass_at_k(samples, right, k) for right in found.passed.values()) / len(found.passed)
        for k in sorted({k for k in KS if k < samples} | {samples})
    }
    details = {"samples": samples, "seed": seed, "temperature": TEMPERATURE, "passed": dict(found.passed)}
    row = dataclasses.replace(scored.row, metrics=scored.row.metrics | rates, details=details)
    return dataclasses.replace(scored, row=row)


def evaluate_task(work: Work, loaded: LoadedBase, model: Any, spec: EvaluateSpec) -> Scored:
    """Run a task of lm-evaluation-harness on a model, and pin its items as a benchmark.

    Raises:
        DataError: There is no such task, its data can't be had, or it measures no answer by itself.
        Stopped: A stop was asked for; nothing of the evaluation is kept.
    """
    found = harness.run_task(work, loaded, model, spec)
    pin_benchmark(work.workspace, found.benchmark)
    scored = make_evaluation(
        job=work.job.id,
        base=spec.base,
        base_fingerprint=loaded.fingerprint,
        adapter=spec.adapter,
        benchmark=found.benchmark,
        settings=settings_sha(loaded.precision, spec.quantization, "harness", found.details["settings"]),
        answers=found.answers,
        seconds=found.seconds,
        tokens=found.tokens,
    )
    row = dataclasses.replace(scored.row, metrics=found.figures, details={"harness": found.details})
    return dataclasses.replace(scored, row=row)


def find_base_evaluation(
    db: sqlite3.Connection, loaded: LoadedBase, benchmark: Benchmark, quantization: str
) -> EvaluationRow | None:
    """Return an earlier evaluation of the same base on the same items in the same way."""
    return evaluations.find_reusable(
        db,
        base_fingerprint=loaded.fingerprint,
        adapter="",
        benchmark_sha=benchmark.sha,
        settings_sha=settings_sha(loaded.precision, quantization),
    )


def check_fits(adapter_fingerprint: str, loaded: LoadedBase, name: str) -> None:
    """Refuse an adapter that was made for other weights, even of the same shape.

    Raises:
        BaseModelError: The fingerprints differ.
    """
    if adapter_fingerprint != loaded.fingerprint:
        raise BaseModelError(
            f"The adapter {name!r} was made for another base: its fingerprint is {adapter_fingerprint[:12]}, "
            f"that of {loaded.folder} is {loaded.fingerprint[:12]}. Put back the base that it was made for."
        )
