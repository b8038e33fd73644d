"""What a job trains on and is tested on: corpora, generated examples, or a person's own file, never overlapping."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.catalog import industries
from core.catalog.industries import Industry
from core.datasets import versions
from core.datasets.arithmetic import numbers_in
from core.datasets.examples import Example
from core.datasets.generator import make_examples, normalise
from core.datasets.leakage import LeakGuard
from core.datasets.mapping import describe
from core.datasets.preview import name_of, read_strictly
from core.datasets.reading import read_examples
from core.datasets.specialist.items import benchmark_of
from core.datasets.specialist.pipeline import Prepared, held_out
from core.errors import DataError
from core.evaluation import benchmarks
from core.evaluation.benchmarks import Benchmark, Item
from core.paths import Workspace
from core.wording import show_name

LEAST_HELD_OUT, MOST_HELD_OUT = 20, 200
LEAST_ROWS = 3
MOST_LABELS = 500
MOST_TEST = 300
MOST_ROWS = 200_000
MOST_RATIO = 1_000
LABEL_LENGTH = 80


@dataclass(frozen=True)
class Composition:
    """Training examples with the benchmark that they are held against.

    `removed` counts own rows that were left out, by reason; `dropped` holds them where they are kept. `rows_from` says
    where a specialist's rows were asked for.
    """

    name: str
    examples: list[Example]
    benchmark: Benchmark
    source: dict[str, Any]
    removed: dict[str, int]
    specialist: str = ""
    rubric: str = ""
    dropped: tuple[dict[str, str], ...] = ()
    rows_from: dict[str, str | int | None] = field(default_factory=dict)

    @property
    def by_origin(self) -> dict[str, int]:
        return dict(Counter(example.origin for example in self.examples))


def of_industries(
    ids: list[str],
    generated_examples: int,
    seed: int,
    workspace: Workspace | None = None,
    mix: Mapping[str, float] | None = None,
) -> Composition:
    """Return the corpora of the chosen industries and examples generated beside them.

    Args:
        generated_examples: For each industry; `mix` shifts them among several.
        mix: Ratios by industry id; 2 and 1 generate twice as many for the first.

    Raises:
        NotFound: An industry does not exist.
        DataError: No industry is chosen, or a ratio is not above 0.
    """
    if not ids:
        raise DataError("No industry is chosen. Pick at least one.")
    packs = industries.expand(ids, workspace)
    combined = next(
        (
            pack
            for pack in industries.all_industries(workspace).values()
            if pack.members and set(pack.members) == {one.id for one in packs}
        ),
        None,
    )
    corpora = [combined] if combined and len(packs) > 1 else packs
    examples = []
    for pack in corpora:
        examples += [
            Example(row.prompt, row.response, f"corpus:{row.extra.get('industry', pack.id)}", row.extra)
            for row in read_examples(pack.corpus_path)
        ]
    benchmark = benchmarks.of_industries(packs)
    guard = LeakGuard(item.prompt for item in benchmark.items)
    leaked = [example for example in examples if guard.is_too_near(example.prompt)]
    examples = [example for example in examples if not guard.is_too_near(example.prompt)]
    known = {normalise(example.prompt) for example in examples}
    counts = _generated_counts(packs, generated_examples, mix or {})
    for pack in packs:
        examples += make_examples(pack, counts[pack.id], seed, known, guard.is_too_near)
    name = combined.title if combined and len(packs) > 1 else " + ".join(pack.title for pack in packs)
    source = {
        "industries": [pack.id for pack in packs],
        "corpora": [pack.corpus for pack in corpora],
        "generated": counts,
        "seed": seed,
    }
    return Composition(
        name, examples, benchmark, source, {"too near to a benchmark item": len(leaked)} if leaked else {}
    )


def _generated_counts(packs: list[Industry], each: int, mix: Mapping[str, float]) -> dict[str, int]:
    for name, ratio in mix.items():
        if name not in {pack.id for pack in packs}:
            raise DataError(f"The mix names {name!r}, which is not among the chosen industries.")
        if not 0 < ratio <= MOST_RATIO:
            raise DataError(f"The ratio of {name} is {ratio:g}; it must be above 0 and at most {MOST_RATIO:,}.")
    ratios = {pack.id: float(mix.get(pack.id, 1.0)) for pack in packs}
    mean = sum(ratios.values()) / len(ratios)
    return {name: round(each * ratio / mean) for name, ratio in ratios.items()}


def of_specialist(prepared: Prepared) -> Composition:
    """Return a specialist's training and validation rows, with its test rows as the benchmark."""
    one = prepared.specialist
    held = held_out(prepared, MOST_TEST)
    removed: dict[str, int] = dict(prepared.manifest["counts"]["dropped"])
    source = prepared.manifest | {"held_out": len(held)}
    dropped = tuple(row.to_row() for row in prepared.dropped)
    return Composition(one.title, prepared.training, benchmark_of(one, held), source, removed, one.id, dropped=dropped)


