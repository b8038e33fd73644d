"""What can be done with scores: choose one of several, share them, correct them, keep them."""

import time

import pandas as pd
import streamlit as st

from core.catalog.rubrics import Rubric
from core.paths import Workspace
from core.scoring import report
from core.scoring.report import Entry
from core.store import scoring
from pages.widgets import correction_form, errors, kept_list
from pages.widgets.scoring_run import Shown
from pages.widgets.text import plain

PICKED = "transcripts_picked"
ROWS_IN_SIGHT = 7


def picked(shown: Shown) -> int:
    """Return the place of the conversation that is looked at."""
    place = st.session_state.get(PICKED, 0)
    return place if place < len(shown.entries) else 0


def pick(shown: Shown) -> int:
    """Draw the table of several conversations, and return the place of the one chosen in it."""
    dimensions = shown.rubric.dimensions
    flagged = any(one.scored.flags for one in shown.entries)
    rows = [
        {"Conversation": one.name, "Overall": one.scored.overall}
        | {part.title: one.scored.scores[part.id].score for part in dimensions}
        | ({"Not scored": len(one.scored.flags)} if flagged else {})
        for one in shown.entries
    ]
    chosen = st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        height=38 + 35 * min(len(rows), ROWS_IN_SIGHT),
        column_config={"Overall": st.column_config.ProgressColumn(min_value=1, max_value=5, format="%.1f", width=110)},
        key=f"transcripts-{len(rows)}-{id(shown)}",
        alt="Scores of the conversations",
    )["selection"]["rows"]
    st.session_state[PICKED] = chosen[0] if chosen else 0
    return picked(shown)


def show(workspace: Workspace, shown: Shown, place: int) -> None:
    """Draw the ways to share the scores, to correct those of one conversation, and to keep them."""
    entry = shown.entries[place]
    with st.container(horizontal=True, vertical_alignment="center"):
        show_downloads(shown)
        if entry.transcript is not None:
            correction_form.show(workspace, shown.rubric, entry)
            show_keeping(workspace, shown, place)


def show_keeping(workspace: Workspace, shown: Shown, place: int) -> None:
    """Draw the way to keep one conversation with its scores, which nothing does by itself."""
    entry = shown.entries[place]
    if kept_list.holds(entry):
        st.caption("Kept on this computer.", width="content")
        return
    help_text = "Writes the conversation and its scores into this computer's workspace, until you delete them."
    if st.button("Keep", icon=":material/bookmark_add:", help=help_text, key="transcript_keep"):
        assert entry.transcript is not None
        with errors.shown():
            number = scoring.keep(
                workspace,
                name=entry.name,
                rubric=entry.scored.rubric,
                adapter=entry.scored.adapter,
                transcript=entry.transcript.render(),
                result=entry.scored.model_dump(mode="json"),
            )
            kept_list.remember(entry, number)
            st.rerun()


def show_downloads(shown: Shown) -> None:
    with st.popover("Share", icon=":material/ios_share:"):
        said = st.toggle(
            "With the conversations",
            key="transcript_report_said",
            help="On, the report and the JSON hold all that was said. Off, they hold no passage of it; the model's "
            "reasons go along and may repeat a few words. The table never holds a passage.",
        )
        entries = [one if said else Entry(one.name, one.scored) for one in shown.entries]
        when = time.strftime("%d %B %Y, %H:%M", time.localtime(shown.at))
        rubric, model = shown.rubric, shown.scored_by
        for label, ending, kind, icon, make in (
            (
                "Report (HTML)",
                "html",
                "text/html",
                ":material/article:",
                lambda: report.to_html(rubric, entries, model, when),
            ),
            ("Table (CSV)", "csv", "text/csv", ":material/table:", lambda: report.to_csv(rubric, entries)),
            ("JSON", "json", "application/json", ":material/data_object:", lambda: report.to_json(entries)),
        ):
            st.download_button(
                label,
                make,
                f"scores.{ending}",
                kind,
                icon=icon,
                on_click="ignore",
                width="stretch",
                key=f"scores-{ending}",
            )
        st.caption("The report opens in any browser; print it from there for a PDF.")


def show_nothing_yet(rubric: Rubric) -> None:
    """Draw what will be scored, before there is anything to show."""
    with st.container(border=True):
        st.markdown(f"**{plain(rubric.title)}**")
        st.caption(plain(rubric.summary))
        for one in rubric.dimensions:
            st.markdown(f"**{plain(one.title)}** :gray[{one.weight:.0%}]  \n{plain(one.description)}")
