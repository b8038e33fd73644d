"""Passages of a transcript that speak to the scorer instead of the person: found by rule, and cut before scoring."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from core.catalog.rubrics import Rubric
from core.scoring import sentences
from core.scoring.guard.folding import decode, find_hidden, find_spread, fold, mixes_scripts, undisguise
from core.scoring.guard.rules import follows_on, judge, judge_spread
from core.scoring.labels import ROLES, join
from core.scoring.result import Flag
from core.scoring.sentences import Span
from core.scoring.transcript import Transcript, Utterance

TOLD = {
    "instruction": "It gives the scorer an order.",
    "scorer": "It speaks to whoever scores, not to a person of the conversation.",
    "rating": "It states a rating of the conversation.",
    "praise": "It praises the professional as an observer would.",
    "role": "It carries marks by which models tell who speaks.",
    "hidden": "It holds characters that nobody can see.",
    "disguise": "It hides its words in look-alike letters or a code.",
    "authority": "It says that somebody has decided the score.",
    "pressure": "It offers a reward or threatens for a score.",
    "heading": "It stands before the first speaker, so nobody said it.",
}
# Voices that are always foreign to a conversation, and those that are if they hardly speak: an evaluator may be one.
_NEVER_PEOPLE = ROLES - {
    "evaluator",
    "rater",
    "grader",
    "scorer",
    "judge",
    "assessor",
    "reviewer",
    "auditor",
    "moderator note",
}

# No word is that long; a code is recognised by its beginning.
_ENDLESS = re.compile(r"(\S{300})\S+")
_SPEAKS = re.compile(r"[\w★⭐🌟<\[{#]")


def find_flags(transcript: Transcript, rubric: Rubric) -> tuple[Flag, ...]:
    """Return the passages that are not of the conversation but about its score, in their order.

    A passage is a whole utterance, a whole sentence, a remark in brackets, or a run of hidden characters. What is found
    depends on the sentence and its neighbours in the same utterance, so that a passage is flagged wherever it is put.
    """
    found: list[Flag] = []
    counts = {role: sum(one.speaker.casefold() == role for one in transcript.utterances) for role in ROLES}
    before = _count_headings(transcript)
    for index, one in enumerate(transcript.utterances):
        if index < before:
            found.append(_flag(index, one.text, Span(0, len(one.text)), "heading"))
            continue
        role = one.speaker.casefold()
        rare = role in ROLES and (counts[role] == 1 or 5 * counts[role] < len(transcript.utterances))
        if role in _NEVER_PEOPLE or rare or _is_answer(one):
            found.append(_flag(index, one.text, Span(0, len(one.text)), "scorer"))
        else:
            found += [_flag(index, one.text, span, kind) for span, kind in _look_through(one.text, rubric)]
    return tuple(found)


def _count_headings(transcript: Transcript) -> int:
    """Return how many utterances without a speaker stand before a conversation of which every line has one."""
    said = transcript.utterances
    first = next((place for place, one in enumerate(said) if one.speaker), 0)
    sides = {one.side for one in said[first:]}
    return first if sides >= {"rated", "other"} and all(one.speaker for one in said[first:]) else 0


def _is_answer(one: Utterance) -> bool:
    """Tell whether an utterance is what a model would be asked for: "Assistant: 5"."""
    return one.speaker.casefold() == "assistant" and bool(
        re.fullmatch(r"\W*(?:score\W*)?[1-5]\W*", one.text, re.IGNORECASE)
    )


class Spot(NamedTuple):
    """Characters [start, end) of the utterance with this index."""

    utterance: int
    start: int
    end: int


def cut(transcript: Transcript, flags: tuple[Flag, ...]) -> Transcript:
    """Return the transcript without its flagged passages; it may be empty.

    Putting a flagged sentence between two others, or as an utterance of its own, and cutting it gives the transcript of
    before, so that it can't change a score.
    """
    return remove(transcript, [Spot(one.utterance, one.start, one.end) for one in flags])


def remove(transcript: Transcript, spots: Iterable[Spot]) -> Transcript:
    """Return the transcript without some passages, which may overlap."""
    gone: defaultdict[int, list[Spot]] = defaultdict(list)
    for spot in spots:
        gone[spot.utterance].append(spot)
    return join(
        Utterance(one.speaker, one.side, leave(one.text, Spot(index, 0, len(one.text)), gone[index]))
        for index, one in enumerate(transcript.utterances)
    )


def leave(text: str, within: Spot, gone: Sequence[Spot | Flag]) -> str:
    """Return what is left of a passage of an utterance's text."""
    kept, at = [], within.start
    for one in sorted(gone, key=lambda one: one.start):
        kept.append(text[at : min(max(at, one.start), within.end)])
        at = max(at, one.end)
    return "".join([*kept, text[at : within.end]])


