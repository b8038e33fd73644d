"""Answers of a model to benchmark items: chosen ones by likelihood, written ones by greedy decoding.

Code may be written several times over, drawn by a seed; then an item's score is the share of answers that pass.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from random import Random
from typing import Any

import torch

from core.datasets.chat import ChatFormat, Encoded
from core.evaluation.benchmarks import Item
from core.evaluation.grading import grade
from core.evaluation.spec import MOST_NEW_TOKENS, TEMPERATURE
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
    """Answers to a whole benchmark; `tokens` were written, `seconds` is wall time.

    `passed` counts the right answers to each item that was answered several times.
    """

    answers: tuple[Answer, ...]
    tokens: int
    seconds: float
    passed: Mapping[str, int] = field(default_factory=dict)


Report = Callable[[int, int], None]


def answer_items(
    model: Any,
    chat: ChatFormat,
    engine: Scorer,
    items: Sequence[Item],
    device: torch.device,
    report: Report | None = None,
    should_stop: Callable[[], bool] | None = None,
    samples: int = 1,
    seed: int = 0,
) -> Answers | None:
    """Return the model's answers in the order of the items, or None if `should_stop` said so.

    Args:
        model: Base or base with adapter, in the state (adapter on or off) that is to be measured.
        samples: How often code is written; above 1 it is drawn, the same for the same seed.
    """
    began = time.monotonic()
    told = report or (lambda done, total: None)
    stop = should_stop or (lambda: False)
    texts: dict[str, str] = {}
    chosen = [item for item in items if item.type == "choice"]
    drawn = [item for item in items if samples > 1 and item.type == "code"]
    written = [item for item in items if item.type != "choice" and not (samples > 1 and item.type == "code")]
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
        texts |= {item.id: answer for (item, _), answer in zip(rows, answers, strict=True)}
        tokens += count
        told(len(texts), len(items))
    tries: dict[str, list[str]] = {item.id: [] for item in drawn}
    for rows in _writing_batches([item for item in drawn for _ in range(samples)], chat, limit):
        if stop():
            return None
        answers, count = _write(model, chat, rows, device, limit, _Dice(rows, tries, seed))
        for (item, _), answer in zip(rows, answers, strict=True):
            tries[item.id].append(answer)
        tokens += count
        told(len(texts) + sum(map(len, tries.values())) // samples, len(items))
    passed = _count_passed(drawn, tries, stop)
    if passed is None:
        return None
    texts |= {name: answers[0] for name, answers in tries.items()}
    graded = tuple(
        Answer(
            item.id,
            item.component,
            texts[item.id],
            passed[item.id] / samples if item.id in passed else grade(item, texts[item.id]),
        )
        for item in items
    )
    return Answers(graded, tokens, time.monotonic() - began, passed)


def _count_passed(
    items: Sequence[Item], tries: Mapping[str, Sequence[str]], stop: Callable[[], bool]
) -> dict[str, int] | None:
    """Return how many answers to each item are right; the same answer is graded once."""
    passed: dict[str, int] = {}
    for item in items:
        scores: dict[str, float] = {}
        for answer in tries[item.id]:
            if stop():
                return None
            scores.setdefault(answer, -1.0)
            if scores[answer] < 0:
                scores[answer] = grade(item, answer)
        passed[item.id] = sum(scores[answer] == 1.0 for answer in tries[item.id])
    return passed


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


def _likeliest(scores: torch.Tensor) -> torch.Tensor:
    return scores.argmax(dim=-1)


class _Dice:
    """Draws tokens; each row has a stream of its own, so what an item gets does not hang on its neighbours.

    `before` holds the answers that each item has already: the next one gets another stream.
    """

    def __init__(self, rows: Sequence[tuple[Item, list[int]]], before: Mapping[str, Sequence[str]], seed: int) -> None:
        count = Counter({name: len(answers) for name, answers in before.items()})
        self.streams = []
        for item, _ in rows:
            self.streams.append(Random(f"{seed} {count[item.id]} {item.id}"))
            count[item.id] += 1

    def __call__(self, scores: torch.Tensor) -> torch.Tensor:
        """Return a token for each row of scores (rows, vocabulary)."""
        sums = torch.softmax(scores.double() / TEMPERATURE, dim=-1).cumsum(dim=-1)
        points = torch.tensor([stream.random() for stream in self.streams], dtype=torch.float64, device=scores.device)
        places = torch.searchsorted(sums, points[:, None] * sums[:, -1:])
        return places.squeeze(1).clamp(max=scores.shape[-1] - 1)


@torch.no_grad()
def _write(
    model: Any,
    chat: ChatFormat,
    rows: list[tuple[Item, list[int]]],
    device: torch.device,
    limit: int,
    pick: Callable[[torch.Tensor], torch.Tensor] = _likeliest,
) -> tuple[list[str], int]:
    """Return the answers of a batch and how many tokens were written.

    Args:
        pick: Gives the next token of each row from the scores of the vocabulary.
    """
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
            following = pick(out.logits[:, -1])
            following = torch.where(done, torch.full_like(following, chat.pad_id), following)
            written.append(following)
            done = done | torch.isin(following, stops)
            if bool(done.all()):
                break
            ids = following[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            positions = positions[:, -1:] + 1
    table = torch.stack(written, dim=1).cpu().tolist() if written else [[] for _ in rows]
    answers, count = [], 0
    for tokens in table:
        end = next((index for index, token in enumerate(tokens) if token in chat.stop_ids), len(tokens))
        answers.append(chat.decode(tokens[:end]))
        count += end
    return answers, count
