"""The training configuration: one schema for the form, the YAML file, the command's flags and the README's table.

No torch in here: pages and command read it.
"""

import difflib
import reprlib
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from core.errors import ConfigError
from core.strict_yaml import Dumper, Loader

Preset = Literal["quick", "standard", "thorough"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


class TrainingConfig(BaseModel):
    """Every knob of a training job, with its bounds; a field that is not here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # The adapter
    rank: Annotated[
        int, Field(ge=1, le=512, description="Size of the adapter: 8 for simple tasks, 32 for hard ones.")
    ] = 16
    alpha: Annotated[float, Field(gt=0, le=2048, description="Strength of the adapter; twice the rank is usual.")] = 32
    dropout: Annotated[float, Field(ge=0, lt=1, description="Share of adapter inputs dropped while training.")] = 0.05
    target_modules: Annotated[
        str | tuple[str, ...],
        Field(description="Layers that get an adapter: all-linear, or names such as q_proj, v_proj."),
    ] = "all-linear"
    bias: Annotated[Literal["none", "all", "lora_only"], Field(description="Which biases are trained too.")] = "none"
    rslora: Annotated[bool, Field(description="Scale by the square root of the rank, for high ranks.")] = False
    dora: Annotated[bool, Field(description="Train directions and lengths apart: slower, sometimes better.")] = False

    # The optimisation
    learning_rate: Annotated[float, Field(gt=0, le=1, description="Step size; small bases want larger ones.")] = 2e-4
    schedule: Annotated[
        Literal["cosine", "linear", "constant"], Field(description="How the learning rate falls after warm-up.")
    ] = "cosine"
    warmup_ratio: Annotated[float, Field(ge=0, le=0.9, description="Share of the steps in which it rises.")] = 0.1
    warmup_steps: Annotated[int | None, Field(ge=0, description="Steps in which it rises; replaces the share.")] = None
    weight_decay: Annotated[float, Field(ge=0, le=1, description="Pull of the adapter's weights to zero.")] = 0.01
    max_grad_norm: Annotated[float, Field(gt=0, le=1000, description="Gradients are shortened to this norm.")] = 1.0
    optimizer: Annotated[
        Literal["adamw", "adamw_8bit"], Field(description="adamw_8bit keeps its state in 8 bits (NVIDIA GPUs).")
    ] = "adamw"

    # How long, and in which portions
    epochs: Annotated[float, Field(gt=0, le=1000, description="Passes over the training examples.")] = 3
    max_steps: Annotated[int | None, Field(ge=1, description="Stop after so many steps, whatever the epochs.")] = None
    batch_size: Annotated[int, Field(ge=1, le=4096, description="Examples computed at once.")] = 4
    accumulation_steps: Annotated[int, Field(ge=1, le=4096, description="Batches added up into one step.")] = 4
    max_length: Annotated[int, Field(ge=16, le=1_000_000, description="Longest example in tokens.")] = 1024
    packing: Annotated[
        bool, Field(description="Fill each batch to batch_size x max_length tokens instead of counting examples.")
    ] = False

    # Watching and saving
    validation_share: Annotated[float, Field(ge=0, le=0.5, description="Share of the examples kept for eval loss.")] = (
        0.2
    )
    eval_every_steps: Annotated[
        int | None, Field(ge=1, description="Steps between eval losses; by default ten in all.")
    ] = None
    save_every_steps: Annotated[
        int | None, Field(ge=1, description="Steps between checkpoints; by default every 60 s.")
    ] = None
    log_every_steps: Annotated[int, Field(ge=1, description="Steps between points of the charts.")] = 1
    early_stopping_patience: Annotated[
        int,
        Field(ge=0, description="Stop after so many eval losses without a better one, and keep the best; 0 is off."),
    ] = 0
    early_stopping_min_delta: Annotated[float, Field(ge=0, description="What counts as better.")] = 0.0

    # The machine
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "fp16"],
        Field(description="Number format of the base; auto takes what the device does fast."),
    ] = "auto"
    quantization: Annotated[
        Literal["none", "4bit", "8bit"], Field(description="Load the base in 4 or 8 bits to save memory.")
    ] = "none"
    gradient_checkpointing: Annotated[bool, Field(description="Compute twice to save memory.")] = False
    seed: Annotated[int, Field(ge=0, le=2**31 - 1, description="Same seed, same machine, same adapter.")] = 42

    # The data
    generated_examples: Annotated[
        int, Field(ge=0, le=1_000_000, description="Examples to generate for each industry beside its corpus.")
    ] = 0

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("true and false are no values for it")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingConfig":
        if self.early_stopping_patience and not self.validation_share:
            raise ValueError("early_stopping_patience needs a validation_share above 0 to watch")
        if isinstance(self.target_modules, str) and self.target_modules != "all-linear":
            raise ValueError(f"target_modules is {self.target_modules!r}; give all-linear or a list of layer names")
        if not self.target_modules:
            raise ValueError("target_modules is empty; give all-linear or a list of layer names")
        return self


# What a preset changes, for bases of a billion parameters and more; a base's own advice comes on top.
_PRESET_VALUES: dict[Preset, dict[str, Any]] = {
    "quick": {"rank": 8, "alpha": 16, "max_steps": 60, "epochs": 1, "generated_examples": 200},
    "standard": {"rank": 16, "alpha": 32, "epochs": 3, "generated_examples": 1000},
    "thorough": {"rank": 32, "alpha": 64, "epochs": 4, "generated_examples": 4000, "early_stopping_patience": 4},
}


def resolve_preset(preset: str, advice: dict[str, Any] | None = None, **changes: Any) -> TrainingConfig:
    """Return the configuration of a preset, adjusted by the base's advice, then by the person's own changes.

    Args:
        advice: Fields for every preset, and under a preset's name fields for it alone.
    """
    if preset not in PRESETS:
        raise ConfigError(f"There is no preset {preset!r}. Choose from: {', '.join(PRESETS)}.")
    advice = advice or {}
    general = {name: value for name, value in advice.items() if name not in PRESETS}
    own = advice.get(preset, {})
    return make_config({**_PRESET_VALUES[preset], **general, **own, **changes}, "The configuration")


def make_config(values: dict[str, Any], source: str) -> TrainingConfig:
    """Return a checked configuration.

    Raises:
        ConfigError: A name is unknown or a value out of bounds; the message names it and what would be right.
    """
    for name in values:
        if name not in TrainingConfig.model_fields:
            raise ConfigError(f"{source} has {name!r}, which is no field of a training configuration.{_nearest(name)}")
    try:
        return TrainingConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(
            str(part) for part in first["loc"] if not isinstance(part, int) and part in TrainingConfig.model_fields
        )
        message = first["msg"].removeprefix("Value error, ")
        if field:
            raise ConfigError(
                f"{source}: {field} is {_shown(values.get(field))}: {message[:1].lower()}{message[1:]}."
            ) from error
        raise ConfigError(f"{source}: {message}.") from error


def _shown(value: Any) -> str:
    """Return a value as it stands in a message, cut where it is long or nested."""
    short = reprlib.Repr()
    short.maxlevel, short.maxstring, short.maxother = 2, 80, 80
    return short.repr(value)


def _nearest(name: str) -> str:
    known = list(TrainingConfig.model_fields) + list(_FOREIGN_NAMES)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    if not near:
        return " `atelier train --help` lists the fields."
    return f" Did you mean {_FOREIGN_NAMES.get(near[0], near[0])!r}?"


# Names by which other tools and the rating system's YAML call the same fields.
_FOREIGN_NAMES = {
    "r": "rank",
    "lora_r": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "num_epochs": "epochs",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "gradient_accumulation_steps": "accumulation_steps",
    "save_steps": "save_every_steps",
    "eval_steps": "eval_every_steps",
    "logging_steps": "log_every_steps",
    "lr": "learning_rate",
    "lr_scheduler_type": "schedule",
    "max_seq_length": "max_length",
    "use_rslora": "rslora",
    "use_dora": "dora",
}
# What the rating system's YAML says about the model beside fields; the temperature is for answering, not for training.
_MODEL_KEYS = {"name", "load_in_4bit", "load_in_8bit", "device_map", "temperature"}


def read_yaml(path: Path) -> tuple[dict[str, Any], str | None]:
    """Read a configuration file: our own flat layout, or the rating system's with model, training and lora.

    Returns:
        The fields that the file sets, and the base model that it names or None.

    Raises:
        ConfigError: The file is unreadable or says something unknown; the message names the place.
    """
    raw = _load(path)
    if "training" in raw or "model" in raw:
        return _from_nested(raw, path)
    base = raw.pop("base", None)
    if base is not None and not isinstance(base, str):
        raise ConfigError(f"{path}: base is {_shown(base)}, not the name of a base model.")
    make_config(raw, str(path))
    return raw, base


def _load(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"There is no file {path}. Check the path.") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder. Give a YAML file.") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text (byte {error.start + 1}). Save the file as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.") from error
    try:
        raw = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where} is not valid YAML: {getattr(error, 'problem', None) or error}.") from error
    except ValueError as error:  # a date that does not exist, a number of thousands of digits
        raise ConfigError(f"{path} has a value that can't be read: {error}.") from error
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply.") from None
    if raw is None:
        raise ConfigError(f"{path} is empty. Write fields such as `rank: 16`.")
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} holds {type(raw).__name__}, not fields. Write lines such as `rank: 16`.")
    for name in raw:
        if not isinstance(name, str):
            raise ConfigError(f"{path} has the key {name!r}, which is no field name.")
    return raw


def _from_nested(raw: dict[str, Any], path: Path) -> tuple[dict[str, Any], str | None]:
    """Translate the rating system's layout; its `scoring` section describes a rubric and is left alone."""
    unknown = sorted(set(raw) - {"model", "training", "scoring"})
    if unknown:
        raise ConfigError(f"{path} has {unknown[0]!r} beside model and training.{_nearest(unknown[0])}")
    model, training = _section(raw, "model", path), _section(raw, "training", path)
    lora = _section(training, "lora", path, "training.")
    base = model.get("name")
    if base is not None and not isinstance(base, str):
        raise ConfigError(f"{path}: model.name is {_shown(base)}, not the name of a base model.")
    if model.get("device_map", "auto") != "auto":
        raise ConfigError(
            f"{path}: model.device_map is {model['device_map']!r}; only auto is possible, Atelier places the model."
        )
    values: dict[str, Any] = {}
    switches = {name: model[name] for name in ("load_in_4bit", "load_in_8bit") if name in model}
    for switch, value in switches.items():
        if not isinstance(value, bool):
            raise ConfigError(f"{path}: model.{switch} is {_shown(value)}. Write true or false.")
    if switches:
        chosen = [switch.removeprefix("load_in_") for switch, value in switches.items() if value]
        if len(chosen) > 1:
            raise ConfigError(f"{path} asks for load_in_4bit and load_in_8bit at once. Keep one of them.")
        values["quantization"] = chosen[0] if chosen else "none"
    rest = {name: value for name, value in model.items() if name not in _MODEL_KEYS}
    known: dict[str, Collection[str]] = {"model": ("gradient_checkpointing", "max_length")}
    for section, part in (("model", rest), ("training", training), ("training.lora", lora)):
        for name, value in part.items():
            own = _FOREIGN_NAMES.get(name, name)
            if own not in known.get(section, TrainingConfig.model_fields):
                raise ConfigError(f"{path} has {name!r} under {section}.{_nearest(name)}")
            if own in values:
                raise ConfigError(f"{path} sets {own} twice, the second time as {name!r} under {section}.")
            values[own] = value
    make_config(values, str(path))
    return values, base


def _section(raw: dict[str, Any], name: str, path: Path, above: str = "") -> dict[str, Any]:
    """Take a section out of a file; one that is missing or empty has no fields."""
    part = raw.pop(name, None)
    if part is None:
        return {}
    if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
        raise ConfigError(f"{path}: {above}{name} is {_shown(part)}, not a section with fields.")
    return part


def write_yaml(config: TrainingConfig, base: str | None = None) -> str:
    """Return a file that `read_yaml` reads back to the same configuration."""
    values = config.model_dump(mode="json")
    head = {"base": base} if base else {}
    return yaml.dump({**head, **values}, Dumper=Dumper, sort_keys=False, allow_unicode=True)


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Return the fields of `--set key=value` flags, the values read as YAML.

    Raises:
        ConfigError: A pair has no '=', or its name is unknown.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name = _FOREIGN_NAMES.get(name.strip(), name.strip())
        if not equals:
            raise ConfigError(f"--set {pair!r} has no '='. Write it as --set rank=16.")
        if name not in TrainingConfig.model_fields:
            raise ConfigError(f"--set {pair!r}: {name!r} is no field of a training configuration.{_nearest(name)}")
        try:
            values[name] = yaml.load(text, Loader=Loader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"--set {name}={_shown(text)} can't be read as a value.") from error
    return values


def difference(first: dict[str, Any], second: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return (field, value of the first, value of the second) wherever two configurations differ."""
    names = [*first, *(name for name in second if name not in first)]
    return [(name, first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)]
