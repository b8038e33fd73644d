"""`atelier specialists`: the catalogue of narrow tasks."""

from typing import Annotated, Any

import typer

from core.catalog import specialists
from core.catalog.specialists import Source, Specialist
from core.cli.output import print_json, print_table, print_text
from core.evaluation.measures import MEASURES
from core.paths import Workspace


def list_specialists(
    wanted: Annotated[str, typer.Argument(help="Specialist that is shown whole.")] = "",
    category: Annotated[str, typer.Option(help="Only those of this category.")] = "",
    task: Annotated[str, typer.Option(help="Only those of this task type.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """List the specialists: narrow tasks with prompt, data, metrics and aims, each ready for `train --specialist`."""
    workspace = Workspace.chosen()
    if wanted:
        _show(specialists.find(wanted, workspace), as_json)
        return
    found = [
        one
        for one in specialists.all_specialists(workspace).values()
        if category in ("", one.category) and task in ("", one.task)
    ]
    if as_json:
        print_json([describe(one) for one in found])
        return
    print_table(
        ("id", "category", "task", "base", "rank", "measured by"),
        [
            (one.id, one.category, one.task, one.base_class, one.rank, ", ".join(_title(name) for name in one.metrics))
            for one in found
        ],
    )


def describe(one: Specialist) -> dict[str, Any]:
    """Return a specialist as the command's JSON has it."""
    return {
        "id": one.id,
        "title": one.title,
        "summary": one.summary,
        "category": one.category,
        "task_type": one.task,
        "base_class": one.base_class,
        "base": one.base,
        "rank": one.rank,
        "prompt": one.prompt,
        "labels": one.labels,
        "metrics": one.metrics,
        "thresholds": {name: aim.model_dump() for name, aim in one.thresholds.items()},
        "sources": [source.model_dump(exclude_none=True) for source in one.sources],
    }


def _title(name: str) -> str:
    return MEASURES[name].title


def _show(one: Specialist, as_json: bool) -> None:
    if as_json:
        print_json(describe(one))
        return
    print_text(f"{one.title} ({one.id}): {one.summary}")
    print_text(f"{one.category_title}, {one.task}; base {one.base}, rank {one.rank}.")
    print_text(f"Prompt:\n{one.prompt}")
    for name in one.metrics:
        aim = one.thresholds.get(name)
        told = f" Aim: {aim.baseline:g} before, {aim.tuned:g} after training." if aim else ""
        print_text(f"{MEASURES[name].title}: {MEASURES[name].meaning}{told}")
    for source in one.sources:
        print_text(_source(source))
    print_text(f"Without data of your own: `atelier train --specialist {one.id}` generates its examples.")


def _source(source: Source) -> str:
    places = [f"hub:{source.hub.id}"] if source.hub else []
    places += [f"files {', '.join(source.local.files.values())}"] if source.local else []
    count = f", about {source.rows:,} rows" if source.rows else ""
    return f"Data: {source.name}{count}. Licence: {source.licence}. From {' or '.join(places)}."
