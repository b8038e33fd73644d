"""A base with an adapter in memory, in the form that scores fastest and still says what plain PEFT says.

Small bases get the adapter merged into a copy of their own. Large ones are held once: their adapters stay beside them,
and the one that is wanted is switched on.
"""

import json
import logging
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from core import durable
from core.catalog import bases
from core.datasets.chat import Encoded
from core.errors import AdapterUnfit, BrokenModel, CheckpointError, OutOfMemory
from core.model import forked, kernels, lean, packed
from core.model.adapter import check_adapter_folder, load_adapter
from core.model.engines import make_engine
from core.model.loading import LoadedBase, load_base
from core.scoring.models import ScoringModel
from core.scoring.prompts import Prompts

MERGED_BYTES = 1_000_000_000
TOLERANCE = 1e-4
ALONE = ""  # the name of no adapter

log = logging.getLogger("atelier.scoring")

Endings = Sequence[tuple[int, ...]]  # prompts about one text


class Weights:
    """One model that reads prompts; `held` keeps it and its adapter in place while it is used."""

    def __init__(self, loaded: LoadedBase, base: Any) -> None:
        self.loaded = loaded
        self.base = base
        self.device = loaded.device
        self.prompts = Prompts(loaded.chat)
        self.positions = int(getattr(base.config, "max_position_embeddings", 0) or 2048)
        self.shares = packed.can_pack(base)
        self._engine = make_engine(base, loaded.device, loaded.chat.pad_id)
        self._lean: lean.LeanEngine | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        yield

    def read_digits(self, groups: Sequence[Sequence[Endings]]) -> torch.Tensor:
        """Return the log-probabilities of the scores 1 to 5 behind each prompt, (prompts, 5) fp64.

        Args:
            groups: Texts that resemble each other, each as the prompts about it (see `forked.make_readings`). Where
                memory is short they are read in halves.

        Raises:
            BrokenModel: They are no numbers.
            OutOfMemory: There is no memory for even one of them.
        """
        try:
            return self._read_digits(groups)
        except (RuntimeError, MemoryError) as error:
            if not _lacks_memory(error):
                raise
            halves = _halve(groups)
            if not halves:
                raise OutOfMemory(
                    f"There is not enough memory to score a text of {len(groups[0][0][0])} tokens. Close other "
                    "programs, or choose a smaller base."
                ) from error
        return torch.cat([self.read_digits(half) for half in halves])

    @torch.no_grad()
    def _read_digits(self, groups: Sequence[Sequence[Endings]]) -> torch.Tensor:
        digits = self.prompts.digits
        if digits is None or not self.shares:
            scores = self._read_answers(groups)
        else:
            batch = forked.make_readings(groups, self.device)
            choices = torch.tensor(digits, dtype=torch.int64, device=self.device)
            if self._lean is not None:
                scores = self._lean.read_next(batch, choices)
            else:
                with packed.attending(self.base, "forked"):
                    scores = forked.read_next(self.base, batch, choices)
        if not bool(torch.isfinite(scores).all()):
            raise BrokenModel(
                "The model gave no numbers for a score: its weights are damaged, or too large for its number format. "
                "Choose another adapter or train it again."
            )
        return scores.double().cpu().log_softmax(dim=1)

    def _read_answers(self, groups: Sequence[Sequence[Endings]]) -> torch.Tensor:
        """Return the log-likelihoods of the written scores, for tokenizers that write one with several tokens."""
        found = []
        answers = self.prompts.answers
        for group in groups:
            for endings in group:
                texts = [Encoded((*one, *answer), len(one), 0, 0) for one in endings for answer in answers]
                losses = self._engine.continuation_losses([texts])[0]
                found.append(torch.tensor([-float(one.sum()) for one in losses]).view(len(endings), len(answers)))
        return torch.cat(found)

    def speed_up(self) -> None:
        """Take the pass made for processors where it fits the base and gives the same numbers."""
        fp32 = self.base.dtype == torch.float32 and self.loaded.precision == "fp32"
        if not (self.shares and fp32 and self.prompts.digits and lean.fits(self.base)):
            return
        before = self.read_digits([[_probe(self.prompts)]])
        made = kernels.compiled() if kernels.is_compiled() else kernels.PLAIN
        self._lean = lean.LeanEngine(self.base, made, torch.float32)
        if not _agree(before, self.read_digits([[_probe(self.prompts)]])):
            log.warning("%s is scored in the general way: the faster one gives other numbers", self.loaded.folder)
            self._lean = None


class SharedWeights(Weights):
    """An adapter, or none, on a base that others use too."""

    def __init__(self, shared: "SharedBase", name: str) -> None:
        super().__init__(shared.loaded, shared.base)
        self._shared, self._name = shared, name
        weakref.finalize(self, shared.drop, name)

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._shared.lock, self._shared.switched(self._name):
            yield


