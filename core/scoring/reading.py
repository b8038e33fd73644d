"""Reading transcripts: any common form of a conversation's text into utterances, or one sentence why it can't be."""

import codecs
import re
import unicodedata
from collections.abc import Callable

from core.catalog.rubrics import Rubric
from core.errors import TranscriptError, TranscriptTooLong
from core.scoring import turns
from core.scoring.labels import has_labels, read_labelled
from core.scoring.transcript import Transcript

MOST_WORDS = 20_000
MOST_CHARACTERS = 200_000
# Of a file: its times, ids and brackets are not the transcript, but must have an end, too.
MOST_RAW = 5 * MOST_CHARACTERS

_CONTROLS = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_TIMES = re.compile(r"^[ \t]*(?:\d{1,4}:)?\d{1,2}:\d{2}[.,]\d{1,3}\s+-->\s", re.MULTILINE)
# A file of cues begins as one; a line of times amid other text is text.
_CUES = re.compile(rf"WEBVTT(?=\s).*?{_TIMES.pattern}|(?:\d+[ \t]*\n)?{_TIMES.pattern}", re.MULTILINE | re.DOTALL)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def read_transcript(given: str | bytes, rubric: Rubric, name: str = "") -> Transcript:
    """Return the transcript that a text or a file holds: labelled lines, JSON, JSON lines, WebVTT or SRT.

    The form is told from the content; a file's `name` only decides where the content leaves it open. Sides follow the
    rubric's names. Reading what `Transcript.render` wrote gives the same transcript again.

    Raises:
        TranscriptError: It is empty, not UTF-8, too long, or in a form that holds no turns.
    """
    text = _clean(_decode(given) if isinstance(given, bytes) else given)
    found = _turns_of(text, name.casefold().rpartition(".")[2], rubric)
    labelled = found if isinstance(found, str) else turns.write_labelled(found, rubric)
    _check_length(labelled)
    transcript = read_labelled(_clean(labelled), rubric)
    # Joined lines may show a label that single ones did not; the second reading is the one that stays.
    for _ in range(4):
        again = read_labelled(transcript.render(), rubric)
        if again == transcript:
            break
        transcript = again
    _check(transcript)
    return transcript


def _turns_of(text: str, ending: str, rubric: Rubric) -> list[turns.Turn] | str:
    start = text.lstrip()
    if _CUES.match(start) or (ending in ("vtt", "srt") and _TIMES.search(text)):
        return turns.read_cues(text)
    if start.startswith("{") and (ending == "jsonl" or re.match(r"\{[^\n]*\}[ \t]*\n\s*\{", start)):
        read: Callable[[str], list[turns.Turn] | str] = turns.read_json_lines
    elif ending in ("json", "jsonl") or re.match(r'\{\s*["}]|\[\s*[\[{"\]]', start):
        read = turns.read_json
    else:
        return text
    try:
        return read(text)
    except TranscriptError:
        # Labelled lines may begin with a line in brackets, or hold one of JSON.
        if ending in ("json", "jsonl") or not has_labels(text, rubric):
            raise
        return text


def _decode(raw: bytes) -> str:
    if len(raw) > 4 * MOST_RAW:
        raise _too_long(len(raw), "bytes", 4 * MOST_RAW)
    encoding = next((encoding for mark, encoding in _BOMS if raw.startswith(mark)), "utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise TranscriptError(
            f"The transcript is not UTF-8 text: byte {error.start + 1:,} can't be read. Save it as UTF-8 and try again."
        ) from error


def _clean(text: str) -> str:
    if len(text) > MOST_RAW:
        raise _too_long(len(text), "characters", MOST_CHARACTERS)
    if "\0" in text:
        raise TranscriptError("The transcript holds NUL characters, so it is no text. Give text, JSON, VTT or SRT.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise TranscriptError(
            f"Character {error.start + 1:,} of the transcript is half of a pair, which is no text. Take it out."
        ) from error
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROLS.sub(" ", unicodedata.normalize("NFC", text))


def _check_length(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        raise _too_long(len(text), "characters", MOST_CHARACTERS)


def _check(transcript: Transcript) -> None:
    if not any(sign.isalnum() for one in transcript.utterances for sign in one.text):
        raise TranscriptError("The transcript is empty: there is no word in it. Give a conversation's text.")
    if transcript.words > MOST_WORDS:
        raise _too_long(transcript.words, "words", MOST_WORDS)


def _too_long(count: int, unit: str, most: int) -> TranscriptError:
    return TranscriptTooLong(
        f"The transcript has {count:,} {unit}; at most {most:,} can be scored at once. Cut it into parts."
    )
