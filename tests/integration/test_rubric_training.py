"""Training for a rubric, from a file of ratings to a verdict; and the bundled adapter, which must have learned."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.catalog import rubrics
from core.paths import MODELS_DIR, Workspace
from core.scoring import composition, sampling
from core.store import adapters, registry
from core.store.connection import opened
from tests.integration.command import Command, make_command

RUBRIC = rubrics.find("conversation")
BUNDLE = MODELS_DIR / "rubrics" / RUBRIC.id
FLOOR = 0.35  # kappa over all dimensions; guessing gives 0, an adapter that was not trained about the same
MOST_BYTES = 4_000_000


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def test_ratings_of_ones_own_become_an_adapter_with_a_verdict_in_the_rubrics_scope(
    atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    made = atelier("data", "make", "--rubric", RUBRIC.id, "--count", 8, "--out", tmp_path, "--csv", "--json")
    file = json.loads(made.out)["file"]
    words = ["train", "--rubric", RUBRIC.id, "--data", file, "--preset", "quick", "--set", "max_steps=2"]
    told = json.loads(atelier(*words, "--wait", "--json").out)
    assert told["state"] == "succeeded", told
    assert told["verdict"]["items"] >= len(RUBRIC.dimensions)
    assert {one["component"] for one in told["verdict"]["components"]} == {one.id for one in RUBRIC.dimensions}
    assert {one["metric"] for one in told["verdict"]["metrics"]} == {"quadratic_kappa", "mean_absolute_error"}
    with opened(workspace) as db:
        card = adapters.find(db, told["adapter"]).card
        assert [one.id for one in registry.entries(db, f"rubric:{RUBRIC.id}")] == [told["adapter"]]
    assert card["rubric"] == RUBRIC.id and registry.scope_of(card) == f"rubric:{RUBRIC.id}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--rubric", "conversatio"], "Did you mean 'conversation'?"),
        (["--rubric", "conversation", "--industry", "finance"], "A rubric has data of its own"),
        (["--rubric", "conversation", "--data", "/nowhere/rated.csv"], "/nowhere/rated.csv"),
    ],
)
def test_a_wrong_wish_is_refused_with_what_to_do(atelier: Command, words: list[str], told: str) -> None:
    answer = atelier("train", *words)
    assert answer.code == 2 and told in answer.err


@pytest.mark.skipif(not BUNDLE.is_dir(), reason="no adapter is bundled for this rubric")
def test_the_bundled_adapter_scores_conversations_that_it_has_not_seen() -> None:
    from core.evaluation.metrics.labels import quadratic_kappa
    from core.model.adapter import load_adapter
    from core.model.loading import load_base
    from core.scoring.build import read_model

    assert (BUNDLE / "adapter_model.safetensors").stat().st_size < MOST_BYTES
    card = json.loads((BUNDLE / "card.json").read_text(encoding="utf-8"))
    loaded = load_base(MODELS_DIR / "starter", precision="fp32", quantization="none")
    assert card["base_fingerprint"] == loaded.fingerprint and card["rubric"] == RUBRIC.id
    unseen = [one for one in sampling.make(RUBRIC, 120, 90_001, longest=130) if one.bond not in card["trained_on"]]
    rated = unseen[:20]
    assert len(rated) == 20
    count = composition.counter_of("starter")
    budget = composition.budget_of(RUBRIC, count, card["config"]["max_length"])
    items = [
        item
        for number, one in enumerate(rated, 1)
        for item in composition.ask_items(RUBRIC, one, number, budget, count)
    ]
    shares = read_model(load_adapter(loaded.model, BUNDLE), loaded.chat, items)
    likeliest = [float(np.argmax(shares[item.id]) + 1) for item in items]
    assert quadratic_kappa(likeliest, [float(item.expected) for item in items]) > FLOOR
