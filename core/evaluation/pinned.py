"""Benchmarks pinned by their content: a job is tested on these very items, whenever it runs."""

import json
from pathlib import Path

from core import durable
from core.errors import DataError
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark
from core.paths import Workspace


def pin_benchmark(workspace: Workspace, benchmark: Benchmark) -> str:
    """Keep a copy of a benchmark under its hash, so that a job uses these very items whenever it runs."""
    path = benchmark_file(workspace, benchmark.sha)
    if not path.exists():
        durable.write_json(
            path,
            {
                "name": benchmark.name,
                "weights": dict(benchmark.weights),
                "titles": dict(benchmark.titles),
                "metrics": list(benchmark.metrics),
                "items": [item.to_row() for item in benchmark.items],
            },
        )
    return benchmark.sha


def benchmark_file(workspace: Workspace, sha: str) -> Path:
    return workspace.root / "benchmarks" / f"{sha}.json"


def read_pinned(workspace: Workspace, sha: str) -> Benchmark:
    """Return a pinned benchmark.

    Raises:
        DataError: The copy is missing or damaged.
    """
    path = benchmark_file(workspace, sha)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        items = [Item.model_validate(item) for item in raw["items"]]
        benchmark = make_benchmark(raw["name"], items, raw["weights"], raw["titles"], tuple(raw.get("metrics", ())))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, DataError) as error:
        raise DataError(f"The benchmark {path} is missing or damaged: {error}. Start the job anew.") from error
    if benchmark.sha != sha:
        raise DataError(f"The benchmark {path} was changed since it was pinned. Start the job anew.")
    return benchmark
