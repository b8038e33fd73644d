"""Scores transcripts by a rubric with one model: numbers from likelihoods, words and evidence after them.

A transcript's tokens are computed once for all dimensions; what is behind them are short questions. The same transcript
gets the same result alone and among others.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

import torch

from core.catalog.rubrics import Rubric
from core.errors import ScoringError
from core.paths import Workspace
from core.scoring import asking, evidence, numbers, weights, writing
from core.scoring.models import ScoringModel
from core.scoring.people import calibration
from core.scoring.people.calibration import Calibration
from core.scoring.preparation import Prepared, Window, prepare, split
from core.scoring.prompts import questions
from core.scoring.result import Detail, Evidence, Flag, Score, Scored
from core.scoring.transcript import Transcript

BATCH_TOKENS = 4_096  # computed at once
MOST_WINDOW_TOKENS = 4_096
LEAST_WINDOW_TOKENS = 32
REASON_TOKENS, NOTES_TOKENS = 48, 96
MOST_NOTES = 5
LEAST_RISE = 0.005  # of an expected score, by which a doubtful passage is told
NOTES_WINDOWS = 4  # of a long transcript, evenly spread, are asked for notes


class Wanted(Protocol):
    """One transcript that is to be scored."""

    @property
    def transcript(self) -> Transcript: ...

    @property
    def rubric(self) -> Rubric: ...

    @property
    def detail(self) -> Detail: ...


@dataclass(frozen=True)
class Request:
    """A transcript that is to be scored; `mask` takes personal data out first."""

    transcript: Transcript
    rubric: Rubric
    detail: Detail = "scores"
    mask: bool = False


@dataclass
class _Text:
    """A transcript as the model reads it: windows with their prompts, then the probabilities that they gave."""

    windows: list[Window]
    prompts: list[list[tuple[int, ...]]]
    shares: torch.Tensor  # (windows, 1, 1), how much each counts
    found: torch.Tensor | None = None  # (windows, dimensions, 5) probabilities

    @property
    def tokens(self) -> int:
        return sum(len(one[0]) for one in self.prompts)

    @property
    def probabilities(self) -> torch.Tensor:
        """(dimensions, 5)"""
        assert self.found is not None
        return (self.found * self.shares).sum(0)


@dataclass
class _Work:
    """A request on its way, with each of its readings as a text."""

    rubric: Rubric
    detail: Detail
    prepared: Prepared
    texts: list[_Text]
    seconds: float = 0.0

    @property
    def first(self) -> _Text:
        return self.texts[0]

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.texts)

    @cached_property
    def lowest(self) -> list[int]:
        """The reading that gives each dimension its lowest expected score; the first where none lowers it."""
        table = [_each(one.probabilities) for one in self.texts]
        return [min(range(len(table)), key=lambda at: round(table[at][place], 9)) for place in range(len(table[0]))]

    @property
    def probabilities(self) -> torch.Tensor:
        """(dimensions, 5), of the lowest reading for each dimension."""
        return torch.stack([self.texts[at].probabilities[place] for place, at in enumerate(self.lowest)])

    @property
    def likeliest(self) -> list[int]:
        """The lowest likeliest score of each dimension over the readings."""
        return [
            min(one) + 1 for one in zip(*(text.probabilities.argmax(1).tolist() for text in self.texts), strict=True)
        ]

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What was cut, and what would have raised a score."""
        before = _each(self.first.probabilities)
        found = {
            (flag.utterance, flag.start): flag
            for place, at in enumerate(self.lowest)
            if before[place] - numbers.expect(self.texts[at].probabilities[place].tolist()) > LEAST_RISE
            for flag in self.prepared.readings[at].without
        }
        return tuple(sorted((*self.prepared.flags, *found.values()), key=lambda one: (one.utterance, one.start)))


