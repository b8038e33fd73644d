"""Runs one evaluation within a worker: answers, grades, and the row to store."""

import sqlite3
import time
from typing import Any

from core.errors import BaseModelError
from core.evaluation.answering import answer_items
from core.evaluation.benchmarks import Benchmark
from core.evaluation.results import Scored, make_evaluation, settings_sha
from core.model.engines import make_engine
from core.model.loading import LoadedBase
from core.process.frame import Stopped, Work
from core.store import evaluations
from core.store.evaluations import EvaluationRow


def evaluate(
    work: Work, loaded: LoadedBase, model: Any, adapter: str, base: str, benchmark: Benchmark, quantization: str
) -> Scored:
    """Answer a benchmark with a model in its present state.

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
            model, loaded.chat, engine, benchmark.items, loaded.device, report, lambda: work.stop_request() is not None
        )
    finally:
        model.train(was_training)
    if found is None:
        raise Stopped(work.stop_request() or "pause")
    return make_evaluation(
        job=work.job.id,
        base=base,
        base_fingerprint=loaded.fingerprint,
        adapter=adapter,
        benchmark=benchmark,
        settings=settings_sha(loaded.precision, quantization),
        answers=found.answers,
        seconds=found.seconds,
        tokens=found.tokens,
    )


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
