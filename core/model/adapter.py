"""The adapter: LoRA layers put into a base by PEFT, and their weights out of it again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.errors import CheckpointError, ConfigError
from core.training.configuration import TrainingConfig


def add_adapter(model: Any, config: TrainingConfig) -> PeftModel:
    """Put fresh LoRA layers into the model; the same seed gives the same weights.

    Raises:
        ConfigError: The base has none of the layers that `target_modules` names.
    """
    targets = config.target_modules if isinstance(config.target_modules, str) else list(config.target_modules)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets,
        bias=config.bias,
        use_rslora=config.rslora,
        use_dora=config.dora,
    )
    torch.manual_seed(config.seed)
    try:
        made = get_peft_model(model, lora)
    except ValueError as error:
        names = sorted(
            {name.rpartition(".")[2] for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}
        )
        raise ConfigError(
            f"target_modules {targets} do not fit this base, whose layers are {', '.join(names)}. Choose among "
            "them, or all-linear."
        ) from error
    made.base_biases = {
        name: weight.detach().clone()
        for name, weight in made.named_parameters()
        if weight.requires_grad and "lora_" not in name
    }
    return made


@contextmanager
def base_alone(model: PeftModel) -> Iterator[None]:
    """Switch the adapter off within a block, biases that are trained with it included; PEFT leaves those on."""
    biases = {name: weight for name, weight in model.named_parameters() if name in model.base_biases}
    trained = {name: weight.detach().clone() for name, weight in biases.items()}
    with model.disable_adapter():
        _put(biases, model.base_biases)
        try:
            yield
        finally:
            _put(biases, trained)


@torch.no_grad()
def _put(weights: dict[str, torch.nn.Parameter], values: dict[str, torch.Tensor]) -> None:
    for name, weight in weights.items():
        weight.copy_(values[name])


def trainable(model: PeftModel) -> list[torch.nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def read_weights(model: PeftModel) -> dict[str, torch.Tensor]:
    # Not the embeddings, which PEFT would add where the output layer is adapted: they are the base's, and frozen.
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}


def save_weights(model: PeftModel, path: Path) -> None:
    save_file(read_weights(model), path, metadata={"format": "pt"})


def load_weights(model: PeftModel, path: Path) -> None:
    """Put saved weights into the model's adapter.

    Raises:
        CheckpointError: The file's layers are not those of the adapter.
    """
    weights, own = load_file(path), read_weights(model)
    if {name: tensor.shape for name, tensor in weights.items()} != {name: tensor.shape for name, tensor in own.items()}:
        raise CheckpointError(f"{path} holds another adapter: its layers do not fit. Start the job anew.")
    set_peft_model_state_dict(model, weights)


def save_adapter(model: PeftModel, folder: Path, base_name: str) -> None:
    """Write adapter_config.json and adapter_model.safetensors, as plain PEFT loads them."""
    lora = model.peft_config["default"]
    before = lora.base_model_name_or_path, lora.inference_mode
    lora.base_model_name_or_path, lora.inference_mode = base_name, True
    try:
        lora.save_pretrained(folder)
    finally:
        lora.base_model_name_or_path, lora.inference_mode = before
    save_weights(model, folder / "adapter_model.safetensors")


def check_adapter_folder(folder: Path) -> None:
    """Refuse an adapter that could run code: only safetensors and JSON are loaded.

    Raises:
        CheckpointError: What is missing or refused.
    """
    if not (folder / "adapter_model.safetensors").exists():
        if (folder / "adapter_model.bin").exists():
            raise CheckpointError(
                f"The adapter in {folder} has pickled weights, which can run code. Only safetensors are loaded."
            )
        raise CheckpointError(f"The adapter in {folder} has no adapter_model.safetensors.")
    try:
        settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"The adapter_config.json in {folder} can't be read: {error}.") from error
    if not isinstance(settings, dict) or settings.get("auto_mapping"):
        raise CheckpointError(f"The adapter in {folder} wants to import code of its own, which Atelier does not run.")


def load_adapter(model: Any, folder: Path, name: str = "default") -> PeftModel:
    """Put a saved adapter on its base, for answering.

    Args:
        model: The base, or the base with other adapters, beside which this one is put.
        name: By which it is switched on among several.

    Raises:
        CheckpointError: The adapter could run code, is damaged, or does not fit the base.
    """
    check_adapter_folder(folder)
    try:
        if isinstance(model, PeftModel):
            model.load_adapter(str(folder), name, is_trainable=False)
            return model
        return PeftModel.from_pretrained(model, str(folder), name, is_trainable=False)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, ValueError, TypeError, KeyError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"The adapter in {folder} is damaged or does not fit its base: {reason}.") from error
