"""Make the bundled adapter of a rubric again: `python -m core.scoring.build --out models/rubrics/conversation`.

It trains on the examples of `core.scoring.composition` as the main job does, but computes each transcript once for all
questions about it, which takes a third of the time. `--rounds 1 --single 40 --double 40 --transcripts 20` is a smoke
test of the same code.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
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
from core.datasets.examples import Example
from core.evaluation.benchmarks import Item
from core.evaluation.measures import measure
from core.model import kernels, lean
from core.model.adapter import add_adapter, base_alone, load_weights, save_adapter, trainable
from core.model.engines import Scorer, make_engine
from core.model.loading import load_base
from core.scoring import composition, sampling
from core.scoring.bundle_card import write_card
from core.scoring.composition import CHOICES, METRICS
from core.scoring.ratings import Rated
from core.scoring.transcript import Transcript
from core.training.configuration import TrainingConfig

REWORDED = 60  # transcripts of the test with new phrases


@dataclass(frozen=True)
class Recipe:
    """Everything that the bundle depends on beside code and phrases.

    Excerpts about one dimension come first, then others about two and whole transcripts in turns: what a phrase says of
    a score is learned from little text, where to look for it from more. The learning rate falls to the end of each of
    these stages. Most questions end with the digit, some with a reason. A fifth of the phrases is kept out, for a test
    of its own.
    """

    rubric: str = "conversation"
    single: int = 9_000
    double: int = 3_000
    transcripts: int = 1_600
    later: int = 2_400  # transcripts of each later round
    rounds: int = 4  # each with new text; the later ones mix everything, with a quarter of the excerpts about one
    with_reasons: float = 0.3
    disturbed: float = 0.2  # of transcripts and excerpts about two: with passages in them that must change nothing
    longest: int = 130  # words: short ones give more different conversations in the same time
    max_length: int = 512
    seed: int = 1
    rank: int = 32
    learning_rate: float = 1.2e-3
    falls_from: float = 0.5  # of a stage's steps; before that the learning rate stays
    tokens_per_step: int = 1_500


def build(recipe: Recipe, out: Path, start: Path | None = None, first: int = 0) -> dict[str, Any]:
    """Train, measure and write an adapter with its card; return the card.

    Args:
        start: What an earlier round of the same recipe left, to go on from.
        first: The round to begin with, 0 for the first.
    """
    torch.manual_seed(recipe.seed)
    rubric = rubrics.find(recipe.rubric)
    folder = bases.locate("starter")
    assert folder is not None, "the starter is shipped"
    loaded = load_base(folder, precision="fp32", quantization="none")
    composed = compose(recipe, rubric)
    config = TrainingConfig(
        rank=recipe.rank, alpha=2 * recipe.rank, dropout=0, learning_rate=recipe.learning_rate,
        max_length=recipe.max_length, seed=recipe.seed, epochs=1,
    )  # fmt: skip
    model = add_adapter(loaded.model, config)
    engine = lean.LeanEngine(model.get_base_model(), kernels.PLAIN, torch.bfloat16)
    began = time.monotonic()
    if start:
        load_weights(model, start / "adapter_model.safetensors")
    steps = 0
    for number in range(first, recipe.rounds):
        for stage in plan(recipe, rubric, composed, loaded.chat, number):
            steps += train(recipe, model, engine, stage)
    seconds = time.monotonic() - began
    out.mkdir(parents=True, exist_ok=True)
    save_adapter(model, out, "starter")
    halve(out / "adapter_model.safetensors", model)
    model.eval()
    tests = {
        "made": list(composed.benchmark.items),
        "reworded": ask_about(rubric, recipe, make_reworded(rubric, recipe, composed)),
        "written": ask_about(rubric, recipe, sampling.read_samples(rubric)),
    }
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
        "trained_on": sorted(groups_of(composed)),
        "made_on": time.strftime("%Y-%m-%d"),
    }
    (out / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(write_card(card, rubric), encoding="utf-8")
    return card


def compose(recipe: Recipe, rubric: Rubric) -> Composition:
    rated = sampling.make(rubric, recipe.transcripts, recipe.seed, longest=recipe.longest, phrases="known")
    return composition.of_rubric(
        rubric,
        rated,
        recipe.seed,
        count=composition.counter_of("starter"),
        max_length=recipe.max_length,
        disturbed=recipe.disturbed,
    )


def groups_of(composed: Composition) -> set[str]:
    """Return the scenarios that are trained on."""
    return {one.extra["group"] for one in composed.examples if one.extra["part"] == "train"}


def make_reworded(rubric: Rubric, recipe: Recipe, composed: Composition) -> list[Rated]:
    """Return transcripts of held-out scenarios, in phrases that are kept out of the training."""
    known = groups_of(composed)
    made = sampling.make(rubric, 10 * REWORDED, recipe.seed + 500, longest=recipe.longest, phrases="kept out")
    return [one for one in made if one.bond not in known][:REWORDED]


def ask_about(rubric: Rubric, recipe: Recipe, rated: Sequence[Rated]) -> list[Item]:
    """Return the questions about transcripts that no training has seen."""
    count = composition.counter_of("starter")
    budget = composition.budget_of(rubric, count, recipe.max_length)
    return [
        item
        for number, one in enumerate(rated, 1)
        for item in composition.ask_items(rubric, one, number, budget, count)
    ]


Group = list[Encoded]  # questions about one transcript
Stage = list[list[Group]]  # what its steps train on


def plan(recipe: Recipe, rubric: Rubric, composed: Composition, chat: ChatFormat, number: int) -> list[Stage]:
    """Return what each step of each stage of a round trains on; scenarios that are held out occur nowhere in it."""
    seed = recipe.seed + 1_000 * number
    allowed = groups_of(composed)
    random = np.random.default_rng([seed, 2_017])

    def told(one: Rated, share: float) -> Transcript:
        return sampling.disturb(one.transcript, random) if random.random() < share else one.transcript

    def excerpts(count: int, about: int, share: float) -> Stage:
        made = sampling.make_excerpts(rubric, count, seed, about, phrases="known")
        examples = [
            example
            for one in made
            if one.bond in allowed
            for example in composition.ask(rubric, one, told(one, share), False, "train")
        ]
        return fill_steps([end_at_digit(one) for one in group_examples(examples, chat, recipe)], recipe)

    first = excerpts(recipe.single // (4 if number else 1), 1, 0)
    mixed = excerpts(recipe.double, 2, recipe.disturbed)
    if number:
        made = sampling.make(rubric, recipe.later, seed, longest=recipe.longest, phrases="known")
        chosen = [replace(one, transcript=told(one, recipe.disturbed)) for one in made if one.bond in allowed]
        composed = replace(composed, examples=ask_all(rubric, chosen))
    groups = group_examples([one for one in composed.examples if one.extra["part"] == "train"], chat, recipe)
    groups = [groups[place] for place in random.permutation(len(groups))]
    reasoned = round(recipe.with_reasons * len(groups))
    mixed += fill_steps(groups[:reasoned], recipe)
    mixed += fill_steps([end_at_digit(one) for one in groups[reasoned:]], recipe)
    stages = [first + mixed] if number else [first, mixed]
    return [[stage[place] for place in random.permutation(len(stage))] for stage in stages]


def ask_all(rubric: Rubric, made: Sequence[Rated]) -> list[Example]:
    return [
        example
        for place, one in enumerate(made)
        for example in composition.ask(rubric, one, one.transcript, place % 3 == 0, "train")
    ]


def group_examples(examples: Sequence[Example], chat: ChatFormat, recipe: Recipe) -> list[Group]:
    """Return the examples as tokens, those about one transcript together: questions stand behind a blank line."""
    encoded = zip(examples, chat.encode(examples, recipe.max_length), strict=True)
    return [
        [made for _, made in group]
        for _, group in groupby(encoded, key=lambda pair: pair[0].prompt.rpartition("\n\n")[0])
    ]


def end_at_digit(group: Group) -> Group:
    """Return the questions up to the score, without an end mark: whether a reason follows is not taught by them."""
    return [Encoded(one.ids[: one.response_start + 1], one.response_start, one.cut, 0) for one in group]


def fill_steps(groups: Sequence[Group], recipe: Recipe) -> Stage:
    """Return groups in portions of about as many tokens as a step shall have."""
    steps: list[list[Group]] = [[]]
    filled = 0
    for group in groups:
        if filled >= recipe.tokens_per_step:
            steps.append([])
            filled = 0
        steps[-1].append(group)
        filled += len(group[0].ids)
    return steps


def train(recipe: Recipe, model: Any, engine: lean.LeanEngine, planned: Sequence[list[Group]]) -> int:
    """Go once through the steps; return how many they were."""
    weights = trainable(model)
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=0.01, betas=(0.9, 0.98))
    steps = len(planned)
    model.train()
    began = time.monotonic()
    for step, chosen in enumerate(planned):
        for part in optimizer.param_groups:
            part["lr"] = recipe.learning_rate * share_at(step, steps, recipe.falls_from)
        loss = engine.shared_loss_sum(chosen) / sum(one.supervised for group in chosen for one in group)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 20 == 0 or step == steps - 1:
            print(f"step {step + 1} of {steps}, loss {loss.item():.3f}, {time.monotonic() - began:.0f} s", flush=True)
    return steps


def share_at(step: int, steps: int, falls_from: float) -> float:
    """Return which share of the learning rate a step takes: a short rise, a plateau, a straight fall to a fiftieth."""
    done = (step + 1) / steps
    return min(20 * done, 1.0, max((1 - done) / (1 - falls_from), 0.02))


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
    parser.add_argument("--single", type=int, default=Recipe.single)
    parser.add_argument("--double", type=int, default=Recipe.double)
    parser.add_argument("--transcripts", type=int, default=Recipe.transcripts)
    parser.add_argument("--later", type=int, default=Recipe.later)
    parser.add_argument("--tokens-per-step", type=int, default=Recipe.tokens_per_step)
    parser.add_argument("--longest", type=int, default=Recipe.longest)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    parser.add_argument("--rank", type=int, default=Recipe.rank)
    parser.add_argument("--disturbed", type=float, default=Recipe.disturbed)
    parser.add_argument("--learning-rate", type=float, default=Recipe.learning_rate)
    parser.add_argument("--rounds", type=int, default=Recipe.rounds)
    parser.add_argument("--start", type=Path, help="folder of what an earlier round left, to go on from")
    parser.add_argument("--first", type=int, default=0, help="the round to begin with, where one goes on")
    given = vars(parser.parse_args())
    out, start, first = given.pop("out"), given.pop("start"), given.pop("first")
    card = build(Recipe(**given), out, start, first)
    print(json.dumps(card["figures"]))


if __name__ == "__main__":
    main()
