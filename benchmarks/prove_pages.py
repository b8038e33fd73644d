"""What Benchmarks and Leaderboard cost the server with 500 adapters and 100,000 graded answers.

    python -m benchmarks.prove_pages            everything
    python -m benchmarks.prove_pages --quick    a tenth of the adapters, few runs; keeps no result
    python -m benchmarks.prove_pages --fill FOLDER    only make the workspace, to look at it

The workspace is a temporary one: the shipped benchmarks with made-up answers, and an own benchmark of 500 items. Every
view is drawn by Streamlit's own runner, in a process of its own that has done what the web server does at its start and
has drawn the front page; what is timed is the run of the script, as in the web server.
"""

import argparse
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import arms
from core.catalog import bases, industries
from core.cli.output import print_table, say
from core.evaluation import benchmarks as made
from core.evaluation import own_benchmarks
from core.evaluation.benchmarks import Benchmark, Item
from core.evaluation.pinned import pin_benchmark, read_pinned
from core.evaluation.results import make_evaluation, settings_sha
from core.paths import PROJECT_DIR, Workspace
from core.store import adapters, evaluations, jobs, schema
from core.store.connection import opened, transaction

TARGET_MS = 300.0
OWN = "our 500 questions"
LABELS = ("billing", "delivery", "returns", "account", "complaint")
MODULE = "benchmarks.prove_pages"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prove_pages", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the adapters, few runs")
    parser.add_argument("--adapters", type=int, default=500)
    parser.add_argument("--answers", type=int, default=100_000, help="graded answers in the workspace")
    parser.add_argument("--runs", type=int, default=9, help="drawings of each view after the first")
    parser.add_argument("--fill", type=Path, help="only make the workspace in this folder")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--view", help=argparse.SUPPRESS)
    chosen = parser.parse_args(sys.argv[1:])
    if chosen.quick:
        chosen.adapters, chosen.answers, chosen.runs = chosen.adapters // 10, chosen.answers // 10, 3
    if chosen.view:
        with arms.speaking() as tell:
            tell(draw(Workspace.chosen(), chosen.view, chosen.runs))
        return
    if chosen.fill:
        fill(Workspace(chosen.fill.resolve()), chosen.adapters, chosen.answers)
        return
    with arms.machine_held(), tempfile.TemporaryDirectory(prefix="atelier-prove-pages-") as folder:
        machine = arms.describe_machine()
        arms.print_machine(machine)
        workspace = Workspace(Path(folder))
        began = time.monotonic()
        answers = fill(workspace, chosen.adapters, chosen.answers)
        say(f"{chosen.adapters} adapters and {answers:,} graded answers are made in {time.monotonic() - began:.0f} s")
        views = measure(workspace, chosen.runs)
    report(views)
    found = {"benchmark": "prove_pages", "machine": machine, "adapters": chosen.adapters, "answers": answers}
    arms.save(chosen.json or arms.result_path("prove_pages", chosen.quick), found | {"views": views})


# The workspace


