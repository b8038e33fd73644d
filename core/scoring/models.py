"""Which model scores by a rubric: the adapter asked for, the one in production, the shipped one, or the base."""

import hashlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.catalog import bases
from core.catalog.rubrics import RUBRICS_DIR, Rubric, read_rubric
from core.errors import AdapterUnfit, BaseModelError, CatalogError, NotFound
from core.paths import MODELS_DIR, Workspace
from core.registry import facts, promotion
from core.store import adapters, registry
from core.store.adapters import AdapterRow
from core.store.connection import opened

BUNDLES = MODELS_DIR / "rubrics"
SCOPE = "rubric:"
BASE, BUNDLED = "base", "bundled"
STARTER = "starter"


@dataclass(frozen=True)
class ScoringModel:
    """A model that can score.

    Attributes:
        name: For people.
        base: As the catalogue or its job calls it.
        adapter_folder: None for the base alone.
        id: An adapter's id, "bundled" or "base".
        length: Tokens of the longest example that the adapter was trained on, 0 where that is not known.
        stamp: Changes when a file of base or adapter does.
    """

    name: str
    base: str
    base_folder: Path
    adapter_folder: Path | None
    id: str
    length: int = 0
    stamp: str = ""


@dataclass(frozen=True)
class Listed:
    """A model that a person can choose; `note` says what it is. `scores` marks the one that scores if none is named."""

    id: str
    name: str
    note: str
    scores: bool = False


def resolve(workspace: Workspace, rubric: Rubric, asked: str = "") -> ScoringModel:
    """Return the model that scores by a rubric.

    Args:
        asked: "base", "bundled", an adapter's id or name, or nothing for what is in use.

    Raises:
        NotFound: There is no such adapter, or none is bundled.
        AdapterUnfit: It was trained for something else, is damaged, or its base is gone.
        RegistryError: What is in production is damaged, and so is whatever was before.
    """
    wanted = asked.strip()
    if wanted == BASE:
        return _base()
    if wanted == BUNDLED:
        if not has_bundle(rubric):
            raise NotFound(f"No adapter is shipped for the rubric {rubric.id!r}. Train one, or choose 'base'.")
        return _bundle(rubric)
    if wanted:
        return _asked(workspace, rubric, wanted)
    try:
        return _trained(workspace, _find_production(workspace, rubric))
    except NotFound:
        return _bundle(rubric) if has_bundle(rubric) else _base()


def list_models(workspace: Workspace, rubric: Rubric) -> list[Listed]:
    """Return what can score by a rubric: its adapters, the newest first, then the shipped one and the base."""
    found = []
    rows = []
    if workspace.database.exists():
        with opened(workspace) as db:
            rows = [one for one in registry.entries(db, SCOPE + rubric.id) if one.stage != "archived"]
    for row in rows:
        note = "in production" if row.stage == "production" else "candidate"
        found.append(Listed(row.id, row.name, note, row.stage == "production"))
    used = any(one.scores for one in found)
    bundled = has_bundle(rubric)
    if bundled:
        found.append(Listed(BUNDLED, "Shipped adapter", "shipped with Atelier", not used))
    found.append(Listed(BASE, bases.title_of(STARTER), "the base without an adapter", not used and not bundled))
    return found


def stamp(workspace: Workspace, rubric: Rubric, asked: str = "") -> str:
    """Return a text that changes when another model would score, or the same one with other files. Reads no weights."""
    wanted = asked.strip()
    if wanted == BASE:
        return _base().stamp
    if wanted == BUNDLED or not workspace.database.exists():
        return _bundle(rubric).stamp if has_bundle(rubric) else _base().stamp
    with opened(workspace) as db:
        present = wanted or registry.production_of(db, SCOPE + rubric.id)
        row = adapters.find(db, present) if present else None
    if row is not None:
        return f"{row.id} {_stamp(workspace.adapters / row.id)} {_stamp_base(row.base)}"
    return _bundle(rubric).stamp if has_bundle(rubric) else _base().stamp


