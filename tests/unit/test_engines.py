"""Engines at small scale: what is chosen, what is counted, in which pieces losses come back."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from core.datasets.chat import Encoded
from core.model import packed
from core.model.adapter import add_adapter
from core.model.engines import Engine, PackedEngine, PaddedEngine, make_engine
from core.training import engine_choice
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


# The choice for a job, made once


@pytest.fixture
def adapted(base: Any) -> Any:
    return add_adapter(base, TrainingConfig(rank=2))


def loaded(base: Any) -> Any:
    return SimpleNamespace(model=base, device=CPU, precision="fp32", chat=SimpleNamespace(pad_id=PAD))


@pytest.mark.parametrize(
    ("wanted", "has_bf16", "products"),
    [("auto", False, "fp32"), ("auto", True, "bf16"), ("fp32", True, "fp32"), ("bf16", False, "fp32")],
)
def test_products_are_rounded_only_where_that_is_fast_and_wanted(
    adapted: Any, wanted: str, has_bf16: bool, products: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice, "multiplies_bf16", lambda: has_bf16)
    chosen = engine_choice.choose(adapted, loaded(adapted.get_base_model()), wanted, 0.0)
    assert (chosen.lean, chosen.products) == (True, products)


@pytest.mark.parametrize(
    ("has_compiler", "ready", "flops", "compiled"),
    [
        (True, False, 1e15, True),
        (True, False, 1e9, False),
        (True, True, 1e9, True),
        (False, True, 1e15, False),
    ],
)
def test_passes_are_compiled_where_that_pays(
    adapted: Any, has_compiler: bool, ready: bool, flops: float, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_choice.kernels, "can_compile", lambda: has_compiler)
    monkeypatch.setattr(engine_choice.kernels, "is_compiled", lambda: ready)
    chosen = engine_choice.choose(adapted, loaded(adapted.get_base_model()), "fp32", flops)
    assert chosen.compiled is compiled


def test_what_the_lean_way_can_not_compute_takes_the_general_one(base: Any) -> None:
    model = add_adapter(base, TrainingConfig(rank=2, dora=True))
    chosen = engine_choice.choose(model, loaded(base), "auto", 1e15)
    assert chosen == engine_choice.EngineChoice(lean=False, compiled=False, products="fp32")
    assert engine_choice.make(chosen, model, loaded(base)).name == "packed"


@pytest.mark.parametrize("kept", [None, "half a file {", '{"lean": true}'])
def test_a_resumed_job_keeps_the_engine_of_its_first_attempt(
    adapted: Any, tmp_path: Path, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "engine.json"
    if kept is not None:
        path.write_text(kept)
    monkeypatch.setattr(engine_choice, "multiplies_bf16", lambda: False)
    first = engine_choice.choose_once(path, adapted, loaded(adapted.get_base_model()), "auto", 0.0)
    monkeypatch.setattr(engine_choice, "multiplies_bf16", lambda: True)
    assert engine_choice.choose_once(path, adapted, loaded(adapted.get_base_model()), "auto", 1e15) == first
    assert engine_choice.make(first, adapted, loaded(adapted.get_base_model())).name == "lean, plain, float32"
