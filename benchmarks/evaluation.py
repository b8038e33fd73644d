"""How fast a benchmark is answered: choices by likelihood against lm-evaluation-harness, writing against `generate`.

    python -m benchmarks.evaluation               both, on the starter and on a 15M Llama with random weights
    python -m benchmarks.evaluation --quick       fewer items, two repeats

Every arm gets the same model in fp32 and the same tokens: questions with four choices each, of the length that the
industries' benchmarks have, and prompts to go on from. Log-probabilities must agree within 1e-4, answers to the letter.
Needs the `bench` extra (lm-eval); without it that rival is reported as absent.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import arms
from core.cli.output import print_table

MODULE = "benchmarks.evaluation"
LIKELIHOOD = ("ours", "ours-apart", "lm-eval", "lm-eval-tuned")
WRITING = ("ours-write", "generate", "generate-batched")
SHAPES = ("starter", "15m")
CHOICES, CHOICE_TOKENS, QUESTION_TOKENS = 4, 14, 48
NEW_TOKENS = 48
BATCHES = (4, 16, 64)
TOLERANCE = 1e-4
AIM = 3.0


def main() -> None:
    chosen = parse(sys.argv[1:])
    if chosen.arm:
        with arms.speaking() as tell:
            tell(measure(chosen.arm, chosen.shape, chosen.items, chosen.seed))
        return
    with arms.machine_held():
        machine = arms.describe_machine()
        arms.print_machine(machine)
        found: dict[str, Any] = {"benchmark": "evaluation", "machine": machine, "items": chosen.items, "shapes": {}}
        for shape in SHAPES:
            found["shapes"][shape] = run(shape, chosen)
        report(found)
        arms.save(chosen.json or arms.result_path("evaluation", chosen.quick), found)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer items, two repeats; keeps no result")
    parser.add_argument("--items", type=int, help="questions, and prompts to go on from")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--arm", choices=(*LIKELIHOOD, *WRITING), help=argparse.SUPPRESS)
    parser.add_argument("--shape", choices=SHAPES, default="starter", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=7, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    chosen.items = chosen.items or (24 if chosen.quick else 96)
    chosen.repeats = chosen.repeats or (2 if chosen.quick else 3)
    return chosen


def run(shape: str, chosen: argparse.Namespace) -> dict[str, dict[int, dict[str, Any]]]:
    outcomes: dict[str, dict[int, dict[str, Any]]] = {}
    for repeat, arm in arms.abba((*LIKELIHOOD, *WRITING), chosen.repeats):
        outcome = arms.run_arm(
            MODULE, ["--arm", arm, "--shape", shape, "--items", str(chosen.items)], arms.tuned_environment()
        )
        arms.note(f"{shape} {arm}, repeat {repeat + 1}", outcome)
        outcomes.setdefault(arm, {})[repeat] = outcome
    return outcomes


# One arm, in its own process


def measure(arm: str, shape: str, items: int, seed: int) -> dict[str, Any]:
    """Return items a second of an arm after one warm pass, and what it found."""
    import torch

    model, chat = load(shape)
    vocabulary = chat.tokenizer.get_vocab_size()
    chance = torch.Generator().manual_seed(seed)

    def draw(count: int) -> tuple[int, ...]:
        return tuple(torch.randint(5, vocabulary, (count,), generator=chance).tolist())

    questions = [(draw(QUESTION_TOKENS), [draw(CHOICE_TOKENS) for _ in range(CHOICES)]) for _ in range(items)]
    prompts = [draw(QUESTION_TOKENS // 2 + 3 * (place % 9)) for place in range(items)]
    work: Callable[[], list[Any]]
    if arm in WRITING:
        work = writer(arm, model, chat, prompts)
    else:
        work = scorer(arm, model, chat, questions)
    work()
    began = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - began
    return {"items_per_second": items / seconds, "found": found}


def load(shape: str) -> tuple[Any, Any]:
    """Return a model in fp32 and the starter's tokenizer, whose tokens both models are given."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from benchmarks import workload
    from core.datasets.chat import read_chat_format
    from core.model import packed
    from core.paths import STARTER_DIR

    if shape == "starter":
        model = LlamaForCausalLM.from_pretrained(STARTER_DIR, dtype=torch.float32)
    else:
        told = workload.SHAPES[shape]
        torch.manual_seed(1)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=told.vocabulary, hidden_size=told.hidden, intermediate_size=told.intermediate,
                num_hidden_layers=told.layers, num_attention_heads=told.heads,
                num_key_value_heads=told.key_value_heads, tie_word_embeddings=told.tied,
            )
        )  # fmt: skip
    model.eval()
    packed.prepare(model)
    return model, read_chat_format(STARTER_DIR)


Question = tuple[tuple[int, ...], list[tuple[int, ...]]]


