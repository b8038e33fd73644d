"""What `atelier doctor` looks at of a person's own settings: the gate's rules, rubrics, endpoints."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from core.catalog import endpoints, industries, rubrics, specialists
from core.catalog.endpoints import Endpoint
from core.catalog.rubrics import Rubric
from core.cli.finding import Finding
from core.errors import AppError
from core.evaluation import endpoint_probe
from core.paths import Workspace
from core.registry import rules
from core.scoring.reading import read_transcript
from core.store import registry
from core.store.connection import connect_readonly


def look_at_settings(workspace: Workspace) -> Iterator[Finding]:
    """Say what of the gate's rules, the rubrics and the endpoints can be read and used."""
    yield from look_at_gates(workspace)
    for file in rubrics.files_of(workspace):
        yield from look_at_rubric(file)
    yield from _look_at_doubles(workspace)
    yield from look_at_endpoints(workspace)


def look_at_gates(workspace: Workspace) -> Iterator[Finding]:
    """Say whether the gate's rules can be read, the shipped ones and those of the workspace, and name what exists."""
    for file in (rules.SHIPPED, rules.own_file(workspace)):
        if not file.exists():
            continue
        try:
            gates = rules.read_gates(file)
        except AppError as error:
            yield Finding("data", "problem", str(error), "Mend the file; until then nothing is promoted.")
            continue
        known = _known(workspace) if gates.high_risk or gates.scopes else None
        strange = sorted(set(gates.high_risk or ()) - known) if known is not None else []
        empty = sorted(set(gates.scopes) - known - _scopes(workspace)) if gates.scopes and known is not None else []
        if strange:
            told = f"Gate: {file} demands reviews for {', '.join(strange)}, which is neither industry nor specialist"
            yield Finding("data", "problem", told, "Mend the name: as it stands, nobody is asked for a review.")
        if empty:
            told = f"Gate: {file} has rules for {', '.join(empty)}, for which there is nothing yet"
            yield Finding("data", "note", told, "Mend the name, if it is misspelt; the rules wait for it if not.")
        if not strange:
            yield Finding("data", "ok", f"Gate: {file} can be read")


def _known(workspace: Workspace) -> set[str] | None:
    """Return what rules may name; None while a file of the catalogue is broken, which is told elsewhere.

    These are industries, specialists and rubrics, the latter two with and without their prefix.
    """
    try:
        packs, experts = industries.all_industries(workspace), specialists.all_specialists(workspace)
    except AppError:
        return None
    scales = [file.stem for file in rubrics.files_of(workspace)]
    prefixed = [registry.SPECIALIST + name for name in experts] + [registry.RUBRIC + name for name in scales]
    return {*packs, *experts, *scales, *prefixed}


def _scopes(workspace: Workspace) -> set[str]:
    """Return the scopes of the adapters that are there: combinations and own benchmarks are known by them alone."""
    if workspace.database.exists():
        with suppress(AppError, sqlite3.Error), closing(connect_readonly(workspace.database)) as db:
            return set(registry.scopes(db))
    return set()


def look_at_rubric(file: Path) -> Iterator[Finding]:
    """Say what is wrong with a rubric's file, or that it is sound."""
    try:
        one = rubrics.read_rubric(file)
    except AppError as error:
        yield Finding("data", "problem", str(error), "Mend the file or take it out.")
        return
    lost = [name for side in ("rated", "other") for name in getattr(one, side).names if not _is_read(name, side, one)]
    for name in lost:
        told = f"The rubric {file} is wrong at names: no transcript's line can begin with {name!r}"
        yield Finding("data", "problem", told, "Give a word, as transcripts write it before a colon.")
    if lost:
        return
    named = ", ".join(dimension.title for dimension in one.dimensions)
    yield Finding("data", "ok", f"Rubric {one.id}: weights and anchors are sound ({named})")


def _is_read(name: str, side: str, rubric: Rubric) -> bool:
    """Tell whether a line with this label is read as that side's."""
    try:
        [line] = read_transcript(f"{name}: word", rubric).utterances
    except (AppError, ValueError):
        return False
    return line.side == side and line.text == "word"


def _look_at_doubles(workspace: Workspace) -> Iterator[Finding]:
    """Name rubrics of the workspace that share an id: only the last of them is used."""
    files: dict[str, list[str]] = {}
    for file in rubrics.files_of(workspace):
        if file.parent != rubrics.RUBRICS_DIR:
            with suppress(AppError):  # told already
                files.setdefault(rubrics.read_rubric(file).id, []).append(file.name)
    for name, found in files.items():
        if len(found) > 1:
            told = f"Rubric {name} stands in several files: {', '.join(found)}"
            yield Finding("data", "problem", told, "Only the last is used. Give each an id of its own.")


def look_at_endpoints(workspace: Workspace) -> Iterator[Finding]:
    """Say whether endpoints.yaml can be read, whether each key is set, and whether each server can be reached now."""
    known: dict[str, Endpoint] = {}
    for file in (endpoints.SHIPPED, endpoints.own_file(workspace)):
        try:
            known |= {one.name: one for one in endpoints.read_file(file)}
        except AppError as error:
            does = "Mend the file; until then no endpoint can be used."
            yield Finding("endpoints", "problem", str(error), does)
    if not known:
        does = f"To measure other models, list them in {endpoints.own_file(workspace)}."
        yield Finding("endpoints", "ok", "No endpoint is set up", does)
    for probed in endpoint_probe.probe_all(list(known.values())):
        one = probed.endpoint
        if one.key_env:
            is_set = bool(os.environ.get(one.key_env, "").strip())
            told = f"The key of the endpoint {one.name!r} is {'set' if is_set else 'not set'} in {one.key_env}"
            does = "" if is_set else "Set it, then start Atelier again from there."
            yield Finding("endpoints", "ok" if is_set else "note", told, does)
        yield Finding("endpoints", "ok" if probed.is_fit else "note", probed.text, probed.remedy)
