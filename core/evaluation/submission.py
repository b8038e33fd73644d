"""Queues evaluations of a base, of an adapter on its base, or of an endpoint. No torch in here."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.catalog import bases, endpoints, industries
from core.evaluation import benchmarks
from core.evaluation.benchmarks import Benchmark
from core.evaluation.pinned import pin_benchmark
from core.evaluation.spec import EvaluateSpec
from core.paths import Workspace
from core.process import queue
from core.store import adapters, jobs
from core.store.connection import opened
from core.store.jobs import Job
from core.store.states import ALIVE, WAITING


@dataclass(frozen=True)
class Missing:
    """An evaluation that a cell waits for: of an adapter, or of its base when `adapter` is empty."""

    base: str
    base_fingerprint: str
    adapter: str
    industry: str
    precision: str = "auto"
    quantization: str = "none"


def submit(
    workspace: Workspace,
    *,
    base: str,
    benchmark: Benchmark,
    adapter: str = "",
    priority: str = "normal",
    name: str = "",
    precision: str = "",
    quantization: str = "",
) -> Job:
    """Pin the benchmark and queue the evaluation.

    Args:
        precision, quantization: How the base is loaded; without them as the adapter was trained, a base alone as it is.

    Raises:
        NotFound: The base, the adapter or the endpoint does not exist.
        BaseModelError: The base can't be had.
        BadInput: The endpoint's key is missing.
    """
    queue.check_priority(priority)
    label, adapter_id = bases.title_of(base), ""
    if adapter:
        with opened(workspace) as db:
            row = adapters.find(db, adapter)
        base, adapter_id, label = row.base, row.id, row.name
        config = row.card.get("config", {})
        precision = precision or config.get("precision", "")
        quantization = quantization or config.get("quantization", "")
    if endpoints.name_in(base) is None:
        bases.locate(base)
    else:
        endpoints.check(base, workspace)
    spec = EvaluateSpec(
        base=bases.absolute(base),
        adapter=adapter_id,
        benchmark=pin_benchmark(workspace, benchmark),
        benchmark_name=benchmark.name,
        precision=precision or "auto",
        quantization=quantization or "none",
    )
    return queue.submit(
        workspace,
        kind="evaluate",
        name=name or f"{label} on {benchmark.name}",
        spec=spec.model_dump(),
        priority=priority,
    )


def waiting(workspace: Workspace) -> set[tuple[str, str, str]]:
    """Return (base, adapter, hash of the benchmark) of the evaluations that are queued or at work."""
    with opened(workspace) as db:
        open_jobs = [job for job in jobs.in_states(db, (*ALIVE, *WAITING)) if job.kind == "evaluate"]
    return {(job.spec["base"], job.spec["adapter"], job.spec["benchmark"]) for job in open_jobs}


def submit_missing(workspace: Workspace, missing: Sequence[Missing]) -> list[Job]:
    """Queue the evaluations that empty cells of the forgetting matrix wait for, but for those queued already.

    Raises:
        NotFound, BaseModelError: A base or an adapter can't be had.
    """
    known = waiting(workspace)
    made: list[Job] = []
    packs = {one.industry: benchmarks.of_industry(industries.find(one.industry, workspace)) for one in missing}
    for one in missing:
        benchmark = packs[one.industry]
        if (bases.absolute(one.base), one.adapter, benchmark.sha) not in known:
            made.append(
                submit(
                    workspace, base=one.base, adapter=one.adapter, benchmark=benchmark, priority="low",
                    precision=one.precision, quantization=one.quantization,
                )
            )  # fmt: skip
    return made
