"""How a model is asked about a transcript: the same words in training data and when it scores.

The transcript comes first and the question after it, so that all questions share the computation of the transcript.
"""

from core.catalog.rubrics import Dimension, Rubric
from core.scoring.transcript import Transcript


def ask_score(rubric: Rubric, dimension: Dimension, transcript: Transcript | str) -> str:
    """Return the prompt whose answer is a digit from 1 to 5, then the reason: "4. Names the worry and answers it."."""
    return f"{_text(transcript)}\n\nHow good is the {rubric.rated.title}'s {dimension.title.lower()}, from 1 to 5?"


def ask_notes(rubric: Rubric, transcript: Transcript | str) -> str:
    """Return the prompt whose answer is strengths and areas for improvement (see `write_notes`)."""
    return f"{_text(transcript)}\n\nWhat did the {rubric.rated.title} do well, and what should be better?"


def write_score(score: int, reason: str = "") -> str:
    """Return the answer to `ask_score`."""
    return f"{score}. {reason}" if reason else str(score)


def write_notes(strengths: list[str], areas: list[str]) -> str:
    """Return the answer to `ask_notes`: one line each, parts separated by semicolons."""
    return f"Well: {'; '.join(strengths) or 'nothing'}\nBetter: {'; '.join(areas) or 'nothing'}"


def read_notes(text: str) -> tuple[list[str], list[str]]:
    """Return strengths and areas from an answer to `ask_notes`; what is not in its form is left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        head, _, rest = line.partition(":")
        if head.strip() in ("Well", "Better") and head.strip() not in found:
            parts = [part.strip() for part in rest.split(";")]
            found[head.strip()] = [part for part in parts if part and part != "nothing"]
    return found.get("Well", []), found.get("Better", [])


def _text(transcript: Transcript | str) -> str:
    return transcript if isinstance(transcript, str) else transcript.render()
