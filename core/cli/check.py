"""`atelier data check`: what is wrong with a dataset or a file, and the remedies."""

from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.output import print_json, print_text
from core.cli.workplace import open_workspace
from core.datasets import preview, versions
from core.datasets.doctor import consultation, mending
from core.datasets.doctor.examination import Report
from core.datasets.doctor.finding import KINDS
from core.datasets.examples import Example
from core.errors import BadInput
from core.paths import Workspace
from core.store import datasets
from core.store.connection import opened


def check_data(
    what: Annotated[str, typer.Argument(help="Name of a dataset, or a file.")],
    base: Annotated[str, typer.Option(help="Base whose tokens count for the length.")] = "starter",
    max_length: Annotated[int, typer.Option(min=16, help="Tokens that an example may have.")] = 1024,
    against: Annotated[str, typer.Option(help="Dataset, such as a test set, with which it must share nothing.")] = "",
    fix: Annotated[list[str] | None, typer.Option(help="Kind of finding to put right, or all; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """Look for repeats, leaks, conflicts, private data, wrong sums and more; --fix makes a new version without them."""
    wanted = [name for name, kind in KINDS.items() if kind.remedy] if fix and "all" in fix else list(fix or [])
    mending.check_kinds(wanted)
    file = Path(what)
    if file.is_file():
        if wanted:
            raise BadInput(
                f"{what} is a file, which stays as it is. Import it first, then check the dataset with --fix."
            )
        workspace = Workspace.chosen()
        examples, _, rejected = preview.read_all(file)
        report = consultation.examine(workspace, examples, base, max_length, _others(workspace, against))
        _show(what, report, as_json, {"rejected": rejected})
    else:
        workspace = open_workspace()
        report = _check_stored(workspace, what, base, max_length, against, wanted, as_json)
    if not report.is_sound:
        raise typer.Exit(1)


def _check_stored(
    workspace: Workspace, name: str, base: str, max_length: int, against: str, wanted: list[str], as_json: bool
) -> Report:
    with opened(workspace) as db:
        found = datasets.find_named(db, name)

    def report_of(sha: str) -> Report:
        if not against:
            return consultation.report_of(workspace, sha, base, max_length)
        others = _others(workspace, against)
        return consultation.examine(workspace, versions.load(workspace, sha), base, max_length, others)

    report = report_of(found.sha)
    more: dict[str, Any] = {"dataset": found.name, "sha": found.sha}
    if wanted:
        kept, changed = mending.mend(versions.load(workspace, found.sha), report, wanted)
        if changed:
            with opened(workspace) as db:
                sha = mending.store(workspace, db, found, kept, changed)
            report = report_of(sha)
            more = {"dataset": found.name, "sha": sha, "fixed": changed, "examples": len(kept)}
    _show(found.name, report, as_json, more)
    return report


def _others(workspace: Workspace, name: str) -> list[Example]:
    if not name:
        return []
    with opened(workspace) as db:
        return versions.load(workspace, datasets.find_named(db, name).sha)


def _show(name: str, report: Report, as_json: bool, more: dict[str, Any]) -> None:
    if as_json:
        print_json(report.to_dict() | more)
        return
    for kind, count in more.get("fixed", {}).items():
        print_text(f"Put right: {count:,} rows ({KINDS[kind].title.lower()}).")
    if more.get("rejected"):
        print_text(f"{more['rejected']:,} rows of the file are no examples; an import puts them aside.")
    if not report.findings:
        print_text(f"{name}: {report.rows:,} examples, nothing found.")
    for finding in report.findings:
        kind = KINDS[finding.kind]
        print_text(f"{finding.severity}: {kind.title}: {finding.count:,} ({finding.kind}). {finding.told}".rstrip())
        for one in finding.examples:
            print_text(f"    row {one.row + 1}: {one.text}")
        print_text(f"    {kind.advice}")
