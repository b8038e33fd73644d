"""From a specialist's rows to training, validation and test: cleaned, put into its prompt, split, and accounted for.

Every row that is not used is named with its reason; the manifest says where the rows come from and how many are left.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import durable
from core.catalog.specialists import PARTS, Part, Specialist
from core.datasets import splitting
from core.datasets.doctor import likeness, writing
from core.datasets.doctor.likeness import Texts
from core.datasets.examples import Example
from core.datasets.specialist.items import item_of
from core.datasets.specialist.loading import Dropped, Loaded
from core.errors import DataError

MOST_ROWS = 200_000
LEAST_ROWS = 30
SHARES = (0.8, 0.1, 0.1)
DROPPED_FILE, MANIFEST_FILE = "dropped.jsonl", "manifest.json"


@dataclass(frozen=True)
class Prepared:
    """A specialist's data, ready for training and test; `manifest` accounts for every row."""

    specialist: Specialist
    parts: dict[Part, list[Example]]
    dropped: list[Dropped]
    manifest: dict[str, Any]

    @property
    def training(self) -> list[Example]:
        """The rows to train on and to validate with, each saying which it is."""
        return [
            replace(row, extra=row.extra | {"part": part}) for part in PARTS[:2] for row in self.parts.get(part, [])
        ]

    @property
    def test(self) -> list[Example]:
        return self.parts.get("test", [])


def prepare(one: Specialist, loaded: Loaded, seed: int, most_rows: int | None = None) -> Prepared:
    """Clean, format and split the rows of a specialist: 80% training, 10% validation, 10% test.

    A source's own test part stays its test. Rows of one group stay together, labels are shared out evenly.

    Args:
        most_rows: Take at most so many rows of each part that the source has, drawn by the seed.

    Raises:
        DataError: Too few rows are left, or there are too many.
    """
    counts: dict[str, Any] = {"read": sum(len(rows) for rows in loaded.parts.values()) + len(loaded.dropped)}
    dropped = list(loaded.dropped)
    drawn = {part: _draw(len(rows), most_rows, seed, part) for part, rows in loaded.parts.items()}
    parts = {part: [(number, loaded.parts[part][number]) for number in numbers] for part, numbers in drawn.items()}
    counts["not_drawn"] = sum(len(loaded.parts[part]) - len(rows) for part, rows in parts.items())
    if sum(len(rows) for rows in parts.values()) > MOST_ROWS:
        raise DataError(f"The source has more than {MOST_ROWS:,} rows. Take fewer with --rows.")
    cleaned = _clean(one, parts, dropped)
    if sum(len(rows) for rows in cleaned.values()) < LEAST_ROWS:
        raise DataError(
            f"Of the rows for {one.id!r}, {sum(len(rows) for rows in cleaned.values())} can be used; at least "
            f"{LEAST_ROWS} are needed.{_most_common(dropped)}"
        )
    formatted = {part: [replace(row, prompt=one.ask(row.prompt)) for row in rows] for part, rows in cleaned.items()}
    split = _split(formatted, seed)
    reasons = Counter(one_dropped.reason for one_dropped in dropped)
    manifest = {
        "specialist": one.id,
        "origin": loaded.origin,
        "seed": seed,
        "counts": counts
        | {"dropped": dict(reasons.most_common())}
        | {part: len(split.get(part, [])) for part in PARTS},
    }
    return Prepared(one, split, dropped, manifest)


def _most_common(dropped: Sequence[Dropped]) -> str:
    if not dropped:
        return ""
    [(reason, count)] = Counter(one.reason for one in dropped).most_common(1)
    return f" Most others were left out because: {reason} ({count:,})."


def _draw(count: int, most: int | None, seed: int, part: Part) -> list[int]:
    """Return which of a part's rows are taken, in their order."""
    if most is None or count <= most:
        return list(range(count))
    return sorted(np.random.default_rng([seed, 77, PARTS.index(part)]).permutation(count)[:most].tolist())


