"""Keeps secrets out of logs and stored messages: tokens, keys and the person's home folder are replaced first."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

HIDDEN = "[hidden]"
_SHAPES = re.compile(
    r"\bhf_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}"
    r"|\bAKIA[A-Z0-9]{16}\b|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|(?i:(?<=bearer )[A-Za-z0-9._~+/-]{12,})"
    r"|(?i:(?<=password=)|(?<=api_key=)|(?<=token=))[^\s&\"']+"
    r"|(?<=://)[^\s/:@]*:[^\s/@]+(?=@)"
)
_NAMED = re.compile(r"(TOKEN|SECRET|PASSWORD|PASSWD|_KEY)$", re.IGNORECASE)
LEAST_LETTERS = 8  # shorter values of the environment occur by chance


def redacted(text: str) -> str:
    """Return the text without what looks like a secret, or is one of the environment's; the home folder becomes ~."""
    for name, value in os.environ.items():
        if _NAMED.search(name) and len(value) >= LEAST_LETTERS:
            text = text.replace(value, HIDDEN)
    return _without_home(_SHAPES.sub(HIDDEN, text))


def _without_home(text: str) -> str:
    try:
        home = str(Path.home())
    except RuntimeError:  # nobody is logged in here
        return text
    if len(home) <= len(Path(home).anchor):
        return text
    for written in {home, home.replace("\\", "\\\\")}:
        text = re.sub(rf"(?<!\w){re.escape(written)}(?![\w-]|\.\w)", "~", text)
    return text


class _Filter:
    """A stream that hides secrets before it writes; all else is the stream's own."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redacted(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Put the filter before stdout and stderr of this process."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, _Filter):
            setattr(sys, name, _Filter(stream))
