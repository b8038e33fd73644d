"""What was said if doubtful passages were not: a score is the lowest over these readings, so they can't raise it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from core.catalog.rubrics import Rubric
from core.scoring import sentences
from core.scoring.guard import suspicion
from core.scoring.guard.doubt import doubts
from core.scoring.guard.suspicion import Spot
from core.scoring.result import Flag
from core.scoring.sentences import Span
from core.scoring.transcript import Transcript

BESIDE = 2  # sentences on either side of a flagged passage that may belong to it
APART = 2  # sentences between two flagged passages of one text that was put in
SURE = ("", "heading")  # beside these, nothing else is suspected
MOST, LEAST = 48, 4
MOST_WORDS = 24_000  # of all readings together
TOLD = "It may stand there for the scorer, so it was not allowed to raise a score."


@dataclass(frozen=True)
class Reading:
    """One of the transcripts that a text may be; `without` are the doubtful passages that it leaves out."""

    transcript: Transcript
    without: tuple[Flag, ...] = ()


@dataclass(frozen=True)
class _Sentence:
    """A sentence; `flag` is the kind of the flag on it, "" for none, and `doubt` what of it is doubtful."""

    spot: Spot
    flag: str
    doubt: Spot | None


Places = frozenset[int]  # of sentences


def find_readings(transcript: Transcript, flags: tuple[Flag, ...], rubric: Rubric) -> tuple[Reading, ...]:
    """Return the readings of a transcript, first the one without its flagged passages alone.

    A text that was put in at one place, and of which a sentence is flagged, is left out by one of them to the letter,
    if no more than `BESIDE` sentences of it stand on either side. So is what is doubtful: in every mixture while these
    are at most `MOST`, else none, all, each alone, and all but one. In a very long transcript there are only a few.
    """
    cut = [Spot(one.utterance, one.start, one.end) for one in flags]
    first = Reading(suspicion.remove(transcript, cut))
    told = _list_sentences(transcript, flags, rubric)
    doubtful = [place for place, one in enumerate(told) if one.doubt]
    runs = _find_runs([place for place, one in enumerate(told) if one.flag not in SURE])
    if not doubtful and not runs:
        return (first,)
    most = max(LEAST, min(MOST, MOST_WORDS // max(1, transcript.words)))
    found = {first.transcript: first}
    for mixture, way in _choose(_mix(doubtful, most), _ways(runs, len(told), most), most):
        doubted = [spot for place in sorted(mixture | way) if (spot := told[place].doubt)]
        left = suspicion.remove(transcript, [*cut, *doubted, *(told[place].spot for place in way)])
        if left.words:
            found.setdefault(left, Reading(left, tuple(_as_flag(transcript, one) for one in doubted)))
    return tuple(found.values())


def _list_sentences(transcript: Transcript, flags: Sequence[Flag], rubric: Rubric) -> list[_Sentence]:
    marked: defaultdict[int, list[Flag]] = defaultdict(list)
    for flag in flags:
        marked[flag.utterance].append(flag)
    found = []
    for index, one in enumerate(transcript.utterances):
        shown, places = sentences.visible(one.text)
        for span in sentences.split(shown):
            spot = Spot(index, places[span.start], places[span.end - 1] + 1)
            on_it = [flag for flag in marked[index] if flag.start < spot.end and flag.end > spot.start]
            if on_it:
                rest = " ".join(suspicion.leave(one.text, spot, on_it).split())
                doubt = spot if any(map(str.isalnum, rest)) and doubts(rest, rubric) else None
            else:
                part = _find_doubt(shown, span, rubric)
                doubt = Spot(index, places[part.start], places[part.end - 1] + 1) if part else None
            found.append(_Sentence(spot, on_it[0].kind if on_it else "", doubt))
    return found


def _find_doubt(text: str, span: Span, rubric: Rubric) -> Span | None:
    """Return what is doubtful of a sentence: a remark or its end where the rest is plain talk, else all of it."""
    if not doubts(text[span.start : span.end], rubric):
        return None
    for part in (*sentences.groups(text, span), *sentences.beginnings(text, span)):
        rest = text[span.start : part.start] + text[part.end : span.end]
        if any(map(str.isalnum, rest)) and doubts(text[part.start : part.end], rubric) and not doubts(rest, rubric):
            return part
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
    near = range(BESIDE + 1)
    beside = sorted(product(near, near), key=lambda way: (abs(way[0] - way[1]), sum(way)))

    def spread(run: tuple[int, int], way: tuple[int, int]) -> Places:
        return frozenset(range(max(0, run[0] - way[0]), min(count, run[1] + 1 + way[1])))

    if not runs:
        return [frozenset()]
    if len(beside) ** len(runs) <= most:
        chosen: Iterable[Sequence[tuple[int, int]]] = product(beside, repeat=len(runs))
    else:
        chosen = ([way] * len(runs) for way in beside)
    return [frozenset(), *(_union(map(spread, runs, ways)) for ways in chosen)]


def _mix(doubtful: Sequence[int], most: int) -> list[Places]:
    every = frozenset(doubtful)
    if 2 ** len(doubtful) <= most:
        chosen = product((True, False), repeat=len(doubtful))
        rest = [frozenset(one for one, gone in zip(doubtful, each, strict=True) if gone) for each in chosen]
    else:
        rest = [part for one in doubtful for part in (every - {one}, frozenset({one}))]
    return list(dict.fromkeys([frozenset(), every, *rest]))


def _choose(mixtures: Sequence[Places], ways: Sequence[Places], most: int) -> list[tuple[Places, Places]]:
    """Return pairs of both, as many as there may be; those first of which both are early."""
    places = sorted(product(range(len(mixtures)), range(len(ways))), key=lambda pair: (sum(pair), pair))
    return [(mixtures[mixture], ways[way]) for mixture, way in places[:most]]


def _union(parts: Iterable[Places]) -> Places:
    return frozenset().union(*parts)


def _as_flag(transcript: Transcript, spot: Spot) -> Flag:
    text = transcript.utterances[spot.utterance].text[spot.start : spot.end]
    return Flag(utterance=spot.utterance, start=spot.start, end=spot.end, text=text, kind="doubtful", told=TOLD)
