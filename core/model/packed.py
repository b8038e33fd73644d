"""Forward passes without padding: the examples of a batch lie end to end, each attends to itself alone, and the output
layer is computed at the supervised positions only.

A batch padded to its longest example wastes half its work on typical data, and most of the rest goes into vocabulary
scores that no loss reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers import AttentionInterface

# Models whose output layer is a plain product, without scaling or capping of the scores.
PLAIN_HEADS = {"llama", "mistral", "qwen2", "qwen3", "phi3", "smollm3", "gemma", "olmo", "olmo2", "stablelm"}
# What makes attention another than softmax over the scores of the tokens before; padded batches compute it.
SPECIAL_CONFIG = ("attn_logit_softcapping", "attention_chunk_size")
SPECIAL_ARGUMENTS = ("s_aux", "sinks", "softcap", "position_bias", "indices", "block_indices")
PACKABLE_LAYERS = {"full_attention", "sliding_attention"}
LOGITS_BYTES_PER_CHUNK = 16_000_000


@dataclass(frozen=True)
class Documents:
    """Where each example of a packed batch begins: `offsets` is int32 of (examples + 1) on the model's device."""

    lengths: tuple[int, ...]
    offsets: torch.Tensor

    @property
    def longest(self) -> int:
        return max(self.lengths)


@dataclass(frozen=True)
class PackedBatch:
    """Examples end to end.

    ids, positions: (1, tokens) int64; positions start at 0 in each example.
    predicting: (supervised,) int64, the places whose next token counts in the loss.
    targets: (supervised,) int64, those next tokens.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    documents: Documents
    predicting: torch.Tensor
    targets: torch.Tensor

    @property
    def tokens(self) -> int:
        return self.ids.shape[1]


def make_batch(examples: list[tuple[tuple[int, ...], int]], device: torch.device) -> PackedBatch:
    """Pack (ids, response start) pairs; a response that starts at 0 is predicted from its second token on."""
    lengths = tuple(len(ids) for ids, _ in examples)
    flat: list[int] = []
    predicting: list[int] = []
    for ids, start in examples:
        begin = len(flat)
        flat.extend(ids)
        predicting.extend(range(begin + max(start, 1) - 1, begin + len(ids) - 1))
    all_ids = torch.tensor(flat, dtype=torch.int64)
    places = torch.tensor(predicting, dtype=torch.int64)
    positions = torch.cat([torch.arange(length) for length in lengths])
    offsets = torch.tensor((0, *lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return PackedBatch(
        all_ids[None].to(device),
        positions[None].to(device),
        Documents(lengths, offsets.to(device)),
        places.to(device),
        all_ids[places + 1].to(device),
    )


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    dropout: float = 0.0,
    documents: Documents | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention within each document of a packed batch, as transformers' attention interface wants it.

    Args:
        query, key, value: (1, heads, tokens, head size); key and value may have fewer heads.

    Returns:
        (1, tokens, heads, head size), in the number format of the query.
    """
    if documents is None:
        raise ValueError("packed attention needs the documents of the batch")
    refuse_special(others)
    grouped = query.shape[1] != key.shape[1]
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        from torch.nn.attention.varlen import varlen_attn

        window = (-1, 0) if sliding_window is None else (sliding_window - 1, 0)
        out = varlen_attn(
            query[0].transpose(0, 1),
            key[0].transpose(0, 1),
            value[0].transpose(0, 1),
            documents.offsets,
            documents.offsets,
            documents.longest,
            documents.longest,
            scale=scaling,
            window_size=window,
            enable_gqa=grouped,
        )
        assert isinstance(out, torch.Tensor)
        return out[None], None
    kind = query.dtype
    # On processors attention in bf16 is slower than in fp32.
    return attend_each(query.float(), key.float(), value.float(), documents, scaling, dropout, sliding_window).to(
        kind
    ), None


def refuse_special(others: Mapping[str, Any]) -> None:
    """Refuse arguments of an attention that is another than softmax over the scores of the tokens before."""
    special = [name for name in SPECIAL_ARGUMENTS if others.get(name) is not None]
    if special:
        raise ValueError(f"packed attention does not know {', '.join(special)}")


def attend_each(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    documents: Documents,
    scaling: float | None = None,
    dropout: float = 0.0,
    window: int | None = None,
) -> torch.Tensor:
    """Return causal attention, one document after the other, (1, tokens, heads, head size)."""
    q, k, v = (part.split(documents.lengths, dim=2) for part in (query, key, value))
    grouped = query.shape[1] != key.shape[1]
    parts = []
    for one_q, one_k, one_v in zip(q, k, v, strict=True):
        window_mask = _window_mask(one_q.shape[2], window, query.device)
        parts.append(
            F.scaled_dot_product_attention(
                one_q,
                one_k,
                one_v,
                attn_mask=window_mask,
                dropout_p=dropout,
                is_causal=window_mask is None,
                scale=scaling,
                enable_gqa=grouped,
            )
        )
    return torch.cat(parts, dim=2).transpose(1, 2)


def _window_mask(length: int, window: int | None, device: torch.device) -> torch.Tensor | None:
    """Return which of the earlier tokens are seen, (length, length) bool, or None where all are."""
    if window is None or length <= window:
        return None
    distance = torch.arange(length, device=device)[:, None] - torch.arange(length, device=device)
    return (distance >= 0) & (distance < window)


