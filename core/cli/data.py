"""`atelier data`: datasets of one's own, and examples from the industries' grammars."""

import json
from pathlib import Path
from typing import Annotated

import typer

from core import durable
from core.catalog import industries, rubrics, specialists
from core.catalog.rubrics import Rubric
from core.catalog.specialists import PARTS
from core.cli import check, combine, dataset
from core.cli.output import print_json, print_text, show_help
from core.cli.workplace import open_workspace
from core.datasets import making
from core.datasets.examples import Example
from core.datasets.specialist import loading, pipeline
from core.errors import BadInput
from core.paths import Workspace
from core.scoring import ratings, sampling
from core.store.connection import opened

app = typer.Typer(help="Data: import, check, split, mix, list, show, delete, make.")
app.callback(invoke_without_command=True)(show_help)
app.command("import")(dataset.import_data)
app.command("check")(check.check_data)
app.command("split")(combine.split_data)
app.command("mix")(combine.mix_data)
app.command("list")(dataset.list_data)
app.command("show")(dataset.show_data)
app.command("delete")(dataset.delete_data)
MOST_EXAMPLES = 1_000_000


@app.command()
def make(
    industry: Annotated[list[str] | None, typer.Option(help="Industry id; repeat it, or leave it out for all.")] = None,
    specialist: Annotated[list[str] | None, typer.Option(help="Specialist id instead; split into its parts.")] = None,
    count: Annotated[int, typer.Option(min=1, max=MOST_EXAMPLES, help="Examples of each.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same examples.")] = 42,
    out: Annotated[Path, typer.Option(help="Folder for the JSONL files.")] = Path("demo-data"),
    rubric: Annotated[str, typer.Option(help="Rubric id instead: transcripts with ratings.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Rated transcripts as CSV instead of JSONL.")] = False,
    name: Annotated[str, typer.Option(help="Store them as a dataset of this name instead of files.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """Generate examples, none of which is near a benchmark item, as prompt and response in JSONL files."""
    workspace = Workspace.chosen()
    if rubric:
        if industry or specialist or name:
            raise BadInput("Rated transcripts are made by themselves. Leave --industry, --specialist and --name out.")
        _make_rated(rubrics.find(rubric, workspace), count, seed, out, as_csv, as_json)
        return
    if as_csv:
        raise BadInput("--csv belongs to --rubric.")
    if specialist:
        if industry:
            raise BadInput("Give industries or specialists, not both.")
        if name:
            made_rows = [row for one in specialist for row in making.make_of_specialist(workspace, one, count, seed)]
            _store(name, made_rows, specialist, seed, as_json)
            return
        _make_specialists(workspace, specialist, count, seed, out, as_json)
        return
    wanted = industry or [pack.id for pack in industries.all_industries(workspace).values() if not pack.members]
    by_industry = making.make_of_industries(workspace, wanted, count, seed)
    if name:
        _store(name, [row for rows in by_industry.values() for row in rows], list(by_industry), seed, as_json)
        return
    _make_folder(out)
    made = []
    for pack_id, examples in by_industry.items():
        path = out / f"{pack_id}.jsonl"
        text = "".join(
            json.dumps(
                {"prompt": one.prompt, "response": one.response, "metadata": {"source": one.origin, **one.extra}}
            )
            + "\n"
            for one in examples
        )
        durable.write_file(path, text)
        made.append({"industry": pack_id, "examples": len(examples), "file": str(path)})
    if as_json:
        print_json(made)
    else:
        for one in made:
            print_text(f"{one['examples']} examples of {one['industry']} in {one['file']}")


def _store(name: str, rows: list[Example], made_of: list[str], seed: int, as_json: bool) -> None:
    """Store generated examples as a dataset and say so."""
    workspace = open_workspace()
    with opened(workspace) as db:
        stored = making.store(workspace, db, name, rows, made_of, seed)
    if as_json:
        print_json({"dataset": stored.name, "sha": stored.sha, "examples": stored.examples})
    else:
        print_text(
            f"Dataset {stored.name!r} holds {stored.examples:,} examples. Its hash begins with {stored.sha[:12]}."
        )


def _make_specialists(workspace: Workspace, names: list[str], count: int, seed: int, out: Path, as_json: bool) -> None:
    """Write each specialist's training, validation and test rows, what was dropped and why, and the manifest."""
    chosen = [specialists.find(name, workspace) for name in names]
    _make_folder(out)
    made = []
    for one in chosen:
        prepared = pipeline.prepare(one, loading.generate(one, count, seed, workspace), seed)
        _make_folder(out / one.id)
        pipeline.write(prepared, out / one.id)
        made.append({"specialist": one.id, "folder": str(out / one.id), "counts": prepared.manifest["counts"]})
    if as_json:
        print_json(made)
    else:
        for told in made:
            counts = ", ".join(f"{told['counts'][part]} {part}" for part in PARTS)
            print_text(f"{told['specialist']}: {counts} in {told['folder']}")


def _make_rated(rubric: Rubric, count: int, seed: int, out: Path, as_csv: bool, as_json: bool) -> None:
    """Write made transcripts with their ratings into one file."""
    if count > ratings.MOST_RATED:
        raise BadInput(f"--count is {count:,}; at most {ratings.MOST_RATED:,} rated transcripts go into one file.")
    made = sampling.make(rubric, count, seed)
    _make_folder(out)
    path = out / f"{rubric.id}.{'csv' if as_csv else 'jsonl'}"
    ratings.save(path, made)
    if as_json:
        print_json({"rubric": rubric.id, "transcripts": len(made), "file": str(path)})
    else:
        print_text(
            f"{len(made):,} rated transcripts in {path}. Train with `atelier train --rubric {rubric.id} --data {path}`."
        )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"{path} is a file. Name a folder with --out.") from None
    except OSError as error:
        raise BadInput(f"The folder {path} can't be made: {error.strerror}. Name another with --out.") from error
