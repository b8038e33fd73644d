"""`atelier score`: transcripts in, scores out."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from core.catalog import rubrics
from core.catalog.rubrics import DEFAULT, Rubric
from core.cli.output import print_json, print_table, print_text, say
from core.cli.workplace import open_workspace
from core.errors import AppError, BadInput
from core.paths import Workspace
from core.scoring import reading
from core.scoring.result import Detail, Scored
from core.scoring.service import client
from core.scoring.service.problem import Problem, error_of
from core.scoring.transcript import Transcript

MOST_BYTES = 4 * reading.MOST_RAW
MOST_WORDS_OF_NAMES = 6
ENDINGS = (".txt", ".json", ".jsonl", ".vtt", ".srt", ".md")


class Read(NamedTuple):
    """A transcript with the name that a table shows."""

    name: str
    transcript: Transcript


Given = Annotated[list[str], typer.Argument(help="Files with a transcript each, - for the input, or the text itself.")]


def score(
    given: Given,
    rubric: Annotated[str, typer.Option(help="By what is scored.")] = DEFAULT,
    adapter: Annotated[str, typer.Option(help="Adapter id or name, bundled, or base; without it what is in use.")] = "",
    against: Annotated[str, typer.Option(help="A second model whose scores stand beside.")] = "",
    mask: Annotated[bool, typer.Option("--mask", help="Take personal data out first.")] = False,
    scores_only: Annotated[bool, typer.Option("--scores-only", help="Numbers without reasons and evidence.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False,
) -> None:
    """Score conversations by a rubric, with reasons and the passages they rest on. Nothing of them is kept."""
    workspace = Workspace.chosen()
    chosen = rubrics.find(rubric, workspace)
    read = [_read(one, chosen, mask, many=len(given) > 1) for one in given]
    workspace = open_workspace()
    detail: Detail = "scores" if scores_only else "full"
    models = [adapter, against] if against else [adapter]
    rows = list(zip(*(_score(workspace, read, chosen, model, detail, as_json) for model in models), strict=True))
    problems = [next((one for one in row if isinstance(one, Problem)), None) for row in rows]
    told = {(one.status, one.detail) for one in problems if one}
    if problems[0] and len(told) == 1 and all(problems):
        raise error_of(problems[0])
    if as_json:
        shown = [_plain([one.model_dump(mode="json") for one in row]) for row in rows]
        print_json(shown[0] if len(shown) == 1 else shown)
    elif len(read) == 1:
        _print_one(chosen, read[0].transcript, _scored(rows[0]))
    else:
        _print_many(chosen, [(one.name, _scored(row)) for one, row in zip(read, rows, strict=True)], len(models))
    _tell_problems(read, problems)


def _plain(row: Sequence[Any]) -> Any:
    return row[0] if len(row) == 1 else {"first": row[0], "second": row[1]}


def _scored(row: Sequence[Scored | Problem]) -> list[Scored]:
    return [one for one in row if isinstance(one, Scored)]


def _tell_problems(read: Sequence[Read], problems: Sequence[Problem | None]) -> None:
    """Name each transcript that has no score, and end with the first one's code; say nothing if all have."""
    found = [(one.name, problem) for one, problem in zip(read, problems, strict=True) if problem]
    for name, problem in found:
        say(f"{name}: {problem.detail}")
    if found:
        raise typer.Exit(error_of(found[0][1]).exit_code)


def _read(given: str, rubric: Rubric, mask: bool, many: bool) -> Read:
    """Return what a file, the input, or the argument itself holds.

    Raises:
        TranscriptError: It can't be read as a transcript; among several the sentence begins with the name.
        BadInput: There is no such file.
    """
    name, content = _fetch(given)
    try:
        transcript = reading.read_transcript(content, rubric, name)
        if mask:
            transcript = _mask(transcript, rubric)
    except AppError as error:
        raise type(error)(f"{name}: {error}" if many else str(error)) from error
    return Read(name, transcript)


