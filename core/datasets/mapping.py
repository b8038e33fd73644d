"""Which column of a file becomes what of an example: guessed from names and values, shown, and changed by people."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field

from core.datasets.examples import Example, Role, Turn, join_instruction
from core.datasets.files.values import find_fault, kind_of
from core.paths import DATA_DIR

Layout = Literal["pair", "chat", "ratings", "marked"]
LEAST_TEXT = 15  # letters on average; a column of shorter values is not taken for a question by itself
DATABASES = ("schema", "database")
RATINGS = ("empathy", "clarity", "accuracy", "professionalism")
RATING_TEXTS = ("reasoning", "strengths", "areas_for_improvement")


class _Names(NamedTuple):
    """Spellings of columns and roles (see data/columns.yaml)."""

    asks: list[str]
    answers: list[str]
    groups: list[str]
    never_text: list[str]
    markers: list[str]
    roles: dict[str, Role]


@cache
def _names() -> _Names:
    raw = yaml.safe_load((DATA_DIR / "columns.yaml").read_text(encoding="utf-8"))
    roles = {spelling: role for role, spellings in raw.pop("roles").items() for spelling in spellings}
    return _Names(**raw, roles=roles)


class ColumnMapping(BaseModel):
    """How rows become examples.

    pair: one column asks, one answers. chat: a list of messages. ratings: a transcript with its scores. marked: one
    text with a mark between question and answer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layout: Layout = "pair"
    prompt: Annotated[str, Field(description="Column that asks, or holds the messages, transcript or marked text.")] = (
        ""
    )
    input: Annotated[str, Field(description="Column that goes below the question on lines of its own.")] = ""
    response: Annotated[str, Field(description="Column that holds the expected answer.")] = ""
    template: Annotated[str, Field(description="Text of the prompt, with {column} where a column's value goes.")] = ""
    marker: Annotated[str, Field(description="What stands between question and answer of a marked text.")] = ""
    labels: Annotated[dict[str, str], Field(description="Answers as they are written in the file, and in words.")] = {}
    group: Annotated[str, Field(description="Column whose rows belong together and must not be split apart.")] = ""
    tests: Annotated[str, Field(description="Column of tests, in Python, that the answer's code must pass.")] = ""
    database: Annotated[str, Field(description="Column of SQLite statements that make what a query is run on.")] = ""

    def needed(self) -> list[str]:
        """Return the columns that a file must have."""
        named = [self.prompt, self.input, self.response, self.group, self.tests, self.database]
        named += re.findall(r"{(\w[^{}]*)}", self.template)
        return list(dict.fromkeys(name for name in named if name))


def guess(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> ColumnMapping | None:
    """Return the likeliest mapping of a file by its columns and first rows, or None where nothing can be told.

    Where only what asks is clear, `response` stays empty.
    """
    plain = {_plain(name): name for name in columns}
    group = next((plain[_plain(name)] for name in _names().groups if _plain(name) in plain), "")
    for name in columns:
        if any(_messages(row.get(name)) is not None for row in rows[:20]):
            return ColumnMapping(layout="chat", prompt=name, group=group)
    if "transcript" in plain and sum(name in plain for name in RATINGS) >= 2:
        return ColumnMapping(layout="ratings", prompt=plain["transcript"], group=group)
    if "instruction" in plain and "output" in plain:
        return ColumnMapping(
            prompt=plain["instruction"], input=plain.get("input", ""), response=plain["output"], group=group
        )
    if "prompt" in plain and "response" in plain:
        return ColumnMapping(
            prompt=plain["prompt"], input=plain.get("input", ""), response=plain["response"], group=group
        )
    reply = next((plain[_plain(name)] for name in _names().answers if _plain(name) in plain), "")
    ask = next(
        (plain[_plain(name)] for name in _names().asks if _plain(name) in plain and plain[_plain(name)] != reply), ""
    )
    if ask and reply:
        return ColumnMapping(prompt=ask, response=reply, group=group if group != reply else "")
    marked = _find_marked(columns, rows)
    if marked:
        return marked
    return _guess_by_values(columns, rows, ask, reply, group)


def find_database(columns: Sequence[str]) -> str:
    """Return the column that by its name holds what queries are run on, or nothing."""
    plain = {_plain(name): name for name in columns}
    return next((plain[name] for name in DATABASES if name in plain), "")


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-.]+", "", name).lower()


