"""Queues evaluations of a base, or of an adapter on its base. No torch in here."""

from core.catalog import bases
from core.evaluation.benchmarks import Benchmark
from core.evaluation.pinned import pin_benchmark
from core.evaluation.spec import EvaluateSpec
from core.paths import Workspace
from core.process import queue
from core.store import adapters
from core.store.connection import opened
from core.store.jobs import Job


def submit(
    workspace: Workspace,
    *,
    base: str,
    benchmark: Benchmark,
    adapter: str = "",
    priority: str = "normal",
    name: str = "",
) -> Job:
    """Pin the benchmark and queue the evaluation.

    Raises:
        NotFound: The base or the adapter does not exist.
        BaseModelError: The base can't be had.
    """
    queue.check_priority(priority)
    label, adapter_id = bases.title_of(base), ""
    if adapter:
        with opened(workspace) as db:
            row = adapters.find(db, adapter)
        base, adapter_id, label = row.base, row.id, row.name
    bases.locate(base)
    spec = EvaluateSpec(
        base=bases.absolute(base),
        adapter=adapter_id,
        benchmark=pin_benchmark(workspace, benchmark),
        benchmark_name=benchmark.name,
    )
    return queue.submit(
        workspace,
        kind="evaluate",
        name=name or f"{label} on {benchmark.name}",
        spec=spec.model_dump(),
        priority=priority,
    )
