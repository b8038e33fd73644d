"""Works off the evaluation of an endpoint: no torch, no device. Started by a runner.

Answers cost money and time, so each is on the disk before the next is waited for: a job that was paused, killed or
failed, and one that retries it, goes on where it was.
"""

import dataclasses
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from core import durable
from core.catalog import endpoints
from core.catalog.endpoints import Endpoint
from core.evaluation import endpoint as asking
from core.evaluation.benchmarks import Benchmark
from core.evaluation.endpoint import Given
from core.evaluation.endpoint_client import Client, EndpointError
from core.evaluation.pinned import read_pinned
from core.evaluation.results import make_evaluation
from core.evaluation.spec import EvaluateSpec
from core.process import frame
from core.process.frame import Stopped, Work
from core.store import evaluations


def main(line: str) -> int:
    return frame.run(line, evaluate)


class Kept:
    """The answers that a job has so far, in its folder, with the seconds of work that they took."""

    def __init__(self, path: Path, stamp: str, earlier: Path | None) -> None:
        """Take up what is in `path`, or in `earlier`, if it has the same stamp: endpoint, questions, way of asking."""
        self.given: dict[str, Given] = {}
        self.seconds = 0.0
        self._path = path
        lines = _read_lines(path, stamp) or (_read_lines(earlier, stamp) if earlier else [])
        for line in lines:
            self.given[line["given"]["item"]] = Given(**line["given"])
            self.seconds = max(self.seconds, float(line["seconds"]))
        durable.write_file(path, _as_text({"stamp": stamp}, *lines))
        self._stream = path.open("a", encoding="utf-8")

    def add(self, one: Given, seconds: float) -> None:
        """Keep an answer.

        Raises:
            EndpointError: It comes from another model than those before it.
        """
        before = next((other.model for other in self.given.values() if other.model), one.model)
        if one.model and one.model != before:
            self._path.unlink(missing_ok=True)
            raise EndpointError(
                f"The endpoint changed its model from {before!r} to {one.model!r} while it answered. Retry the job: it "
                "begins anew."
            )
        self.given[one.item] = one
        self._stream.write(_as_text({"given": dataclasses.asdict(one), "seconds": seconds}))
        self._stream.flush()
        os.fsync(self._stream.fileno())


def _as_text(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def _read_lines(path: Path, stamp: str) -> list[dict[str, Any]]:
    """Return the lines of a file of the same stamp; one that was cut off in the middle of a line ends before it."""
    found: list[dict[str, Any]] = []
    try:
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        if json.loads(first) != {"stamp": stamp}:
            return []
        for text in rest:
            line = json.loads(text)
            Given(**line["given"])
            found.append({"given": line["given"], "seconds": float(line["seconds"])})
    except (OSError, ValueError, KeyError, TypeError):
        return found
    return found


def evaluate(work: Work) -> None:
    spec = EvaluateSpec(**work.job.spec)
    endpoint = endpoints.find(spec.base.removeprefix(endpoints.PREFIX), work.workspace)
    benchmark = read_pinned(work.workspace, spec.benchmark)
    client = Client(endpoint, endpoints.read_key(endpoint))
    stamp = " ".join(
        [asking.fingerprint(endpoint, ""), benchmark.sha, asking.settings_of(endpoint, benchmark.items)[0]]
    )
    earlier = work.workspace.job(work.job.retry_of).root / "answers.jsonl" if work.job.retry_of else None
    kept = Kept(work.folder.root / "answers.jsonl", stamp, earlier)
    before, began, total = len(kept.given), time.monotonic(), len(benchmark.items)
    spent = kept.seconds

    def report() -> None:
        done, passed = len(kept.given), time.monotonic() - began
        rate = (done - before) / max(1e-3, passed)
        work.report(f"asking {endpoint.name}", done, total, rate, (total - done) / rate if rate else None)

    def keep(one: Given) -> None:
        kept.add(one, spent + time.monotonic() - began)
        work.metrics.mark_milestone()
        report()

    report()
    left = [item for item in benchmark.items if item.id not in kept.given]
    why = asking.ask_items(client, left, keep, work.stop_request) if left else None
    if why:
        raise Stopped(why)
    _finish(work, spec, endpoint, benchmark, kept, spent + time.monotonic() - began)


def _finish(
    work: Work, spec: EvaluateSpec, endpoint: Endpoint, benchmark: Benchmark, kept: Kept, seconds: float
) -> None:
    """Grade the answers and store the evaluation."""
    total = len(benchmark.items)
    answers = []
    for number, item in enumerate(benchmark.items):
        work.report("grading the answers", number, total)
        if why := work.stop_request():
            raise Stopped(why)
        answers.append(asking.grade_answer(item, kept.given[item.id]))
    details = asking.describe(endpoint, benchmark.items, kept.given)
    scored = make_evaluation(
        job=work.job.id,
        base=spec.base,
        base_fingerprint=asking.fingerprint(endpoint, details["answered_as"]),
        adapter="",
        benchmark=benchmark,
        settings=asking.settings_of(endpoint, benchmark.items)[0],
        answers=answers,
        seconds=seconds,
        tokens=details["output_tokens"] or 0,
    )
    row = dataclasses.replace(scored.row, details=details)
    paid = {name: details[name] for name in ("cost", "currency")}
    work.succeed(
        {"evaluation": row.id, "score": row.score, "low": row.low, "high": row.high} | paid,
        lambda db: evaluations.insert(db, row, scored.items),
    )


if __name__ == "__main__":
    frame.leave(main(sys.argv[1]))
