"""Adapters and evaluations in a workspace, with chosen answers, as a worker would have stored them."""

from collections.abc import Sequence
from types import SimpleNamespace

from core.catalog import industries
from core.evaluation import benchmarks
from core.evaluation.benchmarks import Benchmark, Item
from core.evaluation.pinned import pin_benchmark
from core.evaluation.results import make_evaluation, settings_sha
from core.paths import Workspace
from core.store import adapters, evaluations
from core.store.connection import opened, transaction
from tests.app.support import make_job

BENCHMARKS = "pages/prove/benchmarks.py"
LEADERBOARD = "pages/prove/leaderboard.py"
FINGERPRINT = "f" * 64


def industry(name: str) -> Benchmark:
    return benchmarks.of_industry(industries.find(name))


def labelled(count: int = 30) -> Benchmark:
    """Return a benchmark whose answers are one of three labels."""
    labels = ("card", "loan", "rate")
    items = [
        Item(
            id=f"i{n:02}", component="answers", type="label", prompt=f"Case {n}?", answer=labels[n % 3], choices=labels
        )
        for n in range(count)
    ]
    return benchmarks.make_benchmark("cases", items, {"answers": 1.0}, {"answers": "Answers"})


def make_adapter(workspace: Workspace, name: str, *home: str) -> str:
    """Store an adapter that was trained for industries, and return its id."""
    job = make_job(workspace, "succeeded", name=name)
    card = {
        "name": name, "job": job.id, "base": "starter", "base_fingerprint": FINGERPRINT, "dataset": "0" * 64,
        "weights_sha": "0" * 64, "industries": list(home), "config": {"precision": "auto", "quantization": "none"},
    }  # fmt: skip
    with opened(workspace) as db, transaction(db):
        adapters.insert(db, job.id, card)
    return job.id


def measured(
    workspace: Workspace, of: Benchmark, right: int | Sequence[int], adapter: str = "", wrong: str = "no idea"
) -> str:
    """Store an evaluation in which the first `right` items, or those of these places, are right; return its id."""
    pin_benchmark(workspace, of)
    places = set(range(right)) if isinstance(right, int) else set(right)
    job = make_job(workspace, "succeeded", name="A test", kind="evaluate")
    answers = [
        SimpleNamespace(
            item=item.id, component=item.component, text=item.expected if place in places else wrong,
            score=float(place in places),
        )
        for place, item in enumerate(of.items)
    ]  # fmt: skip
    scored = make_evaluation(
        job=job.id, base="starter", base_fingerprint=FINGERPRINT, adapter=adapter, benchmark=of,
        settings=settings_sha("fp32", "none"), answers=answers, seconds=3.0, tokens=300,
    )  # fmt: skip
    with opened(workspace) as db, transaction(db):
        evaluations.insert(db, scored.row, scored.items)
    return scored.row.id
