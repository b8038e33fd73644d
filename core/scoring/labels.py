"""Labelled text: who speaks is said at a line's beginning ("RD: ...", "[00:01] Nurse Kim: ..."), or inside one line."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from core.catalog.rubrics import Rubric
from core.scoring.transcript import Side, Transcript, Utterance

# Voices that no conversation between two people has. They are speakers of one line, never of the lines that follow,
# so that one such line between two others takes nothing of theirs with it.
ROLES = frozenset(
    {"system", "system prompt", "system message", "system note", "developer", "developer message", "evaluator", "rater"}
    | {"grader", "scorer", "judge", "assessor", "annotator", "reviewer", "auditor", "ai", "llm", "model", "chatgpt"}
    | {"instruction", "instructions", "prompt", "admin", "administrator", "moderator note", "note to evaluator"}
    | {"note to rater", "note to grader", "evaluator note", "rater note"}
)
# Words that open a line of speech or notes twice and still name nobody.
_HEADINGS = frozenset(
    {
        "note",
        "notes",
        "plan",
        "ps",
        "nb",
        "tip",
        "hint",
        "warning",
        "caution",
        "important",
        "remember",
        "example",
        "step",
    }
    | {
        "goal",
        "goals",
        "task",
        "homework",
        "summary",
        "subject",
        "date",
        "time",
        "re",
        "fwd",
        "objective",
        "subjective",
    }
    | {
        "assessment",
        "diagnosis",
        "dose",
        "dosage",
        "breakfast",
        "lunch",
        "dinner",
        "snack",
        "snacks",
        "morning",
        "noon",
    }
    | {"evening", "night", "today", "tomorrow", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}
    | {"sunday", "first", "second", "third", "also", "and", "but", "so", "total", "price", "address", "email", "phone"}
    | {"tel", "fax", "pros", "cons", "http", "https"}
)
_STAMP = r"[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]?"
_NAME = r"[^\W\d_][\w.'’/&-]{0,29}(?: [\w.'’()#&/-]{1,30}){0,3}"
_BOLD = r"(?:\*\*|__)?"
_LINE = re.compile(
    rf"(?:[-*•]\s+)?(?:{_STAMP}\s*(?:[-–—|]\s+)?)?{_BOLD}(?P<name>{_NAME}) ?{_BOLD} ?(?:{_STAMP})?"
    rf"(?P<sep>[:：]|\t| [-–—](?= )){_BOLD}(?=\s|$)(?P<rest>.*)"
)
_ALONE = re.compile(rf"(?:{_STAMP}\s+)?{_BOLD}(?P<name>{_NAME}){_BOLD}:?(?:\s+(?P<stamp>{_STAMP}))?:?")
_ONLY_STAMP = re.compile(rf"{_STAMP}(?:\s*-->\s*{_STAMP})?")
_VOICE = re.compile(r"(?:speaker|spk|participant|person|voice)[ _#-]?\w{1,3}|unknown", re.IGNORECASE)
_CAPITAL = re.compile(r"[A-Z0-9(][\w.'’()#&-]*")


class _Piece(NamedTuple):
    """A part of a line: who is named at its front ("" if nobody), and what is said."""

    name: str
    text: str


def find_side(label: str, rubric: Rubric) -> Side:
    """Return the side that a speaker's label belongs to: by the whole label, then its last word, then its first."""
    words = re.sub(r"[()#.\d_*]+", " ", label).casefold().split()
    for candidate in [" ".join(words), *words[-1:], *words[:1]]:
        if candidate in _names(tuple(rubric.rated.names)):
            return "rated"
        if candidate in _names(tuple(rubric.other.names)):
            return "other"
    return "unknown"


def is_certain(label: str, rubric: Rubric) -> bool:
    """Tell whether a label names a speaker even where it stands only once."""
    if label.casefold() in ROLES or _VOICE.fullmatch(label):
        return True
    if find_side(label, rubric) == "unknown":
        return False
    head, *rest = label.split()
    return not rest or (head[0].isupper() and all(_CAPITAL.fullmatch(word) for word in rest))


def is_label(label: str) -> bool:
    """Tell whether a name can stand before a colon and be read as a label again."""
    return bool(_LINE.fullmatch(f"{label}: x")) and label.casefold() not in _HEADINGS and label[0].isupper()


