"""From what a person chose to a queued job: compose and pin the data, estimate, submit. No torch in here.

Page and command both come through here, so the same choice gets the same job and the same refusal.
"""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from core.catalog import bases, industries, specialists
from core.catalog.specialists import Specialist
from core.datasets import composition, versions
from core.datasets.chat import Encoded, read_chat_format
from core.datasets.composition import Composition
from core.datasets.doctor import consultation
from core.datasets.doctor.finding import KINDS
from core.datasets.specialist import loading, pipeline
from core.errors import AppError, BadInput, DataError
from core.evaluation import sandbox
from core.evaluation.benchmarks import Benchmark
from core.evaluation.pinned import pin_benchmark
from core.hardware.readings import read_host, read_machine
from core.paths import Workspace
from core.process import queue
from core.store import datasets, measurements
from core.store.connection import connect, opened
from core.store.jobs import Job
from core.training import configuration, estimate
from core.training.configuration import TrainingConfig
from core.training.estimate import Estimate, Workload
from core.training.plan import make_plan
from core.training.spec import TrainSpec
from core.wording import clip, show_bytes, show_name

MOST_NAME_LETTERS = 120
LEAST_GENERATED = 400


@dataclass(frozen=True)
class Draft:
    """A job that could be submitted: its data, its size, what it will take."""

    base: str
    config: TrainingConfig
    composition: Composition
    workload: Workload
    estimate: Estimate | None
    counted: dict[str, float]
    cut_examples: int
    spare_disk_bytes: float

    @property
    def tokens(self) -> int:
        return self.workload.tokens


def configure(
    base: str, preset: str, changes: Mapping[str, Any] | None = None, specialist: Specialist | None = None
) -> TrainingConfig:
    """Return a preset's configuration for a base, with a specialist's rank, and a person's own changes on top."""
    entry = bases.known_bases().get(base)
    suited = {"rank": specialist.rank, "alpha": 2 * specialist.rank} if specialist else {}
    return configuration.resolve_preset(preset, entry.advice if entry else None, **suited | dict(changes or {}))


def suited_base(specialist: Specialist) -> str:
    """Return the base that suits a specialist where it is on this machine, else the starter."""
    return specialist.base if bases.find_cached(specialist.base) is not None else "starter"


@lru_cache(maxsize=8)
def _compose_industries(
    ids: tuple[str, ...],
    generated: int,
    seed: int,
    mix: tuple[tuple[str, float], ...],
    workspace: Workspace,
    stamp: tuple[int, ...],
) -> Composition:
    return composition.of_industries(list(ids), generated, seed, workspace, dict(mix))


@dataclass(frozen=True)
class Sourcing:
    """Where a specialist's rows come from: its grammar, the hub, or a file or folder; and how many at most."""

    specialist: str
    source: Literal["generated", "hub"] | Path = "generated"
    rows: int | None = None

    def to_dict(self) -> dict[str, str | int | None]:
        return {"source": str(self.source), "rows": self.rows}


def compose_specialist(
    workspace: Workspace,
    config: TrainingConfig,
    wanted: Sourcing,
    told: Callable[[float, float, float], None] = lambda *_: None,
) -> Composition:
    """Return a specialist's data: loaded, cleaned, in its prompt, split, with its held-out rows as benchmark.

    Args:
        told: Called while a dataset of the hub comes, with (bytes here, bytes in all, bytes a second).

    Raises:
        NotFound: There is no such specialist.
        DataError: The rows can't be had, or too few of them can be used.
        SandboxError: Its answers are code, which this machine can't contain.
    """
    one = specialists.find(wanted.specialist, workspace)
    if one.grading == "code":
        sandbox.check()
    if isinstance(wanted.source, Path):
        loaded = loading.read_local(one, wanted.source)
    elif wanted.source == "hub":
        loaded = loading.read_hub(one, told, lambda: False)
    else:
        loaded = loading.generate(one, wanted.rows or count_generated(config), config.seed, workspace)
    made = composition.of_specialist(pipeline.prepare(one, loaded, config.seed, wanted.rows))
    return replace(made, rows_from=wanted.to_dict())


