"""Live charts: each answers one question, from series that are read once and then only continued."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from tsdownsample import MinMaxLTTBDownsampler

from core.store.metrics import EMPTY, Series, read_progress, read_series

MOST_POINTS = 400
ACCENT, QUIET, WARM, BLUE = "#1f8f7b", "#7f8a91", "#b87a20", "#4c7fb8"
HEIGHT, LEGEND_HEIGHT = 245, 28


class _Growing:
    """One metric with room for more: new points are added without copying the old ones each time."""

    def __init__(self) -> None:
        self._steps, self._values, self._size = np.empty(1024, np.int64), np.empty(1024, np.float64), 0

    def extend(self, new: Series) -> None:
        size = self._size + new.steps.size
        if size > self._steps.size:  # views that were handed out keep the old arrays
            room = max(size, 2 * self._steps.size)
            self._steps = np.concatenate([self._steps[: self._size], np.empty(room - self._size, np.int64)])
            self._values = np.concatenate([self._values[: self._size], np.empty(room - self._size, np.float64)])
        self._steps[self._size : size], self._values[self._size : size] = new.steps, new.values
        self._size = size

    @property
    def series(self) -> Series:
        return Series(self._steps[: self._size], self._values[: self._size])


class SeriesCache:
    """The metrics of one job in memory; `refreshed` reads only what is new since the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._attempt = -1
        self._known: dict[str, _Growing] = {}
        self._lock = threading.Lock()

    def refreshed(self) -> Mapping[str, Series]:
        """Return every metric of the job up to now. A new attempt may have put points aside, so all is read again."""
        progress = read_progress(self._path)
        with self._lock:
            if progress is not None and progress.attempt != self._attempt:
                self._attempt, self._known = progress.attempt, {}
            last = {name: int(known.series.steps[-1]) for name, known in self._known.items()}
            for name, new in read_series(self._path, last).items():
                if new.steps.size:
                    self._known.setdefault(name, _Growing()).extend(new)
            return {name: known.series for name, known in self._known.items()}


@st.cache_resource(show_spinner=False, max_entries=50)
def series_of(path: Path) -> SeriesCache:
    return SeriesCache(path)


def not_finite_text(series: Mapping[str, Series]) -> str:
    """Return a sentence about losses that are no number, which no chart can show, or nothing."""
    loss = series.get("train/loss", EMPTY)
    finite = np.isfinite(loss.values)
    if finite.all():
        return ""
    wrong = loss.steps[~finite]
    steps = f"step {wrong[0]:,}" if wrong.size == 1 else f"{wrong.size:,} steps, first at step {wrong[0]:,}"
    return f"The loss was not a number at {steps}."


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    label: str
    series: Series
    color: str = ACCENT
    faint: bool = False
    markers: bool = False
    scale: float = 1.0


def thinned(series: Series, most: int = MOST_POINTS) -> Series:
    """Return at most `most` points that keep the extremes; values that are no number are left out."""
    steps, values = _finite(series)
    if steps.size <= most:
        return Series(steps, values)
    kept = MinMaxLTTBDownsampler().downsample(steps, values, n_out=most)
    return Series(steps[kept], values[kept])


def smoothed(series: Series, share: float = 0.06, most: int = MOST_POINTS) -> Series:
    """Return a running mean over a share of the points, at `most` of them, to show the trend of a noisy line."""
    steps, values = _finite(series)
    width = max(1, int(values.size * share))
    if width < 3:
        return Series(steps, values)
    ends = np.unique(np.linspace(1, values.size, min(most, values.size)).astype(np.int64))
    begins = np.maximum(0, ends - width)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return Series(steps[ends - 1], (sums[ends] - sums[begins]) / (ends - begins))


def _finite(series: Series) -> tuple[np.ndarray, np.ndarray]:
    """Return the points whose values are numbers; where all are, nothing is copied."""
    finite = np.isfinite(series.values)
    if finite.all():
        return np.ascontiguousarray(series.steps), np.ascontiguousarray(series.values)
    return series.steps[finite], series.values[finite]


