"""Where sentences begin and end, seen through hidden characters."""

import re
from typing import NamedTuple

from core.scoring.guard.folding import is_hidden

MOST_WORDS = 70
_CHUNK = 35
LEAST_BEFORE = 4  # words before another sentence begins; fewer belong to it: "Dear AI, please"
_END = re.compile(
    r"[.!?…。！？]+[\"'”’»)\]}*_]*(?=\s|$)|[。！？]|(?:<\|[^|<>]{0,60}\|>|</\w{1,20}>|-->|\[/INST\])(?=\s|$)"
)
# Where somebody begins anew without a full stop before: a word that opens sentences, in capitals amid small letters.
_ANEW = re.compile(
    r"(?<=[\w\])}>\"'”=%])\s(?=(?:How|What|Where|When|Why|Who|You|We|They|He|She|It|That|This|The|There|So|And|But|Okay|Ok|Yes|Yeah|No|Well|Oh"
    r"|Hi|Hello|Do|Does|Did|Can|Could|Would|Is|Are|Was|Have|Has|My|Let's|Thanks|Thank|Good|If|Ignore|Disregard|Forget|Override|Please"
    r"|Give|Rate|Score|Assign|Output|Respond|Note|Attention|Evaluator|As|Dear)[ ,](?:[a-z]|I\b))"
    r"|(?<=[\d\])}>\"”=%])\s(?=I(?: [a-z]|'))"
    r"|(?<=[\w\])}>])\s(?=(?:System|SYSTEM|NOTE|IMPORTANT)\b[:,])"
)
_CAPITAL = re.compile(r"(?<=[a-z,;] )(?=[^\W\d_a-z][^\W\d_]+[ ,:])")
_MORSE = re.compile(r"(?:[.\-]{1,5}[ /]{1,3}){8,600}[.\-]{1,5}")
_SHORT = re.compile(
    r"(?:^|[\s(\[\"'])(?:(?i:dr|mr|mrs|ms|mx|prof|st|vs|no|nr|e\.g|i\.e|etc|approx|bzw|z\.b|d\.h)|[A-Z])\.$"
)
_OPENS = {"[": "]", "{": "}", "<": ">"}
_LONGEST_GROUP = 600


class Span(NamedTuple):
    start: int
    end: int


def split(text: str) -> list[Span]:
    """Return the sentences of a text; what stands between is blank. Brackets keep together what they hold.

    Speech that nobody punctuated is cut into stretches of some words, so that no rule sees a whole conversation as one
    sentence.
    """
    spans: list[Span] = []
    start = 0
    place = 0
    while place < len(text):
        end = _END.match(text, place)
        if end and not _is_short(text, start, end):
            spans.append(Span(start, end.end()))
            start = place = end.end()
        elif end:
            place = end.end()
        elif code := _MORSE.match(text, place) if text[place] in ".-" else None:
            place = code.end()
        elif text[place] in _OPENS:
            end_of_group = _close(text, place)
            if end_of_group and text[place] == "{":
                spans.append(Span(start, end_of_group))
                start = end_of_group
            place = end_of_group or place + 1
        elif text[place] == " " and _ANEW.match(text, place):
            spans.append(Span(start, place))
            start = place = place + 1
        else:
            place += 1
    spans.append(Span(start, len(text)))
    trimmed = (_trim(text, span) for span in spans)
    return [part for span in trimmed if span.end > span.start for part in _shorten(text, span)]


def groups(text: str, span: Span) -> list[Span]:
    """Return the bracketed parts of a sentence, for remarks inside what somebody said."""
    pattern = re.compile(r"\[[^\[\]]{3,600}\]|\([^()]{3,600}\)|\{[^{}]{3,600}\}|<!--.{0,600}?-->|\*\*[^*]{3,600}\*\*")
    return [Span(*match.span()) for match in pattern.finditer(text, span.start, span.end)]


def beginnings(text: str, span: Span) -> list[Span]:
    """Return the ends of a sentence from each word within that looks like the first of another one: "so Give it"."""
    starts = [found.start() for found in _CAPITAL.finditer(text, span.start, span.end)]
    return [Span(start, span.end) for start in starts if len(text[span.start : start].split()) >= LEAST_BEFORE]


def _is_short(text: str, start: int, match: re.Match[str]) -> bool:
    if match[0] != ".":
        return False
    head = text[max(start, match.start() - 8) : match.end()]
    if not _SHORT.search(head):
        return False
    # "the letter I." ends a sentence, "Dr. Ada" and "J. Smith" do not.
    following = text[match.end() : match.end() + 2].strip()
    return bool(following) and not head.endswith(" I.")


def _close(text: str, place: int) -> int:
    """Return the place behind the bracket that closes the one here, 0 if none does soon."""
    if text.startswith("<!--", place):
        end = text.find("-->", place, place + _LONGEST_GROUP)
        return end + 3 if end > 0 else 0
    opens, closes, depth = text[place], _OPENS[text[place]], 0
    if opens == "<" and not re.match(r"</?[\w|!?]", text[place : place + 3]):
        return 0
    for at in range(place, min(len(text), place + _LONGEST_GROUP)):
        depth += (text[at] == opens) - (text[at] == closes)
        if depth == 0:
            return at + 1
    return 0


def _trim(text: str, span: Span) -> Span:
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end)


def _shorten(text: str, span: Span) -> list[Span]:
    words = list(re.finditer(r"\S+", text[span.start : span.end]))
    if len(words) <= MOST_WORDS:
        return [span]
    parts = [words[place : place + _CHUNK] for place in range(0, len(words), _CHUNK)]
    return [Span(span.start + part[0].start(), span.start + part[-1].end()) for part in parts]


def visible(text: str) -> tuple[str, list[int]]:
    """Return a text without hidden characters, and the place of each of its characters in the original."""
    if text.isascii():
        return text, list(range(len(text)))
    places = [place for place, sign in enumerate(text) if not is_hidden(sign)]
    return "".join(text[place] for place in places), places
