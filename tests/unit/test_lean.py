"""The lean way: which bases it takes, and what it must leave as it was."""

from typing import Any

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from core.datasets.chat import Encoded
from core.model import lean, packed
from core.model.adapter import add_adapter, trainable
from core.model.kernels import PLAIN
from core.training.configuration import TrainingConfig

SIZES: dict[str, Any] = {
    "vocab_size": 43,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def llama(**changes: Any) -> LlamaForCausalLM:
    torch.manual_seed(1)
    return LlamaForCausalLM(LlamaConfig(**SIZES | changes))


def adapted(base: Any, **fields: Any) -> Any:
    """Return the base with an adapter whose weights are not zero."""
    base.requires_grad_(False)
    packed.prepare(base)
    model = add_adapter(base, TrainingConfig(rank=2, **fields))
    torch.manual_seed(5)
    for weight in trainable(model):
        torch.nn.init.normal_(weight, std=0.05)
    return model


def some_examples(seed: int = 0) -> list[Encoded]:
    random = torch.Generator().manual_seed(seed)
    sizes = [(7, 3), (12, 1), (5, 4)]
    return [Encoded(tuple(torch.randint(0, 43, (n,), generator=random).tolist()), start, 0, 0) for n, start in sizes]


def loss_of(engine: lean.LeanEngine) -> float:
    return float(engine.loss_sum(some_examples()).detach())


@pytest.mark.parametrize(
    "base",
    [
        llama(),
        llama(attention_bias=True, mlp_bias=True),
        Qwen2ForCausalLM(Qwen2Config(**SIZES)),
        MistralForCausalLM(MistralConfig(**SIZES)),
    ],
    ids=["llama", "llama with biases", "qwen2", "mistral"],
)
def test_llama_like_bases_with_plain_lora_fit(base: Any) -> None:
    assert lean.fits(adapted(base).get_base_model())


@pytest.mark.parametrize(
    ("base", "fields"),
    [
        (llama(), {"dora": True}),
        (llama(), {"target_modules": ("q_proj", "lm_head")}),
        (llama(), {"target_modules": ("q_proj", "embed_tokens")}),
        (llama(attention_bias=True), {"bias": "all"}),
        (llama(hidden_act="gelu"), {}),
        (llama(attention_dropout=0.1), {}),
    ],
    ids=["DoRA", "adapted head", "adapted embedding", "trained biases", "GELU", "attention dropout"],
)
def test_what_the_lean_way_does_not_compute_does_not_fit(base: Any, fields: dict[str, Any]) -> None:
    model = adapted(base, **fields)
    assert not lean.fits(model.get_base_model())


def test_another_architecture_does_not_fit() -> None:
    assert not lean.fits(Qwen3ForCausalLM(Qwen3Config(**SIZES)))  # norms its queries and keys


def test_gradient_checkpointing_and_a_quantised_base_do_not_fit() -> None:
    model = adapted(llama()).get_base_model()
    model.get_decoder().gradient_checkpointing = True
    assert not lean.fits(model)
    model.get_decoder().gradient_checkpointing = False
    assert lean.fits(model)
    model.config.quantization_config = {"load_in_4bit": True}
    assert not lean.fits(model)


def test_the_model_answers_as_before_though_its_weights_are_fused() -> None:
    model = adapted(llama()).eval()
    ids = torch.arange(10)[None]
    before = model(input_ids=ids).logits.detach().clone()
    lean.LeanEngine(model.get_base_model(), PLAIN, torch.float32)
    torch.testing.assert_close(model(input_ids=ids).logits, before)
    attention = model.get_base_model().get_decoder().layers[0].self_attn
    fused = {layer.base_layer.weight.untyped_storage().data_ptr() for layer in (attention.q_proj, attention.k_proj)}
    assert len(fused) == 1  # one memory for both, not a copy beside


def test_a_switched_off_adapter_gives_the_loss_of_the_base() -> None:
    model = adapted(llama(), dropout=0.0)
    engine = lean.LeanEngine(model.get_base_model(), PLAIN, torch.float32)
    with_adapter = loss_of(engine)
    with model.disable_adapter():
        without = loss_of(engine)
    for weight in trainable(model):
        torch.nn.init.zeros_(weight)
    assert without != pytest.approx(with_adapter, abs=1e-3)
    assert without == pytest.approx(loss_of(engine), rel=1e-6)


@pytest.mark.parametrize("targets", ["all-linear", ("v_proj",), ("k_proj", "up_proj"), ("down_proj",)])
def test_the_gradient_is_the_slope_of_the_loss_whichever_layers_are_adapted(targets: Any) -> None:
    model = adapted(llama(), dropout=0.0, target_modules=targets)
    engine = lean.LeanEngine(model.get_base_model(), PLAIN, torch.float32)
    weights = trainable(model)
    engine.loss_sum(some_examples()).backward()
    steepest = torch.cat([weight.grad.flatten() for weight in weights if weight.grad is not None])
    assert steepest.numel() == sum(weight.numel() for weight in weights)
    step = 1e-3 / float(steepest.norm())
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            for weight in weights:
                weight.add_(weight.grad, alpha=sign * step)  # type: ignore[arg-type]
            losses.append(loss_of(engine))
            for weight in weights:
                weight.sub_(weight.grad, alpha=sign * step)  # type: ignore[arg-type]
    slope = (losses[0] - losses[1]) / (2 * step)
    assert slope == pytest.approx(float(steepest.square().sum()), rel=0.02)


def test_dropout_acts_in_training_only_and_repeats_with_the_seed() -> None:
    model = adapted(llama(), dropout=0.5)
    engine = lean.LeanEngine(model.get_base_model(), PLAIN, torch.float32)

    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return loss_of(engine)

    model.train()
    assert loss(1) == loss(1)
    assert loss(1) != loss(2)
    model.eval()
    assert loss(1) == loss(2)


def test_products_in_bf16_stay_near_those_in_fp32() -> None:
    exact = lean.LeanEngine(adapted(llama(), dropout=0.0).get_base_model(), PLAIN, torch.float32)
    rounded = lean.LeanEngine(exact.base, PLAIN, torch.bfloat16)
    assert loss_of(rounded) == pytest.approx(loss_of(exact), rel=0.02)
    assert exact.name == "lean, plain, float32"
    assert rounded.name == "lean, plain, bfloat16"
