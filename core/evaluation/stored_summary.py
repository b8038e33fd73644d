"""The summary of a model from what the workspace holds of it."""

import sqlite3
from collections.abc import Collection
from typing import Any

from core.catalog import bases
from core.errors import NotFound
from core.evaluation import summary
from core.store import benchmarks, evaluations
from core.store.evaluations import Standing


def of_model(db: sqlite3.Connection, one: Standing, industries: Collection[str]) -> dict[str, Any]:
    """Return the summary of the model of an evaluation, over its newest evaluation on each benchmark."""
    kinds = benchmarks.kinds_by_sha(db)
    rows = [row for row in evaluations.standings(db) if row.model == one.model]
    newest = {row.benchmark_sha: row for row in reversed(rows)}  # the newest come first, so here they come last
    results = [
        summary.Result(
            group=row.benchmark,
            is_industry=row.benchmark in industries,
            kind=kinds.get(row.benchmark_sha, ""),
            items=row.items,
            answered=evaluations.count_answered(db, row.id),
            score=row.score,
            low=row.low,
            high=row.high,
            seconds=row.seconds,
            tokens=row.tokens,
            parts=tuple(
                summary.Part(name, part["items"], part["score"])
                for name, part in evaluations.get(db, row.id).components.items()
            ),
        )
        for row in newest.values()
    ]
    return summary.summarise(one.adapter_name or one.adapter or bases.title_of(one.base), results)


def find_model(db: sqlite3.Connection, wanted: str) -> Standing:
    """Return an evaluation of a model by an adapter's id or name, or by a base.

    Raises:
        NotFound: Nothing was measured of a model of this name.
    """
    rows = evaluations.standings(db)
    for matches in (
        lambda row: row.adapter and row.adapter.startswith(wanted.lower()) and len(wanted) >= 6,
        lambda row: wanted and row.adapter_name == wanted,
        lambda row: not row.adapter and wanted in (row.base, bases.title_of(row.base)),
    ):
        found = [row for row in rows if matches(row)]
        if found:
            return found[0]
    names = sorted({row.adapter_name or row.base for row in rows})
    have = f"There are: {', '.join(names[:8])}." if names else "Test one with `atelier evaluate`."
    raise NotFound(f"Nothing was measured of a model {wanted!r}. {have}")
