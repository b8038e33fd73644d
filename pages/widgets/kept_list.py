"""Conversations that somebody chose to keep: opened again, or deleted for good."""

import streamlit as st

from core.catalog import rubrics
from core.paths import Workspace
from core.scoring import reading
from core.scoring.report import Entry
from core.scoring.result import Scored
from core.store import scoring
from core.store.scoring import Kept
from pages.widgets import errors, session
from pages.widgets.scoring_run import Choice, Shown

MOST_SHOWN = 50


def show(workspace: Workspace) -> Shown | None:
    """Draw the list where there is one, and return the conversation that a press opens."""
    with session.store() as db:
        found = scoring.kept(db, most=MOST_SHOWN)
    if not found:
        return None
    opened: Shown | None = None
    with st.expander(f"Kept conversations ({len(found)})", icon=":material/bookmark:"):
        place = st.selectbox(
            "Conversation",
            range(len(found)),
            format_func=lambda one: f"{found[one].name}, {session.show_when(found[one].at)}",
            key="transcripts_kept_choice",
            label_visibility="collapsed",
        )
        with st.container(horizontal=True):
            if st.button("Open", icon=":material/open_in_new:", key="transcripts_kept_open"):
                with errors.shown():
                    opened = _open(workspace, found[place])
            with st.popover("Delete", icon=":material/delete:"):
                st.write("What is deleted is overwritten, in the backups too. It can't be brought back.")
                if st.button("Delete this one", key="transcripts_kept_delete"):
                    with errors.shown():
                        scoring.delete(workspace, "scorings", found[place].id)
                        st.rerun()
                if st.button("Delete all that are kept", key="transcripts_kept_delete_all"):
                    with errors.shown():
                        scoring.delete_all(workspace, "scorings")
                        st.rerun()
    return opened


def _open(workspace: Workspace, one: Kept) -> Shown:
    rubric = rubrics.find(one.rubric, workspace)
    scored = Scored.model_validate(one.result)
    transcript = reading.read_transcript(one.transcript, rubric)
    return Shown(Choice(rubric, one.adapter, one.adapter), (Entry(one.name, scored, transcript),), (), ())
