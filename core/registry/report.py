"""A report that can be handed on: an adapter beside its base, or two adapters, on the same held-out items."""

import sqlite3
import textwrap
import time
from dataclasses import dataclass
from typing import Any

from core.errors import RegistryError
from core.paths import Workspace
from core.registry import facts, gate, rules
from core.registry.cards import metric_table, plain, score_table, show_difference
from core.registry.facts import Known
from core.registry.gate import Other, Result
from core.registry.report_examples import Examples, Pair, Shown, find_examples, mark_of
from core.store import adapters, evaluations, registry
from core.store.adapters import AdapterRow
from core.store.connection import opened
from core.store.evaluations import EvaluationRow
from core.wording import clip, show_duration, visible

LINE_LETTERS = 100
OUTCOMES = {"better": "Better", "not proven": "Not proven", "worse": "Worse"}
SECTIONS = ("Won", "Lost", "Still wrong")


@dataclass(frozen=True)
class Report:
    """What a report says, before it is Markdown or HTML. `verdict` is None where nothing was compared.

    `counts` are the items answered better, worse and alike; `alike_right` how many of the last are right.
    """

    title: str
    subtitle: str
    names: tuple[str, str]
    scope: str
    verdict: dict[str, Any] | None
    won: tuple[Shown, ...]
    lost: tuple[Shown, ...]
    missed: tuple[Shown, ...]
    counts: tuple[int, int, int]
    alike_right: int
    elsewhere_title: str
    forgotten: tuple[Other, ...]
    gate_sentence: str
    gate: tuple[Result, ...]
    lineage: tuple[tuple[str, str], ...]
    limits: tuple[str, ...]


def make_report(workspace: Workspace, adapter: str, against: str = "") -> Report:
    """Return the report of an adapter beside its base, or beside another adapter.

    Args:
        against: The other adapter, which is then the first of the two.

    Raises:
        NotFound: There is no such adapter.
        RegistryError: The two were never tested on the same items.
    """
    with opened(workspace) as db:
        known = facts.gather(workspace, db, adapters.find(db, adapter))
        row = known.row
        stage = registry.stage_of(db, known.scope, row.id)
        verdict: dict[str, Any] | None
        pair: Pair | None
        if against:
            other = adapters.find(db, against)
            verdict, pair = _beside(workspace, db, row, other)
            names, title = (clip(other.name, 60), clip(row.name, 60)), f"{row.name} beside {other.name}"
            ruling = None
        else:
            verdict = known.verdict
            pair = _pair_of(verdict, row) if verdict else None
            names, title = ("base", "tuned"), f"{row.name} beside its base"
            ruling = gate.decide(known.facts, rules.read_rules(workspace, known.scope))
        shown = find_examples(workspace, db, pair) if pair else Examples()
    return Report(
        title=title,
        subtitle=_subtitle(known, pair, verdict),
        names=names,
        scope=known.scope,
        verdict=verdict,
        won=shown.won,
        lost=shown.lost,
        missed=shown.missed,
        counts=shown.counts,
        alike_right=shown.alike_right,
        elsewhere_title=f"{clip(row.name, 60)} elsewhere, beside its base" if against else "What it forgot",
        forgotten=known.facts.others,
        gate_sentence=ruling.sentence if ruling else "",
        gate=ruling.results if ruling else (),
        lineage=_lineage(known, stage),
        limits=_limits(known, verdict, pair.benchmark if pair else "", bool(against)),
    )


def _pair_of(verdict: dict[str, Any], row: AdapterRow) -> Pair:
    evaluated = verdict["base_evaluation"], verdict["tuned_evaluation"]
    return Pair(*evaluated, str(row.card.get("benchmark_name", "")), str(row.card.get("benchmark", "")))


def _beside(
    workspace: Workspace, db: sqlite3.Connection, row: AdapterRow, other: AdapterRow
) -> tuple[dict[str, Any], Pair]:
    """Return the verdict of two adapters on items that both answered in the same way.

    These are the items that the first was trained for, else those of the other, else the newest.
    """
    from core.evaluation.pinned import read_pinned
    from core.evaluation.results import compare_scored  # brings scipy, which few need

    if row.id == other.id:
        raise RegistryError("Both are the same adapter. Name two, or one to see it beside its base.")
    pair = _shared(
        registry.evaluations_of(db, row.base_fingerprint, row.id),
        registry.evaluations_of(db, other.base_fingerprint, other.id),
        [str(one.card.get("benchmark", "")) for one in (row, other)],
    )
    if pair is None:
        raise RegistryError(
            f"{row.name!r} and {other.name!r} were not tested on the same items. Test one on the benchmark of the "
            "other with `atelier evaluate --adapter`, then ask again."
        )
    mine, theirs = pair
    names = (f"{clip(other.name, 60)!r}", f"{clip(row.name, 60)!r}")
    verdict = compare_scored(
        read_pinned(workspace, mine.benchmark_sha),
        evaluations.items(db, theirs.id),
        evaluations.items(db, mine.id),
        names,
    ).to_dict()
    return verdict, Pair(theirs.id, mine.id, mine.benchmark, mine.benchmark_sha)


def _shared(
    mine: list[EvaluationRow], theirs: list[EvaluationRow], homes: list[str]
) -> tuple[EvaluationRow, EvaluationRow] | None:
    """Return a pair on the same items, answered in the same way: of the first benchmark of `homes` that has one."""
    found = [
        (one, other)
        for one in mine
        for other in theirs
        if (one.benchmark_sha, one.settings_sha) == (other.benchmark_sha, other.settings_sha)
    ]
    at_home = [pair for home in homes for pair in found if pair[0].benchmark_sha == home]
    return next(iter(at_home + found), None)


