"""Leaderboard: all models on the same items, best first, with what each takes; two of them compared."""

import json
import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.catalog import bases
from core.evaluation import leaderboard, own_benchmarks
from core.evaluation.leaderboard import Board, Line
from core.evaluation.resources import Resources, resources_of
from core.evaluation.summary import write_csv
from core.store import evaluations
from pages.widgets import errors, packs, session
from pages.widgets.charts import ACCENT, QUIET

ROWS_IN_SIGHT = 12
CHARTED = 15
OVER_ALL = "all"
KINDS = {"All models": None, "Adapters": True, "Bases": False}

workspace = session.workspace()
with session.store() as db:
    boards = leaderboard.boards(evaluations.standings(db))
shas = own_benchmarks.industry_shas(workspace)
titles = packs.titles(workspace)


def name_boards(found: Sequence[Board]) -> dict[str, str]:
    """Return what each board is called by its key; several of one name are told apart by version and way of asking."""
    by_sha = {sha: name for name, sha in shas.items()}
    plain_names = [titles.get(by_sha.get(one.sha, ""), packs.benchmark_title(one.benchmark, titles)) for one in found]
    named: dict[str, str] = {}
    for board, name in zip(found, plain_names, strict=True):
        alike = [other for other, called in zip(found, plain_names, strict=True) if called == name]
        more = []
        if len({other.sha for other in alike}) > 1:
            more.append("as it is now" if board.sha in by_sha else f"items {board.sha[:6]}")
        if len({other.settings for other in alike if other.sha == board.sha}) > 1:
            more.append(f"asked as {board.settings[:6]}")
        count = f"{len(board.rows)} {'model' if len(board.rows) == 1 else 'models'}"
        named[key_of(board)] = f"{name} · {count}" + (f" · {', '.join(more)}" if more else "")
    return named


def key_of(board: Board) -> str:
    return f"{board.sha}-{board.settings}"


@st.cache_data(show_spinner=False, max_entries=50, ttl=600)
def ranked(root: str, keys: tuple[str, ...], ids: tuple[str, ...]) -> list[tuple[Line, Resources]]:
    """Return the lines of one board or of several; evaluations never change, so they are ranked once."""
    chosen = [board for board in boards if key_of(board) in keys]
    with session.store() as db:
        if len(keys) == 1 and ids:
            lines = leaderboard.rank(db, workspace, chosen[0])
        else:
            lines = leaderboard.rank_over_all(db, workspace, chosen)
        return [(line, resources_of(db, workspace, line)) for line in lines]


def pick() -> list[tuple[Line, Resources]]:
    """Draw the choice of the benchmark and return the lines of its board."""
    named = name_boards(boards)
    industries = leaderboard.main_boards(boards, shas)
    with st.container(horizontal=True, vertical_alignment="center"):
        chosen = st.selectbox(
            "Benchmark", [*([OVER_ALL] if len(industries) > 1 else []), *named], key="board", width=300,
            label_visibility="collapsed",
            format_func=lambda key: "All industries" if key == OVER_ALL else named[key],
        )  # fmt: skip
        if chosen == OVER_ALL:
            used = pick_industries(industries)
    if chosen != OVER_ALL:
        (board,) = [one for one in boards if key_of(one) == chosen]
        return ranked(str(workspace.root), (chosen,), tuple(row.id for row in board.rows))
    if not used:
        st.caption("Choose at least one industry.")
        return []
    ids = tuple(row.id for one in used for row in one.rows)
    if len(used) == 1:
        st.caption(f"Only {titles.get(used[0].benchmark, used[0].benchmark)} counts.")
    else:
        how_many = f"All {len(used)}" if len(used) == len(industries) else f"{len(used)} of {len(industries)}"
        st.caption(f"{how_many} count, each the same. A model has a rank when it was measured on all of them.")
    return ranked(str(workspace.root), tuple(map(key_of, used)), ids)


