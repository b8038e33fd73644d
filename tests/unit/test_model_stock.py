"""Models in memory: those that are dropped are taken apart where nobody has to wait for it."""

import threading
import weakref
from collections.abc import Sequence

from core.catalog import rubrics
from core.catalog.rubrics import Rubric
from core.scoring.result import Scored
from core.scoring.service import stock
from core.scoring.service.stock import Loaded, Stock, Wanted
from tests.conftest import wait_until
from tests.scoring_service import Named

RUBRIC = rubrics.find("conversation")


class Plain:
    """A model that only is there."""

    def score(self, wanted: Sequence[Wanted]) -> list[Scored]:
        raise AssertionError("nothing is scored here")


class Dropped:
    """Models that tell, when they are dropped, whether others could take the lock meanwhile."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self.free: list[bool] = []

    def resolve(self, rubric: Rubric, asked: str) -> Named:
        return Named(asked)

    def load(self, model: Named) -> Loaded:
        made = Plain()
        weakref.finalize(made, self._look)
        return made

    def _look(self) -> None:
        def take() -> None:
            taken = self._changed.acquire(timeout=1)
            self.free.append(taken)
            if taken:
                self._changed.release()

        other = threading.Thread(target=take)
        other.start()
        other.join()


def test_a_dropped_model_is_taken_apart_without_the_lock() -> None:
    changed = threading.Condition()
    models = Dropped(changed)
    found = Stock(models, changed)
    found.start()
    for number in range(stock.LOADED_AT_ONCE + 2):
        wait_until(lambda: found.find(RUBRIC, f"model {number}") is not None, 10, "a model")  # noqa: B023
    wait_until(lambda: bool(models.free), 10, "the first to be dropped")
    found.stop()
    assert all(models.free)
