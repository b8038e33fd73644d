"""What people correct of scores: stored with who and when, and turned into ratings or examples to train on.

A transcript is stored because a person corrected its scores, and for no other reason; `TOLD` is what they are told
before they do.
"""

import logging
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from core import durable
from core.catalog.rubrics import SCALE, Rubric
from core.datasets import combination, versions
from core.datasets.combination import Combined
from core.datasets.examples import Example
from core.errors import BadInput, DataError
from core.paths import Workspace
from core.scoring import asking, composition, ratings
from core.scoring.ratings import Rated
from core.scoring.reading import read_transcript
from core.scoring.result import Scored
from core.scoring.transcript import Transcript
from core.store import scoring
from core.store.connection import opened
from core.store.scoring import Correction

log = logging.getLogger("atelier")

TOLD = (
    "Saving a correction stores this conversation on this computer, so that a model can be trained on it. It stays "
    "until you delete it. The database and datasets made of corrections are readable by you alone. The test questions "
    "of a training on them are readable by whoever may read your other files."
)
MOST_LETTERS = {"your name": 100, "the reason": 1_000, "the note": 2_000}
HELD_OUT_EVERY = 5  # of so many transcripts one is for validation
ORIGIN = "corrections"


def correct(
    workspace: Workspace,
    rubric: Rubric,
    transcript: Transcript,
    scored: Scored,
    *,
    who: str,
    scores: Mapping[str, int],
    reasons: Mapping[str, str] | None = None,
    note: str = "",
) -> int:
    """Store a person's scores for a transcript, with their reasons, beside the model's; return the correction's number.

    The model's own reason is dropped where the person changed its score: it speaks for the wrong one.

    Args:
        scores: By dimension, 1 to 5; dimensions that are not named stand as the model scored them.

    Raises:
        BadInput: A dimension or score does not exist, nothing is corrected, or a text is too long.
    """
    person = _check_text(who, "your name")
    if not person:
        raise BadInput("A correction needs a name, so that others know whom to ask. Give yours, or a short form of it.")
    known = {one.id for one in rubric.dimensions}
    told = {name: text for name, one in (reasons or {}).items() if (text := _check_text(one, "the reason"))}
    for name in (*scores, *told):
        if name not in known:
            raise BadInput(f"The rubric {rubric.id!r} has no dimension {name!r}. It has: {', '.join(sorted(known))}.")
    for name, score in scores.items():
        if isinstance(score, bool) or score not in SCALE:
            raise BadInput(f"The score {score!r} for {name!r} is not one of {SCALE[0]} to {SCALE[-1]}.")
    for name, result in scored.scores.items():
        if (
            name in scores
            and scores[name] != result.score
            and name in told
            and told[name] == " ".join(result.reason.split())
        ):
            del told[name]
    if not scores:
        raise BadInput("Nothing is corrected. Give a score for at least one dimension.")
    return scoring.add_correction(
        workspace,
        who=person,
        rubric=rubric.id,
        adapter=scored.adapter,
        transcript=transcript.render(),
        scored=scored.model_dump(mode="json"),
        corrected={"scores": {name: int(score) for name, score in scores.items()}, "reasons": told},
        note=_check_text(note, "the note"),
    )


def _check_text(text: str, what: str) -> str:
    clean = " ".join(text.split())
    if len(clean) > MOST_LETTERS[what]:
        raise BadInput(f"{what.capitalize()} has {len(clean):,} letters; at most {MOST_LETTERS[what]:,} are kept.")
    if not clean.isprintable():
        raise BadInput(f"{what.capitalize()} holds characters that can't be printed. Take them out.")
    return clean


def newest(db: sqlite3.Connection, rubric: Rubric) -> list[Correction]:
    """Return what each person makes of each transcript, the oldest first: by dimension, the last that they said."""
    last: dict[tuple[str, str], Correction] = {}
    for one in reversed(scoring.corrections_of(db, rubric.id)):
        key = (one.who.casefold(), one.transcript)
        last[key] = _merge(last[key], one) if key in last else one
    return sorted(last.values(), key=lambda one: one.id)


def _merge(before: Correction, one: Correction) -> Correction:
    """Return a correction with what the same person said before of dimensions that it leaves alone."""
    scores, reasons = one.corrected["scores"], one.corrected["reasons"]
    kept = {name: text for name, text in before.corrected["reasons"].items() if name not in scores}
    merged = {"scores": before.corrected["scores"] | scores, "reasons": kept | reasons}
    return replace(one, corrected=merged, note=one.note or before.note)


