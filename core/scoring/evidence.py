"""Which passages support a score: the transcript is scored again without each, and the difference is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.scoring import sentences
from core.scoring.labels import join
from core.scoring.preparation import Piece, Prepared, Window
from core.scoring.result import Evidence
from core.scoring.transcript import Transcript, Utterance

MOST_GROUPS = 24  # transcripts scored again at a time
MOST_PASSAGES = 3
LEAST_EFFECT = 0.01
PRAISING = 3  # from this score on evidence is what raises it, below what lowers it

Expected = Sequence[float]  # of each dimension
Measure = Callable[[int, Sequence[Transcript]], Sequence[Expected]]  # window, variants of it -> expected scores


@dataclass(frozen=True)
class _Effect:
    piece: Piece
    effects: tuple[float, ...]


def find_evidence(
    prepared: Prepared,
    windows: Sequence[Window],
    scores: Sequence[int],
    before: Sequence[Expected],
    measure: Measure,
) -> list[tuple[Evidence, ...]]:
    """Return up to three passages for each dimension, what supports its score most first.

    A long transcript is looked through twice: runs of passages first, then each passage of the runs that matter.

    Args:
        scores: Of each dimension.
        before: The expected scores of each window as it is.
        measure: Scores variants of a window.
    """
    signs = [1 if score >= PRAISING else -1 for score in scores]
    groups = _candidates(prepared)
    if len(groups) > MOST_GROUPS:
        runs = _bundle(groups, MOST_GROUPS)
        found = _measure(prepared, windows, runs, before, measure)
        best = {
            place
            for number, sign in enumerate(signs)
            for place in sorted(range(len(runs)), key=lambda one: -sign * found[one][number])[:2]
        }
        groups = [[piece] for place in sorted(best) for piece in runs[place]][: 2 * MOST_GROUPS]
    effects = _measure(prepared, windows, groups, before, measure)
    measured = [_Effect(group[0], effect) for group, effect in zip(groups, effects, strict=True)]
    return [_choose(prepared, measured, number, sign) for number, sign in enumerate(signs)]


def _choose(prepared: Prepared, measured: Sequence[_Effect], number: int, sign: int) -> tuple[Evidence, ...]:
    chosen: list[Evidence] = []
    for one in sorted(measured, key=lambda one: (-sign * one.effects[number], one.piece.utterance, one.piece.start)):
        passage = prepared.locate(one.piece)
        if len(chosen) == MOST_PASSAGES or sign * one.effects[number] < LEAST_EFFECT:
            break
        if passage is not None:
            chosen.append(Evidence(**passage.model_dump(), effect=round(one.effects[number], 5)))
    return tuple(chosen)


def _candidates(prepared: Prepared) -> list[list[Piece]]:
    """Return the sentences of the side that is rated, or of all where the transcript does not tell the sides."""
    said = prepared.clean.utterances
    sides = {"rated"} if any(one.side == "rated" for one in said) else {"unknown", "other"}
    found = [
        [Piece(index, start, end)]
        for index, one in enumerate(said)
        if one.side in sides
        for start, end in sentences.split(one.text)
    ]
    return [group for group in found if prepared.locate(group[0]) is not None]


def _bundle(groups: Sequence[list[Piece]], most: int) -> list[list[Piece]]:
    """Return at most so many runs of neighbours, as equal as can be."""
    bounds = [round(number * len(groups) / most) for number in range(most + 1)]
    return [[piece for group in groups[begin:end] for piece in group] for begin, end in pairwise(bounds) if end > begin]


def _measure(
    prepared: Prepared,
    windows: Sequence[Window],
    groups: Sequence[list[Piece]],
    before: Sequence[Expected],
    measure: Measure,
) -> list[tuple[float, ...]]:
    """Return by how much each group raises the expected score of each dimension."""
    totals = [[0.0] * len(before[0]) for _ in groups]
    for number, window in enumerate(windows):
        variants = [(place, leave_out(prepared.clean, window, group)) for place, group in enumerate(groups)]
        changed = [(place, one) for place, one in variants if one is not None and one.words]
        found = measure(number, [one for _, one in changed]) if changed else []
        for (place, _), without in zip(changed, found, strict=True):
            for dimension, (with_it, left) in enumerate(zip(before[number], without, strict=True)):
                totals[place][dimension] += window.weight * (with_it - left)
    return [tuple(one) for one in totals]


def leave_out(transcript: Transcript, window: Window, group: Sequence[Piece]) -> Transcript | None:
    """Return what a window says without a group of passages, None where it has none of them."""
    rest = []
    touched = False
    for piece in window.pieces:
        said = transcript.utterances[piece.utterance]
        kept, at = [], piece.start
        for gone in group:
            if gone.utterance == piece.utterance and gone.start < piece.end and gone.end > piece.start:
                kept.append(said.text[at : max(at, gone.start)])
                at = max(at, min(gone.end, piece.end))
                touched = True
        kept.append(said.text[at : piece.end])
        rest.append(Utterance(said.speaker, said.side, " ".join(part.strip() for part in kept if part.strip())))
    return join(rest) if touched else None
