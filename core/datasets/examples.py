"""One example of a dataset: a prompt with its expected response, however the file spells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Role = Literal["system", "user", "assistant"]


class Turn(NamedTuple):
    """What one side said in a conversation."""

    role: Role
    text: str


@dataclass(frozen=True)
class Example:
    """A prompt with its expected response.

    `origin` says where it comes from, `extra` keeps what else the row held, `turns` is what was said before the prompt.
    """

    prompt: str
    response: str
    origin: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    turns: tuple[Turn, ...] = ()

    def to_row(self) -> dict[str, Any]:
        own = {"prompt": self.prompt, "response": self.response, "origin": self.origin}
        return self.extra | own | ({"turns": [list(turn) for turn in self.turns]} if self.turns else {})


def from_row(row: Mapping[str, Any]) -> Example:
    """Return the example that `to_row` gave."""
    extra = {key: value for key, value in row.items() if key not in ("prompt", "response", "origin", "turns")}
    turns = tuple(Turn(role, text) for role, text in row.get("turns", ()))
    return Example(row["prompt"], row["response"], row["origin"], extra, turns)


def join_instruction(instruction: str, given: str) -> str:
    """Return the prompt of an instruction with its input: the input on a line of its own."""
    return f"{instruction.strip()}\n{given.strip()}" if given.strip() else instruction.strip()
