"""Which specialist, and where its rows come from; the form on New job."""

from pathlib import Path

import streamlit as st

from core.catalog import specialists
from core.catalog.specialists import Specialist
from core.paths import Workspace
from core.training.submission import Sourcing
from pages.widgets import hub_card, uploads
from pages.widgets.text import plain

GENERATED, HUB, OWN = "Generated examples", "Its dataset on the hub", "A file of the dataset"


def pick(workspace: Workspace) -> tuple[Specialist, Sourcing | None]:
    """Draw the choice of a specialist and of its data; None where the data are still missing."""
    known = specialists.all_specialists(workspace)
    if st.session_state.get("specialist") not in known:
        st.session_state["specialist"] = next(iter(known))
    chosen = st.selectbox(
        "Specialist",
        list(known),
        format_func=lambda name: f"{known[name].title} · {known[name].category_title}",
        label_visibility="collapsed",
        key="specialist",
    )
    one = known[chosen]
    st.caption(plain(one.summary))
    return one, _pick_rows(workspace, one)


def _pick_rows(workspace: Workspace, one: Specialist) -> Sourcing | None:
    on_hub = next((source.hub for source in one.sources if source.hub), None)
    names = [GENERATED, *([HUB] if on_hub else []), OWN]
    if st.session_state.get("specialist_source") not in names:
        st.session_state["specialist_source"] = GENERATED
    picked = st.segmented_control(
        "Rows", names, required=True, label_visibility="collapsed", key="specialist_source", wrap=True
    )
    if picked == GENERATED:
        return Sourcing(one.id)
    most = st.number_input(
        "Rows at most", 100, 200_000, 5_000, 500, key="specialist_rows", help="Drawn by the job's seed.", width=200
    )
    for source in one.sources:
        st.caption(f"{plain(source.name)}. Licence: {plain(source.licence)}.")
    if picked == HUB and on_hub is not None and on_hub.id is not None:
        here = hub_card.find(workspace, on_hub.id, list(on_hub.files.values()))
        return Sourcing(one.id, "hub", int(most)) if here else None
    dropped = st.file_uploader(
        "The file as its makers give it, or one with the same columns",
        type=["csv", "tsv", "json", "jsonl", "parquet", "gz"],
        key="specialist_file",
    )
    return Sourcing(one.id, Path(uploads.kept(dropped)), int(most)) if dropped else None
