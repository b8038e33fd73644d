"""The result of scoring one transcript: the one form of page, command and service."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Passage(_Strict):
    """A verbatim passage: characters [start, end) of the utterance with this index."""

    utterance: int
    start: int
    end: int
    text: str


class Evidence(Passage):
    """A passage that supports a score: without it the expected score would differ by -effect."""

    effect: float


class Flag(Passage):
    """A passage that is not scored: it speaks to the scorer, may do so and would raise a score, or nobody said it."""

    kind: str
    told: Annotated[str, Field(description="One sentence for a person: why it is flagged.")]


class Score(_Strict):
    """One dimension. `confidence` is the probability of `score`, 0 to 1; `expected` lies between 1 and 5."""

    score: Annotated[int, Field(ge=1, le=5)]
    expected: Annotated[float, Field(ge=1, le=5)]
    confidence: Annotated[float, Field(ge=0, le=1)]
    reason: str = ""
    evidence: tuple[Evidence, ...] = ()


class Scored(_Strict):
    """A scored transcript; `overall` is the weighted mean of the expected scores.

    `adapter` is an adapter's id, "bundled" for the one that is shipped, or "base". `calibration` names the version that
    was applied, "" for none.
    """

    scores: dict[str, Score]
    overall: Annotated[float, Field(ge=1, le=5)]
    strengths: tuple[str, ...] = ()
    areas_for_improvement: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    adapter: str
    rubric: str
    calibration: str = ""
    windows: int = 1
    milliseconds: float


Detail = Literal["scores", "full"]
