"""One model's results over all its benchmarks, in the form that other programs read."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NUMBER = re.compile(r"[+-][0-9][0-9,.]*%?")
# What the shipped benchmarks' parts test, in the words of benchmark types.
TYPES_OF_PARTS = {
    "knowledge": "domain_knowledge", "explanation": "reasoning", "refusals": "safety", "statements": "compliance",
    "decisions": "bias",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """A component's score, 0 to 1."""

    name: str
    items: int
    score: float


@dataclass(frozen=True)
class Result:
    """One evaluation. `group` is the industry or the benchmark's name, `kind` what an own benchmark tests."""

    group: str
    is_industry: bool
    kind: str
    items: int
    answered: int
    score: float
    low: float
    high: float
    seconds: float
    tokens: int
    parts: tuple[Part, ...]


def summarise(model_name: str, results: Sequence[Result]) -> dict[str, Any]:
    """Return the summary of a model: over all, by industry and by type.

    Each industry counts the same in the whole, each benchmark in its industry. An own benchmark has a type; of a
    shipped one each component counts with its items. Latency is milliseconds per item; the success rate is the share
    of items to which the model said anything.
    """
    by_group: dict[str, list[Result]] = defaultdict(list)
    for one in results:
        by_group[one.group].append(one)
    groups = {name: _summarise_group(rows) for name, rows in by_group.items()}
    accuracy = {name: group["avg_accuracy"] for name, group in groups.items()}
    return {
        "model_name": model_name,
        "overall_summary": {
            "overall_accuracy": sum(accuracy.values()) / len(accuracy) if accuracy else None,
            "total_benchmarks": len(results),
            "industries_tested": sum(any(one.is_industry for one in rows) for rows in by_group.values()),
            "performance_by_industry": accuracy,
            "performance_by_type": _by_type(results),
        },
        "industry_summaries": groups,
    }


def _summarise_group(rows: Sequence[Result]) -> dict[str, Any]:
    items = sum(one.items for one in rows)
    seconds = sum(one.seconds for one in rows)
    return {
        "num_benchmarks": len(rows),
        "num_items": items,
        "avg_accuracy": sum(one.score for one in rows) / len(rows),
        "interval_95": [rows[0].low, rows[0].high] if len(rows) == 1 else None,
        "avg_latency_ms": 1000 * seconds / max(1, items),
        "tokens_per_second": sum(one.tokens for one in rows) / max(1e-9, seconds),
        "success_rate": sum(one.answered for one in rows) / max(1, items),
    }


def _by_type(results: Sequence[Result]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    for one in results:
        for part in one.parts:
            last = part.name.rpartition(".")[2]  # a benchmark of several industries puts theirs before it
            kind = one.kind.replace(" ", "_") or TYPES_OF_PARTS.get(last, last)
            sums[kind] += part.score * part.items
            counts[kind] += part.items
    return {kind: sums[kind] / counts[kind] for kind in sums}


def write_csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a CSV table; what a spreadsheet would take for a formula stands behind an apostrophe."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _harmless(value) for key, value in row.items()})
    return stream.getvalue()


def _harmless(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("=", "+", "-", "@", "\t"):
        return value
    return value if _NUMBER.fullmatch(value) else f"'{value}"
