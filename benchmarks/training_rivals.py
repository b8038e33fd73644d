"""The rivals' arms of the training benchmarks: TRL's SFTTrainer and transformers' Trainer, both on PEFT's LoRA."""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from benchmarks import training_ours
from benchmarks.arms import Absent
from benchmarks.training_task import ALPHA, RANK, Task, Watch, measure_held_out, stand_for_epoch, sum_adapter
from core.datasets.chat import Encoded


@dataclass(frozen=True)
class Rival:
    """How another trainer is set.

    Attributes:
        trl: TRL's SFTTrainer, else transformers' Trainer.
        batch_size: Examples side by side; a step adds up as many batches as it takes.
        bf16_weights: Keep the base's weights in bf16.
        options: What is changed against the trainer's defaults, beside what the task asks for.
    """

    trl: bool = True
    batch_size: int = 8
    bf16_weights: bool = False
    options: dict[str, Any] = field(default_factory=dict)


_EXACT = {"bf16": False, "gradient_checkpointing": False}  # both are on by default in TRL, and cost time on processors
_GROUPED = _EXACT | {"train_sampling_strategy": "group_by_length"}
DEFAULT = Rival()
EXACT = Rival(options=_EXACT)
# Settings among which a rival's best is sought on each machine. Padding-free is what TRL's packing computes with, and
# leaves the make-up of the steps alone; by one, there is no padding either.
TRL_CANDIDATES = {
    "grouped by length, batches of 2": Rival(batch_size=2, options=_GROUPED),
    "grouped by length, bf16 weights": Rival(bf16_weights=True, options=_GROUPED),
    "padding-free, batches of 2": Rival(batch_size=2, options=_EXACT | {"padding_free": True, "max_length": None}),
    "one by one": Rival(batch_size=1, options=_EXACT),
    "one by one, bf16 weights": Rival(batch_size=1, bf16_weights=True, options=_EXACT),
}
TRAINER_CANDIDATES = {
    name: replace(TRL_CANDIDATES[name], trl=False)
    for name in ("grouped by length, batches of 2", "grouped by length, bf16 weights")
}
CANDIDATES = {"trl-tuned": TRL_CANDIDATES, "trainer-tuned": TRAINER_CANDIDATES}


def find_setting(arm: str, candidate: str) -> Rival:
    """Return the settings of an arm; those of a tuned one are the candidate's."""
    if arm in CANDIDATES:
        return CANDIDATES[arm][candidate or next(iter(CANDIDATES[arm]))]
    return EXACT if arm == "trl-exact" else DEFAULT


def tune(arm: str, task: Task, examples: Sequence[Encoded]) -> dict[str, Any]:
    """Return the tokens per second of every candidate in one step of middle size, and which is the fastest."""
    short = replace(task, steps=1, warm_up=1)
    speeds: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name, setting in CANDIDATES[arm].items():
        try:
            speeds[name] = train(setting, short, examples)["tokens_per_second"]
        except (RuntimeError, ValueError, NotImplementedError) as error:  # a setting that this version refuses
            failed[name] = f"{type(error).__name__}: {error}"
        gc.collect()
    if not speeds:
        raise Absent(f"no setting of {arm} runs here: {failed}")
    return {"speeds": speeds, "refused": failed, "best": max(speeds, key=lambda name: speeds[name])}


def train(setting: Rival, task: Task, examples: Sequence[Encoded]) -> dict[str, Any]:
    """Train on the processor, on the base that ours has."""
    check_installed(setting)
    model = training_ours.load(task.shape).model
    if setting.bf16_weights:
        model = model.to(torch.bfloat16)
    rows = examples[: len(examples) - task.held_out]
    made, watch, fresh = run_trainer(setting, task, model, rows, on_cpu=True)
    return watch.result(task.warm_up) | {
        "engine": type(made).__mro__[1].__name__,
        "fresh_adapter": fresh,
        "eval_loss": measure_held_out(made.model, task, examples),
    }


def check_installed(setting: Rival) -> None:
    """Raise Absent when the trainer is not here."""
    try:
        if setting.trl:
            import trl  # noqa: F401
    except ImportError as error:
        raise Absent(f"{error.name} is not installed") from error


