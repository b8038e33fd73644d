"""`atelier models`: the registry of adapters, the gate, and what is in production."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from core import durable
from core.cli import review
from core.cli.output import print_json, print_table, print_text, say, show_help
from core.cli.workplace import open_workspace
from core.errors import BadInput
from core.paths import Workspace
from core.registry import facts, promotion, proposal
from core.registry.cards import write_card
from core.registry.gate import Result
from core.registry.promotion import Look
from core.registry.report import make_report, write_markdown
from core.registry.report_html import write_html
from core.store import adapters, proposals, registry
from core.store.connection import opened
from core.store.registry import STAGES, Decision, Entry

app = typer.Typer(help="Adapters: list, gate, review, promote, roll back, undo, archive, report.")
app.callback(invoke_without_command=True)(show_help)
app.command("review")(review.review)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
Adapter = Annotated[str, typer.Argument(help="The adapter's id, the beginning of it, or its name.")]
Scope = Annotated[str, typer.Argument(help="Industry, combination such as finance+retail, or specialist:ID.")]
Review = Annotated[str, typer.Option(help="Who reviewed it and what was found: 'Ann Ray: read 30 answers'.")]
Note = Annotated[str, typer.Option(help="A word that stays with the decision.")]


@app.command("list")
def list_models(
    scope: Annotated[str, typer.Option(help="Only those of this industry, combination or specialist:ID.")] = "",
    stage: Annotated[str, typer.Option(help="Only those in this stage.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the adapters, the newest first."""
    if stage and stage not in STAGES:
        raise BadInput(f"There is no stage {stage!r}. Choose from: {', '.join(STAGES)}.")
    workspace = open_workspace()
    with opened(workspace) as db:
        found = [one for one in registry.entries(db, scope or None) if stage in ("", one.stage)]
    if as_json:
        print_json([_entry(workspace, one) for one in found])
        return
    if not found:
        print_text("No adapters here yet. `atelier train --industry finance` makes one.")
        return
    print_table(
        ("id", "stage", "scope", "score", "made", "name"),
        [
            (one.id, one.stage, one.scope, "-" if one.score is None else f"{one.score:.0%}", _when(one), one.name)
            for one in found
        ],
    )


def _when(one: Entry | Decision) -> str:
    moment = one.created_at if isinstance(one, Entry) else one.at
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))


def _entry(workspace: Workspace, one: Entry) -> dict[str, Any]:
    weights = workspace.adapters / one.id / facts.WEIGHTS
    return {
        "id": one.id,
        "name": one.name,
        "scope": one.scope,
        "stage": one.stage,
        "base": one.base,
        "score": one.score,
        "low": one.low,
        "high": one.high,
        "size_mb": weights.stat().st_size / 1e6 if weights.is_file() else None,
        "created": one.created_at,
    }


@app.command()
def show(adapter: Adapter, as_json: AsJson = False) -> None:
    """Show an adapter: where it comes from, what the gate says, what was decided."""
    workspace = open_workspace()
    seen = promotion.look(workspace, adapter)
    row = seen.known.row
    with opened(workspace) as db:
        entry = next(one for one in registry.entries(db, seen.known.scope) if one.id == row.id)
        history = registry.decisions(db, seen.known.scope, row.id)
        proposed = proposals.find(db, row.id)
    card = row.card
    if as_json:
        lineage = {name: card.get(name) for name in _LINEAGE}
        shown = _entry(workspace, entry) | {"lineage": lineage, "gate": seen.ruling.to_dict()}
        shown |= {"in_production": seen.production, "proposal": proposal.tell(proposed) if proposed else ""}
        print_json(shown | {"decisions": [describe(one) for one in history]})
        return
    print_text(f"{row.name} ({row.id})")
    print_text(f"{entry.stage} of {entry.scope}; base {row.base}; dataset {card.get('dataset_name', 'unknown')}.")
    if seen.known.verdict:
        print_text(seen.known.verdict["sentence"])
    _print_gate(seen)
    if proposed:
        print_text(f"When its job ended: {proposal.tell(proposed)}")
    for one in history:
        print_text(f"  {_when(one)}  {tell(one)}")


_LINEAGE = (
    "job",
    "base",
    "base_fingerprint",
    "dataset",
    "dataset_name",
    "composition",
    "benchmark",
    "benchmark_name",
    "weights_sha",
    "specialist",
    "industries",
    "steps",
    "made_on",
)


def _print_gate(seen: Look) -> None:
    print_table(
        ("rule", "figure", "limit", "state"),
        [(one.title, one.figure, one.limit, _mark(one)) for one in seen.ruling.results],
    )
    print_text(seen.ruling.sentence)


def _mark(one: Result) -> str:
    return one.state if one.holds or one.state == "passed" else f"{one.state}, only noted"


@app.command()
def gate(adapter: Adapter, review: Review = "", as_json: AsJson = False) -> None:
    """Say what the gate would decide, rule by rule; nothing is changed. Exit code 1 when it holds."""
    seen = promotion.look(open_workspace(), adapter, review)
    if as_json:
        print_json({"adapter": seen.known.row.id, "scope": seen.known.scope} | seen.ruling.to_dict())
    else:
        _print_gate(seen)
    if seen.ruling.action == "hold":
        raise typer.Exit(1)


