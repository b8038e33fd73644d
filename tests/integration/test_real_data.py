"""Real questions of bank customers, 2,000 with 77 intents, on a real base that knows only children's stories."""

import csv
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from core.datasets.chat import Encoded, read_chat_format
from core.evaluation.benchmarks import Benchmark
from core.evaluation.grading import grade
from core.evaluation.pinned import read_pinned
from core.model import loading
from core.model.adapter import load_adapter
from core.model.engines import make_engine
from core.paths import Workspace
from core.store import schema
from core.store.jobs import Job
from tests.conftest import SHARED, end_processes
from tests.integration import support

ROWS, BASE = SHARED / "data" / "banking77" / "train.csv", SHARED / "models" / "stories260k"
COUNT = 2000
SETTINGS: dict[str, Any] = {
    # The base never met its end mark, so only an adapted output layer can learn to end an answer.
    "target_modules": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head"),
    "rank": 16,
    "alpha": 32,
    "dropout": 0.0,
    "learning_rate": 1e-2,
    "batch_size": 16,
    "epochs": 1,
    "max_steps": None,
    "max_length": 128,
    "eval_every_steps": 1000,
    "save_every_steps": 1000,
}

pytestmark = pytest.mark.skipif(
    not (ROWS.exists() and BASE.exists()), reason="the public data and the base beside the project are absent"
)


@pytest.fixture(scope="module")
def workspace_of_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(tmp_path_factory.mktemp("bank") / "workspace"))
        patch.setenv("ATELIER_WARM", "0")
        workspace = Workspace.chosen()
        schema.prepare(workspace)
        yield workspace
        end_processes(workspace)


@pytest.fixture(scope="module")
def job(workspace_of_bank: Workspace) -> Job:
    """Train on every fifth question, with its intent in words as the response."""
    with ROWS.open(newline="", encoding="utf-8") as stream:
        questions = list(csv.DictReader(stream))[::5][:COUNT]
    rows = workspace_of_bank.root.parent / "questions.jsonl"
    lines = [{"prompt": row["text"], "response": row["category"].replace("_", " ")} for row in questions]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    queued = support.submit(workspace_of_bank, BASE, rows=rows, **SETTINGS)
    return support.wait_for_end(workspace_of_bank, queued, timeout_s=900)


def benchmark_of(workspace: Workspace, job: Job) -> Benchmark:
    return read_pinned(workspace, job.spec["benchmark"])


def test_the_eval_loss_falls_by_more_than_half_and_held_out_answers_get_better(job: Job) -> None:
    assert job.state == "succeeded", job.error
    result = job.result
    assert result["train_examples"] + result["validation_examples"] > 0.85 * COUNT
    assert result["eval_loss_after"] < 0.5 * result["eval_loss_before"]
    assert result["verdict"]["difference"] > 0
    assert "held-out items" in result["verdict"]["sentence"]


def test_the_held_out_questions_are_graded_by_the_intent_that_an_answer_names(
    workspace_of_bank: Workspace, job: Job
) -> None:
    items = benchmark_of(workspace_of_bank, job).items
    assert {item.type for item in items} == {"label"}
    assert len(items[0].choices) == 77
    for item in items:
        right = str(item.answer)
        wrong = next(label for label in item.choices if label not in right and right not in label)
        assert grade(item, right) == 1.0
        assert grade(item, f"The customer asks about **{right.upper()}**.") == 1.0
        assert grade(item, right.replace(" ", "_")) == 1.0
        assert grade(item, wrong) == 0.0
        assert grade(item, f"{wrong} or {right}") == 0.0
        assert grade(item, "") == 0.0


def test_the_adapter_gives_the_same_logits_in_plain_peft(workspace_of_bank: Workspace, job: Job) -> None:
    folder = workspace_of_bank.adapters / job.id
    assert all("lora_" in name for name in load_file(folder / "adapter_model.safetensors"))
    loaded = loading.load_base(BASE)
    ours = load_adapter(loaded.model, folder).eval()
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32), folder).eval()
    items = benchmark_of(workspace_of_bank, job).items[:8]
    pairs = read_chat_format(BASE).encode_pairs([(item.prompt, str(item.answer)) for item in items])
    examples = [Encoded(tuple(ids), start, 0, 0) for ids, start in pairs]
    losses = make_engine(ours, loaded.device, 0).token_losses(examples)
    with torch.no_grad():
        for example, ours_of_tokens in zip(examples, losses, strict=True):
            ids = torch.tensor([example.ids])
            logits = plain(input_ids=ids).logits[0]
            torch.testing.assert_close(ours(input_ids=ids).logits[0], logits, atol=1e-5, rtol=1e-5)
            start = example.response_start
            expected = F.cross_entropy(logits[start - 1 : -1], ids[0, start:], reduction="none")
            torch.testing.assert_close(ours_of_tokens, expected, atol=1e-5, rtol=1e-5)