def _find_marked(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> ColumnMapping | None:
    for name in columns:
        texts = [row[name] for row in rows if isinstance(row.get(name), str)]
        for marker in _names().markers:
            if texts and all(marker in text.strip()[1:] for text in texts):
                return ColumnMapping(layout="marked", prompt=name, marker=marker)
    return None


def _guess_by_values(
    columns: Sequence[str], rows: Sequence[Mapping[str, Any]], ask: str, reply: str, group: str
) -> ColumnMapping | None:
    """Two columns of text are enough: the longer one asks, the one with few different values answers."""
    usable = [name for name in columns if _plain(name) not in _names().never_text and name != group]
    lengths = {name: sum(len(text_of(row.get(name)) or "") for row in rows) / len(rows) for name in usable}
    if not ask:  # no name tells; the longest texts are then taken for questions
        ask = max((name for name in usable if name != reply), key=lambda name: lengths[name], default="")
        if not ask or lengths[ask] < LEAST_TEXT:
            return None
    others = [name for name in usable if name != ask]
    return ColumnMapping(prompt=ask, response=reply or (others[0] if len(others) == 1 else ""), group=group)


def text_of(value: Any) -> str | None:
    """Return a value as text: numbers and truth values as they are written, lists joined, None for nothing."""
    if value is None or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    if isinstance(value, bytes):  # texts that Parquet was not told are texts
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return None
    if isinstance(value, date | time | timedelta | Decimal):
        return str(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def describe(mapping: ColumnMapping) -> str:
    """Return in a sentence which column becomes what."""
    if mapping.layout == "chat":
        return f"The messages in {mapping.prompt!r} become one example for each answer."
    if mapping.layout == "ratings":
        return f"The transcript in {mapping.prompt!r} asks, its scores answer."
    if mapping.layout == "marked":
        return f"The text in {mapping.prompt!r} is split at its last {mapping.marker.strip()!r}."
    below = f" with {mapping.input!r} below it" if mapping.input else ""
    asks = "The template asks" if mapping.template else f"{mapping.prompt!r} asks"
    return f"{asks}{below}, {mapping.response!r} answers."


class BadRow(Exception):
    """A row that gives no example: the reason and the column."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason, self.column = reason, column


def to_examples(row: Mapping[str, Any], mapping: ColumnMapping, origin: str) -> Iterator[Example]:
    """Yield the examples of a row: one, or for a chat one for each answer of the assistant.

    Raises:
        BadRow: The row lacks what the mapping needs.
    """
    extra = {"group": group} if mapping.group and (group := text_of(row.get(mapping.group))) else {}
    if mapping.tests:
        extra["tests"] = _text(row, mapping.tests)
    if mapping.database:
        extra["database"] = _text(row, mapping.database)
    if mapping.layout == "chat":
        yield from _chat_examples(row, mapping, origin, extra)
        return
    if mapping.layout == "ratings":
        prompt, response = _text(row, mapping.prompt), json.dumps(_ratings(row), ensure_ascii=False)
        prompt = _fill(mapping.template, row) if mapping.template else prompt
    elif mapping.layout == "marked":
        whole = _text(row, mapping.prompt)
        prompt, found, response = whole.rpartition(mapping.marker)
        if not found:
            raise BadRow(f"lacks the mark {mapping.marker.strip()!r} between question and answer", mapping.prompt)
    else:
        prompt = _fill(mapping.template, row) if mapping.template else _text(row, mapping.prompt)
        given = text_of(row.get(mapping.input)) if mapping.input else ""
        prompt, response = join_instruction(prompt, given or ""), _text(row, mapping.response)
    if not prompt.strip():
        raise BadRow("is empty", mapping.prompt)
    if not response.strip():
        raise BadRow("is empty, so there is nothing to learn from", mapping.response or mapping.prompt)
    yield Example(prompt.strip("\r\n"), mapping.labels.get(response.strip(), response.strip("\r\n")), origin, extra)


def _text(row: Mapping[str, Any], column: str) -> str:
    if column not in row:
        raise BadRow("is missing", column)
    text = text_of(row[column])
    if text is None:
        raise BadRow("is empty", column)
    return text


def _fill(template: str, row: Mapping[str, Any]) -> str:
    return re.sub(r"{(\w[^{}]*)}", lambda found: _text(row, found[1]), template)


def _ratings(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scores of a transcript with their reasons, in both formats the same."""
    found: dict[str, Any] = {}
    by_name = {_plain(name): value for name, value in row.items()}
    for name in RATINGS:
        text = text_of(by_name.get(name))
        if text is None or not text.strip():
            raise BadRow("is missing; each transcript needs a score of 1 to 5", name)
        try:
            score = float(text)
        except ValueError:
            raise BadRow(f"is {text!r}, not a number from 1 to 5", name) from None
        if not 1 <= score <= 5:
            raise BadRow(f"is {score:g}; scores go from 1 to 5", name)
        found[name] = int(score) if score == int(score) else score
    for name in RATING_TEXTS:
        value = by_name.get(_plain(name))
        if isinstance(value, str) and name != "reasoning":
            value = [part.strip() for part in value.split(";") if part.strip()]
        if value:
            found[name] = value
    return found


def _messages(value: Any) -> list[Turn] | None:
    """Return the turns of a list of messages in OpenAI's or ShareGPT's spelling, or None where it is none."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):  # a list inside a CSV field
        try:
            text, value = value, json.loads(value)
        except (ValueError, RecursionError):
            return None
        if find_fault(value, text):
            return None
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    turns = []
    for message in value:
        role = message.get("role", message.get("from", message.get("speaker")))
        text = message.get("content", message.get("value", message.get("text")))
        if not isinstance(role, str) or not isinstance(text, str) or role.lower() not in _names().roles:
            return None
        turns.append(Turn(_names().roles[role.lower()], text))
    return turns


def _chat_examples(
    row: Mapping[str, Any], mapping: ColumnMapping, origin: str, extra: dict[str, Any]
) -> Iterator[Example]:
    if mapping.prompt not in row:
        raise BadRow("is missing", mapping.prompt)
    turns = _messages(row[mapping.prompt])
    if turns is None:
        found = kind_of(row[mapping.prompt])
        raise BadRow(f"is {found} that holds no messages with role and content", mapping.prompt)
    asked = False
    for place, turn in enumerate(turns):
        if turn.role == "assistant" and asked and turn.text.strip() and turns[place - 1].role == "user":
            yield Example(turns[place - 1].text, turn.text.strip("\r\n"), origin, extra, tuple(turns[: place - 1]))
        asked = asked or turn.role == "user"
    if not any(turn.role == "assistant" and turn.text.strip() for turn in turns) or not asked:
        raise BadRow("has no answer of the assistant to learn from", mapping.prompt)
