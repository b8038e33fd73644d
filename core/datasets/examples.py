"""One example of a dataset: a prompt with its expected response, however the file spells it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """A prompt with its expected response; `origin` says where it comes from, `extra` keeps what else the row held."""

    prompt: str
    response: str
    origin: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def to_row(self) -> dict[str, Any]:
        return self.extra | {"prompt": self.prompt, "response": self.response, "origin": self.origin}


def join_instruction(instruction: str, given: str) -> str:
    """Return the prompt of an instruction with its input: the input on a line of its own."""
    return f"{instruction.strip()}\n{given.strip()}" if given.strip() else instruction.strip()
