"""Several continuations of one beginning in one pass: it is computed once, each of them sees it and itself.

The choices of a question share all of the question, and the questions about a text all of the text; computed apart, it
would be read again for each of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

from core.model.packed import PackedBatch, decode, plain_head, refuse_special, score

Continued = tuple[tuple[int, ...], int]  # ids, and where the continuation begins
Slice = tuple[int, int]  # places in the batch, begin and end


@dataclass(frozen=True)
class Forks:
    """How the tokens of a forked batch see each other, segment by segment.

    lengths: tokens of each segment.
    paths: for each, the places before it in its text, all of which it sees.
    seen: for each, which of path and segment a token sees, (length, path + length) bool; None where it is plain: no
        path, and each token sees those before it.
    positions: for each, where path and segment stand in their texts, (path + length,) int64.
    """

    lengths: tuple[int, ...]
    paths: tuple[tuple[Slice, ...], ...]
    seen: tuple[torch.Tensor | None, ...]
    positions: tuple[torch.Tensor, ...]


@dataclass
class _Layout:
    """A batch under construction."""

    device: torch.device
    ids: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    paths: list[tuple[Slice, ...]] = field(default_factory=list)
    seen: list[torch.Tensor | None] = field(default_factory=list)
    positions: list[torch.Tensor] = field(default_factory=list)

    def add(self, parts: Sequence[Sequence[int]], path: tuple[Slice, ...] = ()) -> int:
        """Add texts that go on behind the same path, as one segment; return where it begins."""
        begin, before = len(self.ids), sum(end - start for start, end in path)
        sizes = [len(part) for part in parts]
        for part in parts:
            self.ids += part
        places = [torch.arange(before), *(torch.arange(before, before + size) for size in sizes)]
        self.lengths.append(sum(sizes))
        self.paths.append(path)
        self.positions.append(torch.cat(places).to(self.device))
        self.seen.append(None if not path and len(parts) == 1 else _see(before, sizes).to(self.device))
        return begin

    def finish(self, predicting: Sequence[int], targets: Sequence[int]) -> PackedBatch:
        forks = Forks(tuple(self.lengths), tuple(self.paths), tuple(self.seen), tuple(self.positions))
        own = [one[len(one) - length :] for one, length in zip(self.positions, self.lengths, strict=True)]
        return PackedBatch(
            torch.tensor([self.ids], dtype=torch.int64, device=self.device),
            torch.cat(own)[None],
            forks,  # type: ignore[arg-type]
            torch.tensor(predicting, dtype=torch.int64, device=self.device),
            torch.tensor(targets, dtype=torch.int64, device=self.device),
        )


def _see(before: int, sizes: Sequence[int]) -> torch.Tensor:
    """Return what each token of branches sees, (tokens, before + tokens) bool: all before, and its own branch."""
    owner = torch.cat([torch.full((size,), place) for place, size in enumerate(sizes)])
    order = torch.arange(len(owner))
    own = (owner[None, :] == owner[:, None]) & (order[None, :] <= order[:, None])
    return torch.cat([torch.ones(len(owner), before, dtype=torch.bool), own], dim=1)


def make_batch(groups: Sequence[Sequence[Continued]], device: torch.device) -> PackedBatch:
    """Lay out groups of continuations, the beginning that a group has in common once.

    Args:
        groups: The continuations of one beginning together; the first token of a text is never predicted.
    """
    layout = _Layout(device)
    predicting: list[int] = []
    targets: list[int] = []
    for group in groups:
        stem = common_length(group)
        path = _add_stem(layout, group[0][0][:stem])
        begin = layout.add([texts[stem:] for texts, _ in group], path)
        origin = path[0][0] if path else begin
        for texts, start in group:
            for token in range(max(start, 1), len(texts)):
                before = token - 1
                predicting.append(origin + before if before < stem else begin + before - stem)
                targets.append(texts[token])
            begin += len(texts) - stem
    return layout.finish(predicting, targets)


def _add_stem(layout: _Layout, stem: Sequence[int]) -> tuple[Slice, ...]:
    if not stem:
        return ()
    begin = layout.add([stem])
    return ((begin, begin + len(stem)),)


def common_length(group: Sequence[Continued]) -> int:
    """Return how many tokens all texts of a group begin with, at least none and never all of one."""
    return shared_length([texts for texts, _ in group])


def shared_length(texts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all texts begin with, at least none and never all of one."""
    most = min(len(text) for text in texts) - 1
    first = texts[0]
    length = 0
    while length < most and all(text[length] == first[length] for text in texts):
        length += 1
    return length


