"""One press of Score: what was chosen, what came of it, and what could not be read."""

import contextlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.catalog.rubrics import Rubric
from core.errors import AppError, NotFound
from core.paths import Workspace
from core.scoring import models, reading
from core.scoring.guard import masking
from core.scoring.report import Entry
from core.scoring.result import Scored
from core.scoring.service import client
from core.scoring.transcript import Transcript
from core.store import adapters
from core.store.connection import opened
from pages.widgets.transcript_form import Given


@dataclass(frozen=True)
class Choice:
    """How to score: the rubric, the model, perhaps another one beside it, and whether to mask first.

    An empty `model` is the one in use: only for that does the service fall back where it is damaged.
    """

    rubric: Rubric
    model: str = ""
    other: str = ""
    mask: bool = False


@dataclass(frozen=True)
class Shown:
    """What the page shows: scores, with what gave them and when.

    `others` are the scores of the model beside, in the order of the entries.
    """

    rubric: Rubric
    entries: tuple[Entry, ...]
    scored_by: str
    at: float
    others: tuple[Scored, ...] = ()
    other_name: str = ""
    refused: tuple[tuple[str, str], ...] = ()

    @property
    def many(self) -> bool:
        return len(self.entries) + len(self.refused) > 1

    def beside(self, place: int) -> tuple[str, Scored] | None:
        return (self.other_name, self.others[place]) if self.others else None


def warm_up(workspace: Workspace) -> None:
    """Start the scoring service beside the page, so that it is ready when somebody presses Score."""

    def start() -> None:
        with contextlib.suppress(AppError):  # whoever presses Score is told why
            client.ensure_service(workspace)

    if not st.session_state.get("scoring_warmed"):
        st.session_state["scoring_warmed"] = True
        threading.Thread(target=start, name="scoring-start", daemon=True).start()


def run(workspace: Workspace, given: Sequence[Given], choice: Choice) -> Shown:
    """Read and score conversations; one that can't be read is refused by itself.

    Raises:
        ServiceError: The scoring service can't be had.
        BadInput: The model can't be used.
    """
    read: list[tuple[str, Transcript]] = []
    refused: list[tuple[str, str]] = []
    for one in given:
        try:
            read.append((one.name, _read(one, choice)))
        except AppError as error:
            refused.append((one.name, str(error)))
    found: list[list[Scored | None]] = []
    for model in (choice.model, choice.other) if choice.other else (choice.model,):
        answers = client.score(workspace, [transcript for _, transcript in read], choice.rubric.id, model)
        found.append([])
        for (name, _), answer in zip(read, answers, strict=True):
            found[-1].append(answer if isinstance(answer, Scored) else None)
            if not isinstance(answer, Scored) and (name, answer.detail) not in refused:
                refused.append((name, answer.detail))
    kept = [place for place in range(len(read)) if all(answers[place] is not None for answers in found)]
    columns = [[scored for place in kept if (scored := answers[place]) is not None] for answers in found]
    entries = [Entry(read[place][0], scored, read[place][1]) for place, scored in zip(kept, columns[0], strict=True)]
    names = [name_models(workspace, choice.rubric, column) for column in columns]
    others, other_name = (columns[1], names[1]) if len(columns) > 1 else ([], "")
    return Shown(choice.rubric, tuple(entries), names[0], time.time(), tuple(others), other_name, tuple(refused))


def name_models(workspace: Workspace, rubric: Rubric, scored: Sequence[Scored]) -> str:
    """Return what people call the models that gave these scores, whatever was asked for."""
    listed = {one.id: one.name for one in models.list_models(workspace, rubric)}
    ids = dict.fromkeys(one.adapter for one in scored)
    return " and ".join(listed.get(one) or _name_unlisted(workspace, one) for one in ids)


def _name_unlisted(workspace: Workspace, adapter: str) -> str:
    try:
        with opened(workspace) as db:
            return adapters.find(db, adapter).name
    except NotFound:
        return f"an adapter that is gone ({adapter})"


def _read(given: Given, choice: Choice) -> Transcript:
    """Return the very transcript that the service will read, so that what it marks stands where it says."""
    transcript = reading.read_transcript(given.content, choice.rubric, given.name)
    if not choice.mask:
        return transcript
    masked, _ = masking.mask(transcript, choice.rubric)
    return reading.read_transcript(masked.render(), choice.rubric)  # masked labels may read otherwise
