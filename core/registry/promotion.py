"""What the gate's word leads to: adapters go into production and leave it, each time with a row that says why.

Everything is looked at first, which may take a while; then one transaction does it, if nothing changed meanwhile.
"""

import re
import sqlite3
from dataclasses import dataclass

from core.errors import NotFound, RegistryError
from core.paths import Workspace
from core.registry import facts, gate, rules
from core.registry.facts import Known
from core.registry.gate import Rules, Ruling
from core.store import adapters, registry, reviews
from core.store.adapters import AdapterRow
from core.store.connection import opened
from core.store.registry import Decision, Moves, Stage
from core.store.reviews import FINDINGS, Finding, Review

MOST_LETTERS = 2000
BY_THE_GATE = "by the gate"
_REVIEW = re.compile(r"[^:]{2,80}: \S.*")
_AUTOMATIC_TRIES = 5


@dataclass(frozen=True)
class Look:
    """An adapter before the gate: what is known, what was asked, what the gate says; nothing is changed."""

    known: Known
    stage: Stage
    production: str
    rules: Rules
    ruling: Ruling


def look(workspace: Workspace, adapter: str, review: str = "", *, by_size: bool = False) -> Look:
    """Return what the gate would say about an adapter now.

    Args:
        review: Who has reviewed it, and what they say, as 'Name: note'.
        by_size: Do not read the adapter's files, only their sizes.

    Raises:
        NotFound: There is no such adapter.
        RegistryError: The review has no name, or the gate's rules can't be read.
    """
    with opened(workspace) as db:
        return _look(workspace, db, adapters.find(db, adapter), _read_review(review), by_size)


def _look(workspace: Workspace, db: sqlite3.Connection, row: AdapterRow, review: str, by_size: bool = False) -> Look:
    production = registry.production_of(db, registry.scope_of(row.card))
    known = facts.gather(workspace, db, row, review=review, by_size=by_size)
    asked = rules.read_rules(workspace, known.scope)
    stage = registry.stage_of(db, known.scope, row.id)
    return Look(known, stage, production, asked, gate.decide(known.facts, asked))


def decide(
    workspace: Workspace, adapter: str, review: str = "", reason: str = "", *, by_itself: bool = False
) -> Decision:
    """Let the gate decide about an adapter: it goes into production, or is held back; a row says which and why.

    Args:
        by_itself: No person pressed; the row says so.
        review: Who has reviewed it and found it fit, and what they say, as 'Name: note'; it is written down.
        reason: Why it goes into production although the gate holds it back; damage and a missing review stay in force.

    Raises:
        RegistryError: It is in production already, or something else was decided meanwhile.
    """
    reason = _words(reason, "reason")
    with opened(workspace) as db:
        seen = _look(workspace, db, adapters.find(db, adapter), _read_review(review))
        row, scope = seen.known.row, seen.known.scope
        if not scope:
            raise RegistryError(f"The adapter {row.name!r} tells no benchmark, so there is no scope to promote it for.")
        if seen.production == row.id:
            raise RegistryError(f"The adapter {row.name!r} is in production already.")
        overruled = seen.ruling.action == "hold" and bool(reason) and seen.ruling.can_be_overruled
        promotes = overruled or seen.ruling.action == "promote"
        moves: Moves = {}
        if promotes:
            moves[row.id] = (seen.stage, "production")
            if seen.production:
                moves[seen.production] = ("production", "archived")
        if review.strip():
            _write_review(db, row, *_read_review(review).split(": ", 1), finding="fit")
        return registry.record(
            db,
            scope=scope,
            adapter=row.id,
            action="promote" if promotes else "hold",
            before=seen.production,
            moves=moves,
            figures={
                "gate": seen.ruling.to_dict(),
                "overruled": overruled,
                "review": seen.known.facts.review,
                "reason": reason,
                "by_itself": by_itself,
            },
            hashes=facts.hashes_of(seen.known, seen.rules),
            note=BY_THE_GATE if by_itself else reason or seen.known.facts.review,
        )