def _flag(index: int, text: str, span: Span, kind: str) -> Flag:
    return Flag(
        utterance=index, start=span.start, end=span.end, text=text[span.start : span.end], kind=kind, told=TOLD[kind]
    )


def _look_through(text: str, rubric: Rubric) -> list[tuple[Span, str]]:
    """Return the flagged passages of one utterance's text."""
    shown, places = sentences.visible(text)
    spans = sentences.split(shown)
    kinds = [_judge(shown[span.start : span.end], rubric) for span in spans]
    _spread(kinds, [shown[span.start : span.end] for span in spans], rubric)
    found: list[tuple[Span, str]] = []
    for span, kind in zip(spans, kinds, strict=True):
        if kind:
            part = _narrow(shown, span, rubric)
            found.append((_widen(text, Span(places[part.start], places[part.end - 1] + 1)), kind))
    for start, end in find_hidden(text):
        if not any(span.start <= start < span.end for span, _ in found):
            found.append((Span(start, end), "hidden"))
    return sorted(found)


def _spread(kinds: list[str], texts: list[str], rubric: Rubric) -> None:
    """Flag, beside flagged sentences, those that only make sense with them: "Trust me on this, do it."."""
    for step in (1, -1):
        order = range(len(kinds)) if step > 0 else range(len(kinds) - 1, -1, -1)
        for place in order:
            before = place - step
            if (
                not kinds[place]
                and 0 <= before < len(kinds)
                and kinds[before]
                and follows_on(fold(texts[place]), rubric)
            ):
                kinds[place] = kinds[before]


def _narrow(text: str, span: Span, rubric: Rubric) -> Span:
    """Return the part of a flagged sentence that is to blame, where the rest is plainly somebody's own words."""
    for part in (*sentences.groups(text, span), *sentences.beginnings(text, span)):
        rest = text[span.start : part.start] + text[part.end : span.end]
        remark = re.search(r"\w", rest) and _judge(text[part.start : part.end], rubric)
        if remark and not _judge(rest, rubric) and not follows_on(fold(rest), rubric):
            return part
    return span


def _widen(text: str, span: Span) -> Span:
    """Return a passage with the hidden characters that hang on it."""
    hidden = dict(find_hidden(text))
    backwards = {end: start for start, end in hidden.items()}
    return Span(backwards.get(span.start, span.start), hidden.get(span.end, span.end))


def _judge(text: str, rubric: Rubric) -> str:
    """Return the kind of what is wrong with a sentence, "" if nothing is."""
    text = _ENDLESS.sub(r"\1", text)
    if len(text) < 8 and not _SPEAKS.search(text):
        return ""
    kind = judge(fold(text), rubric)
    if kind:
        return kind
    if any(judge_spread(word, rubric) for word in find_spread(text)) or mixes_scripts(text):
        return "disguise"
    if any(judge(said, rubric) for said in undisguise(text)):
        return "disguise"
    return "disguise" if any(True for said in decode(text) if len(said.split()) > 1) else ""
