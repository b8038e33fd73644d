"""A transcript: who said what, in the one spelling that training and scoring both see."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["rated", "other", "unknown"]


@dataclass(frozen=True)
class Utterance:
    """What one speaker said in one go, as one line of text; `speaker` as the transcript calls them, "" if unnamed."""

    speaker: str
    side: Side
    text: str


@dataclass(frozen=True)
class Transcript:
    """A conversation in its order."""

    utterances: tuple[Utterance, ...]

    @property
    def words(self) -> int:
        return sum(len(one.text.split()) for one in self.utterances)

    def render(self) -> str:
        """Return the text that a model reads: one line for each utterance."""
        return "\n".join(render(one) for one in self.utterances)


def render(one: Utterance) -> str:
    return f"{one.speaker}: {one.text}" if one.speaker else one.text