def review(workspace: Workspace, adapter: str, who: str, finding: str, note: str) -> Review:
    """Write down what a person found who looked at an adapter's answers: `fit` or `unfit` to serve, and why.

    It counts for these very weights, and in place of what the same person said before.

    Raises:
        NotFound: There is no such adapter.
        RegistryError: The name or the note is missing or too long, or the finding is another word.
    """
    found = next((one for one in FINDINGS if one == finding), None)
    if found is None:
        raise RegistryError(f"A review finds an adapter {' or '.join(FINDINGS)}, not {finding!r}.")
    text = _read_review(f"{' '.join(who.replace(':', ' ').split())}: {_words(note, 'review')}")
    with opened(workspace) as db:
        return _write_review(db, adapters.find(db, adapter), *text.split(": ", 1), finding=found)


def _write_review(db: sqlite3.Connection, row: AdapterRow, who: str, note: str, *, finding: Finding) -> Review:
    return reviews.add(db, row.id, row.weights_sha, who, finding, note)


def hold(workspace: Workspace, adapter: str, note: str) -> Decision:
    """Write down that a person holds an adapter back, and why; it stays in its stage.

    Raises:
        RegistryError: No reason is given, or it is in production.
    """
    note = _words(note, "reason")
    if not note:
        raise RegistryError("Say why it is held back.")
    with opened(workspace) as db:
        seen = _look(workspace, db, adapters.find(db, adapter), "", by_size=True)
        if seen.stage == "production":
            raise RegistryError(f"The adapter {seen.known.row.name!r} is in production. Roll back, or promote another.")
        return registry.record(
            db,
            scope=seen.known.scope,
            adapter=seen.known.row.id,
            action="hold",
            before=seen.production,
            moves={},
            figures={"gate": seen.ruling.to_dict()},
            hashes=facts.hashes_of(seen.known, seen.rules),
            note=note,
        )


def archive(workspace: Workspace, adapter: str, note: str = "") -> Decision:
    """Put an adapter away; its files stay.

    Raises:
        RegistryError: It is in production, or archived already.
    """
    note = _words(note, "note")
    with opened(workspace) as db:
        row = adapters.find(db, adapter)
        scope = registry.scope_of(row.card)
        stage = registry.stage_of(db, scope, row.id)
        if stage == "production":
            raise RegistryError(f"The adapter {row.name!r} is in production. Promote another, roll back or undo first.")
        if stage == "archived":
            raise RegistryError(f"The adapter {row.name!r} is archived already.")
        return registry.record(
            db,
            scope=scope,
            adapter=row.id,
            action="archive",
            before=registry.production_of(db, scope),
            moves={row.id: (stage, "archived")},
            figures={},
            hashes={"adapter": row.weights_sha, "code": facts.code_version()},
            note=note,
        )


def rollback(workspace: Workspace, scope: str, to: int | None = None, note: str = "") -> Decision:
    """Put the adapter into production that was there before; a damaged one is passed over.

    Args:
        to: A decision: what was in production after it comes back.

    Raises:
        RegistryError: There is none to go back to, or the one that was named is damaged.
    """
    note = _words(note, "note")
    with opened(workspace) as db:
        _check_scope(db, scope)
        present = registry.production_of(db, scope)
        if to is None:
            return _roll_back(workspace, db, scope, present, registry.earlier_productions(db, scope), note)
        named = registry.decision(db, to)
        if named.scope != scope or not named.after:
            raise RegistryError(f"After decision {to} no adapter was in production for {scope!r}.")
        if named.after == present:
            raise RegistryError(f"What was in production after decision {to} is so now.")
        return _roll_back(workspace, db, scope, present, [named.after], note)