def make_readings(groups: Sequence[Sequence[Sequence[Sequence[int]]]], device: torch.device) -> PackedBatch:
    """Lay out texts with several endings each, to read what a model would write behind every ending.

    Args:
        groups: Texts that resemble each other; a text is the list of its endings, each with all before it. Within
            a text the common beginning is laid out once, and what a text has in common with the first of its group not
            again.

    Returns:
        A batch that predicts behind each ending, in the order given. Its targets say nothing.
    """
    layout = _Layout(device)
    predicting: list[int] = []
    for group in groups:
        main: Sequence[int] = ()
        whole: tuple[Slice, ...] = ()
        for endings in group:
            stem = endings[0][: shared_length(endings)]
            known = _agreement(stem, main)
            path = tuple((start, min(end, start + known)) for start, end in whole if known)
            if known < len(stem):
                begin = layout.add([stem[known:]], path)
                path = (*path, (begin, begin + len(stem) - known))
            if not main:
                main, whole = stem, path
            begin = layout.add([ending[len(stem) :] for ending in endings], path)
            for ending in endings:
                begin += len(ending) - len(stem)
                predicting.append(begin - 1)
    return layout.finish(predicting, [0] * len(predicting))


def _agreement(text: Sequence[int], main: Sequence[int]) -> int:
    return next(
        (place for place, (one, other) in enumerate(zip(text, main, strict=False)) if one != other),
        min(len(text), len(main)),
    )


@torch.no_grad()
def read_next(model: Any, batch: PackedBatch, choices: torch.Tensor) -> torch.Tensor:
    """Return a model's scores of the chosen tokens behind each ending, (endings, choices) fp32, up to a constant.

    Args:
        model: The base model with its adapter's layers in place, switched to forked attention.
        choices: (choices,) int64, ids of tokens.
    """
    head = plain_head(model)
    if head is None:
        return score(model, batch).float().index_select(1, choices)
    hidden = decode(model, batch).index_select(0, batch.predicting)
    bias = head.bias[choices] if head.bias is not None else None
    return F.linear(hidden.float(), head.weight.index_select(0, choices).float(), bias)


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
    """Attention of each segment to its path and itself, as transformers' attention interface wants it.

    Args:
        query, key, value: (1, heads, tokens, head size); key and value may have fewer heads.

    Returns:
        (1, tokens, heads, head size), in the number format of the query.
    """
    if documents is None:
        raise ValueError("forked attention needs the forks of the batch")
    refuse_special(others)
    return attend_segments(query.float(), key.float(), value.float(), documents, scaling, sliding_window).to(
        query.dtype
    ), None


def attend_segments(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    forks: Forks,
    scaling: float | None = None,
    window: int | None = None,
) -> torch.Tensor:
    """Return attention, one segment after the other, (1, tokens, heads, head size).

    Args:
        window: How many tokens back a token sees, None for all.
    """
    grouped = query.shape[1] != key.shape[1]
    parts = []
    begin = 0
    for length, path, seen, places in zip(forks.lengths, forks.paths, forks.seen, forks.positions, strict=True):
        end = begin + length
        mask = seen
        if window is not None and len(places) > window:
            mask = places[-length:, None] - places[None, :] < window
            mask &= seen if seen is not None else places[-length:, None] >= places[None, :]
        keys, values = (_gather(one, path, begin, end) for one in (key, value))
        parts.append(
            F.scaled_dot_product_attention(
                query[:, :, begin:end], keys, values, attn_mask=mask, is_causal=mask is None, scale=scaling,
                enable_gqa=grouped,
            )
        )  # fmt: skip
        begin = end
    return torch.cat(parts, dim=2).transpose(1, 2)


def _gather(whole: torch.Tensor, path: tuple[Slice, ...], begin: int, end: int) -> torch.Tensor:
    own = whole[:, :, begin:end]
    return torch.cat([*(whole[:, :, start:stop] for start, stop in path), own], dim=2) if path else own


AttentionInterface.register("forked", attend)
