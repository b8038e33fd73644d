"""Several continuations of one beginning in one pass: it is computed once, each of them sees it and itself.

The choices of a question share all of the question; computed apart, it would be read again for each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

from core.model.packed import PackedBatch, refuse_special

Continued = tuple[tuple[int, ...], int]  # ids, and where the continuation begins


@dataclass(frozen=True)
class Forks:
    """How the tokens of a forked batch see each other, stem by stem.

    lengths: tokens of each stem with its branches.
    seen: for each, which tokens a token sees, (length, length) bool.
    positions: for each, (length,) int64.
    """

    lengths: tuple[int, ...]
    seen: tuple[torch.Tensor, ...]
    positions: tuple[torch.Tensor, ...]


def make_batch(groups: Sequence[Sequence[Continued]], device: torch.device) -> PackedBatch:
    """Lay out groups of continuations, the beginning that a group has in common once.

    Args:
        groups: The continuations of one beginning together; the first token of a text is never predicted.
    """
    ids: list[int] = []
    predicting: list[int] = []
    targets: list[int] = []
    lengths, masks, places = [], [], []
    for group in groups:
        origin = len(ids)
        stem = common_length(group)
        ids += group[0][0][:stem]
        branches = [texts[stem:] for texts, _ in group]
        begins = [origin + stem]
        for branch in branches:
            ids += branch
            begins.append(len(ids))
        for (texts, start), begin in zip(group, begins, strict=False):
            for token in range(max(start, 1), len(texts)):
                before = token - 1
                predicting.append(origin + before if before < stem else begin + before - stem)
                targets.append(texts[token])
        lengths.append(len(ids) - origin)
        mask, positions = _see(stem, [len(branch) for branch in branches])
        masks.append(mask.to(device))
        places.append(positions)
    forks = Forks(tuple(lengths), tuple(masks), tuple(one.to(device) for one in places))
    return PackedBatch(
        torch.tensor([ids], dtype=torch.int64, device=device),
        torch.cat(places)[None].to(device),
        forks,  # type: ignore[arg-type]
        torch.tensor(predicting, dtype=torch.int64, device=device),
        torch.tensor(targets, dtype=torch.int64, device=device),
    )


def common_length(group: Sequence[Continued]) -> int:
    """Return how many tokens all texts of a group begin with, at least none and never all of one."""
    shortest = min(len(texts) for texts, _ in group)
    first = group[0][0]
    length = 0
    while length < shortest - 1 and all(texts[length] == first[length] for texts, _ in group):
        length += 1
    return length


def _see(stem: int, branches: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return which tokens each token sees, (tokens, tokens) bool, and where each stands in its text, (tokens,)."""
    owner = torch.cat([torch.full((count,), place) for place, count in enumerate([stem, *branches])])
    positions = torch.cat([torch.arange(stem), *(torch.arange(stem, stem + count) for count in branches)])
    related = (owner[None, :] == owner[:, None]) | (owner[None, :] == 0)
    return related & (positions[None, :] <= positions[:, None]), positions


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    documents: Forks | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within each stem and its branches, as transformers' attention interface wants it.

    Args:
        query, key, value: (1, heads, tokens, head size); key and value may have fewer heads.

    Returns:
        (1, tokens, heads, head size), in the number format of the query.
    """
    if documents is None:
        raise ValueError("forked attention needs the forks of the batch")
    refuse_special(others)
    grouped = query.shape[1] != key.shape[1]
    parts = []
    split = [part.float().split(documents.lengths, dim=2) for part in (query, key, value)]
    for one_q, one_k, one_v, seen, places in zip(*split, documents.seen, documents.positions, strict=True):
        near = seen if sliding_window is None else seen & (places[:, None] - places[None, :] < sliding_window)
        parts.append(
            F.scaled_dot_product_attention(one_q, one_k, one_v, attn_mask=near, scale=scaling, enable_gqa=grouped)
        )
    return torch.cat(parts, dim=2).transpose(1, 2).to(query.dtype), None


AttentionInterface.register("forked", attend)
