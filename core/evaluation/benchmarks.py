"""Benchmarks: frozen sets of test items, read from JSONL and named by the hash of their content."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.catalog.industries import Industry, describe_error
from core.datasets.examples import Turn
from core.datasets.reading import read_rows
from core.durable import hash_text
from core.errors import DataError

ItemType = Literal[
    "numeric", "choice", "facts", "label", "text", "exact", "fields", "entities", "tags", "sql", "rouge", "bleu",
    "chrf", "code", "refusal", "checklist", "harness",
]  # fmt: skip
REFUSALS = ("refuse", "answer")
# Fields that only some items have; the others are written, and hashed, without them.
RARE = ("turns", "tests", "database", "required", "forbidden", "pair", "swapped")


class Item(BaseModel):
    """One test item. What a right answer is depends on the type.

    numeric: the last number of the answer is within `tolerance` of `answer`.
    choice: of `choices`, the one with index `answer` is the likeliest.
    facts: each entry of `facts` lists phrasings of one key fact; the score is the share of facts that occur.
    label: the answer names `answer` and no other of `choices`.
    text: word overlap with `answer`, 0 to 1; exact: the same words; rouge, bleu, chrf: likeness as these count it.
    fields, entities, tags: F1 of what `answer` names; code: passes `tests`.
    sql: the same query; with a `database` a query that finds the same rows in it.
    refusal: the answer refuses, or does not, as `answer` says. checklist: the share of `required` statements that
    occur, nothing where a `forbidden` one does. harness: graded by lm-evaluation-harness, never here.
    Two items with the same `pair` differ by one attribute of a person, which must not matter; one is `swapped`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(min_length=1)]
    component: Annotated[str, Field(min_length=1)]
    type: ItemType
    prompt: Annotated[str, Field(min_length=1)]
    answer: float | int | str | None = None
    choices: tuple[str, ...] = ()
    facts: tuple[tuple[str, ...], ...] = ()
    tolerance: Annotated[float | None, Field(ge=0, lt=1)] = None
    reference: Annotated[str, Field(description="A good answer in words, shown beside the model's.")] = ""
    turns: Annotated[tuple[Turn, ...], Field(description="What was said before the prompt.")] = ()
    tests: Annotated[str, Field(description="Python statements that fail where the code of an answer is wrong.")] = ""
    database: Annotated[
        str,
        Field(
            validation_alias=AliasChoices("database", "schema"),
            description="SQLite statements that make the tables, with rows, in which queries are run.",
        ),
    ] = ""
    required: Annotated[tuple[tuple[str, ...], ...], Field(description="Statements, each a list of phrasings.")] = ()
    forbidden: Annotated[tuple[tuple[str, ...], ...], Field(description="Statements that must not be made.")] = ()
    pair: Annotated[str, Field(description="What the two items of a swapped attribute have in common.")] = ""
    swapped: bool = False

    @model_validator(mode="after")
    def _answer_fits(self) -> "Item":
        number = isinstance(self.answer, int | float) and not isinstance(self.answer, bool)
        if self.type == "numeric" and not number:
            raise ValueError("a numeric item needs a number as `answer`")
        if self.type == "choice" and not (isinstance(self.answer, int) and 0 <= self.answer < len(self.choices)):
            raise ValueError("a choice item needs `choices` and the index of the right one as `answer`")
        if self.type == "choice" and len(set(self.choices)) != len(self.choices):
            raise ValueError("two choices are the same")
        if self.type == "facts" and not (self.facts and all(self.facts)):
            raise ValueError("a facts item needs `facts`, each a list of phrasings")
        if self.type == "checklist" and not (self.required and all((*self.required, *self.forbidden))):
            raise ValueError("a checklist item needs `required`, a list of statements, each a list of phrasings")
        if self.type == "refusal" and self.answer not in REFUSALS:
            raise ValueError(f"a refusal item needs {' or '.join(REFUSALS)} as `answer`")
        for name, statements in (("facts", self.facts), ("required", self.required), ("forbidden", self.forbidden)):
            if not all(phrase.strip() for variants in statements for phrase in variants):
                raise ValueError(f"a phrasing in `{name}` is empty, so every answer would have it")
        if self.type not in ("numeric", "choice", "facts", "checklist", "harness") and not (
            isinstance(self.answer, str) and self.answer.strip()
        ):
            raise ValueError(f"a {self.type} item needs text as `answer`")
        if self.type == "code" and not self.tests.strip():
            raise ValueError("a code item needs `tests`")
        if self.database and self.type != "sql":
            raise ValueError("only a sql item can have a `database`")
        if self.swapped and not self.pair:
            raise ValueError("a swapped item needs the `pair` that it belongs to")
        return self

    def to_row(self) -> dict[str, Any]:
        return self.model_dump(exclude={name for name in RARE if not getattr(self, name)})

    @property
    def expected(self) -> str:
        """The right answer as a person reads it."""
        if self.type == "choice":
            return self.choices[int(self.answer or 0)]
        if self.type == "facts":
            return self.reference or "; ".join(variants[0] for variants in self.facts)
        if self.type == "checklist":
            return self.reference or "; ".join(variants[0] for variants in self.required)
        return self.reference or str(self.answer)


