"""How fast transcripts are scored: the project's scorer against PEFT's `generate`, which writes the scores as JSON.

    python -m benchmarks.scoring                  the starter, a 15M and a 135M Llama with random weights
    python -m benchmarks.scoring --quick          fewer transcripts, one repeat

Every arm gets the same base in fp32, the same adapter of rank 16 on all linear layers, and the same transcripts of 384
tokens. Scores must be those of a full pass for every question through plain PEFT: the same digit, expected scores
within 1e-4. What `generate` writes has a fixed length, since a base with random weights never ends its JSON.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import arms, workload
from core.cli.output import print_table

MODULE = "benchmarks.scoring"
REFERENCE = "likelihood"
ARMS = ("ours", "ours-single", REFERENCE, "generate", "generate-merged", "generate-batched", "generate-whole")
SHAPES = {"starter": (16, None), "15m": (12, 20.0), "135m": (4, 12.0)}  # transcripts; aim against `generate`
TOKENS, RANK, SCALE = 384, 16, 0.02
BATCHES = (4, 8, 16)
ANSWER = {"score": 4, "confidence": 0.81}
TOLERANCE = 1e-4


def main() -> None:
    chosen = parse(sys.argv[1:])
    if chosen.make:
        make(chosen.shape, chosen.folder)
        return
    if chosen.arm:
        with arms.speaking() as tell:
            tell(measure(chosen.arm, chosen.folder, chosen.items, chosen.seed))
        return
    with arms.machine_held(), tempfile.TemporaryDirectory() as folder:
        machine = arms.describe_machine()
        arms.print_machine(machine)
        found: dict[str, Any] = {"benchmark": "scoring", "machine": machine, "tokens": TOKENS, "shapes": {}}
        for shape in chosen.shapes:
            found["shapes"][shape] = run(shape, Path(folder) / shape, chosen)
        report(found)
        arms.save(chosen.json or arms.result_path("scoring", chosen.quick), found)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer transcripts, one repeat; keeps no result")
    parser.add_argument("--items", type=int, help="transcripts, for every base")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--shape", choices=SHAPES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=7, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    chosen.repeats = chosen.repeats or (1 if chosen.quick else 3)
    return chosen


def run(shape: str, folder: Path, chosen: argparse.Namespace) -> dict[str, dict[int, dict[str, Any]]]:
    items = chosen.items or (2 if chosen.quick else SHAPES[shape][0])
    place = ["--shape", shape, "--folder", str(folder)]
    made = arms.run_arm(MODULE, ["--make", *place], arms.tuned_environment())
    if "failed" in made:
        raise SystemExit(f"The {shape} base can't be made: {made['failed']}")
    outcomes: dict[str, dict[int, dict[str, Any]]] = {}
    for repeat, arm in arms.abba(ARMS, chosen.repeats):
        outcome = arms.run_arm(MODULE, ["--arm", arm, *place, "--items", str(items)], arms.tuned_environment())
        arms.note(f"{shape} {arm}, repeat {repeat + 1}", outcome)
        outcomes.setdefault(arm, {})[repeat] = outcome
    return outcomes


# What is scored, and by which model


def make(shape: str, folder: Path) -> None:
    """Write a base and an adapter with random weights into a folder, with the starter's tokenizer."""
    import json
    import shutil

    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    from core.paths import STARTER_DIR

    torch.manual_seed(1)
    if shape == workload.STARTER:
        model = LlamaForCausalLM.from_pretrained(STARTER_DIR, dtype=torch.float32)
    else:
        told = workload.SHAPES[shape]
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=told.vocabulary, hidden_size=told.hidden, intermediate_size=told.intermediate,
                num_hidden_layers=told.layers, num_attention_heads=told.heads,
                num_key_value_heads=told.key_value_heads, tie_word_embeddings=told.tied, eos_token_id=2,
            )
        )  # fmt: skip
    model.save_pretrained(folder / "base")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(STARTER_DIR / name, folder / "base")
    lora = LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, target_modules="all-linear")
    adapted = get_peft_model(model, lora)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(std=SCALE)
    adapted.save_pretrained(folder / "adapter")
    print(json.dumps({"made": shape}))


