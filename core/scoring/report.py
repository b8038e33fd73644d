"""Scores to share: a table for a spreadsheet, JSON for a program, a page for a reader.

What was said goes along where an entry has its transcript, in JSON and on the page; without it no passage does. The
table never holds any.
"""

import csv
import html
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core import durable
from core.catalog.rubrics import Dimension, Rubric
from core.scoring.result import Scored
from core.scoring.transcript import Transcript


@dataclass(frozen=True)
class Entry:
    """A conversation with its scores; the transcript is None where nothing that was said is to be shared."""

    name: str
    scored: Scored
    transcript: Transcript | None = None

    @property
    def mark(self) -> str:
        """A name for what was said together with its scores; how long scoring took is no part of it."""
        said = self.transcript.render() if self.transcript else ""
        return durable.hash_text(f"{said}\n{self.scored.model_dump_json(exclude={'milliseconds'})}")


def to_json(entries: Sequence[Entry]) -> str:
    """Return a list, each with the conversation's name, what the command and the service give, and who said what."""
    return json.dumps([_row(one) for one in entries], ensure_ascii=False, indent=2)


def _row(one: Entry) -> dict[str, Any]:
    if one.transcript is not None:
        said = [asdict(line) for line in one.transcript.utterances]
        return {"name": one.name} | one.scored.model_dump(mode="json") | {"utterances": said}
    places = {"__all__": {"text"}}
    silent: dict[str, Any] = {"flags": places, "scores": {"__all__": {"evidence": places}}}
    return {"name": one.name} | one.scored.model_dump(mode="json", exclude=silent)


def to_csv(rubric: Rubric, entries: Sequence[Entry]) -> str:
    """Return a table: one row for each conversation, lists joined by semicolons."""
    names = [one.id for one in rubric.dimensions]
    columns = ["name", "overall", *names, *(f"{name}_expected" for name in names)]
    columns += [*(f"{name}_confidence" for name in names), *(f"{name}_reason" for name in names)]
    columns += ["strengths", "areas_for_improvement", "flags", "adapter", "rubric"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for one in entries:
        scores = one.scored.scores
        row: list[object] = [one.name, f"{one.scored.overall:.2f}", *(scores[name].score for name in names)]
        row += [f"{scores[name].expected:.2f}" for name in names] + [f"{scores[name].confidence:.2f}" for name in names]
        row += [scores[name].reason for name in names]
        row += ["; ".join(one.scored.strengths), "; ".join(one.scored.areas_for_improvement)]
        row += [len(one.scored.flags), one.scored.adapter, one.scored.rubric]
        writer.writerow([_harmless(value) for value in row])
    return out.getvalue()


def _harmless(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}
body{max-width:52rem;margin:2.5rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin-bottom:.2rem}h2{font-size:1.25rem;margin:2.4rem 0 .3rem;break-after:avoid}
.quiet{opacity:.7;font-size:.9em}
table{border-collapse:collapse;width:100%;margin:.6rem 0}
td,th{text-align:left;padding:.35rem .7rem .35rem 0;vertical-align:top;border-bottom:1px solid #8884}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{display:inline-block;height:.65rem;border-radius:.3rem;background:#1f8f7b;vertical-align:middle;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
.track{display:block;width:9rem;background:#8883;border-radius:.3rem;line-height:.65rem;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
section{break-inside:auto}tr{break-inside:avoid}
.cut{text-decoration:line-through;opacity:.75}
@media(max-width:600px){.track{width:4rem}}
"""


def to_html(rubric: Rubric, entries: Sequence[Entry], model: str, when: str) -> str:
    """Return a page that needs nothing but itself: a summary, then each conversation.

    Args:
        model: What scored, in a person's words.
        when: The moment, as a person reads it.
    """
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{html.escape(rubric.title)}: scores</title><style>{_STYLE}</style></head><body>",
        f"<h1>{html.escape(rubric.title)}</h1>",
        f"<p class='quiet'>{_count(len(entries))}, scored by {html.escape(model)} on {html.escape(when)}. "
        "Scores go from 1 to 5. They are a model's estimate, made to support a person's judgement.</p>",
    ]
    if len(entries) > 1:
        parts.append(_summary(rubric, entries))
    parts += [_section(rubric, one) for one in entries]
    return "".join([*parts, "</body></html>"])


def _count(number: int) -> str:
    return "One conversation" if number == 1 else f"{number} conversations"


def _summary(rubric: Rubric, entries: Sequence[Entry]) -> str:
    head = "".join(f"<th class=n>{html.escape(one.title)}</th>" for one in rubric.dimensions)
    rows = "".join(
        f"<tr><td>{html.escape(one.name)}</td><td class=n><b>{one.scored.overall:.1f}</b></td>"
        + "".join(f"<td class=n>{one.scored.scores[part.id].score}</td>" for part in rubric.dimensions)
        + "</tr>"
        for one in entries
    )
    return f"<table><tr><th>Conversation</th><th class=n>Overall</th>{head}</tr>{rows}</table>"


def _section(rubric: Rubric, one: Entry) -> str:
    rows = "".join(_dimension(part, one) for part in rubric.dimensions)
    lists = "".join(
        f"<p><b>{title}.</b> {html.escape('; '.join(parts))}.</p>"
        for title, parts in (("Went well", one.scored.strengths), ("To improve", one.scored.areas_for_improvement))
        if parts
    )
    said = where = ""
    if one.transcript is not None:
        where = ", struck out below"
        cut = {(flag.utterance, flag.start, flag.end) for flag in one.scored.flags}
        lines = "".join(
            f"<tr><td class=quiet>{html.escape(line.speaker)}</td><td>{_said(line.text, place, cut)}</td></tr>"
            for place, line in enumerate(one.transcript.utterances)
        )
        said = f"<table>{lines}</table>"
    flags = (
        f"<p class='quiet'>Passages that were not scored{where}: {len(one.scored.flags)}. They speak to the scorer, "
        "may do so, or are nobody's words.</p>"
        if one.scored.flags
        else ""
    )
    return (
        f"<section><h2>{html.escape(one.name)}</h2><p><b>{one.scored.overall:.1f}</b> of 5 overall</p>"
        f"<table>{rows}</table>{lists}{flags}{said}</section>"
    )


def _dimension(part: Dimension, one: Entry) -> str:
    found = one.scored.scores[part.id]
    width = max(3, round(100 * (found.expected - 1) / 4))
    shared = found.evidence if one.transcript is not None else ()
    quotes = "".join(f"<br><span class='quiet'>“{html.escape(passage.text)}”</span>" for passage in shared)
    return (
        f"<tr><td>{html.escape(part.title)} <span class='quiet'>{part.weight:.0%}</span></td>"
        f"<td class=n><b>{found.score}</b></td>"
        f"<td><span class='track'><span class='bar' style='width:{width}%'></span></span></td>"
        f"<td>{html.escape(found.reason)}{quotes}<br><span class='quiet'>{found.confidence:.0%} sure, best "
        f"estimate {found.expected:.1f}</span></td></tr>"
    )


def _said(text: str, place: int, cut: set[tuple[int, int, int]]) -> str:
    shown, last = [], 0
    for _, start, end in sorted(span for span in cut if span[0] == place):
        shown += [html.escape(text[last:start]), f"<span class='cut'>{html.escape(text[start:end])}</span>"]
        last = max(last, end)
    return "".join([*shown, html.escape(text[last:])])