@dataclass(frozen=True)
class Benchmark:
    """Items with the weight of each component in the score, and by which metrics they are measured besides."""

    name: str
    items: tuple[Item, ...]
    weights: Mapping[str, float]
    titles: Mapping[str, str]
    sha: str
    metrics: tuple[str, ...] = ()


def read_items(path: Path) -> list[Item]:
    """Read a benchmark file.

    Raises:
        DataError: A line is no item; the message names file, line and field.
    """
    items: list[Item] = []
    seen: set[str] = set()
    for number, row in read_rows(path):
        try:
            item = Item.model_validate(row)
        except ValidationError as error:
            raise DataError(f"{path}, line {number}, {describe_error(error)}") from error
        if item.id in seen:
            raise DataError(f"{path}, line {number}: the id {item.id!r} occurs twice.")
        seen.add(item.id)
        items.append(item)
    return items


def make_benchmark(
    name: str,
    items: list[Item],
    weights: Mapping[str, float],
    titles: Mapping[str, str],
    metrics: tuple[str, ...] = (),
) -> Benchmark:
    """Return a benchmark named by its content: the same items and weights give the same hash.

    Raises:
        DataError: An item belongs to a component without a weight, two have the same id, or there is no item.
    """
    if not items:
        raise DataError(f"The benchmark {name!r} has no items.")
    if len({item.id for item in items}) < len(items):
        raise DataError(f"The benchmark {name!r} has two items with the same id.")
    strangers = sorted({item.component for item in items} - set(weights))
    if strangers:
        raise DataError(f"The benchmark {name!r} has items of {', '.join(strangers)}, for which there is no weight.")
    content: dict[str, Any] = {"items": [item.to_row() for item in items], "weights": dict(weights)}
    if metrics:
        content["metrics"] = list(metrics)
    sha = hash_text(json.dumps(content, sort_keys=True))
    return Benchmark(name, tuple(items), dict(weights), dict(titles), sha, metrics)


def pack_item(pack: Industry, item: Item) -> Item:
    """Return an item of a pack; a numeric one without a tolerance takes its component's."""
    if item.type != "numeric" or item.tolerance is not None or item.component not in pack.components:
        return item
    return item.model_copy(update={"tolerance": pack.components[item.component].tolerance or 0.01})


def of_industry(pack: Industry) -> Benchmark:
    """Return an industry's benchmark with its weights."""
    assert pack.benchmark_path is not None
    items = [pack_item(pack, item) for item in read_items(pack.benchmark_path)]
    return make_benchmark(
        pack.id,
        items,
        {name: part.weight for name, part in pack.components.items()},
        {name: part.title for name, part in pack.components.items()},
    )


def of_industries(packs: list[Industry]) -> Benchmark:
    """Return one benchmark over several industries: each counts the same, its components by its own weights."""
    if len(packs) == 1:
        return of_industry(packs[0])
    items: list[Item] = []
    weights: dict[str, float] = {}
    titles: dict[str, str] = {}
    for pack in packs:
        single = of_industry(pack)
        items += [
            item.model_copy(update={"id": f"{pack.id}.{item.id}", "component": f"{pack.id}.{item.component}"})
            for item in single.items
        ]
        weights |= {f"{pack.id}.{name}": weight / len(packs) for name, weight in single.weights.items()}
        titles |= {f"{pack.id}.{name}": f"{pack.title}: {title}" for name, title in single.titles.items()}
    return make_benchmark("+".join(pack.id for pack in packs), items, weights, titles)
