"""What the service is asked: the bodies of its requests, read with limits, and refused in sentences that quote nothing.

A body is read piece by piece and dropped as soon as it is too long, so that no client can fill the memory.
"""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from core.catalog.rubrics import DEFAULT, Rubric
from core.errors import TranscriptError
from core.scoring import reading
from core.scoring.guard import masking
from core.scoring.result import Detail
from core.scoring.service.problem import Refused
from core.scoring.transcript import Transcript

MOST_BYTES = 1024**2
MOST_BATCH_BYTES = 8 * 1024**2
MOST_TRANSCRIPTS = 64
EXAMPLE = (
    "Nurse: What worries you most?\nPatient: The needle.\nNurse: Many feel so. We go slowly, and you may say stop."
)


def _whole(name: str) -> str:
    """Refuse half a character, which no answer could repeat."""
    if any("\ud800" <= char <= "\udfff" for char in name):
        raise ValueError("half a character")
    return name


Name = Annotated[str, Field(max_length=200), AfterValidator(_whole)]


class Options(BaseModel):
    """How to score."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rubric: Annotated[Name, Field(description="By what is scored; see /rubrics.")] = DEFAULT
    adapter: Annotated[Name, Field(description="Which model scores; see /models. Empty for the one in production.")] = (
        ""
    )
    detail: Annotated[
        Detail, Field(description="scores: numbers only, fast. full: with reasons, notes and evidence.")
    ] = "full"
    mask: Annotated[bool, Field(description="Take personal data out before a model sees the text.")] = False
    keep: Annotated[bool, Field(description="Write transcript and result into the workspace.")] = False


_TEXT = {"type": "string", "pattern": r"^[^\u0000]*\w[^\u0000]*$"}  # at least a letter, no NUL
_TURN = {
    "type": "object",
    "properties": {
        "speaker": {"type": ["string", "object", "null"], "description": "A name, or an object with one."},
        "text": _TEXT,
    },
    "required": ["text"],
}
_TRANSCRIPT = {
    "description": "Labelled lines, JSON, WebVTT or SRT as text; or a list of turns.",
    "anyOf": [_TEXT, *({"type": "array", "items": one, "minItems": 1} for one in (_TURN, _TEXT))],
}


class ScoreBody(Options):
    """One transcript."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"transcript": EXAMPLE, "rubric": DEFAULT, "detail": "scores"}]}
    )

    transcript: Annotated[str | list[Any], WithJsonSchema(_TRANSCRIPT)]


class BatchBody(Options):
    """Several transcripts with the same options."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "transcripts": [EXAMPLE, [{"speaker": "Nurse", "text": "Good morning. How did you sleep?"}]],
                    "detail": "scores",
                }
            ]
        }
    )

    transcripts: Annotated[
        list[Any],
        Field(
            min_length=1,
            max_length=MOST_TRANSCRIPTS,
            description="Each as /score takes one. What can't be read gets a problem in its place.",
        ),
    ]


Body = TypeVar("Body", bound=Options)


def check_length(declared: str | None, most: int) -> None:
    """Refuse a body by the length that its head declares, before any of it is read."""
    if declared is not None and declared.isdecimal() and (len(declared) > 18 or int(declared) > most):
        _refuse_length(most)


async def read_stream(pieces: AsyncIterator[bytes], most: int) -> bytes:
    """Return a body of at most `most` bytes."""
    body = bytearray()
    async for piece in pieces:
        body += piece
        if len(body) > most:
            body.clear()
            _refuse_length(most)
    return bytes(body)


def _refuse_length(most: int) -> NoReturn:
    message = f"The body is longer than {most // 1024**2} MiB. Send less at once."
    raise Refused(413, message, {"Connection": "close"})


def read_json(body: bytes) -> Any:
    """Return the JSON value of a body.

    Raises:
        Refused: It is empty, not UTF-8, not JSON, too deep, or holds a number that is none.
    """
    if not body.strip():
        raise Refused(422, "The body is empty. Send a JSON object with a transcript.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        told = f"The body is not UTF-8 text: byte {error.start + 1:,} can't be read. Send JSON in UTF-8."
        raise Refused(400, told) from None
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_read_float)
    except json.JSONDecodeError as error:
        raise Refused(400, f"The body is not JSON: line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise Refused(400, "The body is nested too deeply to be read.") from None
    except ValueError:  # of a number with thousands of digits
        raise Refused(422, "The body holds a number with too many digits.") from None
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise Refused(422, "The body holds NaN or Infinity, which is no JSON number.")


def _read_float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise Refused(422, "The body holds a number too large to be read.")
    return value


def read_body(kind: type[Body], body: bytes) -> Body:
    """Return the checked body.

    Raises:
        Refused: A field is missing, unknown or of the wrong type; the sentence names the field, never its content.
    """
    value = read_json(body)
    if not isinstance(value, dict):
        raise Refused(422, "The body must be a JSON object with a transcript.")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise Refused(422, _describe(kind, error)) from None


def _describe(kind: type[Options], error: ValidationError) -> str:
    known = kind.model_fields
    for found in error.errors(include_input=False, include_context=True, include_url=False):
        field = str(found["loc"][0]) if found["loc"] else ""
        if found["type"] == "extra_forbidden" or field not in known:
            return f"The body holds an unknown field. Known are: {', '.join(known)}."
        if found["type"] == "missing":
            return f"`{field}` is missing."
        return f"`{field}` {_WANTED[field]}."
    return "The body can't be read."


_WANTED = {
    "transcript": "must be text or a list of turns",
    "transcripts": f"must be a list of 1 to {MOST_TRANSCRIPTS} transcripts",
    "rubric": "must be a rubric's id as text",
    "adapter": "must be an adapter's id or name as text",
    "detail": "must be scores or full",
    "mask": "must be true or false",
    "keep": "must be true or false",
}


def read_given(given: Any, rubric: Rubric, *, mask: bool = False) -> Transcript:
    """Return what was given as a transcript: text, bytes of a file, or a list of turns.

    Raises:
        TranscriptError: It can't be read or is too long.
    """
    if not isinstance(given, str | bytes | list):
        raise TranscriptError("A transcript must be text or a list of turns.")
    try:
        if isinstance(given, list):
            transcript = reading.read_transcript(json.dumps(given, ensure_ascii=False), rubric, "turns.json")
        else:
            transcript = reading.read_transcript(given, rubric)
    except RecursionError:
        raise TranscriptError("The transcript is nested too deeply to be read.") from None
    return masking.mask(transcript, rubric)[0] if mask else transcript
