"""A forward and backward pass of our own for Llama-like bases with LoRA, made for processors.

What it saves against the general way, with the same result up to rounding:
- query, key and value are one product, gate and up another, and so are their adapters;
- the base is frozen, so no gradient of it is prepared, and no input is kept for one;
- products run in bf16 where the processor has matrix units for it, everything else in fp32;
- batches are filled up to multiples of 128 tokens, since every new shape costs the matrix library the making of new
  code, which takes longer than a small product itself;
- the output layer sees the supervised positions only.

The adapter's weights are PEFT's own parameters; nothing here needs saving.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from core.datasets.chat import Encoded
from core.model import forked, packed
from core.model.kernels import Kernels, random_bytes

MODEL_TYPES = {"llama", "mistral", "qwen2"}
TOKEN_STEP = 128
TARGET_STEP = 32


@dataclass
class _Projection:
    """Frozen layers that share their input, as one product, with the adapters of those that have one.

    weight: (outputs, inputs) in the number format of the products.
    slices: Rows of `weight` to which each adapter adds.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    downs: list[torch.nn.Parameter]
    ups: list[torch.nn.Parameter]
    slices: list[slice]
    scales: list[float]
    dropout: float
    adapted: list[Any]

    @property
    def is_adapted(self) -> bool:
        """Whether there are adapters and they are switched on now."""
        return bool(self.adapted) and not self.adapted[0].disable_adapters


@dataclass
class _Block:
    input_norm: torch.Tensor
    attention_norm: torch.Tensor
    mixed: _Projection
    out: _Projection
    both: _Projection
    down: _Projection
    window: int | None


def fits(base: Any) -> bool:
    """Return whether a base can take this way: Llama-like, on a processor, plain LoRA, not quantised."""
    config, decoder = base.config, base.get_decoder()
    if config.model_type not in MODEL_TYPES or next(base.parameters()).device.type != "cpu":
        return False
    if getattr(config, "hidden_act", "silu") != "silu" or getattr(config, "quantization_config", None):
        return False
    if getattr(decoder, "gradient_checkpointing", False) or getattr(config, "attention_dropout", 0.0):
        return False
    if (
        type(decoder.embed_tokens) is not torch.nn.Embedding
        or type(base.get_output_embeddings()) is not torch.nn.Linear
    ):
        return False
    return all(
        _is_plain(layer)
        for block in decoder.layers
        for layer in (*block.self_attn.children(), *block.mlp.children())
        if hasattr(layer, "weight")
    )


def _is_plain(layer: Any) -> bool:
    """Return whether a layer is a Linear, bare or with one vanilla LoRA adapter."""
    inner = getattr(layer, "base_layer", layer)
    if type(inner) is not torch.nn.Linear or (inner.bias is not None and inner.bias.requires_grad):
        return False
    if inner is layer:
        return True
    return list(layer.lora_A) == ["default"] and not layer.lora_variant and not layer.merged


def _window(attention: Any, config: Any) -> int | None:
    """Return how many tokens back a layer sees, or None for all: Mistral says so in its configuration only."""
    if config.model_type == "mistral":
        return getattr(config, "sliding_window", None)
    return getattr(attention, "sliding_window", None)


