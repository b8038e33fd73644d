"""Live charts: each answers one question, from envelopes that are only continued."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from core.store.metrics import Series
from pages.widgets.envelopes import NOTHING, Envelope

ACCENT, QUIET, WARM, BLUE = "#1f8f7b", "#7f8a91", "#b87a20", "#4c7fb8"
HEIGHT, LEGEND_HEIGHT = 245, 28


def not_finite_text(metrics: Mapping[str, Envelope]) -> str:
    """Return a sentence about losses that are no number, which no chart can show, or nothing."""
    loss = metrics.get("train/loss", NOTHING)
    if loss.first_not_finite is None:
        return ""
    first = f"step {loss.first_not_finite:,}"
    steps = first if loss.not_finite == 1 else f"{loss.not_finite:,} steps, first at {first}"
    return f"The loss was not a number at {steps}."


def text_color() -> str:
    """Return the colour of letters on coloured cells, which Plotly can't choose where the page shines through."""
    return "#f2f0ea" if st.context.theme.type == "dark" else "#14181b"


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    label: str
    points: Series
    color: str = ACCENT
    faint: bool = False
    markers: bool = False
    scale: float = 1.0


def figure(
    lines: Sequence[Line], unit: str, x_title: str = "step", floor: float | None = None, tick_format: str = ""
) -> go.Figure:
    """Return a small line chart; the same view stays when its data grow.

    The figure is made in one piece: adding to it part by part takes seven times as long, at every refresh.
    """
    ends = [step for line in lines if line.points.steps.size for step in line.points.steps[[0, -1]]]
    first, last = (min(ends), max(ends)) if ends else (0, 0)
    layout = {
        "height": HEIGHT,
        "margin": {"l": 8, "r": 8, "t": LEGEND_HEIGHT, "b": 8},
        "hovermode": "x unified",
        "uirevision": "stay",
        "showlegend": sum(not line.faint for line in lines) > 1,
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "xaxis": {
            "title": {"text": x_title, "font": {"size": 11}},
            "zeroline": False,
            "nticks": 7,
            "dtick": 1 if last - first < 7 else None,  # there is nothing between two steps
        },
        "yaxis": {
            "title": {"text": unit, "font": {"size": 11}},
            "zeroline": False,
            "nticks": 6,
            "rangemode": "normal" if floor is None else "tozero",
            "tickformat": tick_format,
        },
    }
    return go.Figure(data=[_trace(line, unit) for line in lines], layout=layout)


def _trace(line: Line, unit: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": line.points.steps.astype(np.int32),
        "y": (line.points.values * line.scale).astype(np.float32),
        "name": line.label,
        "mode": "lines+markers" if line.markers else "lines",
        "line": {"color": line.color, "width": 1 if line.faint else 2},
        "marker": {"size": 5},
        "opacity": 0.35 if line.faint else 1,
        "showlegend": not line.faint,
        "hovertemplate": f"%{{y:.4g}} {unit}<extra>{line.label}</extra>",
    }


def training_figures(metrics: Mapping[str, Envelope]) -> dict[str, go.Figure]:
    """Return the charts of training, by title; those without a point are left out."""
    loss = metrics.get("train/loss", NOTHING)
    lines = [Line("training", loss.points(), QUIET, faint=True), Line("training, mean", loss.trend(), ACCENT)]
    if "eval/loss" in metrics:
        lines.append(Line("eval", metrics["eval/loss"].points(), WARM, markers=True))

    def one(label: str, name: str) -> list[Line]:
        return [Line(label, metrics.get(name, NOTHING).points())]

    wanted = {
        "Loss": (lines, "nats per token", None, ""),
        "Tokens per second": (one("tokens/s", "train/tokens_per_second"), "tokens/s", 0.0, ""),
        "Learning rate": (one("learning rate", "train/learning_rate"), "", 0.0, "~g"),
        "Gradient norm": (one("gradient norm", "train/grad_norm"), "", 0.0, ""),
    }
    return {
        title: figure(parts, unit, floor=floor, tick_format=tick_format)
        for title, (parts, unit, floor, tick_format) in wanted.items()
        if any(line.points.steps.size for line in parts)
    }


def machine_figures(metrics: Mapping[str, Envelope]) -> dict[str, go.Figure]:
    """Return the charts of the machine during a job, by title: GPUs where there are any, and the host."""
    indices = sorted({name.partition("/")[0] for name in metrics if name.startswith("gpu")})
    colors = (ACCENT, BLUE, WARM, QUIET)
    found = {}
    for title, key, unit, scale in (
        ("GPU use", "utilization_percent", "%", 1.0),
        ("GPU memory", "memory_bytes", "GB", 1e-9),
        ("GPU temperature", "temperature_celsius", "°C", 1.0),
        ("GPU power", "power_watts", "W", 1.0),
    ):
        lines = [
            Line(f"GPU {index.removeprefix('gpu')}", metrics[name].points(), colors[place % 4], scale=scale)
            for place, index in enumerate(indices)
            if (name := f"{index}/{key}") in metrics
        ]
        if lines:
            found[title] = figure(lines, unit, "seconds", 0.0)
    for title, name, unit, scale in (
        ("Processor use", "host/cpu_percent", "%", 1.0),
        ("Memory of the machine", "host/memory_bytes", "GB", 1e-9),
    ):
        if name in metrics:
            found[title] = figure(
                [Line(title.lower(), metrics[name].points(), BLUE, scale=scale)], unit, "seconds", 0.0
            )
    return found


def show_grid(figures: Mapping[str, go.Figure], key: str, columns: int = 2) -> None:
    """Draw charts side by side, each with its question above it."""
    titles = list(figures)
    for start in range(0, len(titles), columns):
        for place, title in zip(st.columns(columns), titles[start : start + columns], strict=False):
            with place:
                st.markdown(f"**{title}**")
                st.plotly_chart(figures[title], key=f"{key}-{title}", config={"displayModeBar": False}, alt=title)