def run_trainer(
    setting: Rival,
    task: Task,
    model: Any,
    rows: Sequence[Encoded],
    *,
    on_cpu: bool,
    wait: Callable[[], None] = lambda: None,
) -> tuple[Any, Watch, float]:
    """Let the trainer do the task; return it, the watch on its steps, and the sum of its fresh adapter."""
    from peft import LoraConfig, get_peft_model
    from transformers import Trainer, TrainingArguments

    lora = LoraConfig(
        r=RANK, lora_alpha=int(ALPHA), lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        options = _options(setting, task, folder, on_cpu)
        torch.manual_seed(task.seed)
        if setting.trl:
            from trl import SFTConfig, SFTTrainer

            made = _watched(SFTTrainer, watch, task, rows, wait)(
                model=model,
                args=SFTConfig(**options),
                train_dataset=_dataset(rows),
                processing_class=_tokenizer(),
                peft_config=lora,
            )
        else:
            made = _watched(Trainer, watch, task, rows, wait)(
                model=get_peft_model(model, lora),
                args=TrainingArguments(**options),
                train_dataset=_dataset(rows),
                data_collator=_fill_up,
            )
        fresh = sum_adapter(made.model)
        made.train()
    return made, watch, fresh


def _options(setting: Rival, task: Task, folder: str, on_cpu: bool) -> dict[str, Any]:
    """Return the trainer's arguments; those that are not about speed make it compute what ours does."""
    batch_size = min(setting.batch_size, task.examples_per_step)
    needed = {
        "output_dir": folder,
        "per_device_train_batch_size": batch_size,
        "gradient_accumulation_steps": task.examples_per_step // batch_size,
        "max_steps": task.warm_up + task.steps,
        "learning_rate": task.learning_rate,
        "seed": task.seed,
        "report_to": [],
        "save_strategy": "no",
        "disable_tqdm": True,
        "use_cpu": on_cpu,
    }
    order = {"train_sampling_strategy": "sequential"} if task.in_order else {}
    return needed | setting.options | order


def _dataset(examples: Sequence[Encoded]) -> Any:
    from datasets import Dataset

    return Dataset.from_dict({
        "input_ids": [list(one.ids) for one in examples],
        "labels": [_labels(one) for one in examples],
    })  # fmt: skip


def _labels(example: Encoded) -> list[int]:
    start = max(example.response_start, 1)
    return [-100] * start + list(example.ids[start:])


def _tokenizer() -> Any:
    """Return a tokenizer of two tokens; the examples are tokens already, it only says with which one to fill up."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE({"<pad>": 0, "<end>": 1}, []))
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<end>")


def _fill_up(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Return the rows side by side, filled up to the longest, as transformers' Trainer wants them."""
    longest = max(len(row["input_ids"]) for row in rows)
    fillings = {"input_ids": 0, "labels": -100}
    batch = {
        name: torch.tensor([list(row[name]) + [filling] * (longest - len(row[name])) for row in rows])
        for name, filling in fillings.items()
    }
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    return batch | {"attention_mask": (torch.arange(longest)[None] < lengths[:, None]).long()}


def _watched(trainer: Any, watch: Watch, task: Task, rows: Sequence[Encoded], wait: Callable[[], None]) -> Any:
    """Return the trainer's class with a watch on its steps, and with steps that stand for its whole epoch."""
    from transformers import TrainerCallback

    seen: list[tuple[torch.Tensor, torch.Tensor]] = []  # read at the end of a step, lest a GPU waits at every batch

    class OnStep(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            wait()
            watch.begin()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            wait()
            watch.end_step(sum(int(tokens) for tokens, _ in seen), sum(float(loss) for _, loss in seen))
            seen.clear()

    class Watched(trainer):  # type: ignore[misc]
        def __init__(self, **values: Any) -> None:
            super().__init__(callbacks=[OnStep()], **values)

        def _get_train_sampler(self, *given: Any) -> Any:
            own = super()._get_train_sampler(*given)
            if task.in_order:
                return own
            return _Fixed([index for group in stand_for_epoch(list(own), task, rows) for index in group])

        def training_step(self, model: Any, inputs: dict[str, Any], *given: Any, **named: Any) -> torch.Tensor:
            mask = inputs.get("attention_mask")
            tokens = mask.sum() if mask is not None else torch.tensor(inputs["input_ids"].numel())
            loss: torch.Tensor = super().training_step(model, inputs, *given, **named)
            seen.append((tokens, loss.detach()))
            return loss

    return Watched


class _Fixed(torch.utils.data.Sampler[int]):
    def __init__(self, order: list[int]) -> None:
        self.order = order

    def __iter__(self) -> Iterator[int]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)
