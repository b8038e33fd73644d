"""Fetches a base from the model hub: only safetensors, JSON and the tokenizer, resumable, with progress."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from core.catalog import bases
from core.errors import BaseModelError

WANTED = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model", "*.txt", "LICENSE*", "README.md"]
REPORT_EVERY_S = 1.0


def obtain(base: str, report: Callable[[float, float, float], None], should_stop: Callable[[], bool]) -> Path | None:
    """Return the folder of a base, downloading it first where it is not here; None when `should_stop` said so.

    Args:
        report: Called about once a second with (bytes here, bytes in all, bytes per second).

    Raises:
        BaseModelError: The hub refuses or can't be reached; what has come is kept, and the next try goes on from there.
    """
    folder = bases.locate(base)
    if folder is not None:
        return folder
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    outcome: dict[str, object] = {}
    try:
        listed = HfApi().model_info(base, files_metadata=True, timeout=20).siblings or []
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise BaseModelError(
            f"The hub does not give {base}: {_reason(error)}. Check the name; a gated model needs your token "
            "in HF_TOKEN."
        ) from error
    total = sum(float(file.size or 0) for file in listed if Path(file.rfilename).match("*.safetensors"))

    def fetch() -> None:
        try:
            outcome["folder"] = snapshot_download(base, allow_patterns=WANTED)
        except Exception as error:  # carried over to the thread that waits
            outcome["error"] = error

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    began = time.monotonic()
    blobs = bases.hub_cache() / f"models--{base.replace('/', '--')}" / "blobs"
    first = _size(blobs)
    while thread.is_alive():
        thread.join(REPORT_EVERY_S)
        here = _size(blobs)
        report(here, total, (here - first) / max(1e-3, time.monotonic() - began))
        if should_stop():
            return None  # the thread dies with the process; its partial files serve the next try
    if "error" in outcome:
        raise BaseModelError(
            f"The download of {base} broke off: {_reason(outcome['error'])}. Try again; it goes on where it stopped."
        ) from (outcome["error"] if isinstance(outcome["error"], Exception) else None)
    return bases.check_folder(Path(str(outcome["folder"])))


def _size(folder: Path) -> float:
    return float(sum(file.stat().st_size for file in folder.iterdir())) if folder.is_dir() else 0.0


def _reason(error: object) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
