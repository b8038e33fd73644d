"""`atelier evaluate` and `atelier compare`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.catalog.endpoints import PREFIX
from core.cli.output import print_json, print_table, print_text
from core.cli.own_benchmarks import held_out_of
from core.cli.workplace import open_workspace
from core.errors import AppError, BadInput
from core.evaluation import own_benchmarks, submission
from core.evaluation.benchmarks import Benchmark
from core.evaluation.measures import MEASURES
from core.evaluation.spec import MOST_SAMPLES
from core.paths import Workspace
from core.process import queue
from core.store import evaluations
from core.store.connection import opened

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]


def evaluate(
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="Industry (repeatable), safety, compliance, bias, own benchmark, or specialist:ID."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Own file; all its rows are test items.")] = None,
    base: Annotated[str, typer.Option(help="starter, a local folder, or a hub id.")] = "starter",
    adapter: Annotated[str, typer.Option(help="Adapter id or name; without it the base is tested.")] = "",
    harness: Annotated[str, typer.Option(help="Task of lm-evaluation-harness, in the place of a benchmark.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="With --harness: only so many items of each task.")] = None,
    include_path: Annotated[Path | None, typer.Option(help="With --harness: folder with tasks of your own.")] = None,
    samples: Annotated[
        int, typer.Option(min=1, max=MOST_SAMPLES, help="How often code is written; above 1 it is drawn, for pass@k.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of answers that are drawn.")] = 0,
    endpoint: Annotated[
        str, typer.Option(help="Model behind an OpenAI-compatible API, by its name in endpoints.yaml.")
    ] = "",
    priority: Annotated[str, typer.Option(help="low, normal or high.")] = "normal",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the score.")] = False,
    as_json: AsJson = False,
) -> None:
    """Test a base, an adapter or the model behind an endpoint on a benchmark."""
    queue.check_priority(priority)
    if endpoint and (adapter or base != "starter"):
        raise BadInput("Give --endpoint alone, or --base, or --adapter: one model is tested at a time.")
    base = PREFIX + endpoint if endpoint else base
    if harness:
        if benchmark or data or samples > 1:
            raise BadInput("Give --harness without --benchmark, --data and --samples: a task brings its own items.")
        submission.check_task(harness, include_path)
        workspace = open_workspace()
        job = submission.submit_task(
            workspace, harness, base=base, adapter=adapter, limit=limit, include_path=include_path, priority=priority
        )
    else:
        if limit is not None or include_path is not None:
            raise BadInput("--limit and --include-path belong to --harness. Give the task there, or leave them out.")
        chosen = choose_benchmark(Workspace.chosen(), benchmark or [], data)
        workspace = open_workspace()
        job = submission.submit(
            workspace, base=base, benchmark=chosen, adapter=adapter, priority=priority, samples=samples, seed=seed
        )
    if not wait:
        if as_json:
            print_json({"job": job.id, "number": job.number, "state": job.state})
        else:
            print_text(f"Job #{job.number} is queued. Follow it with `atelier jobs show {job.number}`.")
        return
    ended = queue.wait(workspace, job.id)
    with opened(workspace) as db:
        rows = evaluations.of_job(db, job.id)
    described = _describe(rows[0]) if rows else {}
    if as_json:
        print_json({"job": ended.id, "state": ended.state, "error": ended.error} | described)
    elif rows:
        print_text(
            f"{rows[0].score:.1%} (95% interval {rows[0].low:.1%} to {rows[0].high:.1%}) on {rows[0].items} items. "
            f"Evaluation {rows[0].id}"
        )
        for line in (*_describe_metrics(rows[0].metrics), *_describe_endpoint(rows[0].details)):
            print_text(line)
    if ended.state != "succeeded":
        if as_json:
            raise typer.Exit(1)
        raise AppError(f"Job #{ended.number} is {ended.state}. {ended.error or ended.reason}".strip())


def choose_benchmark(workspace: Workspace, names: list[str], data: Path | None) -> Benchmark:
    """Return the benchmark of industries, of a specialist, of an own name, or one of the rows of an own file.

    Raises:
        BadInput: Both were given, or neither.
        NotFound: No benchmark is called so.
    """
    if bool(names) == (data is not None):
        raise BadInput("Give either --benchmark with an industry, --data with a file, or --harness with a task.")
    if data is not None:
        return own_benchmarks.make(data.name, own_benchmarks.read_file(data))
    return own_benchmarks.resolve(workspace, names, held_out_of(workspace))


def _describe(row: evaluations.EvaluationRow) -> dict[str, Any]:
    return {
        "evaluation": row.id,
        "model": row.adapter or row.base,
        "benchmark": row.benchmark,
        "items": row.items,
        "score": row.score,
        "low": row.low,
        "high": row.high,
        "components": row.components,
        "seconds": row.seconds,
        "latency_ms": 1000 * row.seconds / max(1, row.items),
        "tokens_per_second": row.tokens / max(1e-9, row.seconds),
        "metrics": row.metrics,
    } | ({"endpoint" if "endpoint" in row.details else "details": row.details} if row.details else {})


def _describe_metrics(values: dict[str, float]) -> list[str]:
    """Return the metrics of an evaluation beside its score, in one line."""
    told = []
    for name, value in values.items():
        known = MEASURES.get(name)
        shown = f"{value:.1%}" if known and known.is_share else f"{value:.4g}"
        told.append(f"{known.title if known else name} {shown}")
    return [f"{'; '.join(told)}."] if told else []


def _describe_endpoint(details: dict[str, Any]) -> list[str]:
    """Return what an evaluation of an endpoint cost, and what else a person should know of it."""
    if "endpoint" not in details:
        return []
    read, written, cost = details["input_tokens"], details["output_tokens"], details["cost"]
    counted = f"{read:,} tokens read, {written:,} written" if None not in (read, written) else "tokens were not counted"
    price = f"Cost {cost:,.6g} {details['currency']}" if cost is not None else "Cost unknown"
    lines = [f"{price}; {counted}; {details['latency_ms_median']:,.0f} ms for an answer (median)."]
    if details["cut_off"]:
        lines.append(
            f"{details['cut_off']} answers were cut off by the limit of tokens; see `options` of endpoints.yaml."
        )
    if details["refused"] or details["choices_not_named"]:
        lines.append(
            f"{details['refused']} refused, {details['choices_not_named']} choices not named; these count as wrong."
        )
    note = details["settings"].get("note")
    return [*lines, note] if note else lines


def compare(
    first: Annotated[str, typer.Argument(help="Evaluation id, for instance of the base.")],
    second: Annotated[str, typer.Argument(help="Evaluation id that is held against it.")],
    written: Annotated[bool, typer.Option("--written", help="Leave choice items out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare two evaluations of the same benchmark, item by item, and give the verdict."""
    from core.evaluation.results import compare_stored  # brings numpy, which the other commands do not wait for

    workspace = open_workspace()
    with opened(workspace) as db:
        pair = evaluations.get(db, first), evaluations.get(db, second)
        verdict = compare_stored(db, workspace, *pair, written)
        stored = evaluations.stored_verdict(db, pair[0].id, pair[1].id)
    if as_json:
        aims = stored.content.get("aims", {}) if stored else {}
        ids = {"base_evaluation": pair[0].id, "tuned_evaluation": pair[1].id}
        print_json(verdict.to_dict() | {"aims": aims} | ids)
        return
    print_text(verdict.sentence)
    print_table(
        ("part", "items", "first", "second", "difference"),
        [
            (
                part.title,
                part.items,
                f"{part.base.value:.0%}",
                f"{part.tuned.value:.0%}",
                f"{100 * part.difference.value:+.0f} points",
            )
            for part in verdict.components
        ],
    )
