"""Works off one evaluation job: a base, or an adapter on its base, on a pinned benchmark. Started by a runner."""

import sys
from typing import Any

from core import durable
from core.errors import NotFound
from core.evaluation import run as evaluating
from core.evaluation.pinned import read_pinned
from core.evaluation.spec import EvaluateSpec
from core.model import download
from core.model.adapter import load_adapter
from core.model.loading import load_base
from core.process import frame
from core.process.frame import Stopped, Work
from core.store import adapters, evaluations


def main(line: str) -> int:
    return frame.run(line, evaluate)


def evaluate(work: Work) -> None:
    spec = EvaluateSpec(**work.job.spec)
    work.report("loading the base", 0, 0)
    folder = download.obtain(
        spec.base,
        lambda here, total, rate: work.report("downloading the base", int(here / 1e6), int(total / 1e6), rate / 1e6),
        lambda: work.stop_request() is not None,
    )
    if folder is None:
        raise Stopped(work.stop_request() or "pause")
    loaded = load_base(folder, precision=spec.precision, quantization=spec.quantization)
    model: Any = loaded.model
    if spec.adapter:
        row = adapters.find(work.db, spec.adapter)
        evaluating.check_fits(row.base_fingerprint, loaded, row.name)
        adapter_folder = work.workspace.adapters / row.id
        damage = durable.find_damage(adapter_folder)
        if damage:
            raise NotFound(f"The adapter {row.name!r} can't be used: {damage}. Train it again.")
        model = load_adapter(model, adapter_folder)
    if spec.harness:
        scored = evaluating.evaluate_task(work, loaded, model, spec)
    else:
        scored = evaluating.evaluate(
            work, loaded, model, spec.adapter, spec.base, read_pinned(work.workspace, spec.benchmark),
            spec.quantization, spec.samples, spec.seed,
        )  # fmt: skip
    work.succeed(
        {"evaluation": scored.row.id, "score": scored.row.score, "low": scored.row.low, "high": scored.row.high},
        lambda db: evaluations.insert(db, scored.row, scored.items),
    )


if __name__ == "__main__":
    frame.leave(main(sys.argv[1]))
