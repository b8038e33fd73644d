"""Ways to compute the loss of a batch: packed where the architecture allows it, padded where it does not."""

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from peft import PeftModel

from core.datasets.chat import Encoded
from core.model import forked, packed


class Engine(Protocol):
    """Computes losses of batches; `name` says how, for the log."""

    name: str
    mergeable: bool

    def loss_sum(self, examples: list[Encoded]) -> torch.Tensor:
        """Return the summed negative log-likelihood of the supervised tokens, in nats, as a scalar to go back from."""
        ...

    def token_losses(self, examples: list[Encoded]) -> list[torch.Tensor]:
        """Return for each example the negative log-likelihood of each supervised token, without gradients."""
        ...


class Scorer(Engine, Protocol):
    """An engine that also scores several continuations of one beginning."""

    def continuation_losses(self, groups: list[list[Encoded]]) -> list[list[torch.Tensor]]:
        """Return token losses for groups of texts that begin alike; the beginning is computed once where it can be."""
        ...


class PackedEngine:
    """Examples end to end, no padding (see core.model.packed)."""

    name = "packed"

    def __init__(self, base: Any, device: torch.device) -> None:
        self.base = base
        self.device = device
        self.mergeable = device.type == "cpu"

    def loss_sum(self, examples: list[Encoded]) -> torch.Tensor:
        if torch.is_grad_enabled() and getattr(self.base.get_decoder(), "gradient_checkpointing", False):
            packed.switch(self.base, "packed")  # for good: the way back computes the layers once more
        with packed.attending(self.base, "packed"):
            return packed.loss_sum(self.base, self._batch(examples))

    def token_losses(self, examples: list[Encoded]) -> list[torch.Tensor]:
        with packed.attending(self.base, "packed"):
            losses = packed.token_losses(self.base, self._batch(examples))
        return list(losses.cpu().split([example.supervised for example in examples]))

    def continuation_losses(self, groups: list[list[Encoded]]) -> list[list[torch.Tensor]]:
        batch = forked.make_batch(
            [[(example.ids, example.response_start) for example in group] for group in groups], self.device
        )
        with packed.attending(self.base, "forked"):
            losses = packed.token_losses(self.base, batch)
        return _regroup(list(losses.cpu().split([one.supervised for group in groups for one in group])), groups)

    def _batch(self, examples: list[Encoded]) -> packed.PackedBatch:
        return packed.make_batch([(example.ids, example.response_start) for example in examples], self.device)


class PaddedEngine:
    """Examples side by side, filled up to the longest, with the model's own attention and output layer."""

    name = "padded"
    mergeable = False

    def __init__(self, model: Any, device: torch.device, pad_id: int) -> None:
        self.model = model
        self.device = device
        self.pad_id = pad_id

    def loss_sum(self, examples: list[Encoded]) -> torch.Tensor:
        return self._losses(examples).sum()

    @torch.no_grad()
    def token_losses(self, examples: list[Encoded]) -> list[torch.Tensor]:
        return list(self._losses(examples).cpu().split([example.supervised for example in examples]))

    def continuation_losses(self, groups: list[list[Encoded]]) -> list[list[torch.Tensor]]:
        return _regroup(self.token_losses([example for group in groups for example in group]), groups)

    def _losses(self, examples: list[Encoded]) -> torch.Tensor:
        longest = max(len(example.ids) for example in examples)
        ids = torch.full((len(examples), longest), self.pad_id, dtype=torch.int64)
        labels = torch.full((len(examples), longest), -100, dtype=torch.int64)
        mask = torch.zeros((len(examples), longest), dtype=torch.int64)
        for row, example in enumerate(examples):
            length, start = len(example.ids), max(example.response_start, 1)
            ids[row, :length] = torch.tensor(example.ids)
            labels[row, start:length] = torch.tensor(example.ids[start:])
            mask[row, :length] = 1
        ids, labels, mask = ids.to(self.device), labels.to(self.device), mask.to(self.device)
        logits = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1]
        wanted = labels[:, 1:]
        counted = wanted != -100
        return F.cross_entropy(logits[counted].float(), wanted[counted], reduction="none")


def _regroup(losses: list[torch.Tensor], groups: list[list[Encoded]]) -> list[list[torch.Tensor]]:
    waiting = iter(losses)
    return [[next(waiting) for _ in group] for group in groups]


def make_engine(model: Any, device: torch.device, pad_id: int) -> Scorer:
    """Return the engine for a base model, with or without an adapter."""
    base = model.get_base_model() if isinstance(model, PeftModel) else model
    return PackedEngine(base, device) if packed.can_pack(base) else PaddedEngine(base, device, pad_id)
