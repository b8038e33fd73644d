"""What one refresh of the Jobs page costs server and browser, with 200 jobs and one of a million metric rows.

    python -m benchmarks.live_page                     everything
    python -m benchmarks.live_page --quick             a hundredth of the rows, few refreshes

The workspace is a temporary one, the web server is the app's own. A client opens the page over the WebSocket on the job
that runs and keeps growing, and asks for refreshes as a browser does. See benchmarks/README.md for the figures.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks import arms
from benchmarks.page_client import Drawing, PageClient, served, tab
from core.cli.output import print_table, say
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.process.liveness import FileLock
from core.store import jobs, schema
from core.store.connection import opened
from core.store.metrics import MetricWriter, read_series
from core.training.configuration import TrainingConfig

# Of a hundred rows: steps of training, readings of the machine, eval losses; as a job of many hours has them.
SHARES = {"train": 90, "machine": 9, "eval": 1}
GROWTH_STEPS_PER_S = 20.0
TARGETS = {"server_ms": 50.0, "sent_kb": 300.0, "memory_mb": 400.0}
MODULE = "benchmarks.live_page"


def main() -> None:
    chosen = parse(sys.argv[1:])
    if chosen.grow:
        grow(Path(chosen.grow), chosen.first)
        return
    with arms.machine_held(), tempfile.TemporaryDirectory(prefix="atelier-live-page-") as folder:
        machine = arms.describe_machine()
        arms.print_machine(machine)
        found = {"benchmark": "live_page", "machine": machine} | measure(Path(folder), chosen)
        report(found)
        arms.save(chosen.json or arms.result_path("live_page", chosen.quick), found)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows, few refreshes")
    parser.add_argument("--jobs", type=int, default=200, help="jobs in the workspace")
    parser.add_argument("--rows", type=int, default=1_000_000, help="metric rows of the job that is shown")
    parser.add_argument("--refreshes", type=int, default=40, help="refreshes that are measured, one a second")
    parser.add_argument("--warm-up", type=int, default=5, help="refreshes before them")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--grow", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=1, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.rows, chosen.refreshes = min(chosen.rows, 10_000), 10
    return chosen


# The workspace


def fill_workspace(workspace: Workspace, count: int) -> str:
    """Make `count` jobs, all done but the newest, which runs; return its id."""
    schema.prepare(workspace)
    spec = {"base": "starter", "industries": ["finance"], "config": TrainingConfig().model_dump(mode="json")}
    result = {
        "steps": 300,
        "seconds": 31.5,
        "tokens_per_second": 9000.0,
        "eval_loss_before": 2.0,
        "eval_loss_after": 1.0,
    }
    with opened(workspace) as db:
        for number in range(count):
            job = jobs.create(db, kind="train", name=f"Finance {number}", spec=spec, estimate={"seconds": 30.0})
            job = jobs.move(db, jobs.claim(db, job, "cpu"), "running")
            if number < count - 1:
                jobs.move(db, job, "succeeded", result=result)
    return job.id


def values_at(step: int) -> dict[str, float]:
    """Return what the training loop logs at a step: noisy curves, so that no chart is a straight line."""
    noise = 0.9 + 0.2 * (math.sin(step * 12.9898) * 43758.5453 % 1.0)
    return {
        "train/loss": noise * 2.0 / (1 + step / 9e3),
        "train/learning_rate": 2e-4 * (1 + math.cos(step / 1e6)),
        "train/grad_norm": noise,
        "train/tokens_per_second": noise * 5e3,
        "train/epoch": step / 1e4,
    }


def readings_at(step: int) -> dict[str, float]:
    noise = 0.9 + 0.2 * (math.sin(step * 78.233) * 43758.5453 % 1.0)
    return {
        "host/cpu_percent": noise * 80.0,
        "host/memory_bytes": noise * 1.2e10,
        "gpu0/utilization_percent": noise * 90.0,
        "gpu0/temperature_celsius": noise * 65.0,
        "gpu0/power_watts": noise * 300.0,
        "gpu0/memory_bytes": noise * 2e10,
    }


def fill_metrics(path: Path, rows: int) -> int:
    """Write the rows as a worker does, each committed, and return the last training step."""
    counts = {name: rows * share // sum(SHARES.values()) for name, share in SHARES.items()}
    with closing(MetricWriter(path, 1)) as writer:
        for step in range(1, counts["train"] + 1):
            writer.log(step, values_at(step))
        for place in range(counts["machine"]):
            writer.log(2 * place, readings_at(place))
        for place in range(1, counts["eval"] + 1):
            writer.log(place * counts["train"] // counts["eval"], {"eval/loss": 2.0 / (1 + place / 90)})
    return counts["train"]


def grow(path: Path, first: int) -> None:
    """Log on, at an even pace, until the parent ends this process."""
    with closing(MetricWriter(path, 1)) as writer:
        for step in range(first, 10**9):
            writer.log(step, values_at(step))
            writer.report("training", step, 2 * first, GROWTH_STEPS_PER_S, 2500.0, 2500.0)
            if step % int(2 * GROWTH_STEPS_PER_S) == 0:
                writer.log(10**7 + step, readings_at(step))
                writer.beat()
            time.sleep(1 / GROWTH_STEPS_PER_S)


@contextmanager
def growing(path: Path, first: int) -> Iterator[None]:
    command = [sys.executable, "-m", MODULE, "--grow", str(path), "--first", str(first)]
    child = subprocess.Popen(command, cwd=PROJECT_DIR)
    try:
        yield
    finally:
        child.kill()
        child.wait()


# The measurement


def measure(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Return the costs of the first drawing and of every later refresh, with the memory of the web process."""
    workspace = Workspace(folder)
    job_id = fill_workspace(workspace, chosen.jobs)
    say(f"{chosen.jobs} jobs are made; writing {chosen.rows:,} metric rows")
    steps = fill_metrics(workspace.job(job_id).metrics, chosen.rows)
    supervisor = FileLock(queue.supervisor_lock(workspace))
    if not supervisor.acquire():  # held, so that none starts and works on the jobs
        raise SystemExit("The temporary workspace is already in use.")
    record = folder / "runs.jsonl"
    metrics = workspace.job(job_id).metrics
    with (
        released(supervisor),
        growing(metrics, steps + 1),
        served(workspace, record) as (port, process),
        tab(port, "jobs", f"job={job_id}") as client,
    ):
        first = client.open()
        for _ in range(chosen.warm_up):
            _refresh_on_time(client)
        used_before = process.cpu_times()
        drawings = [_refresh_on_time(client) for _ in range(chosen.refreshes)]
        used = process.cpu_times()
        memory, peak = process.memory_info().rss, _peak_memory(process.pid)
        torch_loaded = _has_torch_mapped(process.pid)
    runs = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    refreshed = [run for run in runs if run["fragment"]][-chosen.refreshes :]
    return {
        "jobs": chosen.jobs,
        "rows": chosen.rows,
        "charts": drawings[-1].charts,
        "interval_seconds": client.interval_s,
        "server_ms": [run["wall_ms"] for run in refreshed],
        "server_processor_ms": [run["processor_ms"] for run in refreshed],
        "process_ms": 1e3 * (used.user + used.system - used_before.user - used_before.system) / len(drawings),
        "answer_ms": [1e3 * drawing.seconds for drawing in drawings],
        "sent_bytes": [drawing.sent_bytes for drawing in drawings],
        "first_ms": 1e3 * first.seconds,
        "first_sent_bytes": first.sent_bytes,
        "memory_bytes": memory,
        "peak_memory_bytes": peak,
        "torch_loaded": torch_loaded or any(run["torch"] for run in runs),
        "lost_range": measure_lost_range(metrics),
    }


