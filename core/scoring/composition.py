"""Rated transcripts as training examples and benchmark: one question for each dimension, one for the notes."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.catalog import bases, rubrics
from core.catalog.rubrics import SCALE, Rubric
from core.datasets.chat import read_chat_format
from core.datasets.composition import Composition
from core.datasets.examples import Example
from core.errors import DataError
from core.evaluation.benchmarks import Item, make_benchmark
from core.paths import Workspace
from core.scoring import ratings, sampling
from core.scoring.asking import ask_notes, ask_score, write_notes, write_score
from core.scoring.guard import suspicion
from core.scoring.ratings import Rated
from core.scoring.transcript import Transcript, render
from core.training.configuration import TrainingConfig
from core.wording import show_name

METRICS = ("quadratic_kappa", "mean_absolute_error")
CHOICES = tuple(str(score) for score in SCALE)
HELD_OUT = 0.20
MOST_TEST = 60  # transcripts, each with one question for every dimension
LEAST_BONDS = 5
MAX_LENGTH = 1024  # tokens of the longest example, where no job says how many
LEAST_MADE = 60
ANSWER_TOKENS = 64
DISTURBED = 0.2  # of the made transcripts that are trained on
MADE_NOTES = 0.3  # made transcripts repeat their notes, so fewer questions about them teach the same

Count = Callable[[str], int]


def count_roughly(text: str) -> int:
    """Return about how many tokens a text has: three letters a token."""
    return len(text) // 3


@dataclass(frozen=True)
class RubricSourcing:
    """A rubric to train for, with the rated transcripts of a file, or with made ones; and how many at most."""

    rubric: str
    data: Path | None = None
    rows: int | None = None


def compose(workspace: Workspace, base: str, config: TrainingConfig, wanted: RubricSourcing) -> Composition:
    """Return what a job trains on for a rubric, and its benchmark.

    Raises:
        NotFound: There is no such rubric, or no transcripts can be made for it.
        DataError: The file can't be read, or has too few transcripts.
    """
    rubric = rubrics.find(wanted.rubric, workspace)
    count = counter_of(base)
    if wanted.data is None:
        rows = wanted.rows or count_made(config, rubric)
        rated = sampling.make(rubric, rows, config.seed)
        composed = of_rubric(
            rubric,
            rated,
            config.seed,
            count=count,
            max_length=config.max_length,
            notes=MADE_NOTES,
            disturbed=DISTURBED,
        )
        return replace(composed, source=composed.source | {"made": rows})
    rated = ratings.read(wanted.data, rubric)
    if wanted.rows is not None and wanted.rows < len(rated):
        drawn = np.random.default_rng([config.seed, 2_003]).permutation(len(rated))[: wanted.rows]
        rated = [rated[place] for place in sorted(drawn)]
    composed = of_rubric(rubric, rated, config.seed, count=count, max_length=config.max_length, guarded=True)
    return replace(composed, source=composed.source | {"file": show_name(wanted.data.name)})


def count_made(config: TrainingConfig, rubric: Rubric) -> int:
    """Return how many transcripts to make, so that they give about as many examples as the preset says."""
    return max(LEAST_MADE, config.generated_examples // len(rubric.dimensions))


def counter_of(base: str) -> Count:
    """Return what counts tokens as a base does, roughly for one whose files are not here."""
    folder = bases.locate(base)
    if folder is None:
        return count_roughly
    tokenizer = read_chat_format(folder).tokenizer
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def of_rubric(
    rubric: Rubric,
    rated: Sequence[Rated],
    seed: int,
    share: float = HELD_OUT,
    *,
    count: Count = count_roughly,
    max_length: int = MAX_LENGTH,
    notes: float = 1.0,
    disturbed: float = 0.0,
    guarded: bool = False,
) -> Composition:
    """Return training examples of rated transcripts, a share of their sources held out as benchmark and validation.

    Of four sources held out, three go to the benchmark, one to the validation. Several ratings of one transcript become
    their mean.

    Args:
        count: How many tokens a text has.
        max_length: Tokens of the longest example; a longer transcript becomes windows of whole utterances.
        notes: Share of the training transcripts that are also asked about for notes.
        disturbed: Share of the training transcripts into which passages are put that must change nothing.
        guarded: Whether passages that speak to the scorer are cut, as scoring cuts them. Made transcripts have none,
            and looking for them takes a hundredth of a second each.

    Raises:
        DataError: Too few different sources are left to hold some out.
    """
    merged = merge(rated, rubric)
    averaged, empty = len(rated) - len(merged), 0
    if guarded:
        clean = [replace(one, transcript=guard(one.transcript, rubric)) for one in merged]
        merged = [one for one in clean if one.transcript.words]
        empty = len(clean) - len(merged)
    bonds: defaultdict[str, list[Rated]] = defaultdict(list)
    for one in merged:
        bonds[one.bond].append(one)
    if len(bonds) < LEAST_BONDS:
        raise DataError(
            f"The rated transcripts come from {len(bonds)} different sources; at least {LEAST_BONDS} are needed, as a "
            "fifth of them is held out. Add transcripts, or give each its own `source` and `group`."
        )
    random = np.random.default_rng([seed, 2_011])
    order = [sorted(bonds)[place] for place in random.permutation(len(bonds))]
    held = order[: max(2, round(share * len(bonds)))]
    watched = held[3::4] or held[-1:]
    tested = [one for bond in held if bond not in watched for one in bonds[bond]]
    tested = [tested[place] for place in sorted(random.permutation(len(tested))[:MOST_TEST])]
    budget = budget_of(rubric, count, max_length)
    examples: list[Example] = []
    for part, chosen in (("train", order[len(held) :]), ("validation", watched)):
        for one in (one for bond in chosen for one in bonds[bond]):
            with_notes = bool(random.random() < notes)
            transcript = one.transcript
            if part == "train" and random.random() < disturbed:
                transcript = sampling.disturb(transcript, random)
            for window in cut(transcript, budget, count):
                examples += ask(rubric, one, window, with_notes, part)
    items = [item for number, one in enumerate(tested, 1) for item in ask_items(rubric, one, number, budget, count)]
    weights = {one.id: one.weight for one in rubric.dimensions}
    titles = {one.id: one.title for one in rubric.dimensions}
    source = {"rubric": rubric.id, "transcripts": len(merged), "held_out": len(tested), "seed": seed}
    left_out = {"rated more than once, scores averaged": averaged, "nothing in it but words to the scorer": empty}
    removed = {why: many for why, many in left_out.items() if many}
    benchmark = make_benchmark(rubric.title, items, weights, titles, METRICS)
    return Composition(rubric.title, examples, benchmark, source, removed, rubric=rubric.id)


def budget_of(rubric: Rubric, count: Count, max_length: int) -> int:
    """Return the tokens that a transcript may have, so that question and answer fit behind it."""
    return max_length - ANSWER_TOKENS - max(count(ask_score(rubric, one, "")) for one in rubric.dimensions)


def merge(rated: Sequence[Rated], rubric: Rubric) -> list[Rated]:
    """Return each transcript once, with the means of its scores."""
    same: defaultdict[str, list[Rated]] = defaultdict(list)
    for one in rated:
        same[one.transcript.render()].append(one)
    merged = []
    for found in same.values():
        scores = {one.id: float(np.mean([rating.scores[one.id] for rating in found])) for one in rubric.dimensions}
        merged.append(replace(found[0], scores=scores))
    return merged


def guard(transcript: Transcript, rubric: Rubric) -> Transcript:
    """Return a transcript without the passages that speak to the scorer, as scoring reads it; it may be empty."""
    return suspicion.cut(transcript, suspicion.find_flags(transcript, rubric))


def round_score(score: float) -> int:
    """Return the whole score; a half goes towards the middle, as a rater in doubt would."""
    middle = (SCALE[0] + SCALE[-1]) / 2
    return int(np.ceil(score - 0.5)) if score > middle else int(np.floor(score + 0.5))


def cut(transcript: Transcript, budget: int, count: Count) -> list[Transcript]:
    """Return windows of whole utterances, about equally long, each within the budget of tokens.

    An utterance that is longer than the budget is a window of its own.
    """
    sizes = [count(render(one)) + 1 for one in transcript.utterances]
    parts = max(1, -(-sum(sizes) // max(1, budget)))
    aim = min(budget, sum(sizes) / parts + max(sizes) / 2)
    windows: list[list[int]] = [[]]
    filled = 0
    for place, size in enumerate(sizes):
        if windows[-1] and (filled + size > budget or (filled + size > aim and parts > 1)):
            windows.append([])
            filled = 0
        windows[-1].append(place)
        filled += size
    return [Transcript(tuple(transcript.utterances[place] for place in window)) for window in windows]


def ask(rubric: Rubric, one: Rated, window: Transcript, with_notes: bool, part: str) -> list[Example]:
    """Return the training examples of a window: a question for each dimension that is rated, and one for the notes."""
    extra = {"part": part, "source": one.source, "group": one.bond}
    origin = f"rubric:{rubric.id}"
    found = [
        Example(
            ask_score(rubric, dimension, window),
            write_score(round_score(one.scores[dimension.id]), one.reasons.get(dimension.id, "")),
            origin,
            extra,
        )
        for dimension in rubric.dimensions
        if dimension.id in one.scores
    ]
    if with_notes and (one.strengths or one.areas_for_improvement):
        told = write_notes(list(one.strengths), list(one.areas_for_improvement))
        found.append(Example(ask_notes(rubric, window), told, origin, extra))
    return found


def ask_items(rubric: Rubric, one: Rated, number: int, budget: int, count: Count) -> list[Item]:
    """Return the test items of a transcript: for each window one question a dimension."""
    return [
        Item(
            id=f"{dimension.id}-{number}" + (f"-{part}" if part > 1 else ""),
            component=dimension.id,
            type="choice",
            prompt=ask_score(rubric, dimension, window),
            choices=CHOICES,
            answer=SCALE.index(round_score(one.scores[dimension.id])),
            reference=one.reasons.get(dimension.id, ""),
        )
        for part, window in enumerate(cut(one.transcript, budget, count), 1)
        for dimension in rubric.dimensions
    ]
