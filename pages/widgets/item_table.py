"""One or two evaluations item by item: filters, search, the whole of one item, labels that were confused, exports."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.evaluation import stored_summary, summary
from core.evaluation.benchmarks import Benchmark, Item
from core.evaluation.metrics import labels as label_metrics
from core.store import evaluations
from core.store.evaluations import ItemRow, Standing
from pages.widgets import charts, session
from pages.widgets.charts import ACCENT
from pages.widgets.text import plain

ROWS_IN_SIGHT = 10
LETTERS = 160
RIGHT, WRONG = 0.999, 0.5
MOST_LABELS = 30
ALL, WON, LOST, MISSED = "All", "Won", "Lost", "Both wrong"
WRONG_ALONE, RIGHT_ALONE = "Wrong", "Right"


@dataclass(frozen=True)
class Answered:
    """An item with the answers and grades of one model or two."""

    item: Item
    rows: tuple[ItemRow, ...]

    @property
    def gain(self) -> float:
        return self.rows[-1].score - self.rows[0].score


def read(benchmark: Benchmark, chosen: Sequence[Standing]) -> list[Answered]:
    """Return the items that all chosen evaluations answered, in the benchmark's order."""
    with session.store() as db:
        answers = [{row.item: row for row in evaluations.items(db, one.id)} for one in chosen]
    return [
        Answered(item, tuple(rows[item.id] for rows in answers))
        for item in benchmark.items
        if all(item.id in rows for rows in answers)
    ]


def show(answered: list[Answered], chosen: Sequence[Standing], labels: Sequence[str]) -> None:
    """Draw the filters, the table, and the item that is chosen in it."""
    groups = _groups(answered, len(chosen) == 2)
    key = "-".join(one.id for one in chosen)
    with st.container(horizontal=True, vertical_alignment="center"):
        which = st.segmented_control(
            "Items", list(groups), default=ALL, required=True, key=f"which-{key}", label_visibility="collapsed",
            format_func=lambda name: f"{name} {len(groups[name]):,}",
        )  # fmt: skip
        parts = list(dict.fromkeys(one.item.component for one in answered))
        part = ALL
        if len(parts) > 1:
            part = st.selectbox(
                "Part", [ALL, *parts], key=f"part-{key}", label_visibility="collapsed", width=200,
                format_func=lambda name: "All parts" if name == ALL else name,
            )  # fmt: skip
        wanted = st.text_input(
            "Search", placeholder="Search questions and answers", label_visibility="collapsed", key=f"find-{key}"
        )
    words = wanted.casefold().split()
    shown = [one for one in groups[which] if part in (ALL, one.item.component) and _holds(one, words)]
    if not shown:
        st.caption("No item is like that.")
        return
    selected = st.dataframe(
        _table(shown, len(labels)),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"items-{key}-{which}-{part}-{wanted}",
        height=38 + 35 * min(len(shown), ROWS_IN_SIGHT),
        column_config=_columns(labels),
        alt="Items with the answers and their grades",
    )["selection"]["rows"]
    if selected and selected[0] < len(shown):
        _show_item(shown[selected[0]], labels)
    else:
        st.caption("Choose a row to read it whole.")


def _groups(answered: list[Answered], is_pair: bool) -> dict[str, list[Answered]]:
    if not is_pair:
        return {
            ALL: answered,
            WRONG_ALONE: [one for one in answered if one.rows[0].score < WRONG],
            RIGHT_ALONE: [one for one in answered if one.rows[0].score >= RIGHT],
        }
    return {
        ALL: answered,
        WON: [one for one in answered if one.gain > 0],
        LOST: [one for one in answered if one.gain < 0],
        MISSED: [one for one in answered if all(row.score < WRONG for row in one.rows)],
    }


def _holds(one: Answered, words: list[str]) -> bool:
    if not words:
        return True
    text = " ".join((one.item.prompt, one.item.expected, *(row.answer for row in one.rows))).casefold()
    return all(word in text for word in words)


def _table(shown: list[Answered], count: int) -> pd.DataFrame:
    """Return the table; what its columns are called is said by `_columns`, since two models may have any names."""
    columns: dict[str, list[object]] = {
        "Question": [one.item.prompt[:LETTERS] for one in shown],
        "Expected": [one.item.expected[:LETTERS] for one in shown],
    }
    for place in range(count):
        columns[f"answer-{place}"] = [one.rows[place].answer[:LETTERS] for one in shown]
        columns[f"grade-{place}"] = [100 * one.rows[place].score for one in shown]
    return pd.DataFrame(columns)


def _columns(labels: Sequence[str]) -> dict[str, Any]:
    column = st.column_config
    found = {"Question": column.TextColumn(width=300), "Expected": column.TextColumn(width=165)}
    for place, label in enumerate(labels):
        found[f"answer-{place}"] = column.TextColumn(label, width=165)
        found[f"grade-{place}"] = column.NumberColumn("Grade", format="%.0f%%", width=70)
    return found