@app.command()
def promote(
    adapter: Adapter,
    review: Review = "",
    reason: Annotated[str, typer.Option(help="Why it goes into production although the gate holds it back.")] = "",
    as_json: AsJson = False,
) -> None:
    """Let the gate decide: into production, or held back. Exit code 1 when it is held back."""
    made = promotion.decide(open_workspace(), adapter, review, reason)
    _tell(made, as_json)
    if made.action == "hold":
        raise typer.Exit(1)


@app.command()
def hold(
    adapter: Adapter, reason: Annotated[str, typer.Option(help="Why it is held back.")], as_json: AsJson = False
) -> None:
    """Write down that you hold an adapter back, and why."""
    _tell(promotion.hold(open_workspace(), adapter, reason), as_json)


@app.command()
def rollback(
    scope: Scope,
    to: Annotated[int | None, typer.Option(help="Number of a decision: what was in production after it.")] = None,
    note: Note = "",
    as_json: AsJson = False,
) -> None:
    """Put the adapter back into production that was there before."""
    _tell(promotion.rollback(open_workspace(), scope, to, note), as_json)


@app.command()
def undo(scope: Scope, note: Note = "", as_json: AsJson = False) -> None:
    """Reverse the last decision of a scope that changed something."""
    _tell(promotion.undo(open_workspace(), scope, note), as_json)


@app.command()
def archive(adapter: Adapter, note: Note = "", as_json: AsJson = False) -> None:
    """Put an adapter away; its files stay."""
    _tell(promotion.archive(open_workspace(), adapter, note), as_json)


@app.command()
def production(scope: Scope, as_json: AsJson = False) -> None:
    """Print the folder of the adapter in production, then its id; every byte is checked, a damaged one rolled back.

    The folder is the first line, so `head -1` gives what PEFT loads. Exit code 2 when none is in production.
    """
    workspace = open_workspace()
    row = promotion.find_production(workspace, scope)
    folder = workspace.adapters / row.id
    if not as_json:
        print_text(str(folder))
        print_text(row.id)
        return
    with opened(workspace) as db:
        decided = next(one for one in registry.decisions(db, scope) if one.after == row.id != one.before)
    told = {"scope": scope, "adapter": row.id, "name": row.name, "base": row.base, "folder": str(folder)}
    print_json(told | {"weights_sha": row.weights_sha, "decision": decided.id, "since": decided.at})


@app.command()
def card(adapter: Adapter, as_json: AsJson = False) -> None:
    """Print an adapter's model card; with --json the facts that it states."""
    with opened(open_workspace()) as db:
        told = adapters.find(db, adapter).card
    if as_json:
        print_json(told)
    else:
        print_text(write_card(told))


@app.command()
def report(
    adapter: Adapter,
    against: Annotated[str, typer.Option(help="Another adapter; without it, the base.")] = "",
    output: Annotated[Path | None, typer.Option(help="File to write: .html or .md.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a report for others: an adapter beside its base, or beside another adapter."""
    if output is not None and output.suffix not in (".html", ".md"):
        raise BadInput(f"The file {output} ends neither in .html nor in .md, so its form is unknown. Name it so.")
    made = make_report(open_workspace(), adapter, against)
    if output is None:
        if as_json:
            print_json(asdict(made))
        else:
            print_text(write_markdown(made))
        return
    try:
        durable.write_file(output, write_html(made) if output.suffix == ".html" else write_markdown(made))
    except OSError as error:
        raise BadInput(f"The file {output} can't be written: {error.strerror}. Choose another place.") from error
    if as_json:
        print_json({"file": str(output)})
    else:
        say(f"The report is in {output}.")


def _tell(one: Decision, as_json: bool) -> None:
    if as_json:
        print_json(describe(one))
    else:
        print_text(f"Decision {one.id}: {tell(one)}")


def describe(one: Decision) -> dict[str, Any]:
    """Return a decision as the command's JSON has it."""
    return {
        "decision": one.id,
        "at": one.at,
        "scope": one.scope,
        "adapter": one.adapter,
        "action": one.action,
        "before": one.before,
        "after": one.after,
        "note": one.note,
        "undoes": one.undoes,
        "undone": one.is_undone,
        "figures": one.figures,
        "hashes": one.hashes,
    }


def tell(one: Decision) -> str:
    """Return a decision in words."""
    what = {
        "promote": f"{one.adapter} is in production of {one.scope}",
        "hold": f"{one.adapter} is held back from {one.scope}",
        "rollback": f"{one.after} is in production of {one.scope} again",
        "archive": f"{one.adapter} is archived",
        "undo": f"decision {one.undoes} is undone; in production of {one.scope}: {one.after or 'none'}",
    }[one.action]
    gate_says = one.figures.get("gate", {}).get("sentence", "")
    because = f" {gate_says}" if one.action in ("promote", "hold") and gate_says else ""
    overruled = " The gate was overruled." if one.figures.get("overruled") else ""
    note = f" Note: {one.note}" if one.note else ""
    return f"{what}.{because}{overruled}{note}{' (undone)' if one.is_undone else ''}"
