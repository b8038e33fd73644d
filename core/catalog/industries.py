"""Industry packs: one YAML file says what an industry is, what its data are and how its results are weighed."""

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.errors import CatalogError, NotFound
from core.paths import DATA_DIR, Workspace
from core.strict_yaml import Loader

PACKS_DIR = DATA_DIR / "industries"
CORPORA_DIR = DATA_DIR / "training"
BENCHMARKS_DIR = DATA_DIR / "benchmarks"
# For the shipped packs alone: ten times as fast, but a hostile file could end the process.
QUICK_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Component(_Strict):
    """One part of an industry's score."""

    title: str
    weight: Annotated[float, Field(gt=0, le=1, description="Share of the industry's score; all shares add up to 1.")]
    tolerance: Annotated[float | None, Field(gt=0, lt=0.5, description="Largest relative error of a right number.")] = (
        None
    )
    measures: Annotated[str, Field(description="What it looks at, in one sentence.")]


class Draw(_Strict):
    """Where a task's value comes from: a list of the pack, a range, or the choices given here."""

    source: Annotated[str | None, Field(alias="from", description="A list under `names`.")] = None
    choices: Annotated[list[Any] | None, Field(min_length=1)] = None
    range: tuple[float, float] | None = None
    step: Annotated[float, Field(gt=0)] = 1

    @model_validator(mode="after")
    def _one_source(self) -> "Draw":
        if sum(part is not None for part in (self.source, self.choices, self.range)) != 1:
            raise ValueError("give exactly one of `from`, `choices` and `range`")
        if self.range is not None and self.range[0] > self.range[1]:
            raise ValueError(f"the range {self.range[0]} to {self.range[1]} is empty")
        return self


class Task(_Strict):
    """One kind of example that the generator makes; texts are Jinja templates over the drawn and computed values."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    component: Annotated[str, Field(description="Part of the score that it trains; a specialist has none.")] = ""
    draw: dict[str, Draw] = {}
    let: Annotated[dict[str, str], Field(description="Values computed from the drawn ones, in this order.")] = {}
    require: Annotated[str | None, Field(description="Draws for which this is false are thrown away.")] = None
    ask: Annotated[list[str], Field(min_length=1)]
    input: list[str] = []
    answer: Annotated[list[str], Field(min_length=1)]
    value: Annotated[str | None, Field(description="Expression of the number that the answer must state.")] = None
    tests: Annotated[str | None, Field(description="Text of the tests that an answer in code must pass.")] = None
    database: Annotated[str | None, Field(description="Text of the statements that make what a query is run on.")] = (
        None
    )


class Generator(_Strict):
    names: dict[str, Annotated[list[str], Field(min_length=1)]] = {}
    tasks: Annotated[list[Task], Field(min_length=1)]

    @model_validator(mode="after")
    def _known_names(self) -> "Generator":
        seen = set()
        for task in self.tasks:
            if task.id in seen:
                raise ValueError(f"two tasks are called {task.id!r}")
            seen.add(task.id)
            for name, draw in task.draw.items():
                if draw.source is not None and draw.source not in self.names:
                    raise ValueError(
                        f"task {task.id!r} draws {name!r} from {draw.source!r}, which is not under `names`"
                    )
        return self


class Feed(_Strict):
    """Where news of an industry's rules are published, as RSS or Atom."""

    name: str
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]