def _show_item(one: Answered, labels: Sequence[str]) -> None:
    with st.container(border=True):
        st.caption(f"{plain(one.item.id)} · {plain(one.item.component)} · graded as {one.item.type}")
        for turn in one.item.turns:
            st.text(turn.text)
        st.text(one.item.prompt)
        places = st.columns(1 + len(labels))
        _show_text(places[0], "Expected", one.item.expected)
        if one.item.type in ("choice", "label"):
            places[0].caption(plain("Of: " + "; ".join(one.item.choices[:MOST_LABELS])))
        for place, label, row in zip(places[1:], labels, one.rows, strict=True):
            mark = ":green[✓]" if row.score >= RIGHT else f":orange[{row.score:.0%}]" if row.score > 0 else ":red[✗]"
            _show_text(place, f"{plain(label)}", row.answer or "(no answer)", mark)


def _show_text(place: DeltaGenerator, label: str, text: str, mark: str = "") -> None:
    place.markdown(f"**{label}** {mark}")
    place.text(text)


# Labels


def has_labels(benchmark: Benchmark) -> bool:
    """Return whether all items are labels, few enough to be shown against each other."""
    if any(item.type != "label" for item in benchmark.items):
        return False
    return len({choice for item in benchmark.items for choice in item.choices}) <= MOST_LABELS


def show_confusion(answered: list[Answered], labels: Sequence[str], key: str) -> None:
    """Draw which label each model gave for which."""
    for place, (column, label) in enumerate(zip(st.columns(len(labels)), labels, strict=True)):
        choices = list(dict.fromkeys(choice for one in answered for choice in one.item.choices))
        named = label_metrics.named_labels([one.rows[place].answer for one in answered], choices)
        names, table = label_metrics.confusion(named, [str(one.item.answer) for one in answered])
        with column:
            st.markdown(f"**{plain(label)}**")
            st.plotly_chart(
                _confusion_figure(names, table.tolist()), key=f"confusion-{place}-{key}",
                config={"displayModeBar": False}, alt=f"Labels that {label} gave for which",
            )  # fmt: skip
    st.caption("Rows are what was expected, columns what the model said.")


def _confusion_figure(names: list[str], table: list[list[int]]) -> go.Figure:
    wanted = [place for place, row in enumerate(table) if sum(row)]
    shares = [[value / sum(table[place]) for value in table[place]] for place in wanted]
    trace = {
        "type": "heatmap",
        "z": shares,
        "x": names,
        "y": [names[place] for place in wanted],
        "text": [[str(value) if value else "" for value in table[place]] for place in wanted],
        "texttemplate": "%{text}",
        "textfont": {"color": charts.text_color()},
        "colorscale": [[0, "rgba(31,143,123,0)"], [1, ACCENT]],
        "zmin": 0,
        "zmax": 1,
        "showscale": False,
        "hovertemplate": "%{text} of %{y} called %{x}<extra></extra>",
        "xgap": 1,
        "ygap": 1,
    }
    layout = {
        "height": 140 + 24 * len(wanted),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "xaxis": {"tickangle": -40, "showgrid": False},
        "yaxis": {"autorange": "reversed", "showgrid": False},
    }
    return go.Figure(data=[trace], layout=layout)


# Exports


def offer_exports(
    answered: list[Answered],
    chosen: Sequence[Standing],
    labels: Sequence[str],
    industries: Callable[[], Collection[str]],
) -> None:
    """Draw the buttons that save the items as CSV and the models' summaries as JSON; both are made when pressed."""

    def items_csv() -> str:
        columns = ["item", "part", "question", "expected"]
        for place, label in enumerate(labels, 1):
            columns += [f"answer {place}: {label}", f"grade {place}: {label}"]
        rows = [
            (
                *(one.item.id, one.item.component, one.item.prompt, one.item.expected),
                *(value for row in one.rows for value in (row.answer, row.score)),
            )
            for one in answered
        ]
        return summary.write_csv(columns, [dict(zip(columns, row, strict=True)) for row in rows])

    def summaries_json() -> str:
        with session.store() as db:
            found = [stored_summary.of_model(db, one, industries()) for one in chosen]
        return json.dumps(found[0] if len(found) == 1 else found, indent=2, ensure_ascii=False)

    with st.container(horizontal=True, vertical_alignment="center"):
        look: dict[str, Any] = {"icon": ":material/download:", "on_click": "ignore"}
        st.download_button("Items as CSV", items_csv, "items.csv", "text/csv", **look)
        st.download_button("Summary as JSON", summaries_json, "summary.json", "application/json", **look)
        st.caption("The summary holds all that was measured of the model, by industry and by type.", width="stretch")