def to_ratings(workspace: Workspace, rubric: Rubric, path: Path) -> int:
    """Write the corrections as rated transcripts (JSONL) that training and `atelier agreement` take; return how many.

    A dimension that nobody corrected stands as the model scored it: the person saw it and left it. Where the model has
    no score either, as the rubric got the dimension later, the correction is left out and the log says how many are.
    The file is its owner's alone.

    Raises:
        DataError: There are no corrections, or none has a score for each dimension.
    """
    with opened(workspace) as db:
        found = newest(db, rubric)
    if not found:
        raise DataError(_none(rubric))
    rated = [one for one in (_rate(one, rubric) for one in found) if len(one.scores) == len(rubric.dimensions)]
    if len(rated) < len(found):
        told = (
            f"{len(found) - len(rated):,} of {len(found):,} corrections are left out: they have no score for a "
            f"dimension that the rubric {rubric.title!r} has now."
        )
        if not rated:
            raise DataError(f"{told} Score these conversations again and correct them.")
        log.warning(told)
    staged = durable.staging_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, scoring.OWNER_ALONE), "wb") as stream:
            stream.write(ratings.write_jsonl(rated).encode())
        durable.put_in_place(staged, path)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    return len(rated)


def _rate(one: Correction, rubric: Rubric) -> Rated:
    given = {name: result["score"] for name, result in one.scored["scores"].items()} | one.corrected["scores"]
    return Rated(
        read_transcript(one.transcript, rubric),
        {dimension.id: given[dimension.id] for dimension in rubric.dimensions if dimension.id in given},
        dict(one.corrected["reasons"]),
        reasoning=one.note,
        source=_name_source(one),
        rater=one.who,
    )


def to_dataset(workspace: Workspace, rubric: Rubric, name: str) -> Combined:
    """Store the corrected scores as a version of a dataset: a question for each dimension that a person scored.

    What people left as it was is no example: a model learns nothing from its own answers. A model is asked as in
    `composition`: about a transcript without what speaks to the scorer, a long one in windows. A transcript is wholly
    in the training or in the validation part. Deleting corrections later does not change a dataset made of them.

    Raises:
        BadInput: The name is none.
        DataError: There are no corrections, or nothing to score in what was corrected.
    """
    with opened(workspace) as db:
        found = newest(db, rubric)
        if not found:
            raise DataError(_none(rubric))
        transcripts = list(dict.fromkeys(one.transcript for one in found))
        held = set(transcripts[HELD_OUT_EVERY - 1 :: HELD_OUT_EVERY])
        windows = {text: _read_windows(text, rubric) for text in transcripts}
        examples = [
            Example(
                asking.ask_score(rubric, dimension, window),
                asking.write_score(
                    one.corrected["scores"][dimension.id], one.corrected["reasons"].get(dimension.id, "")
                ),
                origin=f"{ORIGIN}:{rubric.id}",
                extra={
                    "part": "validation" if one.transcript in held else "train",
                    "component": dimension.id,
                    "group": _name_source(one),
                    versions.PRIVATE: True,
                },
            )
            for one in found
            for window in windows[one.transcript]
            for dimension in rubric.dimensions
            if dimension.id in one.corrected["scores"]
        ]
        source: dict[str, object] = {
            "corrections": [one.id for one in found],
            "rubric": rubric.id,
            "licence": "your own",
        }
        return combination.store(workspace, db, name, examples, source, "make")


def _read_windows(text: str, rubric: Rubric) -> list[Transcript]:
    """Return a stored transcript as a model is asked about it; nothing where all of it speaks to the scorer."""
    clean = composition.guard(read_transcript(text, rubric), rubric)
    count = composition.count_roughly  # which base will be trained is not known yet
    budget = composition.budget_of(rubric, count, composition.MAX_LENGTH)
    return composition.cut(clean, budget, count) if clean.words else []


def _name_source(one: Correction) -> str:
    return f"{ORIGIN}/{durable.hash_text(one.transcript)[:16]}"


def _none(rubric: Rubric) -> str:
    return (
        f"Nobody has corrected scores by the rubric {rubric.title!r} yet. Correct some on the page Transcripts first."
    )
