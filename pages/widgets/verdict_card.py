"""The verdict: base against tuned in one sentence, by component with intervals, and in example answers."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.evaluation.benchmarks import Item
from core.evaluation.measures import MEASURES
from core.evaluation.pinned import read_pinned
from core.paths import Workspace
from core.store import evaluations
from core.store.evaluations import VerdictRow
from core.wording import show_points
from pages.widgets import session
from pages.widgets.charts import ACCENT, QUIET
from pages.widgets.text import plain

OUTCOMES = {
    "better": (":material/check_circle:", "Better", "green"),
    "not proven": (":material/help:", "Not proven", "orange"),
    "worse": (":material/cancel:", "Worse", "red"),
}
NEXT = {
    "better": "Its adapter and model card are ready for use.",
    "not proven": "Train longer or on more examples, or ask more questions, before you rely on it.",
    "worse": "Do not use this adapter. A lower learning rate, fewer epochs or cleaner data often help.",
}
MOST_EXAMPLES = 5
RIGHT = 0.999


def show(row: VerdictRow, labels: tuple[str, str] = ("Base", "Tuned")) -> None:
    """Draw the verdict: the outcome, the sentence, the scores, and its parts where there are several.

    Args:
        labels: What the two models are called; what to do next is said of a base and its adapter alone.
    """
    content = row.content
    icon, word, color = OUTCOMES[row.outcome]
    with st.container(border=True):
        st.badge(word, icon=icon, color=color)  # type: ignore[arg-type]
        st.markdown(f"#### {_headline(content, labels)}")
        st.write(f"{plain(content['sentence'])} {NEXT[row.outcome] if labels == ('Base', 'Tuned') else ''}")
        with st.container(horizontal=True, gap="medium"):
            base, tuned = map(plain, labels)
            st.metric(base, f"{content['base_score']:.0%}", width="content")
            st.metric(
                tuned,
                f"{content['tuned_score']:.0%}",
                show_points(content["difference"]),
                delta_color="off" if row.outcome == "not proven" else "normal",
                width="content",
            )
            st.metric(
                "Difference, 95% interval",
                f"{100 * content['low']:+.0f} to {100 * content['high']:+.0f}",
                "points",
                delta_color="off",
                delta_arrow="off",
                width="content",
                help="The difference lies in this range, unless chance played a trick that it plays once in 20 times.",
            )
            if content.get("items_needed"):
                st.metric(
                    "Would settle it",
                    f"{content['items_needed'] - content['items']:,} more items",
                    f"{content['items_needed']:,} in all",
                    delta_color="off",
                    delta_arrow="off",
                    width="content",
                    help="With so many items, a difference of this size would be proven four times out of five.",
                )
        if content.get("metrics"):
            _show_metrics(content, labels)
        if len(content["components"]) > 1:
            st.plotly_chart(
                component_figure(content["components"], labels),
                key=f"components-{row.id}",
                config={"displayModeBar": False},
                alt="Scores of base and tuned model by component",
            )
            st.caption(
                "Scores by component, with the number of questions in brackets; the bars are 95% intervals. "
                + plain(", ".join(f"{part['title']} counts {part['weight']:.0%}" for part in content["components"][:8]))
                + (", and so on." if len(content["components"]) > 8 else ".")
            )


def _show_metrics(content: dict[str, Any], labels: tuple[str, str]) -> None:
    """Draw the specialist's own metrics of both models, with what they should reach."""
    aims = content.get("aims", {})
    rows = [
        {
            "Metric": one["title"],
            labels[0]: _metric(one, one["base"]),
            labels[1]: _metric(one, one["tuned"]),
            "Aim": _aim(one, aims.get(one["metric"])),
        }
        for one in content["metrics"]
    ]
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height=38 + 35 * len(rows),
        column_config={
            "Metric": st.column_config.TextColumn(width=160),
            labels[0]: st.column_config.TextColumn(width=90),
            labels[1]: st.column_config.TextColumn(width=90),
            "Aim": st.column_config.TextColumn(width=180),
        },
        width=540,
        alt="The specialist's metrics",
    )
    for one in content["metrics"]:
        st.caption(f"{one['title']}: {plain(MEASURES[one['metric']].meaning)}")


def _metric(one: dict[str, Any], value: float) -> str:
    return f"{value:.0%}" if one["is_share"] else f"{value:.2f}"


def _aim(one: dict[str, Any], aim: dict[str, float] | None) -> str:
    if aim is None:
        return ""
    wanted = aim["tuned"]
    is_reached = one["tuned"] <= wanted if one["less_is_better"] else one["tuned"] >= wanted
    return f"{_metric(one, wanted)}, {'reached' if is_reached else 'not reached'}"


def _headline(content: dict[str, Any], labels: tuple[str, str]) -> str:
    points, than = 100 * content["difference"], "the base" if labels[0] == "Base" else plain(labels[0])
    if content["outcome"] == "better":
        return f"{points:.0f} points better than {than}"
    if content["outcome"] == "worse":
        return f"{-points:.0f} points worse than {than}"
    return "No difference is proven"


