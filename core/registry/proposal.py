"""The gate asked when a training job has ended: its word is kept, and where the rules say so it acts by itself.

What it says never decides about the job: that has ended well before the gate is asked.
"""

import logging
import sqlite3

from core.errors import AppError, RegistryError
from core.paths import Workspace
from core.registry import promotion
from core.registry.promotion import Look
from core.store import adapters, proposals, registry
from core.store.connection import opened
from core.store.proposals import Proposal
from core.store.registry import Decision

TRIES = 5

log = logging.getLogger("atelier")


def propose(workspace: Workspace, adapter: str) -> Proposal | None:
    """Ask the gate about an adapter that waits for it, and return what it said; None where it could not be asked.

    Nothing that is wrong with the rules, the folder or the database raises here. The question stays open then, and is
    asked again when the next supervisor starts.
    """
    try:
        return _propose(workspace, adapter)
    except (AppError, OSError, sqlite3.Error) as error:
        log.warning("The gate could not be asked about the adapter %s: %s", adapter, error)
        return None


def catch_up(workspace: Workspace, db: sqlite3.Connection) -> list[str]:
    """Ask the gate about the adapters whose worker ended before it did; return in sentences what came of it."""
    made = [propose(workspace, adapter) for adapter in proposals.expected(db)]
    return [f"The gate was asked about the adapter {one.adapter}: {tell(one)}" for one in made if one is not None]


def _propose(workspace: Workspace, adapter: str) -> Proposal | None:
    for number in range(1, TRIES + 1):
        seen = promotion.look(workspace, adapter, by_size=True)
        made = _acted_before(workspace, seen)
        if made is None and seen.rules.automatic and seen.stage == "candidate":
            try:
                made = promotion.decide(workspace, adapter, by_itself=True)
            except RegistryError:
                if number == TRIES:
                    raise
                continue  # something else was decided meanwhile: look again
        ruling = made.figures["gate"] if made else seen.ruling.to_dict()
        because, row = ruling["sentence"].partition(": ")[2], seen.known.row
        with opened(workspace) as db:
            proposals.fill(db, row.id, ruling["action"], because, ruling, made.id if made else None)
            return proposals.find(db, row.id)
    raise AssertionError("the last try returns or raises")


def _acted_before(workspace: Workspace, seen: Look) -> Decision | None:
    """Return what the gate decided about an adapter by itself, if a worker was killed before it could tell."""
    row = seen.known.row
    with opened(workspace) as db:
        history = registry.decisions(db, seen.known.scope, row.id)
    return next((one for one in history if one.adapter == row.id and one.figures.get("by_itself")), None)


def tell(one: Proposal) -> str:
    """Return in a sentence what the gate said, and what it did where it acts by itself."""
    verb = {
        ("promote", True): "The gate promoted it by itself",
        ("promote", False): "The gate would promote it",
        ("hold", True): "The gate held it back by itself",
        ("hold", False): "The gate holds it back",
    }.get((one.action, one.decision is not None))
    return f"{verb} because {one.sentence}" if verb else "The gate was not asked yet."


def tell_now(workspace: Workspace, adapter: str) -> str:
    """Return in a sentence where an adapter stands: its stage once something was decided, else the gate's word.

    Raises:
        NotFound: There is no such adapter.
        RegistryError: The gate was not asked when its job ended, and its rules can't be read now.
    """
    with opened(workspace) as db:
        kept = proposals.find(db, adapter)
        scope = registry.scope_of(adapters.find(db, adapter).card)
        stage = registry.stage_of(db, scope, adapter)
        history = registry.decisions(db, scope, adapter)
    entry = next((one.id for one in history if one.after == adapter != one.before), None)
    if stage == "archived":
        return "It is archived."
    if stage == "production" and (kept is None or kept.decision != entry):
        return f"It is in production of {scope}."
    if kept is not None and kept.action:
        return tell(kept)
    ruling = promotion.look(workspace, adapter, by_size=True).ruling
    verb = "would promote it" if ruling.action == "promote" else "holds it back"
    return f"The gate {verb} because {ruling.because}"