class LeanEngine:
    """Computes training losses for bases that `fits` accepts."""

    mergeable = True

    def __init__(self, base: Any, kernels: Kernels, kind: torch.dtype) -> None:
        decoder = base.get_decoder()
        self.name = f"lean, {kernels.name}, {str(kind).removeprefix('torch.')}"
        self.kernels = kernels
        self.kind = kind
        self.base = base
        self.rotary = decoder.rotary_emb
        self.embedding = decoder.embed_tokens.weight
        self.final_norm = decoder.norm.weight.detach().float()
        self.eps = float(base.config.rms_norm_eps)
        self.heads = int(base.config.num_attention_heads)
        self.key_value_heads = int(base.config.num_key_value_heads)
        self.size = int(getattr(base.config, "head_dim", None) or base.config.hidden_size // self.heads)
        self.head = base.get_output_embeddings().weight.detach().to(kind)
        self.blocks = [self._block(layer) for layer in decoder.layers]

    def _block(self, layer: Any) -> _Block:
        attention, mlp = layer.self_attn, layer.mlp
        return _Block(
            input_norm=layer.input_layernorm.weight.detach().float(),
            attention_norm=layer.post_attention_layernorm.weight.detach().float(),
            mixed=self._projection(attention.q_proj, attention.k_proj, attention.v_proj),
            out=self._projection(attention.o_proj),
            both=self._projection(mlp.gate_proj, mlp.up_proj),
            down=self._projection(mlp.down_proj),
            window=_window(attention, self.base.config),
        )

    def _projection(self, *layers: Any) -> _Projection:
        inner = [getattr(layer, "base_layer", layer) for layer in layers]
        weight = torch.cat([one.weight.detach().to(self.kind) for one in inner])
        if inner[0].weight.dtype == self.kind:  # share the memory: the model answers with views of the fused weights
            for one, view in zip(inner, weight.split([part.weight.shape[0] for part in inner]), strict=True):
                one.weight.data = view
        bias = None
        if any(one.bias is not None for one in inner):
            bias = torch.cat(
                [
                    one.bias.detach().to(self.kind)
                    if one.bias is not None
                    else torch.zeros(one.weight.shape[0], dtype=self.kind)
                    for one in inner
                ]
            )
        made = _Projection(weight, bias, [], [], [], [], 0.0, [])
        begin = 0
        for layer, one in zip(layers, inner, strict=True):
            end = begin + one.weight.shape[0]
            if one is not layer:
                made.adapted.append(layer)
                made.downs.append(layer.lora_A["default"].weight)
                made.ups.append(layer.lora_B["default"].weight)
                made.slices.append(slice(begin, end))
                made.scales.append(float(layer.scaling["default"]))
                made.dropout = float(getattr(layer.lora_dropout["default"], "p", 0.0))
            begin = end
        return made

    def loss_sum(self, examples: list[Encoded]) -> torch.Tensor:
        batch = packed.make_batch([(example.ids, example.response_start) for example in examples], torch.device("cpu"))
        hidden, targets, count = self._hidden(batch)
        total: torch.Tensor = packed.HeadLoss.apply(hidden, self.head, None, targets, count)
        return total

    def shared_loss_sum(self, groups: list[list[Encoded]]) -> torch.Tensor:
        """Return the same sum over groups of examples that begin alike, each beginning computed once."""
        batch = forked.make_batch(
            [[(example.ids, example.response_start) for example in group] for group in groups], torch.device("cpu")
        )
        hidden, targets, count = self._hidden(batch)
        total: torch.Tensor = packed.HeadLoss.apply(hidden, self.head, None, targets, count)
        return total

    @torch.no_grad()
    def token_losses(self, examples: list[Encoded]) -> list[torch.Tensor]:
        batch = packed.make_batch([(example.ids, example.response_start) for example in examples], torch.device("cpu"))
        hidden, targets, count = self._hidden(batch)
        losses = packed.head_losses(hidden, self.head, None, targets)[:count]
        return list(losses.split([example.supervised for example in examples]))

    @torch.no_grad()
    def read_next(self, batch: packed.PackedBatch, choices: torch.Tensor) -> torch.Tensor:
        """Return the scores of the chosen tokens behind each ending (see `forked.make_readings`), up to a constant."""
        hidden, _, count = self._hidden(batch)
        return F.linear(hidden[:count], self.head.index_select(0, choices)).float()

    def _hidden(self, batch: packed.PackedBatch) -> tuple[torch.Tensor, torch.Tensor, int]:
        """Return the normed last hidden states at the predicting positions, their targets, and how many are real.

        Both are filled up to a multiple of 32 rows.
        """
        forks = batch.documents if isinstance(batch.documents, forked.Forks) else None
        filling = 0 if forks else -batch.tokens % TOKEN_STEP
        ids = F.pad(batch.ids[0], (0, filling))
        positions = torch.cat([batch.positions, torch.arange(filling)[None]], dim=1)
        lengths = (*batch.documents.lengths, filling) if filling else batch.documents.lengths
        count = batch.targets.shape[0]
        places, targets = (F.pad(one, (0, -count % TARGET_STEP)) for one in (batch.predicting, batch.targets))
        x = F.embedding(ids, self.embedding).float()
        cos, sin = (table[0].float() for table in self.rotary(x, positions))
        training = bool(self.base.training)
        reading = forks is not None and not torch.is_grad_enabled()
        normed, _ = self.kernels.norm(x, self.blocks[0].input_norm, self.eps, self.kind)
        for number, block in enumerate(self.blocks):
            mixed = self._product(normed, block.mixed, training)
            query, key, value = _Rotate.apply(mixed, cos, sin, self)
            attended = self._attend(query, key, value, forks or lengths, block.window)
            if reading and number + 1 == len(self.blocks):  # behind the last attention only what is read counts
                x, attended = x.index_select(0, places), attended.index_select(0, places)
            x, normed = _AddNorm.apply(x, self._product(attended, block.out, training), block.attention_norm, self)
            gated = _Gate.apply(self._product(normed, block.both, training), self)
            following = self.blocks[number + 1].input_norm if number + 1 < len(self.blocks) else self.final_norm
            x, normed = _AddNorm.apply(x, self._product(gated, block.down, training), following, self)
        return normed if reading else normed.index_select(0, places), targets, count

    def _product(self, x: torch.Tensor, projection: _Projection, training: bool) -> torch.Tensor:
        dropout = projection.dropout if training else 0.0
        adapters = (*projection.downs, *projection.ups) if projection.is_adapted else ()
        out: torch.Tensor = _Product.apply(x, projection, dropout, self.kernels, *adapters)
        return out

    def _attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        layout: tuple[int, ...] | forked.Forks,
        window: int | None,
    ) -> torch.Tensor:
        """Return attention within each document, or along forks, (tokens, heads x size)."""
        q, k, v = (part.transpose(0, 1)[None] for part in (query, key, value))
        if isinstance(layout, forked.Forks):
            return forked.attend_segments(q, k, v, layout, window=window)[0].flatten(1).to(self.kind)
        documents = packed.Documents(layout, torch.empty(0))
        return packed.attend_each(q, k, v, documents, window=window)[0].flatten(1).to(self.kind)


