"""Loading bases and adapters: what is refused before anything runs, and in what state a base comes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import BaseModelError, CheckpointError, ConfigError
from core.model import adapter, loading
from core.training.configuration import TrainingConfig

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def folder(tiny_base: Path, tmp_path: Path) -> Path:
    """A copy of the tiny base, to be damaged."""
    return Path(shutil.copytree(tiny_base, tmp_path / "base"))


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


# The number format


@pytest.mark.parametrize(
    ("wanted", "parameters", "matrix_unit", "expected"),
    [
        ("auto", 6_000_000, False, "fp32"),
        ("auto", 6_000_000, True, "fp32"),
        ("auto", 7_000_000_000, False, "fp32"),
        ("auto", 7_000_000_000, True, "bf16"),
        ("fp32", 7_000_000_000, True, "fp32"),
        ("bf16", 6_000_000, False, "bf16"),
    ],
)
def test_a_processor_keeps_small_bases_exact(
    wanted: str, parameters: int, matrix_unit: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "has_matrix_unit", lambda: matrix_unit)
    assert loading.choose_precision(wanted, CPU, parameters) == expected


@pytest.mark.parametrize(("has_bf16", "expected"), [(True, "bf16"), (False, "fp16")])
def test_a_card_takes_bf16_where_it_computes_it(has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16)
    assert loading.choose_precision("auto", GPU, 7_000_000_000) == expected


def test_fp16_without_a_card_is_refused_with_what_to_choose() -> None:
    with pytest.raises(ConfigError, match=r"needs a GPU\. Choose auto, fp32 or bf16\."):
        loading.choose_precision("fp16", CPU, 1)


# Bases


def test_a_base_comes_frozen_and_ready_to_answer(tiny_base: Path) -> None:
    loaded = loading.load_base(tiny_base)
    assert not any(weight.requires_grad for weight in loaded.model.parameters())
    assert not loaded.model.training
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.float32}
    assert (loaded.precision, loaded.device.type) == ("fp32", "cpu")
    assert loaded.chat.decode(loaded.chat.encode_prompts(["the bank"])[0]).endswith("the bank")


def test_bf16_is_kept_as_bf16(tiny_base: Path) -> None:
    loaded = loading.load_base(tiny_base, precision="bf16")
    assert {weight.dtype for weight in loaded.model.parameters()} == {torch.bfloat16}


def test_cut_off_weights_are_refused_with_the_folder_and_what_to_do(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(BaseModelError, match=r"can't be (loaded|read)") as refusal:
        loading.load_base(folder)
    assert str(folder) in str(refusal.value)


def test_weights_that_lack_a_layer_are_refused_instead_of_filled_with_chance(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.down_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BaseModelError, match=r"lacks model\.layers\.1\.mlp\.down_proj\.weight"):
        loading.load_base(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    change_json(folder / "config.json", intermediate_size=96)
    with pytest.raises(BaseModelError, match="can't be loaded"):
        loading.load_base(folder)


def test_an_architecture_that_nobody_knows_is_refused(folder: Path) -> None:
    change_json(folder / "config.json", model_type="nosuchmodel", architectures=["NoSuchModel"])
    with pytest.raises(BaseModelError, match="nosuchmodel"):
        loading.load_base(folder)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"model": 3}', '{"model": {"type": "BPE", "vocab": {"a": 1}, "merges": ["a b"]}}', "\x00\x01"],
)
def test_a_tokenizer_that_can_not_be_read_is_told(folder: Path, content: str) -> None:
    (folder / "tokenizer.json").write_text(content)
    with pytest.raises(BaseModelError, match=r"tokenizer in .* can't be read: .*Download the model again\."):
        loading.load_base(folder)


# Adapters


def test_layers_that_the_base_has_not_are_told_with_those_that_it_has(tiny_base: Path) -> None:
    with pytest.raises(ConfigError, match="c_attn") as refusal:
        adapter.add_adapter(loading.load_base(tiny_base).model, TrainingConfig(target_modules=("c_attn",)))
    assert "q_proj" in str(refusal.value)
    assert "down_proj" in str(refusal.value)


def adapted(base: Path, **fields: Any) -> Any:
    return adapter.add_adapter(loading.load_base(base).model, TrainingConfig(**{"rank": 2} | fields))


def test_the_same_seed_gives_the_same_adapter(tiny_base: Path) -> None:
    first, again, other = (adapter.read_weights(adapted(tiny_base, seed=seed)) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_saved_weights_come_back_bit_for_bit(tiny_base: Path, tmp_path: Path) -> None:
    one, other = adapted(tiny_base, seed=1), adapted(tiny_base, seed=2)
    adapter.save_weights(one, tmp_path / "adapter.safetensors")
    adapter.load_weights(other, tmp_path / "adapter.safetensors")
    before, after = adapter.read_weights(one), adapter.read_weights(other)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("fields", [{"rank": 4}, {"target_modules": ("q_proj",)}], ids=["another rank", "other layers"])
def test_weights_of_another_adapter_are_refused(tiny_base: Path, tmp_path: Path, fields: dict[str, Any]) -> None:
    adapter.save_weights(adapted(tiny_base), tmp_path / "adapter.safetensors")
    with pytest.raises(CheckpointError, match="holds another adapter"):
        adapter.load_weights(adapted(tiny_base, **fields), tmp_path / "adapter.safetensors")


def test_the_base_alone_is_the_base_even_when_its_biases_are_trained_too(biased_base: Path) -> None:
    loaded = loading.load_base(biased_base)
    ids = torch.arange(8)[None]
    before = loaded.model(input_ids=ids).logits.clone()
    model = adapter.add_adapter(loaded.model, TrainingConfig(rank=2, bias="all")).eval()
    with torch.no_grad():
        for weight in adapter.trainable(model):
            weight.add_(0.1)
    tuned = model(input_ids=ids).logits.clone()
    with adapter.base_alone(model):
        assert torch.equal(model(input_ids=ids).logits, before)
    assert torch.equal(model(input_ids=ids).logits, tuned)
    assert not torch.allclose(tuned, before, atol=1e-3)


@pytest.fixture
def biased_base(folder: Path) -> Path:
    """The tiny base with biases in its attention."""
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if "self_attn" in name]:
        weights[name.replace("weight", "bias")] = torch.full((weights[name].shape[0],), 0.05)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    change_json(folder / "config.json", attention_bias=True)
    return folder
