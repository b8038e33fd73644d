"""The models in memory: what is asked for is loaded beside the scoring, and the default follows what is in production.

The default model that is loaded stays in use until the next one is; if that can't be loaded, it stays, and why is told.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from core.catalog.rubrics import Rubric
from core.errors import AppError
from core.scoring.result import Detail, Scored
from core.scoring.service.problem import Refused
from core.scoring.transcript import Transcript

LOADED_AT_ONCE = 3
GRACE_S = 5.0  # so long a transcript waits for the next default model; then the one before scores it
TRY_AGAIN_S = 15.0  # a model that could not be loaded is tried again after this, or at once when its files change

log = logging.getLogger("atelier.scoring")


@dataclass(frozen=True)
class Wanted:
    """One transcript that is to be scored."""

    transcript: Transcript
    rubric: Rubric
    detail: Detail


class Model(Hashable, Protocol):
    """Which base and adapter score; equal only if all their files are."""

    @property
    def name(self) -> str: ...

    @property
    def id(self) -> str: ...


class Loaded(Protocol):
    """A model that is in memory."""

    def score(self, wanted: Sequence[Wanted]) -> list[Scored]: ...


class Models(Protocol):
    """Says which model is meant, quickly, and loads it; both raise AppError."""

    def resolve(self, rubric: Rubric, asked: str) -> Model: ...

    def load(self, model: Any) -> Loaded: ...


class Stock:
    """Models by need; `changed` is notified whenever one was loaded or failed to be."""

    def __init__(self, models: Models, changed: threading.Condition) -> None:
        self._models, self._changed = models, changed
        self._loaded: OrderedDict[Model, Loaded] = OrderedDict()
        self._current: dict[str, Model] = {}  # by rubric: its default model that was loaded last
        self._ordered: dict[Model, float] = {}  # being loaded, since when
        self._to_load: deque[tuple[Model, str]] = deque()
        self._failed: dict[Model, tuple[float, AppError]] = {}
        self._problems: dict[str, str] = {}  # by rubric: why its default model can't be had
        self._ended = False
        self.swaps = 0

    def start(self) -> None:
        threading.Thread(target=self._load_all, name="loader", daemon=True).start()

    def stop(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def state(self, rubric: Rubric) -> tuple[str, str]:
        """Return the id of the rubric's default model, "" while none is loaded, and what is wrong, "" if nothing is."""
        with self._changed:
            model = self._current.get(rubric.id)
            return model.id if model is not None else "", self._problems.get(rubric.id, "")

    def find(self, rubric: Rubric, asked: str) -> Loaded | AppError | None:
        """Return the model that is asked for, or why it can't be had; None while it is being loaded."""
        try:
            model = self._models.resolve(rubric, asked)
        except AppError as error:
            return error if asked else self._before(rubric, error)
        with self._changed:
            if model in self._loaded:
                self._loaded.move_to_end(model)
                if not asked:
                    self._make_current(rubric.id, model)
                return self._loaded[model]
            since, why = self._failed.get(model, (0.0, None))
            if why is None or time.monotonic() - since > TRY_AGAIN_S:
                why = None
                self._order(model, "" if asked else rubric.id)
                if time.monotonic() - self._ordered[model] < GRACE_S:
                    return None
        return why if asked else self._before(rubric, why)

    def _before(self, rubric: Rubric, why: AppError | None) -> Loaded | AppError | None:
        """Return the default model of before if there is one, else why there is none."""
        with self._changed:
            if why is not None:
                self._problems[rubric.id] = str(why)
            model = self._current.get(rubric.id)
            return self._loaded[model] if model is not None else why

    def _order(self, model: Model, default_of: str) -> None:
        if model not in self._ordered:
            self._ordered[model] = time.monotonic()
            self._to_load.append((model, default_of))
            self._changed.notify_all()

    def _load_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._to_load or self._ended)
                if self._ended:
                    return
                model, default_of = self._to_load.popleft()
            found = guard(lambda: self._models.load(model), f"The model {model.name} can't be loaded")  # noqa: B023
            dropped: list[Loaded] = []
            with self._changed:
                del self._ordered[model]
                if isinstance(found, AppError):
                    self._failed[model] = time.monotonic(), found
                    if default_of:
                        self._problems[default_of] = str(found)
                else:
                    self._failed.pop(model, None)
                    self._loaded[model] = found
                    if default_of:
                        self._make_current(default_of, model)
                    dropped = self._forget_old()
                self._changed.notify_all()
            # Only without the lock, which every request needs: to take a model apart may wait for a scoring.
            dropped.clear()

    def _make_current(self, rubric: str, model: Model) -> None:
        if self._current.get(rubric) not in (None, model):
            self.swaps += 1
        self._current[rubric] = model
        self._problems.pop(rubric, None)

    def _forget_old(self) -> list[Loaded]:
        """Return the models that were used longest ago, now dropped; the default of each rubric and the newest stay."""
        dropped = []
        kept = {*self._current.values(), next(reversed(self._loaded))}
        for model in [one for one in self._loaded if one not in kept]:
            if len(self._loaded) > LOADED_AT_ONCE:
                dropped.append(self._loaded.pop(model))
        return dropped


T = TypeVar("T")


def guard(work: Callable[[], T], failing: str) -> T | AppError:
    """Return what the work gives, or its failure: the outermost frame of a thread that has to go on."""
    try:
        return work()
    except AppError as error:
        return error
    except Exception as error:
        log.exception("%s", failing)
        return Refused(500, f"{failing}: {type(error).__name__}. The log has the place.")
