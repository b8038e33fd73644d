"""A person's correction of scores: it is stored with the conversation, and the next training can take it."""

import streamlit as st

from core.catalog.rubrics import SCALE, Rubric
from core.paths import Workspace
from core.scoring import corrections
from core.scoring.report import Entry
from pages.widgets import errors
from pages.widgets.text import plain


def show(workspace: Workspace, rubric: Rubric, entry: Entry) -> None:
    """Draw the form behind a button; a press stores the correction."""
    assert entry.transcript is not None
    with st.popover("Correct", icon=":material/edit:"), st.form(f"correct-{entry.name}", border=False):
        st.caption("Your scores are stored with this conversation. A training can learn from them later.")
        scores, reasons = {}, {}
        for one in rubric.dimensions:
            found = entry.scored.scores[one.id]
            scores[one.id] = st.segmented_control(
                one.title,
                SCALE,
                default=found.score,
                required=True,
                key=f"correct-{entry.name}-{one.id}",
                help="  \n".join(f"{score}: {plain(one.anchors[score])}" for score in SCALE),
            )
            reasons[one.id] = st.text_input(
                f"Why, {one.title.lower()}",
                found.reason,
                key=f"reason-{entry.name}-{one.id}",
                label_visibility="collapsed",
                placeholder="Why, in a sentence",
            )
        who = st.text_input("Your name", key="correct-who")
        if st.form_submit_button("Store the correction", type="primary"):
            with errors.shown():
                corrections.correct(
                    workspace, rubric, entry.transcript, entry.scored, who=who, scores=scores, reasons=reasons
                )
                st.success("Stored. Thank you.", icon=":material/check:")
