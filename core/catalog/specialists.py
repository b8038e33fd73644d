"""Specialists: one narrow task each, with its prompt, where its data come from, and how its results are measured."""

import difflib
import itertools
import re
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
    "execution_accuracy": "sql",
}
SECOND = ("macro_f1", "micro_f1", "valid_sql", "valid_code", "valid_json", "mean_absolute_error", "quadratic_kappa")
METRICS = (*GRADING, *SECOND)
OF_LABELS = ("accuracy", "macro_f1", "micro_f1")
LESS_IS_BETTER = "mean_absolute_error"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Strict):
    """What a metric should reach: the untrained base at least `baseline`, the tuned model at least `tuned`."""

    baseline: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    tuned: Annotated[float, Field(ge=0, allow_inf_nan=False)]


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
    title: Annotated[str, Field(min_length=1)]
    summary: str
    task: TaskType
    base_class: BaseClass
    base: Annotated[str, Field(min_length=1, description="The base that suits it where the machine has room.")]
    rank: Literal[8, 16, 32]
    prompt: str
    labels: list[Annotated[str, Field(min_length=1)]] = []
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
    file: Annotated[str, Field(exclude=True, description="Where it is written.")] = ""

    @model_validator(mode="after")
    def _consistent(self) -> "Specialist":
        fields = [name for _, name, _, _ in string.Formatter().parse(self.prompt) if name is not None]
        if fields != ["text"]:
            raise ValueError("`prompt` must hold {text} once, and no other field; a brace of its own is written twice")
        for name in self.metrics:
            if name not in METRICS:
                raise ValueError(f"`metrics` names {name!r}, which is none; choose from {', '.join(METRICS)}")
        for name, given in (("metrics", self.metrics), ("labels", self.labels)):
            if len(set(given)) < len(given):
                raise ValueError(f"`{name}` holds one of them twice")
        if self.metrics[0] not in GRADING:
            raise ValueError(f"`metrics` can't begin with {self.metrics[0]}; choose from {', '.join(GRADING)}")
        if "execution_accuracy" in self.metrics[1:]:
            raise ValueError("execution_accuracy must stand first in `metrics`, since every answer is run for it")
        of_labels = next((name for name in self.metrics if name in OF_LABELS), None)
        if of_labels and len(self.labels) < 2:
            raise ValueError(f"`labels` must hold two or more where {of_labels} is measured")
        for name, aim in self.thresholds.items():
            self._check_aim(name, aim)
        if self.metrics[0] not in self.thresholds:
            raise ValueError(f"`thresholds` needs {self.metrics[0]}, the metric that decides")
        return self

    def _check_aim(self, name: str, aim: Threshold) -> None:
        if name not in self.metrics:
            raise ValueError(f"`thresholds` names {name!r}, which is not among the metrics")
        if name == LESS_IS_BETTER:
            if aim.tuned > aim.baseline:
                raise ValueError(f"`thresholds` wants {name} to grow, and less of it is better")
        elif max(aim.baseline, aim.tuned) > 1:
            raise ValueError(f"`thresholds` of {name} must lie between 0 and 1: write 88% as 0.88")
        elif aim.tuned < aim.baseline:
            raise ValueError(f"`thresholds` wants {name} to fall from {aim.baseline:g} to {aim.tuned:g}")

    @property
    def grading(self) -> str:
        """The type of its benchmark items."""
        return "sql" if self.task == "sql" else GRADING[self.metrics[0]]

    @property
    def runs_queries(self) -> bool:
        """Whether its queries are run on the database that each row brings."""
        return self.metrics[0] == "execution_accuracy"

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
    found: list[Specialist] = []
    for number, fields in enumerate(category.specialists, 1):
        place = f"{path}: the specialist {repr(fields['id']) if fields.get('id') else f'number {number}'}"
        told: dict[str, Any] = {"category": category.id, "category_title": category.title, "file": str(path)}
        stray = next((key for key in fields if key in told), None)
        if stray is not None:
            raise CatalogError(f"{place} is wrong at {stray}: there is no such field.")
        try:
            one = Specialist(**fields, **told)
        except ValidationError as error:
            raise CatalogError(f"{place} is wrong at {describe_error(error)}") from error
        if one.id in {other.id for other in found}:
            raise CatalogError(f"{place} is wrong at id: another one is called so too. Rename one.")
        found.append(one)
    return found


def is_category(path: Path) -> bool:
    """Return whether a file holds specialists, not an industry; it may be broken."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"^specialists\s*:", text, re.MULTILINE) is not None


def name_place(one: Specialist) -> str:
    """Return how messages call a specialist: its file, where it has one, and its id."""
    return f"{one.file}: the specialist {one.id!r}" if one.file else f"The specialist {one.id!r}"


@lru_cache(maxsize=8)
def _read_folder(folder: Path, stamp: tuple[tuple[str, int], ...]) -> dict[str, Specialist]:
    found: dict[str, Specialist] = {}
    for name, _ in stamp:
        for one in read_category(folder / name):
            if one.id in found:
                raise CatalogError(
                    f"{name_place(one)} is wrong at id: one in {Path(found[one.id].file).name} is called so too. "
                    "Rename one."
                )
            found[one.id] = one
    return found


def all_specialists(workspace: Workspace | None = None) -> dict[str, Specialist]:
    """Return the shipped specialists and those of the workspace, by id; one's own takes a shipped one's place."""
    found: dict[str, Specialist] = {}
    for folder, files in itertools.groupby(files_of(workspace), lambda file: file.parent):
        found |= _read_folder(folder, tuple((file.name, file.stat().st_mtime_ns) for file in files))
    return found


def files_of(workspace: Workspace | None = None) -> list[Path]:
    """Return the files that hold specialists: the shipped ones, then those of the workspace."""
    folders = [SPECIALISTS_DIR] + ([workspace.root / "specialists"] if workspace else [])
    return [file for folder in folders for file in sorted(folder.glob("*.yaml"))]


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
        CatalogError: There is no such pack, or it has no such task.
    """
    if isinstance(one.generator, Generator):
        return one.generator
    try:
        pack = industries.find(one.generator.pack, workspace)
    except NotFound as error:
        raise CatalogError(f"{name_place(one)} is wrong at generator.pack: {error}") from error
    made_of = pack.generator or Generator.model_construct(names={}, tasks=[])
    tasks: dict[str, Task] = {task.id: task for task in made_of.tasks}
    for name in one.generator.tasks:
        if name not in tasks:
            raise CatalogError(
                f"{name_place(one)} is wrong at generator.tasks: the pack {pack.id!r} has no task {name!r}. It has: "
                f"{', '.join(tasks) or 'none'}."
            )
    return Generator(names=made_of.names, tasks=[tasks[name] for name in one.generator.tasks])
