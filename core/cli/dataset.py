"""`atelier data import`, `list`, `show`, `delete`: datasets of one's own."""

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.output import print_json, print_table, print_text, say
from core.cli.workplace import open_workspace
from core.datasets import deletion, hub, importing, preview, versions
from core.datasets.importing import Cancelled, Imported, Progress
from core.datasets.mapping import ColumnMapping
from core.datasets.mapping import describe as describe_mapping
from core.errors import BadInput
from core.paths import Workspace
from core.store import datasets
from core.store.connection import opened
from core.store.datasets import NamedDataset
from core.wording import clip, show_bytes, show_duration

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]
Named = Annotated[str, typer.Argument(help="Name of the dataset, or the beginning of its hash.")]
SHOWN_PROBLEMS = 10
INTERRUPTED = 130


def import_data(
    what: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="CSV, TSV, JSON, JSONL or Parquet; the first four also in gzip; or hub:owner/name[/file].",
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call the dataset; by default the file's name.")] = "",
    layout: Annotated[str, typer.Option(help="pair, chat, ratings or marked; by default recognised.")] = "",
    prompt: Annotated[str, typer.Option(help="Column that asks, or holds messages, transcript or text.")] = "",
    response: Annotated[str, typer.Option(help="Column that answers.")] = "",
    input_column: Annotated[str, typer.Option("--input", help="Column that goes below the question.")] = "",
    template: Annotated[str, typer.Option(help="Text of the prompt, with {column} where a value goes.")] = "",
    marker: Annotated[str, typer.Option(help="What stands between question and answer in one text.")] = "",
    label: Annotated[list[str] | None, typer.Option(help="An answer in words, as 0=negative; repeatable.")] = None,
    group: Annotated[str, typer.Option(help="Column whose rows belong together.")] = "",
    encoding: Annotated[str | None, typer.Option(help="Such as cp1252; by default recognised.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="One character; by default recognised.")] = None,
    header: Annotated[bool | None, typer.Option(help="Whether the first line names the columns.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be read, and import nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import a file: recognise it, map its columns, put bad rows aside with their reason, store the rest."""
    file, more, source = _find_files(what)
    chosen = importing.check_name(name or (source["hub"] if source else preview.label_of(file)))
    found = preview.look_at(file, encoding=encoding, delimiter="\t" if delimiter == "\\t" else delimiter, header=header)
    wanted = {
        "layout": layout, "prompt": prompt, "response": response, "input": input_column, "template": template,
        "marker": marker.encode().decode("unicode_escape") if "\\" in marker else marker, "group": group,
        "labels": _read_labels(label or []),
    }  # fmt: skip
    mapping = preview.choose_mapping(found, file, wanted)
    if dry_run:
        _show_preview(found, mapping, file, as_json)
        return
    workspace = open_workspace()
    with _progress(quiet=as_json) as told:
        try:
            made = importing.import_file(
                workspace, file, found.form, mapping, name=chosen, more=more, source=dict(source), told=told
            )
        except Cancelled:
            say("The import was cancelled; nothing of it is left.")
            raise typer.Exit(INTERRUPTED) from None
    with opened(workspace) as db:
        importing.register(db, made)
    if as_json:
        print_json(importing.describe(made))
    else:
        _print_imported(workspace, made, file)


def _find_files(what: str) -> tuple[Path, list[Path], dict[str, str]]:
    """Return the first file, those that follow it, and their origin; those of the hub are fetched first."""
    if not hub.is_hub_name(what):
        return Path(what), [], {}
    repository, pattern = hub.read_name(what)
    found = hub.fetch(repository, [pattern] if pattern else [], say_download, lambda: False)
    files = found.paths()
    return files[0], files[1:], found.origin()


def say_download(here: float, total: float, rate: float) -> None:
    say(f"{show_bytes(here)} of {show_bytes(total)} are here, {show_bytes(rate)}/s")


def _read_labels(pairs: list[str]) -> dict[str, str]:
    labels = {}
    for pair in pairs:
        value, found, words = pair.partition("=")
        if not found or not words.strip():
            raise BadInput(f"--label {pair!r} is not of the form value=words, such as 0=negative.")
        labels[value.strip()] = words.strip()
    return labels


@contextmanager
def _progress(quiet: bool) -> Iterator[Any]:
    """Yield what an import tells its progress to: it writes a line a second, and ends the import on Ctrl-C."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    before = signal.signal(signal.SIGINT, stop)
    last = time.monotonic()

    def told(progress: Progress) -> bool:
        nonlocal last
        if not quiet and sys.stderr.isatty() and time.monotonic() - last > 1:
            last = time.monotonic()
            say(f"{progress.share:.0%}: {progress.rows:,} rows, {progress.rejected:,} put aside")
        return not stopped

    try:
        yield told
    finally:
        signal.signal(signal.SIGINT, before)


def _print_imported(workspace: Workspace, made: Imported, file: Path) -> None:
    print_text(f"{file.name}: {made.form.title}. {describe_mapping(made.mapping)}")
    print_text(
        f"Dataset {made.name!r} holds {made.examples:,} examples of {made.rows:,} rows, read in "
        f"{show_duration(made.seconds)}. Its hash begins with {made.sha[:12]}."
        + ("" if made.is_new else " The same rows were stored already.")
    )
    if made.rejected:
        rejects = versions.folder_of(workspace, made.sha) / importing.REJECTS_FILE
        print_text(f"{made.rejected:,} rows were put aside, with their reasons, in {rejects}")
        for problem in made.problems[:SHOWN_PROBLEMS]:
            print_text(f"  {problem.show()}")


def _show_preview(found: preview.Preview, mapping: ColumnMapping, file: Path, as_json: bool) -> None:
    examples = preview.sample_examples(found, mapping, file)
    if as_json:
        print_json(
            {
                "format": found.form.title,
                "columns": found.columns,
                "mapping": mapping.model_dump(exclude_defaults=True) | {"layout": mapping.layout},
                "examples": [example.to_row() for example in examples],
            }
        )
        return
    print_text(f"{file.name}: {found.form.title}. {describe_mapping(mapping)}")
    print_table(("prompt", "response"), [(one.prompt, one.response) for one in examples[:5]])


def list_data(as_json: AsJson = False) -> None:
    """List the datasets, the newest first."""
    with opened(open_workspace()) as db:
        found = datasets.named(db)
    if as_json:
        print_json([_describe_named(one) for one in found])
    elif not found:
        print_text("There are no datasets yet. Import one with `atelier data import FILE`.")
    else:
        print_table(
            ("name", "kind", "examples", "versions", "hash", "made"),
            [
                (one.name, one.kind, f"{one.rows:,}", one.versions, one.sha[:12],
                 time.strftime("%Y-%m-%d %H:%M", time.localtime(one.created_at)))
                for one in found
            ],
        )  # fmt: skip


def _describe_named(one: NamedDataset) -> dict[str, Any]:
    return {
        "dataset": one.name, "sha": one.sha, "kind": one.kind, "examples": one.rows, "versions": one.versions,
        "created_at": one.created_at,
    }  # fmt: skip


def show_data(name: Named, as_json: AsJson = False) -> None:
    """Show where a dataset comes from, its versions, its first examples, and which jobs use it."""
    workspace = open_workspace()
    with opened(workspace) as db:
        found = datasets.find_named(db, name)
        history, users = datasets.versions_of(db, found.name), datasets.jobs_of(db, found.sha)
    examples = versions.first_examples(workspace, found.sha, 5)
    if as_json:
        print_json(
            _describe_named(found)
            | {
                "source": found.manifest["source"],
                "history": [_describe_named(one) for one in history],
                "jobs": [{"number": number, "name": title, "state": state} for number, title, state in users],
                "first": [example.to_row() for example in examples],
            }
        )
        return
    source = found.manifest["source"]
    print_text(f"{found.name}: {found.rows:,} examples, hash {found.sha}")
    if "file" in source:
        put_aside = f", {source['rejected']:,} rows put aside" if source.get("rejected") else ""
        print_text(f"From {source['file']}, {show_bytes(source['file_bytes'])}{put_aside}.")
    for one in history[1:]:
        print_text(f"Earlier version {one.sha[:12]}: {one.rows:,} examples.")
    for number, title, state in users:
        print_text(f"Used by job #{number} {clip(title, 40)} ({state}).")
    print_table(("prompt", "response"), [(one.prompt, one.response) for one in examples])


def delete_data(
    name: Named, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False, as_json: AsJson = False
) -> None:
    """Delete a dataset with all its versions; what a job was trained on stays."""
    workspace = open_workspace()
    with opened(workspace) as db:
        found = datasets.find_named(db, name)
        history = datasets.versions_of(db, found.name)
        used = [user for one in history for user in datasets.jobs_of(db, one.sha)]
        if not yes:
            kept = f" {len(used)} jobs used it; what they used stays." if used else ""
            raise BadInput(
                f"This deletes {found.name!r} with {len(history)} version{'s' * (len(history) > 1)} and "
                f"{found.rows:,} examples.{kept} Repeat the command with --yes."
            )
    free = deletion.delete(workspace, found.name)
    if as_json:
        print_json({"deleted": found.name, "versions": len(history), "folders": len(free)})
    else:
        print_text(f"{found.name!r} is deleted.")
