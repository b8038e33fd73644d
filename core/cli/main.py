"""The command's frame: its groups, and its exit codes: 0 done, 1 failed, 2 bad input, 130 interrupted."""

import io
import os
import subprocess
import sys
import traceback
from types import TracebackType
from typing import Annotated, NoReturn

import typer

from core.catalog import bases as base_models
from core.catalog import endpoints
from core.catalog import industries as packs
from core.cli import (
    agreement,
    corrections,
    data,
    experts,
    jobs,
    measure,
    models,
    own_benchmarks,
    rank,
    score,
    serve,
    train,
)
from core.cli import doctor as checks
from core.cli.output import print_json, print_table, say, show_help
from core.datasets.reading import read_examples
from core.errors import AppError, BadInput
from core.evaluation.benchmarks import read_items
from core.paths import PROJECT_DIR, Workspace
from core.redaction import redacted
from core.training.configuration import TrainingConfig

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Tailor an open language model to an industry, prove that it is better, put it to use.",
)
app.callback(invoke_without_command=True)(show_help)
app.add_typer(jobs.app, name="jobs")
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.command("train", epilog=f"Fields of --set and --config: {', '.join(TrainingConfig.model_fields)}.")(train.train)
app.command("specialists")(experts.list_specialists)
app.command("agreement")(agreement.agreement)
app.add_typer(corrections.app, name="corrections")
app.command("evaluate")(measure.evaluate)
app.command("compare")(measure.compare)
app.add_typer(own_benchmarks.app, name="benchmarks")
app.command("leaderboard")(rank.leaderboard)
app.command("results")(rank.results)
app.command("matrix")(rank.matrix)
app.command("score")(score.score)
app.command("serve")(serve.serve)

INTERRUPTED = 130
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]


@app.command("app")
def open_app(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8501,
    headless: Annotated[bool, typer.Option(help="Do not open a browser.")] = False,
) -> None:
    """Open the app in the browser."""
    if not 1 <= port <= 65535:
        raise BadInput(f"The port {port} is not between 1 and 65535.")
    command = [sys.executable, "-m", "pages.widgets.server", "--server.port", str(port)]
    command += ["--server.headless", "true"] if headless else []
    raise typer.Exit(subprocess.call(command, cwd=PROJECT_DIR))


@app.command()
def doctor(
    pack: Annotated[
        str, typer.Argument(help="Id of an industry or a specialist, or its YAML file: then only this is looked at.")
    ] = "",
    as_json: AsJson = False,
    restore: Annotated[bool, typer.Option("--restore", help="Replace a damaged database by its last backup.")] = False,
) -> None:
    """Say what of the machine, the packages, the data files and the workspace is fit or not, and what to do."""
    workspace = Workspace.chosen()
    if pack:
        findings = list(checks.look_at(workspace, pack))
    else:
        findings = checks.examine(workspace, restore=restore)
    if as_json:
        print_json([finding.to_dict() for finding in findings])
    else:
        checks.print_findings(findings)
    if any(finding.severity == "problem" for finding in findings):
        raise typer.Exit(1)


@app.command("industries")
def list_industries(as_json: AsJson = False) -> None:
    """List the industries: corpus, benchmark, what is measured."""
    workspace = Workspace.chosen()
    found = []
    for pack in packs.all_industries(workspace).values():
        members = packs.expand([pack.id], workspace)
        items = sum(len(read_items(member.benchmark_path)) for member in members if member.benchmark_path)
        found.append(
            {
                "id": pack.id,
                "title": pack.title,
                "summary": pack.summary,
                "corpus": pack.corpus,
                "examples": len(read_examples(pack.corpus_path)),
                "benchmark_items": items,
                "complexity": pack.complexity,
                "hours_7b": pack.hours_7b,
                "members": pack.members,
                "key_metrics": pack.key_metrics,
                "vocabulary": pack.vocabulary,
                "suits": pack.suits,
                "feeds": [feed.model_dump() for feed in pack.feeds],
                "components": {name: part.model_dump() for name, part in pack.components.items()},
            }
        )
    if as_json:
        print_json(found)
    else:
        print_table(
            ("id", "examples", "benchmark items", "summary"),
            [(one["id"], one["examples"], one["benchmark_items"], one["summary"]) for one in found],
        )


@app.command("bases")
def list_bases(as_json: AsJson = False) -> None:
    """List the known base models and which are on this machine, and the endpoints."""
    found = []
    for entry in base_models.known_bases().values():
        here = entry.folder is not None or base_models.find_cached(entry.id) is not None
        found.append(
            {
                "id": entry.id,
                "title": entry.title,
                "class": entry.size_class,
                "parameters": entry.parameters,
                "gpu_memory_gb": entry.gpu_memory_gb,
                "licence": entry.licence,
                "good_for": entry.good_for,
                "on_this_machine": here,
            }
        )
    for endpoint in endpoints.all_endpoints(Workspace.chosen()).values():
        found.append(
            {
                "id": endpoint.base,
                "title": endpoint.name,
                "class": "endpoint",
                "parameters": None,
                "gpu_memory_gb": 0.0,
                "licence": "",
                "good_for": f"To be measured: {endpoint.model} at {endpoint.url}",
                "on_this_machine": False,
            }
        )
    if as_json:
        print_json(found)
    else:
        print_table(
            ("id", "class", "GPU memory", "here", "good for"),
            [
                (
                    one["id"],
                    one["class"],
                    f"{one['gpu_memory_gb']:g} GB",
                    "yes" if one["on_this_machine"] else "no",
                    one["good_for"],
                )
                for one in found
            ],
        )


def run() -> None:
    """Run the command and leave with its exit code; an expected failure is one sentence on stderr."""
    sys.excepthook = _report_unexpected
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the letter still gets the sentence
    wants_json = "--json" in sys.argv
    try:
        _refuse_broken_text(sys.argv[1:])
        command = typer.main.get_command(app)  # calling the app itself would put typer's hook in the place of ours
        code = command(prog_name="atelier", standalone_mode=False) or 0
        sys.stdout.flush()
    except AppError as error:
        _fail(str(error), error.exit_code, wants_json)
    except typer.TyperException as error:
        _fail(_describe_usage(error), 2, wants_json)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise SystemExit(1) from None
    if code == INTERRUPTED:
        _fail("Interrupted. Jobs go on in the background; `atelier jobs list` shows them.", code, wants_json)
    raise SystemExit(code)


def _refuse_broken_text(arguments: list[str]) -> None:
    for argument in arguments:
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            raise BadInput(f"The argument {argument!r} is not UTF-8 text. Write it in UTF-8.") from None


def _describe_usage(error: typer.TyperException) -> str:
    message = error.format_message()
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "atelier"
    return f"{message if message.endswith(('.', '?')) else message + '.'} See `{where} --help`."


def _report_unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in a sentence that something unexpected happened, and where its traceback is kept."""
    details = Workspace.chosen().logs / "command.log"
    try:
        details.parent.mkdir(parents=True, exist_ok=True)
        with details.open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(redacted("".join(traceback.format_exception(kind, error, trace))))
        where = f"The details are in {details}."
    except OSError:
        traceback.print_exception(kind, error, trace)
        where = "The details stand above."
    message = f"Something went wrong that Atelier did not expect: {kind.__name__}: {error}. {where}"
    if "--json" in sys.argv:
        print_json({"error": message, "code": 1})
    say(message)


def _fail(message: str, code: int, wants_json: bool) -> NoReturn:
    if wants_json:
        print_json({"error": message, "code": code})
    say(message)
    raise SystemExit(code)


if __name__ == "__main__":
    run()
