"""`atelier models review`: what people found who looked at an adapter's answers."""

import time
from dataclasses import asdict
from typing import Annotated

import typer

from core.cli.output import print_json, print_text
from core.cli.workplace import open_workspace
from core.errors import BadInput
from core.registry import promotion
from core.store import reviews
from core.store.connection import opened


def review(
    adapter: Annotated[str, typer.Argument(help="The adapter's id, the beginning of it, or its name.")],
    by: Annotated[str, typer.Option(help="Your name.")] = "",
    fit: Annotated[str, typer.Option(help="It may serve: what you looked at and found.")] = "",
    unfit: Annotated[str, typer.Option(help="It must not serve: what you looked at and found.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """Write down what you found in an adapter's answers; without a finding, show the reviews and what is asked.

    High-risk scopes demand a review before production. It counts for these very weights; your newest word replaces
    your earlier one, and one person's `unfit` holds the adapter back.
    """
    workspace = open_workspace()
    if fit or unfit:
        if fit and unfit:
            raise BadInput("A review finds an adapter fit or unfit, not both. Give --fit or --unfit.")
        if not by.strip():
            raise BadInput("A review needs your name. Give --by.")
        made = promotion.review(workspace, adapter, by, "fit" if fit else "unfit", fit or unfit)
        if not as_json:
            print_text(f"{made.who} found {made.adapter} {made.finding}.")
    elif by:
        raise BadInput("Say what you found: --fit 'WHAT' or --unfit 'WHAT'.")
    seen = promotion.look(workspace, adapter, by_size=True)
    with opened(workspace) as db:
        found = reviews.of_adapter(db, seen.known.row.id)
    if as_json:
        print_json(
            {
                "adapter": seen.known.row.id,
                "scope": seen.known.scope,
                "demanded": seen.rules.human_review,
                "fit": bool(seen.known.facts.review and not seen.known.facts.objection),
                "reviews": [asdict(one) for one in found],
            }
        )
        return
    asked = "demands" if seen.rules.human_review else "does not demand"
    print_text(f"The scope {seen.known.scope!r} {asked} a person's review before production.")
    for one in found:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at))
        print_text(f"  {when}  {one.who} found it {one.finding}: {one.note}")
    if not found:
        print_text("Nobody has reviewed it yet.")
    print_text(seen.ruling.sentence)
