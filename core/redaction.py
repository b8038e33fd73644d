"""Keeps secrets out of logs and stored messages: tokens and keys are replaced before anything is written."""

import os
import re
import sys
from typing import IO, Any

_SHAPES = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bAKIA[A-Z0-9]{16}\b"
    r"|(?i:(?<=bearer )[A-Za-z0-9._~+/-]{12,})|(?i:(?<=password=)[^\s&\"']+)|(?i:(?<=api_key=)[^\s&\"']+)"
)
_NAMED = re.compile(r"(TOKEN|SECRET|PASSWORD|API_KEY)$")


def redacted(text: str) -> str:
    """Return the text with everything that looks like a secret, or is one of the environment's, blanked."""
    for name, value in os.environ.items():
        if _NAMED.search(name) and len(value) >= 8:
            text = text.replace(value, "[hidden]")
    return _SHAPES.sub("[hidden]", text)


class _Filter:
    """A stream that hides secrets before it writes; all else is the stream's own."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Put the filter before stdout and stderr of this process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, _Filter):
            setattr(sys, name, _Filter(stream))