AttentionInterface.register("packed", attend)


def prepare(model: Any) -> None:
    """Remember which attention the model answers with, so that training can switch and switch back."""
    model._answering_attention = model.config._attn_implementation


def can_pack(model: Any) -> bool:
    """Return whether packing computes what the architecture means: plain attention, and nothing else between tokens."""
    config = model.config
    if not getattr(model, "_supports_attention_backend", False) or getattr(model, "_is_stateful", False):
        return False
    if any(getattr(config, name, None) for name in SPECIAL_CONFIG):
        return False
    if not set(getattr(config, "layer_types", None) or ()) <= PACKABLE_LAYERS:
        return False
    return not any("sink" in name.rpartition(".")[2] for name, _ in model.named_parameters())


def switch(model: Any, implementation: str) -> None:
    """Let the model use this attention from now on."""
    if model.config._attn_implementation != implementation:
        model.set_attn_implementation(implementation)


class attending:
    """Switch the model's attention within a block."""

    def __init__(self, model: Any, implementation: str | None = None) -> None:
        self.model = model
        self.implementation = implementation or model._answering_attention

    def __enter__(self) -> None:
        self.before = self.model.config._attn_implementation
        switch(self.model, self.implementation)

    def __exit__(self, *_: object) -> None:
        switch(self.model, self.before)


def loss_sum(model: Any, batch: PackedBatch) -> torch.Tensor:
    """Return the sum of the negative log-likelihoods of the supervised tokens, in nats, as a scalar in fp32.

    Args:
        model: The base model with its adapter's layers in place, switched to packed attention.
    """
    head = plain_head(model)
    if head is not None:
        hidden = decode(model, batch).index_select(0, batch.predicting)
        total: torch.Tensor = HeadLoss.apply(hidden, head.weight, head.bias, batch.targets, len(batch.targets))
        return total
    return F.cross_entropy(score(model, batch).float(), batch.targets, reduction="sum")


@torch.no_grad()
def token_losses(model: Any, batch: PackedBatch) -> torch.Tensor:
    """Return the negative log-likelihood of each supervised token, (supervised,) fp32, in nats."""
    head = plain_head(model)
    if head is None:
        return F.cross_entropy(score(model, batch).float(), batch.targets, reduction="none")
    hidden = decode(model, batch).index_select(0, batch.predicting)
    return head_losses(hidden, head.weight, head.bias, batch.targets)


def head_losses(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> torch.Tensor:
    """Return the cross-entropy of each row of hidden states with its target, (rows,) fp32, computed in pieces."""
    rows = _rows_per_chunk(weight)
    return torch.cat(
        [
            F.cross_entropy(F.linear(piece, weight, bias).float(), wanted, reduction="none")
            for piece, wanted in zip(hidden.split(rows), targets.split(rows), strict=True)
        ]
    )


def plain_head(model: Any) -> torch.nn.Linear | None:
    """Return the output layer if its product is all there is to the scores and no gradient of it is wanted."""
    head = model.get_output_embeddings()
    plain = model.config.model_type in PLAIN_HEADS and type(head) is torch.nn.Linear and not head.weight.requires_grad
    return head if plain else None


def decode(model: Any, batch: PackedBatch) -> torch.Tensor:
    """Return the last hidden states, (tokens, hidden size)."""
    states: torch.Tensor = model.get_decoder()(
        input_ids=batch.ids, position_ids=batch.positions, use_cache=False, documents=batch.documents
    ).last_hidden_state[0]
    return states


def score(model: Any, batch: PackedBatch) -> torch.Tensor:
    scores: torch.Tensor = model(
        input_ids=batch.ids,
        position_ids=batch.positions,
        use_cache=False,
        documents=batch.documents,
        logits_to_keep=batch.predicting,
    ).logits[0]
    return scores


def _rows_per_chunk(weight: torch.Tensor) -> int:
    return max(32, LOGITS_BYTES_PER_CHUNK // (4 * weight.shape[0]) // 32 * 32)


class HeadLoss(torch.autograd.Function):
    """Output layer and cross-entropy in pieces, with the gradient of the hidden states computed on the way.

    The frozen output layer needs no gradient, so the scores of a piece are used at once and never kept: memory does not
    grow with the vocabulary. Rows from `count` on are filling and count for nothing.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        count: int,
    ) -> torch.Tensor:
        rows = _rows_per_chunk(weight)
        total = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, hidden.shape[0], rows):
            piece, wanted = hidden[start : start + rows], targets[start : start + rows, None]
            scores = F.linear(piece, weight, bias).float()
            norm = torch.logsumexp(scores, dim=1, keepdim=True)
            real = max(0, min(rows, count - start))
            total += (norm[:real] - scores[:real].gather(1, wanted[:real])).sum()
            if gradient is not None:
                probability = scores.sub_(norm).exp_()
                probability.scatter_add_(1, wanted, torch.full_like(norm, -1.0))
                probability[real:] = 0
                torch.mm(probability.to(weight.dtype), weight, out=gradient[start : start + rows])
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor | None, None, None, None, None]:
        (gradient,) = ctx.saved_tensors
        return (gradient * outer.to(gradient.dtype) if gradient is not None else None), None, None, None, None