class _Product(torch.autograd.Function):
    """x W^T + b + sum of scale_i (dropped x) A_i^T B_i^T, the adapters as two products for all of them."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, projection: _Projection, dropout: float, kernels: Kernels, *adapters: torch.Tensor
    ) -> torch.Tensor:
        out = F.linear(x, projection.weight, projection.bias)
        ctx.projection = projection
        if not adapters:
            ctx.save_for_backward()
            return out
        half = len(adapters) // 2
        down = torch.cat(adapters[:half]).to(x.dtype) if half > 1 else adapters[0].to(x.dtype)
        up = _place(adapters[half:], projection, out.shape[1], x.dtype)
        threshold = round(dropout * 256)  # rounded to 1/256, so that a random byte decides
        noise = random_bytes(x.shape) if threshold else None
        kept = kernels.drop(x, noise, threshold) if threshold else x
        narrow = kept @ down.t()
        out.addmm_(narrow, up.t())
        ctx.kernels, ctx.threshold = kernels, threshold
        ctx.ranks = [one.shape[0] for one in adapters[:half]]
        ctx.save_for_backward(kept, down, up, narrow, noise)
        return out

    @staticmethod
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        projection: _Projection = ctx.projection
        gradient = outer @ projection.weight if ctx.needs_input_grad[0] else None
        if not ctx.saved_tensors:
            return gradient, None, None, None
        kept, down, up, narrow, noise = ctx.saved_tensors
        outer_narrow = outer @ up
        if gradient is not None:
            if noise is None:
                gradient.addmm_(outer_narrow, down)
            else:
                gradient = ctx.kernels.add_dropped(gradient, outer_narrow @ down, noise, ctx.threshold)
        downs = (outer_narrow.t() @ kept).float().split(ctx.ranks)
        whole = (outer.t() @ narrow).float()
        ups, begin = [], 0
        for rank, rows, scale in zip(ctx.ranks, projection.slices, projection.scales, strict=True):
            ups.append(whole[rows, begin : begin + rank] * scale)
            begin += rank
        return (gradient, None, None, None, *downs, *ups)


def _place(ups: tuple[torch.Tensor, ...], projection: _Projection, outputs: int, kind: torch.dtype) -> torch.Tensor:
    """Return the scaled up-matrices as one, (outputs, ranks), each in the rows of its own layer."""
    whole = torch.zeros(outputs, sum(up.shape[1] for up in ups), dtype=kind)
    begin = 0
    for up, rows, scale in zip(ups, projection.slices, projection.scales, strict=True):
        whole[rows, begin : begin + up.shape[1]] = up * scale
        begin += up.shape[1]
    return whole


class _AddNorm(torch.autograd.Function):
    """(x + y, RMSNorm(x + y)); the two gradients come together on the way back."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, engine: LeanEngine
    ) -> tuple[torch.Tensor, torch.Tensor]:
        total, normed, scale = engine.kernels.add_norm(x, y, weight, engine.eps, engine.kind)
        ctx.engine = engine
        ctx.save_for_backward(total, scale, weight)
        return total, normed

    @staticmethod
    def backward(
        ctx: Any, outer: torch.Tensor, outer_normed: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, None, None]:
        total, scale, weight = ctx.saved_tensors
        x, y = ctx.engine.kernels.add_norm_back(outer, outer_normed, total, scale, weight, ctx.engine.kind)
        return x, y, None, None


class _Rotate(torch.autograd.Function):
    """Splits the fused projection into turned queries, turned keys, and values."""

    @staticmethod
    def forward(
        ctx: Any, mixed: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, engine: LeanEngine
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ctx.engine = engine
        ctx.save_for_backward(cos, sin)
        query, key, value = engine.kernels.rotate(mixed, cos, sin, engine.heads, engine.key_value_heads)
        return query, key, value

    @staticmethod
    def backward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> tuple[torch.Tensor, None, None, None]:
        cos, sin = ctx.saved_tensors
        return ctx.engine.kernels.rotate_back(query, key, value, cos, sin, ctx.engine.kind), None, None, None


class _Gate(torch.autograd.Function):
    """silu(gate) x up."""

    @staticmethod
    def forward(ctx: Any, both: torch.Tensor, engine: LeanEngine) -> torch.Tensor:
        ctx.engine = engine
        ctx.save_for_backward(both)
        gated: torch.Tensor = engine.kernels.gate(both, engine.kind)
        return gated

    @staticmethod
    def backward(ctx: Any, outer: torch.Tensor) -> tuple[torch.Tensor, None]:
        (both,) = ctx.saved_tensors
        return ctx.engine.kernels.gate_back(outer, both, ctx.engine.kind), None
