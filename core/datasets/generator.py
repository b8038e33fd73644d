"""Makes examples from a pack's grammar: values are drawn from a seed, answers computed, texts filled in.

The expressions and texts of a pack are Jinja templates in its sandbox, so a pack can compute but can't reach out.
"""

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, Protocol

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.environment import TemplateExpression
from jinja2.sandbox import SandboxedEnvironment

from core.catalog.industries import Draw, Generator, Task
from core.datasets.examples import Example, join_instruction
from core.errors import CatalogError

TRIES_PER_EXAMPLE = 1000
_NO_LETTERS = re.compile(r"[\W_]+")


def show_number(value: Any, places: int | None = None) -> str:
    """Return a number with thousands separated: with `places` decimals, else without trailing zeros."""
    number = float(value)
    if places is not None:
        return f"{round_half_up(number, places):,.{places}f}"
    return f"{round_half_up(number, 6):,.6f}".rstrip("0").rstrip(".")


def round_half_up(value: float, places: int) -> float:
    """Round as people do on paper; the small addition undoes binary fractions such as 2.675."""
    scale = 10.0**places
    return math.copysign(math.floor(abs(value) * scale + 0.5 + 1e-9), value) / scale + 0.0  # never -0


def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=False)
    environment.filters = {  # nothing that is not reproducible: no `random`
        "num": show_number,
        "round": lambda value, places=0: round_half_up(float(value), places),
        "abs": abs,
        "lower": str.lower,
        "upper": str.upper,
        "capitalize": lambda text: text[:1].upper() + text[1:],
        "join": lambda parts, by=", ": by.join(str(part) for part in parts),
        "length": len,
        "sum": sum,
        "min": min,
        "max": max,
        "sort": sorted,
        "int": int,
        "first": lambda parts: parts[0],
        "last": lambda parts: parts[-1],
    }
    environment.globals = {"sqrt": math.sqrt, "min": min, "max": max, "abs": abs, "range": range}
    return environment


class Grammar(Protocol):
    """What can make examples: an industry pack, or a specialist's own grammar."""

    @property
    def id(self) -> str: ...
    @property
    def generator(self) -> Generator | None: ...


@dataclass(frozen=True)
class Made:
    """One drawn example with what it was made of."""

    example: Example
    task: Task
    value: float | None


class _CompiledTask:
    """A task with its texts compiled once."""

    def __init__(self, environment: SandboxedEnvironment, generator: Generator, task: Task) -> None:
        self.task = task
        self.generator = generator
        try:
            self.let: dict[str, TemplateExpression] = {
                name: environment.compile_expression(text, undefined_to_none=False) for name, text in task.let.items()
            }
            self.require = environment.compile_expression(task.require) if task.require else None
            self.value = environment.compile_expression(task.value) if task.value else None
            self.ask, self.input, self.answer = (
                [environment.from_string(text) for text in texts] for texts in (task.ask, task.input, task.answer)
            )
            self.tests = environment.from_string(task.tests) if task.tests else None
            self.database = environment.from_string(task.database) if task.database else None
        except TemplateError as error:
            raise CatalogError(f"Task {task.id!r} has a text that can't be read: {error}.") from error

    def draw(self, random: Random, origin: str) -> Made | None:
        """Return one example, or None where the drawn values do not meet the task's requirement."""
        values: dict[str, Any] = {name: self._draw_one(random, draw) for name, draw in self.task.draw.items()}
        try:
            for name, expression in self.let.items():
                values[name] = expression(**values)
            if self.require is not None and not self.require(**values):
                return None
            asked = _render(random.choice(self.ask), values)
            given = _render(random.choice(self.input), values) if self.input else ""
            value = float(self.value(**values) or 0.0) if self.value is not None else None
            answer = _render(random.choice(self.answer), values)
            extra = {"task": self.task.id} | ({"component": self.task.component} if self.task.component else {})
            if self.tests is not None:
                extra["tests"] = _render(self.tests, values)
            if self.database is not None:
                extra["database"] = _render(self.database, values)
            example = Example(join_instruction(asked, given), answer, origin, extra)
        except (TemplateError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise CatalogError(f"Task {self.task.id!r} failed for {values}: {error}.") from error
        return Made(example, self.task, value)

    def _draw_one(self, random: Random, draw: Draw) -> Any:
        if draw.source is not None:
            return random.choice(self.generator.names[draw.source])
        if draw.choices is not None:
            return random.choice(draw.choices)
        assert draw.range is not None
        low, high = draw.range
        count = math.floor((high - low) / draw.step + 1e-9)
        value = low + random.randint(0, count) * draw.step
        rounded = round(value, 6)
        return int(rounded) if rounded == int(rounded) else rounded


def _render(template: Template, values: dict[str, Any]) -> str:
    return template.render(**values).strip()


@lru_cache(maxsize=32)
def _compiled(pack_id: str, grammar: str) -> list[_CompiledTask]:
    generator = Generator.model_validate_json(grammar)
    environment = _environment()
    return [_CompiledTask(environment, generator, task) for task in generator.tasks]


def compile_pack(pack: Grammar) -> list[_CompiledTask]:
    assert pack.generator is not None
    return _compiled(pack.id, pack.generator.model_dump_json(by_alias=True))


def draw_endlessly(pack: Grammar, seed: int) -> Iterator[Made]:
    """Yield examples for ever, the tasks in shuffled rounds so that none is over-represented.

    Raises:
        CatalogError: A task's requirement is met by almost no draw.
    """
    random = Random(f"{pack.id}-{seed}")
    tasks = compile_pack(pack)
    origin = f"generated:{pack.id}"
    while True:
        for task in random.sample(tasks, len(tasks)):
            for _ in range(TRIES_PER_EXAMPLE):
                made = task.draw(random, origin)
                if made is not None:
                    yield made
                    break
            else:
                raise CatalogError(
                    f"Pack {pack.id!r}: {TRIES_PER_EXAMPLE} draws of task {task.task.id!r} did not meet its "
                    "`require`. Widen the ranges or loosen it."
                )


def make_examples(
    pack: Grammar, count: int, seed: int, refused: "set[str] | None" = None, is_too_near: Any = None
) -> list[Example]:
    """Return `count` different examples; the same seed gives the same ones.

    Args:
        refused: Normalised prompts that must not come out.
        is_too_near: Called with a prompt; True throws the example away (see core.datasets.leakage).

    Raises:
        CatalogError: The grammar can't make that many different examples.
    """
    kept: list[Example] = []
    seen = set(refused or ())
    misses = 0
    for made in draw_endlessly(pack, seed):
        if len(kept) >= count:
            break
        key = normalise(made.example.prompt)
        if key in seen or (is_too_near is not None and is_too_near(made.example.prompt)):
            misses += 1
            if misses > 200 + 20 * count:
                raise CatalogError(
                    f"The grammar of {pack.id!r} makes only {len(kept)} different examples; {count} were "
                    "asked for. Add tasks, names or wider ranges."
                )
            continue
        seen.add(key)
        kept.append(made.example)
    return kept


def normalise(text: str) -> str:
    """Return a text for comparison: lower case, letters and digits only, single spaces."""
    return _NO_LETTERS.sub(" ", text.lower()).strip()


def sample_tasks(pack: Grammar, seed: int = 0, each: int = 1) -> list[Made]:
    """Return `each` examples of every task, for checks and previews."""
    return list(itertools.islice(draw_endlessly(pack, seed), each * len(compile_pack(pack))))
