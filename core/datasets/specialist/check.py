"""What is wrong with a specialist: its grammar, its labels, its answers, and how its sources' columns are read."""

from collections import Counter

from core.catalog.industries import Generator
from core.catalog.specialists import Specialist
from core.datasets.examples import Example
from core.datasets.specialist.items import item_of
from core.datasets.specialist.loading import generate, mapping_of
from core.errors import CatalogError, DataError
from core.evaluation.grading import grade
from core.evaluation.metrics.structures import entity_pairs, field_pairs
from core.paths import Workspace

LEAST_EXAMPLES = 600
SEED = 7
MOST_OF_A_TASK = 0.34
LEAST_OF_A_LABEL = 0.02
RIGHT = 0.999
RUN_EXAMPLES = 20
_STRUCTURES = {"fields": field_pairs, "entities": entity_pairs}


def make(one: Specialist, count: int, seed: int) -> list[Example]:
    return generate(one, count, seed).parts["train"]


def find_faults(one: Specialist, workspace: Workspace | None = None) -> list[str]:
    """Return what is wrong with a specialist, a sentence each."""
    faults = _source_faults(one)
    try:
        examples = generate(one, LEAST_EXAMPLES, SEED, workspace).parts["train"]
    except CatalogError as error:
        return [*faults, str(error)]
    faults += _answer_faults(one, examples)
    counts = Counter(example.extra["task"] for example in examples)
    task, most = counts.most_common(1)[0]
    if isinstance(one.generator, Generator) and most > MOST_OF_A_TASK * len(examples):
        faults.append(f"The task {task!r} makes {most / len(examples):.0%} of the examples. Write more tasks.")
    if one.labels:
        found = Counter(example.response for example in examples)
        faults += [
            f"The label {label!r} has {found[label]} of {len(examples)} examples."
            for label in one.labels
            if found[label] < min(LEAST_OF_A_LABEL, 0.5 / len(one.labels)) * len(examples)
        ]
    return faults


def _source_faults(one: Specialist) -> list[str]:
    faults = []
    for source in one.sources:
        for place in (source.hub, source.local):
            try:
                if place is not None:
                    mapping_of(one, source, place)
            except CatalogError as error:
                faults.append(str(error))
    return faults


def _answer_faults(one: Specialist, examples: list[Example]) -> list[str]:
    """Return answers that their own grading would not take for right, the first three."""
    faults: list[str] = []
    for number, example in enumerate(examples):
        if len(faults) >= 3:
            break
        if one.labels and example.response not in one.labels:
            faults.append(f"The answer {example.response!r} is none of the labels.")
        elif one.grading in _STRUCTURES and not _STRUCTURES[one.grading](example.response):
            faults.append(f"The answer {example.response!r} has no `name: value` line.")
        elif one.grading != "code" or number < RUN_EXAMPLES:
            try:
                right = grade(item_of(one, example, "x"), example.response) >= RIGHT
            except DataError as error:
                faults.append(str(error))
                continue
            if not right:
                faults.append(f"The answer {example.response!r} would not be graded as right ({one.grading}).")
    return faults