def draw_transcripts(count: int, seed: int) -> list[Any]:
    """Return conversations of the shipped rubric, each cut to the same number of the starter's tokens."""
    from core.datasets.chat import read_chat_format
    from core.paths import STARTER_DIR
    from core.scoring import sampling
    from core.scoring.preparation import split

    chat = read_chat_format(STARTER_DIR)

    def size(text: str) -> int:
        return len(chat.tokenizer.encode(text, add_special_tokens=False).ids)

    long = sampling.make(rubric(), count, seed, longest=1_000, shortest=400)
    return [split(one.transcript, size, TOKENS)[0].transcript for one in long]


def rubric() -> Any:
    from core.catalog import rubrics

    return rubrics.find(rubrics.DEFAULT)


@dataclass(frozen=True)
class Rival:
    """Plain PEFT with the prompts that the scorer asks, four to a transcript."""

    model: Any
    chat: Any
    prompts: list[list[list[int]]]
    whole: list[list[int]]
    digits: list[int]
    answer_tokens: int
    whole_tokens: int


def prepare_rival(folder: Path, transcripts: Sequence[Any], merged: bool) -> Rival:
    import json

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from core.datasets.chat import read_chat_format
    from core.scoring import asking

    base = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
    model: Any = PeftModel.from_pretrained(base, str(folder / "adapter"))
    if merged:
        model = model.merge_and_unload()
    model.eval()
    chat = read_chat_format(folder / "base")
    dimensions = rubric().dimensions

    def size(value: dict[str, Any]) -> int:
        return len(chat.tokenizer.encode(json.dumps(value), add_special_tokens=False).ids)

    asked = [[asking.ask_score(rubric(), one, said) for one in dimensions] for said in transcripts]
    return Rival(
        model,
        chat,
        [chat.encode_prompts(one) for one in asked],
        chat.encode_prompts([one[0] for one in asked]),
        [chat.tokenizer.token_to_id(str(one)) for one in range(1, 6)],
        size(ANSWER),
        size({one.id: ANSWER for one in dimensions}),
    )


# One arm, in its own process


def measure(arm: str, folder: Path, items: int, seed: int) -> dict[str, Any]:
    """Return scores a second of an arm after a warm pass over the first transcript, and what it found."""
    transcripts = draw_transcripts(items, seed)
    work = ours(arm, folder) if arm.startswith("ours") else rival(arm, folder, transcripts)
    work(transcripts[:1])
    began, used = time.perf_counter(), time.process_time()
    found = work(transcripts)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    scores = items * len(rubric().dimensions)
    return {"scores_per_second": scores / seconds, "scores_per_processor_second": scores / processor, "found": found}


def ours(arm: str, folder: Path) -> Callable[[Sequence[Any]], list[list[float]]]:
    """Return what scores transcripts as the service does: looked through, cut, tokenized, read."""
    from core.scoring.models import ScoringModel
    from core.scoring.scorer import Request, Scorer

    scorer = Scorer(None, ScoringModel("Benchmark", "b", folder / "base", folder / "adapter", "benchmark"))
    size = 1 if arm == "ours-single" else 64

    def work(transcripts: Sequence[Any]) -> list[list[float]]:
        requests = [Request(one, rubric()) for one in transcripts]
        found = []
        for start in range(0, len(requests), size):
            for one in scorer.score(requests[start : start + size]):
                found += [[score.score, score.expected] for score in one.scores.values()]
        return found

    return work


