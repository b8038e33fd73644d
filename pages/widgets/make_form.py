"""Making a dataset out of grammars: generated examples of industries, or of a specialist."""

import streamlit as st

from core.catalog import industries, specialists
from core.datasets import making
from core.paths import Workspace
from pages.widgets import session
from pages.widgets.text import plain

INDUSTRIES, SPECIALIST = "Of industries", "Of a specialist"
SEED = 42


def show(workspace: Workspace) -> None:
    """Draw the form that generates examples, and make a dataset of them."""
    kind = st.segmented_control(
        "Examples", [INDUSTRIES, SPECIALIST], default=INDUSTRIES, required=True, label_visibility="collapsed",
        key="make_kind",
    )  # fmt: skip
    if kind == INDUSTRIES:
        packs = industries.all_industries(workspace)
        chosen = st.pills(
            "Industries", list(packs), selection_mode="multi", format_func=lambda name: plain(packs[name].title),
            label_visibility="collapsed", wrap=True, key="make_industries",
        )  # fmt: skip
        usual = " and ".join(packs[name].title for name in chosen)
    else:
        experts = specialists.all_specialists(workspace)
        one = st.selectbox(
            "Specialist", list(experts), format_func=lambda name: experts[name].title, label_visibility="collapsed",
            key="make_specialist",
        )  # fmt: skip
        chosen, usual = [one], experts[one].title
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = int(st.number_input("Examples of each", 10, 50_000, 1_000, 100, key="make_count", width=150))
        seed = int(st.number_input("Seed", 0, 2**31 - 1, SEED, key="make_seed", width=120))
        name = st.text_input(
            "Name of the dataset", f"{usual}, made"[:120] if usual else "", key=f"make-name-{usual}", width=320
        )
        pressed = st.button("Make them", type="primary", icon=":material/auto_awesome:", disabled=not chosen)
    st.caption("Their answers are computed, not written; none is near a benchmark question.")
    if pressed:
        with st.spinner("Making examples"), session.store() as db:
            if kind == INDUSTRIES:
                by_industry = making.make_of_industries(workspace, chosen, count, seed)
                examples = [row for rows in by_industry.values() for row in rows]
            else:
                examples = making.make_of_specialist(workspace, chosen[0], count, seed)
            made = making.store(workspace, db, name, examples, chosen, seed)
        st.session_state["shown_dataset"] = made.name
        st.rerun()
