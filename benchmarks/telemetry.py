"""What logging a training step costs, and what survives a killed writer: Atelier, trackio, TensorBoard, MLflow.

    python -m benchmarks.telemetry                     everything
    python -m benchmarks.telemetry --quick             few steps, one repeat, one kill
    python -m benchmarks.telemetry --only logging --arms ours trackio

Needs the `bench` extra (trackio, tensorboard, mlflow-skinny; with sqlalchemy and alembic beside it MLflow uses SQLite);
what is missing is reported as absent. See benchmarks/README.md for the columns.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import arms
from core.cli.output import print_table
from core.paths import PROJECT_DIR

ARMS = ("ours", "trackio", "tensorboard", "mlflow")
PARTS = ("logging", "kill")
VALUES = {f"train/metric_{number}": 0.123456789 * (number + 1) for number in range(8)}
WARM_UP = 20
KILL_AFTER_S = (1.0, 3.0)
MODULE = "benchmarks.telemetry"


def main() -> None:
    chosen = parse(sys.argv[1:])
    if chosen.arm and chosen.until_killed:
        log_until_killed(chosen)
    elif chosen.arm:
        run_one(chosen)
    else:
        with arms.machine_held():
            measure(chosen)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.telemetry", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few steps, one repeat, one kill")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--steps", type=int, default=2000, help="steps logged one after the other")
    parser.add_argument("--paced-steps", type=int, default=150, help="steps logged with a pause between them")
    parser.add_argument("--step-ms", type=float, default=20.0, help="the pause, about as long as a short training step")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each arm, forwards and backwards in turn")
    parser.add_argument("--kills", type=int, default=5, help="writers of each arm that are killed")
    parser.add_argument("--folder", type=Path, help="where the stores are made; by default the temporary folder")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--until-killed", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.steps, chosen.paced_steps, chosen.repeats, chosen.kills = 200, 20, 1, 1
    return chosen


def measure(chosen: argparse.Namespace) -> None:
    machine = arms.describe_machine()
    arms.print_machine(machine)
    found: dict[str, Any] = {"benchmark": "telemetry", "machine": machine}
    if "logging" in chosen.only:
        found["logging"] = measure_logging(chosen)
    if "kill" in chosen.only:
        found["kill"] = measure_kills(chosen)
    arms.save(chosen.json or arms.result_path("telemetry", chosen.quick), found)


# Logging


def run_one(chosen: argparse.Namespace) -> None:
    """Log steps of 8 metrics at full speed, then some with a pause before each, and close.

    The steps with pauses show what a training loop pays: between them the processor has done something else.
    """
    with arms.speaking() as tell:
        from benchmarks.trackers import COUNTERS, OPENERS

        folder = Path(tempfile.mkdtemp(dir=chosen.folder))
        tracker = OPENERS[chosen.arm](folder)
        for step in range(WARM_UP):
            tracker.log(step, VALUES)
        process_began = time.process_time()
        fast = [_timed(tracker, WARM_UP + step) for step in range(chosen.steps)]
        paced = []
        for step in range(chosen.paced_steps):
            time.sleep(chosen.step_ms / 1e3)
            paced.append(_timed(tracker, WARM_UP + chosen.steps + step))
        closing_began = time.perf_counter()
        tracker.close()
        closed = time.perf_counter()
        count = chosen.steps + chosen.paced_steps
        tell({
            "kind": tracker.kind,
            "median_us": statistics.median(fast),
            "p99_us": arms.percentile(fast, 0.99),
            "most_us": max(fast),
            "paced_median_us": statistics.median(paced) if paced else None,
            "process_us": 1e6 * (time.process_time() - process_began) / count,
            "close_ms": 1e3 * (closed - closing_began),
            "stored": COUNTERS[chosen.arm](folder, len(VALUES)),
            "logged": WARM_UP + count,
        })  # fmt: skip


def _timed(tracker: Any, step: int) -> float:
    """Return the microseconds that logging one step takes."""
    began = time.perf_counter()
    tracker.log(step, VALUES)
    return 1e6 * (time.perf_counter() - began)


def measure_logging(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    runs = []
    for repeat, arm in arms.abba(chosen.arms, chosen.repeats):
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            outcome = arms.run_arm(MODULE, _arguments(arm, chosen, folder), timeout_s=600)
        arms.note(f"logging {arm} {repeat}", outcome)
        runs.append({"arm": arm, "repeat": repeat} | outcome)
    print(f"Logging a step of 8 metrics, microseconds: median (least..most) of {chosen.repeats} runs")
    paced = f"{chosen.paced_steps} every {chosen.step_ms:g} ms"
    print(f"{chosen.steps} steps at full speed, {paced}; the first {WARM_UP} are left out")
    print_table(
        ("store", "median", "99%", "most", "paced median", "processor", "close ms", "against ours"),
        [_logging_row(arm, runs) for arm in chosen.arms],
    )
    for arm in chosen.arms:
        kinds = {run["kind"] for run in runs if run["arm"] == arm and "kind" in run}
        print(f"  {arm}: {', '.join(kinds)}" if kinds else f"  {arm}: not measured")
    print()
    return runs


def _logging_row(arm: str, runs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    own = [run for run in runs if run["arm"] == arm and "median_us" in run]
    if not own:
        told = next((run for run in runs if run["arm"] == arm), {})
        return (arm, str(told.get("absent") or told.get("failed") or "not run"), *[""] * 6)
    if any(run["stored"] != run["logged"] for run in own):
        raise SystemExit(f"{arm} stored {own[0]['stored']} of {own[0]['logged']} steps although it was closed.")
    ours = {run["repeat"]: run["median_us"] for run in runs if run["arm"] == "ours" and "median_us" in run}
    theirs = {run["repeat"]: run["median_us"] for run in own}
    columns = [(key, 1) for key in ("median_us", "p99_us", "most_us", "paced_median_us", "process_us", "close_ms")]
    cells = [arms.spread([run[key] for run in own], digits) for key, digits in columns]
    return (arm, *cells, arms.spread(arms.ratios(theirs, ours), 1, "x"))


def _arguments(arm: str, chosen: argparse.Namespace, folder: str) -> list[str]:
    values = {
        "--arm": arm,
        "--steps": chosen.steps,
        "--paced-steps": chosen.paced_steps,
        "--step-ms": chosen.step_ms,
        "--folder": folder,
    }
    return [str(part) for pair in values.items() for part in pair]


# Killed writers


def log_until_killed(chosen: argparse.Namespace) -> None:
    """Log a step every few milliseconds and print its number once `log` has returned; ends only by being killed."""
    own = os.dup(1)
    os.dup2(2, 1)  # what libraries print must not be taken for a number
    from benchmarks.trackers import OPENERS

    try:
        tracker = OPENERS[chosen.arm](chosen.folder)
    except arms.Absent as missing:
        os.write(own, f"absent {missing}\n".encode())
        return
    for step in range(10**9):
        tracker.log(step, VALUES)
        os.write(own, f"{step + 1}\n".encode())
        time.sleep(chosen.step_ms / 1e3)


def kill_one(arm: str, chosen: argparse.Namespace, wait_s: float) -> dict[str, Any]:
    """Start a writer, kill it after a while, and return how many steps it had logged and how many are in the store."""
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        command = [sys.executable, "-m", MODULE, *_arguments(arm, chosen, folder), "--until-killed"]
        child = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert child.stdout is not None
        first = child.stdout.readline().strip()  # opening the store takes seconds with some
        if not first.isdecimal():
            child.wait()
            return {"absent": first.removeprefix("absent ")} if first else {"failed": "it did not start"}
        time.sleep(wait_s)
        child.send_signal(signal.SIGKILL)
        numbers = [line.strip() for line in child.stdout.read().splitlines()]
        child.wait()
        logged = int(next((one for one in reversed(numbers) if one.isdecimal()), first))
        stored = count_stored(arm, folder)
    return {"logged": logged, "stored": stored, "lost": max(0, logged - stored)}


def count_stored(arm: str, folder: str) -> int:
    """Return the complete steps in the store, as a reader finds them after the writer's death."""
    from benchmarks.trackers import COUNTERS

    return COUNTERS[arm](Path(folder), len(VALUES))


def measure_kills(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    waits = np.random.default_rng(0).uniform(*KILL_AFTER_S, chosen.kills)
    runs = []
    for repeat, arm in arms.abba(chosen.arms, chosen.kills):
        outcome = kill_one(arm, chosen, float(waits[repeat]))
        arms.note(f"kill {arm} {repeat}", outcome)
        runs.append({"arm": arm, "repeat": repeat} | outcome)
    print(f"kill -9 of a writer that logs every {chosen.step_ms:g} ms, {chosen.kills} times after 1 to 3 seconds")
    rows = []
    for arm in chosen.arms:
        own = [run for run in runs if run["arm"] == arm and "lost" in run]
        told = next((run for run in runs if run["arm"] == arm), {})
        rows.append(
            (arm, sum(run["logged"] for run in own), sum(run["stored"] for run in own), max(run["lost"] for run in own))
            if own
            else (arm, told.get("absent") or told.get("failed") or "not run", "", "")
        )
    print_table(("store", "logged steps", "found afterwards", "most lost by one kill"), rows)
    print()
    return runs


if __name__ == "__main__":
    main()