def has_bundle(rubric: Rubric) -> bool:
    """Return whether an adapter is shipped for this rubric, and its questions are still those it was trained on."""
    folder = BUNDLES / rubric.id
    if not (folder / "adapter_config.json").is_file() or not (folder / "adapter_model.safetensors").is_file():
        return False
    if Path(rubric.file).parent == RUBRICS_DIR:
        return True
    try:
        shipped = read_rubric(RUBRICS_DIR / f"{rubric.id}.yaml")
    except CatalogError:
        return False
    return _questions(shipped) == _questions(rubric)


def _questions(rubric: Rubric) -> tuple[str, list[tuple[str, str]]]:
    return rubric.rated.title, [(one.id, one.title) for one in rubric.dimensions]


def _base() -> ScoringModel:
    folder = _locate(STARTER, f"the base {bases.title_of(STARTER)!r}")
    return ScoringModel(bases.title_of(STARTER), STARTER, folder, None, BASE, 0, _stamp(folder))


def _bundle(rubric: Rubric) -> ScoringModel:
    folder = BUNDLES / rubric.id
    base = _locate(STARTER, f"the shipped adapter for {rubric.id!r}")
    name = f"Shipped adapter for {rubric.title.lower()}"
    return ScoringModel(
        name, STARTER, base, folder, BUNDLED, _length(_read_card(folder)), f"{_stamp(base)} {_stamp(folder)}"
    )


def _find_production(workspace: Workspace, rubric: Rubric) -> AdapterRow:
    if not workspace.database.exists():
        raise NotFound("Nothing was trained in this workspace yet.")
    return promotion.find_production(workspace, SCOPE + rubric.id)


def _asked(workspace: Workspace, rubric: Rubric, asked: str) -> ScoringModel:
    if not workspace.database.exists():
        raise NotFound(f"There is no adapter {asked!r}; nothing was trained in this workspace yet.")
    with opened(workspace) as db:
        row = _find(db, rubric, asked)
    damage = facts.damage_of(workspace, row)
    if damage:
        raise AdapterUnfit(f"The adapter {row.name!r} can't be used: {damage}. Put it back from a backup.")
    return _trained(workspace, row)


def _find(db: sqlite3.Connection, rubric: Rubric, asked: str) -> AdapterRow:
    row = adapters.find(db, asked)
    made_for = str(row.card.get("rubric") or "")
    if made_for != rubric.id:
        told = f"the rubric {made_for!r}" if made_for else repr(registry.scope_of(row.card) or "something else")
        raise AdapterUnfit(
            f"The adapter {row.name!r} was trained for {told}, not for the rubric {rubric.id!r}. "
            f"Choose another, or train one with `atelier train --rubric {rubric.id}`."
        )
    return row


def _trained(workspace: Workspace, row: AdapterRow) -> ScoringModel:
    base = _locate(row.base, f"the adapter {row.name!r}")
    if bases.fingerprint(base) != row.base_fingerprint:
        raise AdapterUnfit(
            f"The adapter {row.name!r} was made for another base than the one in {base}. Put that base back."
        )
    folder = workspace.adapters / row.id
    return ScoringModel(row.name, row.base, base, folder, row.id, _length(row.card), f"{_stamp(base)} {_stamp(folder)}")


def _locate(base: str, what: str) -> Path:
    try:
        folder = bases.locate(base)
    except (NotFound, BaseModelError) as error:
        raise AdapterUnfit(f"The base of {what} can't be used. {error}") from error
    if folder is None:
        raise AdapterUnfit(f"The base {base} of {what} is not on this machine. Download it, or put it back.")
    return folder


def _length(card: dict[str, Any]) -> int:
    config = card.get("config")
    value = config.get("max_length") if isinstance(config, dict) else None
    return value if isinstance(value, int) and value > 0 else 0


def _read_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _stamp_base(base: str) -> str:
    """Return the stamp of a base's folder, or "" while it can't be used."""
    try:
        folder = bases.locate(base)
    except (NotFound, BaseModelError):
        return ""
    return _stamp(folder) if folder is not None else ""


def _stamp(folder: Path) -> str:
    """Return a name for the state of a folder's model files, by their sizes and times."""
    files = [*sorted(folder.glob("*.json")), *sorted(folder.glob("*.safetensors"))]
    told = [(one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in files]
    return hashlib.sha256(repr((str(folder), told)).encode()).hexdigest()[:16]
