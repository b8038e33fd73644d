"""The report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere.

It is read on a screen, wide or narrow, and printed.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from core.registry.cards import metric_rows, show_difference, show_interval
from core.registry.report import OUTCOMES, SECTIONS, Report, count_text
from core.registry.report_charts import change_bar, interval_charts
from core.registry.report_examples import Shown, mark_of
from core.wording import visible

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2528; background: #fff; max-width: 860px; margin: 32px auto;
  padding: 0 20px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 8px; } h3 { font-size: 15px; margin: 20px 0 6px; }
p { margin: 6px 0; } .quiet { color: #5c676c; }
.verdict { border-left: 4px solid #1f8f7b; padding: 4px 0 4px 16px; margin: 18px 0; }
.verdict b { color: #14705f; } .verdict p { font-size: 17px; margin: 2px 0; }
.verdict.worse { border-color: #b6452c; } .verdict.worse b { color: #b6452c; }
.verdict.not-proven { border-color: #b87a20; } .verdict.not-proven b { color: #8a5a12; }
dl { display: flex; flex-wrap: wrap; gap: 8px 40px; margin: 18px 0 0; }
dt { font-size: 12px; color: #5c676c; overflow-wrap: anywhere; }
dd { margin: 0; font-size: 24px; font-variant-numeric: tabular-nums; }
dd small { font-size: 14px; color: #5c676c; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; margin: 8px 0; }
th { text-align: left; font-weight: 600; font-size: 13px; color: #5c676c; }
th, td { padding: 6px 14px 6px 0; border-bottom: 1px solid #e1e6e8; vertical-align: top; overflow-wrap: break-word; }
td { overflow-wrap: anywhere; } .scores td:not(:first-child) { overflow-wrap: break-word; }
td:last-child, th:last-child { padding-right: 0; } tr.total td { font-weight: 600; }
.facts td:first-child { color: #5c676c; width: 130px; }
.failed { color: #b6452c; } .passed { color: #14705f; } .not-measured { color: #8a5a12; }
svg { max-width: 100%; height: auto; display: block; } .narrow { display: none; }
.item { border: 1px solid #e1e6e8; border-radius: 6px; padding: 8px 14px; margin: 10px 0; break-inside: avoid;
  display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); column-gap: 18px; }
.item div:first-child { grid-column: 1 / -1; }
.item b { display: block; font-size: 12px; color: #5c676c; margin-top: 4px; overflow-wrap: anywhere; }
.right { color: #14705f; } .wrong { color: #b6452c; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0 6px; font: inherit; }
@media screen and (max-width: 640px) {
  body { margin: 20px auto; padding: 0 16px; } h1 { font-size: 22px; }
  .wide { display: none; } .narrow { display: block; }
  .stack thead { display: none; } .stack, .stack tbody { display: block; }
  .stack tr { display: block; padding: 8px 0; border-bottom: 1px solid #e1e6e8; }
  .stack td { display: flex; gap: 12px; padding: 1px 0; border: 0; }
  .stack td::before { content: attr(data-label); flex: 0 0 92px; color: #5c676c; font-size: 13px; font-weight: 400;
    overflow-wrap: anywhere; }
  .stack td:first-child { font-weight: 600; } .stack td:first-child::before, .facts td::before { content: none; }
  .facts td:first-child { width: auto; font-weight: 400; font-size: 13px; }
  .changes th:last-child, .changes td:last-child { display: none; }
  .item { grid-template-columns: minmax(0, 1fr); }
}
@page { margin: 16mm 15mm; }
@media print {
  body { font-size: 10.5pt; max-width: none; margin: 0; padding: 0; } h1 { font-size: 18pt; }
  table { font-size: 9.5pt; } th { font-size: 9pt; } th, td { padding: 4px 10px 4px 0; }
  h2, h3 { break-after: avoid; } tr, svg, .verdict, dl { break-inside: avoid; } thead { display: table-header-group; }
}
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
    yield f'<h1>{_text(report.title)}</h1><p class="quiet">{_text(report.subtitle)}</p>'
    yield from _verdict(report)
    if report.gate:
        yield f"<h2>Gate</h2><p>{_text(report.gate_sentence)}</p>"
        marks = [f'<span class="{one.state.replace(" ", "-")}">{one.state}</span>' for one in report.gate]
        cells = [(one.title, one.figure, one.limit) for one in report.gate]
        yield _table(("rule", "figure", "limit", "state"), cells, marks)
    if report.forgotten:
        yield f"<h2>{_text(report.elsewhere_title)}</h2>"
        reach = max(abs(one.change) for one in report.forgotten)
        yield _table(
            ("benchmark", "base", "tuned", "change", ""),
            [
                (one.benchmark, f"{one.base:.0%}", f"{one.tuned:.0%}", show_difference({"value": one.change}))
                for one in report.forgotten
            ],
            [change_bar(one.change, reach) for one in report.forgotten],
            kind="changes",
        )
    if any(report.counts):
        yield f'<h2>Answers</h2><p class="quiet">{_text(count_text(report))}</p>'
    for heading, examples in zip(SECTIONS, (report.won, report.lost, report.missed), strict=True):
        if examples:
            yield f"<h3>{heading}</h3>" + "".join(_example(report, one) for one in examples)
    yield "<h2>Data and lineage</h2>" + _table((), report.lineage, kind="stack facts")
    yield "<h2>Limits</h2><ul>" + "".join(f"<li>{_text(text)}</li>" for text in report.limits) + "</ul>"


def _verdict(report: Report) -> Iterator[str]:
    verdict = report.verdict
    if verdict is None:
        yield '<div class="verdict not-proven"><p>Nothing was compared: there is no test.</p></div>'
        return
    kind = verdict["outcome"].replace(" ", "-")
    yield f'<div class="verdict {kind}"><b>{OUTCOMES[verdict["outcome"]]}</b><p>{_text(verdict["sentence"])}</p></div>'
    total = {"value": verdict["difference"], "low": verdict["low"], "high": verdict["high"]}
    points, _, interval = show_difference(total).partition(" (")
    figures = [
        (report.names[0], f"{verdict['base_score']:.0%}", ""),
        (report.names[1], f"{verdict['tuned_score']:.0%}", ""),
        ("difference, 95% interval", points, interval.rstrip(")")),
        ("held-out items", f"{verdict['items']:,}", ""),
    ]
    cells = (
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)} <small>{_text(more)}</small></dd></div>"
        for name, value, more in figures
    )
    yield f"<dl>{''.join(cells)}</dl>"
    yield from _scores(report, verdict, total)


def _scores(report: Report, verdict: dict[str, Any], total: dict[str, float]) -> Iterator[str]:
    yield "<h2>Scores</h2>"
    yield interval_charts(verdict["components"], report.names)
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
    scores = (f"{verdict['base_score']:.0%}", f"{verdict['tuned_score']:.0%}")
    rows.append(("All", "100%", f"{verdict['items']:,}", *scores, show_difference(total)))
    yield _table(("part", "weight", "items", *report.names, "difference"), rows, kind="stack scores", has_total=True)
    yield '<p class="quiet">In brackets and as bars: 95% intervals.</p>'
    metrics = metric_rows(verdict)
    if metrics:
        yield "<h2>Metrics</h2>" + _table(("metric", *report.names, "aim"), metrics)


def _example(report: Report, one: Shown) -> str:
    question = f"Question · {one.component}" if one.component else "Question"
    parts = [f"<div><b>{_text(question)}</b><pre>{_text(one.prompt)}</pre></div>"]
    parts.append(f"<div><b>Expected</b><pre>{_text(one.expected)}</pre></div>")
    for name, answer, score in zip(
        report.names, (one.first, one.second), (one.first_score, one.second_score), strict=True
    ):
        mark = mark_of(score)
        color = f' class="{mark}"' if mark in ("right", "wrong") else ""
        head = f"<b>{_text(name)} · <span{color}>{mark}</span></b>"
        parts.append(f"<div>{head}<pre>{_text(answer or '(no answer)')}</pre></div>")
    return f'<div class="item">{"".join(parts)}</div>'


def _table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    marks: Sequence[str] = (),
    kind: str = "stack",
    has_total: bool = False,
) -> str:
    """Return a table of texts; `marks` are finished cells that close the rows.

    Args:
        kind: Its classes; the rows of `stack` become blocks on a narrow page.
    """
    lines, found = [], list(rows)
    labels = [f' data-label="{_text(label)}"' for label in head]
    for number, row in enumerate(found):
        cells = [_text(cell) for cell in row] + ([marks[number]] if marks else [])
        told = "".join(f"<td{labels[place] if labels else ''}>{cell}</td>" for place, cell in enumerate(cells))
        is_total = has_total and number == len(found) - 1
        lines.append(f'<tr class="total">{told}</tr>' if is_total else f"<tr>{told}</tr>")
    top = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    head_row = f"<thead><tr>{top}</tr></thead>" if top else ""
    return f'<table class="{kind}">{head_row}<tbody>{"".join(lines)}</tbody></table>'


def _text(text: str) -> str:
    return escape(visible(text), quote=True)