def figure(
    lines: Sequence[Line], unit: str, x_title: str = "step", floor: float | None = None, tick_format: str = ""
) -> go.Figure:
    """Return a small line chart; the same view stays when its data grow.

    The figure is made in one piece: adding to it part by part takes seven times as long, at every refresh.
    """
    ends = [step for line in lines if line.series.steps.size for step in line.series.steps[[0, -1]]]
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
    points = thinned(line.series)
    return {
        "type": "scatter",
        "x": points.steps.astype(np.int32),
        "y": (points.values * line.scale).astype(np.float32),
        "name": line.label,
        "mode": "lines+markers" if line.markers else "lines",
        "line": {"color": line.color, "width": 1 if line.faint else 2},
        "marker": {"size": 5},
        "opacity": 0.35 if line.faint else 1,
        "showlegend": not line.faint,
        "hovertemplate": f"%{{y:.4g}} {unit}<extra>{line.label}</extra>",
    }


def training_figures(series: Mapping[str, Series]) -> dict[str, go.Figure]:
    """Return the charts of training, by title; those without a point are left out."""
    loss = series.get("train/loss", EMPTY)
    lines = [Line("training", loss, QUIET, faint=True), Line("training, mean", smoothed(loss), ACCENT)]
    if "eval/loss" in series:
        lines.append(Line("eval", series["eval/loss"], WARM, markers=True))
    wanted = {
        "Loss": (lines, "nats per token", None, ""),
        "Tokens per second": ([Line("tokens/s", series.get("train/tokens_per_second", EMPTY))], "tokens/s", 0.0, ""),
        "Learning rate": ([Line("learning rate", series.get("train/learning_rate", EMPTY))], "", 0.0, "~g"),
        "Gradient norm": ([Line("gradient norm", series.get("train/grad_norm", EMPTY))], "", 0.0, ""),
    }
    return {
        title: figure(parts, unit, floor=floor, tick_format=tick_format)
        for title, (parts, unit, floor, tick_format) in wanted.items()
        if any(line.series.steps.size for line in parts)
    }


def machine_figures(series: Mapping[str, Series]) -> dict[str, go.Figure]:
    """Return the charts of the machine during a job, by title: GPUs where there are any, and the host."""
    indices = sorted({name.partition("/")[0] for name in series if name.startswith("gpu")})
    colors = (ACCENT, BLUE, WARM, QUIET)
    found = {}
    for title, key, unit, scale in (
        ("GPU use", "utilization_percent", "%", 1.0),
        ("GPU memory", "memory_bytes", "GB", 1e-9),
        ("GPU temperature", "temperature_celsius", "°C", 1.0),
        ("GPU power", "power_watts", "W", 1.0),
    ):
        lines = [
            Line(f"GPU {index.removeprefix('gpu')}", series[f"{index}/{key}"], colors[place % 4], scale=scale)
            for place, index in enumerate(indices)
            if f"{index}/{key}" in series
        ]
        if lines:
            found[title] = figure(lines, unit, "seconds", 0.0)
    for title, name, unit, scale in (
        ("Processor use", "host/cpu_percent", "%", 1.0),
        ("Memory of the machine", "host/memory_bytes", "GB", 1e-9),
    ):
        if name in series:
            found[title] = figure([Line(title.lower(), series[name], BLUE, scale=scale)], unit, "seconds", 0.0)
    return found


def show_grid(figures: Mapping[str, go.Figure], key: str, columns: int = 2) -> None:
    """Draw charts side by side, each with its question above it."""
    titles = list(figures)
    for start in range(0, len(titles), columns):
        for place, title in zip(st.columns(columns), titles[start : start + columns], strict=False):
            with place:
                st.markdown(f"**{title}**")
                st.plotly_chart(figures[title], key=f"{key}-{title}", config={"displayModeBar": False}, alt=title)
