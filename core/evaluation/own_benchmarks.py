"""Own benchmarks: made of a file or of written items, frozen by their content, found again by name."""

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from core.catalog import industries, specialists
from core.catalog.industries import describe_error
from core.datasets import composition
from core.datasets.mapping import find_database
from core.datasets.preview import look_at, name_of, read_strictly
from core.datasets.reading import read_rows
from core.errors import BadInput, DataError, NotFound
from core.evaluation import benchmarks, measures
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark, read_items
from core.evaluation.grading import find_fault
from core.evaluation.pinned import benchmark_file, pin_benchmark, read_pinned
from core.evaluation.spec import HARNESS
from core.paths import DATA_DIR, Workspace
from core.store import benchmarks as stored
from core.store.benchmarks import NamedBenchmark
from core.store.connection import opened
from core.wording import show_name

KINDS = (
    "domain knowledge", "compliance", "reasoning", "calculation", "extraction", "generation", "safety", "bias",
)  # fmt: skip
MOST_ITEMS = 20_000
MOST_NAME_LETTERS = 80
SPECIALIST = "specialist:"
CONDUCT_DIR = DATA_DIR / "benchmarks" / "conduct"
CONDUCT = {"safety": "Refusals", "compliance": "Required and forbidden statements", "bias": "Swapped attributes"}
OfSpecialist = Callable[[str], Benchmark]


def read_file(path: Path) -> list[Item]:
    """Return the test items of a file: lines that are items as they stand, or rows that ask and answer.

    Raises:
        DataError: The file can't be read; the message names file, line and field.
    """
    if _holds_items(path):
        items = read_items(path)
    else:
        items = _items_of_table(path)
    _check_items(path, items)
    if len(items) > MOST_ITEMS:
        raise DataError(f"{path} has {len(items):,} items; a benchmark has at most {MOST_ITEMS:,}. Take a part of it.")
    return items


def _items_of_table(path: Path) -> list[Item]:
    """Return the items of rows that ask and answer; where they bring a database, the answers are queries on it."""
    database = find_database(look_at(path).columns)
    rows, mapping = read_strictly(path, {"database": database})
    if not database or database in (mapping.prompt, mapping.response):
        return composition.items_of_rows(rows, rows)
    return [
        Item(
            id=f"row-{number}", component="answers", type="sql", prompt=row.prompt, turns=row.turns,
            answer=row.response, database=row.extra["database"],
        )
        for number, row in enumerate(rows, 1)
    ]  # fmt: skip


def _check_items(path: Path, items: Sequence[Item]) -> None:
    """Refuse items that can't be graded by themselves, and pairs of which one half is missing."""
    for item in items:
        fault = "Its type harness is for tasks of lm-evaluation-harness alone." if item.type == "harness" else ""
        if fault := fault or find_fault(item):
            raise DataError(f"{path}: the item {item.id!r} can't be used. {fault}")
    halves = Counter((item.pair, item.swapped) for item in items if item.pair)
    kinds = {pair: {item.type for item in items if item.pair == pair} for pair, _ in halves}
    for pair in kinds:
        if (halves[pair, False], halves[pair, True]) != (1, 1) or len(kinds[pair]) > 1:
            raise DataError(
                f"{path}: the pair {pair!r} needs two items of the same type, one of them with `swapped` true."
            )


def _holds_items(path: Path) -> bool:
    """Return whether the first line is meant as an item: it has the fields that only an item has."""
    if path.suffix.casefold() != ".jsonl" or not path.is_file():
        return False
    try:
        first = next((row for _, row in read_rows(path)), {})
    except DataError:  # read as a person's own file, it is refused with more help
        return False
    return {"id", "component", "type", "prompt"} <= first.keys()


def write_item(number: int, fields: Mapping[str, Any]) -> Item:
    """Return an item that a person wrote, from the texts of the form.

    Args:
        fields: type, prompt, answer, and where the type needs them choices and facts, one a line.

    Raises:
        BadInput: Something is missing or does not fit the type.
    """
    kind, answer = str(fields["type"]), str(fields.get("answer") or "").strip()
    lines = [line.strip() for line in str(fields.get("choices") or "").splitlines() if line.strip()]
    values: dict[str, Any] = {
        "id": f"item-{number}",
        "component": str(fields.get("component") or "").strip() or "answers",
        "type": kind,
        "prompt": str(fields.get("prompt") or "").strip(),
    }
    if not values["prompt"]:
        raise BadInput("The question is empty. Write what the model is asked.")
    if kind == "facts":
        facts = [line for line in str(fields.get("facts") or "").splitlines() if line.strip()]
        values["facts"] = [[one.strip() for one in line.split("|") if one.strip()] for line in facts]
        values["reference"] = answer
    elif kind == "numeric":
        values |= {"answer": _number(answer), "tolerance": 0.01}
    elif kind == "choice":
        if answer not in lines:
            raise BadInput(
                f"The right answer {answer!r} is none of the choices. Write it as one of them, letter by letter."
            )
        values |= {"choices": lines, "answer": lines.index(answer)}
    else:
        values |= {"answer": answer, "choices": lines if kind == "label" else []}
    try:
        return Item.model_validate(values)
    except ValidationError as error:
        raise BadInput(f"The item can't be used: {describe_error(error)}") from error


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "").replace(" ", ""))
    except ValueError:
        raise BadInput(f"The answer {text!r} is no number. Write digits, such as 12.5.") from None


