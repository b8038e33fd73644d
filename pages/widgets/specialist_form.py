"""Which specialist, and where its rows come from; the form on New job."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from core.catalog import specialists
from core.catalog.specialists import Specialist
from core.paths import Workspace
from core.training.submission import Sourcing
from pages.widgets import hub_card, uploads
from pages.widgets.text import plain

GENERATED, HUB, OWN = "Generated examples", "Its dataset on the hub", "A file of the dataset"


EARLIER = "specialist_earlier_file"  # the file that another job's rows came from


def take_over(rows_from: Mapping[str, str | int | None]) -> None:
    """Fill the form with where another job's rows came from; jobs of earlier versions do not tell it."""
    source = rows_from.get("source") or "generated"
    st.session_state["specialist_source"] = {"generated": GENERATED, "hub": HUB}.get(str(source), OWN)
    st.session_state.pop(EARLIER, None)
    if source not in ("generated", "hub"):
        st.session_state[EARLIER] = str(source)
    if rows_from.get("rows"):
        st.session_state["specialist_rows"] = rows_from["rows"]


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
    st.session_state.setdefault("specialist_rows", 5_000)
    most = st.number_input(
        "Rows at most", 100, 200_000, step=500, key="specialist_rows", help="Drawn by the job's seed.", width=200
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
    if dropped:
        return Sourcing(one.id, Path(uploads.kept(dropped)), int(most))
    return _earlier(one, int(most))


def _earlier(one: Specialist, most: int) -> Sourcing | None:
    """Return the file that the other job's rows came from, where it still is."""
    told = st.session_state.get(EARLIER, "")
    if not told:
        return None
    file = Path(told)
    if not file.exists():
        st.caption(f"The rows came from {plain(file.name)}, which is not there any more. Drop it again.")
        return None
    st.caption(f"Without another file the rows come from {plain(file.name)} again, as in that job.")
    return Sourcing(one.id, file, most)
