"""Checks a pack as a whole: corpus, grammar and benchmark, and that none gives the other away.

`python -m core.datasets.pack_check finance` prints what is wrong.
"""

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from core.catalog import industries
from core.catalog.industries import Industry
from core.datasets.arithmetic import numbers_in, unexplained_numbers, wrong_equations
from core.datasets.generator import Made, compile_pack, draw_endlessly, normalise, sample_tasks
from core.datasets.leakage import LeakGuard
from core.datasets.reading import read_examples
from core.errors import AppError
from core.evaluation.benchmarks import Item, pack_item, read_items
from core.evaluation.grading import grade, share_of_facts

LEAST_ITEMS = 40
LEAST_PER_COMPONENT = 10
LEAST_TASKS = 20  # so that no template makes more than 5% of the examples


def find_faults(pack: Industry) -> list[str]:
    """Return what is wrong with a pack, one sentence each; an empty list means that it is sound."""
    return _collect(pack, (_check_corpus, _check_grammar, _check_benchmark, _check_leaks))


def find_shortfalls(pack: Industry) -> list[str]:
    """Return in which respects a pack is small: it works, but its examples are alike or its verdicts uncertain."""
    return _collect(pack, (_check_sizes,))


def _collect(pack: Industry, checks: Iterable[Callable[[Industry], list[str]]]) -> list[str]:
    told: list[str] = []
    for check in checks:
        try:
            told += check(pack)
        except AppError as error:
            told.append(str(error))
    return told


def _check_sizes(pack: Industry) -> list[str]:
    told = []
    if pack.generator is not None and len(pack.generator.tasks) < LEAST_TASKS:
        told.append(
            f"The grammar has {len(pack.generator.tasks)} tasks; {LEAST_TASKS} are needed so that none makes more "
            "than 5% of the examples."
        )
    if pack.benchmark_path is None:
        return told
    items = read_items(pack.benchmark_path)
    if len(items) < LEAST_ITEMS:
        told.append(f"The benchmark has {len(items)} items; at least {LEAST_ITEMS} are needed.")
    counts = Counter(item.component for item in items)
    told += [
        f"The benchmark has {counts[name]} items of {name}; at least {LEAST_PER_COMPONENT} are needed."
        for name in pack.components
        if counts[name] < LEAST_PER_COMPONENT
    ]
    return told


def _check_corpus(pack: Industry) -> list[str]:
    faults = []
    for number, example in enumerate(read_examples(pack.corpus_path), 1):
        where = f"{pack.corpus_path.name}, row {number}"
        constants = _constants_of(pack)
        faults += [
            f"{where}: {equation.expression} = {equation.stated} is wrong; it gives {equation.computed:.6g}."
            for equation in wrong_equations(example.response)
        ]
        faults += [
            f"{where}: the number {stray.text} stands neither in the question, nor is it computed, nor a constant."
            for stray in unexplained_numbers(example.prompt, example.response, constants)
        ]
    return faults


def _constants_of(pack: Industry) -> list[float]:
    own = list(pack.constants.values())
    for member in pack.members:
        own += industries.find(member).constants.values()
    return own


def _check_grammar(pack: Industry) -> list[str]:
    if pack.generator is None:
        return []
    faults = []
    compile_pack(pack)
    told: set[tuple[str, str]] = set()
    for made in sample_tasks(pack, seed=7, each=12):
        for kind, fault in _faults_of(pack, made):
            if (made.task.id, kind) not in told:  # one draw is enough to see it
                told.add((made.task.id, kind))
                faults.append(f"task {made.task.id}: {fault}")
    return faults


def _faults_of(pack: Industry, made: Made) -> Iterator[tuple[str, str]]:
    """Yield (kind, sentence) of what is wrong with one drawn example."""
    response = made.example.response
    for equation in wrong_equations(response):
        yield "sum", f"{equation.expression} = {equation.stated} is wrong; it gives {equation.computed:.6g}."
    for stray in unexplained_numbers(made.example.prompt, response, pack.constants.values()):
        yield "number", f"the number {stray.text} in {response!r} is not explained."
    if made.value is not None:
        stated = [number.value * number.scale for number in numbers_in(response)] + [
            number.value for number in numbers_in(response)
        ]
        if not any(abs(value - made.value) <= 0.006 * max(1.0, abs(made.value)) for value in stated):
            yield "value", f"the answer {response!r} does not state its value {made.value:.6g}."


def _check_benchmark(pack: Industry) -> list[str]:
    if pack.benchmark_path is None:
        return []
    items = [pack_item(pack, item) for item in read_items(pack.benchmark_path)]
    faults = [
        f"Item {item.id} belongs to {item.component}, which the pack does not define."
        for item in items
        if item.component not in pack.components
    ]
    prompts = Counter(normalise(item.prompt) for item in items)
    faults += [f"Two items ask the same: {prompt!r}." for prompt, count in prompts.items() if count > 1]
    return faults + _check_right_answers(pack, items)


def _check_leaks(pack: Industry) -> list[str]:
    """Corpus and grammar must not give away what the benchmark asks."""
    if pack.benchmark_path is None:
        return []
    faults = []
    guard = LeakGuard(item.prompt for item in read_items(pack.benchmark_path))
    for example in read_examples(pack.corpus_path):
        if guard.is_too_near(example.prompt):
            faults.append(f"The corpus gives away the item {guard.find_item(example.prompt)!r}.")
    made = itertools.islice(draw_endlessly(pack, seed=11), 1500)
    near = sum(guard.is_too_near(one.example.prompt) for one in made)
    if near > 75:
        faults.append(
            f"{near} of 1500 generated examples come too near to a benchmark item; word the items differently."
        )
    return faults


def _check_right_answers(pack: Industry, items: list[Item]) -> list[str]:
    """The position of the right choice must not give it away, and references must be right sums."""
    faults = []
    positions = Counter(item.answer for item in items if item.type == "choice")
    total = sum(positions.values())
    if total >= 20 and max(positions.values()) > 0.45 * total:
        faults.append(f"The right choice is too often at the same place: {dict(positions)}.")
    longest = sum(
        1
        for item in items
        if item.type == "choice" and len(item.choices[int(item.answer or 0)]) == max(map(len, item.choices))
    )
    if total >= 20 and longest > 0.5 * total:
        faults.append(f"The right choice is the longest one in {longest} of {total} items; lengthen the wrong ones.")
    for item in items:
        faults += [
            f"Item {item.id}: {equation.expression} = {equation.stated} is wrong; it gives {equation.computed:.6g}."
            for equation in wrong_equations(item.reference)
        ]
        if item.type == "facts" and share_of_facts(item.prompt, item.facts) > 0:
            faults.append(f"The question of item {item.id} already names one of its facts.")
        if item.type in ("numeric", "facts") and item.reference and grade(item, item.reference) < 1:
            faults.append(f"The reference of item {item.id} would not get the full score.")
    return faults


if __name__ == "__main__":
    chosen = industries.find(sys.argv[1])
    found = find_faults(chosen) + find_shortfalls(chosen)
    print("\n".join(found) or "sound")
    raise SystemExit(bool(found))
