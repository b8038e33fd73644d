"""Industries by their titles, on pages that must not fail because a pack of a person's own is broken."""

from core.catalog import industries
from core.errors import AppError
from core.paths import Workspace


def titles(workspace: Workspace) -> dict[str, str]:
    """Return the title of every industry by its id; of the shipped ones only, when one of the workspace is broken."""
    try:
        packs = industries.all_industries(workspace)
    except AppError:
        packs = industries.all_industries()
    return {name: pack.title for name, pack in packs.items()}


def benchmark_title(benchmark: str, known: dict[str, str]) -> str:
    """Return the titles of a benchmark's industries, or its own name when it is of none."""
    return ", ".join(known[name] for name in benchmark.split("+") if name in known) or benchmark