class SharedBase:
    """A large base with the adapters that are on it, by name; `ALONE` is the base without."""

    def __init__(self, loaded: LoadedBase) -> None:
        self.loaded = loaded
        self.base = loaded.model
        self.lock = threading.RLock()
        self._peft: PeftModel | None = None
        self._users: Counter[str] = Counter()

    def add(self, folder: Path | None, stamp: str) -> SharedWeights:
        name = f"adapter_{durable.hash_text(f'{folder} {stamp}')[:16]}" if folder else ALONE
        with self.lock:
            if folder is not None and (self._peft is None or name not in self._peft.peft_config):
                self._peft = load_adapter(self._peft or self.base, folder, name)
            self._users[name] += 1
            return SharedWeights(self, name)

    def drop(self, name: str) -> None:
        """Take an adapter off the base when nobody uses it any more; PEFT keeps at least one."""
        with self.lock:
            self._users[name] -= 1
            if name and not self._users[name] and self._peft is not None and len(self._peft.peft_config) > 1:
                self._peft.delete_adapter(name)

    @contextmanager
    def switched(self, name: str) -> Iterator[None]:
        if self._peft is None:
            yield
        elif name == ALONE:
            with self._peft.disable_adapter():
                yield
        else:
            self._peft.set_adapter(name)
            yield


_shared: "weakref.WeakValueDictionary[tuple[str, str], SharedBase]" = weakref.WeakValueDictionary()
_loading = threading.Lock()


def load(model: ScoringModel) -> Weights:
    """Load a model for scoring.

    Raises:
        BaseModelError: The base's files are damaged.
        AdapterUnfit: The adapter is missing, damaged, or does not fit the base.
    """
    try:
        if model.adapter_folder is not None:
            check_adapter_folder(model.adapter_folder)
        with _loading:
            return _load(model)
    except CheckpointError as error:
        raise AdapterUnfit(f"{error} Choose another adapter.") from error


def _load(model: ScoringModel) -> Weights:
    key = str(model.base_folder), bases.fingerprint(model.base_folder)
    shared = _shared.get(key)
    if shared is None or _changes_base(model.adapter_folder):
        loaded = load_base(model.base_folder)
        size = sum(one.numel() * one.element_size() for one in loaded.model.parameters())
        if size <= MERGED_BYTES or _changes_base(model.adapter_folder):
            return _load_apart(loaded, model.adapter_folder)
        _shared[key] = shared = SharedBase(loaded)
    return shared.add(model.adapter_folder, model.stamp)


def _changes_base(folder: Path | None) -> bool:
    """Return whether an adapter has weights of the base too, such as biases: others can't share that base with it."""
    if folder is None:
        return False
    told = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return told.get("bias", "none") != "none" or bool(told.get("modules_to_save"))


def _load_apart(loaded: LoadedBase, folder: Path | None) -> Weights:
    """Return a model of its own: the adapter merged where that changes nothing, beside the base's layers elsewhere."""
    made = Weights(loaded, loaded.model)
    if folder is not None:
        model = load_adapter(loaded.model, folder)
        made = Weights(loaded, model.get_base_model())
        if loaded.model.dtype == torch.float32:  # in shorter formats the sum of base and adapter is rounded
            probe = [[_probe(made.prompts)]]
            before = made.read_digits(probe)
            merged = Weights(loaded, model.merge_and_unload())
            if not _agree(before, merged.read_digits(probe)):
                log.warning("%s is not merged: that would change its scores", folder)
                return _load_apart_unmerged(loaded, folder)
            made = merged
    made.speed_up()
    return made


def _load_apart_unmerged(loaded: LoadedBase, folder: Path) -> Weights:
    again = load_base(loaded.folder)
    made = Weights(again, load_adapter(again.model, folder).get_base_model())
    made.speed_up()
    return made


def _lacks_memory(error: BaseException) -> bool:
    """Return whether an error of torch is about memory; on a processor only the message tells."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "allocate memory" in str(error)


def _halve(groups: Sequence[Sequence[Endings]]) -> list[Sequence[Sequence[Endings]]]:
    """Return the groups, or the texts of the only one, in two parts; nothing where there is one text."""
    if len(groups) > 1:
        middle = len(groups) // 2
        return [groups[:middle], groups[middle:]]
    middle = len(groups[0]) // 2
    return [[groups[0][:middle]], [groups[0][middle:]]] if middle else []


def _probe(prompts: Prompts) -> Endings:
    text = "A: I slept badly and I am worried.\nB: I hear you. Tell me what happened."
    return prompts.encode(text, [f"{text}\n\nHow good is it, from 1 to 5?", f"{text}\n\nWhat was good?"])


def _agree(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= TOLERANCE)
