"""Code that a model writes several times over: drawn by a seed, run in the sandbox, told as pass@k."""

import json
from math import comb
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from core.datasets.chat import read_chat_format
from core.errors import SandboxError
from core.evaluation import sandbox
from core.paths import Workspace
from core.store import evaluations
from core.store.connection import opened
from tests.integration.command import Command, make_command

ASKS = ["Set x.", "Give x a value.", "x, please."]
SAMPLES = 12


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture(scope="module")
def undecided(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that writes `x = 1` about as often as `x = 2`."""
    try:
        sandbox.check()
    except SandboxError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("undecided")
    chat = read_chat_format(tiny_base)
    model = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32)
    pairs = chat.encode_pairs([(ask, f"x = {value}") for ask in ASKS for value in (1, 2)])
    longest = max(len(ids) for ids, _ in pairs)
    ids = torch.tensor([one + [chat.pad_id] * (longest - len(one)) for one, _ in pairs])
    labels = torch.tensor([[-100] * at + one[at:] + [-100] * (longest - len(one)) for one, at in pairs])
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(120):
        loss = model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    for file in tiny_base.iterdir():
        if "token" in file.name or file.suffix == ".jinja":
            (folder / file.name).write_bytes(file.read_bytes())
    model.save_pretrained(folder)
    return folder


def test_pass_rates_are_estimated_from_drawn_answers_and_return_with_the_seed(
    atelier: Command, workspace: Workspace, undecided: Path, tmp_path: Path
) -> None:
    items = [
        {"id": f"i{n}", "component": "code", "type": "code", "prompt": ask, "answer": "x = 1", "tests": "assert x == 1"}
        for n, ask in enumerate(ASKS)
    ]
    path = tmp_path / "sets.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    run = ["evaluate", "--data", path, "--base", undecided, "--wait", "--json"]
    greedy = json.loads(atelier(*run).out)
    drawn, again, other = (
        json.loads(atelier(*run, "--samples", SAMPLES, "--seed", seed).out) for seed in ("3", "3", "4")
    )
    assert greedy["score"] in (0.0, 1 / 3, 2 / 3, 1.0) and "details" not in greedy

    passed = drawn["details"]["passed"]
    assert drawn["details"]["seed"] == 3 and passed.keys() == {"i0", "i1", "i2"}
    assert 0 < sum(passed.values()) < SAMPLES * len(ASKS), "the answers differ"
    for k in (1, 5, SAMPLES):
        missed = [comb(SAMPLES - right, k) / comb(SAMPLES, k) for right in passed.values()]
        assert drawn["metrics"][f"pass_at_{k}"] == pytest.approx(1 - sum(missed) / len(missed))
    assert drawn["score"] == pytest.approx(drawn["metrics"]["pass_at_1"])

    assert (again["details"], again["score"]) == (drawn["details"], drawn["score"])
    with opened(workspace) as db:
        texts = [
            [row.answer for row in evaluations.items(db, one["evaluation"])] + list(one["details"]["passed"].values())
            for one in (drawn, again, other)
        ]
        ways = {evaluations.get(db, one["evaluation"]).settings_sha for one in (greedy, drawn, again, other)}
    assert texts[0] == texts[1] != texts[2]
    assert len(ways) == 3, "greedy answers, and those of another seed, are no match for these"