def component_figure(parts: list[dict[str, Any]], labels: tuple[str, str] = ("Base", "Tuned")) -> go.Figure:
    """Return base and tuned score of each component with their intervals, the first component on top."""
    traces = []
    names = ("base", "tuned") if labels == ("Base", "Tuned") else labels
    for label, key, color, shift in ((names[0], "base", QUIET, -0.12), (names[1], "tuned", ACCENT, 0.12)):
        values = [100 * part[key]["value"] for part in parts]
        bars = {
            "type": "data",
            "symmetric": False,
            "array": [100 * part[key]["high"] - value for part, value in zip(parts, values, strict=True)],
            "arrayminus": [value - 100 * part[key]["low"] for part, value in zip(parts, values, strict=True)],
            "color": color,
            "thickness": 2,
            "width": 0,
        }
        traces.append(
            {
                "type": "scatter",
                "x": values,
                "y": [index + shift for index in range(len(parts))],
                "name": label,
                "mode": "markers",
                "marker": {"size": 11, "color": color},
                "error_x": bars,
                "hovertemplate": "%{x:.0f}%<extra>" + label + "</extra>",
            }
        )
    layout = {
        "height": 84 + 44 * len(parts),
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "legend": {"orientation": "h", "y": 1.15, "x": 0},
        "xaxis": {
            "range": [-2, 102],
            "ticksuffix": "%",
            "zeroline": False,
            "title": {"text": "score", "font": {"size": 11}},
        },
        "yaxis": {
            "tickvals": list(range(len(parts))),
            "ticktext": [f"{part['title']} ({part['items']})" for part in parts],
            "autorange": "reversed",
            "zeroline": False,
        },
    }
    return go.Figure(data=traces, layout=layout)


def show_examples(row: VerdictRow, benchmark_sha: str) -> None:
    """Draw a few questions with the expected answer and both models' answers side by side."""
    pairs = _read_pairs(session.workspace(), row, benchmark_sha)
    gained, lost = sum(_gain(pair) > 0 for pair in pairs), sum(_gain(pair) < 0 for pair in pairs)
    examples = pick_examples(pairs, row.outcome)
    st.caption(
        f"Of {len(pairs):,} held-out questions the tuned model answers {gained:,} better, {lost:,} worse and "
        f"{len(pairs) - gained - lost:,} alike. {len(examples)} of them:"
    )
    for item, base, tuned in examples:
        with st.container(border=True):
            st.caption(plain(_title_of(row, item.component)))
            st.text(item.prompt)
            left, middle, right = st.columns(3)
            _show_answer(left, "Expected", item.expected, None)
            _show_answer(middle, "Base", *base)
            _show_answer(right, "Tuned", *tuned)


def _show_answer(place: DeltaGenerator, label: str, text: str, score: float | None) -> None:
    mark = ""
    if score is not None:
        mark = " :green[✓]" if score >= RIGHT else f" :orange[{score:.0%}]" if score > 0 else " :red[✗]"
    place.markdown(f"**{label}**{mark}")
    place.text(text or "(no answer)")


def _title_of(row: VerdictRow, component: str) -> str:
    return next((part["title"] for part in row.content["components"] if part["component"] == component), component)


Example = tuple[Item, tuple[str, float], tuple[str, float]]


def _read_pairs(workspace: Workspace, row: VerdictRow, benchmark_sha: str) -> list[Example]:
    """Return every item that both models answered, with both answers.

    Raises:
        DataError: The benchmark is gone or damaged.
    """
    benchmark = read_pinned(workspace, benchmark_sha)
    with session.store() as db:
        base = {one.item: (one.answer, one.score) for one in evaluations.items(db, row.base_evaluation)}
        tuned = {one.item: (one.answer, one.score) for one in evaluations.items(db, row.tuned_evaluation)}
    return [(item, base[item.id], tuned[item.id]) for item in benchmark.items if item.id in base and item.id in tuned]


def _gain(pair: Example) -> float:
    return pair[2][1] - pair[1][1]


def pick_examples(pairs: list[Example], outcome: str) -> list[Example]:
    """Return up to five items: mostly such as decided the outcome, but one of the other kind and a miss too."""
    gained = _spread([pair for pair in pairs if _gain(pair) > 0])
    lost = _spread([pair for pair in pairs if _gain(pair) < 0])
    missed = _spread([pair for pair in pairs if pair[2][1] == pair[1][1] == 0])
    held = _spread([pair for pair in pairs if pair[2][1] == pair[1][1] > 0])
    most, others = (lost, gained) if outcome == "worse" else (gained, lost)
    chosen = most[:3] + others[:1] + missed[:1] if outcome != "not proven" else gained[:2] + lost[:2] + missed[:1]
    rest = [pair for pair in most + held + missed + others if pair not in chosen]
    return (chosen + rest)[:MOST_EXAMPLES]


def _spread(pairs: list[Example]) -> list[Example]:
    """Return the pairs with their components taking turns, so that the first few show different parts."""
    by_component: dict[str, list[Example]] = {}
    for pair in pairs:
        by_component.setdefault(pair[0].component, []).append(pair)
    ordered = []
    while any(by_component.values()):
        for group in by_component.values():
            if group:
                ordered.append(group.pop(0))
    return ordered
