"""Conversations that somebody chose to keep: opened again, or deleted for good."""

from collections import Counter
from collections.abc import Sequence

import streamlit as st
from pydantic import ValidationError

from core.catalog import rubrics
from core.errors import DataError, NotFound
from core.paths import Workspace
from core.scoring import reading
from core.scoring.report import Entry
from core.scoring.result import Scored
from core.store import scoring
from core.store.scoring import Kept
from pages.widgets import errors, scoring_run, session
from pages.widgets.scoring_run import Shown

MOST_SHOWN = 50
KEPT = "transcripts_kept"


def remember(entry: Entry, kept: str) -> None:
    """Remember in this browser tab under which id a conversation with these scores is kept."""
    st.session_state.setdefault(KEPT, {})[entry.mark] = kept


def holds(entry: Entry) -> bool:
    """Return whether this tab kept or opened this very conversation and it is still there."""
    kept = st.session_state.get(KEPT, {}).get(entry.mark)
    if kept is None:
        return False
    try:
        with session.store() as db:
            scoring.find_kept(db, kept)
    except NotFound:
        return False
    return True


def show(workspace: Workspace) -> Shown | None:
    """Draw the list where there is one, and return the conversation that a press opens."""
    with session.store() as db:
        found = scoring.kept(db, most=MOST_SHOWN + 1)
    if not found:
        return None
    listed = {one.id: one for one in found[:MOST_SHOWN]}
    labels = _label(list(listed.values()))
    opened: Shown | None = None
    count = f"more than {MOST_SHOWN}" if len(found) > MOST_SHOWN else str(len(found))
    with st.expander(f"Kept conversations ({count})", icon=":material/bookmark:"):
        if len(found) > MOST_SHOWN:
            st.caption(f"The newest {MOST_SHOWN} are listed. Delete some of them to see older ones.")
        chosen = st.selectbox(
            "Conversation",
            list(listed),
            format_func=lambda one: labels.get(one, ""),
            key="transcripts_kept_choice",
            label_visibility="collapsed",
        )
        with st.container(horizontal=True):
            if st.button("Open", icon=":material/open_in_new:", key="transcripts_kept_open"):
                with errors.shown():
                    opened = _open(workspace, listed[chosen])
            with st.popover("Delete", icon=":material/delete:"):
                st.write("What is deleted is overwritten, in the backups too. It can't be brought back.")
                if st.button("Delete this one", key="transcripts_kept_delete"):
                    with errors.shown():
                        scoring.delete(workspace, "scorings", chosen)
                        st.rerun()
                if st.button("Delete all that are kept", key="transcripts_kept_delete_all"):
                    with errors.shown():
                        scoring.delete_all(workspace, "scorings")
                        st.rerun()
    return opened


def _label(found: Sequence[Kept]) -> dict[str, str]:
    """Return a label for each id, no two alike: a select box takes equal ones for one."""
    labels = {one.id: f"{one.name}, {session.show_when(one.at)}" for one in found}
    for one in _alike(found, labels):
        labels[one.id] = f"{one.name}, {session.show_when(one.at, seconds=True)}"
    for number, one in enumerate(_alike(found, labels), 1):
        labels[one.id] = f"{labels[one.id]} ({number})"
    return labels


def _alike(found: Sequence[Kept], labels: dict[str, str]) -> list[Kept]:
    times = Counter(labels.values())
    return [one for one in found if times[labels[one.id]] > 1]


def _open(workspace: Workspace, one: Kept) -> Shown:
    """Return what is kept as the page shows it.

    Raises:
        DataError: The scores can't be read, or are not by the rubric as it is now.
        NotFound: The rubric is gone.
    """
    rubric = rubrics.find(one.rubric, workspace)
    try:
        scored = Scored.model_validate(one.result)
    except ValidationError:  # it would quote what is stored, and with it the conversation
        raise DataError("The kept scores can't be read. Score the conversation again.") from None
    if set(scored.scores) != {part.id for part in rubric.dimensions}:
        raise DataError(f"The rubric {rubric.title!r} has changed since this was scored. Score it again.")
    entry = Entry(one.name, scored, reading.read_transcript(one.transcript, rubric))
    remember(entry, one.id)
    return Shown(rubric, (entry,), scoring_run.name_models(workspace, rubric, [scored]), one.at)
