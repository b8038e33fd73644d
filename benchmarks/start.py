"""How long it takes from the click to the first training step: with nothing at work yet, and with a warm worker.

    python -m benchmarks.start                         five cold and five warm starts
    python -m benchmarks.start --quick                 one of each

What is submitted is the first run of the Home page: the starter on finance, standard preset. The clock runs from the
call that queues the job until the row of its first step can be read. The workspace is a temporary one.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks import arms
from core.cli.output import print_table
from core.paths import Workspace
from core.process import queue
from core.process.liveness import FileLock, is_held
from core.store import jobs, schema
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_progress, read_series
from core.store.states import ENDED
from core.training import submission

TARGETS_S = {"cold": 10.0, "warm": 1.5}
MARKS = ("queued", "claimed", "running", "prepared", "first step")
POLL_S = 0.01
TIMEOUT_S = 600.0
WARM_MODULE = "core.process.warm"
SUPERVISOR_MODULE = "core.process.supervisor"
IDLE_LOOKS, LOOK_S = 8, 0.5  # a worker that has taken no processor time for so many looks is ready
BASE, PRESET, INDUSTRY = "starter", "standard", "finance"


def main() -> None:
    chosen = parse(sys.argv[1:])
    with arms.machine_held():
        machine = arms.describe_machine()
        arms.print_machine(machine)
        found: dict[str, Any] = {"benchmark": "start", "machine": machine}
        for kind in ("cold", "warm"):
            with (
                tempfile.TemporaryDirectory(prefix="atelier-start-") as folder,
                app_open(Workspace(Path(folder))) as ws,
            ):
                found[kind] = [noted(kind, number, start_once(ws, kind)) for number in range(chosen.repeats)]
        report(found)
        arms.save(chosen.json or arms.result_path("start", chosen.quick), found)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one start of each kind")
    parser.add_argument("--repeats", type=int, default=5, help="starts of each kind")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.repeats = 1
    return chosen


def noted(kind: str, number: int, marks: dict[str, float]) -> dict[str, float]:
    arms.note(f"{kind} start {number}: {marks['first step']:.2f} s", {})
    return marks


# The processes around a start


@contextmanager
def app_open(workspace: Workspace) -> Iterator[Workspace]:
    """Prepare a workspace and hold the lock that an open app holds; what is at work in the end is ended."""
    schema.prepare(workspace)
    presence = FileLock(queue.presence_lock(workspace))
    presence.acquire(shared=True)
    try:
        yield workspace
    finally:
        presence.release()
        end_supervisor(workspace)


def find_supervisor(workspace: Workspace) -> psutil.Process | None:
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if SUPERVISOR_MODULE in line and str(workspace.root) in line:
            return process
    return None


def end_supervisor(workspace: Workspace) -> None:
    """End the supervisor; its warm worker ends with it, since nothing holds its pipe any more."""
    supervisor = find_supervisor(workspace)
    if supervisor is None:
        return
    below = supervisor.children(recursive=True)
    supervisor.terminate()
    _, left = psutil.wait_procs([supervisor, *below], timeout=20)
    for process in left:
        process.kill()
    psutil.wait_procs(left, timeout=10)


def wait_for_warm_worker(workspace: Workspace) -> None:
    """Return once the supervisor's warm worker has nothing left to prepare."""
    calm = 0
    last = -1.0

    def is_ready() -> bool:
        nonlocal calm, last
        time.sleep(LOOK_S)
        supervisor = find_supervisor(workspace)
        below = supervisor.children(recursive=True) if supervisor else []
        used = 0.0
        try:
            warm = next((one for one in below if WARM_MODULE in one.cmdline()), None)
            if warm is not None:
                times = [one.cpu_times() for one in (warm, *warm.children(recursive=True))]
                used = sum(one.user + one.system for one in times)
        except psutil.Error:  # it was just ending
            warm = None
        calm = calm + 1 if warm is not None and used == last else 0
        last = used
        return calm >= IDLE_LOOKS

    _wait_until(is_ready, "the warm worker")


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    limit = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > limit:
            raise SystemExit(f"{what} did not come within {TIMEOUT_S:.0f} s.")
        time.sleep(POLL_S)


# One start


def start_once(workspace: Workspace, kind: str) -> dict[str, float]:
    """Return the seconds from the click until the job was queued, claimed, running, prepared, and at its first step.

    A cold start finds no supervisor; a warm one finds the supervisor with a worker that is ready.
    """
    config = submission.configure(BASE, PRESET)
    chosen = submission.compose(workspace, config, [INDUSTRY])
    if kind == "warm":
        queue.ensure_supervisor(workspace)
        wait_for_warm_worker(workspace)
    elif is_held(queue.supervisor_lock(workspace)):
        end_supervisor(workspace)
    began = time.perf_counter()
    job = submission.submit(
        workspace, base=BASE, config=config, chosen=chosen, name="First run", industry_ids=[INDUSTRY], preset=PRESET
    )
    marks = {"queued": time.perf_counter() - began}

    metrics = workspace.job(job.id).metrics

    def reached_first_step() -> bool:
        now = time.perf_counter() - began
        if "running" not in marks:
            state = _read(workspace, job).state
            if state in ENDED:
                raise SystemExit(f"The job ended as {state} before its first step: {_read(workspace, job).error}")
            if state in ("starting", "running"):
                marks.setdefault("claimed", now)
            if state == "running":
                marks["running"] = now
            return False
        progress = read_progress(metrics)
        if progress is not None and progress.phase == "training":
            marks.setdefault("prepared", now)
        return "prepared" in marks and "train/loss" in read_series(metrics)

    _wait_until(reached_first_step, "the first step")
    marks["first step"] = time.perf_counter() - began
    with opened(workspace) as db:
        queue.cancel(db, jobs.get(db, job.id))
    _wait_until(lambda: _read(workspace, job).state in ENDED, "the end of the job")
    return marks


def _read(workspace: Workspace, job: Job) -> Job:
    with opened(workspace) as db:
        return jobs.get(db, job.id)


def report(found: dict[str, Any]) -> None:
    print("Seconds from the click, median (least..most): the starter on finance, standard preset")
    rows = []
    for kind, target in TARGETS_S.items():
        columns = [arms.spread([marks[mark] for marks in found[kind]], 2) for mark in MARKS]
        middle = sorted(marks["first step"] for marks in found[kind])[len(found[kind]) // 2]
        rows.append((kind, len(found[kind]), *columns, f"{target:g}: {'met' if middle <= target else 'MISSED'}"))
    print_table(("start", "times", *MARKS, "target"), rows)
    print()


if __name__ == "__main__":
    main()