def freeze(
    workspace: Workspace, name: str, items: Sequence[Item], kind: str, weights: Mapping[str, float] | None = None
) -> NamedBenchmark:
    """Pin items under their hash and give them a name; a name that exists gets a new version.

    Args:
        kind: One of KINDS.
        weights: Of the components; without them every item counts the same.

    Raises:
        BadInput: Name, kind or a weight can't be used.
        DataError: There is no item, or an id occurs twice.
    """
    label = check_name(workspace, name)
    check_kind(kind)
    made = make(label, items, weights)
    pin_benchmark(workspace, made)
    with opened(workspace) as db:
        stored.give_name(db, label, made.sha, kind, len(items))
        return stored.find(db, label)


def check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise BadInput(f"The type {kind!r} is unknown. Choose one of: {', '.join(KINDS)}.")


def make(name: str, items: Sequence[Item], weights: Mapping[str, float] | None = None) -> Benchmark:
    """Return a benchmark of items, each component with its weight; without weights every item counts the same."""
    components = dict.fromkeys(item.component for item in items)
    counted = {one: sum(item.component == one for item in items) / max(1, len(items)) for one in components}
    return make_benchmark(
        name,
        list(items),
        _checked(weights, list(components)) if weights else counted,
        {one: one[:1].upper() + one[1:] for one in components},
        measures.about(items),
    )


def _checked(weights: Mapping[str, float], components: Sequence[str]) -> dict[str, float]:
    if set(weights) != set(components):
        raise BadInput(f"Give a weight for each of: {', '.join(components)}; given are: {', '.join(weights)}.")
    if not all(0 < value < float("inf") for value in weights.values()):
        raise BadInput("Every weight must be above 0.")
    total = sum(weights.values())
    return {name: value / total for name, value in weights.items()}


def check_name(workspace: Workspace, name: str) -> str:
    """Return a name as it is stored.

    Raises:
        BadInput: It is empty, too long, or that of an industry.
    """
    label = " ".join(name.split())
    if not label or label != show_name(label) or not label.isprintable():
        raise BadInput("Give the benchmark a name of printable letters.")
    if len(label) > MOST_NAME_LETTERS:
        raise BadInput(f"The name has {len(label)} letters; at most {MOST_NAME_LETTERS} are possible. Shorten it.")
    shipped = label in CONDUCT or label in industries.all_industries(workspace)
    if shipped or label.startswith((SPECIALIST, HARNESS)):
        raise BadInput(f"The name {label!r} already stands for a shipped benchmark. Choose another.")
    return label


def name_from(path: Path) -> str:
    return name_of(path)[:MOST_NAME_LETTERS]


def delete(workspace: Workspace, name: str) -> NamedBenchmark:
    """Take a name away; files that no evaluation or job needs go with it. What was measured stays.

    Raises:
        NotFound: There is none of this name.
    """
    with opened(workspace) as db:
        found = stored.find(db, name)
        for sha in stored.forget_name(db, name):
            benchmark_file(workspace, sha).unlink(missing_ok=True)
    return found


def resolve(workspace: Workspace, names: Sequence[str], of_specialist: OfSpecialist) -> Benchmark:
    """Return the benchmark of industries, of a specialist (specialist:ID), of conduct, or an own one by its name.

    Args:
        of_specialist: Gives the held-out rows of a specialist, as its training holds them out.

    Raises:
        NotFound: Nothing is called so.
        BadInput: Several were given that are not all industries.
    """
    known = industries.all_industries(workspace)
    if all(name in known for name in names):
        return benchmarks.of_industries(industries.expand(list(names), workspace))
    if len(names) > 1:
        others = ", ".join(name for name in names if name not in known)
        raise BadInput(f"Only industries can be tested together; {others} must be tested alone.")
    name = names[0]
    if name.startswith(SPECIALIST):
        return of_specialist(name.removeprefix(SPECIALIST))
    own = _own(workspace)
    if name in CONDUCT and name not in own:
        return of_conduct(name)
    if name not in own:
        experts = [SPECIALIST + one for one in specialists.all_specialists(workspace)]
        near = difflib.get_close_matches(name, [*known, *CONDUCT, *own, *experts], n=1)
        meant = SPECIALIST + name if SPECIALIST + name in experts else near[0] if near else ""
        hint = f" Did you mean {meant!r}?" if meant else ""
        yours = f"; your own: {', '.join(own)}" if own else ""
        raise NotFound(
            f"There is no benchmark {name!r}.{hint} Industries are {', '.join(known)}; of conduct "
            f"{', '.join(CONDUCT)}{yours}; a specialist is given as "
            f"{SPECIALIST}ID."
        )
    return read_pinned(workspace, own[name])


def of_conduct(name: str) -> Benchmark:
    """Return a shipped benchmark of how a model behaves; every part counts the same."""
    items = read_items(CONDUCT_DIR / f"{name}.jsonl")
    return make(name, items, {item.component: 1.0 for item in items})


def _own(workspace: Workspace) -> dict[str, str]:
    """Return the own benchmarks by name, with the hash of the newest version."""
    if not workspace.database.exists():
        return {}
    with opened(workspace) as db:
        return {one.name: one.sha for one in stored.named(db)}


def industry_shas(workspace: Workspace) -> dict[str, str]:
    """Return every industry whose benchmark can be read, with the hash of its items as they are now."""
    found: dict[str, str] = {}
    for pack in industries.all_industries(workspace).values():
        if pack.benchmark_path is not None and pack.benchmark_path.is_file():
            weights = pack.model_dump_json(include={"components"})
            sha = _sha_of(workspace, pack.id, pack.benchmark_path.stat().st_mtime_ns, weights)
            found |= {pack.id: sha} if sha else {}
    return found


@lru_cache(maxsize=256)
def _sha_of(workspace: Workspace, industry: str, stamp: int, weights: str) -> str:
    try:
        return benchmarks.of_industry(industries.find(industry, workspace)).sha
    except DataError:  # a person's own pack is broken: `atelier doctor` says how
        return ""
