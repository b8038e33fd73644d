"""`atelier agreement`: how far a model's scores and people's ratings of the same transcripts agree."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from core.catalog import rubrics
from core.catalog.rubrics import DEFAULT, Rubric
from core.cli.output import print_json, print_table, print_text, say
from core.cli.workplace import open_workspace
from core.errors import BadInput, DataError
from core.paths import Workspace
from core.scoring import ratings
from core.scoring.people import agreement as measures
from core.scoring.people import calibration, comparing, measuring, panel
from core.scoring.people.agreement import TITLES, Agreement
from core.scoring.people.calibration import Calibration
from core.scoring.people.measuring import OVERALL, Measured, add_overall
from core.scoring.people.panel import Panel
from core.scoring.people.resampling import Figure
from core.scoring.ratings import Rated
from core.scoring.transcript import Transcript

EACH = 25  # transcripts after which a line says how far it is


def agreement(
    file: Annotated[Path, typer.Argument(help="Rated transcripts, JSONL or CSV; see docs/rating-guide.md.")],
    rubric: Annotated[str, typer.Option(help="By what is scored.")] = DEFAULT,
    adapter: Annotated[str, typer.Option(help="Adapter id or name, bundled, or base; without it what is in use.")] = "",
    against: Annotated[str, typer.Option(help="A second model: which of the two is nearer to people?")] = "",
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit the model's scores to these ratings, and use that from now on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """Score rated transcripts and tell how far model and people agree, per dimension, with intervals."""
    if calibrate and against:
        raise BadInput("Calibrate one model at a time: leave --against or --calibrate out.")
    if not file.is_file():
        raise BadInput(f"There is no file {str(file)!r}. Give a JSONL or CSV file with rated transcripts.")
    chosen = rubrics.find(rubric, Workspace.chosen())
    given = ratings.read(file, chosen)
    people = panel.arrange(given, chosen)
    workspace = open_workspace()
    rated = add_overall(chosen, people.ratings)
    model = _measure(workspace, chosen, people, adapter)
    in_use = _find_calibration(workspace, chosen, model, calibrate)
    problems = _name_rows(given, people, model)
    content: dict[str, Any] = {
        "rubric": chosen.id, "model": model.model, "name": model.name, "calibration": in_use.id if in_use else "",
        "transcripts": len(people.transcripts), "raters": list(people.raters), "not_scored": problems,
    }  # fmt: skip
    scores = add_overall(chosen, model.calibrated(in_use))
    found = {name: measures.with_people(scores[name], rated[name], people.groups) for name in rated}
    content["with_people"] = {name: one.to_dict() for name, one in found.items()}
    among = _among(chosen, people, rated)
    content |= {what: {name: one.to_dict() for name, one in those.items()} for what, those in among.items()}
    if not as_json:
        _print_model(chosen, model, in_use, found, problems)
        _print_people(chosen, among)
    if against:
        content["against"] = _compare(workspace, chosen, people, model, in_use, against, as_json)
    done = True
    if calibrate:
        content["calibrated"] = _calibrate(workspace, chosen, people, model)
        done = bool(content["calibrated"]["id"])
        if not as_json:
            _print_calibration(chosen, content["calibrated"])
    if as_json:
        print_json(content)
    if not done:
        raise typer.Exit(1)


def _measure(workspace: Workspace, rubric: Rubric, people: Panel, asked: str) -> Measured:
    count = len(people.transcripts)
    say(f"Scoring {count:,} transcripts{f' by {asked}' if asked else ''}.")

    def tell(done: int) -> None:
        if sys.stderr.isatty() and done and done % EACH == 0:
            say(f"{done:,} of {count:,}")

    return measuring.measure(workspace, rubric, people.transcripts, asked, tell)


def _name_rows(given: Sequence[Rated], people: Panel, model: Measured) -> dict[int, str]:
    """Return why transcripts could not be scored, by the first row of the file that holds them, counted from 1."""
    rows: dict[Transcript, int] = {}
    for row, one in enumerate(given, 1):
        rows.setdefault(one.transcript, row)
    return {rows[people.transcripts[place]]: why for place, why in model.problems.items()}


def _find_calibration(workspace: Workspace, rubric: Rubric, model: Measured, anew: bool) -> Calibration | None:
    try:
        return calibration.find_newest(workspace, rubric.id, model.model, model.files)
    except DataError as error:
        if not anew:
            raise
        say(f"{error} That is done now.")
        return None


def _among(rubric: Rubric, people: Panel, rated: Mapping[str, np.ndarray]) -> dict[str, dict[str, Agreement]]:
    found = {}
    if len(people.raters) > 1:
        found["among_people"] = {name: measures.among(rated[name], people.groups) for name in rated}
    again = add_overall(rubric, people.repeats)
    if len(again[OVERALL]):
        found["rated_again"] = {name: measures.among(again[name]) for name in again}
    return found


def _compare(
    workspace: Workspace,
    rubric: Rubric,
    people: Panel,
    model: Measured,
    in_use: Calibration | None,
    against: str,
    as_json: bool,
) -> dict[str, Any]:
    other = _measure(workspace, rubric, people, against)
    also = calibration.find_newest(workspace, rubric.id, other.model, other.files)
    found = comparing.compare(
        rubric,
        model.calibrated(in_use),
        other.calibrated(also),
        people.ratings,
        people.groups,
        (model.name, other.name),
    )
    if not as_json:
        print_text(f"\n{found.sentence}")
        for one in found.dimensions:
            print_text(f"  {one.sentence}")
    return found.to_dict()


def _calibrate(workspace: Workspace, rubric: Rubric, people: Panel, model: Measured) -> dict[str, Any]:
    mean = {name: measures.mean_rating(people.ratings[name]) for name in people.ratings}
    try:
        found = calibration.fit(rubric.id, model.model, model.expected, mean, people.groups, model.files)
    except DataError as error:
        return {"id": "", "told": str(error), "curves": {}}
    return {"id": calibration.save(workspace, found)} | found.to_dict()


# What people read


def _print_model(
    rubric: Rubric,
    model: Measured,
    in_use: Calibration | None,
    found: Mapping[str, Agreement],
    problems: Mapping[int, str],
) -> None:
    used = f", calibrated by {in_use.id[:12]}" if in_use else ", not calibrated"
    print_text(f"{model.name}{used}, with people, over {found[OVERALL].transcripts:,} transcripts")
    _print_figures(rubric, found)
    if in_use:
        print_text("On the ratings that it was fitted on, a calibration looks better than it is.")
    if problems:
        row, why = next(iter(problems.items()))
        print_text(f"{len(problems):,} transcripts could not be scored, such as the one in row {row:,}: {why}")


def _print_people(rubric: Rubric, among: Mapping[str, Mapping[str, Agreement]]) -> None:
    titles = {"among_people": "People among each other", "rated_again": "The same people a second time"}
    for what, found in among.items():
        print_text(f"\n{titles[what]}, over {found[OVERALL].transcripts:,} transcripts")
        _print_figures(rubric, found)


def _print_figures(rubric: Rubric, found: Mapping[str, Agreement]) -> None:
    heads = {one.id: one.title for one in rubric.dimensions} | {OVERALL: "Overall"}
    names = [name for name in TITLES if name in found[OVERALL].figures]
    rows = [(TITLES[name], *(_show(found[head].figures[name]) for head in heads)) for name in names]
    print_table(("", *heads.values()), rows)
    told = {one.told for those in found.values() for one in those.figures.values() if one.told}
    for sentence in sorted(told):
        print_text(f"  {sentence}")


def _show(one: Figure) -> str:
    if one.value is None:
        return "-"
    if one.low is None or one.high is None:
        return f"{one.value:.2f}"
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


def _print_calibration(rubric: Rubric, made: Mapping[str, Any]) -> None:
    if not made["id"]:
        print_text(f"\n{made['told']}")
        return
    print_text(f"\nCalibration {made['id'][:12]} is in use from now on. Errors on ratings that it was not fitted on:")
    titles = {one.id: one.title for one in rubric.dimensions}
    rows = [
        (
            titles[name],
            calibration.KINDS[one["kind"]],
            f"{one['before']:.2f}",
            f"{one['after']:.2f}",
            one["transcripts"],
        )
        for name, one in made["curves"].items()
    ]
    print_table(("dimension", "curve", "before", "after", "transcripts"), rows)
    if made["told"]:
        print_text(f"Not calibrated: {made['told']}")
