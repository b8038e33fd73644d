"""`atelier benchmarks`: what a model can be tested on, and own benchmarks among it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.catalog import specialists
from core.cli.output import print_json, print_table, print_text, show_help
from core.cli.workplace import open_workspace
from core.errors import BadInput
from core.evaluation import own_benchmarks
from core.evaluation.benchmarks import Benchmark
from core.paths import Workspace
from core.store import benchmarks as stored
from core.store.benchmarks import NamedBenchmark
from core.store.connection import opened
from core.training import submission as training

app = typer.Typer(help="List, show, add and delete benchmarks.")
app.callback(invoke_without_command=True)(show_help)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
SHOWN = 20


def held_out_of(workspace: Workspace) -> own_benchmarks.OfSpecialist:
    return lambda specialist: training.held_out_of(workspace, specialist)


@app.command("list")
def list_benchmarks(as_json: AsJson = False) -> None:
    """List the benchmarks that `atelier evaluate --benchmark` takes."""
    workspace = open_workspace()
    with opened(workspace) as db:
        own = stored.named(db)
    shipped = own_benchmarks.industry_shas(workspace)
    found: list[dict[str, Any]] = [{"name": name, "kind": "industry", "sha": sha} for name, sha in shipped.items()]
    found += [{"name": name, "kind": "conduct"} for name in own_benchmarks.CONDUCT]
    found += [_describe(one) for one in own]
    found += [
        {"name": own_benchmarks.SPECIALIST + name, "kind": "specialist"}
        for name in specialists.all_specialists(workspace)
    ]
    if as_json:
        print_json(found)
        return
    print_table(("name", "tests", "items"), [(one["name"], one["kind"], one.get("items", "")) for one in found])


def _describe(one: NamedBenchmark) -> dict[str, Any]:
    return {
        "name": one.name, "kind": one.kind, "sha": one.sha, "items": one.items, "versions": one.versions
    }  # fmt: skip


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Industry, specialist:ID, safety, compliance, bias or own name.")],
    as_json: AsJson = False,
) -> None:
    """Show a benchmark's items."""
    workspace = open_workspace()
    found = own_benchmarks.resolve(workspace, [name], held_out_of(workspace))
    if as_json:
        print_json(_whole(found))
        return
    parts = ", ".join(f"{found.titles.get(one, one)} {weight:.0%}" for one, weight in found.weights.items())
    print_text(f"{found.name}: {len(found.items):,} items; {parts}. Hash {found.sha[:12]}.")
    print_table(
        ("id", "type", "question", "expected"),
        [(item.id, item.type, item.prompt, item.expected) for item in found.items[:SHOWN]],
    )
    if len(found.items) > SHOWN:
        print_text(f"The first {SHOWN} of {len(found.items):,}; --json gives all.")


def _whole(found: Benchmark) -> dict[str, Any]:
    return {
        "name": found.name,
        "sha": found.sha,
        "weights": dict(found.weights),
        "metrics": list(found.metrics),
        "items": [item.to_row() for item in found.items],
    }


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="JSONL of items, or any data file whose rows ask and answer.")],
    name: Annotated[str, typer.Option(help="Name of the benchmark; without it the file's.")] = "",
    kind: Annotated[str, typer.Option(help=f"What it tests: {', '.join(own_benchmarks.KINDS)}.")] = "domain knowledge",
    weight: Annotated[
        list[str] | None, typer.Option(help="Weight of a component, such as risk=0.6; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a benchmark of a file; its items are frozen under their hash."""
    weights = dict(_read_weight(one) for one in weight or [])
    items = own_benchmarks.read_file(file)
    label = own_benchmarks.check_name(Workspace.chosen(), name or own_benchmarks.name_from(file))
    own_benchmarks.check_kind(kind)
    own_benchmarks.make(label, items, weights)
    made = own_benchmarks.freeze(open_workspace(), label, items, kind, weights)
    if as_json:
        print_json(_describe(made))
    else:
        version = f", version {made.versions}" if made.versions > 1 else ""
        print_text(f"{made.name}: {made.items:,} items to test {made.kind}{version}. Hash {made.sha[:12]}.")


def _read_weight(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise BadInput(f"The weight {text!r} can't be read. Write it as component=0.6.") from None


@app.command()
def delete(name: Annotated[str, typer.Argument(help="Own benchmark.")], as_json: AsJson = False) -> None:
    """Take an own benchmark's name away; what was measured on it stays."""
    gone = own_benchmarks.delete(open_workspace(), name)
    if as_json:
        print_json(_describe(gone))
    else:
        print_text(f"{gone.name} is deleted. What was measured on it stays.")
