"""Which rubric, and whose rated transcripts; the form on New job."""

from pathlib import Path

import streamlit as st

from core.catalog import rubrics
from core.paths import Workspace
from core.scoring.composition import RubricSourcing
from pages.widgets import uploads
from pages.widgets.text import plain

MADE, OWN = "Made transcripts", "My rated transcripts"


def pick(workspace: Workspace) -> RubricSourcing | None:
    """Draw the choice of a rubric and of its transcripts; None where they are still missing."""
    known = rubrics.all_rubrics(workspace)
    if st.session_state.get("rubric") not in known:
        st.session_state["rubric"] = rubrics.DEFAULT if rubrics.DEFAULT in known else next(iter(known))
    chosen = st.selectbox(
        "Rubric", list(known), format_func=lambda name: known[name].title, label_visibility="collapsed", key="rubric"
    )
    one = known[chosen]
    st.caption(plain(one.summary))
    st.caption(f"Scored from 1 to 5: {', '.join(dimension.title for dimension in one.dimensions)}.")
    st.session_state.setdefault("rubric_source", MADE)
    picked = st.segmented_control(
        "Transcripts", [MADE, OWN], required=True, label_visibility="collapsed", key="rubric_source"
    )
    if picked == MADE:
        return RubricSourcing(one.id)
    dropped = st.file_uploader(
        "A file with a column `transcript` and one for each dimension",
        type=["csv", "tsv", "json", "jsonl", "parquet", "gz"],
        key="rubric_file",
    )
    return RubricSourcing(one.id, Path(uploads.kept(dropped))) if dropped else None
