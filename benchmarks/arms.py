"""The frame of every benchmark: one at a time on a machine, each arm in a process of its own, arms in ABBA order.

No torch in here: the process that waits for the arms must not take memory or threads from them.
"""

import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core import durable
from core.cli.output import say
from core.hardware.readings import read_machine
from core.paths import PROJECT_DIR
from core.process import environment
from core.process.liveness import FileLock

RESULTS = PROJECT_DIR / "benchmarks" / "results"
LOCK = Path(tempfile.gettempdir()) / "atelier-benchmark.lock"
PACKAGES = (
    "torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "datasets", "numpy", "plotly",
    "trackio", "tensorboard", "mlflow-skinny", "sqlalchemy",
)  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "GOMP_SPINCOUNT")


class Absent(Exception):
    """What an arm needs is not installed here; the arm is reported as absent and the others go on."""


# Around the arms


@contextmanager
def machine_held() -> Iterator[None]:
    """Keep a second benchmark from starting on this machine, because the two would measure each other."""
    lock = FileLock(LOCK)
    if not lock.acquire():
        raise SystemExit("Another benchmark runs on this machine. Wait for its end, then start this one.")
    try:
        yield
    finally:
        lock.release()


def describe_machine() -> dict[str, Any]:
    """Return what a reader needs to judge the figures: the machine, its load, versions, thread settings."""
    machine = read_machine()
    return {
        "processor": machine.cpu_name,
        "cores": machine.cores,
        "memory_gb": round(machine.memory_bytes / 1e9, 1),
        "gpus": list(machine.gpus),
        "system": f"{platform.system()} {platform.release()}",
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "versions": {name: found for name in PACKAGES if (found := find_version(name))},
        "threads": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
    }


def find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def print_machine(machine: Mapping[str, Any]) -> None:
    gpus = f", {', '.join(machine['gpus'])}" if machine["gpus"] else ""
    print(f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']} GB{gpus}; {machine['system']}")
    print("load average " + " ".join(f"{one:.2f}" for one in machine["load_average"]))
    print(f"Python {machine['python']}, SQLite {machine['sqlite']}, "
          + ", ".join(f"{name} {found}" for name, found in machine["versions"].items()))  # fmt: skip
    settings = [f"{name}={value}" for name, value in machine["threads"].items()]
    print(f"threads: {', '.join(settings) or 'as each library chooses'}\n")


# One arm


def tuned_environment() -> dict[str, str]:
    """Return the variables with which Atelier starts its own workers, the allocator's among them."""
    return environment.for_worker("cpu") | OFFLINE


def plain_environment() -> dict[str, str]:
    """Return this process's variables without those of the allocator, as most people start a script."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    return kept | OFFLINE


OFFLINE = {
    "HF_HUBOFFLINE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}


def run_arm(
    module: str, arguments: Sequence[str], variables: Mapping[str, str] | None = None, timeout_s: float = 3600
) -> dict[str, Any]:
    """Start one arm in a process of its own and return what it printed: one JSON value on its last line.

    An arm that can't run gives {"absent": why}, one that fails or takes too long {"failed": why}.
    """
    command = [sys.executable, "-m", module, *arguments]
    try:
        ended = subprocess.run(
            command,
            cwd=PROJECT_DIR,
            env=dict(variables) if variables is not None else None,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"took longer than {timeout_s:.0f} s"}
    lines = ended.stdout.strip().splitlines()
    if ended.returncode == 0 and lines:
        outcome: dict[str, Any] = json.loads(lines[-1])
        return outcome
    errors = ended.stderr.strip().splitlines()
    return {"failed": errors[-1] if errors else f"exit code {ended.returncode}"}


@contextmanager
def speaking() -> Iterator[Any]:
    """Yield a function that prints the arm's result; what libraries print meanwhile goes to stderr."""
    own = os.dup(1)
    os.dup2(2, 1)

    def tell(value: Mapping[str, Any]) -> None:
        sys.stdout.flush()
        os.write(own, (json.dumps(value) + "\n").encode())

    try:
        yield tell
    except Absent as missing:
        tell({"absent": str(missing)})
    finally:
        os.close(own)


# Repeats


def abba(arms: Sequence[str], repeats: int) -> Iterator[tuple[int, str]]:
    """Yield (repeat, arm), every second repeat backwards, so that a slow change of the machine hits all arms alike."""
    for repeat in range(repeats):
        for arm in arms if repeat % 2 == 0 else reversed(arms):
            yield repeat, arm


def note(text: str, outcome: Mapping[str, Any]) -> None:
    """Say on stderr how far the benchmark is."""
    told = next((f"{key}: {outcome[key]}" for key in ("absent", "failed") if key in outcome), "done")
    say(f"{text}: {told}")


# Numbers


def spread(values: Sequence[float], digits: int = 0, unit: str = "") -> str:
    """Return 'median (least..most)'."""
    if not values:
        return "-"
    low, middle, high = min(values), statistics.median(values), max(values)
    if len(values) == 1:
        return f"{middle:,.{digits}f}{unit}"
    return f"{middle:,.{digits}f}{unit} ({low:,.{digits}f}..{high:,.{digits}f})"


def ratios(ours: Mapping[int, float], theirs: Mapping[int, float]) -> list[float]:
    """Return ours / theirs of each repeat that both have."""
    return [ours[repeat] / theirs[repeat] for repeat in sorted(ours) if theirs.get(repeat)]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, int(share * len(ordered) + 0.999999) - 1))]


def result_path(name: str, small: bool) -> Path | None:
    """Return where a benchmark's full result is kept; a small form is for a look and is kept nowhere."""
    return None if small else RESULTS / f"{name}.json"


def save(path: Path | None, content: Mapping[str, Any]) -> None:
    if path is not None:
        durable.write_json(path, dict(content))
        say(f"Written to {path}")