def rival(arm: str, folder: Path, transcripts: Sequence[Any]) -> Callable[[Sequence[Any]], list[list[float]]]:
    import torch

    told = prepare_rival(folder, transcripts, merged=arm not in (REFERENCE, "generate"))
    stops = sorted(told.chat.stop_ids)

    def read(count: int) -> list[list[float]]:
        found = []
        with torch.no_grad():
            for prompts in told.prompts[:count]:
                for prompt in prompts:
                    logits = told.model(input_ids=torch.tensor([prompt]), logits_to_keep=1).logits[0, -1]
                    shares = logits[told.digits].double().softmax(0)
                    expected = float(shares @ torch.arange(1.0, 6.0, dtype=torch.float64))
                    found.append([int(shares.argmax()) + 1, expected])
        return found

    def write(prompts: Sequence[list[int]], size: int, tokens: int) -> None:
        for start in range(0, len(prompts), size):
            part = prompts[start : start + size]
            longest = max(len(one) for one in part)
            ids = torch.tensor([[told.chat.pad_id] * (longest - len(one)) + list(one) for one in part])
            mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in part])
            told.model.generate(
                input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=tokens, min_new_tokens=tokens,
                pad_token_id=told.chat.pad_id, eos_token_id=stops,
            )  # fmt: skip

    def written(size: int) -> Callable[[Sequence[Any]], list[list[float]]]:
        def work(chosen: Sequence[Any]) -> list[list[float]]:
            if arm == "generate-whole":
                write(told.whole[: len(chosen)], size, told.whole_tokens)
            else:
                write([one for group in told.prompts[: len(chosen)] for one in group], size, told.answer_tokens)
            return []

        return work

    if arm == REFERENCE:
        return lambda chosen: read(len(chosen))
    if arm in ("generate", "generate-merged"):
        return written(1)
    return fastest([written(size) for size in BATCHES], transcripts[:4])


def fastest(candidates: Sequence[Callable[[Any], Any]], given: Sequence[Any]) -> Callable[[Any], Any]:
    """Return the candidate that took the least time."""
    taken = []
    for one in candidates:
        began = time.perf_counter()
        one(given)
        taken.append(time.perf_counter() - began)
    return candidates[taken.index(min(taken))]


# The report


def report(found: dict[str, Any]) -> None:
    for shape, outcomes in found["shapes"].items():
        speeds, paid = (
            {arm: {repeat: one[name] for repeat, one in outcomes[arm].items() if "found" in one} for arm in ARMS}
            for name in ("scores_per_second", "scores_per_processor_second")
        )
        aim = SHAPES[shape][1]
        rows = [
            (
                arm,
                arms.spread(list(speeds[arm].values()), 2) if speeds[arm] else why(outcomes[arm]),
                arms.spread(arms.ratios(speeds["ours"], speeds[arm]), 1) if arm != "ours" else "",
                arms.spread(arms.ratios(paid["ours"], paid[arm]), 1) if arm != "ours" else "",
                f"{aim:g}" if aim and arm == "generate" else "",
            )
            for arm in ARMS
        ]
        print(shape)
        print_table(("arm", "scores/s", "ours is faster", "by processor time", "aim"), rows)
        print(f"ours beside a full pass for every question: {agreement(outcomes)}\n")
        for one in (entry for arm in outcomes.values() for entry in arm.values()):
            one.pop("found", None)  # the figures are kept


def why(outcome: dict[int, dict[str, Any]]) -> str:
    first = outcome[0]
    return str(first.get("absent") or first.get("failed"))


def agreement(outcomes: dict[str, dict[int, dict[str, Any]]]) -> str:
    """Return how many scores are the same, and how far expected scores lie apart."""
    if "found" not in outcomes["ours"][0] or "found" not in outcomes[REFERENCE][0]:
        return "-"
    pairs = list(zip(outcomes["ours"][0]["found"], outcomes[REFERENCE][0]["found"], strict=True))
    same = sum(one[0] == other[0] for one, other in pairs)
    apart = max(abs(one[1] - other[1]) for one, other in pairs)
    return f"{same} of {len(pairs)} scores the same, expected within {apart:.1e}" + (
        "" if apart <= TOLERANCE else ", too far apart"
    )


if __name__ == "__main__":
    main()
