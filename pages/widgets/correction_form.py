"""A person's correction of scores: it is stored with the conversation, and the next training can take it."""

import streamlit as st

from core.catalog.rubrics import SCALE, Rubric
from core.paths import Workspace
from core.scoring import corrections
from core.scoring.report import Entry
from core.store import scoring
from pages.widgets import errors, session
from pages.widgets.text import plain


def show(workspace: Workspace, rubric: Rubric, entry: Entry) -> None:
    """Draw the form behind a button; a press stores the correction.

    Its keys are of the content: a keyed widget keeps its value, and one conversation's scores must not stand in the
    form of another.
    """
    assert entry.transcript is not None
    with st.popover("Correct", icon=":material/edit:"), st.form(f"correct-{entry.mark}", border=False):
        st.caption(corrections.TOLD)
        scores, reasons = {}, {}
        for one in rubric.dimensions:
            found = entry.scored.scores[one.id]
            scores[one.id] = st.segmented_control(
                one.title,
                SCALE,
                default=found.score,
                required=True,
                key=f"correct-{entry.mark}-{one.id}",
                help="  \n".join(f"{score}: {plain(one.anchors[score])}" for score in SCALE),
            )
            reasons[one.id] = st.text_input(
                f"Why, {one.title.lower()}",
                found.reason,
                key=f"reason-{entry.mark}-{one.id}",
                label_visibility="collapsed",
                placeholder="Why, in a sentence",
            )
        who = st.text_input("Your name", key="correct-who")
        if st.form_submit_button("Store the correction", type="primary"):
            changed = {
                name: int(score or 0)
                for name, score in scores.items()
                if (score, reasons[name]) != (entry.scored.scores[name].score, entry.scored.scores[name].reason)
            }
            told = {name: reasons[name] for name in changed}
            with errors.shown():
                corrections.correct(
                    workspace, rubric, entry.transcript, entry.scored, who=who, scores=changed, reasons=told
                )
                st.success("Stored. Thank you.", icon=":material/check:")


def show_stored(workspace: Workspace, rubric: Rubric) -> None:
    """Draw how many corrections there are, and the way to a dataset of them, where there are any."""
    with session.store() as db:
        count = len(corrections.newest(db, rubric))
        stored = len(scoring.corrections_of(db))
    if not count:
        return
    with st.expander(f"Corrections ({count})", icon=":material/edit_note:"):
        st.caption("A dataset of what people corrected can be trained on, alone or mixed with others.")
        name = st.text_input("Name of the dataset", f"corrections-{rubric.id}", key="corrections_name")
        with st.container(horizontal=True):
            if st.button("Make a dataset", icon=":material/table_rows:", key="corrections_make"):
                with errors.shown():
                    made = corrections.to_dataset(workspace, rubric, name)
                    st.success(f"{made.examples} examples are in the dataset {plain(name)}.", icon=":material/check:")
                    st.page_link("pages/prepare/datasets.py", label="Open Datasets", icon=":material/table_rows:")
            with st.popover("Delete", icon=":material/delete:"):
                st.write(
                    f"All corrections of every rubric, {stored} in all, go for good with their conversations. Earlier "
                    "ones that were corrected again count, too. Datasets made of them stay."
                )
                if st.button(f"Delete all {stored} corrections", key="corrections_delete"):
                    with errors.shown():
                        scoring.delete_all(workspace, "corrections")
                        st.rerun()
