"""Checks a pack as a whole: corpus, grammar and benchmark, and that none gives the other away.

`python -m core.datasets.pack_check finance` prints what is wrong.
"""

import sys
from collections import Counter

from core.catalog import industries
from core.catalog.industries import Industry
from core.datasets.arithmetic import numbers_in, unexplained_numbers, wrong_equations
from core.datasets.generator import compile_pack, make_examples, normalise, sample_tasks
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
    faults: list[str] = []
    for check in (_check_corpus, _check_grammar, _check_benchmark):
        try:
            faults += check(pack)
        except AppError as error:
            faults.append(str(error))
    return faults


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
    if len(pack.generator.tasks) < LEAST_TASKS:
        faults.append(
            f"The grammar has {len(pack.generator.tasks)} tasks; {LEAST_TASKS} are needed so that none makes more "
            "than 5% of the examples."
        )
    compile_pack(pack)
    for made in sample_tasks(pack, seed=7, each=12):
        response, where = made.example.response, f"task {made.task.id}"
        faults += [
            f"{where}: {equation.expression} = {equation.stated} is wrong; it gives {equation.computed:.6g}."
            for equation in wrong_equations(response)
        ]
        faults += [
            f"{where}: the number {stray.text} in {response!r} is not explained."
            for stray in unexplained_numbers(made.example.prompt, response, pack.constants.values())
        ]
        if made.value is not None:
            stated = [number.value * number.scale for number in numbers_in(response)] + [
                number.value for number in numbers_in(response)
            ]
            if not any(abs(value - made.value) <= 0.006 * max(1.0, abs(made.value)) for value in stated):
                faults.append(f"{where}: the answer {response!r} does not state its value {made.value:.6g}.")
    return list(dict.fromkeys(faults))


def _check_benchmark(pack: Industry) -> list[str]:
    if pack.benchmark_path is None:
        return []
    items = [pack_item(pack, item) for item in read_items(pack.benchmark_path)]
    faults = []
    if len(items) < LEAST_ITEMS:
        faults.append(f"The benchmark has {len(items)} items; at least {LEAST_ITEMS} are needed.")
    counts = Counter(item.component for item in items)
    faults += [
        f"The benchmark has {counts[name]} items of {name}; at least {LEAST_PER_COMPONENT} are needed."
        for name in pack.components
        if counts[name] < LEAST_PER_COMPONENT
    ]
    faults += [
        f"Item {item.id} belongs to {item.component}, which the pack does not define."
        for item in items
        if item.component not in pack.components
    ]
    prompts = Counter(normalise(item.prompt) for item in items)
    faults += [f"Two items ask the same: {prompt!r}." for prompt, count in prompts.items() if count > 1]
    faults += _check_right_answers(pack, items)
    guard = LeakGuard(item.prompt for item in items)
    for example in read_examples(pack.corpus_path):
        if guard.is_too_near(example.prompt):
            faults.append(f"The corpus gives away the item {guard.find_item(example.prompt)!r}.")
    near = sum(guard.is_too_near(example.prompt) for example in make_examples(pack, 1500, seed=11))
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
    found = find_faults(industries.find(sys.argv[1]))
    print("\n".join(found) or "sound")
    raise SystemExit(bool(found))
