"""Kills processes at random while job after job trains, and proves that what the jobs leave does not show it.

    python -m tests.torture.kills --kills 100 [--seed N] [--folder DIR]

Worker, runner, supervisor and the app (the real one, with a page open) are killed with SIGKILL at random moments. What
must hold: every job comes to its good end, no job ever has two live workers, nothing lives on 10 s after the end, and
weights, metric rows and answers equal those of a job that nothing disturbed, to the last bit. The seed fixes victims
and pauses. The supervisor gives a job up whose worker dies four times without a new checkpoint, so a worker that has
not saved one since is spared after the second time.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from core.cli.output import print_table
from core.paths import Workspace
from core.process import queue
from core.process.liveness import is_held
from core.registry.reconcile import reconcile
from core.store import adapters, jobs, schema
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_progress
from tests.conftest import end_processes, processes_of
from tests.integration.support import (
    EXACT_JOB,
    RUNNER,
    SUPERVISOR,
    WORKERS,
    Outcome,
    count_workers,
    end_of,
    holders,
    outcome,
    read,
    submit,
)
from tests.tiny import make_base
from tests.torture.app import App

VICTIMS = ("worker", "worker", "runner", "supervisor", "app")  # the worker twice as often
LONGEST_PAUSE_S = 4.0
STUCK_AFTER_S = 600.0
ORPHANS_GONE_S = 10.0
SPARED_AFTER = 2
LEADERLESS_S = 0.3


@dataclass
class Report:
    """What happened: kills and recoveries by victim, and what must not have happened."""

    kills: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    jobs: int = 0
    attempts: int = 0
    most_workers: int = 0
    orphans_gone_s: float = 0.0

    def count(self, victim: str) -> None:
        self.kills[victim] = self.kills.get(victim, 0) + 1

    def took(self, what: str, seconds: float) -> None:
        self.seconds.setdefault(what, []).append(seconds)


class Campaign:
    """One run of the campaign on one workspace, which ATELIER_HOME must name too."""

    def __init__(self, workspace: Workspace, base: Path, seed: int) -> None:
        self.workspace = workspace
        self.base = base
        self.chance = random.Random(seed)
        self.report = Report()
        self.app = App(workspace, workspace.root.parent / "app.log")
        self.job: Job | None = None
        self._over = threading.Event()

    def run(self, kills: int, undisturbed: Outcome) -> Report:
        """Kill so many times, then let the last job end and look for what is left."""
        plan = [(self.chance.choice(VICTIMS), self.chance.uniform(0, LONGEST_PAUSE_S)) for _ in range(kills)]
        watchers = [threading.Thread(target=watch) for watch in (self._watch_workers, self._watch_supervisor)]
        self.app.open()
        for watcher in watchers:
            watcher.start()
        try:
            while plan:
                self.job = submit(self.workspace, self.base, name=f"job {self.report.jobs + 1}", **EXACT_JOB)
                self.report.jobs += 1
                self._disturb(self.job, plan)
                self._judge(self.job, undisturbed)
        finally:
            self._over.set()
            for watcher in watchers:
                watcher.join()
            self.app.close()
        self._look_for_orphans()
        self._look_at_registry()
        self.report.violations += self.app.faults
        return self.report

    # One job

    def _disturb(self, job: Job, plan: list[tuple[str, float]]) -> None:
        """Work off the plan until the job has ended: a pause, then the kill as soon as the victim is there."""
        last_kill = time.monotonic()
        due = last_kill + (plan[0][1] if plan else 0.0)
        while not read(self.workspace, job).is_ended:
            now = time.monotonic()
            if now - last_kill > STUCK_AFTER_S:
                found = read(self.workspace, job)
                self.report.violations.append(f"{job.name} is stuck in state {found.state} ({found.reason})")
                end_processes(self.workspace)
                return
            if plan and now >= due and self._kill(plan[0][0], job):
                victim, _ = plan.pop(0)
                self.report.count(victim)
                last_kill = time.monotonic()
                due = last_kill + (plan[0][1] if plan else 0.0)
                print(f"kill {sum(self.report.kills.values())}: {victim} of {job.name}", flush=True)
            time.sleep(0.05)

    def _kill(self, victim: str, job: Job) -> bool:
        """Kill one process of this kind if there is one now, and return whether there was."""
        if victim == "app":
            if not self.app.is_open:
                return False
            self.app.kill()
            self.app.open_again()
            return True
        if victim == "supervisor":
            found = processes_of(self.workspace, SUPERVISOR)
        else:
            found = holders(self.workspace, job, *(WORKERS if victim == "worker" else (RUNNER,)))
        if not found or (victim == "worker" and not self._may_lose_its_worker(job)):
            return False
        try:
            found[0].kill()
        except psutil.NoSuchProcess:
            return False
        if victim == "worker":
            self._wait_for_loss(job)
        return True

    def _may_lose_its_worker(self, job: Job) -> bool:
        now, progress = read(self.workspace, job), read_progress(self.workspace.job(job.id).metrics)
        return now.losses < SPARED_AFTER or (progress.milestones if progress else 0) > now.lost_at

    def _wait_for_loss(self, job: Job) -> None:
        """Wait until the loss of a worker is in the job's history; without that the next kill could be one too many."""
        before, began = read(self.workspace, job), time.monotonic()
        while time.monotonic() - began < STUCK_AFTER_S:
            now = read(self.workspace, job)
            if now.is_ended or now.losses != before.losses or now.lost_at != before.lost_at or not now.is_alive:
                self.report.took("a lost worker is noticed", time.monotonic() - began)
                return
            time.sleep(0.02)

    def _judge(self, job: Job, undisturbed: Outcome) -> None:
        ended = read(self.workspace, job)
        self.report.attempts += ended.attempt
        if ended.state != "succeeded":
            self.report.violations.append(f"{job.name} is {ended.state}: {ended.error or ended.reason}")
            return
        left = outcome(self.workspace, job)
        for part in ("weights", "rows", "answers"):
            if getattr(left, part) != getattr(undisturbed, part):
                self.report.violations.append(f"the {part} of {job.name} differ from those of the undisturbed job")
        began = time.monotonic()
        while left := holders(self.workspace, job):
            if time.monotonic() - began > ORPHANS_GONE_S:
                self.report.violations.append(
                    f"{job.name} has processes {ORPHANS_GONE_S:.0f} s after its end: {_describe(left)}"
                )
                return
            time.sleep(0.1)
        self.report.took("an ended job's processes are gone", time.monotonic() - began)

    # All the time

    def _watch_workers(self) -> None:
        while not self._over.wait(0.05):
            if self.job is not None:
                count = count_workers(self.workspace, self.job)
                if count > max(1, self.report.most_workers):
                    self.report.violations.append(f"{self.job.name} had {count} live workers at once")
                self.report.most_workers = max(self.report.most_workers, count)

    def _watch_supervisor(self) -> None:
        """Measure for how long nobody leads, while an app is open whose watch starts a supervisor."""
        since = time.monotonic()
        while not self._over.wait(0.02):
            now = time.monotonic()
            if not self.app.is_open or is_held(queue.supervisor_lock(self.workspace)):
                if self.app.is_open and now - since > LEADERLESS_S:
                    self.report.took("a new supervisor leads", now - since)
                since = now

    # The end

    def _look_for_orphans(self) -> None:
        """Kill the supervisor, so that nobody cleans up in order, and see whether all others go by themselves."""
        for supervisor in processes_of(self.workspace, SUPERVISOR):
            supervisor.kill()
        began = time.monotonic()
        while left := processes_of(self.workspace):
            if time.monotonic() - began > ORPHANS_GONE_S:
                self.report.violations.append(f"orphans {ORPHANS_GONE_S:.0f} s after the end: {_describe(left)}")
                end_processes(self.workspace)
                return
            time.sleep(0.05)
        self.report.orphans_gone_s = time.monotonic() - began

    def _look_at_registry(self) -> None:
        damage = schema.find_damage(self.workspace.database)
        if damage:
            self.report.violations.append(f"the database is damaged: {damage}")
            return
        with opened(self.workspace) as db:
            self.report.violations += reconcile(self.workspace, db)
            ended_well = sum(job.state == "succeeded" for job in jobs.recent(db, 10_000))
            if adapters.count(db) != ended_well:
                self.report.violations.append(
                    f"{ended_well} jobs succeeded but {adapters.count(db)} adapters are there"
                )