def _mask(transcript: Transcript, rubric: Rubric) -> Transcript:
    """Return a transcript without personal data, as the service will read it: its places are those of the scores."""
    from core.scoring.guard import masking  # brings the lists of phone numbers and keys, which take a second

    return reading.read_transcript(masking.mask(transcript, rubric)[0].render(), rubric)


def _fetch(given: str) -> tuple[str, str | bytes]:
    if given == "-":
        return "input", sys.stdin.buffer.read(MOST_BYTES + 1)
    if not given.strip():
        return "text", given
    path = Path(given)
    try:
        if path.is_dir():
            raise BadInput(f"{path} is a folder. Give a file.")
        if path.exists() and not path.is_file():
            raise BadInput(f"{path} is a pipe or a device. Give a file, or - for the input.")
        if path.is_file():
            with path.open("rb") as stream:
                return path.name, stream.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # a name that can be none is a text, if it has several words
        if isinstance(error, PermissionError):
            raise BadInput(f"{path} can't be read: {error.strerror}. Check the path and its permissions.") from error
    if len(given.split()) < 2 or _is_file_name(given):
        raise BadInput(f"There is no file {given!r}. Give a file, - for the input, or a text of several words.")
    return "text", given


def _is_file_name(given: str) -> bool:
    """Return whether a text was meant as a file: it has no turns, and ends as files do, or is a short path."""
    if "\n" in given or ": " in given:
        return False
    is_path = ("/" in given or os.sep in given) and len(given.split()) <= MOST_WORDS_OF_NAMES
    return is_path or given.strip().casefold().endswith(ENDINGS)


def _score(
    workspace: Workspace, read: Sequence[Read], rubric: Rubric, adapter: str, detail: Detail, as_json: bool
) -> list[Scored | Problem]:
    if not as_json and not client.is_ready(workspace):
        say("Loading the model; the next call finds it loaded.")
    return client.score(workspace, [one.transcript for one in read], rubric.id, adapter, detail)


def _print_one(rubric: Rubric, transcript: Transcript, models: Sequence[Scored]) -> None:
    first = models[0]
    names = [one.adapter for one in models]
    print_text(" against ".join(f"{one.overall:.2f}" for one in models) + f" of 5 overall ({' against '.join(names)})")
    print_table(
        ("dimension", "weight", *("score", "expected", "sure") * len(models)),
        [
            (one.title, f"{one.weight:.0%}", *(cell for scored in models for cell in _cells(scored, one.id)))
            for one in rubric.dimensions
        ],
    )
    for dimension in rubric.dimensions:
        found = first.scores[dimension.id]
        if found.reason:
            print_text(f"{dimension.title}: {found.reason}")
        for passage in found.evidence:
            print_text(f"  {passage.effect:+.2f}  {transcript.utterances[passage.utterance].speaker}: {passage.text}")
    if first.strengths:
        print_text(f"Strengths: {'; '.join(first.strengths)}")
    if first.areas_for_improvement:
        print_text(f"To improve: {'; '.join(first.areas_for_improvement)}")
    for scored in models:
        by = f" by {scored.adapter}" if len(models) > 1 else ""
        for flag in scored.flags:
            print_text(f"Not scored{by}: {flag.text}. {flag.told}")


def _cells(scored: Scored, dimension: str) -> tuple[str, str, str]:
    found = scored.scores[dimension]
    return str(found.score), f"{found.expected:.2f}", f"{found.confidence:.0%}"


def _print_many(rubric: Rubric, found: Sequence[tuple[str, Sequence[Scored]]], models: int) -> None:
    """Print a line for each transcript that every model has scored."""
    heads = ("overall", *(one.title.lower() for one in rubric.dimensions), "flags") * models
    rows = [
        (name, *(cell for one in row for cell in _cells_of(one, rubric))) for name, row in found if len(row) == models
    ]
    if rows:
        print_table(("transcript", *heads), rows)


def _cells_of(scored: Scored, rubric: Rubric) -> tuple[object, ...]:
    scores = (scored.scores[one.id].score for one in rubric.dimensions)
    return f"{scored.overall:.2f}", *scores, len(scored.flags) or ""
