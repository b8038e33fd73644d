"""The doctor as page and command ask for it: with the benchmarks, the base's tokenizer, and reports kept by content."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from core import durable
from core.catalog import bases, industries
from core.datasets import versions
from core.datasets.chat import ChatFormat, read_chat_format
from core.datasets.doctor import examination
from core.datasets.doctor.examination import Report
from core.datasets.doctor.finding import Finding, Shown
from core.datasets.examples import Example
from core.datasets.leakage import LeakGuard
from core.errors import AppError
from core.evaluation import benchmarks
from core.paths import Workspace

MOST_ROWS = 200_000
DEFAULT_LENGTH = 1024
EDITION = 2  # raise it when a check changes, so that old reports are made anew


@lru_cache(maxsize=2)
def _guard(workspace: Workspace, stamp: tuple[int, ...]) -> LeakGuard:
    packs = [pack for pack in industries.all_industries(workspace).values() if not pack.members]
    return LeakGuard(item.prompt for pack in packs for item in benchmarks.of_industry(pack).items)


def benchmark_guard(workspace: Workspace) -> LeakGuard:
    """Return what knows the questions of all industries' benchmarks."""
    packs = industries.all_industries(workspace).values()
    stamp = tuple(pack.benchmark_path.stat().st_mtime_ns for pack in packs if pack.benchmark_path)
    return _guard(workspace, stamp)


def chat_of(base: str) -> ChatFormat | None:
    """Return how a base writes conversations, or None while its files are not here."""
    try:
        folder = bases.locate(base)
    except AppError:
        return None
    return read_chat_format(folder) if folder else None


def examine(
    workspace: Workspace, examples: list[Example], base: str, max_length: int, against: list[Example] | None = None
) -> Report:
    return examination.examine(
        examples,
        guard=benchmark_guard(workspace),
        chat=chat_of(base),
        max_length=max_length,
        against=against or (),
    )


def report_of(workspace: Workspace, sha: str, base: str = "starter", max_length: int = DEFAULT_LENGTH) -> Report:
    """Return the report of a stored dataset; made once for a content, a base and a length.

    Raises:
        DataError: The dataset is damaged, or too large.
    """
    path = _report_path(workspace, sha, base, max_length)
    known = _read(path)
    if known is not None:
        return known
    report = examine(workspace, versions.load(workspace, sha, most=MOST_ROWS), base, max_length)
    durable.write_json(path, _to_json(report))
    return report


def stored_report(
    workspace: Workspace, sha: str, base: str = "starter", max_length: int = DEFAULT_LENGTH
) -> Report | None:
    """Return the report of a dataset if there is one; nothing is examined."""
    return _read(_report_path(workspace, sha, base, max_length))


def _report_path(workspace: Workspace, sha: str, base: str, max_length: int) -> Path:
    told = durable.hash_text(f"{EDITION} {bases.absolute(base)} {max_length}")[:12]
    return workspace.root / "reports" / f"{sha}-{told}.json"


def _to_json(report: Report) -> dict[str, Any]:
    return {
        "rows": report.rows,
        "findings": [
            {"kind": one.kind, "rows": one.rows, "examples": [list(shown) for shown in _shown(one)], "told": one.told}
            for one in report.findings
        ],
    }


def _shown(finding: Finding) -> list[tuple[int, str]]:
    return [(one.row, one.text) for one in finding.examples]


def _read(path: Path) -> Report | None:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        findings = [
            Finding(one["kind"], tuple(one["rows"]), tuple(Shown(*shown) for shown in one["examples"]), one["told"])
            for one in raw["findings"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Report(raw["rows"], findings)