class Industry(_Strict):
    """A pack. `members` makes it a combination of others: their tasks, their benchmarks, its own corpus."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str
    icon: Annotated[str, Field(pattern=r"^:material/[a-z0-9_]+:$")]
    summary: str
    focus: Annotated[list[str], Field(min_length=1)]
    dataset: Annotated[str, Field(description="What the corpus is, in a few words.")]
    complexity: Literal["medium", "high", "mixed"]
    corpus: Annotated[str, Field(pattern=r"^[\w.-]+\.jsonl$")]
    benchmark: Annotated[str | None, Field(pattern=r"^[\w.-]+\.jsonl$")] = None
    key_metrics: list[str]
    hours_7b: Annotated[float, Field(gt=0, description="Planning figure for a 7B base on one 16 GB GPU.")]
    vocabulary: Annotated[list[str], Field(description="Words that a person of the field uses.")] = []
    suits: Annotated[str, Field(description="Which base suits it, in a sentence.")] = ""
    feeds: list[Feed] = []
    members: list[str] = []
    components: dict[str, Component] = {}
    generator: Generator | None = None
    constants: Annotated[
        dict[str, float], Field(description="Limits and other given numbers that answers may state.")
    ] = {}
    folder: Annotated[Path, Field(exclude=True)] = DATA_DIR

    @model_validator(mode="after")
    def _complete(self) -> "Industry":
        if self.members:
            if self.components or self.generator or self.benchmark:
                raise ValueError("a pack with `members` takes components, generator and benchmark from them")
            return self
        if not self.components or self.generator is None or self.benchmark is None:
            raise ValueError("give `components`, `generator` and `benchmark`, or `members`")
        total = sum(component.weight for component in self.components.values())
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the component weights add up to {total:g}, not to 1")
        for task in self.generator.tasks:
            if task.component not in self.components:
                raise ValueError(f"task {task.id!r} belongs to the component {task.component!r}, which is not defined")
        return self

    @property
    def corpus_path(self) -> Path:
        return self.folder / "training" / self.corpus

    @property
    def benchmark_path(self) -> Path | None:
        return self.folder / "benchmarks" / self.benchmark if self.benchmark else None


def read_pack(path: Path) -> Industry:
    """Read one pack.

    Raises:
        CatalogError: The file can't be read or a field is wrong; the message names file and field.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), QUICK_LOADER if path.parent == PACKS_DIR else Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"The pack {path} can't be read: {error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CatalogError(f"The pack {path}{where} is not valid YAML: {getattr(error, 'problem', error)}.") from error
    except (ValueError, RecursionError) as error:  # a date that does not exist, a list a thousand levels deep
        raise CatalogError(f"The pack {path} has a value that can't be read: {error}.") from error
    if not isinstance(raw, dict):
        raise CatalogError(f"The pack {path} holds no fields. docs/add-an-industry.md says what a pack needs.")
    try:
        return Industry(**raw, folder=path.parent.parent)
    except ValidationError as error:
        raise CatalogError(f"The pack {path} is wrong at {describe_error(error)}") from error
    except TypeError as error:
        raise CatalogError(f"The pack {path} has a field that is not text: {error}.") from error


def describe_error(error: ValidationError) -> str:
    """Return pydantic's first complaint as 'field: what is wrong.'"""
    # A field that does not exist is mostly one that is misspelt, and then also the cause of one that is missing.
    found = error.errors()
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    where = ".".join(str(part) for part in first["loc"]) or "the top level"
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message[:1].lower()}{message[1:]}."


@lru_cache(maxsize=8)
def _read_folder(folder: Path, stamp: tuple[tuple[str, int], ...]) -> dict[str, Industry]:
    packs = {}
    for name, _ in stamp:
        pack = read_pack(folder / name)
        packs[pack.id] = pack
    return packs


def all_industries(workspace: Workspace | None = None) -> dict[str, Industry]:
    """Return the shipped packs, then those of the workspace, by id; combinations come last."""
    folders = [PACKS_DIR] + ([workspace.industries] if workspace else [])
    packs: dict[str, Industry] = {}
    for folder in folders:
        if folder.is_dir():
            stamp = tuple((file.name, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.yaml")))
            packs |= _read_folder(folder, stamp)
    return dict(sorted(packs.items(), key=lambda pair: bool(pair[1].members)))


def find(industry_id: str, workspace: Workspace | None = None) -> Industry:
    packs = all_industries(workspace)
    if industry_id not in packs:
        near = difflib.get_close_matches(industry_id, packs, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise NotFound(f"There is no industry {industry_id!r}.{hint} Choose from: {', '.join(packs)}.")
    return packs[industry_id]


def expand(ids: list[str], workspace: Workspace | None = None) -> list[Industry]:
    """Return the industries with combinations replaced by their members, each once."""
    found: dict[str, Industry] = {}
    for industry_id in ids:
        pack = find(industry_id, workspace)
        for member in [find(name, workspace) for name in pack.members] or [pack]:
            if member.members:
                raise CatalogError(
                    f"The pack {pack.id!r} has the combination {member.id!r} as a member. Name its members instead."
                )
            found.setdefault(member.id, member)
    return list(found.values())
