"""Base models: the known ones, any local folder, any hub id; where their files are and what shape they have.

All of it reads JSON and headers of safetensors files, so the web process can ask without loading a model.
"""

import hashlib
import json
import math
import os
import socket
import struct
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field

from core.errors import BaseModelError, NotFound
from core.paths import DATA_DIR, MODELS_DIR

SAMPLE_BYTES = 4096
PROBE_TIMEOUT_S = 1.0
_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
}


class Entry(BaseModel):
    """A line of data/bases.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    id: str
    title: str
    folder: str | None = None
    size_class: Annotated[str, Field(alias="class")]
    parameters: float
    gpu_memory_gb: float
    licence: str
    good_for: str
    advice: Annotated[
        dict[str, Any], Field(description="Training fields that suit this base, for all presets or for one.")
    ] = {}


@dataclass(frozen=True)
class Shape:
    """What a base's files say about it, without loading it."""

    model_type: str
    parameters: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    context: int
    weight_bytes: int
    has_chat_template: bool


@lru_cache(maxsize=1)
def known_bases() -> dict[str, Entry]:
    raw = yaml.safe_load((DATA_DIR / "bases.yaml").read_text(encoding="utf-8"))
    return {entry["id"]: Entry(**entry) for entry in raw}


def title_of(base: str) -> str:
    """Return a name for people: the catalogue's title, else the last part of a path or hub id."""
    entry = known_bases().get(base)
    return entry.title if entry else base.rstrip("/\\").replace("\\", "/").rpartition("/")[2]


def locate(base: str) -> Path | None:
    """Return the folder of a base, or None for a hub id that must and can be downloaded first.

    Args:
        base: 'starter', another catalogue id, a local folder, or a hub id such as owner/name.

    Raises:
        NotFound: The text is neither of these.
        BaseModelError: The folder lacks files or wants code of its own, or the hub can't be reached.
    """
    entry = known_bases().get(base)
    if entry is not None and entry.folder:
        return check_folder(MODELS_DIR / entry.folder)
    folder = _as_folder(base)
    if folder is not None:
        return check_folder(folder)
    if Path(base).is_absolute():
        raise NotFound(f"The folder {base} of the base model is missing. Put it back or choose another base.")
    if not _is_hub_id(base):
        raise NotFound(
            f"There is no base model {base!r}. Give one of {', '.join(known_bases())}, a folder with a model, or "
            "a hub id such as owner/name."
        )
    cached = find_cached(base)
    if cached is not None:
        return check_folder(cached)
    if is_offline():
        raise BaseModelError(
            f"The base {base} is not on this machine and the model hub can't be reached. Connect to the "
            "internet once, or give a folder that holds the model."
        )
    return None


def absolute(base: str) -> str:
    """Return a folder as an absolute path, so that a process elsewhere finds it; other names stay as they are."""
    folder = None if base in known_bases() else _as_folder(base)
    return str(folder) if folder is not None else base


def _as_folder(base: str) -> Path | None:
    try:
        folder = Path(base).expanduser()
        return folder.resolve() if base.strip() and folder.is_dir() else None
    except (OSError, RuntimeError):  # longer than any path, or the home of a person who is not there
        return None


def _is_hub_id(text: str) -> bool:
    owner, slash, name = text.partition("/")
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
    return (
        bool(slash and owner and name) and set(owner) <= allowed and set(name) <= allowed and not text.startswith(".")
    )


def find_cached(hub_id: str) -> Path | None:
    """Return the newest complete snapshot of a hub model in the local cache."""
    snapshots = hub_cache() / f"models--{hub_id.replace('/', '--')}" / "snapshots"
    found = [folder for folder in snapshots.iterdir() if _is_complete(folder)] if snapshots.is_dir() else []
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def hub_cache() -> Path:
    """Return the hub client's cache folder, by the variables that it obeys."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named)
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "huggingface"
    return Path(home) / "hub"


def _is_complete(folder: Path) -> bool:
    if not (folder / "config.json").exists():
        return False
    index = folder / "model.safetensors.index.json"
    if index.exists():
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False
        return all((folder / name).exists() for name in names)
    return (folder / "model.safetensors").exists()


_probe: dict[str, tuple[float, bool]] = {}


def is_offline(fresh_s: float = 30.0) -> bool:
    """Return whether the model hub is out of reach; asks for at most a second, and at most every 30 seconds.

    Without this the hub's client retries for most of a minute before it gives up.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return True
    known = _probe.get("hub")
    if known is None or time.monotonic() - known[0] > fresh_s:
        known = (time.monotonic(), not _can_connect())
        _probe["hub"] = known
    return known[1]


def _can_connect() -> bool:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    address = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True  # only the proxy can tell
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        with socket.create_connection((address.hostname, port), timeout=PROBE_TIMEOUT_S):
            return True
    except (OSError, ValueError):
        return False


