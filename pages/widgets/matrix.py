"""The forgetting matrix: each adapter on every industry against its base, as a heat-map with numbers."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.evaluation import forgetting, own_benchmarks, submission
from core.evaluation.forgetting import Row
from core.paths import Workspace
from core.store import evaluations
from core.store.evaluations import Home, Standing
from pages.widgets import benchmark_form, charts, errors, models_tested, session
from pages.widgets.charts import ACCENT
from pages.widgets.text import plain

SHOWN = 20
SEARCHED_FROM = 8
LOSS = "#c4574c"
FULL_POINTS = 30  # a difference of so many points has the full colour


def show(workspace: Workspace) -> None:
    """Draw the matrix of the adapters in sight, the way to fill it, and what is proven of one adapter."""
    with session.store() as db:
        homes = evaluations.homes(db)
    if not homes:
        with st.container(border=True):
            st.markdown("**No adapters yet.** Each that you train gets a row: what it gained, and what it forgot.")
        return
    told = st.session_state.pop("fill_told", "")
    if told:
        st.success(plain(told), icon=":material/check:")
    seen = _pick(homes)
    if not seen:
        st.caption(f"None of the {len(homes):,} adapters is called so.")
        return
    shas = own_benchmarks.industry_shas(workspace)
    with session.store() as db:
        standings = evaluations.standings_of(db, [one.adapter for one in seen])
        rows = forgetting.make_matrix(db, workspace, seen, shas, standings)
    titles = models_tested.industry_titles(workspace)
    names = _names(rows)
    st.plotly_chart(
        figure(rows, names, {name: titles[name] for name in shas}), key="matrix", config={"displayModeBar": False},
        alt="Differences of each adapter from its base, by industry",
    )  # fmt: skip
    st.caption(
        "Points against the adapter's own base on the same items. A star says that it is proven, with Holm's "
        "correction for the number of industries; a frame marks the industries that the adapter was trained for."
    )
    missing = forgetting.find_missing(seen, shas, standings, rows)
    with errors.shown():
        _offer_fill(workspace, missing, standings)
    _show_row(rows, names, titles)


def _pick(homes: Sequence[Home]) -> Sequence[Home]:
    """Draw the search and the pages, where there are many adapters, and return those in sight."""
    if len(homes) <= SEARCHED_FROM:
        return homes
    with st.container(horizontal=True, vertical_alignment="center"):
        wanted = st.text_input("Search adapters", placeholder="Search adapters by name", label_visibility="collapsed",
                               key="matrix_search")  # fmt: skip
        words = wanted.casefold().split()
        hits = [one for one in homes if all(word in one.name.casefold() for word in words)]
        pages = (len(hits) + SHOWN - 1) // SHOWN
        page = 1
        if pages > 1:
            st.caption("Page", width="content")
            page = int(st.number_input("Page", 1, pages, 1, key="matrix_page", width=120, label_visibility="collapsed"))
            st.caption(f"of {pages}", width="content")
    return hits[(page - 1) * SHOWN : page * SHOWN]


def _names(rows: Sequence[Row]) -> list[str]:
    """Return each adapter's name, with a part of its id where two have the same."""
    names = [row.name for row in rows]
    short = [name if len(name) <= 40 else f"{name[:39]}…" for name in names]
    return [
        f"{name} · {row.adapter[-4:]}" if short.count(name) > 1 else name
        for name, row in zip(short, rows, strict=True)
    ]  # fmt: skip