def held_out_of(workspace: Workspace, specialist: str) -> Benchmark:
    """Return the held-out rows of a specialist's generated data, as training with the standard preset holds them out.

    Raises:
        NotFound: There is no such specialist.
        SandboxError: Its answers are code, which this machine can't contain.
    """
    return compose_specialist(workspace, configure("starter", "standard"), Sourcing(specialist)).benchmark


def count_generated(config: TrainingConfig) -> int:
    """Return how many rows to generate, so that after the split as many are left to train on as the preset says."""
    return round((config.generated_examples or LEAST_GENERATED) / pipeline.SHARES[0])


def compose(
    workspace: Workspace,
    config: TrainingConfig,
    industry_ids: list[str],
    data: Path | None = None,
    mix: Mapping[str, float] | None = None,
    dataset: str = "",
) -> Composition:
    """Return the examples and the benchmark of a choice: industries, an own file, or an imported dataset.

    Raises:
        BadInput: More than one was given, or none.
        NotFound: There is no such dataset.
    """
    if sum((data is not None, bool(industry_ids), bool(dataset))) > 1:
        raise BadInput("Give industries, a data file or a dataset, not several of them.")
    if data is not None:
        return composition.of_file(data)
    if dataset:
        with opened(workspace) as db:
            found = datasets.find_named(db, dataset)
        return composition.of_version(workspace, found.sha, found.name)
    if not industry_ids:
        raise BadInput("Nothing to train on is chosen. Pick at least one industry, or give a data file or dataset.")
    packs = industries.expand(industry_ids, workspace)
    stamp = tuple(path.stat().st_mtime_ns for pack in packs for path in (pack.corpus_path, pack.benchmark_path) if path)
    return _compose_industries(
        tuple(industry_ids),
        config.generated_examples,
        config.seed,
        tuple(sorted((mix or {}).items())),
        workspace,
        stamp,
    )


def draft(workspace: Workspace, base: str, config: TrainingConfig, chosen: Composition) -> Draft:
    """Return what a job would be; the estimate is None for a hub base whose files are not here yet."""
    folder = bases.locate(base)
    training, _ = versions.split(chosen.examples, config.validation_share, config.seed)
    if folder is None:
        workload = _guess_workload(training, config, len(chosen.benchmark.items))
        return Draft(base, config, chosen, workload, None, {}, 0, estimate.count_spare_disk(None, config))
    encoded = read_chat_format(folder).encode(training, config.max_length)
    workload = measure_workload(encoded, config, len(chosen.benchmark.items))
    shape, machine = bases.read_shape(folder), read_machine()
    with closing(connect(workspace.database, several_writers=True)) as db:
        past = measurements.of_machine(db, machine.key)
    made = estimate.estimate(shape, config, workload, machine, bases.fingerprint(folder), past)
    return Draft(
        base,
        config,
        chosen,
        workload,
        made,
        estimate.counted(shape, config, workload, machine),
        sum(example.cut > 0 for example in encoded),
        estimate.count_spare_disk(shape, config),
    )


def check_findings(workspace: Workspace, chosen: Composition, accepted: str = "") -> dict[str, Any]:
    """Refuse a dataset with severe findings, unless somebody says why they may stay.

    Returns:
        What goes into the lineage: the findings by kind, and the reason.

    Raises:
        DataError: There are severe findings and no reason.
    """
    if "sha" not in chosen.source:
        return {}
    report = consultation.report_of(workspace, chosen.source["sha"])
    severe = [finding for finding in report.findings if finding.severity == "severe"]
    reason = " ".join(accepted.split())
    if severe and not reason:
        told = "; ".join(
            f"{KINDS[one.kind].title[:1].lower()}{KINDS[one.kind].title[1:]}, {one.count:,}" for one in severe
        )
        kinds = " ".join(f"--fix {one.kind}" for one in severe)
        raise DataError(
            f"The dataset {chosen.name!r} is not fit to train on: {told}. Put it right on the page Datasets or with "
            f"`atelier data check {chosen.name} {kinds}`, or say why it may stay so (--accept)."
        )
    findings = {one.kind: one.count for one in report.findings}
    return {"findings": findings} | ({"accepted": reason} if severe else {})


