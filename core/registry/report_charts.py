"""The report's pictures, as SVG that stands in the page: once for a wide page, once for a narrow one."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from core.wording import clip, visible

FIRST, SECOND, LOSS, LINE, WORDS = "#7f8a91", "#1f8f7b", "#b6452c", "#e1e6e8", "#3b464b"
TOP, FOOT = 30, 24


@dataclass(frozen=True)
class _Layout:
    """Sizes in pixels. Names stand left of their row, or above it where `left` is no room."""

    width: int
    left: int
    row: int
    letters: int

    @property
    def is_narrow(self) -> bool:
        return self.left < 100

    def x(self, share: float) -> float:
        return self.left + (self.width - self.left - 24) * share


WIDE, NARROW = _Layout(840, 230, 38, 32), _Layout(350, 8, 52, 44)


def interval_charts(parts: Sequence[dict[str, Any]], names: tuple[str, str]) -> str:
    """Return both models' score in each part, for a wide and a narrow page; the page's style shows one of them."""
    wide, narrow = (_interval_chart(parts, names, layout) for layout in (WIDE, NARROW))
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def _interval_chart(parts: Sequence[dict[str, Any]], names: tuple[str, str], layout: _Layout) -> str:
    """Return scores as dots with their intervals on one scale from 0 to 100%."""
    height = TOP + layout.row * len(parts) + FOOT
    shapes = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        shapes.append(_line(layout.x(tick), TOP, layout.x(tick), height - FOOT, LINE, 1))
        shapes.append(_label(layout.x(tick), height - 6, f"{tick:.0%}", "start" if layout.x(tick) < 20 else "middle"))
    for place, (name, color) in enumerate(zip(names, (FIRST, SECOND), strict=True)):
        start = layout.left + place * (170 if layout.is_narrow else 220)
        shapes.append(_dot(start + 6, 14, color))
        shapes.append(_label(start + 18, 18, clip(name, 20 if layout.is_narrow else 26), "start"))
    for row, part in enumerate(parts):
        top = TOP + layout.row * row
        name = clip(f"{part['title']} ({part['items']})", layout.letters)
        if layout.is_narrow:
            shapes.append(_label(layout.left, top + 15, name, "start", 13))
            middle = top + 33.0
        else:
            middle = top + layout.row / 2
            shapes.append(_label(layout.left - 12, middle + 4, name, "end", 13))
        for key, color, shift in (("base", FIRST, -6), ("tuned", SECOND, 6)):
            one, y = part[key], middle + shift
            shapes.append(_line(layout.x(one["low"]), y, layout.x(one["high"]), y, color, 2))
            shapes.append(_dot(layout.x(one["value"]), y, color))
    return _svg(layout.width, height, "Scores by part, with 95% intervals", shapes)


def change_bar(change: float, reach: float) -> str:
    """Return a gain or loss as a small bar from a middle line; `reach` is the largest of all."""
    width, height, middle = 160, 16, 80
    length = max(1.0, min(1.0, abs(change) / max(reach, 0.01)) * (middle - 4))
    start = middle if change >= 0 else middle - length
    bar = f'<rect x="{start:.1f}" y="3" width="{length:.1f}" height="10" fill="{SECOND if change >= 0 else LOSS}"/>'
    shapes = [_line(middle, 0, middle, height, "#9aa4a9", 1), *([bar] if change else [])]
    return _svg(width, height, "gained" if change > 0 else "lost" if change < 0 else "as before", shapes)


def _svg(width: int, height: float, title: str, shapes: Sequence[str]) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    look = f'role="img" aria-label="{escape(title)}" font-family="system-ui, sans-serif"'
    return f"<svg {size} {look}>{''.join(shapes)}</svg>"


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: int) -> str:
    places = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {places} stroke="{color}" stroke-width="{width}"/>'


def _dot(x: float, y: float, color: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{color}"/>'


def _label(x: float, y: float, text: str, anchor: str, size: int = 12) -> str:
    look = f'text-anchor="{anchor}" font-size="{size}" fill="{WORDS}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{escape(visible(text), quote=True)}</text>'
