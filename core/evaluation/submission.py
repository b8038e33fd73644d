"""Queues evaluations of a base, of an adapter on its base, or of an endpoint. No torch in here."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.catalog import bases, endpoints, industries
from core.errors import BadInput
from core.evaluation import benchmarks
from core.evaluation.benchmarks import Benchmark
from core.evaluation.pinned import pin_benchmark
from core.evaluation.spec import HARNESS, EvaluateSpec
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
    samples: int = 1,
    seed: int = 0,
) -> Job:
    """Pin the benchmark and queue the evaluation.

    Args:
        precision, quantization: How the base is loaded; without them as the adapter was trained, a base alone as it is.
        samples: How often code is written for each item, drawn by the seed where it is more than once.

    Raises:
        NotFound: The base, the adapter or the endpoint does not exist.
        BaseModelError: The base can't be had.
        BadInput: The endpoint's key is missing, or there is no code to write several times.
    """
    queue.check_priority(priority)
    if samples > 1 and endpoints.name_in(base) is not None:
        raise BadInput("An endpoint answers each item once. Leave --samples out, or test a model of this machine.")
    if samples > 1 and not any(item.type == "code" for item in benchmark.items):
        raise BadInput(f"The benchmark {benchmark.name!r} has no code items, so --samples has nothing to draw.")
    label, model = _find_model(workspace, base, adapter, precision, quantization)
    spec = EvaluateSpec(
        **model,
        benchmark=pin_benchmark(workspace, benchmark),
        benchmark_name=benchmark.name,
        samples=samples,
        seed=seed if samples > 1 else 0,
    )
    return _queue(workspace, spec, name or f"{label} on {benchmark.name}", priority)


def submit_task(
    workspace: Workspace,
    task: str,
    *,
    base: str,
    adapter: str = "",
    limit: int | None = None,
    include_path: Path | None = None,
    priority: str = "normal",
) -> Job:
    """Queue the evaluation of a model on a task of lm-evaluation-harness.

    Args:
        limit: How many of each task's items; without it all.
        include_path: Folder with tasks of one's own.

    Raises:
        BadInput: lm-evaluation-harness is not installed, the folder does not exist, or the model is an endpoint.
        NotFound: The base or the adapter does not exist.
        BaseModelError: The base can't be had.
    """
    queue.check_priority(priority)
    check_task(task, include_path)
    if endpoints.name_in(base) is not None:
        raise BadInput("A task of lm-evaluation-harness needs a model of this machine. Leave --endpoint out.")
    label, model = _find_model(workspace, base, adapter, "", "")
    spec = EvaluateSpec(
        **model,
        benchmark="",
        benchmark_name=HARNESS + task,
        harness=task,
        limit=limit,
        include_path=str(include_path.resolve()) if include_path else "",
    )
    return _queue(workspace, spec, f"{label} on {spec.benchmark_name}", priority)


def check_task(task: str, include_path: Path | None) -> None:
    """Refuse a task that can't be run for sure; whether it exists is known where the harness is loaded.

    Raises:
        BadInput: lm-evaluation-harness is not installed, the task has no name, or the folder does not exist.
    """
    if find_spec("lm_eval") is None:
        raise BadInput(
            "lm-evaluation-harness is not installed where Atelier runs. Install it into the same environment with "
            "`pip install 'lm-eval>=0.4.13,<0.5'`."
        )
    if not task.strip() or not task.isprintable():
        raise BadInput("Give --harness the name of a task, such as arc_easy.")
    if include_path is not None and not include_path.is_dir():
        raise BadInput(f"The folder {include_path} does not exist. Give --include-path a folder with tasks in YAML.")


def _find_model(
    workspace: Workspace, base: str, adapter: str, precision: str, quantization: str
) -> tuple[str, dict[str, Any]]:
    """Return what a model is called, and the fields of the specification that name it."""
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
    fields = {"base": bases.absolute(base), "adapter": adapter_id}
    return label, fields | {"precision": precision or "auto", "quantization": quantization or "none"}


def _queue(workspace: Workspace, spec: EvaluateSpec, name: str, priority: str) -> Job:
    return queue.submit(workspace, kind="evaluate", name=name, spec=spec.model_dump(), priority=priority)


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
