"""Transcripts that wait to be scored, and the one thread that scores them.

What waits and asks for the same model is scored together, up to a budget of words. What was put in together is scored
by one model, even if another one comes into production meanwhile.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from core.catalog.rubrics import Rubric
from core.errors import AppError, ServiceError
from core.scoring.result import Scored
from core.scoring.service.problem import Refused
from core.scoring.service.stock import Loaded, Models, Stock, Wanted, guard

MOST_WAITING = 64
WORDS_AT_ONCE = 8_000
FULL_COSTS = 8  # so many times the work of numbers alone are reasons and evidence, roughly
LOOK_S = 1.0  # so often an idle queue looks what is in production


class Batch:
    """What was put in together."""


@dataclass(eq=False)
class Ticket:
    """A place in the queue; to cancel its future gives it up, unless its scoring has begun."""

    wanted: Wanted
    asked: str
    batch: Batch
    future: "Future[Scored]" = field(default_factory=Future)


Group = tuple[str, str, str, Batch | None]  # the batch only where some of it has its score already


@dataclass(frozen=True)
class Health:
    """How the queue is; `problem` is a sentence while the default model can't be loaded."""

    ready: bool
    model: str
    waiting: int
    swaps: int
    problem: str


class Queue:
    """Start it, add tickets from any thread, stop it."""

    def __init__(
        self,
        models: Models,
        default: Callable[[], Rubric],
        *,
        most_waiting: int = MOST_WAITING,
        words: int = WORDS_AT_ONCE,
    ) -> None:
        self._default = default
        self._most_waiting, self._words = most_waiting, words
        self._changed = threading.Condition()
        self._stock = Stock(models, self._changed)
        self._waiting: deque[Ticket] = deque()
        self._begun: dict[Batch, Loaded] = {}  # which model scored the first of a batch; the scoring thread's own
        self._ended = False

    def start(self) -> None:
        self._stock.start()
        threading.Thread(target=self._score_all, name="scorer", daemon=True).start()

    def stop(self) -> None:
        """End the threads after what they do now; whoever waits is told."""
        self._stock.stop()
        with self._changed:
            self._ended = True
            left, self._waiting = list(self._waiting), deque()
            self._changed.notify_all()
        _refuse(left, ServiceError("The scoring service is ending. Try again."))

    def add(self, wanted: Sequence[Wanted], asked: str) -> list[Ticket]:
        """Put transcripts into the queue.

        Raises:
            Refused: Too many are waiting.
            ServiceError: The queue has ended.
        """
        batch = Batch()
        tickets = [Ticket(one, asked.strip(), batch) for one in wanted]
        with self._changed:
            if len(self._waiting) >= self._most_waiting:
                told = f"{len(self._waiting)} transcripts are waiting already. Try again in a few seconds."
                raise Refused(429, told, {"Retry-After": "2"})
            if self._ended:
                raise ServiceError("The scoring service is ending. Try again.")
            self._waiting.extend(tickets)
            self._changed.notify_all()
        return tickets

    def give_up(self, tickets: Sequence[Ticket]) -> None:
        """Forget those whose scoring has not begun."""
        for ticket in tickets:
            ticket.future.cancel()
        with self._changed:
            self._waiting = deque(one for one in self._waiting if not one.future.cancelled())

    def health(self) -> Health:
        model, problem = self._stock.state(self._default())
        return Health(bool(model), model, len(self._waiting), self._stock.swaps, problem)

    def _score_all(self) -> None:
        looked = -LOOK_S
        while not self._ended:
            if time.monotonic() - looked >= LOOK_S:  # what is in production is loaded before anybody asks for it
                guard(lambda: self._stock.find(self._default(), ""), "What is in production can't be told")
                looked = time.monotonic()
            if not self._score_next():
                with self._changed:
                    self._changed.wait(0.05 if self._waiting else LOOK_S / 4)

    def _score_next(self) -> bool:
        """Score the oldest of those whose model is there, with all that go with it; return whether there were any."""
        with self._changed:
            waiting = list(self._waiting)
        left = {one.batch for one in waiting}
        self._begun = {batch: model for batch, model in self._begun.items() if batch in left}
        groups: dict[Group, Ticket] = {}
        for one in waiting:
            groups.setdefault(self._group(one), one)
        for group, oldest in groups.items():
            found = self._find(oldest)
            if found is not None:
                taken = self._take(group)
                if isinstance(found, AppError):
                    _refuse(taken, found)
                else:
                    self._begun |= {one.batch: found for one in taken}
                    _score(found, [one for one in taken if one.future.set_running_or_notify_cancel()])
                return True
        return False

    def _find(self, one: Ticket) -> Loaded | AppError | None:
        if one.batch in self._begun:
            return self._begun[one.batch]
        return guard(lambda: self._stock.find(one.wanted.rubric, one.asked), "A model can't be told")

    def _group(self, one: Ticket) -> Group:
        return one.wanted.rubric.id, one.asked, one.wanted.detail, one.batch if one.batch in self._begun else None

    def _take(self, group: Group) -> list[Ticket]:
        _, _, detail, _ = group
        most = self._words if detail == "scores" else self._words // FULL_COSTS
        words = 0
        batch: list[Ticket] = []
        with self._changed:
            for ticket in [one for one in self._waiting if self._group(one) == group]:
                words += ticket.wanted.transcript.words
                if batch and words > most:
                    break
                batch.append(ticket)
            self._waiting = deque(one for one in self._waiting if one not in batch)
        return batch


def _score(model: Loaded, batch: list[Ticket]) -> None:
    """Give each ticket its score; when a batch fails as a whole each is tried alone, so that one spoils no other."""
    if not batch:
        return
    results = guard(lambda: model.score([ticket.wanted for ticket in batch]), "Scoring failed")
    if not isinstance(results, AppError):
        for ticket, scored in zip(batch, results, strict=True):
            ticket.future.set_result(scored)
    elif len(batch) == 1:
        batch[0].future.set_exception(results)
    else:
        for ticket in batch:
            _score(model, [ticket])


def _refuse(tickets: Sequence[Ticket], error: AppError) -> None:
    for ticket in tickets:
        if ticket.future.set_running_or_notify_cancel():
            ticket.future.set_exception(error)
