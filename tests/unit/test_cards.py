"""The model card: its facts, its verdict, and that no name breaks out of its place."""

import re
from typing import Any

import pytest
import yaml

from core.registry.cards import write_card
from core.training.configuration import TrainingConfig, make_config

INTERVAL = {"value": 0.5, "low": 0.25, "high": 0.75}
VERDICT = {
    "base_score": 0.34,
    "tuned_score": 0.539,
    "difference": 0.199,
    "low": 0.1,
    "high": 0.3,
    "items": 90,
    "sentence": "The tuned model is better than the base model: 75% against 50% of 90 items.",
    "components": [
        {
            "title": "Calculations",
            "weight": 0.4,
            "items": 30,
            "base": {"value": 0.1, "low": 0.0, "high": 0.2},
            "tuned": {"value": 0.6, "low": 0.5, "high": 0.7},
            "difference": INTERVAL,
        },
        {
            "title": "Facts",
            "weight": 0.6,
            "items": 60,
            "base": {"value": 0.5, "low": 0.4, "high": 0.6},
            "tuned": {"value": 0.498, "low": 0.4, "high": 0.6},
            "difference": {"value": -0.002, "low": -0.1, "high": 0.1},
        },
    ],
}


def card(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Finance on starter",
        "base": "owner/model",
        "base_title": "Model",
        "base_source": "owner/model",
        "base_fingerprint": "f" * 64,
        "dataset": "d" * 64,
        "dataset_name": "Finance",
        "composition": {"corpus:finance": 30, "generated:finance": 200},
        "train_examples": 184,
        "validation_examples": 46,
        "benchmark": "b" * 64,
        "benchmark_name": "finance",
        "config": TrainingConfig().model_dump(mode="json"),
        "steps": 60,
        "tokens": 123_456,
        "seconds": 61.4,
        "eval_loss_before": 3.25,
        "eval_loss_after": None,
        "verdict": VERDICT,
        "machine": "A processor x2",
        "made_on": "2026-01-31",
        "weights_sha": "a" * 64,
        "versions": {"torch": "2.13.0", "peft": "0.21.2"},
    } | changes


def front_of(text: str) -> Any:
    """Return the facts between the two lines of dashes, as a hub reads them."""
    return yaml.safe_load(text.split("---\n")[1])


def block_of(text: str, language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)\n```", text, re.DOTALL)
    assert len(found) == 1
    return str(found[0])


def test_the_head_tells_a_hub_what_the_adapter_belongs_to() -> None:
    assert front_of(write_card(card())) == {"library_name": "peft", "base_model": "owner/model", "tags": ["lora"]}


def test_it_names_all_that_the_adapter_was_made_from() -> None:
    text = write_card(card())
    for fact in (
        "owner/model, fingerprint `ffffffffffffffff`",
        "184 examples to train on and 46 to validate, hash `dddddddddddddddd`",
        "corpus:finance: 30",
        "generated:finance: 200",
        "finance, hash `bbbbbbbbbbbbbbbb`",
        "60 steps, 123,456 tokens, 61 seconds on A processor x2",
        "3.2500 before, not measured after",
        f"sha256 `{'a' * 64}`",
        "torch 2.13.0, peft 0.21.2",
        "2026-01-31",
    ):
        assert fact in text


def test_it_says_what_the_adapter_is_worth_in_a_sentence_and_a_row_for_each_part() -> None:
    text = write_card(card())
    assert VERDICT["sentence"] in text
    assert "| Calculations | 40% | 30 | 10% (0% to 20%) | 60% (50% to 70%) | +50 points (+25 to +75) |" in text
    assert "| Facts | 60% | 60 | 50% (40% to 60%) | 50% (40% to 60%) | 0 points (-10 to +10) |" in text
    assert "| **all** | 100% | 90 | 34% | 54% | +20 points (+10 to +30) |" in text


def test_without_a_comparison_it_claims_nothing() -> None:
    text = write_card(card(verdict=None))
    assert "It was not compared with its base." in text
    assert "| part |" not in text


def test_its_configuration_makes_the_same_configuration_again() -> None:
    config = TrainingConfig(warmup_steps=5, target_modules=("q_proj", "v_proj"), learning_rate=1e-5)
    text = write_card(card(config=config.model_dump(mode="json")))
    assert make_config(yaml.safe_load(block_of(text, "yaml")), "the card") == config


HOSTILE = (
    "x: y # z",
    "# heading",
    "a | b | c",
    "<script>alert(1)</script>",
    "[here](http://evil.example)",
    "```",
    "line\n---\nlicense: mit",
    "'quoted' \"twice\" \\",
    "\u202ecod.exe",
    "*stars* _and_ `ticks`",
)


@pytest.mark.parametrize("words", HOSTILE)
def test_no_name_breaks_out_of_its_place(words: str) -> None:
    verdict = VERDICT | {"components": [VERDICT["components"][0] | {"title": words}]}  # type: ignore[dict-item]
    text = write_card(
        card(
            name=words,
            base=words,
            base_title=words,
            base_source=words,
            dataset_name=words,
            benchmark_name=words,
            composition={words: 3},
            verdict=verdict,
        )
    )
    plain = write_card(card(verdict=verdict | {"components": VERDICT["components"][:1]}, composition={"own": 3}))
    assert front_of(text) == front_of(plain) | {"base_model": " ".join(words.split())}
    assert body_of(text).count("\n") == body_of(plain).count("\n")
    assert headings_of(text) == headings_of(plain)
    assert "<script>" not in body_of(text).split("```python")[0]
    assert all(row.replace("\\|", "").count("|") == 7 for row in text.split("\n") if row.startswith("| "))
    compile(block_of(text, "python"), "card", "exec")


def body_of(text: str) -> str:
    return text.split("---\n", 2)[2]


def headings_of(text: str) -> int:
    return sum(line.startswith("#") for line in body_of(text).split("\n"))


def test_a_specialists_metrics_stand_with_what_they_should_reach() -> None:
    def metric(name: str, title: str, base: float, tuned: float, is_share: bool = True) -> dict[str, Any]:
        told = {"metric": name, "title": title, "base": base, "tuned": tuned}
        return told | {"is_share": is_share, "less_is_better": not is_share}

    metrics = [
        metric("accuracy", "Accuracy", 0.5, 0.9),
        metric("mean_absolute_error", "Mean error", 1.5, 0.75, is_share=False),
        metric("macro_f1", "Macro F1", 0.4, 0.8),
    ]
    aims = {"accuracy": {"baseline": 0.4, "tuned": 0.95}, "mean_absolute_error": {"baseline": 2.0, "tuned": 0.8}}
    text = write_card(card(verdict=VERDICT | {"metrics": metrics, "aims": aims}))
    assert "| metric | base | tuned | aim |" in text
    assert "| Accuracy | 50% | 90% | 95%, not reached |" in text
    assert "| Mean error | 1.50 | 0.75 | 0.80, reached |" in text
    assert "| Macro F1 | 40% | 80% |  |" in text
    assert "| metric |" not in write_card(card())
