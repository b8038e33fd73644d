"""Rubrics: dimensions with weights and anchors by which conversations are scored from 1 to 5, as YAML files."""

import difflib
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.catalog.industries import describe_error
from core.errors import CatalogError, NotFound
from core.paths import DATA_DIR, Workspace
from core.strict_yaml import Loader

RUBRICS_DIR = DATA_DIR / "rubrics"
SCALE = (1, 2, 3, 4, 5)
DEFAULT = "conversation"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Side(_Strict):
    """One side of a conversation: what it is called in questions, and the labels that transcripts use for it."""

    title: Annotated[str, Field(min_length=1)]
    names: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class Dimension(_Strict):
    """What is scored, with its share in the overall score and what each score from 1 to 5 means."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    title: Annotated[str, Field(min_length=1)]
    description: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    anchors: dict[int, Annotated[str, Field(min_length=1)]]

    @model_validator(mode="after")
    def _whole_scale(self) -> "Dimension":
        if sorted(self.anchors) != list(SCALE):
            raise ValueError("`anchors` must say what each score from 1 to 5 means")
        return self


class Rubric(_Strict):
    """By what a conversation is scored; `rated` is the side that is scored."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    title: Annotated[str, Field(min_length=1)]
    summary: str = ""
    rated: Side
    other: Side
    dimensions: Annotated[list[Dimension], Field(min_length=1, max_length=12)]
    file: Annotated[str, Field(exclude=True, description="Where it is written.")] = ""

    @model_validator(mode="after")
    def _consistent(self) -> "Rubric":
        ids = [one.id for one in self.dimensions]
        if len(set(ids)) < len(ids):
            raise ValueError("`dimensions` holds one id twice")
        total = sum(one.weight for one in self.dimensions)
        if abs(total - 1) > 1e-6:
            raise ValueError(f"the weights of `dimensions` add up to {total:g}; they must add up to 1")
        both = {name.casefold() for name in self.rated.names} & {name.casefold() for name in self.other.names}
        if both:
            raise ValueError(f"`rated` and `other` both have the name {min(both)!r}")
        return self

    def overall(self, expected: dict[str, float]) -> float:
        """Return the weighted mean of the dimensions' expected scores, 1 to 5."""
        return sum(one.weight * expected[one.id] for one in self.dimensions)


def read_rubric(path: Path) -> Rubric:
    """Read a rubric's file.

    Raises:
        CatalogError: It can't be read or a field is wrong; the message names file and field.
    """
    try:
        raw: Any = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"The rubric {path} can't be read: {error}.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise CatalogError(f"The rubric {path}{where} is not valid YAML: {problem}.") from error
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"The rubric {path} has a value that can't be read: {error}.") from error
    if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
        raise CatalogError(f"The rubric {path} holds no fields. See docs/add-a-rubric.md.")
    if "file" in raw:
        raise CatalogError(f"The rubric {path} is wrong at file: there is no such field.")
    try:
        return Rubric(**raw, file=str(path))
    except ValidationError as error:
        raise CatalogError(f"The rubric {path} is wrong at {describe_error(error)}") from error


def is_rubric(path: Path) -> bool:
    """Return whether a file holds a rubric, not an industry or specialists; it may be broken."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return re.search(r"^(?:dimensions|rated)\s*:", text, re.MULTILINE) is not None


@lru_cache(maxsize=64)
def _read(path: Path, stamp: int) -> Rubric:
    return read_rubric(path)


def files_of(workspace: Workspace | None = None) -> list[Path]:
    """Return the rubrics' files: the shipped ones, then those of the workspace."""
    folders = [RUBRICS_DIR] + ([workspace.root / "rubrics"] if workspace else [])
    return [file for folder in folders for file in sorted(folder.glob("*.yaml"))]


def all_rubrics(workspace: Workspace | None = None) -> dict[str, Rubric]:
    """Return the shipped rubrics and those of the workspace, by id; one's own takes a shipped one's place."""
    return {one.id: one for file in files_of(workspace) for one in [_read(file, file.stat().st_mtime_ns)]}


def find(rubric_id: str, workspace: Workspace | None = None) -> Rubric:
    """Return a rubric by its id.

    Raises:
        NotFound: There is none.
    """
    known = all_rubrics(workspace)
    if rubric_id not in known:
        near = difflib.get_close_matches(rubric_id, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise NotFound(f"There is no rubric {rubric_id!r}.{hint} There are: {', '.join(known)}.")
    return known[rubric_id]
