"""A conversation on the page, with the passages that support a score and those that are not scored marked in it."""

import html
from collections.abc import Sequence
from itertools import pairwise

import streamlit as st

from core.catalog.rubrics import Rubric
from core.scoring.result import Passage, Scored
from core.scoring.transcript import Transcript, Utterance
from pages.widgets import score_card

_STYLE = """<style>
.tv{max-height:34rem;overflow-y:auto;padding-right:.4rem;line-height:1.5}
.tv-large{max-height:none;font-size:1.25em}
.tv-large .tv-line{grid-template-columns:8.2em 1fr}
.tv-line{display:grid;grid-template-columns:7rem 1fr;gap:.8rem;padding:.32rem 0}
.tv-line{border-top:1px solid rgba(127,127,127,.16)}
.tv-line:first-child{border-top:0}
.tv-who{opacity:.65;font-size:.88em;padding-top:.1em;overflow-wrap:anywhere}
.tv-rated .tv-who{opacity:1;font-weight:600}
.tv mark{color:inherit;border-radius:.2rem;padding:.05em .1em}
.tv-flag{text-decoration:line-through;text-decoration-thickness:2px;opacity:.75}
.tv-key{display:flex;flex-wrap:wrap;gap:.3rem 1rem;font-size:.85em;margin-bottom:.5rem}
.tv-dot{display:inline-block;width:.75em;height:.75em;border-radius:.2em;margin-right:.4em}
@media(max-width:900px){.tv-line,.tv-large .tv-line{grid-template-columns:1fr;gap:0}}
</style>"""


def show(rubric: Rubric, transcript: Transcript, scored: Scored, large: bool = False) -> None:
    """Draw the conversation with its marks.

    Args:
        large: Whether it is read from the back of a room.
    """
    marks = _marks(rubric, scored)
    lines = [
        _line(one, [mark for mark in marks if mark[0].utterance == place])
        for place, one in enumerate(transcript.utterances)
    ]
    st.html(f'{_STYLE}{_key(rubric, scored)}<div class="tv {"tv-large" if large else ""}">{"".join(lines)}</div>')


Mark = tuple[Passage, str, str]  # the passage, its colour ("" for one that is not scored), what is told about it


def _marks(rubric: Rubric, scored: Scored) -> list[Mark]:
    found: list[Mark] = [(flag, "", flag.told) for flag in scored.flags]
    for name, title, color in score_card.legend(rubric):
        for one in scored.scores[name].evidence:
            found.append((one, color, f"{title}: {-one.effect:+.1f} without this passage"))
    return found


def _key(rubric: Rubric, scored: Scored) -> str:
    shown = [
        f'<span><span class="tv-dot" style="background:{color}"></span>{html.escape(title)}</span>'
        for name, title, color in score_card.legend(rubric)
        if scored.scores[name].evidence
    ]
    if scored.flags:
        shown.append('<span><span class="tv-flag">struck out</span>: not scored</span>')
    return f'<div class="tv-key">{"".join(shown)}</div>' if shown else ""


def _line(one: Utterance, marks: Sequence[Mark]) -> str:
    side = "tv-rated" if one.side == "rated" else ""
    who = html.escape(one.speaker or "–")
    return f'<div class="tv-line {side}"><span class="tv-who">{who}</span><span>{_marked(one.text, marks)}</span></div>'


def _marked(text: str, marks: Sequence[Mark]) -> str:
    """Return an utterance as HTML; where marks overlap, each stretch carries all of them."""
    borders = sorted({0, len(text), *(mark[0].start for mark in marks), *(mark[0].end for mark in marks)})
    parts = []
    for start, end in pairwise(borders):
        piece = html.escape(text[start:end])
        over = [mark for mark in marks if mark[0].start <= start and end <= mark[0].end]
        parts.append(_dressed(piece, over) if over else piece)
    return "".join(parts)


def _dressed(piece: str, over: Sequence[Mark]) -> str:
    told = html.escape("; ".join(dict.fromkeys(mark[2] for mark in over)), quote=True)
    colors = list(dict.fromkeys(mark[1] for mark in over if mark[1]))
    flag = "tv-flag" if any(not mark[1] for mark in over) else ""
    lines = ",".join(f"inset 0 -{2 + 3 * place}px 0 {color}" for place, color in enumerate(colors))
    look = f"background:{colors[0]}2e;box-shadow:{lines}" if colors else "background:rgba(190,60,60,.18)"
    return f'<mark class="{flag}" style="{look}" title="{told}">{piece}</mark>'
