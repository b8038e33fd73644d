"""Specialists: one narrow task each, with its prompt, where its data come from, and how its results are measured."""

import difflib
import string
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from core.catalog import industries
from core.catalog.industries import QUICK_LOADER, Generator, Task, describe_error
from core.errors import CatalogError, NotFound
from core.paths import DATA_DIR, Workspace
from core.strict_yaml import Loader

SPECIALISTS_DIR = DATA_DIR / "specialists"
TaskType = Literal[
    "classification", "extraction", "tagging", "sql", "summarisation", "question answering", "generation",
    "translation", "code", "routing", "scoring",
]  # fmt: skip
TASK_TYPES: tuple[TaskType, ...] = get_args(TaskType)
BaseClass = Literal["3B", "7B", "7B coder", "32B"]
Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
# How one answer is graded, by the metric that comes first.
GRADING = {
    "accuracy": "label",
    "field_f1": "fields",
    "entity_f1": "entities",
    "tag_f1": "tags",
    "exact_match": "exact",
    "token_f1": "text",
    "rouge_l": "rouge",
    "bleu": "bleu",
    "chrf": "chrf",
    "within_tolerance": "numeric",
    "pass_at_1": "code",
}
SECOND = ("macro_f1", "micro_f1", "valid_sql", "valid_code", "valid_json", "mean_absolute_error", "quadratic_kappa")
METRICS = (*GRADING, *SECOND)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Strict):
    """What a metric should reach: the untrained base at least `baseline`, the tuned model at least `tuned`."""

    baseline: float
    tuned: float


class Files(_Strict):
    """Files of a source by part, and how their columns are read (see core.datasets.mapping.ColumnMapping)."""

    id: Annotated[str | None, Field(pattern=r"^[\w.-]+/[\w.-]+$", description="Name on the hub.")] = None
    files: Annotated[dict[Part, str], Field(min_length=1, description="File names; on the hub also patterns.")]
    mapping: dict[str, Any]

    @model_validator(mode="after")
    def _has_training(self) -> "Files":
        if "train" not in self.files:
            raise ValueError("`files` needs a file for `train`")
        return self


class Source(_Strict):
    """Real data of a specialist, with their licence."""

    name: str
    licence: str
    rows: Annotated[int | None, Field(gt=0, description="About how many there are to train on.")] = None
    hub: Files | None = None
    local: Annotated[Files | None, Field(description="The files of the original release, as they are.")] = None

    @model_validator(mode="after")
    def _somewhere(self) -> "Source":
        if self.hub is None and self.local is None:
            raise ValueError("give `hub` or `local`")
        if self.hub is not None and self.hub.id is None:
            raise ValueError("`hub` needs the `id` of a dataset")
        return self


class PackTasks(_Strict):
    """Tasks of an industry pack that make a specialist's examples."""

    pack: str
    tasks: Annotated[list[str], Field(min_length=1)]


def _kind_of_generator(value: Any) -> str:
    return "pack" if isinstance(value, PackTasks) or (isinstance(value, dict) and "pack" in value) else "own"


class Specialist(_Strict):
    """One narrow task. `prompt` is put around the text of a row, at its {text}."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str
    summary: str
    task: TaskType
    base_class: BaseClass
    base: Annotated[str, Field(description="The base that suits it where the machine has room.")]
    rank: Literal[8, 16, 32]
    prompt: str
    labels: list[str] = []
    tolerance: Annotated[float | None, Field(ge=0, lt=0.5, description="Largest relative error of a right number.")] = (
        None
    )
    metrics: Annotated[list[str], Field(min_length=1, description="The first one decides the verdict.")]
    thresholds: Annotated[dict[str, Threshold], Field(min_length=1)]
    sources: list[Source] = []
    generator: Annotated[
        Annotated[PackTasks, Tag("pack")] | Annotated[Generator, Tag("own")], Discriminator(_kind_of_generator)
    ]
    category: Annotated[str, Field(exclude=True)] = ""
    category_title: Annotated[str, Field(exclude=True)] = ""

    @model_validator(mode="after")
    def _consistent(self) -> "Specialist":
        fields = [name for _, name, _, _ in string.Formatter().parse(self.prompt) if name is not None]
        if fields != ["text"]:
            raise ValueError("`prompt` must hold {text} once, and no other field; a brace of its own is written twice")
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(f"there is no metric {name!r}; choose from {', '.join(METRICS)}")
        if self.metrics[0] not in GRADING:
            raise ValueError(f"{self.metrics[0]} can't come first; choose from {', '.join(GRADING)}")
        for name in self.thresholds:
            if name not in self.metrics:
                raise ValueError(f"`thresholds` names {name!r}, which is not among the metrics")
        if self.grading == "label" and len(self.labels) < 2:
            raise ValueError("a specialist measured by accuracy needs `labels`, two or more")
        return self

    @property
    def grading(self) -> str:
        """The type of its benchmark items."""
        return "sql" if self.task == "sql" else GRADING[self.metrics[0]]

    def ask(self, text: str) -> str:
        """Return the prompt for a row's text."""
        return self.prompt.format(text=text).strip()