def _describe(processes: list[psutil.Process]) -> str:
    return ", ".join(f"{one.pid} {one.info['status']} {' '.join(one.info['cmdline'])[:60]}" for one in processes)


def measure_undisturbed(root: Path, base: Path) -> Outcome:
    """Return what the campaign's job leaves when nothing happens to it."""
    workspace = Workspace(root / "undisturbed")
    os.environ["ATELIER_HOME"] = str(workspace.root)
    schema.prepare(workspace)
    try:
        return end_of(workspace, submit(workspace, base, **EXACT_JOB))
    finally:
        end_processes(workspace)


def run(root: Path, kills: int, seed: int) -> Report:
    """Run the campaign in a folder; ATELIER_HOME is changed for all that it starts."""
    base = make_base(root / "base")
    undisturbed = measure_undisturbed(root, base)
    workspace = Workspace(root / "workspace")
    os.environ["ATELIER_HOME"] = str(workspace.root)
    schema.prepare(workspace)
    try:
        return Campaign(workspace, base, seed).run(kills, undisturbed)
    finally:
        end_processes(workspace)


def print_report(report: Report, seed: int, seconds: float) -> None:
    total = sum(report.kills.values())
    print(f"\n{total} kills over {report.jobs} jobs with {report.attempts} attempts in {seconds:.0f} s, seed {seed}\n")
    print_table(("victim", "kills"), [(victim, count) for victim, count in sorted(report.kills.items())])
    print()
    rows = [
        (what, len(times), f"{statistics.median(times):.2f}", f"{max(times):.2f}")
        for what, times in sorted(report.seconds.items())
    ]
    print_table(("seconds until", "times", "median", "most"), rows)
    print()
    print_table(
        ("held", "found"),
        [
            ("most live workers of one job at once", report.most_workers),
            ("all processes gone after the end", f"{report.orphans_gone_s:.2f} s"),
            ("violations", len(report.violations)),
        ],
    )
    for violation in report.violations:
        print(f"VIOLATION {violation}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--folder", type=Path, help="where to work; kept afterwards (default: a temporary one)")
    chosen = parser.parse_args()
    root = chosen.folder or Path(tempfile.mkdtemp(prefix="atelier-kills-"))
    root.mkdir(parents=True, exist_ok=True)
    print(f"seed {chosen.seed}, working in {root}", flush=True)
    began = time.monotonic()
    report = run(root, chosen.kills, chosen.seed)
    print_report(report, chosen.seed, time.monotonic() - began)
    if report.violations:
        print(f"Everything is kept in {root}.")
        return 1
    if not chosen.folder:
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
