"""Every way to compute a loss against plain transformers and PEFT, one example after the other, without padding."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

from core.datasets.chat import Encoded
from core.errors import ConfigError
from core.model import kernels, lean, loading, packed
from core.model.adapter import add_adapter, trainable
from core.model.engines import Engine, PackedEngine, PaddedEngine, make_engine
from core.training.configuration import TrainingConfig

CPU = torch.device("cpu")
VOCABULARY = 53
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
SCALED_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
LLAMA = LlamaConfig(**SIZES, tie_word_embeddings=True)
CONFIGS: dict[str, tuple[Any, set[str]]] = {
    "llama": (LLAMA, {"padded", "packed", "lean"}),
    "llama with biases": (LlamaConfig(**SIZES, attention_bias=True, mlp_bias=True), {"padded", "packed", "lean"}),
    "llama with scaled positions": (LlamaConfig(**SIZES, rope_parameters=SCALED_ROPE), {"padded", "packed", "lean"}),
    "mistral with a window": (MistralConfig(**SIZES, sliding_window=5), {"padded", "packed", "lean"}),
    "qwen2 with a window": (
        Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=5, max_window_layers=1),
        {"padded", "packed", "lean"},
    ),
    "qwen3": (Qwen3Config(**SIZES, head_dim=8), {"padded", "packed"}),
    "phi3": (Phi3Config(**SIZES), {"padded", "packed"}),
    "gemma": (GemmaConfig(**SIZES, head_dim=8), {"padded", "packed"}),
    "gemma2, whose scores are capped": (Gemma2Config(**SIZES, head_dim=8, sliding_window=5), {"padded"}),
    "gpt2": (GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4), {"padded", "packed"}),
}


def base_of(config: Any) -> Any:
    torch.manual_seed(3)
    made = AutoModelForCausalLM.from_config(copy.deepcopy(config)).eval()
    made.requires_grad_(False)
    packed.prepare(made)
    return made


def adapted(config: Any = LLAMA, **fields: Any) -> Any:
    """Return a random base with an adapter whose weights are not zero, switched to answering."""
    model = add_adapter(base_of(config), TrainingConfig(**{"rank": 4, "dropout": 0.0} | fields))
    torch.manual_seed(4)
    for weight in trainable(model):
        torch.nn.init.normal_(weight, std=0.05)
    return model.eval()


def engines(model: Any) -> dict[str, Engine]:
    """Return each engine that takes the model; the lean one last, since it fuses the weights."""
    base = model.get_base_model()
    found: dict[str, Engine] = {"padded": PaddedEngine(model, CPU, 0)}
    if packed.can_pack(base):
        found["packed"] = PackedEngine(base, CPU)
    if lean.fits(base):
        found["lean"] = lean.LeanEngine(base, kernels.PLAIN, torch.float32)
    return found


def rows(seed: int = 0) -> list[Encoded]:
    """Prompts and responses of different lengths, one without prompt, one without response."""
    random = torch.Generator().manual_seed(seed)
    sizes = [(9, 4), (23, 20), (6, 0), (14, 1), (5, 5)]
    return [
        Encoded(tuple(torch.randint(1, VOCABULARY, (size,), generator=random).tolist()), start, 0, 0)
        for size, start in sizes
    ]


def plain_losses(model: Any, examples: list[Encoded]) -> list[torch.Tensor]:
    """Return the summed loss of each example as transformers computes it from labels, -100 before the response."""
    losses = []
    for example in examples:
        ids = torch.tensor([example.ids])
        labels = ids.clone()
        labels[0, : example.response_start] = -100
        if example.supervised:
            losses.append(model(input_ids=ids, labels=labels, use_cache=False).loss * example.supervised)
    return losses


def gradients(model: Any, loss: Callable[[], torch.Tensor]) -> tuple[float, list[torch.Tensor]]:
    model.zero_grad(set_to_none=True)
    total = loss()
    total.backward()
    return float(total.detach()), [weight.grad.clone() for weight in trainable(model) if weight.grad is not None]


def assert_same(found: list[torch.Tensor], expected: list[torch.Tensor], tolerance: float = 1e-5) -> None:
    assert len(found) == len(expected) > 0
    largest = max(float(one.abs().max()) for one in expected)
    assert largest > 0.01
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance * largest, rtol=tolerance)


@pytest.mark.parametrize("name", list(CONFIGS))
def test_every_engine_gives_the_loss_and_the_gradients_of_plain_transformers_and_peft(name: str) -> None:
    config, expected_engines = CONFIGS[name]
    model = adapted(config)
    loss, expected = gradients(model, lambda: torch.stack(plain_losses(model, rows())).sum())
    found = engines(model)
    assert set(found) == expected_engines
    for engine in found.values():
        ours, computed = gradients(model, lambda engine=engine: engine.loss_sum(rows()))  # type: ignore[misc]
        assert ours == pytest.approx(loss, rel=1e-5), engine.name
        assert_same(computed, expected)


@pytest.mark.parametrize("fields", [{"rslora": True}, {"dora": True}, {"target_modules": ("q_proj", "lm_head")}])
def test_other_kinds_of_adapter_are_computed_as_peft_does(fields: dict[str, Any]) -> None:
    model = adapted(LlamaConfig(**SIZES), **fields)
    loss, expected = gradients(model, lambda: torch.stack(plain_losses(model, rows())).sum())
    for engine in engines(model).values():
        ours, computed = gradients(model, lambda engine=engine: engine.loss_sum(rows()))  # type: ignore[misc]
        assert ours == pytest.approx(loss, rel=1e-5), engine.name
        assert_same(computed, expected)


def test_trained_biases_get_their_gradients() -> None:
    model = adapted(LlamaConfig(**SIZES, attention_bias=True), bias="all")
    loss, expected = gradients(model, lambda: torch.stack(plain_losses(model, rows())).sum())
    assert {"padded", "packed"} == set(engines(model))
    ours, computed = gradients(model, lambda: make_engine(model, CPU, 0).loss_sum(rows()))
    assert ours == pytest.approx(loss, rel=1e-5)
    assert_same(computed, expected)


@pytest.mark.parametrize("name", ["padded", "packed", "lean"])
def test_only_response_tokens_are_learned(name: str) -> None:
    model = adapted()
    engine = engines(model)[name]
    losses = engine.token_losses(rows())
    assert [len(loss) for loss in losses] == [example.supervised for example in rows()] == [5, 3, 5, 13, 0]
    expected = [float(loss.detach()) for loss in plain_losses(model, rows())]
    assert [float(loss.sum()) for loss in losses if len(loss)] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["padded", "packed", "lean"])
def test_a_row_is_computed_the_same_whatever_lies_beside_it(name: str) -> None:
    engine = engines(adapted())[name]
    among = engine.token_losses(rows())
    for index, example in enumerate(rows()):
        if example.supervised:
            torch.testing.assert_close(engine.token_losses([example])[0], among[index], atol=1e-5, rtol=1e-5)
    strangers = [*rows()[:2], *rows(seed=1)[2:]]
    torch.testing.assert_close(engine.token_losses(strangers)[1], among[1], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["padded", "packed", "lean"])
def test_dropout_repeats_with_the_seed(name: str) -> None:
    model = adapted(dropout=0.3).train()
    engine = engines(model)[name]

    def seeded(seed: int) -> tuple[float, list[torch.Tensor]]:
        torch.manual_seed(seed)
        return gradients(model, lambda: engine.loss_sum(rows()))

    first, again, other = seeded(1), seeded(1), seeded(2)
    assert first[0] == again[0] != other[0]
    assert all(torch.equal(one, two) for one, two in zip(first[1], again[1], strict=True))


def test_gradient_checkpointing_computes_twice_and_changes_nothing() -> None:
    plain, thrifty = adapted().train(), adapted().train()
    thrifty.get_base_model().gradient_checkpointing_enable({"use_reentrant": False})
    engine = make_engine(thrifty, CPU, 0)
    assert not lean.fits(thrifty.get_base_model())
    passes = []
    thrifty.get_base_model().get_decoder().layers[0].self_attn.register_forward_hook(lambda *_: passes.append(1))
    loss, computed = gradients(thrifty, lambda: engine.loss_sum(rows()))
    assert len(passes) == 2
    expected_loss, expected = gradients(plain, lambda: make_engine(plain, CPU, 0).loss_sum(rows()))
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert_same(computed, expected, tolerance=1e-6)


@pytest.mark.skipif(not kernels.can_compile(), reason="no C++ compiler here")
def test_compiled_passes_give_what_the_plain_ones_give() -> None:
    model = adapted(dropout=0.2).train()
    base = model.get_base_model()

    def seeded(chosen: kernels.Kernels) -> tuple[float, list[torch.Tensor]]:
        engine = lean.LeanEngine(base, chosen, torch.float32)
        torch.manual_seed(1)
        return gradients(model, lambda: engine.loss_sum(rows()))

    (loss, computed), (expected_loss, expected) = seeded(kernels.compiled()), seeded(kernels.PLAIN)
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    assert_same(computed, expected)


# Quantised bases


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_a_quantised_base_learns_on_a_processor_as_its_rounded_weights_say(tiny_base: Path, quantization: str) -> None:
    loaded = loading.load_base(tiny_base, quantization=quantization)
    exact = loading.load_base(tiny_base)
    kind = {"4bit": "Linear4bit", "8bit": "Linear8bitLt"}[quantization]
    assert type(loaded.model.get_decoder().layers[0].mlp.up_proj).__name__ == kind
    losses, slopes = {}, {}
    for name, base in (("quantised", loaded.model), ("exact", exact.model)):
        model = add_adapter(base, TrainingConfig(rank=4, dropout=0.0))
        engine = make_engine(model, CPU, 0)
        for _ in range(2):  # the first pass may repack weights; the second must still be right
            losses[name], slopes[name] = gradients(model, lambda engine=engine: engine.loss_sum(rows()))  # type: ignore[misc]
    assert losses["quantised"] == pytest.approx(losses["exact"], rel=0.02)
    assert losses["quantised"] != losses["exact"]
    ours, theirs = (torch.cat([one.flatten() for one in slopes[name]]) for name in ("quantised", "exact"))
    assert float(torch.cosine_similarity(ours, theirs, dim=0)) > 0.95


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_quantising_where_bitsandbytes_does_not_run_is_refused_in_a_sentence(
    tiny_base: Path, quantization: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.nn.modules", None)
    with pytest.raises(ConfigError, match=r"needs bitsandbytes, .* Choose quantization none\."):
        loading.load_base(tiny_base, quantization=quantization)
