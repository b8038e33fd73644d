"""The starter's recipe: shape, tokenizer, rows of tokens, and the training loop from random weights.

torch is allowed here; the web process never imports this module.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AttentionInterface, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.errors import CheckpointError
from core.starter.card import card
from core.starter.text import Turn, stream
from core.starter.words import read_words

BEGIN, USER, ASSISTANT, END, PAD = "<|begin|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
PROMPT_WEIGHT = 0.2  # questions are half chance (random numbers); their tokens teach little


@dataclass(frozen=True)
class Recipe:
    """All that decides the weights; the same recipe on the same machine gives the same model."""

    seed: int = 1
    steps: int = 2_500
    vocabulary: int = 3_072
    hidden: int = 256
    intermediate: int = 704
    layers: int = 8
    heads: int = 8
    key_value_heads: int = 4
    context: int = 2_048
    tokens_per_step: int = 8_192
    row: int = 256
    long_row: int = 1_024  # rows of the last phase
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    restart_step: int = 2_000  # weights are rounded to bf16 and the optimizer starts anew, with its warm-up
    decay_share: float = 0.12  # the last part: learning rate falls to 0, rows are long
    weight_decay: float = 0.1
    curriculum_tokens: int = 15_000_000  # until then operands grow

    @property
    def decay_start(self) -> int:
        return round(self.steps * (1 - self.decay_share))

    def learning_rate_at(self, step: int) -> float:
        since = step - self.restart_step if step >= self.restart_step else step
        if since < self.warmup_steps:
            return self.learning_rate * (since + 1) / self.warmup_steps
        if step < self.decay_start:
            return self.learning_rate
        return self.learning_rate * (self.steps - step) / max(1, self.steps - self.decay_start)

    def row_at(self, step: int) -> int:
        return self.row if step < self.decay_start else self.long_row

    def progress_at(self, step: int) -> float:
        return min(1.0, step * self.tokens_per_step / self.curriculum_tokens)


def make_tokenizer(recipe: Recipe, kept: Path | None = None) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer with single digits, learned from the starter's own text.

    Args:
        kept: Where it is saved when it is learned, and read from ever after: ids must not change under weights.
    """
    if kept is not None and kept.exists():
        raw = Tokenizer.from_file(str(kept))
    else:
        raw = _learn_tokenizer(recipe)
        if kept is not None:
            raw.save(str(kept))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        model_max_length=recipe.context,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def _learn_tokenizer(recipe: Recipe) -> Tokenizer:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=[PAD, BEGIN, END, USER, ASSISTANT, "<|system|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (
        f"{turn.prompt}\n{turn.response}"
        for talk in islice(stream(f"{recipe.seed}-words", 1.0), 60_000)
        for turn in talk
    )
    raw.train_from_iterator(texts, trainer)
    return raw


