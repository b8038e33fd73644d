"""Questions about a transcript as tokens; what the transcript says never becomes a mark of the conversation format."""

import json
from collections.abc import Sequence
from functools import lru_cache

from tokenizers import Tokenizer

from core.catalog.rubrics import SCALE, Rubric
from core.datasets.chat import ChatFormat
from core.errors import BaseModelError
from core.scoring import asking


class Prompts:
    """Writes prompts for one base."""

    def __init__(self, chat: ChatFormat) -> None:
        self.chat = chat
        told = json.loads(chat.tokenizer.to_str())
        # Tokenizers also keep runs of blanks as added tokens; those are text.
        self._marks = frozenset(one["id"] for one in told.get("added_tokens") or () if one["content"].strip())

    def count(self, text: str) -> int:
        """Return how many tokens a text has within a prompt."""
        return len(self.chat.tokenizer.encode(text, add_special_tokens=False).ids)

    def overhead(self, rubric: Rubric) -> int:
        """Return how many tokens the longest question of a rubric takes beside the transcript."""
        return max(self.count(self.chat.prompt_text(one)) for one in questions(rubric, ""))

    @property
    def digits(self) -> tuple[int, ...] | None:
        """The tokens that the scores from 1 to 5 are behind a prompt, None where a score is more than one token."""
        return _find_digits(self.chat)

    @property
    def answers(self) -> tuple[tuple[int, ...], ...]:
        """The tokens of each score from 1 to 5 behind a prompt."""
        return _find_answers(self.chat)

    def encode(self, text: str, asked: Sequence[str], answer: str = "") -> list[tuple[int, ...]]:
        """Return the tokens of prompts about a text, with the beginning of an answer.

        Args:
            asked: The prompts, each with the text in it.

        Raises:
            BaseModelError: The base's template does not write a prompt as it is given.
        """
        whole = [self.chat.prompt_text(one) + answer for one in asked]
        found = []
        for full, encoding in zip(
            whole, self.chat.tokenizer.encode_batch(whole, add_special_tokens=False), strict=True
        ):
            begin = full.find(text)
            if begin < 0:
                raise BaseModelError("The base's chat template changes what it is given. Choose another base.")
            end = begin + len(text)
            ids = encoding.ids
            if any(
                token in self._marks and start < end and stop > begin
                for token, (start, stop) in zip(ids, encoding.offsets, strict=True)
            ):
                ids = [*self._ids(full[:begin]), *self._as_text(text), *self._ids(full[end:])]
            found.append(tuple(ids))
        return found

    def _ids(self, text: str) -> list[int]:
        return list(self.chat.tokenizer.encode(text, add_special_tokens=False).ids)

    def _as_text(self, text: str) -> list[int]:
        ids = _plain_tokenizer(self.chat).encode(text, add_special_tokens=False).ids
        return [token for token in ids if token not in self._marks]


def questions(rubric: Rubric, text: str) -> list[str]:
    """Return what is asked about a transcript: each dimension's score, then the notes."""
    return [*(asking.ask_score(rubric, one, text) for one in rubric.dimensions), asking.ask_notes(rubric, text)]


@lru_cache(maxsize=8)
def _plain_tokenizer(chat: ChatFormat) -> Tokenizer:
    """Return a tokenizer to which the marks of the conversation format are text as any other."""
    told = json.loads(chat.tokenizer.to_str())
    for one in told["added_tokens"]:
        one["special"] = one["special"] or bool(one["content"].strip())
    plain = Tokenizer.from_str(json.dumps(told))
    plain.encode_special_tokens = True
    return plain


@lru_cache(maxsize=8)
def _find_answers(chat: ChatFormat) -> tuple[tuple[int, ...], ...]:
    """Return the tokens of each score behind a prompt."""
    prompt = chat.prompt_text("How good is it, from 1 to 5?")
    texts = [prompt, *(prompt + asking.write_score(digit) for digit in SCALE)]
    before, *whole = (one.ids for one in chat.tokenizer.encode_batch(texts, add_special_tokens=False))
    if any(ids[: len(before)] != before for ids in whole):  # the prompt's end and the score grow together
        return tuple(tuple(chat.tokenizer.encode(str(digit), add_special_tokens=False).ids) for digit in SCALE)
    return tuple(tuple(ids[len(before) :]) for ids in whole)


@lru_cache(maxsize=8)
def _find_digits(chat: ChatFormat) -> tuple[int, ...] | None:
    alone = _find_answers(chat)
    prompt = chat.prompt_text("How good is it, from 1 to 5?")
    before = len(chat.tokenizer.encode(prompt, add_special_tokens=False).ids)
    # As in training, where a full stop and the reason follow.
    followed = [
        chat.tokenizer.encode(prompt + asking.write_score(digit, "Yes."), add_special_tokens=False).ids[before]
        for digit in SCALE
    ]
    same = [(token,) for token in followed] == list(alone)
    return tuple(followed) if same and len(set(followed)) == len(SCALE) else None
