"""A report that can be handed on: an adapter beside its base, or two adapters, on the same held-out items."""

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from core.errors import DataError, RegistryError
from core.paths import Workspace
from core.registry import facts, gate, rules
from core.registry.cards import metric_table, plain
from core.registry.facts import Known
from core.registry.gate import Other, Result
from core.store import adapters, evaluations, registry
from core.store.adapters import AdapterRow
from core.store.connection import opened
from core.store.evaluations import EvaluationRow
from core.wording import clip, show_duration, visible

MOST_EXAMPLES = 5
MOST_LETTERS = 1500


@dataclass(frozen=True)
class Pair:
    """Two evaluations on the same items."""

    first: str
    second: str
    benchmark: str
    benchmark_sha: str


@dataclass(frozen=True)
class Shown:
    """One test item with both answers."""

    prompt: str
    expected: str
    first: str
    second: str


@dataclass(frozen=True)
class Report:
    """What a report says, before it is Markdown or HTML. `verdict` is None where nothing was compared."""

    title: str
    made_on: str
    names: tuple[str, str]
    scope: str
    verdict: dict[str, Any] | None
    won: tuple[Shown, ...]
    lost: tuple[Shown, ...]
    counts: tuple[int, int, int]
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
        shown = _examples(workspace, db, pair) if pair else ((), (), (0, 0, 0))
    return Report(
        title=title,
        made_on=time.strftime("%Y-%m-%d"),
        names=names,
        scope=known.scope,
        verdict=verdict,
        won=shown[0],
        lost=shown[1],
        counts=shown[2],
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
    """Return the verdict of two adapters on the newest items that both answered in the same way."""
    from core.evaluation.pinned import read_pinned
    from core.evaluation.results import compare_scored  # brings scipy, which few need

    if row.id == other.id:
        raise RegistryError("Both are the same adapter. Name two, or one to see it beside its base.")
    pair = _shared(
        registry.evaluations_of(db, row.base_fingerprint, row.id),
        registry.evaluations_of(db, other.base_fingerprint, other.id),
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


def _shared(mine: list[EvaluationRow], theirs: list[EvaluationRow]) -> tuple[EvaluationRow, EvaluationRow] | None:
    for one in mine:
        for other in theirs:
            if (one.benchmark_sha, one.settings_sha) == (other.benchmark_sha, other.settings_sha):
                return one, other
    return None


def _examples(
    workspace: Workspace, db: sqlite3.Connection, pair: Pair
) -> tuple[tuple[Shown, ...], tuple[Shown, ...], tuple[int, int, int]]:
    """Return items won and lost, and how many were answered better, worse and alike."""
    from core.evaluation.pinned import read_pinned

    first, second = ({one.item: one for one in evaluations.items(db, name)} for name in (pair.first, pair.second))
    try:
        items = read_pinned(workspace, pair.benchmark_sha).items
    except DataError:  # the verdict stands without the questions' words
        items = ()
    gains = {name: second[name].score - first[name].score for name in second if name in first}
    won: list[Shown] = []
    lost: list[Shown] = []
    for item in items:
        gain = gains.get(item.id, 0.0)
        group = won if gain > 0 else lost
        if gain and len(group) < MOST_EXAMPLES:
            texts = (item.prompt, item.expected, first[item.id].answer, second[item.id].answer)
            group.append(Shown(*(_cut(text) for text in texts)))
    better, worse = sum(gain > 0 for gain in gains.values()), sum(gain < 0 for gain in gains.values())
    return tuple(won), tuple(lost), (better, worse, len(gains) - better - worse)


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= MOST_LETTERS else f"{shown[:MOST_LETTERS]}…"


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
    lines = [f"# {plain(visible(report.title))}", "", f"Made on {report.made_on} by Atelier.", ""]
    verdict = report.verdict
    lines += ["## Result", "", plain(verdict["sentence"]) if verdict else "Nothing was compared: there is no test."]
    if verdict:
        first, second = (plain(name) for name in report.names)
        lines += ["", f"| part | weight | items | {first} | {second} | difference (95% interval) |"]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        lines += [
            f"| {plain(part['title'])} | {part['weight']:.0%} | {part['items']} | {show_interval(part['base'])} | "
            f"{show_interval(part['tuned'])} | {show_difference(part['difference'])} |"
            for part in verdict["components"]
        ]
        total = {"value": verdict["difference"], "low": verdict["low"], "high": verdict["high"]}
        lines += [
            f"| **all** | 100% | {verdict['items']} | {verdict['base_score']:.0%} | {verdict['tuned_score']:.0%} | "
            f"{show_difference(total)} |"
        ]
        lines += metric_table(verdict, report.names)
    if report.gate:
        lines += ["", "## Gate", "", plain(report.gate_sentence), "", "| rule | figure | limit | |"]
        lines += ["| --- | --- | --- | --- |"]
        lines += [
            f"| {plain(one.title)} | {plain(one.figure)} | {plain(one.limit)} | {one.state} |" for one in report.gate
        ]
    if report.forgotten:
        lines += ["", "## What it forgot", "", "| benchmark | base | tuned | change |", "| --- | --- | --- | --- |"]
        lines += [
            f"| {plain(one.benchmark)} | {one.base:.0%} | {one.tuned:.0%} | {100 * one.change:+.0f} points |"
            for one in report.forgotten
        ]
    if report.won or report.lost:
        lines += ["", "## Answers", "", plain(count_text(report))]
    for heading, examples in (("Won", report.won), ("Lost", report.lost)):
        for number, one in enumerate(examples, 1):
            lines += ["", f"### {heading} {number}"]
            for label, text in zip(("Question", "Expected", *report.names), _texts(one), strict=True):
                lines += ["", f"{plain(label)}:", "", *(f"    {line}" for line in text.splitlines() or [""])]
    lines += ["", "## Data and lineage", "", *(f"- {label}: {plain(value)}" for label, value in report.lineage)]
    lines += ["", "## Limits", "", *(f"- {plain(text)}" for text in report.limits), ""]
    return "\n".join(lines)


def _texts(one: Shown) -> tuple[str, str, str, str]:
    return one.prompt, one.expected, one.first or "(no answer)", one.second or "(no answer)"


def count_text(report: Report) -> str:
    better, worse, alike = report.counts
    first, second = report.names
    return (
        f"Of {better + worse + alike:,} items, {second} does better on {better:,}, {first} on {worse:,}, and both do "
        f"alike on {alike:,}."
    )


def show_interval(one: dict[str, float]) -> str:
    return f"{one['value']:.0%} ({one['low']:.0%} to {one['high']:.0%})"


def show_difference(one: dict[str, float]) -> str:
    return f"{100 * one['value']:+z.0f} points ({100 * one['low']:+z.0f} to {100 * one['high']:+z.0f})"