class Scorer:
    """A model in memory that scores.

    Args:
        workspace: Where calibrations are looked for; None scores without.
    """

    def __init__(self, workspace: Workspace | None, model: ScoringModel) -> None:
        self.workspace = workspace
        self.model = model
        self._weights = weights.load(model)
        self._files = calibration.name_files(model.base_folder, model.adapter_folder)

    def score(self, requests: Sequence[Wanted]) -> list[Scored]:
        """Return the results in the order of the requests.

        Raises:
            TranscriptError: There is nothing to score in one of them.
            BrokenModel: The model gives no numbers.
            OutOfMemory: A transcript and the model do not fit into memory together.
        """
        works = []
        with self._weights.held(), torch.inference_mode():
            for request in requests:
                with _timed() as told:
                    works.append(self._prepare(request))
                works[-1].seconds = told()
            with _timed() as told:
                self._read(works)
            whole = sum(one.tokens for one in works)
            for one in works:
                one.seconds += told() * one.tokens / whole
            calibrations = {one.rubric.id: self._find_calibration(one.rubric) for one in works}
            return [self._finish(one, calibrations[one.rubric.id]) for one in works]

    def expect(self, prepared: Prepared, rubric: Rubric) -> dict[str, float]:
        """Return the expected scores of what was prepared already, as the model says them."""
        with self._weights.held(), torch.inference_mode():
            work = self._encode(prepared, rubric, "scores")
            self._read([work])
            return dict(zip([one.id for one in rubric.dimensions], _each(work.probabilities), strict=True))

    def _prepare(self, one: Wanted) -> _Work:
        return self._encode(prepare(one.transcript, one.rubric, getattr(one, "mask", False)), one.rubric, one.detail)

    def _encode(self, prepared: Prepared, rubric: Rubric, detail: Detail) -> _Work:
        texts = []
        for reading in prepared.readings:
            windows = split(reading.transcript, self._weights.prompts.count, self._window_tokens(rubric))
            prompts = [self._ask(rubric, window.transcript) for window in windows]
            shares = torch.tensor([window.weight for window in windows], dtype=torch.float64)[:, None, None]
            texts.append(_Text(windows, prompts, shares))
        return _Work(rubric, detail, prepared, texts)

    def _window_tokens(self, rubric: Rubric) -> int:
        """Return how many tokens of a transcript the model reads at once; questions and answers need room too."""
        length = min(self.model.length or MOST_WINDOW_TOKENS, MOST_WINDOW_TOKENS, self._weights.positions)
        most = length - self._weights.prompts.overhead(rubric)
        most = min(most, self._weights.positions - self._weights.prompts.overhead(rubric) - NOTES_TOKENS)
        if most < LEAST_WINDOW_TOKENS:
            raise ScoringError(
                f"{self.model.name} reads {length} tokens at once, too few for a transcript and a question of "
                f"the rubric {rubric.id!r}. Choose a base with a longer context."
            )
        return most

    def _ask(self, rubric: Rubric, transcript: Transcript) -> list[tuple[int, ...]]:
        text = transcript.render()
        return self._weights.prompts.encode(text, questions(rubric, text)[:-1])

    # Numbers

    def _read(self, works: Sequence[_Work]) -> None:
        """Put the probabilities into what is worked on."""
        texts = [text for work in works for text in work.texts]
        asked = list({tuple(one): one for text in texts for one in text.prompts}.values())  # readings share windows
        rows: dict[tuple[tuple[int, ...], ...], torch.Tensor] = {}
        for batch in _batches(asked, lambda one: len(one[0])):
            found = self._read_groups([[prompts] for prompts in batch])
            rows |= {tuple(prompts): row for prompts, row in zip(batch, found, strict=True)}
        for text in texts:
            text.found = torch.stack([rows[tuple(prompts)] for prompts in text.prompts])

    def _read_groups(self, groups: list[list[list[tuple[int, ...]]]]) -> list[torch.Tensor]:
        """Return the probabilities of each text of each group, (dimensions, 5) fp64."""
        found = self._weights.read_digits(groups).exp()
        return list(found.split([len(text) for group in groups for text in group]))

    # Results

    def _finish(self, work: _Work, calibrated: Calibration | None) -> Scored:
        rubric, names = work.rubric, [one.id for one in work.rubric.dimensions]
        scores = _score(work, calibrated)
        flags = work.flags

        def counts(passage: Evidence) -> bool:
            return not any(
                one.utterance == passage.utterance and one.start < passage.end and passage.start < one.end
                for one in flags
            )

        strengths: tuple[str, ...] = ()
        areas: tuple[str, ...] = ()
        with _timed() as told:
            if work.detail == "full":
                found = self._find_evidence(work, [scores[name].score for name in names], calibrated)
                reasons, strengths, areas = self._write(work, scores)
                scores = {
                    name: scores[name].model_copy(
                        update={"reason": reasons[name], "evidence": tuple(one for one in passages if counts(one))}
                    )
                    for name, passages in zip(names, found, strict=True)
                }
        return Scored(
            scores=scores,
            overall=min(5.0, max(1.0, round(rubric.overall({name: one.expected for name, one in scores.items()}), 5))),
            strengths=strengths,
            areas_for_improvement=areas,
            flags=flags,
            adapter=self.model.id,
            rubric=rubric.id,
            calibration=calibrated.id if calibrated else "",
            windows=len(work.first.windows),
            milliseconds=round(1000 * (work.seconds + told()), 1),
        )

    def _find_evidence(
        self, work: _Work, scores: Sequence[int], calibrated: Calibration | None
    ) -> list[tuple[Evidence, ...]]:
        read = work.first
        assert read.found is not None

        def measure(window: int, variants: Sequence[Transcript]) -> list[list[float]]:
            first = read.prompts[window]
            asked = [self._ask(work.rubric, one) for one in variants]
            rows: list[torch.Tensor] = []
            for batch in _batches(asked, lambda one: len(one[0])):
                rows += self._read_groups([[first, *batch]])[1:]
            return [_each(row) for row in rows]

        before = [_each(one) for one in read.found]
        found = evidence.find_evidence(work.prepared, read.windows, scores, before, measure)
        if calibrated is None:
            return found
        whole = _each(read.probabilities)
        return [
            tuple(numbers.calibrate_effect(one, dimension.id, expected, calibrated) for one in passages)
            for dimension, expected, passages in zip(work.rubric.dimensions, whole, found, strict=True)
        ]

    def _write(self, work: _Work, scores: dict[str, Score]) -> tuple[dict[str, str], tuple[str, ...], tuple[str, ...]]:
        """Return reasons, strengths and areas; a reason is written about the window that speaks most for the score."""
        read = work.first
        assert read.found is not None
        dimensions = work.rubric.dimensions
        chosen = {
            one.id: int((read.found[:, place, scores[one.id].score - 1] * read.shares[:, 0, 0]).argmax())
            for place, one in enumerate(dimensions)
        }
        reasons: dict[str, str] = {}
        strengths: list[str] = []
        areas: list[str] = []
        count = len(read.windows)
        noted = {place * count // min(count, NOTES_WINDOWS) for place in range(min(count, NOTES_WINDOWS))}
        for number, window in enumerate(read.windows):
            if number not in noted and number not in chosen.values():
                continue
            text = window.transcript.render()
            about = [one for one in dimensions if chosen[one.id] == number]
            encode = self._weights.prompts.encode
            asked = [
                encode(text, [asking.ask_score(work.rubric, one, text)], f"{scores[one.id].score}.") for one in about
            ]
            if number in noted:
                asked.append(encode(text, [asking.ask_notes(work.rubric, text)]))
            most = [REASON_TOKENS] * len(about) + [NOTES_TOKENS]
            told = writing.write(self._weights, [one[0] for one in asked], most[: len(asked)])
            reasons |= {one.id: _trim(answer) for one, answer in zip(about, told, strict=False)}
            well, better = asking.read_notes(told[-1]) if number in noted else ([], [])
            strengths += well
            areas += better
        return reasons, tuple(dict.fromkeys(strengths))[:MOST_NOTES], tuple(dict.fromkeys(areas))[:MOST_NOTES]

    def _find_calibration(self, rubric: Rubric) -> Calibration | None:
        """Return the newest calibration that was fitted for the model as it is now."""
        if self.workspace is None:
            return None
        return calibration.find_newest(self.workspace, rubric.id, self.model.id, self._files)


T = TypeVar("T")


def _batches(rows: Sequence[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """Yield neighbours together, as many as the budget allows."""
    batch: list[T] = []
    taken = 0
    for row in rows:
        if batch and taken + size(row) > BATCH_TOKENS:
            yield batch
            batch, taken = [], 0
        batch.append(row)
        taken += size(row)
    if batch:
        yield batch


def _each(probabilities: torch.Tensor) -> list[float]:
    """Return the expected score of each dimension, from (dimensions, 5)."""
    return [numbers.expect(row) for row in probabilities.tolist()]


def _score(work: _Work, calibrated: Calibration | None) -> dict[str, Score]:
    """Return the scores; where the likeliest is shown, none is above the likeliest of any reading."""
    found = {}
    for one, row, most in zip(work.rubric.dimensions, work.probabilities.tolist(), work.likeliest, strict=True):
        score = numbers.make_score(one.id, row, calibrated)
        if score.score > most and not (calibrated and one.id in calibrated.curves):
            score = score.model_copy(update={"score": most, "confidence": round(row[most - 1], numbers.DIGITS)})
        found[one.id] = score
    return found


def _trim(answer: str) -> str:
    """Return an answer's first line, up to its last whole sentence if it was not finished."""
    line = answer.strip().partition("\n")[0].strip()
    end = max(line.rfind(sign) for sign in ".!?")
    return line[: end + 1] if end > 0 else line


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    """Yield what tells the seconds since the begin."""
    began = time.perf_counter()
    yield lambda: time.perf_counter() - began


class Scorers:
    """A few models in memory; the one that was used longest ago leaves first."""

    def __init__(self, workspace: Workspace | None, most: int = 3) -> None:
        self._workspace, self._most = workspace, most
        self._loaded: OrderedDict[ScoringModel, Scorer] = OrderedDict()

    def find(self, model: ScoringModel) -> Scorer:
        """Return the scorer of a model, loaded if it is not yet."""
        if model not in self._loaded:
            self._loaded[model] = Scorer(self._workspace, model)
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(model)
        return self._loaded[model]