class _Category(_Strict):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: str
    specialists: Annotated[list[dict[str, Any]], Field(min_length=1)]


def read_category(path: Path) -> list[Specialist]:
    """Read the specialists of one file.

    Raises:
        CatalogError: The file can't be read or a field is wrong; the message names file, specialist and field.
    """
    try:
        quick = path.parent == SPECIALISTS_DIR
        raw = yaml.load(path.read_text(encoding="utf-8"), QUICK_LOADER if quick else Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"The specialists' file {path} can't be read: {error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise CatalogError(f"The specialists' file {path}{where} is not valid YAML: {problem}.") from error
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"The specialists' file {path} has a value that can't be read: {error}.") from error
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise CatalogError(f"The specialists' file {path} holds no fields. See docs/add-a-specialist.md.")
    try:
        category = _Category(**raw)
    except ValidationError as error:
        raise CatalogError(f"The specialists' file {path} is wrong at {describe_error(error)}") from error
    found = []
    for number, fields in enumerate(category.specialists, 1):
        try:
            told: dict[str, Any] = {"category": category.id, "category_title": category.title}
            found.append(Specialist(**{str(key): value for key, value in fields.items()}, **told))
        except ValidationError as error:
            name = fields.get("id", f"number {number}")
            raise CatalogError(f"{path}: the specialist {name!r} is wrong at {describe_error(error)}") from error
        except TypeError as error:
            raise CatalogError(f"{path}: the specialist number {number} is wrong: {error}.") from error
    return found


@lru_cache(maxsize=8)
def _read_folder(folder: Path, stamp: tuple[tuple[str, int], ...]) -> dict[str, Specialist]:
    found: dict[str, Specialist] = {}
    for name, _ in stamp:
        for one in read_category(folder / name):
            if one.id in found:
                raise CatalogError(f"Two specialists in {folder} are called {one.id!r}. Rename one.")
            found[one.id] = one
    return found


def all_specialists(workspace: Workspace | None = None) -> dict[str, Specialist]:
    """Return the shipped specialists, then those of the workspace, by id."""
    folders = [SPECIALISTS_DIR] + ([workspace.root / "specialists"] if workspace else [])
    found: dict[str, Specialist] = {}
    for folder in folders:
        if folder.is_dir():
            stamp = tuple((file.name, file.stat().st_mtime_ns) for file in sorted(folder.glob("*.yaml")))
            found |= _read_folder(folder, stamp)
    return found


def find(specialist_id: str, workspace: Workspace | None = None) -> Specialist:
    """Return a specialist by its id.

    Raises:
        NotFound: There is none.
    """
    known = all_specialists(workspace)
    if specialist_id not in known:
        near = difflib.get_close_matches(specialist_id, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise NotFound(f"There is no specialist {specialist_id!r}.{hint} `atelier specialists` lists all.")
    return known[specialist_id]


def grammar_of(one: Specialist, workspace: Workspace | None = None) -> Generator:
    """Return the grammar that makes a specialist's examples: its own, or the named tasks of a pack.

    Raises:
        CatalogError: The pack has no such task.
        NotFound: There is no such pack.
    """
    if isinstance(one.generator, Generator):
        return one.generator
    pack = industries.find(one.generator.pack, workspace)
    tasks: dict[str, Task] = {task.id: task for task in pack.generator.tasks} if pack.generator else {}
    for name in one.generator.tasks:
        if name not in tasks:
            raise CatalogError(f"The specialist {one.id!r} names the task {name!r}, which {pack.id!r} does not have.")
    assert pack.generator is not None
    return Generator(names=pack.generator.names, tasks=[tasks[name] for name in one.generator.tasks])
