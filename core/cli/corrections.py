"""`atelier corrections`: what people corrected of scores, as training data; and its deletion."""

import time
from pathlib import Path
from typing import Annotated

import typer

from core.catalog import rubrics
from core.catalog.rubrics import DEFAULT
from core.cli.output import print_json, print_table, print_text, show_help
from core.cli.workplace import open_workspace
from core.errors import BadInput
from core.scoring import corrections
from core.store import scoring
from core.store.connection import opened

app = typer.Typer(help="List what people corrected of scores, make training data of it, delete it.")
app.callback(invoke_without_command=True)(show_help)
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
MOST = 2**63 - 1  # of a number in the database
OfRubric = Annotated[str, typer.Option("--rubric", help="The rubric by which was scored.")]


@app.command("list")
def list_corrections(rubric: Annotated[str, typer.Option(help="Only those by this rubric.")] = "",
                     as_json: AsJson = False) -> None:  # fmt: skip
    """List the corrections, the newest first; without the conversations."""
    with opened(open_workspace()) as db:
        found = scoring.corrections_of(db, rubric)
    if as_json:
        print_json(
            [{"number": one.id, "at": one.at, "who": one.who, "rubric": one.rubric, "adapter": one.adapter,
              "scores": one.corrected["scores"], "note": one.note} for one in found]
        )  # fmt: skip
        return
    rows = [
        (one.id, time.strftime("%Y-%m-%d %H:%M", time.localtime(one.at)), one.who, one.rubric,
         ", ".join(f"{name} {score}" for name, score in one.corrected["scores"].items()))
        for one in found
    ]  # fmt: skip
    print_table(("number", "when", "who", "rubric", "scores"), rows)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="JSONL file to write; it holds the conversations.")],
    rubric: OfRubric = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Write the corrections as rated transcripts, which `train --rubric --data` and `agreement` take."""
    workspace = open_workspace()
    if file.exists():
        raise BadInput(f"{file} is there already. Give another name, or delete it first.")
    try:
        count = corrections.to_ratings(workspace, rubrics.find(rubric, workspace), file)
    except OSError as error:
        raise BadInput(f"{file} can't be written: {error.strerror}. Choose another place.") from error
    if as_json:
        print_json({"file": str(file), "rated": count})
    else:
        print_text(f"{count:,} rated transcripts are in {file}, readable by you alone.")


@app.command()
def dataset(
    name: Annotated[str, typer.Argument(help="Name of the dataset.")],
    rubric: OfRubric = DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Make a dataset of the corrections, which `train --dataset` takes."""
    workspace = open_workspace()
    made = corrections.to_dataset(workspace, rubrics.find(rubric, workspace), name)
    if as_json:
        print_json({"dataset": made.name, "sha": made.sha, "examples": made.examples})
    else:
        print_text(f"{made.name}: {made.examples:,} examples, version {made.sha[:12]}.")


@app.command()
def delete(
    number: Annotated[int | None, typer.Argument(help="Number of the correction; see list.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All corrections by all rubrics.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete corrections with their conversations, in the backups too. Datasets made of them stay."""
    if (number is None) == (not everything):
        raise BadInput("Say which correction to delete: its number, or --all.")
    if number is not None and not 1 <= number <= MOST:
        raise BadInput(f"There is no correction {number}. `atelier corrections list` shows their numbers.")
    workspace = open_workspace()
    count = 1
    if number is None:
        count = scoring.delete_all(workspace, "corrections")
    else:
        scoring.delete(workspace, "corrections", number)
    if as_json:
        print_json({"deleted": count})
    else:
        print_text(f"{count:,} deleted.")
