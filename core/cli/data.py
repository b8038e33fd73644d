"""`atelier data`: datasets of one's own, and examples from the industries' grammars."""

import json
from pathlib import Path
from typing import Annotated

import typer

from core import durable
from core.catalog import industries, specialists
from core.catalog.specialists import PARTS
from core.cli import check, combine, dataset
from core.cli.output import print_json, print_text, show_help
from core.datasets.generator import make_examples
from core.datasets.leakage import LeakGuard
from core.datasets.specialist import loading, pipeline
from core.errors import BadInput
from core.evaluation import benchmarks
from core.paths import Workspace

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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """Generate examples, none of which is near a benchmark item, as prompt and response in JSONL files."""
    workspace = Workspace.chosen()
    if specialist:
        if industry:
            raise BadInput("Give industries or specialists, not both.")
        _make_specialists(workspace, specialist, count, seed, out, as_json)
        return
    wanted = industry or [pack.id for pack in industries.all_industries(workspace).values() if not pack.members]
    packs = industries.expand(wanted, workspace)
    _make_folder(out)
    made = []
    for pack in packs:
        guard = LeakGuard(item.prompt for item in benchmarks.of_industry(pack).items)
        examples = make_examples(pack, count, seed, is_too_near=guard.is_too_near)
        path = out / f"{pack.id}.jsonl"
        text = "".join(
            json.dumps(
                {"prompt": one.prompt, "response": one.response, "metadata": {"source": one.origin, **one.extra}}
            )
            + "\n"
            for one in examples
        )
        durable.write_file(path, text)
        made.append({"industry": pack.id, "examples": len(examples), "file": str(path)})
    if as_json:
        print_json(made)
    else:
        for one in made:
            print_text(f"{one['examples']} examples of {one['industry']} in {one['file']}")


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


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise BadInput(f"{path} is a file. Name a folder with --out.") from None
    except OSError as error:
        raise BadInput(f"The folder {path} can't be made: {error.strerror}. Name another with --out.") from error
