"""The rules of the gate: data/gates.yaml, with the workspace's own gates.yaml laid over it field by field."""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.catalog.industries import describe_error
from core.errors import RegistryError
from core.paths import DATA_DIR, Workspace
from core.registry.gate import Rules
from core.store.registry import RUBRIC, SPECIALIST
from core.strict_yaml import Loader

FILE = "gates.yaml"
SHIPPED = DATA_DIR / FILE


class Gates(BaseModel):
    """One file of rules. A field that is not given stays as the layer below has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    defaults: dict[str, Any] = {}
    high_risk: Annotated[
        list[str] | None, Field(description="Industries and specialists whose adapters a person must review.")
    ] = None
    scopes: Annotated[dict[str, dict[str, Any]], Field(description="What differs, by scope.")] = {}


def own_file(workspace: Workspace) -> Path:
    return workspace.root / FILE


def read_rules(workspace: Workspace, scope: str) -> Rules:
    """Return the rules of a scope.

    Raises:
        RegistryError: A file can't be read or a field is wrong; the message names file and field.
    """
    layers = [(path, read_gates(path)) for path in (SHIPPED, own_file(workspace)) if path.exists()]
    values: dict[str, Any] = {}
    risky: list[str] = []
    for _, gates in layers:
        values = _lay_over(values, gates.defaults)
        risky = risky if gates.high_risk is None else gates.high_risk
    if set(risky) & set(parts_of(scope)):
        values = _lay_over(values, {"human_review": True})
    for _, gates in layers:
        values = _lay_over(values, gates.scopes.get(scope, {}))
    return Rules.model_validate(values)


def parts_of(scope: str) -> list[str]:
    """Return the industries of a scope, or its specialist or rubric."""
    return scope.removeprefix(SPECIALIST).removeprefix(RUBRIC).split("+")


def _lay_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    inner = {**below.get("not_measured", {}), **above.get("not_measured", {})}
    return {**below, **above} | ({"not_measured": inner} if inner else {})


def read_gates(path: Path) -> Gates:
    """Read one file of rules.

    Raises:
        RegistryError: It can't be read or a field is wrong; the message names file and field.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"The gate's rules {path} can't be read: {error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise RegistryError(
            f"The gate's rules {path}{where} are not valid YAML: {getattr(error, 'problem', error)}."
        ) from error
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"The gate's rules {path} have a value that can't be read: {error}.") from error
    if not isinstance(raw, dict | None):
        raise RegistryError(f"The gate's rules {path} hold no fields. {SHIPPED} shows how they are written.")
    try:
        gates = Gates.model_validate(raw or {})
    except ValidationError as error:
        raise RegistryError(f"The gate's rules {path} are wrong at {describe_error(error)}") from error
    for place, values in {
        "defaults": gates.defaults,
        **{f"scopes.{name}": one for name, one in gates.scopes.items()},
    }.items():
        try:
            Rules.model_validate(values)
        except ValidationError as error:
            raise RegistryError(f"The gate's rules {path} are wrong at {place}.{describe_error(error)}") from error
    return gates
