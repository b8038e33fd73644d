"""Making datasets out of datasets: a split in three, and a mix."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.datasets import combination, mixing
from core.paths import Workspace
from core.store.datasets import NamedDataset
from pages.widgets import errors, session
from pages.widgets.text import plain

SEED = 42


def offer_split(workspace: Workspace, one: NamedDataset) -> None:
    """Draw the way to split a dataset in three."""
    with st.popover("Split", icon=":material/call_split:"), errors.shown():
        st.write("Three new datasets that share no question and no group; labels keep their proportions.")
        with st.container(horizontal=True):
            shares = [
                st.number_input(label, 0, 100, usual, 5, key=f"share-{label}-{one.sha}", width=120)
                for label, usual in (("Training %", 80), ("Validation %", 10), ("Test %", 10))
            ]
        if st.button("Split it"):
            with session.store() as db:
                made = combination.split_dataset(workspace, db, one, [share / 100 for share in shares], SEED)
            st.session_state["shown_dataset"] = made[0].name
            st.rerun()


def show_mix(workspace: Workspace, known: Sequence[NamedDataset]) -> None:
    """Draw the form of a mix with the counts that it would take, and make it."""
    by_name = {one.name: one for one in known}
    chosen = st.multiselect("Datasets", list(by_name), key="mix_datasets", placeholder="Two or more")
    if len(chosen) < 2:
        st.caption("Choose at least two. None of their examples is taken twice.")
        return
    with st.container(horizontal=True):
        ratios = {
            name: st.number_input(
                f"Share of {plain(name)}", 0.1, 100.0, 1.0, 0.5, format="%g", key=f"ratio-{name}", width=200
            )
            for name in chosen
        }
    with errors.shown():
        parts = mixing.plan({name: by_name[name].rows for name in chosen}, ratios=ratios)
        st.dataframe(
            pd.DataFrame(
                {
                    "Dataset": [part.name for part in parts],
                    "Examples there": [part.available for part in parts],
                    "Taken": [part.taken for part in parts],
                }
            ),
            hide_index=True,
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(
                "Name of the mix", " and ".join(chosen)[:120], key=f"mix-name-{'-'.join(chosen)}", width=320
            )
            if st.button("Mix them", type="primary", icon=":material/join:"):
                with session.store() as db:
                    made = combination.mix_datasets(workspace, db, name, [by_name[one] for one in chosen], parts, SEED)
                st.session_state["shown_dataset"] = made.name
                st.rerun()
