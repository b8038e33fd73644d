"""The rows of a specialist, from its grammar, from files of a source in their original form, or from the hub."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core import durable
from core.catalog import specialists
from core.catalog.industries import Generator, describe_error
from core.catalog.specialists import PARTS, Files, Part, Source, Specialist
from core.datasets import hub
from core.datasets.examples import Example
from core.datasets.files.row import Row
from core.datasets.files.table import read_rows
from core.datasets.generator import make_examples
from core.datasets.mapping import BadRow, ColumnMapping, find_database, to_examples
from core.datasets.preview import Preview, choose_mapping, look_at
from core.errors import BadInput, CatalogError, DataError
from core.paths import Workspace
from core.wording import show_name


@dataclass(frozen=True)
class Dropped:
    """A row that is not used: where it stood, why, and what it was."""

    place: str
    reason: str
    text: str

    def to_row(self) -> dict[str, str]:
        return {"place": self.place, "reason": self.reason, "text": self.text}


@dataclass
class Loaded:
    """Rows by part; without parts of its own a source has `train` alone. `origin` goes into the manifest."""

    parts: dict[Part, list[Example]]
    origin: dict[str, Any]
    dropped: list[Dropped] = field(default_factory=list)

    @property
    def has_parts(self) -> bool:
        return len(self.parts) > 1


@dataclass(frozen=True)
class _Grammar:
    id: str
    generator: Generator


def generate(one: Specialist, count: int, seed: int, workspace: Workspace | None = None) -> Loaded:
    """Return generated rows, without the specialist's prompt around them.

    Raises:
        CatalogError: The grammar is broken, or can't make that many different ones.
    """
    grammar = specialists.grammar_of(one, workspace)
    try:
        made = make_examples(_Grammar(one.id, grammar), count, seed)
    except CatalogError as error:
        raise CatalogError(f"{specialists.name_place(one)} is wrong at generator: {error}") from error
    told = {"generated": count, "seed": seed, "licence": "made by Atelier, free to use"}
    return Loaded({"train": made}, told)


def read_local(one: Specialist, place: Path) -> Loaded:
    """Return the rows of a source's original release: its folder, or one of its files, or a file of one's own.

    A file is read by the mapping of the source whose columns it has, else by the usual guess.

    Raises:
        DataError: A file can't be read, or is none of the specialist's.
    """
    if not place.is_dir():
        source, mapping = _mapping_for(one, place)
        return _read_files({"train": place}, mapping, _told(source), one.runs_queries)
    for source in one.sources:
        if source.local and (place / source.local.files["train"]).is_file():
            files = {part: place / name for part, name in source.local.files.items() if (place / name).is_file()}
            return _read_files(files, mapping_of(one, source, source.local), _told(source))
    known = [files.files["train"] for files in _local_files(one)]
    have = f"It should hold {' or '.join(known)}." if known else "Give one file."
    raise DataError(f"The folder {place} holds no file of the specialist {one.id!r}. {have}")


def read_hub(one: Specialist, told: Callable[[float, float, float], None], should_stop: Callable[[], bool]) -> Loaded:
    """Return the rows of the first source that is on the hub, downloaded where they are not here.

    Raises:
        BadInput: None of its sources is on the hub.
        DataError: The hub refuses or can't be reached.
    """
    source = next((source for source in one.sources if source.hub), None)
    if source is None or source.hub is None or source.hub.id is None:
        raise BadInput(f"The specialist {one.id!r} has no dataset on the hub. Leave --source out, or give --data.")
    found = hub.fetch(source.hub.id, list(source.hub.files.values()), told, should_stop)
    rows = Loaded({}, _told(source) | {"hub": source.hub.id, "commit": found.commit})
    for part, pattern in source.hub.files.items():
        for file in found.matching(pattern):
            _add(rows, _read_files({part: file}, mapping_of(one, source, source.hub), {}))
    return rows


def _local_files(one: Specialist) -> list[Files]:
    return [source.local for source in one.sources if source.local]


def _told(source: Source | None) -> dict[str, Any]:
    return {"source": source.name, "licence": source.licence} if source else {"licence": "not stated"}


def mapping_of(one: Specialist, source: Source, files: Files) -> ColumnMapping:
    """Return how the columns of a source's files are read.

    Raises:
        CatalogError: The specialist's file says it wrongly.
    """
    try:
        return ColumnMapping(**files.mapping)
    except (ValidationError, TypeError) as error:
        told = describe_error(error) if isinstance(error, ValidationError) else f"{error}."
        raise CatalogError(
            f"{specialists.name_place(one)} is wrong in the mapping of its source {source.name!r} at {told}"
        ) from error


def _mapping_for(one: Specialist, place: Path) -> tuple[Source | None, ColumnMapping | None]:
    columns = set(look_at(place).columns)
    for source in one.sources:
        for files in (source.local, source.hub):
            if files and set((mapping := mapping_of(one, source, files)).needed()) <= columns:
                return source, mapping
    return None, None


def _read_files(
    files: Mapping[Part, Path], wanted: ColumnMapping | None, told: dict[str, Any], runs_queries: bool = False
) -> Loaded:
    loaded = Loaded({}, told | {"files": {}})
    for part, place in files.items():
        found = look_at(place)
        mapping = _fit_mapping(found, place, wanted)
        if runs_queries and not mapping.database:
            mapping = mapping.model_copy(update={"database": find_database(found.columns)})
        rows = loaded.parts.setdefault(part, [])
        name = show_name(place.name)
        for row in read_rows(place, found.form):
            try:
                if isinstance(row, Row):
                    rows += to_examples(row.values, mapping, name)
                    continue
                place_of, reason, text = f"{name}, line {row.line}", row.reason, row.text
            except BadRow as bad:
                place_of, reason = f"{name}, line {row.line}", f"{bad.column} {bad.reason}"
                text = str(row.values) if isinstance(row, Row) else row.text
            loaded.dropped.append(Dropped(place_of, reason, text))
        loaded.origin["files"][name] = {"part": part, "sha256": durable.hash_file(place)}
    return loaded


def _fit_mapping(found: Preview, place: Path, wanted: ColumnMapping | None) -> ColumnMapping:
    """Return a source's mapping; where a release calls its columns otherwise, they are guessed, the labels kept."""
    if wanted is not None and set(wanted.needed()) <= set(found.columns):
        return choose_mapping(replace(found, mapping=None), place, wanted.model_dump(exclude_unset=True))
    return choose_mapping(found, place, {"labels": wanted.labels if wanted else {}})


def _add(rows: Loaded, more: Loaded) -> None:
    for part, found in more.parts.items():
        rows.parts.setdefault(part, []).extend(found)
    rows.dropped += more.dropped
    rows.origin.setdefault("files", {}).update(more.origin["files"])


def in_order(parts: Mapping[Part, list[Example]]) -> dict[Part, list[Example]]:
    return {part: parts[part] for part in PARTS if part in parts}
