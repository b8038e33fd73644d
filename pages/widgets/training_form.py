"""The training schema as a form: a few knobs in sight, all of them one press away."""

from typing import Any, get_args

import streamlit as st
from pydantic.fields import FieldInfo

from core.training.configuration import TrainingConfig
from pages.widgets.text import setting_label

GROUPS: dict[str, tuple[str, ...]] = {
    "Adapter": ("rank", "alpha", "dropout", "target_modules", "bias", "rslora", "dora"),
    "Learning": (
        "learning_rate",
        "schedule",
        "warmup_ratio",
        "warmup_steps",
        "weight_decay",
        "max_grad_norm",
        "optimizer",
    ),
    "Length": (
        "epochs",
        "max_steps",
        "batch_size",
        "accumulation_steps",
        "max_length",
        "packing",
        "generated_examples",
    ),
    "Watching": (
        "validation_share",
        "eval_every_steps",
        "save_every_steps",
        "log_every_steps",
        "early_stopping_patience",
        "early_stopping_min_delta",
    ),
    "Machine": ("precision", "quantization", "gradient_checkpointing", "seed"),
}


def show(start: TrainingConfig, key: str) -> dict[str, Any]:
    """Draw every field with its value in `start` and return those that the person changed."""
    changes = {}
    for tab, (_, names) in zip(st.tabs(list(GROUPS)), GROUPS.items(), strict=True):
        with tab:
            places = st.columns(2)
            for index, name in enumerate(names):
                with places[index % 2]:
                    value = _field(name, TrainingConfig.model_fields[name], getattr(start, name), f"{key}-{name}")
                if value != getattr(start, name):
                    changes[name] = value
    return changes


def _field(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """Draw one field as its type wants it; what can't be read becomes a sentence when the form is checked."""
    label, about = setting_label(name), field.description
    if name == "target_modules":
        text = value if isinstance(value, str) else ", ".join(value)
        given = st.text_input(label, text, help=about, key=key).strip()
        return given if given == "all-linear" else tuple(part.strip() for part in given.split(",") if part.strip())
    options = _choices(field.annotation)
    if options:
        return st.selectbox(label, options, options.index(value), help=about, key=key)
    if isinstance(value, bool):
        return st.toggle(label, value, help=about, key=key)
    kinds = get_args(field.annotation) or (field.annotation,)
    optional = type(None) in kinds
    whole = int in kinds and float not in kinds
    text = "" if value is None else str(value) if whole else f"{value:g}"
    given = st.text_input(label, text, help=about, key=key, placeholder="automatic" if optional else None).strip()
    return _number(given, whole, optional)


def _choices(annotation: Any) -> list[Any]:
    arguments = get_args(annotation)
    return list(arguments) if arguments and all(isinstance(one, str) for one in arguments) else []


def _number(text: str, whole: bool, optional: bool) -> Any:
    """Return the number that a text says; a text that says none is returned as it is and refused by the schema."""
    if not text:
        return None if optional else text
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return text
