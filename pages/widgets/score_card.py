"""A scored conversation as a picture: the overall score, a bar for each dimension with its reason, strengths and areas.

Drawn as one piece of HTML in the colours of the text around it, so that it is right in light and dark and at any width.
"""

import html
from collections.abc import Sequence

import streamlit as st

from core.catalog.rubrics import Dimension, Rubric
from core.scoring.result import Score, Scored
from core.wording import clip
from pages.widgets.text import plain

COLORS = ("#1f8f7b", "#4c7fb8", "#b87a20", "#8a63a8", "#b4586a", "#5f8a3a", "#7a6a58", "#3f8f9f")
_STYLE = """<style>
.sc-row{display:grid;grid-template-columns:9.4em 1fr 2em;gap:0 .9em;align-items:center;margin:.2rem 0 .1rem}
.sc-name{font-weight:600;line-height:1.25}
.sc-share{opacity:.65;font-size:.8em;font-weight:400}
.sc-track{position:relative;height:.72rem;border-radius:.4rem;background:rgba(127,127,127,.18)}
.sc-fill{position:absolute;inset:0 auto 0 0;border-radius:.4rem}
.sc-tick{position:absolute;top:0;bottom:0;width:1px;background:rgba(127,127,127,.35)}
.sc-other{position:absolute;top:-.22rem;bottom:-.22rem;width:3px;border-radius:2px;background:currentColor;opacity:.75}
.sc-number{font-size:1.35em;font-weight:650;text-align:right;font-variant-numeric:tabular-nums}
.sc-why{margin:.05em 0 .75em 10.3em;line-height:1.4;overflow-wrap:anywhere}
.sc-sure{opacity:.65;font-size:.85em}
.sc-all{display:flex;gap:.5rem;align-items:baseline;margin:0 0 .8rem}
.sc-big{font-size:2.9em;font-weight:700;line-height:1;font-variant-numeric:tabular-nums}
.sc-large .sc-big{font-size:5.5em}.sc-large{font-size:1.3em}
@media(max-width:900px){.sc-row{grid-template-columns:8.6em 1fr 2em}.sc-why{margin-left:0}}
</style>"""


def color_of(place: int) -> str:
    return COLORS[place % len(COLORS)]


def show(rubric: Rubric, scored: Scored, beside: tuple[str, Scored] | None = None, large: bool = False) -> None:
    """Draw the scores.

    Args:
        beside: Another model's name and scores of the same conversation, drawn as marks on the bars.
        large: Whether it is read from the back of a room.
    """
    rows = [_row(rubric, one, place, scored, beside) for place, one in enumerate(rubric.dimensions)]
    st.html(f'{_STYLE}<div class="{"sc-large" if large else ""}">{_overall(scored, beside)}{"".join(rows)}</div>')


def show_notes(scored: Scored) -> None:
    """Draw strengths and areas for improvement, where the model wrote any."""
    left, right = st.columns(2)
    for place, title, icon, parts in (
        (left, "Went well", ":material/thumb_up:", scored.strengths),
        (right, "To improve", ":material/trending_up:", scored.areas_for_improvement),
    ):
        with place:
            st.markdown(f"**{icon} {title}**")
            st.markdown("\n".join(f"- {plain(part)}" for part in parts) or ":gray[The model named nothing.]")


def show_flags(scored: Scored) -> None:
    """Draw what is not scored, and why: it speaks to the scorer, or may, or nobody said it."""
    if not scored.flags:
        return
    count = "One passage is" if len(scored.flags) == 1 else f"{len(scored.flags)} passages are"
    with st.expander(f"{count} not scored", icon=":material/gpp_maybe:"):
        for flag in scored.flags:
            st.markdown(f"“{plain(clip(flag.text, 160))}”  \n:gray[{plain(flag.told)}]")


def _overall(scored: Scored, beside: tuple[str, Scored] | None) -> str:
    other = f" · {html.escape(beside[0])} {beside[1].overall:.1f}" if beside else ""
    return (
        f'<div class="sc-all"><span class="sc-big">{scored.overall:.1f}</span>'
        f'<span class="sc-share">of 5 overall{other}</span></div>'
    )


def _row(rubric: Rubric, one: Dimension, place: int, scored: Scored, beside: tuple[str, Scored] | None) -> str:
    found = scored.scores[one.id]
    ticks = "".join(f'<span class="sc-tick" style="left:{25 * step}%"></span>' for step in (1, 2, 3))
    other = ""
    if beside and one.id in beside[1].scores:
        theirs = beside[1].scores[one.id]
        name = html.escape(f"{beside[0]}: {theirs.expected:.1f}")
        other = f'<span class="sc-other" style="left:calc({_share(theirs)}% - 1px)" title="{name}"></span>'
    reason = f"{html.escape(found.reason)} " if found.reason else ""
    anchor = html.escape(f"{found.score} means: {one.anchors[found.score]}")
    return (
        f'<div class="sc-row"><span class="sc-name">{html.escape(one.title)} '
        f'<span class="sc-share">{one.weight:.0%}</span></span>'
        f'<span class="sc-track" role="img" aria-label="{html.escape(one.title)}: {found.expected:.1f} of 5">'
        f'<span class="sc-fill" style="width:{_share(found)}%;background:{color_of(place)}"></span>'
        f"{ticks}{other}</span>"
        f'<span class="sc-number" title="{anchor}">{found.score}</span></div>'
        f'<div class="sc-why">{reason}<span class="sc-sure">{_sureness(found)}</span></div>'
    )


def _share(score: Score) -> int:
    """Return how far a bar reaches: 1 is a stub, so that it can be seen, 5 is all of it."""
    return max(3, round(100 * (score.expected - 1) / 4))


def _sureness(score: Score) -> str:
    word = "sure" if score.confidence >= 0.75 else "fairly sure" if score.confidence >= 0.5 else "unsure"
    return f"{word}, {score.confidence:.0%} · best estimate {score.expected:.1f}"


def legend(rubric: Rubric) -> Sequence[tuple[str, str, str]]:
    """Return id, title and colour of each dimension."""
    return [(one.id, one.title, color_of(place)) for place, one in enumerate(rubric.dimensions)]
