"""What `evaluate`, `compare` and `leaderboard` give to programs: the same figures under the same names as the store."""

import json
from pathlib import Path

import pytest

from core.paths import Workspace
from core.store import evaluations
from core.store.connection import opened
from tests.integration import support
from tests.integration.command import Command, make_command

EVALUATION = {"evaluation", "model", "benchmark", "items", "score", "low", "high", "components", "latency_ms",
              "tokens_per_second"}  # fmt: skip
LINE = {"rank", "model", "industry", "score", "low", "high"}


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def test_a_training_job_s_verdict_is_what_evaluate_and_compare_give(
    atelier: Command, workspace: Workspace, tiny_base: Path
) -> None:
    job = support.wait_for_end(workspace, support.submit(workspace, tiny_base))
    trained = json.loads(atelier("jobs", "show", job.id, "--json").out)
    verdict = trained["verdict"]
    with opened(workspace) as db:
        rows = [evaluations.get(db, verdict[name]) for name in ("base_evaluation", "tuned_evaluation")]
    assert json.loads(atelier("compare", rows[0].id, rows[1].id, "--json").out) == verdict

    items = workspace.root / "items.jsonl"
    asked = [{"id": f"i{n}", "component": "ab"[n % 2], "type": "label", "prompt": f"Card {n}?", "answer": "card",
              "choices": ["card", "loan"]} for n in range(8)]  # fmt: skip
    items.write_text("".join(json.dumps(item) + "\n" for item in asked))
    assert atelier("benchmarks", "add", items, "--name", "cards", "--weight", "a=3", "--weight", "b=1").code == 0
    told = [
        json.loads(atelier("evaluate", "--benchmark", "cards", *model, "--wait", "--json").out)
        for model in (("--base", tiny_base), ("--adapter", job.id))
    ]
    for one in told:
        assert one.keys() >= EVALUATION and one["state"] == "succeeded"
        with opened(workspace) as db:
            row = evaluations.get(db, one["evaluation"])
        assert (one["score"], one["low"], one["high"], one["items"]) == (row.score, row.low, row.high, 8)
        assert one["components"] == row.components and one["benchmark"] == "cards"
        assert one["score"] == pytest.approx(sum(part["weight"] * part["score"] for part in row.components.values()))
        assert one["latency_ms"] == pytest.approx(1000 * row.seconds / 8)
        assert one["tokens_per_second"] == pytest.approx(row.tokens / row.seconds)
    assert (told[0]["model"], told[1]["model"]) == (str(tiny_base), job.id)

    compared = json.loads(atelier("compare", told[0]["evaluation"], told[1]["evaluation"], "--json").out)
    assert compared.keys() == verdict.keys()
    lines = json.loads(atelier("leaderboard", "--benchmark", "cards", "--json").out)
    assert all(line.keys() >= LINE and line["industry"] == "cards" for line in lines)
    assert [line["score"] for line in lines] == sorted((one["score"] for one in told), reverse=True)
    assert {line["evaluations"][0]: (line["low"], line["high"]) for line in lines} == {
        one["evaluation"]: (one["low"], one["high"]) for one in told
    }