def _roll_back(
    workspace: Workspace,
    db: sqlite3.Connection,
    scope: str,
    present: str,
    choices: list[str],
    note: str,
    why: str = "",
) -> Decision:
    """Let the first sound one of the choices take the place of `present`, if that is still in production."""
    passed_over = {}
    for choice in choices:
        row = adapters.find(db, choice)
        damage = facts.damage_of(workspace, row)
        if damage:
            passed_over[row.id] = damage
            continue
        moves: Moves = {row.id: (registry.stage_of(db, scope, row.id), "production")}
        if present:
            moves[present] = ("production", "archived")
        return registry.record(
            db,
            scope=scope,
            adapter=row.id,
            action="rollback",
            before=present,
            moves=moves,
            figures={"passed_over": passed_over, "automatic": bool(why), "why": why},
            hashes={
                "adapter": row.weights_sha,
                "base": row.base_fingerprint,
                "dataset": row.dataset,
                "code": facts.code_version(),
            },
            note=note or why,
        )
    if passed_over:
        told = "; ".join(f"{adapter}: {damage}" for adapter, damage in passed_over.items())
        raise RegistryError(f"No adapter to go back to for {scope!r} is whole ({told}). Put one back from a backup.")
    raise RegistryError(f"No other adapter was in production for {scope!r} before. Promote one, or undo.")


def undo(workspace: Workspace, scope: str, note: str = "") -> Decision:
    """Reverse the last decision of a scope that changed a stage; that is a decision of its own.

    Raises:
        RegistryError: There is none, or what would come back into production is damaged.
    """
    note = _words(note, "note")
    with opened(workspace) as db:
        _check_scope(db, scope)
        last = registry.undoable(db, scope)
        if last is None:
            raise RegistryError(f"Nothing that was decided about {scope!r} is left to undo.")
        if last.before and last.before != last.after:
            row = adapters.find(db, last.before)
            damage = facts.damage_of(workspace, row)
            if damage:
                raise RegistryError(
                    f"Decision {last.id} can't be undone: the folder of {row.name!r}, which would be in production "
                    f"again, is damaged ({damage}). Put it back from a backup first."
                )
        return registry.record(
            db,
            scope=scope,
            adapter=last.adapter,
            action="undo",
            before=registry.production_of(db, scope),
            moves={adapter: (new, old) for adapter, (old, new) in last.moves.items()},
            figures={"undone": last.action},
            hashes={"code": facts.code_version()},
            note=note,
            undoes=last.id,
        )


def find_production(workspace: Workspace, scope: str) -> AdapterRow:
    """Return the adapter in production of a scope, every byte of it checked.

    If it is damaged, the last sound one that was in production takes its place, with a row that says so.

    Raises:
        NotFound: None is in production.
        RegistryError: It is damaged, and so is whatever was before.
    """
    for _ in range(_AUTOMATIC_TRIES):
        with opened(workspace) as db:
            present = registry.production_of(db, scope)
            if not present:
                raise NotFound(f"No adapter is in production for {scope!r}. `atelier models list` shows candidates.")
            row = adapters.find(db, present)
            damage = facts.damage_of(workspace, row)
            if not damage:
                return row
            why = f"the folder of {row.name!r} is damaged: {damage}"
            choices = registry.earlier_productions(db, scope)
            try:
                _roll_back(workspace, db, scope, present, choices, "", why=why)
            except RegistryError as error:
                if registry.production_of(db, scope) != present:  # somebody else was faster
                    continue
                raise RegistryError(f"The adapter in production for {scope!r} can't be used: {why}. {error}") from error
    raise RegistryError(f"What is in production for {scope!r} changes all the time. Try again.")


def _check_scope(db: sqlite3.Connection, scope: str) -> None:
    known = registry.scopes(db)
    if scope not in known:
        raise NotFound(f"There is no adapter for {scope!r}. Choose from: {', '.join(known) or 'none yet'}.")


def _words(text: str, what: str) -> str:
    words = " ".join(text.split())
    if len(words) > MOST_LETTERS:
        raise RegistryError(f"The {what} has {len(words)} letters; at most {MOST_LETTERS} are kept. Shorten it.")
    return words


def _read_review(text: str) -> str:
    review = _words(text, "review")
    if review and not _REVIEW.fullmatch(review):
        raise RegistryError("A review is a name and what was found, as in 'Ann Ray: read 30 answers, all in order'.")
    return review
