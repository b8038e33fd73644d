"""Jobs in every state, verdicts, readings, and what a person reads on a page."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from streamlit.runtime import Runtime
from streamlit.testing.v1 import AppTest

from core.evaluation import benchmarks, results
from core.evaluation.benchmarks import Benchmark, Item
from core.evaluation.pinned import pin_benchmark
from core.paths import Workspace
from core.store import evaluations, jobs
from core.store.connection import opened, transaction
from core.store.jobs import Job
from core.store.metrics import MetricWriter
from core.store.states import State

HOME = "pages/start/home.py"
NEW_JOB = "pages/train/new_job.py"
JOBS = "pages/train/jobs.py"
DATASETS = "pages/prepare/datasets.py"

WAYS: dict[State, tuple[State, ...]] = {
    "queued": (),
    "blocked": ("blocked",),
    "starting": ("starting",),
    "running": ("starting", "running"),
    "pausing": ("starting", "running", "pausing"),
    "paused": ("starting", "running", "pausing", "paused"),
    "cancelling": ("starting", "running", "cancelling"),
    "cancelled": ("cancelled",),
    "succeeded": ("starting", "running", "succeeded"),
    "failed": ("starting", "running", "failed"),
    "lost": ("starting", "running", "lost"),
}
COMPONENTS = {"numbers": "Numbers", "labels": "Labels"}
MARKUP = "**x** [a](b) $y$ <script>alert(1)</script> :red[z] `c` ~~d~~ # e | !f"


def make_job(workspace: Workspace, state: State = "queued", *, note: str = "", **fields: Any) -> Job:
    """Store a job and lead it to a state over the moves that the program makes.

    Args:
        fields: `config`, `base` and `benchmark` go into the specification, `result`, `error` and `traceback` are set
            with the last move, the rest is the job's.
    """
    spec: dict[str, Any] = {
        "base": fields.pop("base", "starter"),
        "preset": "quick",
        "dataset_name": "Finance",
        "benchmark_name": "finance",
        "benchmark": fields.pop("benchmark", "0" * 64),
        "config": {"rank": 8, "learning_rate": 2e-4} | fields.pop("config", {}),
    }
    last = {key: fields.pop(key) for key in ("result", "error", "traceback") if key in fields}
    with opened(workspace) as db:
        job = jobs.create(db, **{"kind": "train", "name": "A job", "spec": spec} | fields)
        for index, step in enumerate(WAYS[state], 1):
            if step == "starting":
                job = jobs.claim(db, job, "cpu")
                continue
            ends = index == len(WAYS[state])
            job = jobs.move(db, job, step, note=note if ends else "", **(last if ends else {}))
    return job


def all_jobs(workspace: Workspace) -> list[Job]:
    """Return every job, the newest first."""
    with opened(workspace) as db:
        return jobs.recent(db, 10_000)


def job_now(workspace: Workspace, job: Job) -> Job:
    with opened(workspace) as db:
        return jobs.get(db, job.id)


@dataclass(frozen=True)
class Answer:
    """What the answering worker hands over for one item."""

    item: str
    component: str
    text: str
    score: float


def make_benchmark(name: str, count: int) -> Benchmark:
    """Return a benchmark whose items take turns between two components."""
    items = [
        Item(
            id=f"i{index}",
            component=list(COMPONENTS)[index % 2],
            type="text",
            prompt=f"Question {index} of {name}?",
            answer=f"right {index}",
        )
        for index in range(count)
    ]
    return benchmarks.make_benchmark(name, items, {"numbers": 0.6, "labels": 0.4}, COMPONENTS)


def judged_job(workspace: Workspace, base: Sequence[float], tuned: Sequence[float], name: str = "finance") -> Job:
    """Store a succeeded job with both evaluations and the verdict that these scores give, item by item."""
    benchmark = make_benchmark(name, len(base))
    pin_benchmark(workspace, benchmark)
    job = make_job(workspace, "running", name=f"Judged on {name}", benchmark=benchmark.sha)
    scored = [
        results.make_evaluation(
            job=job.id,
            base="starter",
            base_fingerprint="f" * 64,
            adapter=adapter,
            benchmark=benchmark,
            settings="s",
            answers=[
                Answer(item.id, item.component, f"{who} says {score:g} to {item.id}", score)
                for item, score in zip(benchmark.items, scores, strict=True)
            ],
            seconds=1.0,
            tokens=100,
        )
        for who, adapter, scores in (("base", "", base), ("tuned", job.id, tuned))
    ]
    verdict = results.compare_scored(benchmark, scored[0].items, scored[1].items)
    content = verdict.to_dict()
    summary = {key: content[key] for key in ("outcome", "difference")}
    with opened(workspace) as db, transaction(db):
        for one in scored:
            evaluations.insert(db, one.row, one.items)
        evaluations.insert_verdict(
            db,
            job=job.id,
            base_evaluation=scored[0].row.id,
            tuned_evaluation=scored[1].row.id,
            benchmark=benchmark.name,
            content=content,
        )
        jobs.move_within(db, job, "succeeded", result={"verdict": summary})
    return job_now(workspace, job)


def write_readings(workspace: Workspace, job: Job, losses: Sequence[float], attempt: int = 1) -> None:
    """Write what a worker writes while it trains: a loss a step, a reading of the machine, where it is."""
    with closing(MetricWriter(workspace.job(job.id).metrics, attempt)) as writer:
        for step, loss in enumerate(losses):
            writer.log(step, {"train/loss": loss, "train/learning_rate": 1e-4, "train/grad_norm": loss})
            writer.log(step, {"host/cpu_percent": 50.0, "host/memory_bytes": 4e9})
        writer.report("training", len(losses), 2 * len(losses), 1200.0, 30.0, 5.0)


def texts(tab: AppTest) -> str:
    """Return all that the page says in words, one element a line."""
    kinds = (tab.title, tab.subheader, tab.markdown, tab.caption, tab.text, tab.info, tab.warning, tab.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def charts(tab: AppTest) -> list[Any]:
    """Return the page's Plotly charts as messages; AppTest knows them by no name of their own."""
    return list(tab.get("plotly_chart"))


