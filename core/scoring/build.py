"""Make the bundled adapter of a rubric again: `python -m core.scoring.build --out models/rubrics/conversation`.

It trains on the examples of `core.scoring.composition` as the main job does, but computes each transcript once for all
questions about it, which takes a third of the time. `--transcripts 40` is a smoke test of the same code.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from core.catalog import bases, rubrics
from core.catalog.rubrics import SCALE, Rubric
from core.datasets.chat import ChatFormat, Encoded
from core.datasets.composition import Composition
from core.evaluation.benchmarks import Item
from core.evaluation.measures import measure
from core.model import kernels, lean
from core.model.adapter import add_adapter, base_alone, save_adapter, trainable
from core.model.engines import Scorer, make_engine
from core.model.loading import load_base
from core.scoring import composition, sampling
from core.scoring.bundle_card import write_card
from core.scoring.composition import CHOICES, METRICS
from core.training.configuration import TrainingConfig
from core.training.plan import learning_rate_at


@dataclass(frozen=True)
class Recipe:
    """Everything that the bundle depends on beside code and phrases."""

    rubric: str = "conversation"
    transcripts: int = 1_000
    longest: int = 130  # words: short ones give more different conversations in the same time
    max_length: int = 512
    seed: int = 1
    rank: int = 16
    learning_rate: float = 3e-3
    transcripts_per_step: int = 8
    notes: float = 0.25


def build(recipe: Recipe, out: Path) -> dict[str, Any]:
    """Train, measure and write an adapter with its card; return the card."""
    torch.manual_seed(recipe.seed)
    rubric = rubrics.find(recipe.rubric)
    folder = bases.locate("starter")
    assert folder is not None, "the starter is shipped"
    loaded = load_base(folder, precision="fp32", quantization="none")
    composed = compose(recipe, rubric)
    config = TrainingConfig(
        rank=recipe.rank, alpha=2 * recipe.rank, dropout=0, learning_rate=recipe.learning_rate,
        max_length=recipe.max_length, seed=recipe.seed, epochs=1, batch_size=recipe.transcripts_per_step,
    )  # fmt: skip
    model = add_adapter(loaded.model, config)
    engine = lean.LeanEngine(model.get_base_model(), kernels.PLAIN, torch.bfloat16)
    began = time.monotonic()
    steps = train(recipe, model, engine, group_examples(composed, loaded.chat, recipe.max_length))
    seconds = time.monotonic() - began
    out.mkdir(parents=True, exist_ok=True)
    save_adapter(model, out, "starter")
    halve(out / "adapter_model.safetensors", model)
    model.eval()
    tests = {"made": list(composed.benchmark.items), "written": of_samples(rubric, recipe)}
    figures: dict[str, dict[str, Any]] = {}
    for name, items in ((name, items) for name, items in tests.items() if items):
        with base_alone(model):
            before = measure_model(model, loaded.chat, items, rubric)
        figures[name] = {"base": before, "tuned": measure_model(model, loaded.chat, items, rubric)}
    card = {
        "name": f"{rubric.title} on the starter",
        "rubric": rubric.id,
        "base": "starter",
        "base_fingerprint": loaded.fingerprint,
        "config": config.model_dump(mode="json"),
        "recipe": asdict(recipe),
        "steps": steps,
        "seconds": round(seconds),
        "figures": figures,
        "made_on": time.strftime("%Y-%m-%d"),
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(write_card(card, rubric), encoding="utf-8")
    return card


def compose(recipe: Recipe, rubric: Rubric) -> Composition:
    rated = sampling.make(rubric, recipe.transcripts, recipe.seed, longest=recipe.longest)
    return composition.of_rubric(
        rubric,
        rated,
        recipe.seed,
        count=composition.counter_of("starter"),
        max_length=recipe.max_length,
        notes=recipe.notes,
    )


def of_samples(rubric: Rubric, recipe: Recipe) -> list[Item]:
    """Return the questions about the written-out transcripts; no training has seen them."""
    count = composition.counter_of("starter")
    budget = composition.budget_of(rubric, count, recipe.max_length)
    return [
        item
        for number, one in enumerate(sampling.read_samples(rubric), 1)
        for item in composition.ask_items(rubric, one, number, budget, count)
    ]


def group_examples(composed: Composition, chat: ChatFormat, max_length: int) -> list[list[Encoded]]:
    """Return the training examples, those about one transcript together: questions stand behind a blank line."""
    examples = [one for one in composed.examples if one.extra["part"] == "train"]
    encoded = zip(examples, chat.encode(examples, max_length), strict=True)
    return [
        [made for _, made in group]
        for _, group in groupby(encoded, key=lambda pair: pair[0].prompt.rpartition("\n\n")[0])
    ]


def train(recipe: Recipe, model: Any, engine: lean.LeanEngine, groups: list[list[Encoded]]) -> int:
    """Go once through the transcripts, in an order drawn by the seed; return the steps."""
    weights = trainable(model)
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    order = np.random.default_rng([recipe.seed, 2_017]).permutation(len(groups)).tolist()
    steps = -(-len(order) // recipe.transcripts_per_step)
    model.train()
    began = time.monotonic()
    for step in range(steps):
        chosen = [groups[place] for place in order[step::steps]]
        for part in optimizer.param_groups:
            part["lr"] = learning_rate_at(
                step, steps=steps, peak=recipe.learning_rate, warmup=max(1, steps // 20), schedule="cosine"
            )
        loss = engine.shared_loss_sum(chosen) / sum(one.supervised for group in chosen for one in group)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 5 == 0 or step == steps - 1:
            print(f"step {step + 1} of {steps}, loss {loss.item():.3f}, {time.monotonic() - began:.0f} s", flush=True)
    return steps


def halve(path: Path, model: Any) -> None:
    """Store the weights in 16 bits, and let the model have exactly those: what is measured is what is shipped."""
    kept = {name: weight.to(torch.bfloat16).contiguous() for name, weight in load_file(path).items()}
    save_file(kept, path, metadata={"format": "pt"})
    with torch.no_grad():
        for weight in trainable(model):
            weight.copy_(weight.to(torch.bfloat16))


def measure_model(model: Any, chat: ChatFormat, items: Sequence[Item], rubric: Rubric) -> dict[str, dict[str, float]]:
    """Return by dimension the agreement of the likeliest score, and the mean error of the expected one."""
    shares = read_model(model, chat, items)
    found: dict[str, dict[str, float]] = {}
    for dimension in rubric.dimensions:
        chosen = [item for item in items if item.component == dimension.id]
        table = np.array([shares[item.id] for item in chosen])
        answered = [(item, CHOICES[place], 0.0) for item, place in zip(chosen, table.argmax(1), strict=True)]
        wanted = np.array([float(item.expected) for item in chosen])
        missed = float(np.abs(table @ np.array(SCALE) - wanted).mean())
        found[dimension.id] = measure(METRICS, answered) | {"expected_error": missed, "items": len(chosen)}
    return found


def read_model(model: Any, chat: ChatFormat, items: Sequence[Item]) -> dict[str, np.ndarray]:
    """Return the likelihoods of the scores, (5,), by item."""
    engine = make_engine(model, torch.device("cpu"), chat.pad_id)
    shares: dict[str, np.ndarray] = {}
    for _, group in groupby(items, key=lambda item: item.prompt.rpartition("\n\n")[0]):
        shares |= read_shares(engine, chat, list(group))
    return shares


@torch.no_grad()
def read_shares(engine: Scorer, chat: ChatFormat, items: Sequence[Item]) -> dict[str, np.ndarray]:
    """Return the likelihoods of the scores for items that ask about one transcript."""
    asked = [(item.prompt, choice) for item in items for choice in item.choices]
    group = [Encoded(tuple(ids), start, 0, 0) for ids, start in chat.encode_pairs(asked, end=False)]
    losses = torch.tensor([float(one.sum()) for one in engine.continuation_losses([group])[0]])
    table = torch.softmax(-losses.view(len(items), -1), dim=1).numpy()
    return {item.id: row for item, row in zip(items, table, strict=True)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the finished adapter")
    parser.add_argument("--transcripts", type=int, default=Recipe.transcripts)
    parser.add_argument("--longest", type=int, default=Recipe.longest)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--rank", type=int, default=Recipe.rank)
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--transcripts-per-step", type=int, default=Recipe.transcripts_per_step)
    given = vars(parser.parse_args())
    card = build(Recipe(**{name: value for name, value in given.items() if name != "out"}), given["out"])
    print(json.dumps(card["figures"]))


if __name__ == "__main__":
    main()
