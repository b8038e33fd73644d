"""Continuations of one beginning: what is shared, who sees whom, and that the losses are those of each text alone."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from core.datasets.chat import Encoded
from core.model import forked, packed
from core.model.engines import PackedEngine

CPU = torch.device("cpu")
SIZES = {
    "vocab_size": 97, "hidden_size": 48, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2,
}  # fmt: skip


def make_engine(kind: str) -> PackedEngine:
    torch.manual_seed(3)
    if kind == "sliding":
        model = MistralForCausalLM(MistralConfig(**SIZES, sliding_window=5))
    else:
        model = LlamaForCausalLM(LlamaConfig(**SIZES))
    model.eval()
    packed.prepare(model)
    return PackedEngine(model, CPU)


def group(beginning: list[int], *endings: list[int], start: int | None = None) -> list[Encoded]:
    begin = len(beginning) if start is None else start
    return [Encoded((*beginning, *ending), begin, 0, 0) for ending in endings]


GROUPS = [
    group([5, 6, 7, 8, 9, 10, 11], [12, 13], [14, 15, 16, 17], [12, 18]),
    group([20, 21], [22], [23, 24, 25]),
    group([30, 31, 32, 33], [34, 35], [34, 36, 37]),  # the endings begin alike too
    group([40, 41, 42], [43, 44], start=1),  # one text alone
]


def test_what_a_group_begins_with_is_laid_out_once() -> None:
    batch = forked.make_batch([[((5, 6, 7, 8), 3), ((5, 6, 7, 9, 10), 3)]], CPU)
    assert batch.ids.tolist() == [[5, 6, 7, 8, 9, 10]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 3, 4]]
    assert batch.predicting.tolist() == [2, 2, 4]
    assert batch.targets.tolist() == [8, 9, 10]


def test_a_text_that_is_the_beginning_of_another_keeps_a_token_of_its_own() -> None:
    assert forked.common_length([((5, 6, 7), 2), ((5, 6, 7, 8), 2)]) == 2
    assert forked.common_length([((5,), 0), ((5, 6), 0)]) == 0


@pytest.mark.parametrize("kind", ["plain", "sliding"])
def test_the_losses_are_those_of_each_text_alone(kind: str) -> None:
    engine = make_engine(kind)
    together = engine.continuation_losses(GROUPS)
    for one_group, losses in zip(GROUPS, together, strict=True):
        assert len(one_group) == len(losses)
        for text, loss in zip(one_group, losses, strict=True):
            torch.testing.assert_close(loss, engine.token_losses([text])[0], atol=1e-5, rtol=1e-5)


def test_another_branch_changes_nothing() -> None:
    engine = make_engine("plain")
    first = engine.continuation_losses([group([5, 6, 7], [8, 9], [10, 11])])[0][0]
    other = engine.continuation_losses([group([5, 6, 7], [8, 9], [60, 61, 62, 63])])[0][0]
    torch.testing.assert_close(first, other, atol=1e-6, rtol=1e-6)


def test_the_models_own_attention_is_back_afterwards() -> None:
    engine = make_engine("plain")
    before = engine.base.config._attn_implementation
    engine.continuation_losses(GROUPS)
    assert engine.base.config._attn_implementation == before
