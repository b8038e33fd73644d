"""Greedy answers to several questions about one text; the text is computed once, its keys and values serve all."""

from collections.abc import Sequence
from typing import Any

import torch

from core.model import packed
from core.model.forked import shared_length
from core.scoring.weights import Weights


@torch.no_grad()
def write(weights: Weights, prompts: Sequence[tuple[int, ...]], most: Sequence[int]) -> list[str]:
    """Return what the model writes behind each prompt about one text, up to its end mark.

    Args:
        prompts: Tokens of each prompt, with the beginning of the answer if there is one.
        most: Tokens that may be written behind each.
    """
    model, device, chat = weights.base, weights.device, weights.prompts.chat
    stem = shared_length(prompts) if weights.shares and len(prompts) > 1 else 0
    tails = [prompt[stem:] for prompt in prompts]
    width = max(len(tail) for tail in tails)
    # What is filled up lies between text and question, unseen, so that every row goes on from its last column.
    ids = torch.tensor([[chat.pad_id] * (width - len(tail)) + list(tail) for tail in tails], device=device)
    real = torch.tensor([[0] * (width - len(tail)) + [1] * len(tail) for tail in tails], device=device)
    mask = torch.cat([torch.ones(len(tails), stem, dtype=torch.int64, device=device), real], dim=1)
    places = (stem + real.cumsum(1) - 1).clamp(min=0)
    limits = torch.tensor(most, device=device)
    stops = torch.tensor(sorted(chat.stop_ids) or [-1], device=device)
    written: list[torch.Tensor] = []
    done = limits <= 0
    with packed.attending(model):
        cache = _read(model, prompts[0][:stem], len(prompts), device) if stem else None
        while not bool(done.all()):
            out = model(
                input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=cache, use_cache=True,
                logits_to_keep=1,
            )  # fmt: skip
            cache = out.past_key_values
            following = out.logits[:, -1].argmax(dim=-1)
            following = torch.where(done, torch.full_like(following, chat.pad_id), following)
            written.append(following)
            done = done | torch.isin(following, stops) | (len(written) >= limits)
            ids = following[:, None]
            mask = torch.cat([mask, torch.ones_like(ids)], dim=1)
            places = places[:, -1:] + 1
    table = torch.stack(written, dim=1).cpu().tolist() if written else [[] for _ in prompts]
    return [_decode(chat, row[:length]) for row, length in zip(table, most, strict=True)]


def _read(model: Any, stem: Sequence[int], rows: int, device: torch.device) -> Any:
    """Return keys and values of the common beginning, once for each row."""
    out = model(input_ids=torch.tensor([list(stem)], device=device), use_cache=True, logits_to_keep=1)
    out.past_key_values.batch_repeat_interleave(rows)
    return out.past_key_values


def _decode(chat: Any, tokens: list[int]) -> str:
    end = next((place for place, token in enumerate(tokens) if token in chat.stop_ids), len(tokens))
    return str(chat.decode(tokens[:end])).replace("\ufffd", "")  # half a character that was never finished
