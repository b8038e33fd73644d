"""What a model reads of a transcript: passages that speak to the scorer are cut, long ones come in windows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.catalog.rubrics import Rubric
from core.errors import TranscriptError
from core.scoring import sentences
from core.scoring.guard import masking, suspicion
from core.scoring.guard.readings import Reading, find_readings
from core.scoring.labels import join
from core.scoring.result import Flag, Passage
from core.scoring.transcript import Transcript, Utterance, render

SLACK = 16  # tokens by which a smaller budget is tried where lines together have more than each alone


@dataclass(frozen=True)
class Piece:
    """Characters [start, end) of an utterance."""

    utterance: int
    start: int
    end: int


@dataclass(frozen=True)
class Window:
    """Part of a transcript, as a model reads it; `weight` is its share of all words, those read before not counted."""

    pieces: tuple[Piece, ...]
    transcript: Transcript
    weight: float


@dataclass(frozen=True)
class Prepared:
    """A transcript with nothing in it that speaks to the scorer.

    Attributes:
        given: As it came, personal data masked where that was asked for; the passages of a result lie in it.
        readings: What is scored, first the transcript without its flags; a score is the lowest over them.
    """

    given: Transcript
    flags: tuple[Flag, ...]
    readings: tuple[Reading, ...]

    @property
    def clean(self) -> Transcript:
        return self.readings[0].transcript

    @cached_property
    def _origins(self) -> list[list[tuple[int, int]]]:
        """For each character of each clean utterance, the utterance and place that it comes from; blanks have (-1, -1).

        Cutting takes passages away and joins the rest, so what is not blank stands in the same order in both.
        """
        flagged = {(one.utterance, place) for one in self.flags for place in range(one.start, one.end)}
        rest = (
            (index, place)
            for index, one in enumerate(self.given.utterances)
            for place, letter in enumerate(one.text)
            if not letter.isspace() and (index, place) not in flagged
        )
        return [
            [(-1, -1) if letter.isspace() else next(rest, (-1, -1)) for letter in one.text]
            for one in self.clean.utterances
        ]

    def locate(self, piece: Piece) -> Passage | None:
        """Return where a piece of the clean transcript stands in the given one, None where it is not there verbatim."""
        origins = self._origins[piece.utterance][piece.start : piece.end]
        text = self.clean.utterances[piece.utterance].text[piece.start : piece.end]
        if not origins or -1 in (origins[0][0], origins[-1][0]) or origins[0][0] != origins[-1][0]:
            return None
        utterance, start, end = origins[0][0], origins[0][1], origins[-1][1] + 1
        if self.given.utterances[utterance].text[start:end] != text:
            return None
        return Passage(utterance=utterance, start=start, end=end, text=text)


def prepare(transcript: Transcript, rubric: Rubric, mask: bool = False) -> Prepared:
    """Return what is scored of a transcript, and what is flagged.

    Args:
        mask: Whether personal data are replaced by marks before anything else.

    Raises:
        TranscriptError: Nothing is left to score.
    """
    given = masking.mask(transcript, rubric)[0] if mask else transcript
    flags = suspicion.find_flags(given, rubric)
    if not suspicion.cut(given, flags).words:
        why = "All of it speaks to the scorer instead of the person" if flags else "It has no words"
        raise TranscriptError(f"There is nothing to score in the transcript. {why}. Give a conversation.")
    return Prepared(given, flags, find_readings(given, flags, rubric))


def split(transcript: Transcript, count: Callable[[str], int], most: int) -> list[Window]:
    """Return the windows in which a transcript is read, one where it fits. Every word is in at least one of them.

    Windows hold whole utterances and begin with the last one of the window before, where there is room. An utterance
    that is longer than a window is split between sentences, and a sentence that is longer between words.

    Args:
        count: Tells how many tokens a text has.
        most: Tokens of a window.
    """
    whole = [Piece(index, 0, len(one.text)) for index, one in enumerate(transcript.utterances)]
    if count(transcript.render()) <= most:
        return [Window(tuple(whole), transcript, 1.0)]
    budget = most
    while True:
        groups = _group(transcript, whole, count, budget)
        parts = [take(transcript, pieces) for pieces, _ in groups]
        if budget <= SLACK or all(count(part.render()) <= most for part in parts):
            break
        budget -= SLACK
    words = [sum(_words(transcript, one) for one in pieces[repeated:]) for pieces, repeated in groups]
    return [
        Window(tuple(pieces), part, fresh / sum(words))
        for (pieces, _), part, fresh in zip(groups, parts, words, strict=True)
    ]


def take(transcript: Transcript, pieces: Sequence[Piece]) -> Transcript:
    """Return pieces of a transcript as a transcript of their own."""
    return join(
        Utterance(said.speaker, said.side, said.text[one.start : one.end])
        for one in pieces
        for said in (transcript.utterances[one.utterance],)
    )


def _words(transcript: Transcript, piece: Piece) -> int:
    return len(transcript.utterances[piece.utterance].text[piece.start : piece.end].split())


def _group(
    transcript: Transcript, whole: Sequence[Piece], count: Callable[[str], int], most: int
) -> list[tuple[list[Piece], int]]:
    """Return the pieces of each window, and how many of them the window before has too."""

    def cost(piece: Piece) -> int:
        said = transcript.utterances[piece.utterance]
        return count(render(Utterance(said.speaker, said.side, said.text[piece.start : piece.end])) + "\n")

    sized = [(piece, size) for one in whole for piece, size in _fit(transcript, one, cost, most)]
    groups: list[tuple[list[Piece], int]] = []
    current: list[tuple[Piece, int]] = []
    repeated = 0
    for piece, size in sized:
        if current and sum(taken for _, taken in current) + size > most:
            groups.append(([one for one, _ in current], repeated))
            last, taken = current[-1]
            fits = last in whole and len(current) > repeated + 1 and taken + size <= most
            current, repeated = ([(last, taken)], 1) if fits else ([], 0)
        current.append((piece, size))
    groups.append(([one for one, _ in current], repeated))
    return groups


def _fit(transcript: Transcript, whole: Piece, cost: Callable[[Piece], int], most: int) -> list[tuple[Piece, int]]:
    """Return an utterance with its cost, in parts that each fit where it is too long."""
    size = cost(whole)
    if size <= most or whole.end - whole.start < 2:
        return [(whole, size)]
    text = transcript.utterances[whole.utterance].text[whole.start : whole.end]
    bounds = [(one.start, one.end) for one in sentences.split(text)]
    if len(bounds) < 2:
        bounds = [(one.start(), one.end()) for one in re.finditer(r"\S+", text)]
    if len(bounds) < 2:
        middle = (whole.start + whole.end) // 2
        halves = Piece(whole.utterance, whole.start, middle), Piece(whole.utterance, middle, whole.end)
        return [part for half in halves for part in _fit(transcript, half, cost, most)]
    # Halves at a border, again and again: each text is counted a few times only, however long it is.
    middle = len(bounds) // 2
    first = Piece(whole.utterance, whole.start, whole.start + bounds[middle - 1][1])
    second = Piece(whole.utterance, whole.start + bounds[middle][0], whole.end)
    return [part for half in (first, second) for part in _fit(transcript, half, cost, most)]