def of_file(path: Path) -> Composition:
    """Return the rows of a person's own file, some of them held out as benchmark (see `of_rows`).

    Raises:
        DataError: The file can't be read or has too few different rows.
    """
    rows, mapping = read_strictly(path)
    source = {"file": show_name(path.name), "columns": describe(mapping)}
    return of_rows(name_of(path), str(path), rows, source)


@lru_cache(maxsize=2)
def of_version(workspace: Workspace, sha: str, name: str) -> Composition:
    """Return the examples of an imported dataset, some of them held out as benchmark (see `of_rows`).

    Raises:
        DataError: The dataset is damaged, too large, or has too few different rows.
    """
    rows = versions.load(workspace, sha, most=MOST_ROWS)
    return of_rows(name, f"The dataset {name!r}", rows, {"dataset": name, "sha": sha})


def of_rows(name: str, what: str, rows: list[Example], source: dict[str, Any]) -> Composition:
    """Return rows for training, a tenth of them held out as benchmark.

    The held-out rows are chosen by the hash of their prompt, or of their group, which is never split; so the same rows
    always give the same benchmark. Rows that repeat an earlier one, or a held-out prompt, are left out and counted.

    Args:
        what: How messages call the rows.

    Raises:
        DataError: There are fewer than 3 different rows, or no two that ask different things.
    """
    unique: dict[tuple[object, ...], Example] = {}
    for row in rows:
        unique.setdefault((row.turns, normalise(row.prompt) or row.prompt, row.response), row)
    removed = {"repeated rows": len(rows) - len(unique)} if len(rows) > len(unique) else {}
    kept = list(unique.values())
    if len(kept) < LEAST_ROWS:
        raise DataError(
            f"{what} has {len(kept)} different rows. At least {LEAST_ROWS} are needed, and a few hundred to learn from."
        )
    count = min(max(LEAST_HELD_OUT, len(kept) // 10), MOST_HELD_OUT, len(kept) // 3)
    by_hash = sorted(kept, key=lambda row: hashlib.sha256(_bond_of(row).encode("utf-8")).digest())
    held = by_hash[:count]
    bonds = {_bond_of(row) for row in held}
    prompts = {normalise(row.prompt) or row.prompt for row in held if not row.turns}
    training = [
        row
        for row in kept
        if _bond_of(row) not in bonds and (bool(row.turns) or (normalise(row.prompt) or row.prompt) not in prompts)
    ]
    overlap = len(kept) - len(training) - count
    if overlap > 0:
        grouped = any("group" in row.extra for row in held)
        removed[f"same {'group' if grouped else 'prompt'} as a held-out row"] = overlap
    if not training:
        raise DataError(f"All rows of {what} ask the same, so none can be held out to test on. Add different prompts.")
    return Composition(name, training, _benchmark_of_rows(name, kept, held), source | {"held_out": count}, removed)


def _bond_of(row: Example) -> str:
    """Return what a row shares with those that must not stand on both sides of a split."""
    return str(row.extra.get("group") or row.prompt)


def _benchmark_of_rows(name: str, rows: list[Example], held: list[Example]) -> Benchmark:
    return benchmarks.make_benchmark(name, items_of_rows(rows, held), {"answers": 1.0}, {"answers": "Answers"})


def items_of_rows(rows: list[Example], held: list[Example]) -> list[Item]:
    """Return test items of held-out rows, graded by what the responses look like: labels, numbers, or free text."""
    labels = tuple(dict.fromkeys(row.response for row in rows))
    if 2 <= len(labels) <= min(MOST_LABELS, max(2, len(rows) // 3)) and all(
        len(label) <= LABEL_LENGTH for label in labels
    ):
        return _items(held, lambda row: {"type": "label", "answer": row.response, "choices": labels})
    if all(_is_number(row.response) for row in rows):
        return _items(
            held,
            lambda row: {
                "type": "numeric", "answer": _value_of(row.response), "tolerance": 0.01, "reference": row.response
            },
        )  # fmt: skip
    return _items(held, lambda row: {"type": "text", "answer": row.response})


def _items(held: list[Example], grading: Callable[[Example], dict[str, Any]]) -> list[Item]:
    return [
        Item(id=f"row-{index}", component="answers", prompt=row.prompt, turns=row.turns, **grading(row))
        for index, row in enumerate(held, 1)
    ]


def _value_of(text: str) -> float:
    number = numbers_in(text)[0]
    return number.value * number.scale


def _is_number(text: str) -> bool:
    found = numbers_in(text)
    return len(found) == 1 and len(found[0].text) >= len(text.strip()) - 1
