"""`atelier jobs`: list, show, log, and what can be done with a job."""

import time
from collections.abc import Callable
from typing import Annotated, Any

import typer

from core.cli.output import print_json, print_table, print_text, show_help
from core.cli.train import describe_result
from core.cli.workplace import open_workspace
from core.process import queue
from core.store import jobs
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_last, read_progress
from core.training import configuration
from core.wording import show_duration

app = typer.Typer(help="Jobs: list, watch, pause, resume, cancel, retry.")
app.callback(invoke_without_command=True)(show_help)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
JobId = Annotated[str, typer.Argument(help="The job's number, id, or the beginning of its id.")]


@app.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the newest.")] = 20, as_json: AsJson = False
) -> None:
    """List the newest jobs."""
    workspace = open_workspace()
    with opened(workspace) as db:
        found = jobs.recent(db, limit)
    if as_json:
        print_json([_brief(job) for job in found])
        return
    if not found:
        print_text("No jobs yet. Start one with `atelier train --industry finance`.")
        return
    print_table(
        ("#", "state", "kind", "priority", "started", "name"),
        [(job.number, job.state, job.kind, job.priority_name, _when(job.started_at), job.name) for job in found],
    )


def _brief(job: Job) -> dict[str, Any]:
    return {
        "job": job.id,
        "number": job.number,
        "name": job.name,
        "kind": job.kind,
        "state": job.state,
        "reason": job.reason,
        "priority": job.priority_name,
        "attempt": job.attempt,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
    }


def _when(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else "-"


@app.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Show a job: state, progress, newest metrics, result, history."""
    workspace = open_workspace()
    with opened(workspace) as db:
        job = jobs.find(db, job_id)
        history = jobs.events(db, job.id)
    progress = read_progress(workspace.job(job.id).metrics)
    last = read_last(workspace.job(job.id).metrics)
    if as_json:
        print_json(
            _brief(job)
            | describe_result(workspace, job)
            | {
                "progress": vars(progress) if progress else None,
                "metrics": last,
                "spec": job.spec,
                "events": [vars(event) for event in history],
            }
        )
        return
    print_text(f"#{job.number} {job.name}: {job.state}{f' ({job.reason})' if job.reason else ''}")
    if progress and job.is_alive:
        left = f", {show_duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
        print_text(f"{progress.phase}: {progress.step} of {progress.steps}{left}")
    for name, value in sorted(last.items()):
        print_text(f"  {name} {value:.6g}")
    if job.error:
        print_text(job.error)
    result = describe_result(workspace, job)
    if result.get("verdict"):
        print_text(result["verdict"]["sentence"])
    for event in history:
        note = f": {event.note}" if event.note else ""
        print_text(f"  {_when(event.at)}  {event.before or 'new'} -> {event.after}{note}")


@app.command()
def log(job_id: JobId, lines: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 200) -> None:
    """Print a job's log."""
    workspace = open_workspace()
    with opened(workspace) as db:
        job = jobs.find(db, job_id)
    path = workspace.job(job.id).log
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    print_text("\n".join(text.splitlines()[-lines:]) or f"Job #{job.number} has written nothing yet.")


@app.command()
def diff(first: JobId, second: JobId, as_json: AsJson = False) -> None:
    """Show in which training fields two jobs differ."""
    workspace = open_workspace()
    with opened(workspace) as db:
        pair = [jobs.find(db, first), jobs.find(db, second)]
    specs = [
        {
            **{key: job.spec.get(key) for key in ("base", "dataset_name", "dataset", "benchmark_name")},
            **job.spec.get("config", {}),
        }
        for job in pair
    ]
    found = configuration.difference(specs[0], specs[1])
    if as_json:
        print_json([{"field": name, "first": one, "second": other} for name, one, other in found])
    elif found:
        print_table(("field", f"#{pair[0].number}", f"#{pair[1].number}"), found)
    else:
        print_text("The two jobs have the same configuration.")


def _act(job_id: str, action: Callable[[Any, Job], Job], as_json: bool) -> None:
    workspace = open_workspace()
    with opened(workspace) as db:
        job = action(db, jobs.find(db, job_id))
    queue.ensure_supervisor(workspace)
    if as_json:
        print_json(_brief(job))
    else:
        print_text(f"Job #{job.number} is {job.state}.")


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """End a job for good."""
    _act(job_id, queue.cancel, as_json)


@app.command()
def pause(job_id: JobId, as_json: AsJson = False) -> None:
    """Let a running job save its state and leave the device."""
    _act(job_id, queue.pause, as_json)


@app.command()
def resume(job_id: JobId, as_json: AsJson = False) -> None:
    """Let a paused job go on exactly where it was."""
    _act(job_id, queue.resume, as_json)


@app.command()
def retry(job_id: JobId, as_json: AsJson = False) -> None:
    """Queue an ended job anew, with the same specification."""
    _act(job_id, queue.retry, as_json)


@app.command()
def priority(
    job_id: JobId, value: Annotated[str, typer.Argument(help="low, normal or high")], as_json: AsJson = False
) -> None:
    """Change a waiting job's place in the queue."""
    queue.check_priority(value)
    _act(job_id, lambda db, job: queue.set_priority(db, job, value), as_json)