def pick_industries(found: Sequence[Board]) -> list[Board]:
    """Draw behind a button which industries count, at first those that most models were measured on."""
    usual = leaderboard.common(found)
    short = {key_of(one): titles.get(one.benchmark, one.benchmark) for one in found}
    with st.popover("Choose industries", icon=":material/tune:"):
        counted = st.pills(
            "Industries that count", list(short), default=[key_of(one) for one in usual], selection_mode="multi",
            format_func=lambda key: short[key], key=f"counted-{len(found)}-{len(usual)}", width=420, wrap=True,
        )  # fmt: skip
    return [one for one in found if key_of(one) in counted]


def narrow(found: list[tuple[Line, Resources]]) -> list[tuple[Line, Resources]]:
    """Draw the filters and return the lines that pass; their ranks stay those among all."""
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = st.segmented_control(
            "Models", list(KINDS), default="All models", required=True, key="kind", label_visibility="collapsed"
        )
        wanted = st.text_input("Search", placeholder="Search by name", label_visibility="collapsed", key="model_search")
    words = wanted.casefold().split()
    return [
        (line, one)
        for line, one in found
        if KINDS[kind] in (None, bool(line.adapter)) and all(word in line.model.casefold() for word in words)
    ]


def show_table(found: list[tuple[Line, Resources]]) -> list[Line]:
    """Draw the table and return the lines that are chosen in it."""
    lines = [line for line, _ in found]
    columns: dict[str, list[object]] = {
        "Rank": [line.rank_text for line in lines],
        "Model": [line.model for line in lines],
        "Score": [100 * line.score for line in lines],
        "95% interval": [f"{line.low:.0%} to {line.high:.0%}" for line in lines],
    }
    if len({line.benchmarks for line in lines}) > 1:
        columns["Industries"] = [line.benchmarks for line in lines]
    columns |= {
        "Items": [line.items for line in lines],
        "ms/item": [line.latency_ms for line in lines],
        "Tokens/s": [line.tokens_per_second for line in lines],
        "Memory, GB": [_giga(one.memory_bytes) for _, one in found],
        "Size, GB": [_giga(one.size_bytes) for _, one in found],
        "Base": [bases.title_of(line.base) if line.adapter else "" for line in lines],
    }
    if any(line.cost is not None for line in lines):
        columns["Cost"] = ["" if line.cost is None else f"{line.cost:.4g} {line.currency}" for line in lines]
    number = st.column_config.NumberColumn
    selected = st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"board-{len(lines)}-{lines[0].evaluations[0]}-{lines[0].benchmark}",
        height=38 + 35 * min(len(lines), ROWS_IN_SIGHT),
        column_config={
            "Rank": st.column_config.TextColumn(width=60),
            "Model": st.column_config.TextColumn(width=220),
            "Score": number(format="%.1f%%", width=65),
            "95% interval": st.column_config.TextColumn(width=105),
            "Industries": number(width=80, help="On how many of those that count it was measured."),
            "Items": number(format="localized", width=60),
            "ms/item": number(format="%.0f", width=70, help="Milliseconds that the model took for an item."),
            "Tokens/s": number(format="%.0f", width=75),
            "Memory, GB": number(format="%.2f", width=100, help="The peak of the process that ran the test."),
            "Size, GB": number(format="%.3f", width=80, help="What is loaded: the base, and with it the adapter."),
            "Base": st.column_config.TextColumn(width=90),
        },
        placeholder="–",
        alt="Models, the best first",
    )["selection"]["rows"]
    return [lines[place] for place in selected if place < len(lines)]


def _giga(count: float | None) -> float | None:
    return None if count is None else count / 1e9