def _subtitle(known: Known, pair: Pair | None, verdict: dict[str, Any] | None) -> str:
    parts = [f"Made on {time.strftime('%Y-%m-%d')} by Atelier"]
    if pair and verdict:
        parts.append(f"benchmark {pair.benchmark}, {verdict['items']:,} held-out items")
    parts.append(f"base {known.row.card.get('base_title', known.row.base)}")
    return " · ".join(parts)


def _lineage(known: Known, stage: str) -> tuple[tuple[str, str], ...]:
    row, card = known.row, known.row.card
    told = {
        "Adapter": f"{row.id}, {stage} of {known.scope or 'no scope'}",
        "Weights sha256": row.weights_sha,
        "Base": f"{card.get('base_title', row.base)} ({row.base}), fingerprint {row.base_fingerprint[:16]}",
        "Dataset": f"{card.get('dataset_name', '')}, hash {row.dataset[:16]}",
        "Examples": f"{card['train_examples']:,} to train on, {card['validation_examples']:,} to validate"
        if "train_examples" in card and "validation_examples" in card
        else "",
        "From": ", ".join(f"{origin} ({count:,})" for origin, count in (card.get("composition") or {}).items()),
        "Benchmark": f"{card.get('benchmark_name', '')}, hash {str(card.get('benchmark', ''))[:16]}",
        "Training": f"{card['steps']:,} steps in {show_duration(card.get('seconds'))} on {card.get('machine', '')}"
        if "steps" in card
        else "",
        "Made": str(card.get("made_on", "")),
        "Code": facts.code_version(),
    }
    return tuple((label, visible(value)) for label, value in told.items() if value)


def _limits(known: Known, verdict: dict[str, Any] | None, benchmark: str, of_two: bool) -> tuple[str, ...]:
    found = []
    if verdict:
        found.append(
            f"The figures hold for the {verdict['items']:,} items of the benchmark {benchmark!r}, not for questions of "
            "another kind."
        )
        if verdict["items"] < 100:
            found.append("The benchmark is small, so the intervals are wide.")
    if not of_two and not known.facts.others:
        found.append("What it forgot was not measured: it was tested on no other benchmark beside its base.")
    found.append(f"The adapter fits the base with the fingerprint {known.row.base_fingerprint[:16]} alone.")
    found.append("A language model can be wrong with confidence. Check its answers before relying on them.")
    return tuple(found)


def write_markdown(report: Report) -> str:
    """Return the report as Markdown; no text of data or models is read as markup."""
    lines = [f"# {plain(visible(report.title))}", "", f"{plain(visible(report.subtitle))}", ""]
    verdict = report.verdict
    lines += ["## Result", ""]
    if verdict is None:
        lines += ["Nothing was compared: there is no test."]
    else:
        lines += [f"**{OUTCOMES[verdict['outcome']]}.** {plain(verdict['sentence'])}", ""]
        lines += [*score_table(verdict, report.names), *metric_table(verdict, report.names)]
    if report.gate:
        lines += ["", "## Gate", "", plain(report.gate_sentence), "", "| rule | figure | limit | state |"]
        lines += ["| --- | --- | --- | --- |"]
        lines += [
            f"| {plain(one.title)} | {plain(one.figure)} | {plain(one.limit)} | {one.state} |" for one in report.gate
        ]
    if report.forgotten:
        lines += ["", f"## {plain(report.elsewhere_title)}", "", "| benchmark | base | tuned | change |"]
        lines += ["| --- | ---: | ---: | ---: |"]
        lines += [
            f"| {plain(one.benchmark)} | {one.base:.0%} | {one.tuned:.0%} | {show_difference({'value': one.change})} |"
            for one in report.forgotten
        ]
    if any(report.counts):
        lines += ["", "## Answers", "", plain(count_text(report))]
    for heading, examples in zip(SECTIONS, (report.won, report.lost, report.missed), strict=True):
        for number, one in enumerate(examples, 1):
            lines += ["", f"### {heading} {number}{f': {plain(one.component)}' if one.component else ''}"]
            marked = zip(report.names, (one.first_score, one.second_score), strict=True)
            labels = ("Question", "Expected", *(f"{name}, {mark_of(score)}" for name, score in marked))
            for label, text in zip(labels, _texts(one), strict=True):
                lines += ["", f"{plain(label)}:", "", *(f"    {line}" for line in _wrapped(text))]
    lines += ["", "## Data and lineage", "", *(f"- {label}: {plain(value)}" for label, value in report.lineage)]
    lines += ["", "## Limits", "", *(f"- {plain(text)}" for text in report.limits), ""]
    return "\n".join(lines)


def _wrapped(text: str) -> list[str]:
    """Return the lines of a text, long ones broken between words: a viewer does not break them where code stands."""
    return [
        part
        for line in text.splitlines() or [""]
        for part in textwrap.wrap(line, LINE_LETTERS, replace_whitespace=False, break_long_words=False) or [""]
    ]


def _texts(one: Shown) -> tuple[str, str, str, str]:
    return one.prompt, one.expected, one.first or "(no answer)", one.second or "(no answer)"


def count_text(report: Report) -> str:
    better, worse, alike = report.counts
    first, second = report.names
    return (
        f"Of {better + worse + alike:,} items, {second} does better on {better:,} and {first} on {worse:,}. On "
        f"{alike:,} both do alike; {report.alike_right:,} of these are right."
    )
