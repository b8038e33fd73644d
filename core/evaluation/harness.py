"""Tasks of lm-evaluation-harness on a model that is loaded already: their items, a score for each, the task's figures.

The harness asks and grades; from here come the model, the stop requests and the progress. It is not part of Atelier's
own packages, so it is imported only where a task is run.
"""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from core.errors import DataError
from core.evaluation.answering import Answer
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark
from core.evaluation.spec import HARNESS, EvaluateSpec
from core.model import packed
from core.model.loading import LoadedBase
from core.process.frame import Stopped, Work

BATCH_ROWS = 8
MOST_LETTERS = 20_000  # of a question or an answer, as they are shown to people
# What tasks, which are other people's files and code, and the hub raise where they can't be used.
_FAILURES = (
    OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, ImportError, RuntimeError,
    NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What a task found: items with their answers, the harness's own figures by name, and how it was run."""

    benchmark: Benchmark
    answers: tuple[Answer, ...]
    figures: dict[str, float]
    details: dict[str, Any]
    seconds: float
    tokens: int


def run_task(work: Work, loaded: LoadedBase, model: Any, spec: EvaluateSpec) -> Measured:
    """Run a task, or a group of tasks, on a model in its present state.

    Raises:
        DataError: There is no such task, its data can't be had, or it measures no answer by itself.
        Stopped: A stop was asked for.
    """
    from lm_eval import evaluator

    work.report("loading the task", 0, 0)
    manager, tasks, chosen = _load(spec)
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    tokenizer = AutoTokenizer.from_pretrained(loaded.folder, local_files_only=True, trust_remote_code=False)
    with packed.attending(base), _failures_of(spec.harness):
        asked = _make_model(work, model, tokenizer, spec)
        found = evaluator.simple_evaluate(
            model=asked, tasks=chosen, task_manager=manager, limit=spec.limit, bootstrap_iters=0, log_samples=True
        )
    if found is None:
        raise DataError(f"The task {spec.harness!r} gave no result.")
    return _read(spec, tasks, found, asked)


@contextlib.contextmanager
def _failures_of(task: str) -> Any:
    """Say of which task a failure is; running out of memory is the machine's."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except _FAILURES as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"The task {task!r} of lm-evaluation-harness can't be run: {reason}") from error


def _load(spec: EvaluateSpec) -> tuple[Any, dict[str, Any], list[Any]]:
    """Return what found the tasks, the tasks by name, and what the harness is asked to run: the group, or the tasks.

    Raises:
        DataError: There is no such task, or its data can't be had.
    """
    from lm_eval.tasks import TaskManager

    # Names of files in a person's task count from its folder, wherever the command was called.
    with _failures_of(spec.harness), contextlib.chdir(spec.include_path or "."):
        manager = TaskManager(include_path=spec.include_path, include_defaults=False) if spec.include_path else None
        if manager is None or spec.harness not in manager.all_subtasks:  # the harness's own ones take half a minute
            manager = TaskManager(include_path=spec.include_path or None)
        if spec.harness not in manager.all_tasks:
            where = f" or {spec.include_path}" if spec.include_path else ""
            raise DataError(
                f"There is no task {spec.harness!r} in lm-evaluation-harness{where}. `lm_eval ls tasks` lists its own."
            )
        loaded = manager.load([spec.harness])
    group = loaded["groups"].get(spec.harness)
    return manager, loaded["tasks"], [group] if group is not None else list(loaded["tasks"].values())


def _make_model(work: Work, model: Any, tokenizer: Any, spec: EvaluateSpec) -> Any:
    """Return the model as the harness knows models, which looks for stop requests before each batch."""
    from lm_eval.models.huggingface import HFLM

    phase = f"testing {'the tuned model' if spec.adapter else 'the base'} on {spec.benchmark_name}"

    class Watched(HFLM):  # type: ignore[misc, unused-ignore]
        seconds = 0.0
        tokens = 0
        done = 0

        def _step(self, rows: int) -> None:
            if why := work.stop_request():
                raise Stopped(why)
            self.done += rows
            work.report(phase, self.done, 0)

        def _model_call(self, inps: Any, attn_mask: Any = None, labels: Any = None) -> Any:
            self._step(len(inps))
            began = time.monotonic()
            scores = super()._model_call(inps, attn_mask, labels)
            self.seconds += time.monotonic() - began
            return scores

        def _model_generate(self, context: Any, *more: Any, **named: Any) -> Any:
            self._step(len(context))
            began = time.monotonic()
            rows = super()._model_generate(context, *more, **named)
            self.seconds += time.monotonic() - began
            self.tokens += int((rows[:, context.shape[1] :] != self.tokenizer.pad_token_id).sum())
            return rows

    return Watched(pretrained=model, tokenizer=tokenizer, batch_size=BATCH_ROWS)


# What the harness found


def _read(spec: EvaluateSpec, tasks: Mapping[str, Any], found: Mapping[str, Any], asked: Any) -> Measured:
    items: list[Item] = []
    answers: list[Answer] = []
    graded_by: dict[str, str] = {}
    for name, task in tasks.items():
        samples = found["samples"][name]
        metric, kept = _graded(name, samples, found["higher_is_better"].get(name, {}))
        graded_by[name] = metric
        for sample in kept:
            item = _item_of(name, task, sample)
            items.append(item)
            answers.append(Answer(item.id, name, _answer_of(sample), float(sample[metric])))
    shares = {name: sum(item.component == name for item in items) / len(items) for name in tasks}
    details = {
        "task": spec.harness,
        "graded_by": graded_by,
        "settings": {
            "lm_eval": found["lm_eval_version"],
            "versions": {name: found["versions"].get(name) for name in tasks},
            "examples_shown": {name: found["n-shot"].get(name) for name in tasks},
        },
        "transformers": found["transformers_version"],
        "limit": spec.limit,
    }
    benchmark = make_benchmark(HARNESS + spec.harness, items, shares, {name: name for name in tasks})
    figures = _figures(spec.harness, found)
    return Measured(benchmark, tuple(answers), figures, details, asked.seconds, asked.tokens)


def _graded(name: str, samples: Sequence[Mapping[str, Any]], higher: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """Return the first metric that grades each answer from 0 to 1, with the samples of the first filter.

    Raises:
        DataError: There is none: the task measures its answers only all together, as perplexity does.
    """
    kept = [sample for sample in samples if sample["filter"] == samples[0]["filter"]]
    for metric in kept[0]["metrics"] if kept else ():
        values = [sample.get(metric) for sample in kept]
        are_shares = all(isinstance(one, Real | np.bool_) and 0 <= float(one) <= 1 for one in values)
        if are_shares and higher.get(metric) is not False:
            return metric, kept
    raise DataError(
        f"The task {name!r} gives no score from 0 to 1 for each answer, so models can't be compared by it. Choose "
        "a task with a metric such as acc or exact_match."
    )


def _item_of(name: str, task: Any, sample: Mapping[str, Any]) -> Item:
    asked = task.doc_to_text(sample["doc"])
    text = asked if isinstance(asked, str) and asked.strip() else str(sample["arguments"][0][0])
    offered = [str(one[1]).strip() for one in sample["arguments"] if len(one) > 1 and isinstance(one[1], str)]
    target = sample["target"]
    if isinstance(target, int) and 0 <= target < len(offered):
        target = offered[target]
    return Item(
        id=f"{name}-{sample['doc_id']}",
        component=name,
        type="harness",
        prompt=text[:MOST_LETTERS] if text.strip() else "(nothing)",
        answer=str(target)[:MOST_LETTERS],
        choices=tuple(offered),
    )


def _answer_of(sample: Mapping[str, Any]) -> str:
    """Return what the model wrote, or of the continuations that it was offered the likeliest."""
    first = [tries[0] for tries in sample["resps"]]
    if all(isinstance(one, str) for one in first):
        return str(first[0])[:MOST_LETTERS]
    likelihoods = [float(one[0]) if isinstance(one, list | tuple) else float(one) for one in first]
    best = sample["arguments"][likelihoods.index(max(likelihoods))]
    return str(best[1]).strip()[:MOST_LETTERS] if len(likelihoods) > 1 else ("yes" if first[0][1] else "no")


def _figures(task: str, found: Mapping[str, Any]) -> dict[str, float]:
    """Return the harness's figures by metric; those of another filter, or of a part of a group, say so."""
    told = (found.get("groups") or {}).get(task)
    named = {task: told} if told else found["results"]
    figures: dict[str, float] = {}
    for part, values in named.items():
        for key, value in values.items():
            metric, _, kept = key.partition(",")
            if kept and isinstance(value, Real) and not isinstance(value, bool) and "stderr" not in metric:
                name = metric if kept == "none" else f"{metric} ({kept})"
                figures[name if len(named) == 1 else f"{part}: {name}"] = float(value)
    return figures
