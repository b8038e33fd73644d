"""`atelier data split` and `atelier data mix`: new datasets out of those that there are."""

from typing import Annotated, Any

import typer

from core.cli.output import print_json, print_table, print_text
from core.cli.workplace import open_workspace
from core.datasets import combination, importing, mixing, splitting
from core.errors import BadInput
from core.store import datasets
from core.store.connection import opened
from core.store.datasets import NamedDataset

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same rows.")]


def split_data(
    name: Annotated[str, typer.Argument(help="Name of the dataset, or the beginning of its hash.")],
    shares: Annotated[str, typer.Option(help="Percent for training, validation and test.")] = "80,10,10",
    seed: Seed = 42,
    as_json: AsJson = False,
) -> None:
    """Split a dataset in three that share no question and no group; labels keep their proportions."""
    wanted = _read_shares(shares)
    workspace = open_workspace()
    with opened(workspace) as db:
        found = datasets.find_named(db, name)
        made = combination.split_dataset(workspace, db, found, wanted, seed)
    rows = [{"dataset": one.name, "sha": one.sha, "examples": one.examples} for one in made]
    _print(rows, as_json)


def _read_shares(text: str) -> list[float]:
    try:
        shares = [float(part) / 100 for part in text.replace("/", ",").split(",")]
    except ValueError:
        raise BadInput(f"The shares {text!r} are no numbers. Give three, such as 80,10,10.") from None
    splitting.check_shares(shares)
    return shares


def mix_data(
    parts: Annotated[list[str], typer.Argument(help="Datasets, each with its ratio if wanted, as mails=2 chats=1.")],
    name: Annotated[str, typer.Option(help="What to call the mix.")],
    rows: Annotated[int | None, typer.Option(help="Examples in all; by default as many as the ratios allow.")] = None,
    temperature: Annotated[float | None, typer.Option(help="1 by size, more towards equal parts; no ratios.")] = None,
    cap: Annotated[list[str] | None, typer.Option(help="The most of a dataset, as mails=500; repeatable.")] = None,
    seed: Seed = 42,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the counts, and make nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Mix datasets by ratios or a temperature; none of their examples is taken twice."""
    label = importing.check_name(name)
    workspace = open_workspace()
    with opened(workspace) as db:
        found: dict[str, NamedDataset] = {}
        ratios: dict[str, float] = {}
        for part in parts:
            one, ratio = _read_part(db, part)
            found[one.name] = one
            if ratio is not None:
                ratios[one.name] = ratio
        caps = {_of(found, text): int(value) for text, value in (_pair(one, "--cap") for one in cap or [])}
        planned = mixing.plan(
            {one.name: one.rows for one in found.values()}, ratios=ratios, temperature=temperature, caps=caps, rows=rows
        )
        counts = [{"dataset": part.name, "available": part.available, "taken": part.taken} for part in planned]
        if dry_run:
            _print(counts, as_json)
            return
        mixed = combination.mix_datasets(workspace, db, label, list(found.values()), planned, seed)
    if as_json:
        print_json({"dataset": label, "sha": mixed.sha, "examples": mixed.examples, "parts": counts})
    else:
        _print(counts, False)
        print_text(f"Dataset {label!r} holds {mixed.examples:,} examples. Its hash begins with {mixed.sha[:12]}.")


def _read_part(db: Any, text: str) -> tuple[NamedDataset, float | None]:
    """Return the dataset and the ratio of 'name=2'; a name may hold an equals sign of its own."""
    name, found, value = text.rpartition("=")
    if not found:
        return datasets.find_named(db, text), None
    try:
        return datasets.find_named(db, name), float(value)
    except ValueError:
        return datasets.find_named(db, text), None


def _pair(text: str, flag: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError:
        raise BadInput(f"{flag} {text!r} is not of the form name=number, such as mails=500.") from None


def _of(found: dict[str, NamedDataset], name: str) -> str:
    if name not in found:
        raise BadInput(f"{name!r} is not among the datasets of the mix: {', '.join(found)}.")
    return name


def _print(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(
            list(rows[0]), [[value[:12] if key == "sha" else value for key, value in row.items()] for row in rows]
        )