def make_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=recipe.vocabulary,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.key_value_heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        attn_implementation="full_precision",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _attend_in_full_precision(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention in fp32: on CPUs bf16 attention is slower than fp32, the matrix products around it faster."""
    with torch.autocast(query.device.type, enabled=False):
        out = F.scaled_dot_product_attention(
            query.float(), key.float(), value.float(), is_causal=True, enable_gqa=True, scale=scaling
        )
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register("full_precision", _attend_in_full_precision)


class Rows:
    """Turns the text stream into full rows of tokens and the weight of each token in the loss."""

    def __init__(self, recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> None:
        self.recipe = recipe
        self.words = read_words()
        self.encode: Callable[[list[str]], list[list[int]]] = lambda texts: [
            encoding.ids for encoding in tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]
        ids = tokenizer.convert_tokens_to_ids([BEGIN, USER, ASSISTANT, END])
        self.begin, self.user, self.assistant, self.end = ids

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ids (rows, length + 1) int64 and loss weights of the same shape, float32."""
        length = self.recipe.row_at(step) + 1
        rows = self.recipe.tokens_per_step // self.recipe.row_at(step)
        wanted = rows * length
        talks = stream(f"{self.recipe.seed}-{step}", self.recipe.progress_at(step), self.words)
        ids: list[int] = []
        weights: list[float] = []
        while len(ids) < wanted:
            for talk in self._encoded(list(islice(talks, 64))):
                ids.append(self.begin)
                weights.append(0.0)
                for prompt, response in talk:
                    if prompt:
                        ids += [self.user, *prompt, self.end]
                        weights += [0.0, *[PROMPT_WEIGHT] * len(prompt), 0.0]
                    ids += [self.assistant, *response, self.end]
                    weights += [0.0, *[1.0] * (len(response) + 1)]
        shape = (rows, length)
        return (
            torch.tensor(ids[:wanted], dtype=torch.int64).reshape(shape),
            torch.tensor(weights[:wanted], dtype=torch.float32).reshape(shape),
        )

    def _encoded(self, talks: list[list[Turn]]) -> Iterator[list[tuple[list[int], list[int]]]]:
        flat = self.encode([text for talk in talks for turn in talk for text in (turn.prompt, turn.response)])
        parts = iter(flat)
        for talk in talks:
            yield [(next(parts), next(parts)) for _ in talk]


def _loss(model: LlamaForCausalLM, ids: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    token_loss = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return (token_loss * weights[:, 1:].flatten()).sum() / weights[:, 1:].sum()


def _restart(model: LlamaForCausalLM, optimizer: torch.optim.Optimizer) -> None:
    optimizer.state.clear()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.bfloat16())


def train(recipe: Recipe, work: Path, compiled: bool = True, say: Callable[[str], None] = print) -> Path:
    """Train from random weights, or go on where `work` stopped, and return the folder with the finished model.

    Args:
        work: Holds state.pt (rewritten every 200 steps), tokenizer.json and log.jsonl.
        compiled: Use torch.compile; needs a C++ compiler on a CPU.

    Raises:
        CheckpointError: The state has lost its tokenizer.
    """
    work.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    state_file, first, seconds = work / "state.pt", 0, 0.0
    if state_file.exists() and not (work / "tokenizer.json").exists():
        raise CheckpointError(
            f"{state_file} has no tokenizer.json beside it. Put the one there that its weights began with: a tokenizer "
            "learned anew may number the words differently."
        )
    tokenizer = make_tokenizer(recipe, work / "tokenizer.json")
    model = make_model(recipe, tokenizer).to(device)
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=recipe.learning_rate,
        betas=(0.9, 0.95),
        fused=True,
    )
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)  # noqa: TID251 - our own file
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds = state["step"], state["seconds"]
        say(f"going on from step {first}")
    rows, loss_of = Rows(recipe, tokenizer), torch.compile(_loss) if compiled else _loss
    mark, kept = time.perf_counter(), []
    for step in range(first, recipe.steps):
        if step == recipe.restart_step:
            _restart(model, optimizer)
        for group in optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(step)
        ids, weights = (tensor.to(device) for tensor in rows.batch(step))
        with torch.autocast(device, torch.bfloat16):
            loss = loss_of(model, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        kept.append(loss.item())
        if (step + 1) % 50 == 0:
            now = time.perf_counter()
            seconds, mark = seconds + now - mark, now
            row = {
                "step": step + 1,
                "loss": round(float(np.mean(kept)), 4),
                "learning_rate": recipe.learning_rate_at(step),
                "tokens": (step + 1) * recipe.tokens_per_step,
                "seconds": round(seconds, 1),
            }
            kept = []
            with (work / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            say(json.dumps(row))
        if (step + 1) % 200 == 0 or step + 1 == recipe.steps:
            staged = work / "state.tmp"
            torch.save(
                {
                    "model": model.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step + 1,
                    "seconds": seconds,
                },
                staged,
            )
            staged.replace(state_file)
            if step + 1 == recipe.decay_start:
                shutil.copy2(state_file, work / "before_decay.pt")
    return save(recipe, model, tokenizer, work)


def save(recipe: Recipe, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, work: Path) -> Path:
    """Write the model folder: bf16 safetensors, tokenizer with chat template, recipe, log and card."""
    folder = work / "model"
    model.config._attn_implementation = "sdpa"
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    log = [json.loads(line) for line in (work / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    last = log[-1] if log else {"loss": math.nan, "tokens": 0, "seconds": 0.0}
    made = asdict(recipe) | {
        "final_loss": last["loss"],
        "tokens": last["tokens"],
        "seconds": last["seconds"],
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    (folder / "recipe.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in log), encoding="utf-8")
    weight_bytes = (folder / "model.safetensors").stat().st_size
    (folder / "README.md").write_text(card(made, weight_bytes, PROMPT_WEIGHT), encoding="utf-8")
    return folder
