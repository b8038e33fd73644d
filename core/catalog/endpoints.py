"""Models behind an OpenAI-compatible endpoint: who serves which one where, and what it costs.

Keys never stand in these files: `key_env` names the environment variable that holds one.
"""

import difflib
import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from core.catalog.industries import describe_error
from core.errors import BadInput, CatalogError, NotFound
from core.paths import DATA_DIR, Workspace
from core.strict_yaml import Loader

SHIPPED = DATA_DIR / "endpoints.yaml"
PREFIX = "endpoint:"
# What core.redaction takes for a secret by its name, so that no value of such a variable reaches a log.
_KEY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(TOKEN|SECRET|PASSWORD|_KEY)", re.IGNORECASE)
_FIXED = {"model", "messages", "stream", "n"}


class Endpoint(BaseModel):
    """One entry of endpoints.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    url: Annotated[str, Field(description="The address before /v1/chat/completions.")]
    model: Annotated[str, Field(min_length=1, max_length=300, description="What the server calls the model.")]
    key_env: Annotated[str, Field(description="Name of the environment variable that holds the key.")] = ""
    price_per_1000_input: Annotated[float | None, Field(ge=0, lt=1e6, description="Price of 1,000 tokens read.")] = None
    price_per_1000_output: Annotated[float | None, Field(ge=0, lt=1e6, description="Of 1,000 tokens written.")] = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    timeout_s: Annotated[float, Field(gt=0, le=3600, description="How long one answer may take.")] = 120.0
    concurrency: Annotated[int, Field(ge=1, le=64, description="How many questions are asked at once.")] = 4
    answers_as: Annotated[str, Field(max_length=300, description="The model's name in answers, if another.")] = ""
    options: Annotated[dict[str, Any], Field(description="Further fields of a request; null takes one away.")] = {}

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            known = parts.hostname and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
        except ValueError:
            known = False
        if not known or parts.scheme not in ("http", "https"):
            raise ValueError("it is no address of the form http://host:port or https://host")
        if "@" in parts.netloc:
            raise ValueError("it holds a name or a password; put the key into a variable and its name into key_env")
        if parts.query or parts.fragment:
            raise ValueError("an address ends before ? and #")
        return url.rstrip("/").removesuffix("/v1").rstrip("/")

    @field_validator("key_env")
    @classmethod
    def _hidden_name(cls, name: str) -> str:
        if name and not _KEY_NAME.fullmatch(name):
            raise ValueError(
                "give the name of an environment variable, not the key; it must end in _KEY, TOKEN, SECRET or "
                "PASSWORD, since what such variables hold is kept out of logs"
            )
        return name

    @field_validator("options")
    @classmethod
    def _as_json(cls, options: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(_FIXED & options.keys()):
            raise ValueError(f"{', '.join(taken)} can't be set here")
        try:
            json.dumps(options, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise ValueError("a value has no form in JSON") from None
        return options

    @model_validator(mode="after")
    def _key_is_safe(self) -> "Endpoint":
        parts = urlsplit(self.url)
        if self.key_env and parts.scheme == "http" and not _is_near(parts.hostname or ""):
            raise ValueError("a key would be sent unencrypted; use https://")
        return self

    @property
    def base(self) -> str:
        """How jobs and evaluations call it, where others have the name of a base."""
        return PREFIX + self.name


def _is_near(host: str) -> bool:
    """Return whether a host is this machine or one of the private network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".localhost", ".lan", ".internal"))


def name_in(base: str) -> str | None:
    """Return the endpoint's name if a base is one."""
    return base.removeprefix(PREFIX) if base.startswith(PREFIX) else None


def own_file(workspace: Workspace) -> Path:
    return workspace.root / "endpoints.yaml"


def all_endpoints(workspace: Workspace) -> dict[str, Endpoint]:
    """Return the endpoints by name: those that are shipped, then the workspace's, which replace them.

    Raises:
        CatalogError: A file can't be read or a field is wrong; the message names file and field.
    """
    return {one.name: one for path in (SHIPPED, own_file(workspace)) for one in read_file(path)}


def read_file(path: Path) -> list[Endpoint]:
    """Read one file; one that is missing or holds comments alone has no endpoints."""
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except FileNotFoundError:
        return []
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}," if mark else ""
        raise CatalogError(f"{path}{where} is not valid YAML: {getattr(error, 'problem', error)}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CatalogError(f"{path} can't be read: {error}.") from None
    if raw is None:
        return []
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise CatalogError(f"{path} must be a list of endpoints, each with name, url and model.")
    found: dict[str, Endpoint] = {}
    for number, fields in enumerate(raw, 1):
        try:
            one = Endpoint.model_validate(fields)
        except ValidationError as error:
            raise CatalogError(f"{path} is wrong at entry {number}, {describe_error(error)}") from None
        if one.name in found:
            raise CatalogError(f"{path} has two endpoints that are called {one.name!r}. Rename one.")
        found[one.name] = one
    return list(found.values())


def find(name: str, workspace: Workspace) -> Endpoint:
    known = all_endpoints(workspace)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise NotFound(
        f"There is no endpoint {name!r}.{hint} {own_file(workspace)} lists yours; {SHIPPED} shows how they are written."
    )


def read_key(endpoint: Endpoint) -> str:
    """Return the endpoint's key from the environment, or nothing where it needs none.

    Raises:
        BadInput: The variable is not set here, or what it holds can be no key. The message never quotes it.
    """
    if not endpoint.key_env:
        return ""
    key = os.environ.get(endpoint.key_env, "").strip()
    if not key:
        raise BadInput(
            f"The key of the endpoint {endpoint.name!r} is missing: the environment variable {endpoint.key_env} is not "
            "set for Atelier. Set it, close the app, and start Atelier again from there."
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise BadInput(f"The environment variable {endpoint.key_env} holds something that can be no key. Set it anew.")
    return key


def check(base: str, workspace: Workspace) -> None:
    """Raise what keeps an evaluation of the base `endpoint:NAME` from starting: no such endpoint, or no key."""
    read_key(find(base.removeprefix(PREFIX), workspace))


def key_names(workspace: Workspace) -> set[str]:
    """Return the variables that hold keys; none where a file is wrong, which whoever needs an endpoint will hear."""
    try:
        return {one.key_env for one in all_endpoints(workspace).values() if one.key_env}
    except CatalogError:
        return set()