def check_disk(workspace: Workspace, planned: Draft) -> None:
    """Refuse a job for which the workspace's disk has no room.

    Raises:
        AppError: Too little is free.
    """
    free = read_host(workspace.root).disk_free_bytes
    if free < planned.spare_disk_bytes:
        raise AppError(
            f"The disk of {workspace.root} has {show_bytes(free)} free; this job needs "
            f"{show_bytes(planned.spare_disk_bytes)}. Free some space and try again."
        )


def measure_workload(encoded: list[Encoded], config: TrainingConfig, benchmark_items: int) -> Workload:
    plan = make_plan(
        encoded,
        batch_size=config.batch_size,
        accumulation_steps=config.accumulation_steps,
        epochs=config.epochs,
        max_steps=config.max_steps,
        packing=config.packing,
        max_length=config.max_length,
        seed=config.seed,
    )
    return Workload(
        tokens=sum(len(example.ids) for example in encoded),
        supervised_tokens=sum(example.supervised for example in encoded),
        longest=max(len(example.ids) for example in encoded),
        examples=len(encoded),
        steps=plan.steps,
        benchmark_items=benchmark_items,
    )


def _guess_workload(training: list[Any], config: TrainingConfig, items: int) -> Workload:
    """Return sizes at four letters a token, for a base whose tokenizer is not here yet."""
    sizes = [(len(example.prompt) + len(example.response)) // 4 + 8 for example in training]
    encoded = [Encoded(tuple(range(min(size, config.max_length))), size // 2, 0, 0) for size in sizes]
    return measure_workload(encoded, config, items)


def _read_name(name: str) -> str:
    label = " ".join(name.split())
    if len(label) > MOST_NAME_LETTERS:
        raise BadInput(f"The name has {len(label)} letters; at most {MOST_NAME_LETTERS} are possible. Shorten it.")
    if label != show_name(label):
        raise BadInput("The name holds bytes that are no text. Type it anew.")
    return label


def _aims(workspace: Workspace, specialist: str) -> dict[str, dict[str, float]]:
    if not specialist:
        return {}
    return {name: aim.model_dump() for name, aim in specialists.find(specialist, workspace).thresholds.items()}


def submit(
    workspace: Workspace,
    *,
    base: str,
    config: TrainingConfig,
    chosen: Composition,
    name: str = "",
    industry_ids: list[str] | None = None,
    preset: str = "",
    priority: str = "normal",
    evaluate: bool = True,
    baseline_only: bool = False,
    form_token: str | None = None,
    accepted: str = "",
) -> Job:
    """Pin the data and queue a training job.

    Args:
        accepted: Why the severe findings of a dataset may stay.

    Raises:
        BadInput: The name is no text or too long, or the priority unknown.
        DataError: The dataset has severe findings that nobody accepted.
        AppError: The disk has too little room.
    """
    queue.check_priority(priority)
    label = _read_name(name) or clip(f"{chosen.name} on {bases.title_of(base)}", MOST_NAME_LETTERS)
    findings = check_findings(workspace, chosen, accepted)
    planned = draft(workspace, base, config, chosen)
    check_disk(workspace, planned)
    with opened(workspace) as db:
        version = versions.save(
            workspace,
            db,
            chosen.name,
            chosen.examples,
            chosen.source | {"removed": chosen.removed} | findings,
            chosen.dropped,
        )
    spec = TrainSpec(
        base=bases.absolute(base),
        industries=tuple(industry_ids or ()),
        preset=preset,
        config=config,
        dataset=version.sha,
        dataset_name=chosen.name,
        composition=chosen.by_origin,
        benchmark=pin_benchmark(workspace, chosen.benchmark),
        benchmark_name=chosen.benchmark.name,
        evaluate=evaluate,
        baseline_only=baseline_only,
        counted=planned.counted,
        specialist=chosen.specialist,
        rubric=chosen.rubric,
        rows_from=chosen.rows_from,
        aims=_aims(workspace, chosen.specialist),
    )
    return queue.submit(
        workspace,
        kind="train",
        name=label,
        spec=spec.model_dump(mode="json"),
        priority=priority,
        dataset=version.sha,
        estimate=planned.estimate.to_dict() if planned.estimate else {},
        form_token=form_token,
    )
