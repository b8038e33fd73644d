"""The starter's own text: an endless, seeded stream of generic conversations and prose.

It teaches what any base model should know before it meets an industry: plain English, copying, reading lists and
tables, arithmetic, comparing with a limit, answering in the form that was asked for. The words of the industries
occur, their formulas, limits and facts do not; a test holds that.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from core.starter import arithmetic, language, reading
from core.starter.words import Words, read_words


@dataclass(frozen=True)
class Turn:
    """One exchange; an empty prompt makes it plain prose."""

    prompt: str
    response: str


Family = Callable[[Random, Words, float], tuple[str, str]]

FAMILIES: tuple[tuple[float, Family], ...] = (
    (2.0, arithmetic.add_or_subtract),
    (2.0, arithmetic.multiply),
    (4.0, arithmetic.divide),
    (2.5, arithmetic.percent),
    (1.0, arithmetic.sum_or_mean),
    (1.0, arithmetic.round_number),
    (4.5, arithmetic.named_ratio),
    (2.5, arithmetic.named_formula),
    (1.5, arithmetic.word_problem),
    (2.0, arithmetic.compare_with_limit),
    (1.5, reading.look_up),
    (1.2, reading.copy_text),
    (1.0, reading.order_list),
    (1.0, reading.extract_fields),
    (1.5, reading.read_story),
    (1.2, reading.choose_option),
    (1.0, reading.sort_into_class),
    (1.5, reading.read_dialogue),
    (2.5, language.define_invented),
    (2.0, language.explain_everyday),
    (2.0, language.interpret_invented),
    (1.5, language.advise_invented),
    (2.0, language.prose),
)


def make_turn(random: Random, words: Words, progress: float) -> Turn:
    """Return one exchange.

    Args:
        progress: How far training is, 0 to 1; operands grow with it.
    """
    weights = [weight for weight, _ in FAMILIES]
    family = random.choices([make for _, make in FAMILIES], weights)[0]
    prompt, response = family(random, words, progress)
    return Turn(prompt, response)


def stream(seed: str, progress: float, words: Words | None = None) -> Iterator[list[Turn]]:
    """Yield conversations of one to three turns for ever; the same seed gives the same stream."""
    words = words or read_words()
    random = Random(seed)
    while True:
        count = random.choice((1, 1, 1, 2, 3))
        yield [make_turn(random, words, progress) for _ in range(count)]
