"""Turns of structured files: JSON, JSON lines, WebVTT and SRT."""

import html
import json
import re
from collections import Counter
from itertools import groupby
from typing import Any, NamedTuple

from core.catalog.rubrics import Rubric
from core.errors import TranscriptError
from core.scoring.labels import is_certain, is_label

_LISTS = ("transcript", "turns", "utterances", "messages", "conversation", "conversations", "dialogue", "segments")
_SPEAKERS = ("speaker", "role", "name", "from", "interlocutor", "author", "sender", "participant", "speaker_label")
_TEXTS = ("text", "content", "utterance", "value", "message", "utterance_text", "transcript", "sentence", "body")
_TIMES = re.compile(r"\s*(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}\s+-->\s+(?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3}(?:\s.*)?")
_VOICE = re.compile(r"<v(?:\.[\w.-]{1,60})? ([^>\n]{1,200})>")
_TAG = re.compile(r"</?(?:v|c|i|b|u|ruby|rt|lang|font)(?:[. ][^<>\n]{0,200})?>|<\d[\d:.]{3,12}>")


class Turn(NamedTuple):
    """What one speaker said, as the file has it; "" where it names nobody."""

    speaker: str
    text: str


def read_json(text: str) -> list[Turn] | str:
    """Return the turns of a JSON text, or the labelled text that it holds.

    Raises:
        TranscriptError: It is no JSON, or holds no turns.
    """
    return _turns_of(_parse(text, ""), "", 0)


def read_json_lines(text: str) -> list[Turn]:
    """Return the turns of a text with one JSON object in each line."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"line {number}"
            found.append(_turn_of(_parse(line, f" in {where}"), where))
    return found


def read_cues(text: str) -> list[Turn] | str:
    """Return the turns of WebVTT or SRT; without `<v Name>` its texts as lines, which may carry labels."""
    turns: list[Turn] = []
    speaker, in_cue = "", False
    for line in text.splitlines():
        if _TIMES.fullmatch(line):
            in_cue, speaker = True, ""
        elif not line.strip():
            in_cue = False
        elif in_cue:
            parts = _VOICE.split(line)
            for place, part in enumerate(parts):
                if place % 2:
                    speaker = html.unescape(part)
                elif part.strip():
                    turns.append(Turn(speaker, html.unescape(_TAG.sub("", part))))
    if any(turn.speaker for turn in turns):
        return turns
    return "\n".join(turn.text for turn in turns)


def write_labelled(turns: list[Turn], rubric: Rubric) -> str:
    """Return turns as labelled lines; a name that could not be read back from there becomes "Speaker 2"."""
    names = [_clean(turn.speaker) for turn in turns]
    if not any(names):
        return "\n".join(" ".join(turn.text.split()) for turn in turns)
    times = Counter(
        name for name, _ in groupby(name for name, turn in zip(names, turns, strict=True) if turn.text.strip())
    )
    order = {name: place for place, name in enumerate(dict.fromkeys(name for name in names if name), start=1)}
    lines = []
    for name, turn in zip(names, turns, strict=True):
        known = name and is_label(name) and (is_certain(name, rubric) or times[name] > 1)
        label = name if known else f"Speaker {order[name]}" if name else "Unknown"
        lines.append(f"{label}: {' '.join(turn.text.split())}")
    return "\n".join(lines)


def _clean(name: str) -> str:
    name = " ".join(name.replace(":", " ").split()).strip("*<>[]\"' ")
    return name[:1].upper() + name[1:]


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        place = where or f" in line {error.lineno}"
        raise TranscriptError(
            f"The transcript looks like JSON but can't be read{place}: {error.msg}. Mend it, or paste the text."
        ) from error
    except RecursionError as error:
        raise TranscriptError(f"The transcript's JSON is nested too deep{where}. Give a list of turns.") from error
    except ValueError as error:
        raise TranscriptError(
            f"The transcript's JSON holds a number that is too long{where}. Give a list of turns with text."
        ) from error


def _refuse_constant(name: str) -> Any:
    raise TranscriptError(f"The transcript's JSON holds {name}, which is not valid JSON. Take it out.")


def _turns_of(given: Any, where: str, depth: int) -> list[Turn] | str:
    if isinstance(given, str):
        return given
    if isinstance(given, list):
        if given and all(isinstance(one, str) for one in given):
            return "\n".join(given)
        return [_turn_of(one, f"{where}turn {number}") for number, one in enumerate(given, start=1)]
    if isinstance(given, dict) and depth < 3:
        for key in _LISTS:
            if isinstance(given.get(key), str | list | dict):
                return _turns_of(given[key], f"{key}, ", depth + 1)
        if any(isinstance(given.get(key), str) for key in _TEXTS):
            return [_turn_of(given, "the object")]
        inner = [key for key, value in given.items() if isinstance(value, list | dict) and value]
        if len(inner) == 1:
            return _turns_of(given[inner[0]], f"{inner[0]}, ", depth + 1)
    raise TranscriptError(
        "The transcript's JSON holds no turns. "
        "Give a list of objects with `speaker` and `text`, or a text as `transcript`."
    )


def _turn_of(given: Any, where: str) -> Turn:
    if not isinstance(given, dict):
        raise TranscriptError(
            f"The transcript's {where} is {_kind(given)}; a turn is an object with `speaker` and `text`."
        )
    text = next((given[key] for key in _TEXTS if given.get(key) is not None), None)
    if isinstance(text, list) and all(isinstance(one, dict) and isinstance(one.get("text"), str) for one in text):
        text = " ".join(one["text"] for one in text)
    if not isinstance(text, str):
        what = "no `text`" if text is None else f"{_kind(text)} as its text"
        raise TranscriptError(f"The transcript's {where} has {what}. A turn is an object: `speaker` and `text`.")
    speaker = next((given[key] for key in _SPEAKERS if given.get(key) not in (None, "")), "")
    if isinstance(speaker, dict):
        speaker = speaker.get("name") or speaker.get("role") or ""
    if isinstance(speaker, int) and not isinstance(speaker, bool) and abs(speaker) < 1000:
        speaker = f"Speaker {speaker}"
    if not isinstance(speaker, str):
        raise TranscriptError(f"The transcript's {where} has {_kind(speaker)} as its speaker. Give a name.")
    return Turn(speaker, text)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}.get(
        type(value), "a text"
    )
