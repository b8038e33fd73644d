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
from core.datasets.versions import DROPPED_FILE
from core.errors import DataError

MOST_ROWS = 200_000
LEAST_ROWS = 30
SHARES = (0.8, 0.1, 0.1)
MANIFEST_FILE = "manifest.json"


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


@dataclass(frozen=True)
class _Row:
    """A row with where it stands in its part; the first is 0."""

    part: Part
    number: int
    example: Example

    def drop(self, reason: str) -> Dropped:
        return Dropped(f"{self.example.origin} {self.part}, example {self.number + 1}", reason, self.example.prompt)


def _clean(
    one: Specialist, parts: dict[Part, list[tuple[int, Example]]], dropped: list[Dropped]
) -> dict[Part, list[Example]]:
    """Mend characters; drop what can't be graded, repeats and contradictions, and what a held-out part has too."""
    kept: list[_Row] = []
    asked: set[str] = set()
    groups: set[str] = set()
    for part in reversed(PARTS):  # the test comes first: what it asks is dropped from the others
        rows = [_Row(part, number, _mend(row)) for number, row in parts.get(part, [])]
        texts = Texts([row.example for row in rows])
        reasons = _reasons(one, [row.example for row in rows], texts)
        for place, row in enumerate(rows):
            if texts.asked[place] in asked:
                reasons.setdefault(place, "the same question is in a part that is held out")
            elif row.example.extra.get("group") in groups:
                reasons.setdefault(place, "its group is in a part that is held out")
        dropped += [rows[place].drop(reason) for place, reason in sorted(reasons.items())]
        places = [place for place in range(len(rows)) if place not in reasons]
        asked |= {texts.asked[place] for place in places}
        groups |= {rows[place].example.extra["group"] for place in places if rows[place].example.extra.get("group")}
        kept += [rows[place] for place in places]
    kept = _drop_near(kept, dropped)
    return {part: [row.example for row in kept if row.part == part] for part in PARTS if part in parts}


def _drop_near(rows: list[_Row], dropped: list[Dropped]) -> list[_Row]:
    """Drop near repeats, also of held-out rows; a source's own test stays whole, as others measure on it too."""
    examples = [row.example for row in rows]
    found = likeness.find_near_duplicates(examples, Texts(examples), set())
    near = {place for place in (found.rows if found else ()) if rows[place].part != "test"}
    dropped += [rows[place].drop("nearly the same row again") for place in sorted(near)]
    return [row for place, row in enumerate(rows) if place not in near]


def _mend(row: Example) -> Example:
    return replace(row, prompt=_mend_text(row.prompt), response=_mend_text(row.response))


def _mend_text(text: str) -> str:
    text = text.replace("\r\n", "\n")
    return writing.mend(text) if writing.is_odd(text) else text


def _reasons(one: Specialist, rows: list[Example], texts: Texts) -> dict[int, str]:
    """Return why rows of a part can't be used, by place."""
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
    conflicting = likeness.find_conflicts(rows, texts) if one.labels else None
    for finding, reason in (
        (repeated, "the same row again"),
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
    written.append(_write_lines(folder / DROPPED_FILE, [one.to_row() for one in prepared.dropped]))
    hashes = {path.name: durable.hash_file(path) for path in written}
    durable.write_json(folder / MANIFEST_FILE, prepared.manifest | {"sha256": hashes})
    return [*written, folder / MANIFEST_FILE]


def _write_lines(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    durable.write_file(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    return path