def open_tab(tab: AppTest, job: Job, name: str) -> AppTest:
    """Open one of the tabs below a job."""
    tab.session_state[f"tabs-{job.id}"] = name
    return tab.run()


def button(tab: AppTest, label: str) -> Any:
    """Return the one button with this label."""
    found = [one for one in tab.button if one.label == label]
    assert len(found) == 1, f"{len(found)} buttons are called {label!r}: {[one.label for one in tab.button]}"
    return found[0]


def by_label(widgets: Any, label: str) -> Any:
    """Return the one widget with this label."""
    (found,) = [one for one in widgets if one.label == label]
    return found


def labels(tab: AppTest) -> list[str]:
    return [one.label for one in tab.button]


def assert_fine(tab: AppTest) -> None:
    """The page came to its end: no traceback, no sentence about a failure."""
    assert_no_traceback(tab)
    assert [element.value for element in tab.error] == []


def assert_no_traceback(tab: AppTest) -> None:
    assert [element.message for element in tab.exception] == []


def one_sentence(tab: AppTest) -> str:
    """Return the one sentence of failure that the page shows; it shows no traceback."""
    assert_no_traceback(tab)
    assert len(tab.error) == 1, [element.value for element in tab.error]
    return as_read(str(tab.error[0].value))


def as_read(markdown: str) -> str:
    """Return what a person reads of a line of Markdown; any markup but `commands` fails the test."""
    inline = MarkdownIt("commonmark").enable(["strikethrough", "table"]).parseInline(markdown)[0].children or []
    assert {token.type for token in inline} <= {"text", "text_special", "code_inline"}, (
        f"{markdown!r} is read as markup: {inline}"
    )
    return "".join(token.content for token in inline)


@contextmanager
def meanwhile(owner: object, name: str, action: Callable[[], object], patch: Any) -> Iterator[None]:
    """Let `action` happen in the middle of the first call of `owner.name`: another tab was faster by a moment."""
    real = getattr(owner, name)
    waiting = [action]

    def late(*args: Any, **kwargs: Any) -> Any:
        if waiting:
            runtime = Runtime._instance  # the other tab's run puts its own there, and none when it ends
            waiting.pop()()
            Runtime._instance = runtime
        return real(*args, **kwargs)

    with patch.context() as inner:
        inner.setattr(owner, name, late)
        yield
    assert not waiting, f"{name} was never called"


@contextmanager
def held_exclusively(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    """Hold the database as a program does that neither reads nor writes of others lets in."""
    with closing(sqlite3.connect(workspace.database, isolation_level=None, check_same_thread=False)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield db
        if db.in_transaction:
            db.execute("ROLLBACK")