def figure(lines: Sequence[Line]) -> go.Figure:
    """Return the scores with their intervals, the best on top."""
    values = [100 * line.score for line in lines]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": list(range(len(lines))),
        "marker": {"size": 10, "color": [ACCENT if line.adapter else QUIET for line in lines]},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [100 * line.high - value for line, value in zip(lines, values, strict=True)],
            "arrayminus": [value - 100 * line.low for line, value in zip(lines, values, strict=True)],
            "color": QUIET,
            "thickness": 2,
            "width": 0,
        },
        "hovertemplate": "%{x:.1f}%<extra></extra>",
    }
    names = [f"{line.rank_text}  {line.model if len(line.model) <= 34 else line.model[:33] + '…'}" for line in lines]
    most = min(100, 10 * math.ceil(max(10 * line.high for line in lines)))
    layout = {
        "height": 70 + 30 * len(lines),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"range": [-1, most + 1], "ticksuffix": "%", "zeroline": False},
        "yaxis": {"tickvals": list(range(len(lines))), "ticktext": names, "autorange": "reversed", "zeroline": False,
                  "automargin": True},
    }  # fmt: skip
    return go.Figure(data=[trace], layout=layout)


def offer_compare(chosen: Sequence[Line], over_all: bool) -> None:
    """Draw the way to the comparison of two models."""
    with st.container(horizontal=True, vertical_alignment="center"):
        alone = len(chosen) in (1, 2) and all(len(line.evaluations) == 1 for line in chosen)
        if st.button("Compare item by item", icon=":material/compare_arrows:", type="primary", disabled=not alone):
            st.session_state["shown_evaluations"] = [line.evaluations[0] for line in chosen]
            st.switch_page("pages/prove/benchmarks.py")
        if not alone:
            how = "Choose one industry above, then two rows" if over_all else "Choose two rows"
            st.caption(f"{how} to see who wins where.", width="stretch")


def offer_exports(found: list[tuple[Line, Resources]]) -> None:
    rows = [leaderboard.describe(line, **one.to_dict()) for line, one in found]
    with st.container(horizontal=True):
        st.download_button(
            "CSV", lambda: write_csv([key for key in rows[0] if key != "evaluations"], rows), "leaderboard.csv",
            "text/csv", on_click="ignore", icon=":material/download:",
        )  # fmt: skip
        st.download_button(
            "JSON", lambda: json.dumps(rows, indent=2, ensure_ascii=False), "leaderboard.json", "application/json",
            on_click="ignore", icon=":material/download:",
        )  # fmt: skip


def show() -> None:
    everything = pick()
    found = narrow(everything) if everything else []
    if everything and not found:
        st.caption(f"None of the {len(everything):,} models is like that.")
    if not found:
        return
    chosen = show_table(found)
    ranked_lines = [line for line, _ in everything if line.rank is not None]
    pairs = len(ranked_lines) * (len(ranked_lines) - 1) // 2
    if pairs:
        tied = sum(line.rank != line.rank_to for line in ranked_lines)
        st.caption(
            f"Models share ranks, as in 1-2, where a paired comparison on the same items does not separate them "
            f"(95%, Holm's correction for {pairs:,} {'comparison' if pairs == 1 else 'comparisons'}); "
            f"{tied:,} of {len(ranked_lines):,} do."
        )
    offer_compare(chosen, any(line.benchmarks > 1 for line, _ in everything))
    # Means over different industries say nothing about each other: those without a rank do not stand beside the rest.
    whole = [line for line, _ in found if line.rank is not None]
    drawn = whole[:CHARTED]
    if len(drawn) > 1:
        st.plotly_chart(
            figure(drawn), key="scores", config={"displayModeBar": False}, alt="Scores with their intervals"
        )
        which = f", the first {CHARTED}" if len(whole) > CHARTED else ""
        rest = ". Only models with a rank are drawn" if len(whole) < len(found) else ""
        st.caption(f"Scores with 95% intervals{which}; bases in grey{rest}.")
    offer_exports(found)


with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title("Leaderboard", anchor=False)
    if st.button("Run benchmarks", icon=":material/play_circle:"):
        st.switch_page("pages/prove/benchmarks.py")
if not boards:
    with st.container(border=True):
        st.markdown("**Nothing measured yet.** Run a benchmark on two models, and they stand here beside each other.")
else:
    with errors.shown():
        show()
