"""The list of jobs, in which one is always chosen: by a link, by a button elsewhere, or by a press on its row."""

from typing import Any

import pandas as pd
import streamlit as st

from core.errors import NotFound
from core.store import jobs
from core.store.jobs import Job
from core.store.states import STATES
from pages.widgets import job_state, session

SHOWN = 200
ROWS_IN_SIGHT = 6


def read() -> tuple[list[Job], Job | None, str]:
    """Return the newest jobs, the one to show, and a sentence when a link asks for one that does not exist."""
    asked = st.session_state.pop("shown_job", None) or st.query_params.get("job", "")
    with session.store() as db:
        found = jobs.recent(db, SHOWN)
        if not found:
            return [], None, ""
        if not asked:
            return found, found[0], ""
        try:
            shown = jobs.find(db, asked)
        except NotFound:
            return found, found[0], f"There is no job {asked!r}. The newest one is shown."
    return found if shown.id in {job.id for job in found} else [*found, shown], shown, ""


def pick(found: list[Job], shown: Job) -> Job:
    """Draw the list with `shown` chosen and return the job that is chosen now."""
    state = st.session_state
    if state.get("listed_job") != shown.id:  # asked for from elsewhere: what was pressed in the list is past
        state["list_round"], state["list_presses"] = state.get("list_round", 0) + 1, None
    if len(found) > 1:
        place = next(index for index, job in enumerate(found) if job.id == shown.id)
        selected = st.dataframe(
            _table(found),
            hide_index=True,
            on_select="rerun",
            selection_mode=["single-row-required", "single-cell"],
            selection_default={"selection": {"rows": [place]}},
            key=f"jobs-{state['list_round']}-{found[0].number}-{len(found)}",
            height=38 + 35 * min(len(found), ROWS_IN_SIGHT),
            column_config=_columns(),
            alt="Jobs, the newest first",
        )["selection"]
        rows, cells = list(selected["rows"]), [cell[0] for cell in selected["cells"]]
        before, state["list_presses"] = state["list_presses"], (rows, cells)
        if before is not None and cells and cells != before[1] and cells != [place]:
            state["shown_job"] = found[cells[0]].id  # the list is drawn anew, with the mark on this row
            st.rerun()
        shown = found[rows[0]] if rows else shown
    state["listed_job"] = shown.id
    st.query_params["job"] = shown.id
    return shown


def _table(found: list[Job]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "#": [job.number for job in found],
            "State": [[job.state] for job in found],
            "Name": [job.name for job in found],
            "Result": [job_state.result_text(job) for job in found],
            "Priority": [job.priority_name for job in found],
            "Started": [session.show_when(job.started_at or job.created_at) for job in found],
        }
    )


def _columns() -> dict[str, Any]:
    column = st.column_config
    return {
        "#": column.NumberColumn(width=45, alignment="left"),
        "Name": column.TextColumn(width=310),
        "State": column.MultiselectColumn(
            width=100, options=list(STATES), color=[job_state.LOOKS[state][0] for state in STATES]
        ),
        "Result": column.TextColumn(width=150),
        "Priority": column.TextColumn(width=75),
        "Started": column.TextColumn(width=100),
    }
