"""Answers of a model to benchmark items: written ones by greedy decoding, chosen ones by likelihood."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch

from core.datasets.chat import ChatFormat, Encoded
from core.evaluation.benchmarks import Item
from core.evaluation.grading import grade
from core.evaluation.spec import MOST_NEW_TOKENS
from core.model import packed
from core.model.engines import Scorer

BATCH_TOKENS = 16_384  # prompt and answer of all rows of a batch together
LIKELIHOOD_TOKENS = 4_096


@dataclass(frozen=True)
class Answer:
    """A model's answer to one item, with its score from 0 to 1."""

    item: str
    component: str
    text: str
    score: float


@dataclass(frozen=True)
class Answers:
    """Answers to a whole benchmark; `tokens` were written, `seconds` is wall time."""

    answers: tuple[Answer, ...]
    tokens: int
    seconds: float


Report = Callable[[int, int], None]


def answer_items(
    model: Any,
    chat: ChatFormat,
    engine: Scorer,
    items: Sequence[Item],
    device: torch.device,
    report: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Answers | None:
    """Return the model's answers in the order of the items, or None if `should_stop` said so.

    Args:
        model: Base or base with adapter, in the state (adapter on or off) that is to be measured.
    """
    began = time.monotonic()
    told = report or (lambda done, total: None)
    stop = should_stop or (lambda: False)
    texts: dict[str, str] = {}
    chosen = [item for item in items if item.type == "choice"]
    written = [item for item in items if item.type != "choice"]
    tokens = 0
    for batch in _choice_batches(chosen, chat):
        if stop():
            return None
        texts |= _choose(engine, batch)
        told(len(texts), len(items))
    limit = int(getattr(model.config, "max_position_embeddings", 2048) or 2048)
    for rows in _writing_batches(written, chat, limit):
        if stop():
            return None
        answers, count = _write(model, chat, rows, device, limit)
        texts |= answers
        tokens += count
        told(len(texts), len(items))
    graded = tuple(Answer(item.id, item.component, texts[item.id], grade(item, texts[item.id])) for item in items)
    return Answers(graded, tokens, time.monotonic() - began)


# By likelihood


@dataclass(frozen=True)
class _Choice:
    item: Item
    text: str
    encoded: Encoded


def _choice_batches(items: Sequence[Item], chat: ChatFormat) -> list[list[_Choice]]:
    """Return batches of (item, choice) pairs; all choices of an item are in one batch."""
    batches: list[list[_Choice]] = []
    size = LIKELIHOOD_TOKENS
    for item in items:
        asked = [(item.prompt, choice) for choice in item.choices]
        pairs = chat.encode_pairs(asked, end=False, turns=[item.turns] * len(asked))
        choices = [
            _Choice(item, text, Encoded(tuple(ids), start, 0, 0))
            for text, (ids, start) in zip(item.choices, pairs, strict=True)
        ]
        needed = sum(len(choice.encoded.ids) for choice in choices)
        if size + needed > LIKELIHOOD_TOKENS:
            batches.append([])
            size = 0
        batches[-1] += choices
        size += needed
    return batches


def _choose(engine: Scorer, batch: list[_Choice]) -> dict[str, str]:
    """Return for each item the choice with the highest log-likelihood per byte, so that length gives no advantage."""
    groups = [list(group) for _, group in groupby(batch, key=lambda choice: choice.item.id)]
    losses = engine.continuation_losses([[choice.encoded for choice in group] for group in groups])
    best: dict[str, str] = {}
    for group, found in zip(groups, losses, strict=True):
        per_byte = [
            float(loss.sum()) / len(choice.text.encode("utf-8")) for choice, loss in zip(group, found, strict=True)
        ]
        best[group[0].item.id] = group[per_byte.index(min(per_byte))].text
    return best


# By writing


def _writing_batches(items: Sequence[Item], chat: ChatFormat, limit: int) -> list[list[tuple[Item, list[int]]]]:
    """Return batches of (item, prompt tokens), similar lengths together, as many rows as the token budget allows."""
    encoded = chat.encode_prompts([item.prompt for item in items], [item.turns for item in items])
    rows = sorted(zip(items, encoded, strict=True), key=lambda row: (MOST_NEW_TOKENS[row[0].type], len(row[1])))
    batches: list[list[tuple[Item, list[int]]]] = []
    for item, ids in rows:
        # A prompt beyond the model's context loses its beginning; room for an answer stays.
        kept = ids[-(limit - MOST_NEW_TOKENS[item.type]) :] if len(ids) + MOST_NEW_TOKENS[item.type] > limit else ids
        width = len(kept) + MOST_NEW_TOKENS[item.type]
        if not batches or (len(batches[-1]) + 1) * width > BATCH_TOKENS:
            batches.append([])
        batches[-1].append((item, kept))
    return batches


@torch.no_grad()
def _write(
    model: Any, chat: ChatFormat, rows: list[tuple[Item, list[int]]], device: torch.device, limit: int
) -> tuple[dict[str, str], int]:
    """Return the greedily decoded answers of a batch and how many tokens were written."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    longest = max(len(ids) for _, ids in rows)
    ids = torch.full((len(rows), longest), chat.pad_id, dtype=torch.int64)
    mask = torch.zeros((len(rows), longest), dtype=torch.int64)
    for row, (_, prompt) in enumerate(rows):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    ids, mask = ids.to(device), mask.to(device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    most = min(max(MOST_NEW_TOKENS[item.type] for item, _ in rows), limit - longest)
    stops = torch.tensor(sorted(chat.stop_ids) or [-1], device=device)
    written: list[torch.Tensor] = []
    done = torch.zeros(len(rows), dtype=torch.bool, device=device)
    cache: Any = None
    with packed.attending(base):
        for _ in range(most):
            out = base(
                input_ids=ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = out.past_key_values
            following = out.logits[:, -1].argmax(dim=-1)
            following = torch.where(done, torch.full_like(following, chat.pad_id), following)
            written.append(following)
            done = done | torch.isin(following, stops)
            if bool(done.all()):
                break
            ids = following[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            positions = positions[:, -1:] + 1
    table = torch.stack(written, dim=1).cpu().tolist() if written else [[] for _ in rows]
    answers, count = {}, 0
    for (item, _), tokens in zip(rows, table, strict=True):
        end = next((index for index, token in enumerate(tokens) if token in chat.stop_ids), len(tokens))
        answers[item.id] = chat.decode(tokens[:end])
        count += end
    return answers, count
