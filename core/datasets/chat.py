"""How a base writes a conversation, and the tokens of it: prompt, response, and where the response begins.

Uses the model's own tokenizer.json and chat template without transformers, so pages count exactly what training sees.
"""

import datetime
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from core.datasets.examples import Example, Turn
from core.errors import BaseModelError

RESPONSE_MARK = "\x00response\x00"


@dataclass(frozen=True)
class Encoded:
    """An example as tokens; the response, with its end mark, begins at `response_start`.

    `cut` counts the tokens that the length limit took away: from the prompt's beginning first, so that as much of the
    response as possible stays.
    """

    ids: tuple[int, ...]
    response_start: int
    cut: int
    response_cut: int

    @property
    def supervised(self) -> int:
        """How many tokens count in the loss; the very first of an example can't be predicted."""
        return max(0, len(self.ids) - max(self.response_start, 1))


class ChatFormat:
    """Tokenizer and chat template of one base."""

    def __init__(
        self, tokenizer: Tokenizer, template: Template | None, bos: str, eos: str, stop_ids: frozenset[int]
    ) -> None:
        self.tokenizer = tokenizer
        self.template = template
        self.bos = bos
        self.eos = eos
        self.stop_ids = stop_ids
        self._before, self._between, self._after = self._split_template()

    @property
    def pad_id(self) -> int:
        """An id to fill up with; what stands there never counts."""
        return min(self.stop_ids, default=0)

    def _split_template(self) -> tuple[str, str | None, str]:
        """Return what the template puts before the prompt, between prompt and response, and behind the response.

        A template that treats prompts differently by their content is rendered for each instead: `_between` is None.
        """
        if self.template is None:
            return self.bos, "\n", self.eos
        marker = "\x00prompt\x00"
        asked = self._render([{"role": "user", "content": marker}], True)
        before, found, between = asked.partition(marker)
        if not found:
            return "", None, self.eos
        whole = self._render(
            [{"role": "user", "content": marker}, {"role": "assistant", "content": RESPONSE_MARK}], False
        )
        after = whole.partition(RESPONSE_MARK)[2] if RESPONSE_MARK in whole else self.eos
        return before, between, after.rstrip("\n") or self.eos

    def _render(self, messages: list[dict[str, str]], asking: bool) -> str:
        assert self.template is not None
        try:
            return self.template.render(
                messages=messages,
                add_generation_prompt=asking,
                bos_token=self.bos,
                eos_token=self.eos,
                tools=None,
                documents=None,
            )
        except TemplateError as error:
            raise BaseModelError(
                f"The base's chat template can't write a conversation: {error}. Choose another base."
            ) from error

    def prompt_text(self, prompt: str, turns: Sequence[Turn] = ()) -> str:
        """Return all that stands before the response.

        Args:
            turns: What was said before the prompt.
        """
        if turns and self.template is None:
            return "\n".join([self.bos + turns[0].text, *(turn.text for turn in turns[1:]), prompt, ""])
        if turns or self._between is None:
            said = [{"role": turn.role, "content": turn.text} for turn in turns]
            return self._render([*said, {"role": "user", "content": prompt}], True)
        return f"{self._before}{prompt}{self._between}"

    def encode_prompts(self, prompts: Sequence[str], turns: Sequence[Sequence[Turn]] | None = None) -> list[list[int]]:
        before = turns if turns is not None else [()] * len(prompts)
        texts = [self.prompt_text(prompt, said) for prompt, said in zip(prompts, before, strict=True)]
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], end: bool = True, turns: Sequence[Sequence[Turn]] | None = None
    ) -> list[tuple[list[int], int]]:
        """Return (ids, where the response begins) of prompts with responses.

        A token that reaches over the border belongs to the response.

        Args:
            end: Whether the end mark follows the response.
            turns: What was said before each prompt.
        """
        before = turns if turns is not None else [()] * len(pairs)
        heads = [self.prompt_text(prompt, said) for (prompt, _), said in zip(pairs, before, strict=True)]
        texts = [
            f"{head}{response}{self._after if end else ''}" for head, (_, response) in zip(heads, pairs, strict=True)
        ]
        found = []
        for head, encoding in zip(heads, self.tokenizer.encode_batch(texts, add_special_tokens=False), strict=True):
            start = next(
                (index for index, (_, stop) in enumerate(encoding.offsets) if stop > len(head)), len(encoding.ids)
            )
            found.append((encoding.ids, start))
        return found

    def encode(self, examples: Sequence[Example], max_length: int) -> list[Encoded]:
        encoded = []
        pairs = [(example.prompt, example.response) for example in examples]
        for ids, start in self.encode_pairs(pairs, turns=[example.turns for example in examples]):
            cut = max(0, len(ids) - max_length)
            from_prompt = min(cut, max(0, start - 1))
            kept = ids[from_prompt:][:max_length]
            encoded.append(Encoded(tuple(kept), start - from_prompt, cut, cut - from_prompt))
        return encoded

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()


@lru_cache(maxsize=8)
def _read(folder: Path, stamp: int) -> ChatFormat:
    try:
        tokenizer = Tokenizer.from_buffer((folder / "tokenizer.json").read_bytes())
    except (OSError, ValueError) as error:
        raise BaseModelError(f"The tokenizer in {folder} can't be read: {error}. Download the model again.") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    settings = _read_json(folder / "tokenizer_config.json")
    bos, eos = _token_text(settings.get("bos_token")), _token_text(settings.get("eos_token"))
    template_file = folder / "chat_template.jinja"
    source = template_file.read_text(encoding="utf-8") if template_file.exists() else settings.get("chat_template")
    if isinstance(source, list):  # several named templates
        source = next((entry["template"] for entry in source if entry.get("name") == "default"), None)
    stops = set()
    for name in ("generation_config.json", "config.json"):
        value = _read_json(folder / name).get("eos_token_id")
        stops |= set(value if isinstance(value, list) else [value] if value is not None else [])
    if eos and (known := tokenizer.token_to_id(eos)) is not None:
        stops.add(known)
    return ChatFormat(tokenizer, _compile(source) if source else None, bos, eos, frozenset(stops))


def read_chat_format(folder: Path) -> ChatFormat:
    """Return the tokenizer and chat template of the model in a folder.

    Raises:
        BaseModelError: tokenizer.json is missing or unreadable, or the template can't be compiled.
    """
    path = folder / "tokenizer.json"
    if not path.exists():
        raise BaseModelError(f"The folder {folder} has no tokenizer.json. Download the model's tokenizer into it.")
    return _read(folder, path.stat().st_mtime_ns)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _token_text(token: object) -> str:
    if isinstance(token, dict):
        return str(token.get("content", ""))
    return str(token) if token else ""


def _compile(source: str) -> Template:
    """Compile a chat template as the models' authors expect it to be run."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )

    def refuse(message: str) -> None:
        raise TemplateError(message)

    environment.globals["raise_exception"] = refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(value, ensure_ascii=False, indent=indent)
    # Marks for training masks, which are ours here; a block without effect takes away the same blanks around it.
    source = re.sub(r"{%([-+]?)\s*generation\s*([-+]?)%}", r"{%\1 if true \2%}", source)
    source = re.sub(r"{%([-+]?)\s*endgeneration\s*([-+]?)%}", r"{%\1 endif \2%}", source)
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise BaseModelError(f"The base's chat template can't be read: {error}. Choose another base.") from error
