"""Answers in JSON: whether they are valid against a JSON schema."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jsonschema.exceptions import SchemaError  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]
from referencing import Registry
from referencing.exceptions import Unresolvable

from core.errors import MetricError


def valid_share(answers: Sequence[str], schema: Mapping[str, Any]) -> float:
    """Return the share of answers that are JSON as they stand and fulfil the schema, 0 to 1.

    References lead only to places within the schema; nothing is fetched.

    Raises:
        MetricError: There is no answer, or the schema is none.
    """
    if not answers:
        raise MetricError("There are no answers to measure.")
    kind = validator_for(schema)
    try:
        kind.check_schema(schema)
        validator = kind(schema, registry=Registry())
        return sum(_is_valid(answer, validator) for answer in answers) / len(answers)
    except SchemaError as error:
        raise MetricError(f"The JSON schema is wrong at {error.json_path}: {error.message}.") from error
    except Unresolvable as error:
        raise MetricError(f"The JSON schema refers to {error.ref!r}, which is not in it.") from error


def _is_valid(answer: str, validator: Any) -> bool:
    try:
        told = json.loads(answer, parse_constant=_refuse)
        return bool(validator.is_valid(told))
    except (ValueError, RecursionError):
        return False


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
