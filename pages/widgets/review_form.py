"""What people found in an adapter's answers, and the form to add to it."""

from collections.abc import Callable

import streamlit as st

from core.registry import promotion
from core.registry.promotion import Look
from core.store import reviews
from core.store.reviews import FINDINGS, Review
from pages.widgets import session
from pages.widgets.text import plain

FOUND = {"fit": "Fit to serve", "unfit": "Not fit"}
MOST_NOTE_LETTERS = 1000


def is_wanted(seen: Look) -> bool:
    """Return whether a missing review, or one against it, keeps the adapter from production."""
    return any(one.rule == "human_review" and one.holds for one in seen.ruling.results)


def show(seen: Look, scope: str, act: Callable[[Callable[[], Review]], None]) -> None:
    """Draw what is asked, what was found so far, and the form.

    Args:
        scope: What the page calls the scope.
        act: Does what the form asks for, and draws the page anew.
    """
    if seen.rules.human_review:
        st.markdown(f"**A person must look first.** In {plain(scope)} a wrong answer can hurt somebody.")
        st.caption(
            "Read the items that it lost and some that it won: is anything wrong, unsafe or missing? Then write down "
            "what you looked at and what you found. It counts for these very weights."
        )
    verdict = seen.known.verdict
    if verdict and st.button("Read its answers", icon=":material/fact_check:", key="read_answers"):
        st.session_state["shown_evaluations"] = [verdict["base_evaluation"], verdict["tuned_evaluation"]]
        st.switch_page("pages/prove/benchmarks.py")
    adapter, written = seen.known.row.id, _show_written(seen)
    with st.form(f"review-{adapter}", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            who = st.text_input("Reviewed by", max_chars=80, key=f"who-{adapter}", width=260)
            finding = st.segmented_control(
                "Finding", FINDINGS, format_func=FOUND.__getitem__, key=f"finding-{adapter}-{written}"
            )
        note = st.text_area("What was found", max_chars=MOST_NOTE_LETTERS, key=f"found-{adapter}-{written}", height=80)
        pressed = st.form_submit_button("Write it down", icon=":material/rate_review:")
    if not pressed:
        return
    missing = [what for what, given in (("your name", who), ("the finding", finding), ("a note", note)) if not given]
    if missing or not finding:
        st.warning(f"Give {' and '.join(missing)} too.", icon=":material/edit:")
        return
    act(lambda: promotion.review(session.workspace(), adapter, who, finding, note))


def _show_written(seen: Look) -> int:
    """Draw the reviews that are there, and return how many; a new one clears the form."""
    row = seen.known.row
    with session.store() as db:
        found = reviews.of_adapter(db, row.id)
        counted = {one.id for one in reviews.standing(db, row.id, row.weights_sha)}
    for one in found:
        icon, color = (":material/check_circle:", "green") if one.finding == "fit" else (":material/cancel:", "red")
        old = "" if one.id in counted else " :gray[(replaced by a later word)]"
        st.markdown(
            f":{color}-badge[{icon} {FOUND[one.finding].lower()}] **{plain(one.who)}**, {session.show_when(one.at)}: "
            f"{plain(one.note)}{old}"
        )
    return len(found)
