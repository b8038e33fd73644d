"""`atelier train`: queue a training job, and wait for its verdict if asked to."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from core.catalog import specialists
from core.catalog.specialists import Specialist
from core.cli.dataset import say_download
from core.cli.output import print_json, print_text, say
from core.cli.workplace import open_workspace
from core.errors import AppError, BadInput, ConfigError, RegistryError
from core.paths import Workspace
from core.process import queue
from core.registry import proposal
from core.scoring.composition import RubricSourcing
from core.scoring.composition import compose as compose_rubric
from core.store import evaluations
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_progress
from core.training import configuration, submission
from core.training.submission import Sourcing
from core.wording import show_bytes, show_duration, show_energy


def train(
    industry: Annotated[list[str] | None, typer.Option(help="Industry id; repeat it for several.")] = None,
    data: Annotated[
        Path | None, typer.Option(help="Own file (CSV, TSV, JSON, JSONL, Parquet) instead of industries.")
    ] = None,
    dataset: Annotated[str, typer.Option(help="Imported dataset instead of industries; see atelier data list.")] = "",
    specialist: Annotated[
        str, typer.Option(help="Specialist, with generated examples or those of --data or --source; see specialists.")
    ] = "",
    source: Annotated[str, typer.Option(help="generated, or hub for the specialist's dataset there.")] = "generated",
    rubric: Annotated[
        str, typer.Option(help="Rubric, with made transcripts or the rated ones of --data; see `atelier data make`.")
    ] = "",
    rows: Annotated[
        int | None, typer.Option(min=1, help="At most so many rows of the specialist's data, or rated transcripts.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="starter, a local folder, or a hub id such as owner/name.")] = None,
    preset: Annotated[str, typer.Option(help="quick, standard or thorough.")] = "standard",
    config: Annotated[Path | None, typer.Option(help="YAML file with training fields.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="One field, as key=value; repeatable.")] = None,
    mix: Annotated[list[str] | None, typer.Option(help="Ratio of an industry's generated examples, as id=2.")] = None,
    name: Annotated[str, typer.Option(help="Name of the job and its adapter.")] = "",
    priority: Annotated[str, typer.Option(help="low, normal or high.")] = "normal",
    evaluate: Annotated[bool, typer.Option(help="Compare with the base at the end.")] = True,
    baseline_only: Annotated[bool, typer.Option("--baseline-only", help="Only test the base; train nothing.")] = False,
    accept: Annotated[str, typer.Option(help="Why severe findings of the dataset may stay.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the estimate and queue nothing.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and show the verdict.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """Train an adapter on industries or on your own file, test it against its base, give the verdict."""
    queue.check_priority(priority)
    changes, named_base = configuration.read_yaml(config) if config else ({}, None)
    changes |= configuration.parse_settings(settings or [])
    expert = specialists.find(specialist, Workspace.chosen()) if specialist else None
    fallback = submission.suited_base(expert) if expert else "starter"
    chosen_base = next((one for one in (base, named_base) if one is not None), fallback)
    resolved = submission.configure(chosen_base, preset, changes, expert)
    place = open_workspace() if dataset else Workspace.chosen()
    if rubric:
        if industry or dataset or mix or expert or source != "generated":
            raise BadInput("A rubric has data of its own. Give --rubric with --data and --rows at most.")
        composed = compose_rubric(place, chosen_base, resolved, RubricSourcing(rubric, data, rows))
    elif expert:
        if industry or dataset or mix:
            raise BadInput("A specialist has data of its own. Leave --industry, --dataset and --mix out.")
        composed = submission.compose_specialist(place, resolved, _sourcing(expert, source, data, rows), say_download)
    else:
        if source != "generated" or rows is not None:
            raise BadInput("--source belongs to --specialist, --rows to --specialist or --rubric.")
        composed = submission.compose(place, resolved, industry or [], data, _read_mix(mix or []), dataset)
    workspace = open_workspace()
    draft = submission.draft(workspace, chosen_base, resolved, composed)
    if dry_run:
        if as_json:
            print_json(
                {
                    "composition": composed.by_origin,
                    "tokens": draft.tokens,
                    "steps": draft.workload.steps,
                    "estimate": draft.estimate.to_dict() if draft.estimate else None,
                    "config": resolved.model_dump(mode="json"),
                }
            )
        else:
            _say_plan(draft)
        return
    job = submission.submit(
        workspace,
        base=chosen_base,
        config=resolved,
        chosen=composed,
        name=name,
        industry_ids=industry,
        preset=preset if not config else "",
        priority=priority,
        evaluate=evaluate,
        baseline_only=baseline_only,
        accepted=accept,
    )
    if not as_json:
        _say_plan(draft)
    if not wait:
        if as_json:
            print_json({"job": job.id, "number": job.number, "state": job.state})
        else:
            print_text(
                f"Job #{job.number} is queued. Follow it with `atelier jobs show {job.number}` or on the Jobs page."
            )
        return
    ended = _wait(workspace, job, quiet=as_json)
    if as_json:
        print_json(describe_result(workspace, ended))
    else:
        _print_end(workspace, ended)
    if ended.state != "succeeded":
        raise typer.Exit(1)


def _sourcing(expert: Specialist, source: str, data: Path | None, rows: int | None) -> Sourcing:
    if source not in ("generated", "hub"):
        raise BadInput(f"--source is {source!r}. Choose generated or hub, or give --data.")
    if data is not None:
        if source == "hub":
            raise BadInput("Give --data or --source hub, not both.")
        return Sourcing(expert.id, data, rows)
    return Sourcing(expert.id, "hub" if source == "hub" else "generated", rows)


def _read_mix(pairs: list[str]) -> dict[str, float]:
    mix = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            mix[name.strip()] = float(text)
        except ValueError:
            raise ConfigError(f"--mix {pair!r} is not of the form industry=ratio, such as finance=2.") from None
    return mix


def _say_plan(draft: submission.Draft) -> None:
    counts = ", ".join(f"{count} {origin}" for origin, count in draft.composition.by_origin.items())
    say(f"{counts}; {draft.tokens:,} tokens an epoch, {draft.workload.steps} steps.")
    if "columns" in draft.composition.source:
        say(draft.composition.source["columns"])
    for reason, count in draft.composition.removed.items():
        say(f"Left out: {count} rows ({reason}).")
    if draft.cut_examples:
        say(
            f"{draft.cut_examples} examples are longer than {draft.config.max_length} tokens and lose the beginning of "
            "their "
            "prompt. Raise max_length to keep them whole."
        )
    if draft.estimate:
        one = draft.estimate
        learned = f"learned from {one.jobs} jobs here" if one.jobs else "first estimate on this machine"
        say(
            f"About {show_duration(one.seconds)}, {show_bytes(one.memory_bytes)} memory, "
            f"{show_bytes(one.disk_bytes)} disk, "
            f"energy {show_energy(one.joules)} ({learned})."
        )


def _wait(workspace: Workspace, job: Job, quiet: bool) -> Job:
    """Wait for the job's end, with its progress on stderr where people read it."""
    if quiet or not sys.stderr.isatty():
        return queue.wait(workspace, job.id)
    import threading

    done = threading.Event()

    def show() -> None:
        while not done.wait(0.5):
            progress = read_progress(workspace.job(job.id).metrics)
            if progress and progress.steps:
                left = f", {show_duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
                print(
                    f"\r\033[K{progress.phase}: {progress.step} of {progress.steps}{left}",
                    end="",
                    file=sys.stderr,
                    flush=True,
                )

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        return queue.wait(workspace, job.id)
    finally:
        done.set()
        thread.join()
        print("\r\033[K", end="", file=sys.stderr)


