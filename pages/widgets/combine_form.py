"""Making datasets out of datasets: a split in three, and a mix."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import streamlit as st

from core.datasets import combination, mixing, versions
from core.datasets.chat import read_chat_format
from core.datasets.mixing import Part
from core.paths import STARTER_DIR, Workspace
from core.store.datasets import NamedDataset
from pages.widgets import errors, session
from pages.widgets.text import plain

SEED = 42
SAMPLE = 200
MOST_MIXED = 8


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


SHARES, SIZES = "By shares", "By their sizes"


def show_mix(workspace: Workspace, known: Sequence[NamedDataset]) -> None:
    """Draw the form of a mix with the counts that it would take, and make it."""
    by_name = {one.name: one for one in known}
    chosen = st.multiselect(
        "Datasets", list(by_name), key="mix_datasets", placeholder="Two or more", max_selections=MOST_MIXED
    )
    if len(chosen) < 2:
        st.caption("Choose at least two. None of their examples is taken twice.")
        return
    with errors.shown():
        parts = _plan(workspace, [by_name[name] for name in chosen])
        tokens = {name: _tokens_each(str(workspace.root), by_name[name].sha) for name in chosen}
        st.dataframe(
            pd.DataFrame(
                {
                    "Dataset": [part.name for part in parts],
                    "Examples there": [part.available for part in parts],
                    "Taken": [part.taken for part in parts],
                    "Tokens, about": [round(part.taken * tokens[part.name], -2) for part in parts],
                }
            ),
            hide_index=True,
            column_config={
                name: st.column_config.NumberColumn(format="localized")
                for name in ("Examples there", "Taken", "Tokens, about")
            },
        )
        total = sum(part.taken for part in parts)
        counted = sum(part.taken * tokens[part.name] for part in parts)
        st.caption(f"Together {total:,} examples and about {counted:,.0f} tokens of the starter.")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            name = st.text_input(
                "Name of the mix", " and ".join(chosen)[:120], key=f"mix-name-{'-'.join(chosen)}", width=320
            )
            seed = st.number_input("Seed", 0, 2**31 - 1, SEED, key="mix_seed", width=120)
            if st.button("Mix them", type="primary", icon=":material/join:"):
                with session.store() as db:
                    made = combination.mix_datasets(
                        workspace, db, name, [by_name[one] for one in chosen], parts, int(seed)
                    )
                st.session_state["shown_dataset"] = made.name
                st.rerun()


def _plan(workspace: Workspace, chosen: Sequence[NamedDataset]) -> list[Part]:
    """Draw how much of each dataset is taken, and return the plan."""
    sizes = {one.name: one.rows for one in chosen}
    way = st.segmented_control("How", [SHARES, SIZES], default=SHARES, required=True, key="mix_way")
    ratios: dict[str, float] | None = None
    temperature: float | None = None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if way == SHARES:
            ratios = {
                name: st.number_input(
                    f"Share of {plain(name)}", 0.1, 100.0, 1.0, 0.5, format="%g", key=f"ratio-{name}", width=200
                )
                for name in sizes
            }
        else:
            temperature = st.number_input(
                "Temperature", 1.0, mixing.MOST_TEMPERATURE, 1.0, 1.0, format="%g", key="mix_temperature", width=150,
                help="1 takes them by their sizes; the higher, the nearer to equal parts.",
            )  # fmt: skip
        most = st.number_input(
            "Most of one", 0, combination.MOST_ROWS, 0, 100, key="mix_cap", width=150, help="0 sets no limit."
        )
        rows = st.number_input(
            "Examples in all", 0, combination.MOST_ROWS, 0, 100, key="mix_rows", width=150,
            help="0 takes as many as the proportions allow.",
        )  # fmt: skip
    return mixing.plan(
        sizes,
        ratios=ratios,
        temperature=temperature,
        caps=dict.fromkeys(sizes, int(most)) if most else None,
        rows=int(rows) or None,
    )


@st.cache_data(show_spinner=False, max_entries=500)
def _tokens_each(root: str, sha: str) -> float:
    """Return how many tokens of the starter an example has on average, by the first ones."""
    sample = versions.first_examples(Workspace(Path(root)), sha, SAMPLE)
    encoded = read_chat_format(STARTER_DIR).encode(sample, 1_000_000)
    return sum(len(one.ids) for one in encoded) / max(1, len(encoded))