def read_labelled(text: str, rubric: Rubric) -> Transcript:
    """Return the transcript of a text; without any label it is one unknown speaker's.

    A label counts if the rubric knows it, or if the speaker has two or more utterances: "Plan:" said once is speech.
    """
    lines = [line.strip() for line in text.splitlines()]
    known = Counter(name for line in lines if (name := _find_name(line)))
    known = Counter({name: n for name, n in known.items() if is_certain(name, rubric) or (n > 1 and is_label(name))})
    for _ in range(4):
        found = join(_follow(lines, set(known), rubric))
        counts = Counter(one.speaker for one in found.utterances)
        lost = {name for name in known if not is_certain(name, rubric) and counts[name] < 2}
        if not lost:
            return found
        known = Counter({name: n for name, n in known.items() if name not in lost})
    return join(_follow(lines, {name for name in known if is_certain(name, rubric)}, rubric))


def has_labels(text: str, rubric: Rubric) -> bool:
    """Tell whether a line of a text begins with a label that the rubric knows."""
    matches = (_LINE.fullmatch(line.strip()) for line in text.splitlines())
    return any(match and find_side(match["name"], rubric) != "unknown" for match in matches)


def join(utterances: Iterable[Utterance]) -> Transcript:
    """Return a transcript in which no speaker follows himself and nothing is empty: the one form of every transcript.

    It makes taking a passage out the exact reverse of putting it in, also where it had split an utterance in two.
    """
    kept: list[Utterance] = []
    parts: list[list[str]] = []
    for one in utterances:
        text = " ".join(one.text.split())
        if not text:
            continue
        if kept and (kept[-1].speaker, kept[-1].side) == (one.speaker, one.side):
            parts[-1].append(text)
        else:
            kept.append(one)
            parts.append([text])
    return Transcript(
        tuple(Utterance(one.speaker, one.side, " ".join(said)) for one, said in zip(kept, parts, strict=True))
    )


def _find_name(line: str) -> str:
    match = _LINE.fullmatch(line)
    if match:
        return match["name"].strip()
    match = _ALONE.fullmatch(line)
    return match["name"] if match and match["stamp"] else ""


def _follow(lines: list[str], known: set[str], rubric: Rubric) -> Iterator[Utterance]:
    speaker = ""
    before_role = ""
    for line in lines:
        if _ONLY_STAMP.fullmatch(line):
            continue
        for piece in _split(line, known, rubric):
            if piece.name:
                if speaker.casefold() not in ROLES:
                    before_role = speaker
                speaker = piece.name
            elif speaker.casefold() in ROLES and piece.text:
                speaker = before_role
            yield Utterance(speaker, find_side(speaker, rubric), piece.text)


def _split(line: str, known: set[str], rubric: Rubric) -> Iterator[_Piece]:
    """Yield a line's parts: its label at the front, then labels of the rubric inside."""
    name, rest = "", line
    match = _LINE.fullmatch(line)
    alone = _ALONE.fullmatch(line)
    if match and _counts(match, known, rubric):
        name, rest = match["name"].strip(), match["rest"]
    elif alone and (is_certain(alone["name"], rubric) or (alone["stamp"] and alone["name"] in known)):
        name, rest = alone["name"], ""
    place = 0
    for inner in _inside(tuple(rubric.rated.names + rubric.other.names)).finditer(rest):
        yield _Piece(name, rest[place : inner.start()])
        name, place = inner["name"], inner.end()
    yield _Piece(name, rest[place:])


def _counts(match: re.Match[str], known: set[str], rubric: Rubric) -> bool:
    name = match["name"].strip()
    return name in known if match["sep"] in ":：" else find_side(name, rubric) != "unknown" and is_certain(name, rubric)


@lru_cache(maxsize=64)
def _names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(" ".join(re.sub(r"[()#.\d_*]+", " ", name).casefold().split()) for name in names) - {""}


@lru_cache(maxsize=64)
def _inside(names: tuple[str, ...]) -> re.Pattern[str]:
    spelled = sorted({form for name in names for form in (name, name.upper(), name.title())}, key=len, reverse=True)
    choice = "|".join(re.escape(form) for form in spelled)
    name = rf"(?P<name>(?:{choice})\.?(?: [A-Z][\w.'’-]{{0,29}})?)"
    return re.compile(rf"(?:(?<=\s)|^)(?:{_STAMP}\s*)?{_BOLD}{name}{_BOLD}:{_BOLD}(?=\s|$)")
