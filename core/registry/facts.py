"""Collects what the gate and the report must know about an adapter: from its card, its evaluations, its folder."""

import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from core import durable
from core.paths import PROJECT_DIR, Workspace
from core.registry.gate import Aim, Facts, Other, Rules
from core.store import adapters, evaluations, jobs, registry, reviews
from core.store.adapters import AdapterRow
from core.store.evaluations import EvaluationRow

WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Known:
    """An adapter with its facts; `evaluation` is its own on the benchmark of its job, `verdict` as a job stores it."""

    row: AdapterRow
    scope: str
    facts: Facts
    verdict: dict[str, Any] | None
    evaluation: EvaluationRow | None


def damage_of(workspace: Workspace, row: AdapterRow, *, by_size: bool = False) -> str:
    """Return what is wrong with an adapter's folder, or nothing if it is the one that was registered.

    Args:
        by_size: Look only for files that are missing or of another size, which costs no reading.
    """
    folder = workspace.adapters / row.id
    if not folder.is_dir():
        return "it is gone"
    damage = durable.find_damage(folder, by_size=by_size)
    if damage or by_size:
        return damage or ""
    if not (folder / WEIGHTS).is_file():
        return f"{WEIGHTS} is missing"
    # A folder may be whole and yet another one than was registered.
    return (
        "" if durable.hash_file(folder / WEIGHTS) == row.weights_sha else "its weights are not those that were tested"
    )


def gather(
    workspace: Workspace, db: sqlite3.Connection, row: AdapterRow, *, review: str = "", by_size: bool = False
) -> Known:
    """Return all that is known about an adapter.

    Args:
        review: A review that is not written down yet, as 'Name: note', in its favour.

    Raises:
        DataError: It was tested after its job, and the benchmark's file is gone.
    """
    scope = registry.scope_of(row.card)
    benchmark = str(row.card.get("benchmark", ""))
    rows = registry.evaluations_of(db, row.base_fingerprint, row.id)
    own = next((one for one in rows if one.benchmark_sha == benchmark), None)
    verdict = row.card.get("verdict") or (_compare(workspace, db, row, own) if own else None)
    production = registry.production_of(db, scope)
    rival = _rival(db, production, own) if production != row.id else None
    weights = workspace.adapters / row.id / WEIGHTS
    favour, objection = _reviews(db, row, review)
    facts = Facts(
        scope=scope,
        outcome=verdict["outcome"] if verdict else None,
        difference=verdict["difference"] if verdict else None,
        score=own.score if own else verdict["tuned_score"] if verdict else None,
        production=production if production != row.id else "",
        production_score=rival.score if rival else None,
        aims=_aims(verdict),
        others=_others(db, row, rows, benchmark),
        latency_ms=1000 * own.seconds / own.items if own and own.items else None,
        size_mb=weights.stat().st_size / 1e6 if weights.is_file() else None,
        review=favour,
        objection=objection,
        damage=damage_of(workspace, row, by_size=by_size),
    )
    return Known(row, scope, facts, verdict, own)


def _reviews(db: sqlite3.Connection, row: AdapterRow, unwritten: str) -> tuple[str, str]:
    """Return the newest word for an adapter and the newest against it, of those that count."""
    who = unwritten.partition(":")[0].casefold()
    counted = [one for one in reviews.standing(db, row.id, row.weights_sha) if one.who.casefold() != who]
    favour = [unwritten] * bool(unwritten) + [one.text for one in counted if one.finding == "fit"]
    against = [one.text for one in counted if one.finding == "unfit"]
    return next(iter(favour), ""), next(iter(against), "")


def _compare(
    workspace: Workspace, db: sqlite3.Connection, row: AdapterRow, own: EvaluationRow
) -> dict[str, Any] | None:
    """Return the verdict of an adapter whose job did not test it, where it and its base were tested later."""
    from core.evaluation.results import compare_stored  # brings scipy, which few need

    base = _base_of(db, row, own)
    if base is None:
        return None
    aims = jobs.get(db, row.job).spec.get("aims", {})
    return compare_stored(db, workspace, base, own).to_dict() | {
        "base_evaluation": base.id,
        "tuned_evaluation": own.id,
        "aims": aims,
    }


def _base_of(db: sqlite3.Connection, row: AdapterRow, tuned: EvaluationRow) -> EvaluationRow | None:
    return evaluations.find_reusable(
        db,
        base_fingerprint=row.base_fingerprint,
        adapter="",
        benchmark_sha=tuned.benchmark_sha,
        settings_sha=tuned.settings_sha,
    )


def _rival(db: sqlite3.Connection, production: str, own: EvaluationRow | None) -> EvaluationRow | None:
    """Return the evaluation of the adapter in production on the same items, answered in the same way."""
    if not production or own is None:
        return None
    rows = registry.evaluations_of(db, adapters.find(db, production).base_fingerprint, production)
    same = (own.benchmark_sha, own.settings_sha)
    return next((one for one in rows if (one.benchmark_sha, one.settings_sha) == same), None)


def _aims(verdict: dict[str, Any] | None) -> tuple[Aim, ...]:
    if not verdict:
        return ()
    measured = {one["metric"]: one for one in verdict.get("metrics", ())}
    found = []
    for name, aim in (verdict.get("aims") or {}).items():
        one = measured.get(name)
        found.append(
            Aim(one["title"], one["tuned"], aim["tuned"], one["is_share"], one["less_is_better"])
            if one
            else Aim(name, None, aim["tuned"])
        )
    return tuple(found)


def _others(db: sqlite3.Connection, row: AdapterRow, rows: list[EvaluationRow], benchmark: str) -> tuple[Other, ...]:
    """Return the newest pair of adapter and base on each other benchmark."""
    own_name = str(row.card.get("benchmark_name", ""))
    found: dict[str, Other] = {}
    for tuned in rows:
        if tuned.benchmark_sha == benchmark or tuned.benchmark in (own_name, *found):
            continue
        base = _base_of(db, row, tuned)
        if base is not None:
            found[tuned.benchmark] = Other(tuned.benchmark, base.score, tuned.score)
    return tuple(sorted(found.values(), key=lambda one: one.change))


def hashes_of(known: Known, rules: Rules) -> dict[str, str]:
    """Return what a decision is bound to: the very weights, items, examples, rules and code."""
    row = known.row
    return {
        "adapter": row.weights_sha,
        "base": row.base_fingerprint,
        "benchmark": str(row.card.get("benchmark", "")),
        "dataset": row.dataset,
        "rules": durable.hash_text(rules.model_dump_json()),
        "code": code_version(),
    }


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return the program's version with a hash of the code that grades, compares and decides."""
    try:
        number = version("atelier")
    except PackageNotFoundError:
        number = "0"
    files = [
        file for part in ("evaluation", "registry") for file in sorted((PROJECT_DIR / "core" / part).rglob("*.py"))
    ]
    return f"{number}+{durable.hash_text(''.join(durable.hash_file(file) for file in files))[:16]}"