def check_folder(folder: Path) -> Path:
    """Return the folder if it holds a model that Atelier loads: safetensors, a tokenizer, no code of its own.

    Raises:
        BaseModelError: What is missing or refused, and what to do.
    """
    if not folder.is_dir():
        raise BaseModelError(f"The folder {folder} of the base model is missing. Put it back or choose another base.")
    check_code(folder)
    if not _is_complete(folder):
        if any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth")):
            raise BaseModelError(
                f"The model in {folder} has pickled weights, which can run code. Only safetensors are "
                "loaded; convert it first or choose another base."
            )
        raise BaseModelError(
            f"The folder {folder} lacks weights: there is no complete model.safetensors. Download the model again."
        )
    if not (folder / "tokenizer.json").exists():
        raise BaseModelError(f"The folder {folder} has no tokenizer.json. Download the model's tokenizer into it.")
    return folder


def check_code(folder: Path) -> None:
    """Refuse a model that wants to run code of its own.

    Raises:
        BaseModelError: Its config.json names such code, or can't be read.
    """
    if "auto_map" in _read_config(folder):
        raise BaseModelError(
            f"The model in {folder} brings Python code of its own, which Atelier does not run. Choose a base "
            "that transformers supports by itself."
        )


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BaseModelError(
            f"The folder {folder} has no config.json, so it is no model. Choose a model's folder."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise BaseModelError(
            f"The config.json in {folder} can't be read: {error}. Download the model again."
        ) from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise BaseModelError(
            f"The config.json in {folder} does not say which kind of model it is. Download the model again."
        )
    return config


def weight_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("model*.safetensors"))


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Return a safetensors file's header and where its data begin.

    Raises:
        BaseModelError: The file is cut off or no safetensors file.
    """
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > 100_000_000:
                raise ValueError("the header is too long")
            header = json.loads(stream.read(length))
            if not isinstance(header, dict):
                raise ValueError("the header is no object")
        header.pop("__metadata__", None)
        if 8 + length + max((tensor["data_offsets"][1] for tensor in header.values()), default=0) > path.stat().st_size:
            raise ValueError("the file is cut off")
    except (OSError, ValueError, LookupError, TypeError, RecursionError, struct.error) as error:
        raise BaseModelError(f"The weights {path} can't be read: {error}. Download the model again.") from error
    return header, 8 + length


def read_shape(folder: Path) -> Shape:
    """Return the shape of the model in a folder, from its config and the headers of its weights.

    Raises:
        BaseModelError: A file is damaged, or a size is missing or is no number.
    """
    try:
        return _read_shape(folder)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BaseModelError(
            f"The sizes in the config.json or the weights of {folder} can't be read: {error}. Download the model again."
        ) from error


def _read_shape(folder: Path) -> Shape:
    config = _read_config(folder)
    inner = config.get("text_config", config)
    parameters = weight_bytes = 0
    for file in weight_files(folder):
        for tensor in read_header(file)[0].values():
            count = math.prod(tensor["shape"])
            parameters += count
            weight_bytes += count * _BYTES.get(tensor["dtype"], 2)
    hidden = int(inner.get("hidden_size", inner.get("n_embd", 0)))
    heads = int(inner.get("num_attention_heads", inner.get("n_head", 1)))
    template = (folder / "chat_template.jinja").exists() or _has_template(folder)
    return Shape(
        model_type=str(config["model_type"]),
        parameters=parameters,
        hidden=hidden,
        intermediate=int(inner.get("intermediate_size") or 4 * hidden),
        layers=int(inner.get("num_hidden_layers", inner.get("n_layer", 0))),
        heads=heads,
        key_value_heads=int(inner.get("num_key_value_heads") or heads),
        head_dim=int(inner.get("head_dim") or hidden // max(1, heads)),
        vocabulary=int(inner.get("vocab_size", 0)),
        context=int(inner.get("max_position_embeddings", inner.get("n_positions", 2048))),
        weight_bytes=weight_bytes,
        has_chat_template=template,
    )


def _has_template(folder: Path) -> bool:
    try:
        return bool(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template"))
    except (OSError, ValueError):
        return False


def fingerprint(folder: Path) -> str:
    """Return a name for exactly these weights: a hash of config, tokenizer, and the start of every tensor.

    Reading whole weights of a large base takes minutes; the first 4 KiB of each tensor tell two models of equal shape
    apart.
    """
    stamp = tuple(
        (file.name, file.stat().st_size, file.stat().st_mtime_ns)
        for file in [folder / "config.json", folder / "tokenizer.json", *weight_files(folder)]
        if file.exists()
    )
    return _fingerprint(folder, stamp)


@lru_cache(maxsize=64)
def _fingerprint(folder: Path, stamp: tuple[tuple[str, int, int], ...]) -> str:
    digest = hashlib.sha256()
    config = _read_config(folder)
    for volatile in ("_name_or_path", "transformers_version", "torch_dtype", "dtype"):
        config.pop(volatile, None)
    digest.update(json.dumps(config, sort_keys=True).encode())
    tokenizer = folder / "tokenizer.json"
    if tokenizer.exists():
        digest.update(tokenizer.read_bytes())
    for file in weight_files(folder):
        header, begin = read_header(file)
        with file.open("rb") as stream:
            for name in sorted(header):
                start, end = header[name]["data_offsets"]
                digest.update(f"{name} {header[name]['dtype']} {header[name]['shape']}".encode())
                stream.seek(begin + start)
                digest.update(stream.read(min(SAMPLE_BYTES, end - start)))
    return digest.hexdigest()