def _clean(
    one: Specialist, parts: dict[Part, list[tuple[int, Example]]], dropped: list[Dropped]
) -> dict[Part, list[Example]]:
    """Mend characters; drop what can't be graded, repeats and contradictions, and what a held-out part has too."""
    cleaned: dict[Part, list[Example]] = {}
    asked: set[str] = set()
    groups: set[str] = set()
    for part in reversed(PARTS):  # the test comes first: what it asks is dropped from the others
        if part not in parts:
            continue
        rows = [_mend(row) for _, row in parts[part]]
        texts = Texts(rows)
        reasons = _reasons(one, rows, texts)
        kept = []
        for place, row in enumerate(rows):
            reason = reasons.get(place)
            if reason is None and texts.asked[place] in asked:
                reason = "the same question is in a part that is held out"
            if reason is None and row.extra.get("group") in groups:
                reason = "its group is in a part that is held out"
            if reason is None:
                kept.append(place)
            else:
                number = parts[part][place][0] + 1
                dropped.append(Dropped(f"{row.origin} {part}, example {number}", reason, row.prompt))
        asked |= {texts.asked[place] for place in kept}
        groups |= {rows[place].extra["group"] for place in kept if rows[place].extra.get("group")}
        cleaned[part] = [rows[place] for place in kept]
    return {part: cleaned[part] for part in PARTS if part in cleaned}


def _mend(row: Example) -> Example:
    if not (writing.is_odd(row.prompt) or writing.is_odd(row.response)):
        return row
    return replace(row, prompt=writing.mend(row.prompt), response=writing.mend(row.response))


def _reasons(one: Specialist, rows: list[Example], texts: Texts) -> dict[int, str]:
    """Return why rows can't be used, by place."""
    reasons: dict[int, str] = {}
    for place, row in enumerate(rows):
        if one.labels and row.response not in one.labels:
            reasons[place] = f"{row.response[:60]!r} is none of the labels"
            continue
        try:
            item_of(one, row, "row")
        except (DataError, ValueError) as error:
            reasons[place] = " ".join(str(error).split())[:200]
    repeated = likeness.find_duplicates(rows, texts)
    first = set(repeated.rows) if repeated else set()
    near = likeness.find_near_duplicates(rows, texts, first)
    conflicting = likeness.find_conflicts(rows, texts) if one.labels else None
    for finding, reason in (
        (repeated, "the same row again"),
        (near, "nearly the same row again"),
        (conflicting, "the same question has another answer too"),
    ):
        for place in finding.rows if finding else ():
            reasons.setdefault(place, reason)
    return reasons


def _split(parts: dict[Part, list[Example]], seed: int) -> dict[Part, list[Example]]:
    """Return the three parts; those that the source has itself stay as they are."""
    if not parts.get("test"):
        rows = [row for found in parts.values() for row in found]
        made = splitting.split(rows, SHARES, seed)
        return {part: made[part] for part in PARTS}
    if parts.get("validation") and parts["train"]:
        return parts
    training, validation, _ = SHARES
    both = training + validation
    made = splitting.split(parts["train"], (training / both, validation / both, 0.0), seed)
    return {"train": made["train"], "validation": made["validation"], "test": parts["test"]}


def held_out(prepared: Prepared, most: int) -> list[Example]:
    """Return the test rows that a job is tested on: all, or `most` of them, chosen by the hash of their question."""
    rows = prepared.test
    if len(rows) <= most:
        return rows
    return sorted(rows, key=lambda row: hashlib.sha256(row.prompt.encode("utf-8")).digest())[:most]


def write(prepared: Prepared, folder: Path) -> list[Path]:
    """Write the parts as JSONL with prompt, response and metadata, the dropped rows, and the manifest.

    Raises:
        OSError: The folder can't be written to.
    """
    written = []
    for part, rows in prepared.parts.items():
        lines = [
            {"prompt": row.prompt, "response": row.response, "metadata": {"source": row.origin, **row.extra}}
            for row in rows
        ]
        written.append(_write_lines(folder / f"{part}.jsonl", lines))
    lines = [{"place": one.place, "reason": one.reason, "text": one.text} for one in prepared.dropped]
    written.append(_write_lines(folder / DROPPED_FILE, lines))
    hashes = {path.name: durable.hash_file(path) for path in written}
    durable.write_json(folder / MANIFEST_FILE, prepared.manifest | {"sha256": hashes})
    return [*written, folder / MANIFEST_FILE]


def _write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    durable.write_file(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path
