"""A task of lm-evaluation-harness through the command: the harness's own scores, item by item, for base and adapter.

Run where the harness is installed: python -m pytest tests/integration/test_harness.py
"""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.evaluation.pinned import read_pinned
from core.paths import Workspace
from core.store import evaluations
from core.store.connection import opened
from tests.integration import support
from tests.integration.command import Command, assert_refused, make_command

HAS_HARNESS = find_spec("lm_eval") is not None
needs_harness = pytest.mark.skipif(not HAS_HARNESS, reason="lm_eval is not installed in this environment")

CHOICES = """
task: own_sums
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{ask}} ="
doc_to_target: right
doc_to_choice: "{{offered}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 2.0}
"""
WORDS = """
task: own_words
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{ask}} ="
doc_to_target: "{{offered[right]}}"
generation_kwargs: {until: ["."], max_gen_toks: 6}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
SURPRISE = """
task: own_surprise
dataset_path: json
dataset_kwargs: {data_files: {test: sums.jsonl}}
test_split: test
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{ask}}"
metric_list:
  - {metric: word_perplexity}
metadata: {version: 1.0}
"""


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    folder = tmp_path / "tasks"
    folder.mkdir()
    rows = [
        {"ask": f"{n} and {n % 7}", "offered": [f"{n + n % 7}", f"{n}", "the bank"], "right": n % 2} for n in range(30)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, text in (("sums", CHOICES), ("words", WORDS), ("surprise", SURPRISE)):
        (folder / f"{name}.yaml").write_text(text)
    return folder


@needs_harness
def test_a_task_gives_the_harness_s_own_scores_and_compares_base_and_adapter(
    atelier: Command, workspace: Workspace, tasks: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = support.submit(workspace, tiny_base, evaluate=False)
    assert support.wait_for_end(workspace, job).state == "succeeded"
    run = ["evaluate", "--harness", "own_sums", "--include-path", tasks, "--wait", "--json"]
    told = [json.loads(atelier(*run, *more).out) for more in (["--base", tiny_base], ["--adapter", job.id])]
    assert [one["benchmark"] for one in told] == ["harness:own_sums"] * 2
    assert [one["metrics"].keys() for one in told] == [{"acc", "acc_norm"}] * 2
    assert told[0]["details"]["harness"]["settings"]["versions"] == {"own_sums": 2.0}

    monkeypatch.chdir(tasks)
    for one, peft in ((told[0], ""), (told[1], f",peft={workspace.adapters / job.id}")):
        assert one["score"] == pytest.approx(one["metrics"]["acc"])
        own = _by_the_harness(tiny_base, peft, tasks)
        with opened(workspace) as db:
            rows = {row.item: row.score for row in evaluations.items(db, one["evaluation"])}
        assert rows == {f"own_sums-{sample['doc_id']}": sample["acc"] for sample in own["samples"]["own_sums"]}
        assert one["metrics"]["acc_norm"] == pytest.approx(own["results"]["own_sums"]["acc_norm,none"])

    verdict = json.loads(atelier("compare", told[0]["evaluation"], told[1]["evaluation"], "--json").out)
    assert (verdict["base_score"], verdict["tuned_score"]) == pytest.approx((told[0]["score"], told[1]["score"]))
    lines = json.loads(atelier("leaderboard", "--benchmark", "harness:own_sums", "--json").out)
    assert {line["evaluations"][0] for line in lines} == {one["evaluation"] for one in told}


def _by_the_harness(base: Path, peft: str, tasks: Path) -> dict:  # type: ignore[type-arg]
    """Return what the harness finds by itself, with the model that it loads from the same folders."""
    from lm_eval import evaluator
    from lm_eval.tasks import TaskManager

    found = evaluator.simple_evaluate(
        model="hf", model_args=f"pretrained={base},dtype=float32{peft}", tasks=["own_sums"], device="cpu",
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False), bootstrap_iters=0,
    )  # fmt: skip
    return dict(found)


@needs_harness
def test_written_answers_are_kept_and_a_limit_takes_the_first_ones(
    atelier: Command, workspace: Workspace, tasks: Path, tiny_base: Path
) -> None:
    told = json.loads(
        atelier("evaluate", "--harness", "own_words", "--include-path", tasks, "--base", tiny_base, "--limit", "4",
                "--wait", "--json").out
    )  # fmt: skip
    assert told["items"] == 4 and told["tokens_per_second"] > 0
    with opened(workspace) as db:
        row = evaluations.get(db, told["evaluation"])
        answers = evaluations.items(db, row.id)
    items = read_pinned(workspace, row.benchmark_sha).items
    assert [item.prompt for item in items] == [f"{n} and {n % 7} =" for n in range(4)]
    assert [item.expected for item in items] == ["0", "1", "4", "3"]
    assert any(one.answer for one in answers)


@needs_harness
def test_what_can_t_be_run_or_compared_fails_with_a_sentence(atelier: Command, tasks: Path, tiny_base: Path) -> None:
    run = ["evaluate", "--include-path", tasks, "--base", tiny_base, "--wait", "--json", "--harness"]
    told = json.loads(atelier(*run, "own_surprise").out)
    assert told["state"] == "failed" and "no score from 0 to 1 for each answer" in told["error"]
    (tasks / "sums.jsonl").unlink()
    told = json.loads(atelier(*run, "own_sums").out)
    assert told["state"] == "failed" and "own_sums" in told["error"] and "can't be run" in told["error"]


def test_without_the_harness_a_sentence_says_how_to_install_it(
    atelier: Command, tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.evaluation.submission.find_spec", lambda name: None)
    assert_refused(atelier("evaluate", "--harness", "arc_easy"), "not installed", "pip install 'lm-eval")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["--harness", "arc_easy", "--benchmark", "finance"], "brings its own items"),
        (["--harness", "arc_easy", "--include-path", "/no/such/folder"], "does not exist"),
        (["--benchmark", "finance", "--limit", "5"], "belong to --harness"),
        (["--benchmark", "finance", "--samples", "3"], "no code items"),
    ],
)
def test_what_does_not_go_together_is_refused(
    atelier: Command, words: list[str], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.evaluation.submission.find_spec", lambda name: os)
    assert_refused(atelier("evaluate", *words), part)
