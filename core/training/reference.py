"""The configuration's fields as the README's table: `python -m core.training.reference`."""

import typing
from types import UnionType
from typing import Any

from core.training.configuration import PRESETS, TrainingConfig, resolve_preset


def table() -> str:
    """Return a Markdown table: field, what it takes, default, what the presets set, what it is for."""
    presets = [resolve_preset(name) for name in PRESETS]
    plain = TrainingConfig()
    rows = [f"| field | takes | default | {' / '.join(PRESETS)} | |", "| --- | --- | --- | --- | --- |"]
    for name, field in TrainingConfig.model_fields.items():
        values = [getattr(preset, name) for preset in presets]
        changed = " / ".join(_show(value) for value in values) if set(values) != {getattr(plain, name)} else ""
        rows.append(
            f"| `{name}` | {_show_type(field.annotation, field.metadata)} | {_show(getattr(plain, name))} | {changed} "
            f"| {field.description} |"
        )
    return "\n".join(rows)


def _show(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _show_type(annotation: Any, bounds: list[Any]) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return ", ".join(typing.get_args(annotation))
    if typing.get_origin(annotation) in (UnionType, typing.Union):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        return " or ".join(_show_type(part, bounds) for part in parts)
    if typing.get_origin(annotation) is tuple:
        return "list of names"
    if annotation is bool:
        return "yes or no"
    if annotation is str:
        return "text"
    kind = "whole number" if annotation is int else "number"
    limits = []
    for bound in bounds:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if hasattr(bound, attribute):
                limits.append(f"{sign} {getattr(bound, attribute):,}".replace(",", " "))
    return f"{kind} {', '.join(limits)}".strip()


if __name__ == "__main__":
    print(table())