def fill(workspace: Workspace, count: int, answers: int) -> int:
    """Make adapters and their evaluations until so many answers are graded, and return how many there are."""
    schema.prepare(workspace)
    drawn = random.Random(7)
    packs = [pack for pack in industries.all_industries().values() if not pack.members]
    shipped = {pack.id: made.of_industry(pack) for pack in packs}
    for one in shipped.values():
        pin_benchmark(workspace, one)
    fingerprint = bases.fingerprint(bases.locate("starter") or Path())
    items = [
        Item(id=f"q{n:03}", component="routing" if n % 3 else "rules", type="label",
             prompt=f"Case {n}: a customer writes about {LABELS[n % 5]} for the {n % 9 + 1}. time. Which team?",
             answer=LABELS[n % 5], choices=LABELS)
        for n in range(500)
    ]  # fmt: skip
    own = read_pinned(workspace, own_benchmarks.freeze(workspace, OWN, items, "compliance").sha)
    stored = 0
    with opened(workspace) as db:
        job = _job(db, "evaluate", "Starter on all")
        with transaction(db):
            for one in (*shipped.values(), own):
                stored += _evaluate(db, job, fingerprint, "", one, 0.35, drawn)
        each = max(1, (answers - stored - 1000) // count)
        for number in range(count):
            home = packs[number % len(packs)].id
            stored += _adapter(db, number, home, fingerprint, shipped, own if number < 2 else None, each, drawn)
    return stored


def _job(db: sqlite3.Connection, kind: str, name: str) -> str:
    job = jobs.create(db, kind=kind, name=name, spec={"base": "starter", "benchmark": "", "adapter": ""})
    job = jobs.move(db, jobs.claim(db, job, "cpu"), "running")
    return jobs.move(db, job, "succeeded", result={}).id


def _adapter(db: sqlite3.Connection, number: int, home: str, fingerprint: str, shipped: dict[str, Benchmark],
             own: Benchmark | None, each: int, drawn: random.Random) -> int:  # fmt: skip
    """Store an adapter that was tested at home, on finance, and on others until it has answered about `each` items."""
    name = f"{home.replace('-', ' ').capitalize()} {number}"
    job = _job(db, "train", name)
    card = {
        "name": name, "job": job, "base": "starter", "base_fingerprint": fingerprint, "dataset": "0" * 64,
        "weights_sha": "0" * 64, "industries": [home], "benchmark": shipped[home].sha, "benchmark_name": home,
        "config": {"precision": "auto", "quantization": "none"},
    }  # fmt: skip
    others = [one for one in shipped if one not in (home, "finance")]
    drawn.shuffle(others)
    stored = 0
    with transaction(db):
        adapters.insert(db, job, card)
        for industry in dict.fromkeys((home, "finance", *others)):
            if stored >= each:
                break
            skill = drawn.gauss(0.6, 0.08) if industry == home else drawn.gauss(0.33, 0.06)
            stored += _evaluate(db, job, fingerprint, job, shipped[industry], skill, drawn)
        if own is not None:
            stored += _evaluate(db, job, fingerprint, job, own, 0.5 + 0.2 * number, drawn)
    return stored


def _evaluate(db: sqlite3.Connection, job: str, fingerprint: str, adapter: str, of: Benchmark, skill: float,
              drawn: random.Random) -> int:  # fmt: skip
    answers = []
    for item in of.items:
        right = drawn.random() < skill
        wrong = drawn.choice([one for one in item.choices if one != item.expected] or ["I do not know."])
        text = item.expected if right else wrong
        answers.append(SimpleNamespace(item=item.id, component=item.component, text=text, score=float(right)))
    scored = make_evaluation(
        job=job, base="starter", base_fingerprint=fingerprint, adapter=adapter, benchmark=of,
        settings=settings_sha("fp32", "none"), answers=answers, seconds=len(answers) * drawn.uniform(0.05, 0.2),
        tokens=len(answers) * 12,
    )  # fmt: skip
    evaluations.insert(db, scored.row, scored.items)
    return len(answers)


# The measurement

BENCHMARKS, LEADERBOARD = "pages/prove/benchmarks.py", "pages/prove/leaderboard.py"


@dataclass(frozen=True)
class Step:
    """One drawing: of a page that is gone to (empty: the one that is open), with what was chosen on it."""

    page: str
    state: dict[str, Any] = field(default_factory=dict)


def make_views(workspace: Workspace) -> dict[str, list[Step]]:
    """Return for each view the drawings on the way to it and, last, the one that is timed."""
    with opened(workspace) as db:
        rows = evaluations.recent(db, 10_000)
        own = [row.id for row in rows if row.benchmark == OWN][:2]
        finance = [row for row in rows if row.benchmark == "finance"]
    board = f"{finance[0].benchmark_sha}-{finance[0].settings_sha}"
    forgetting = [Step(BENCHMARKS), Step("", {"benchmark_tabs": "Forgetting"})]
    return {
        "Benchmarks, results": [Step(BENCHMARKS)],
        "Benchmarks, two compared on 500 items": [Step(BENCHMARKS, {"shown_evaluations": own})],
        "Benchmarks, search": [Step(BENCHMARKS), Step("", {"evaluation_search": "retail"})],
        "Benchmarks, forgetting": forgetting,
        "Benchmarks, forgetting, next page": [*forgetting, Step("", {"matrix_page": 2})],
        "Benchmarks, judge by eye": [Step(BENCHMARKS), Step("", {"benchmark_tabs": "Judge by eye"})],
        "Leaderboard, all industries": [Step(LEADERBOARD)],
        f"Leaderboard, finance ({len(finance)} models)": [Step(LEADERBOARD), Step("", {"board": board})],
    }


def measure(workspace: Workspace, runs: int) -> dict[str, dict[str, list[float]]]:
    """Return for each view the server's time of its first drawing and of later ones, in milliseconds.

    Each view has a process of its own, so that no first drawing finds what another one has computed.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for name in make_views(workspace):
        arguments = ["--view", name, "--runs", str(runs)]
        outcome = arms.run_arm(MODULE, arguments, os.environ | {"ATELIER_HOME": str(workspace.root)})
        arms.note(name, outcome)
        if "failed" in outcome:
            raise SystemExit(f"{name}: {outcome['failed']}")
        found[name] = outcome
    return found


def draw(workspace: Workspace, name: str, runs: int) -> dict[str, list[float]]:
    """Get ready as the web server does, draw the front page and what leads to the view, then the view several times."""
    from streamlit.testing.v1 import AppTest

    from core.process import queue
    from pages.widgets import server

    queue.ensure_supervisor = lambda workspace: False  # nothing is to work beside the measurement
    times = _watch()
    server.warm()
    tab = AppTest.from_file(str(PROJECT_DIR / "app.py"), default_timeout=120).run()
    *before, wanted = make_views(workspace)[name]
    found: list[list[float]] = []
    for step in (*before, *[wanted] * (runs + 1)):
        if step.page:
            tab.switch_page(step.page)
        for key, value in step.state.items():
            tab.session_state[key] = value
        times.clear()
        tab.run()
        if tab.exception:
            raise SystemExit(f"The page failed: {tab.exception[0].message}")
        found.append([sum(parts) for parts in zip(*times, strict=True)])
    (first, processor), *later = found[len(before) :]
    return {"first": [first], "first_processor": [processor], "later": [clock for clock, _ in later]}


def _watch() -> list[tuple[float, float]]:
    """Time every run of a script, and return the list that the times go into: on the clock, and of the processor."""
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

    run_script, times = ScriptRunner._run_script, list[tuple[float, float]]()

    def timed(self: Any, rerun_data: Any) -> None:
        began, processor = time.perf_counter(), time.process_time()
        run_script(self, rerun_data)
        times.append((1e3 * (time.perf_counter() - began), 1e3 * (time.process_time() - processor)))

    ScriptRunner._run_script = timed  # type: ignore[method-assign]
    return times


def report(views: dict[str, dict[str, list[float]]]) -> None:
    rows = []
    for name, found in views.items():
        (first,), (processor,) = found["first"], found["first_processor"]
        met = "met" if max(first, statistics.median(found["later"])) <= TARGET_MS else "MISSED"
        rows.append((name, f"{first:.0f}", f"{processor:.0f}", arms.spread(found["later"], 0), met))
    print_table(("view", "first, ms", "processor", "later, ms: median (least..most)", f"{TARGET_MS:.0f} ms"), rows)


if __name__ == "__main__":
    main()
