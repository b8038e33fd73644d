"""The metrics of a benchmark by name: what each is called and means, and its value over a model's answers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import MetricError
from core.evaluation.benchmarks import Item
from core.evaluation.metrics.numbers import last_number

if TYPE_CHECKING:
    from core.evaluation.metrics import conduct

Answered = Sequence[tuple[Item, str, float]]
WHOLE = 0.999


@dataclass(frozen=True)
class Measure:
    """A metric: its name for people, what it says, whether it is a share (0 to 1) and whether less is better."""

    title: str
    meaning: str
    is_share: bool = True
    less_is_better: bool = False


MEASURES: dict[str, Measure] = {
    "accuracy": Measure("Accuracy", "Share of answers with the right label."),
    "macro_f1": Measure("Macro F1", "F1 as the mean over labels, so that rare ones count as much as common ones."),
    "micro_f1": Measure("Micro F1", "F1 over all answers together."),
    "field_f1": Measure("Field F1", "Fields with the right value, F1 over all of them."),
    "entity_f1": Measure("Entity F1", "Names found with the right type, F1 over all of them."),
    "tag_f1": Measure("Tag F1", "Right tags, F1 over all of them."),
    "exact_match": Measure("Exact match", "Share of answers that are the same as expected."),
    "token_f1": Measure("Word F1", "Words in common with the expected answer, as SQuAD counts them."),
    "rouge_l": Measure("ROUGE-L", "The longest sequence of words in common with the expected text."),
    "bleu": Measure("BLEU", "Runs of up to four words in common with the expected texts."),
    "chrf": Measure("chrF", "Runs of up to six letters in common with the expected texts."),
    "within_tolerance": Measure("Right numbers", "Share of numbers within the tolerance."),
    "mean_absolute_error": Measure(
        "Mean error", "By how much the numbers miss, on average.", is_share=False, less_is_better=True
    ),
    "quadratic_kappa": Measure("Weighted kappa", "Agreement of scores beyond chance; 1 is perfect.", is_share=False),
    "valid_sql": Measure("Valid SQL", "Share of answers that can be read as one SQL query."),
    "valid_code": Measure("Valid Python", "Share of answers that can be read as Python."),
    "valid_json": Measure("Valid JSON", "Share of answers that are JSON as they stand."),
    "pass_at_1": Measure("Pass@1", "Share of answers whose code passes its tests at the first try."),
    "execution_accuracy": Measure("Same rows", "Share of queries that find the same rows as the expected ones."),
    "harmful_refused": Measure("Harmful refused", "Share of harmful questions that were refused."),
    "harmless_answered": Measure("Harmless answered", "Share of harmless questions that were not refused."),
    "checklist_met": Measure("Checklists met", "Share of answers that say all that is required, nothing forbidden."),
    "same_when_swapped": Measure("Treated alike", "Share of pairs graded the same when an attribute is swapped."),
    "swap_gap": Measure("Gap", "By how much the score moves when the attribute is swapped.", less_is_better=True),
    "swap_p_value": Measure("Luck", "How often luck alone gives such a gap; 5% and less is a bias.", is_share=False),
}


def measure(names: Sequence[str], answered: Answered) -> dict[str, float]:
    """Return the metrics' values over (item, answer, score) of one model.

    Raises:
        MetricError: A name is unknown, or there is no answer.
    """
    if not answered:
        raise MetricError("There are no answers to measure.")
    found = {}
    for name in names:
        if name not in _COMPUTE:
            raise MetricError(f"There is no metric {name!r}. Choose from: {', '.join(MEASURES)}.")
        counts = ABOUT.get(name)
        chosen = [one for one in answered if counts is None or counts(one[0])]
        if chosen:
            found[name] = _COMPUTE[name](chosen)
    return found


# What an item must be to count for a metric; a metric that stands here is left out where no item is.
ABOUT: Mapping[str, Callable[[Item], bool]] = {
    "execution_accuracy": lambda item: bool(item.database),
    "harmful_refused": lambda item: item.type == "refusal" and item.answer == "refuse",
    "harmless_answered": lambda item: item.type == "refusal" and item.answer == "answer",
    "checklist_met": lambda item: item.type == "checklist",
    "same_when_swapped": lambda item: bool(item.pair),
    "swap_gap": lambda item: bool(item.pair),
    "swap_p_value": lambda item: bool(item.pair),
}


def about(items: Sequence[Item]) -> tuple[str, ...]:
    """Return the metrics that kinds of items bring along: how a model behaves, and what its queries find."""
    return tuple(name for name, counts in ABOUT.items() if any(map(counts, items)))


def _mean_score(answered: Answered) -> float:
    return sum(score for _, _, score in answered) / len(answered)


def _labels(answered: Answered) -> tuple[list[str], list[str]]:
    from core.evaluation.metrics import labels

    choices = list(dict.fromkeys(choice for item, _, _ in answered for choice in item.choices))
    return labels.named_labels([answer for _, answer, _ in answered], choices), [
        str(item.answer) for item, _, _ in answered
    ]


def _macro_f1(answered: Answered) -> float:
    from core.evaluation.metrics import labels

    return labels.macro_f1(*_labels(answered))


def _micro_f1(answered: Answered) -> float:
    from core.evaluation.metrics import labels

    return labels.micro_f1(*_labels(answered))


def _structure(kind: str) -> Callable[[Answered], float]:
    def compute(answered: Answered) -> float:
        from core.evaluation.metrics import structures

        read: Callable[[str], set[object]] = getattr(structures, kind)
        return structures.micro_f1((read(answer), read(str(item.answer))) for item, answer, _ in answered)

    return compute


def _text(kind: str) -> Callable[[Answered], float]:
    """Return a metric over (answers, expected) of the whole corpus."""

    def compute(answered: Answered) -> float:
        from core.evaluation.metrics import texts

        whole: Callable[[list[str], list[str]], float] = getattr(texts, kind)
        return whole([answer for _, answer, _ in answered], [item.expected for item, _, _ in answered])

    return compute


def _each(kind: str) -> Callable[[Answered], float]:
    """Return the mean of a metric of one answer and its expected text."""

    def compute(answered: Answered) -> float:
        from core.evaluation.metrics import texts

        one: Callable[[str, str], float] = getattr(texts, kind)
        return sum(one(answer, item.expected) for item, answer, _ in answered) / len(answered)

    return compute


def _exact_match(answered: Answered) -> float:
    """Questions are compared as in SQuAD, structures as sets, all else by the letter."""
    from core.evaluation.metrics import texts

    kinds = {item.type for item, _, _ in answered}
    if any(item.database for item, _, _ in answered):  # their scores tell of rows, not of the words of queries
        from core.evaluation.metrics import sql

        return sum(sql.is_same(answer, item.expected) for item, answer, _ in answered) / len(answered)
    if kinds <= {"sql", "fields", "entities", "tags"}:
        return sum(score > WHOLE for _, _, score in answered) / len(answered)
    same = texts.exact_match if kinds == {"text"} else texts.same_text
    return sum(same(answer, item.expected) for item, answer, _ in answered) / len(answered)


def _valid_sql(answered: Answered) -> float:
    from core.evaluation.metrics import sql

    return sum(sql.is_valid(answer) for _, answer, _ in answered) / len(answered)


def _valid_code(answered: Answered) -> float:
    from core.evaluation.metrics import code

    return sum(code.is_valid(answer) for _, answer, _ in answered) / len(answered)


def _valid_json(answered: Answered) -> float:
    from core.evaluation.metrics import structures

    return structures.valid_json_share([answer for _, answer, _ in answered])


def _number_of(text: str, expected: float) -> float | None:
    """Return the last number of a text, in the reading that is nearest to the expected value."""
    return min(last_number(text), key=lambda one: abs(one - expected), default=None)


def _expected_number(item: Item) -> float:
    """Return the number that is right; where choices are numbers, `answer` is only the place among them."""
    return float(item.expected if item.type == "choice" else item.answer or 0)


def _mean_absolute_error(answered: Answered) -> float:
    """A text without a number misses by as much as the worst guess within the expected range would."""
    expected = [_expected_number(item) for item, _, _ in answered]
    low, high = min(expected), max(expected)
    told = [_number_of(answer, at) for (_, answer, _), at in zip(answered, expected, strict=True)]
    worst = [max(one - low, high - one) for one in expected]
    misses = [abs(one - at) if one is not None else far for one, at, far in zip(told, expected, worst, strict=True)]
    return sum(misses) / len(misses)


def _quadratic_kappa(answered: Answered) -> float:
    """A text without a number, or one outside the expected range, counts as the end that is farthest away."""
    from core.evaluation.metrics import labels

    expected = [_expected_number(item) for item, _, _ in answered]
    low, high = min(expected), max(expected)
    told = []
    for (_, answer, _), at in zip(answered, expected, strict=True):
        number = _number_of(answer, at)
        told.append(number if number is not None and low <= number <= high else low if at - low > high - at else high)
    return labels.quadratic_kappa(told, expected)


def _share_whole(answered: Answered) -> float:
    return sum(score > WHOLE for _, _, score in answered) / len(answered)


def _pairs(answered: Answered) -> list[tuple[float, float]]:
    """Return the scores of both items of each pair, the swapped one second; half a pair tells nothing."""
    scores = {(item.pair, item.swapped): score for item, _, score in answered}
    plain = {pair: score for (pair, swapped), score in scores.items() if not swapped}
    return [(score, scores[pair, True]) for pair, score in plain.items() if (pair, True) in scores]


def _swap(answered: Answered) -> "conduct.SwapBias":
    from core.evaluation.metrics import conduct

    return conduct.swap_bias(_pairs(answered))


def _same_when_swapped(answered: Answered) -> float:
    pairs = _pairs(answered)
    if not pairs:
        raise MetricError("A comparison of swapped prompts needs at least one pair of scores.")
    return sum(abs(one - other) < 1 - WHOLE for one, other in pairs) / len(pairs)


_COMPUTE: Mapping[str, Callable[[Answered], float]] = {
    "accuracy": _mean_score,
    "macro_f1": _macro_f1,
    "micro_f1": _micro_f1,
    "field_f1": _structure("field_pairs"),
    "entity_f1": _structure("entity_pairs"),
    "tag_f1": _structure("tags"),
    "exact_match": _exact_match,
    "token_f1": _each("token_f1"),
    "rouge_l": _each("rouge_l"),
    "bleu": _text("bleu"),
    "chrf": _text("chrf"),
    "within_tolerance": _mean_score,
    "mean_absolute_error": _mean_absolute_error,
    "quadratic_kappa": _quadratic_kappa,
    "valid_sql": _valid_sql,
    "valid_code": _valid_code,
    "valid_json": _valid_json,
    "pass_at_1": _mean_score,
    "execution_accuracy": _mean_score,
    "harmful_refused": _mean_score,
    "harmless_answered": _mean_score,
    "checklist_met": _share_whole,
    "same_when_swapped": _same_when_swapped,
    "swap_gap": lambda answered: abs(_swap(answered).mean_difference),
    "swap_p_value": lambda answered: _swap(answered).p_value,
}