def figure(rows: Sequence[Row], names: Sequence[str], titles: dict[str, str]) -> go.Figure:
    """Return the heat-map: gains in green, losses in red, what was not measured empty."""
    cells = [[row.cells.get(industry) for industry in titles] for row in rows]
    texts = [["" if cell is None else _short(cell) for cell in row] for row in cells]
    trace = {
        "type": "heatmap",
        "z": [[None if cell is None else 100 * cell.difference for cell in row] for row in cells],
        "x": list(titles.values()),
        "y": list(range(len(rows))),
        "text": texts,
        "customdata": [
            [
                ""
                if cell is None
                else f"{100 * cell.low:+z.0f} to {100 * cell.high:+z.0f} points, {cell.items} items, "
                f"p {show_p(cell.p_corrected)}"
                for cell in row
            ]
            for row in cells
        ],
        "colorscale": [[0, LOSS], [0.5, "rgba(127,138,145,0.10)"], [1, ACCENT]],
        "zmin": -FULL_POINTS,
        "zmax": FULL_POINTS,
        "showscale": False,
        "xgap": 3,
        "ygap": 3,
        "hoverongaps": False,
        "hovertemplate": "%{x}: %{text}<br>%{customdata}<extra></extra>",
    }
    numbers = {  # a trace of its own, whose letters have the page's colour whatever the cell's
        "type": "scatter",
        "mode": "text",
        "x": [title for _ in rows for title in titles.values()],
        "y": [place for place in range(len(rows)) for _ in titles],
        "text": [text for row in texts for text in row],
        "textfont": {"size": 11, "color": charts.text_color()},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    frames = [
        {
            "type": "rect", "x0": column - 0.48, "x1": column + 0.48, "y0": place - 0.47, "y1": place + 0.47,
            "line": {"color": charts.text_color(), "width": 1.5},
        }
        for place, row in enumerate(rows)
        for column, industry in enumerate(titles)
        if industry in row.home
    ]  # fmt: skip
    layout = {
        "height": 140 + 34 * len(rows),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "shapes": frames,
        "xaxis": {"side": "top", "tickangle": -50, "showgrid": False, "zeroline": False,
                  "range": [-0.5, len(titles) - 0.5]},
        "yaxis": {"autorange": "reversed", "showgrid": False, "zeroline": False, "tickvals": list(range(len(rows))),
                  "ticktext": list(names), "automargin": True},
    }  # fmt: skip
    return go.Figure(data=[trace, numbers], layout=layout)


def show_p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.0005 else "below 0.001"


def _short(cell: forgetting.Cell) -> str:
    text = f"{100 * cell.difference:+z.0f}"
    return text if cell.outcome == "not proven" else f"{text}*"


def _offer_fill(workspace: Workspace, missing: Sequence[submission.Missing], standings: Sequence[Standing]) -> None:
    if not missing:
        return
    count = len(missing)
    what = "1 evaluation is" if count == 1 else f"{count} evaluations are"
    time = benchmark_form.expected_seconds(count, [row.seconds for row in standings])
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(f"Measure what is missing ({count})", icon=":material/grid_on:", key="fill_matrix"):
            made = submission.submit_missing(workspace, missing)
            queued = "1 evaluation is" if len(made) == 1 else f"{len(made)} evaluations are"
            st.session_state["fill_told"] = f"{queued} queued, with low priority."
            st.rerun()
        st.caption(f"{what} missing in these rows, those of bases included.{time}", width="stretch")


def _show_row(rows: Sequence[Row], names: Sequence[str], titles: dict[str, str]) -> None:
    """Draw what is proven of one adapter, in a sentence and in figures."""
    measured = [place for place, row in enumerate(rows) if row.cells]
    if not measured:
        return
    place = st.selectbox("Adapter", measured, format_func=lambda index: names[index], key="matrix_row", width=420)
    row = rows[place]
    told = row.sentence
    for name in sorted(row.cells, key=len, reverse=True):
        told = told.replace(name, titles[name])
    st.write(plain(told))
    cells = list(row.cells.values())
    st.dataframe(
        pd.DataFrame(
            {
                "Industry": [titles[cell.industry] + (" (home)" if cell.is_home else "") for cell in cells],
                "Base": [100 * cell.base_score for cell in cells],
                "Adapter": [100 * cell.score for cell in cells],
                "Difference": [100 * cell.difference for cell in cells],
                "95% interval": [f"{100 * cell.low:+z.0f} to {100 * cell.high:+z.0f}" for cell in cells],
                "p, corrected": [show_p(cell.p_corrected) for cell in cells],
                "Verdict": [cell.outcome for cell in cells],
            }
        ),
        hide_index=True,
        height=38 + 35 * len(cells),
        column_config={
            "Base": st.column_config.NumberColumn(format="%.0f%%", width=80),
            "Adapter": st.column_config.NumberColumn(format="%.0f%%", width=80),
            "Difference": st.column_config.NumberColumn(format="%+.1f", width=90),
            "p, corrected": st.column_config.TextColumn(
                width=100, help="How often luck alone would give such a gap, with Holm's correction for all industries."
            ),
        },
        alt="The adapter on each industry",
    )