def _refresh_on_time(client: PageClient) -> Drawing:
    """Wait as long as the page told the browser to, then refresh."""
    time.sleep(client.interval_s)
    return client.refresh()


@contextmanager
def released(lock: FileLock) -> Iterator[None]:
    try:
        yield
    finally:
        lock.release()


def _peak_memory(pid: int) -> int | None:
    """Return the most resident memory that the process ever had, where the system tells."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return None
    line = next((one for one in status.read_text().splitlines() if one.startswith("VmHWM")), None)
    return int(line.split()[1]) * 1024 if line else None


def _has_torch_mapped(pid: int) -> bool:
    """Return whether the process has torch's libraries in its memory, where the system tells."""
    maps = Path(f"/proc/{pid}/maps")
    return maps.exists() and "libtorch" in maps.read_text()


def measure_lost_range(path: Path) -> float:
    """Return the largest share of a metric's range, from lowest to highest value, that its thinned chart lacks.

    0 means that every chart shows the highest and the lowest value of its metric, as a chart of all points would.
    """
    import numpy as np

    from pages.widgets.envelopes import envelope

    lost = []
    for one in read_series(path).values():
        whole = float(np.ptp(one.values))
        lost.append(1 - float(np.ptp(envelope(one.steps, one.values).points().values)) / whole if whole else 0.0)
    return max(lost)


def report(found: dict[str, Any]) -> None:
    server, sent = found["server_ms"], [size / 1e3 for size in found["sent_bytes"]]
    print(f"Jobs page, {found['jobs']:,} jobs, {found['rows']:,} metric rows and growing, {found['charts']} charts; "
          f"{len(server)} refreshes, {found['interval_seconds']:g} s apart")  # fmt: skip
    peak = found["peak_memory_bytes"]
    rows = [
        ("server time of a refresh, ms", arms.spread(server, 1), _against(statistics.median(server), "server_ms")),
        ("  of it on the processor, ms", arms.spread(found["server_processor_ms"], 1), ""),
        ("  whole process for a refresh, ms", f"{found['process_ms']:.1f}", ""),
        ("sent to the browser, KB", arms.spread(sent, 1), _against(statistics.median(sent), "sent_kb")),
        ("memory of the web process, MB", f"{found['memory_bytes'] / 1e6:.0f}",
         _against(found["memory_bytes"] / 1e6, "memory_mb")),
        ("  at its highest, MB", f"{peak / 1e6:.0f}" if peak else "not told",
         _against(peak / 1e6, "memory_mb") if peak else ""),
        ("from question to last byte, ms", arms.spread(found["answer_ms"], 1), ""),
        ("first drawing of the page, ms", f"{found['first_ms']:.0f}", ""),
        ("torch in the web process", "LOADED" if found["torch_loaded"] else "not loaded", "not loaded"),
        ("range of a metric lost by thinning", f"{found['lost_range']:.2%}", ""),
    ]  # fmt: skip
    print_table(("figure", "median (least..most)", "target"), rows)
    print()


def _against(value: float, target: str) -> str:
    limit = TARGETS[target]
    return f"{limit:g}: {'met' if value <= limit else 'MISSED'}"


if __name__ == "__main__":
    main()
