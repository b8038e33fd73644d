"""Loads a base model for training or answering: number format, quantisation, device, and nothing but safetensors."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from core.catalog import bases
from core.datasets.chat import ChatFormat, read_chat_format
from core.errors import BaseModelError, ConfigError
from core.model import packed

log = logging.getLogger("atelier")


@dataclass
class LoadedBase:
    """A frozen base on its device, with its tokenizer."""

    model: Any
    chat: ChatFormat
    folder: Path
    device: torch.device
    precision: str
    fingerprint: str


def choose_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_matrix_unit() -> bool:
    """Return whether the processor multiplies bf16 matrices in hardware, several times faster than fp32."""
    return bool(torch.cpu._is_amx_tile_supported()) if hasattr(torch.cpu, "_is_amx_tile_supported") else False


def multiplies_bf16() -> bool:
    """Return whether the processor has bf16 products at all, in a matrix unit or as vectors: twice as fast as fp32."""
    return has_matrix_unit() or bool(
        hasattr(torch.cpu, "_is_avx512_bf16_supported") and torch.cpu._is_avx512_bf16_supported()
    )


def choose_precision(wanted: str, device: torch.device, parameters: int) -> str:
    """Return in which number format the base is kept: fp32, bf16 or fp16.

    On a processor a base below 300 million parameters stays in fp32, which answers fastest there; training may multiply
    in bf16 all the same (see core.training.engine_choice).
    """
    if wanted != "auto":
        if wanted == "fp16" and device.type == "cpu":
            raise ConfigError("precision fp16 needs a GPU. Choose auto, fp32 or bf16.")
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16" if has_matrix_unit() and parameters >= 300_000_000 else "fp32"


DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def load_base(folder: Path, *, precision: str = "auto", quantization: str = "none") -> LoadedBase:
    """Load a base from its folder, frozen.

    Raises:
        BaseModelError: The files are damaged, or transformers does not know the architecture.
        ConfigError: The device can't do what was asked for.
    """
    device = choose_device()
    shape = bases.read_shape(folder)
    chosen = choose_precision(precision, device, shape.parameters)
    options: dict[str, Any] = {
        "dtype": DTYPES[chosen],
        "trust_remote_code": False,
        "use_safetensors": True,
        "local_files_only": True,
    }
    if quantization != "none":
        options["quantization_config"] = _quantization(quantization, chosen, device)
        options["device_map"] = {"": device.index or 0} if device.type == "cuda" else {"": "cpu"}
    elif device.type == "cuda":
        # One GPU holds it, or accelerate spreads the layers over all that this job may use.
        spread = torch.cuda.device_count() > 1 and shape.parameters * 2 > 0.8 * torch.cuda.mem_get_info(0)[0]
        options["device_map"] = "auto" if spread else {"": 0}
    try:
        model, told = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise BaseModelError(f"The base model in {folder} can't be loaded: {error}") from error
    missing = sorted(told["missing_keys"])
    if missing:  # transformers would fill them with random numbers
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise BaseModelError(f"The base model in {folder} lacks {missing[0]}{others}. Download the model again.")
    model.eval()
    model.requires_grad_(False)
    model.config.use_cache = False
    packed.prepare(model)
    return LoadedBase(model, read_chat_format(folder), folder, device, chosen, bases.fingerprint(folder))


def _quantization(quantization: str, precision: str, device: torch.device) -> Any:
    from transformers import BitsAndBytesConfig

    try:
        import bitsandbytes.nn.modules
    except (ImportError, OSError, RuntimeError) as error:
        raise ConfigError(
            f"quantization {quantization} needs bitsandbytes, which does not run here: {error}. Choose quantization "
            "none."
        ) from error
    if device.type == "cpu":
        # With this feature on, the first forward repacks 4-bit weights for good, after which no gradient is right.
        bitsandbytes.nn.modules.has_avx512bf16 = lambda: False
    if quantization == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=DTYPES[precision],
    )
