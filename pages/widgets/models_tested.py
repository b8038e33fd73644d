"""What can be tested, and on what: the models and the benchmarks of a workspace, as the pages name them."""

from dataclasses import dataclass

import streamlit as st

from core.catalog import bases, endpoints, industries, specialists
from core.errors import AppError
from core.evaluation import own_benchmarks
from core.evaluation.benchmarks import Benchmark
from core.evaluation.pinned import read_pinned
from core.paths import Workspace
from core.store import adapters, evaluations
from core.store import benchmarks as stored
from core.store.evaluations import Standing
from core.training import submission as training
from pages.widgets import packs, session

MOST_PINNED = 32


@dataclass(frozen=True)
class Model:
    """A base, or an adapter on it, that can be asked."""

    base: str
    adapter: str
    title: str


def models(workspace: Workspace) -> dict[str, Model]:
    """Return by a key the adapters, the newest first, the bases that are on this machine, and the endpoints."""
    with session.store() as db:
        homes = evaluations.homes(db)
        known = adapters.all_ids(db)
        used = {row.base for row in evaluations.standings(db) if not row.adapter}
    found = {
        f"adapter:{one.adapter}": Model(one.base, one.adapter, f"{one.name} · {one.adapter[-6:]}")
        for one in homes
        if one.adapter in known
    }
    here = [
        entry.id
        for entry in bases.known_bases().values()
        if entry.folder is not None or bases.find_cached(entry.id) is not None
    ]
    for base in dict.fromkeys([*here, *sorted(used), *(one.base for one in homes)]):
        if endpoints.name_in(base) is None:
            found[f"base:{base}"] = Model(base, "", bases.title_of(base))
    for name in _endpoints(workspace):
        found[f"base:{endpoints.PREFIX}{name}"] = Model(endpoints.PREFIX + name, "", f"{name} · endpoint")
    return found


def _endpoints(workspace: Workspace) -> list[str]:
    try:
        return list(endpoints.all_endpoints(workspace))
    except AppError:  # a person's own file is broken: `atelier doctor` says where
        return []


def benchmark_titles(workspace: Workspace) -> dict[str, str]:
    """Return every benchmark that can be run, by the name that the command takes too."""
    titles = packs.titles(workspace)
    found = {name: titles.get(name, name) for name in own_benchmarks.industry_shas(workspace)}
    found |= {name: f"{name.capitalize()} · conduct" for name in own_benchmarks.CONDUCT}
    with session.store() as db:
        found |= {one.name: f"{one.name} · own, {one.kind}" for one in stored.named(db)}
    experts = specialists.all_specialists(workspace)
    return found | {own_benchmarks.SPECIALIST + name: f"{one.title} · specialist" for name, one in experts.items()}


def resolve(workspace: Workspace, name: str) -> Benchmark:
    return own_benchmarks.resolve(workspace, [name], lambda one: training.held_out_of(workspace, one))


@st.cache_resource(show_spinner=False, max_entries=MOST_PINNED)
def _pinned(root: str, sha: str) -> Benchmark:
    return read_pinned(session.workspace(), sha)


def pinned(workspace: Workspace, sha: str) -> Benchmark:
    """Return a pinned benchmark; it never changes, so it is read and checked once.

    Raises:
        DataError: The copy is missing or damaged.
    """
    return _pinned(str(workspace.root), sha)


def title_of(row: Standing) -> str:
    """Return what a model is called in a table."""
    return row.adapter_name or row.adapter or bases.title_of(row.base)


def benchmark_title(row: Standing, known: dict[str, str]) -> str:
    return packs.benchmark_title(row.benchmark, known)


def industry_titles(workspace: Workspace) -> dict[str, str]:
    return {name: pack.title for name, pack in industries.all_industries(workspace).items()}