def describe_result(workspace: Workspace, job: Job) -> dict[str, Any]:
    """Return a job with its results as the command's JSON has them."""
    kept = (
        "adapter",
        "steps",
        "tokens",
        "seconds",
        "tokens_per_second",
        "eval_loss_before",
        "eval_loss_after",
        "evaluation",
        "score",
        "low",
        "high",
        "joules",
        "peak_memory_bytes",
        "precision",
        "cut_examples",
        "train_examples",
        "validation_examples",
        "job_seconds",
    )
    described: dict[str, Any] = {
        "job": job.id,
        "number": job.number,
        "name": job.name,
        "kind": job.kind,
        "state": job.state,
        "reason": job.reason,
        "error": job.error,
        "attempt": job.attempt,
    }
    described |= {key: job.result[key] for key in kept if key in job.result}
    with opened(workspace) as db:
        row = evaluations.verdict_of_job(db, job.id)
    described["verdict"] = row.content if row else None
    if row:
        described["verdict"] |= {"base_evaluation": row.base_evaluation, "tuned_evaluation": row.tuned_evaluation}
    return described


def _print_end(workspace: Workspace, job: Job) -> None:
    if job.state != "succeeded":
        raise AppError(f"Job #{job.number} is {job.state}. {job.error or job.reason}".strip())
    result = describe_result(workspace, job)
    if result["verdict"]:
        print_text(result["verdict"]["sentence"])
    for one in (result["verdict"] or {}).get("metrics", []):
        aim = result["verdict"].get("aims", {}).get(one["metric"])
        reached = f", aim {_metric(one, aim['tuned'])}" if aim else ""
        print_text(f"{one['title']}: {_metric(one, one['base'])} to {_metric(one, one['tuned'])}{reached}.")
    if "adapter" in result:
        print_text(
            f"{result['steps']} steps in {show_duration(result['seconds'])}, "
            f"{result['tokens_per_second']:,.0f} tokens/s{_describe_losses(result)}."
        )
        print_text(f"The adapter is in {workspace.adapters / result['adapter']}.")
        if result["verdict"]:
            print_text(_tell_gate(workspace, result["adapter"]))
    elif "score" in result:
        print_text(f"The base scores {result['score']:.0%}.")


def _tell_gate(workspace: Workspace, adapter: str) -> str:
    """Return what the gate says; rules that can't be read cost this sentence and no more."""
    try:
        return proposal.tell_now(workspace, adapter)
    except RegistryError as error:
        return f"The gate can't be asked: {error}"


def _metric(one: dict[str, Any], value: float) -> str:
    return f"{value:.1%}" if one["is_share"] else f"{value:.2f}"


def _describe_losses(result: dict[str, Any]) -> str:
    before, after = result["eval_loss_before"], result["eval_loss_after"]
    return "" if before is None or after is None else f", eval loss {before:.3f} to {after:.3f}"
