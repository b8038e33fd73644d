"""Engines at small scale: what is chosen, what is counted, in which pieces losses come back."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from core.datasets.chat import Encoded
from core.model import packed
from core.model.adapter import add_adapter
from core.model.engines import Engine, PackedEngine, PaddedEngine, make_engine
from core.training.configuration import TrainingConfig

CPU = torch.device("cpu")
PAD = 0
EXAMPLES = [
    Encoded((4, 9, 2, 7, 3), 3, 0, 0),
    Encoded((8, 1), 0, 0, 0),
    Encoded((5, 6, 7, 8, 9, 10, 11, 12, 13), 8, 0, 0),
]


@pytest.fixture
def base() -> Any:
    torch.manual_seed(2)
    made = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=17,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
        )
    ).eval()
    packed.prepare(made)
    return made


def both(base: Any) -> list[Engine]:
    return [PackedEngine(base, CPU), PaddedEngine(base, CPU, PAD)]


def alone(base: Any, example: Encoded) -> list[float]:
    """Return the loss of each supervised token, the example computed by itself from the definition."""
    with torch.no_grad():
        likelihood = F.log_softmax(base(input_ids=torch.tensor([example.ids])).logits[0], dim=-1)
    return [
        -float(likelihood[place - 1, example.ids[place]])
        for place in range(max(example.response_start, 1), len(example.ids))
    ]


def test_each_supervised_token_gets_its_loss_whatever_lies_beside_it(base: Any) -> None:
    for engine in both(base):
        losses = engine.token_losses(EXAMPLES)
        assert [len(loss) for loss in losses] == [example.supervised for example in EXAMPLES] == [2, 1, 1]
        for loss, example in zip(losses, EXAMPLES, strict=True):
            assert loss.tolist() == pytest.approx(alone(base, example), abs=1e-5), engine.name


def test_the_sum_is_that_of_the_token_losses(base: Any) -> None:
    expected = sum(sum(alone(base, example)) for example in EXAMPLES)
    for engine in both(base):
        assert engine.loss_sum(EXAMPLES).item() == pytest.approx(expected, abs=1e-4), engine.name


def test_a_pad_token_inside_an_example_counts_like_any_other(base: Any) -> None:
    example = Encoded((PAD, 5, PAD, 6), 1, 0, 0)
    for engine in both(base):
        assert engine.token_losses([example])[0].tolist() == pytest.approx(alone(base, example), abs=1e-5)


def test_the_attention_is_the_answering_one_outside_the_engine(base: Any) -> None:
    before = base.config._attn_implementation
    PackedEngine(base, CPU).token_losses(EXAMPLES)
    assert base.config._attn_implementation == before != "packed"


def test_a_base_is_packed_where_that_is_right_and_padded_elsewhere(base: Any) -> None:
    adapted = add_adapter(base, TrainingConfig(rank=2))
    assert make_engine(adapted, CPU, PAD).name == "packed"
    other = GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=17))
    other._supports_attention_backend = False
    assert make_engine(other, CPU, PAD).name == "padded"
