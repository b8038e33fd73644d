"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from core.registry.cards import metric_rows
from core.registry.report import Report, Shown, count_text, show_difference, show_interval
from core.wording import clip, visible

FIRST, SECOND, LOSS = "#7f8a91", "#1f8f7b", "#b6452c"
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2528; max-width: 860px; margin: 32px auto; padding: 0 20px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; }
.quiet { color: #5c676c; } .sentence { font-size: 17px; border-left: 4px solid #1f8f7b; padding: 4px 0 4px 14px; }
.sentence.worse { border-color: #b6452c; } .sentence.not-proven { border-color: #b87a20; }
table { border-collapse: collapse; width: 100%; } th { text-align: left; font-weight: 600; }
th, td { padding: 5px 10px 5px 0; border-bottom: 1px solid #e1e6e8; vertical-align: top; overflow-wrap: anywhere; }
.failed { color: #b6452c; } .passed { color: #14705f; } svg { max-width: 100%; height: auto; }
.item { border: 1px solid #e1e6e8; border-radius: 6px; padding: 4px 14px; margin: 10px 0; break-inside: avoid;
  display: grid; grid-template-columns: repeat(3, 1fr); column-gap: 18px; }
.item div:first-child { grid-column: 1 / -1; }
.item b { display: block; font-size: 12px; color: #5c676c; margin-top: 8px; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 8px; font: inherit; }
"""


def write_html(report: Report) -> str:
    """Return the report as a page; every text of data and models stands for itself."""
    body = "\n".join(_parts(report))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(report.title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _parts(report: Report) -> Iterator[str]:
    yield f'<h1>{_text(report.title)}</h1><p class="quiet">Made on {_text(report.made_on)} by Atelier.</p>'
    verdict = report.verdict
    if verdict is None:
        yield '<p class="sentence not-proven">Nothing was compared: there is no test.</p>'
    else:
        yield f'<p class="sentence {verdict["outcome"].replace(" ", "-")}">{_text(verdict["sentence"])}</p>'
        yield from _scores(report, verdict)
    if report.gate:
        yield f"<h2>Gate</h2><p>{_text(report.gate_sentence)}</p>"
        marks = [f'<span class="{one.state.replace(" ", "-")}">{one.state}</span>' for one in report.gate]
        cells = [(one.title, one.figure, one.limit) for one in report.gate]
        yield _table(("rule", "figure", "limit", ""), cells, marks)
    if report.forgotten:
        yield "<h2>What it forgot</h2>"
        yield change_chart([(one.benchmark, one.change) for one in report.forgotten])
        yield _table(
            ("benchmark", "base", "tuned", "change"),
            [
                (one.benchmark, f"{one.base:.0%}", f"{one.tuned:.0%}", f"{100 * one.change:+.0f} points")
                for one in report.forgotten
            ],
        )
    if report.won or report.lost:
        yield f'<h2>Answers</h2><p class="quiet">{_text(count_text(report))}</p>'
    for heading, examples in (("Won", report.won), ("Lost", report.lost)):
        if examples:
            yield f"<h3>{heading}</h3>" + "".join(_example(report, one) for one in examples)
    yield "<h2>Data and lineage</h2>" + _table(("", ""), report.lineage)
    yield "<h2>Limits</h2><ul>" + "".join(f"<li>{_text(text)}</li>" for text in report.limits) + "</ul>"


def _scores(report: Report, verdict: dict[str, Any]) -> Iterator[str]:
    yield "<h2>Scores</h2>"
    yield interval_chart(verdict["components"], report.names)
    rows = [
        (
            part["title"],
            f"{part['weight']:.0%}",
            f"{part['items']:,}",
            show_interval(part["base"]),
            show_interval(part["tuned"]),
            show_difference(part["difference"]),
        )
        for part in verdict["components"]
    ]
    total = {"value": verdict["difference"], "low": verdict["low"], "high": verdict["high"]}
    scores = (f"{verdict['base_score']:.0%}", f"{verdict['tuned_score']:.0%}")
    rows.append(("All", "100%", f"{verdict['items']:,}", *scores, show_difference(total)))
    yield _table(("part", "weight", "items", *report.names, "difference"), rows)
    yield '<p class="quiet">In brackets and as bars: 95% intervals.</p>'
    metrics = metric_rows(verdict)
    if metrics:
        yield "<h2>Metrics</h2>" + _table(("metric", *report.names, "aim"), metrics)


def _example(report: Report, one: Shown) -> str:
    texts = (one.prompt, one.expected, one.first or "(no answer)", one.second or "(no answer)")
    parts = zip(("Question", "Expected", *report.names), texts, strict=True)
    return (
        '<div class="item">'
        + "".join(f"<div><b>{_text(label)}</b><pre>{_text(text)}</pre></div>" for label, text in parts)
        + "</div>"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], marks: Sequence[str] = ()) -> str:
    """Return a table of texts; `marks` are finished cells that close the rows."""
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head) if any(head) else ""
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(f"<td>{_text(cell)}</td>" for cell in row)
        lines.append(f"<tr>{cells}{f'<td>{marks[number]}</td>' if marks else ''}</tr>")
    return f"<table>{f'<tr>{top}</tr>' if top else ''}{''.join(lines)}</table>"


def _text(text: str) -> str:
    return escape(visible(text), quote=True)


LEFT, WIDTH, RIGHT, ROW = 230, 840, 20, 38


def interval_chart(parts: Sequence[dict[str, Any]], names: tuple[str, str]) -> str:
    """Return both models' score in each part as dots with their intervals on one scale from 0 to 100%."""
    height = 40 + ROW * len(parts) + 24

    def x(share: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    shapes = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        shapes.append(_line(x(tick), 30, x(tick), height - 24, "#e1e6e8", 1))
        shapes.append(_label(x(tick), height - 8, f"{tick:.0%}", "middle", 12))
    for place, (name, color) in enumerate(zip(names, (FIRST, SECOND), strict=True)):
        shapes.append(f'<circle cx="{LEFT + 6 + place * 220}" cy="14" r="5" fill="{color}"/>')
        shapes.append(_label(LEFT + 18 + place * 220, 18, clip(name, 26), "start", 12))
    for row, part in enumerate(parts):
        middle = 30 + ROW * (row + 0.5)
        shapes.append(_label(LEFT - 12, middle + 4, clip(f"{part['title']} ({part['items']})", 32), "end", 13))
        for key, color, shift in (("base", FIRST, -6), ("tuned", SECOND, 6)):
            one, y = part[key], middle + shift
            shapes.append(_line(x(one["low"]), y, x(one["high"]), y, color, 2))
            shapes.append(f'<circle cx="{x(one["value"]):.1f}" cy="{y:.1f}" r="5" fill="{color}"/>')
    return _svg(height, "Scores by part", shapes)


def change_chart(rows: Sequence[tuple[str, float]]) -> str:
    """Return what was gained or lost on each benchmark as bars from a middle line."""
    height = ROW * len(rows) + 8
    reach = max(0.05, *(abs(change) for _, change in rows))
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2

    shapes = [_line(middle, 4, middle, height - 4, "#9aa4a9", 1)]
    for row, (name, change) in enumerate(rows):
        y = 4 + ROW * row
        length = abs(change) / reach * (WIDTH - LEFT - RIGHT) / 2 * 0.8
        start = middle if change >= 0 else middle - length
        color = SECOND if change >= 0 else LOSS
        shapes.append(f'<rect x="{start:.1f}" y="{y + 9}" width="{length:.1f}" height="20" fill="{color}"/>')
        shapes.append(_label(LEFT - 12, y + 23, clip(name, 32), "end", 13))
        side, anchor = (length + 6, "start") if change >= 0 else (-length - 6, "end")
        shapes.append(_label(middle + side, y + 23, f"{100 * change:+.0f}", anchor, 12))
    return _svg(height, "Change on other benchmarks, in points", shapes)


def _svg(height: float, title: str, shapes: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{_text(title)}" '
        f'font-family="system-ui, sans-serif">{"".join(shapes)}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: int) -> str:
    places = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {places} stroke="{color}" stroke-width="{width}"/>'


def _label(x: float, y: float, text: str, anchor: str, size: int) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#3b464b">{_text(text)}</text>'
    )