def scorer(arm: str, model: Any, chat: Any, questions: Sequence[Question]) -> Callable[[], list[float]]:
    """Return what gives the log-probability of every choice, in order."""
    if arm.startswith("lm-eval"):
        return harness(arm, model, questions)
    import torch

    from core.datasets.chat import Encoded
    from core.evaluation.answering import LIKELIHOOD_TOKENS
    from core.model.engines import make_engine

    engine = make_engine(model, torch.device("cpu"), chat.pad_id)
    groups = [[Encoded((*asked, *one), len(asked), 0, 0) for one in told] for asked, told in questions]
    size = max(1, LIKELIHOOD_TOKENS // sum(len(one.ids) for one in groups[0]))

    def ours() -> list[float]:
        found = []
        for start in range(0, len(groups), size):
            batch = groups[start : start + size]
            if arm == "ours":
                losses = [loss for group in engine.continuation_losses(batch) for loss in group]
            else:
                losses = engine.token_losses([one for group in batch for one in group])
            found += [-float(loss.sum()) for loss in losses]
        return found

    return ours


def harness(arm: str, model: Any, questions: Sequence[Question]) -> Callable[[], list[float]]:
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        raise arms.Absent("lm-eval is not installed") from error
    from transformers import AutoTokenizer

    from core.paths import STARTER_DIR

    tokenizer = AutoTokenizer.from_pretrained(STARTER_DIR)
    requests = [(("", ""), list(asked), list(one)) for asked, told in questions for one in told]

    def with_batches(size: int) -> Callable[[], list[float]]:
        rival = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, device="cpu")
        return lambda: [float(one[0]) for one in rival._loglikelihood_tokens(requests, disable_tqdm=True)]

    if arm == "lm-eval":
        return with_batches(1)
    return fastest([with_batches(size) for size in BATCHES])


def fastest(candidates: Sequence[Callable[[], list[Any]]]) -> Callable[[], list[Any]]:
    """Return the candidate that took the least time, each tried once before."""
    taken = []
    for one in candidates:
        one()
        began = time.perf_counter()
        one()
        taken.append(time.perf_counter() - began)
    return candidates[taken.index(min(taken))]


def writer(arm: str, model: Any, chat: Any, prompts: Sequence[tuple[int, ...]]) -> Callable[[], list[str]]:
    """Return what gives the greedy continuation of every prompt, in order."""
    import torch

    from core.evaluation import answering
    from core.evaluation.benchmarks import Item

    stops = sorted(chat.stop_ids)

    def generated(size: int) -> Callable[[], list[str]]:
        def work() -> list[str]:
            found = []
            for start in range(0, len(prompts), size):
                part = prompts[start : start + size]
                longest = max(len(one) for one in part)
                ids = torch.tensor([[chat.pad_id] * (longest - len(one)) + list(one) for one in part])
                mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in part])
                out = model.generate(
                    input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=NEW_TOKENS,
                    pad_token_id=chat.pad_id, eos_token_id=stops or None,
                )  # fmt: skip
                found += [read(row[longest:].tolist()) for row in out]
            return found

        return work

    def read(tokens: list[int]) -> str:
        end = next((place for place, token in enumerate(tokens) if token in chat.stop_ids), len(tokens))
        return str(chat.decode(tokens[:end]))

    if arm == "generate":
        return generated(1)
    if arm == "generate-batched":
        return fastest([generated(size) for size in BATCHES])
    answering.MOST_NEW_TOKENS["label"] = NEW_TOKENS
    items = [Item(id=str(place), component="x", type="label", prompt="x", answer="x") for place in range(len(prompts))]
    rows = sorted(zip(items, map(list, prompts), strict=True), key=lambda row: len(row[1]))
    size = max(1, answering.BATCH_TOKENS // (max(len(one) for one in prompts) + NEW_TOKENS))

    def ours() -> list[str]:
        answers: dict[str, str] = {}
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            texts, _ = answering._write(model, chat, part, torch.device("cpu"), 2048)
            answers |= {item.id: text for (item, _), text in zip(part, texts, strict=True)}
        return [answers[item.id] for item in items]

    return ours


# The report


def report(found: dict[str, Any]) -> None:
    for shape, outcomes in found["shapes"].items():
        print(f"{shape}, {found['items']} items")
        for ours, names in (("ours", LIKELIHOOD), ("ours-write", WRITING)):
            speeds = {
                name: {repeat: one["items_per_second"] for repeat, one in outcomes[name].items() if "found" in one}
                for name in names
            }
            rows = [
                (
                    name,
                    arms.spread(list(speeds[name].values()), 1) if speeds[name] else why(outcomes[name]),
                    arms.spread(arms.ratios(speeds[ours], speeds[name]), 1) if name != ours else "",
                    agreement(outcomes[ours], outcomes[name]) if name != ours else "",
                )
                for name in names
            ]
            print_table(("arm", "items/s", f"{ours} is faster (aim {AIM:g})", "agrees"), rows)
            print()
        for one in (entry for arm in outcomes.values() for entry in arm.values()):
            one.pop("found", None)  # the figures are kept, not the texts


def why(outcome: dict[int, dict[str, Any]]) -> str:
    first = outcome[0]
    return str(first.get("absent") or first.get("failed"))


def agreement(ours: dict[int, dict[str, Any]], theirs: dict[int, dict[str, Any]]) -> str:
    """Return how far log-probabilities lie apart, or how many texts are the same."""
    if "found" not in ours[0] or "found" not in theirs[0]:
        return "-"
    pairs = list(zip(ours[0]["found"], theirs[0]["found"], strict=True))
    if isinstance(pairs[0][0], str):
        return f"{sum(one == other for one, other in pairs)} of {len(pairs)} texts"
    apart = max(abs(one - other) for one, other in pairs)
    return f"within {apart:.1e}" + ("" if apart <= TOLERANCE else ", too far apart")


if __name__ == "__main__":
    main()
