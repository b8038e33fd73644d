"""What was said if doubtful passages were not: a score is the lowest over these readings, so they can't raise it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from core.catalog.rubrics import Rubric
from core.scoring import sentences
from core.scoring.guard import suspicion
from core.scoring.guard.doubt import doubts
from core.scoring.result import Flag
from core.scoring.sentences import Span
from core.scoring.transcript import Transcript

BESIDE = 2  # sentences on either side of a flagged passage that may belong to it
APART = 2  # sentences between two flagged passages of one text that was put in
SURE = ("", "heading")  # beside these, nothing else is suspected
MOST = 48
MOST_WORDS = 24_000  # of all readings together
TOLD = "It may stand there for the scorer, so it was not allowed to raise a score."


@dataclass(frozen=True)
class Reading:
    """One of the transcripts that a text may be; `without` are the doubtful passages that it leaves out."""

    transcript: Transcript
    without: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class _Sentence:
    utterance: int
    start: int
    end: int
    flag: str  # the kind of the flag on it, "" for none
    doubtful: bool


Places = frozenset[int]  # of sentences


def find_readings(transcript: Transcript, flags: tuple[Flag, ...], rubric: Rubric) -> tuple[Reading, ...]:
    """Return the readings of a transcript, first the one without its flagged passages alone.

    A text that was put in at one place, and of which a sentence is flagged, is left out by one of them to the letter,
    if no more than `BESIDE` sentences of it stand on either side. So is each doubtful sentence.
    """
    told = _list_sentences(transcript, flags, rubric)
    doubtful = [frozenset({place}) for place, one in enumerate(told) if one.doubtful]
    runs = _find_runs([place for place, one in enumerate(told) if one.flag not in SURE])
    if not doubtful and not runs:
        return (Reading(suspicion.cut(transcript, flags)),)
    most = max(2, min(MOST, MOST_WORDS // max(1, transcript.words)))
    found: dict[Transcript, Reading] = {}
    for removed in _choose(_ways(runs, len(told), most), doubtful, most):
        gone = [told[place] for place in sorted(removed) if not told[place].flag]
        passages = [_as_flag(transcript, one) for one in gone]
        left = suspicion.cut(transcript, _merge([*flags, *passages]))
        if left.words:
            shown = tuple(flag for one, flag in zip(gone, passages, strict=True) if one.doubtful)
            found.setdefault(left, Reading(left, shown))
    return tuple(found.values()) or (Reading(suspicion.cut(transcript, flags)),)


def _list_sentences(transcript: Transcript, flags: Sequence[Flag], rubric: Rubric) -> list[_Sentence]:
    found = []
    for index, one in enumerate(transcript.utterances):
        shown, places = sentences.visible(one.text)
        mine = [flag for flag in flags if flag.utterance == index]
        for span in sentences.split(shown):
            start, end = places[span.start], places[span.end - 1] + 1
            kind = next((flag.kind for flag in mine if flag.start < end and flag.end > start), "")
            doubtful = None if kind else _find_doubt(shown, span, rubric)
            if doubtful and doubtful != span:
                start, end = places[doubtful.start], places[doubtful.end - 1] + 1
            found.append(_Sentence(index, start, end, kind, doubtful is not None))
    return found


def _find_doubt(text: str, span: Span, rubric: Rubric) -> Span | None:
    """Return what is doubtful of a sentence: a remark in brackets where the rest is plain talk, else all of it."""
    if not doubts(text[span.start : span.end], rubric):
        return None
    for group in sentences.groups(text, span):
        rest = text[span.start : group.start] + text[group.end : span.end]
        if any(map(str.isalnum, rest)) and not doubts(rest, rubric):
            return group
    return span


def _find_runs(flagged: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last sentence of each run of flagged ones that stand near to each other."""
    runs: list[tuple[int, int]] = []
    for place in flagged:
        if runs and place - runs[-1][1] <= APART + 1:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _ways(runs: Sequence[tuple[int, int]], count: int, most: int) -> list[Places]:
    """Return the sentences to leave out around flagged runs, in each way; the same at all runs if they are many."""
    beside = [(left, right) for left in range(BESIDE + 1) for right in range(BESIDE + 1)]

    def spread(run: tuple[int, int], way: tuple[int, int]) -> Places:
        return frozenset(range(max(0, run[0] - way[0]), min(count, run[1] + 1 + way[1])))

    if not runs:
        return [frozenset()]
    if len(beside) ** len(runs) <= most:
        chosen = [list(one) for one in product(beside, repeat=len(runs))]
    else:
        chosen = [[way] * len(runs) for way in beside]
    whole = [frozenset().union(*(spread(run, way) for run, way in zip(runs, ways, strict=True))) for ways in chosen]
    return [frozenset(), *whole]


def _choose(ways: Sequence[Places], doubtful: Sequence[Places], most: int) -> list[Places]:
    """Return what each reading leaves out: every mixture of what is doubtful if they are few, else none or all."""
    if len(ways) * 2 ** len(doubtful) <= most:
        mixtures = [
            frozenset().union(*(one for one, gone in zip(doubtful, chosen, strict=True) if gone))
            for chosen in product((False, True), repeat=len(doubtful))
        ]
    else:
        every: Places = frozenset().union(*doubtful)
        mixtures = [frozenset(), every]
    found = [way | mixture for mixture in mixtures for way in ways]
    return found[:1] + sorted(found[1:], key=len, reverse=True)[: most - 1]


def _as_flag(transcript: Transcript, one: _Sentence) -> Flag:
    text = transcript.utterances[one.utterance].text[one.start : one.end]
    return Flag(utterance=one.utterance, start=one.start, end=one.end, text=text, kind="doubtful", told=TOLD)


def _merge(flags: Sequence[Flag]) -> tuple[Flag, ...]:
    """Return passages without those that lie within another."""
    ordered = sorted(flags, key=lambda one: (one.utterance, one.start, -one.end))
    kept: list[Flag] = []
    for one in ordered:
        if kept and kept[-1].utterance == one.utterance and one.start < kept[-1].end:
            continue
        kept.append(one)
    return tuple(kept)
