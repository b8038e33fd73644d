"""The training loop: from one step to the next, with logging, eval losses, checkpoints and stops."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from core.datasets.chat import Encoded
from core.errors import AppError, ConfigError
from core.model.adapter import load_weights, trainable
from core.model.engines import Engine
from core.training import checkpoint, faults
from core.training.checkpoint import TrainingState
from core.training.configuration import TrainingConfig
from core.training.plan import GroupCursor, Plan, learning_rate_at

SAVE_EVERY_S = 60.0
REPORT_EVERY_S = 0.25
EVAL_BATCH_TOKENS = 4096
MOST_NOT_FINITE = 3

log = logging.getLogger("atelier")


@dataclass(frozen=True)
class Surroundings:
    """What the loop tells the outside world, and asks it."""

    log_metrics: Callable[[int, dict[str, float]], None]
    report: Callable[..., None]
    stop_request: Callable[[], str | None]
    checkpoint_saved: Callable[[], None]
    checkpoints: Path


@dataclass(frozen=True)
class Outcome:
    """How training ended; `stopped` is the request that ended it early, or None when it is done."""

    state: TrainingState
    stopped: str | None


def make_optimizer(
    config: TrainingConfig, parameters: list[torch.nn.Parameter], device: torch.device
) -> torch.optim.Optimizer:
    """Return the optimizer over the adapter's weights.

    Raises:
        ConfigError: adamw_8bit on a machine without an NVIDIA GPU.
    """
    if config.optimizer == "adamw_8bit":
        if device.type != "cuda":
            raise ConfigError(
                "optimizer adamw_8bit needs an NVIDIA GPU. Choose adamw; an adapter's optimizer state is small."
            )
        import bitsandbytes

        optimizer: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay
        )
        return optimizer
    return torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


@torch.no_grad()
def measure_eval_loss(engine: Engine, model: PeftModel, examples: Sequence[Encoded]) -> float:
    """Return the mean negative log-likelihood of a supervised token, in nats; lower is better."""
    was_training = model.training
    model.eval()
    total, count = 0.0, 0
    batch: list[Encoded] = []
    size = 0
    for example in [*sorted(examples, key=lambda one: len(one.ids)), None]:
        if batch and (example is None or size + len(example.ids) > EVAL_BATCH_TOKENS):
            total += float(engine.loss_sum(batch))
            batch, size = [], 0
        if example is not None:
            batch.append(example)
            size += len(example.ids)
            count += example.supervised
    model.train(was_training)
    return total / max(1, count)


class Training:
    """One training job from its first or resumed step to its end."""

    def __init__(
        self,
        model: PeftModel,
        engine: Engine,
        plan: Plan,
        config: TrainingConfig,
        train: Sequence[Encoded],
        validation: Sequence[Encoded],
        surroundings: Surroundings,
        identity: dict[str, Any],
        device: torch.device,
        half_precision: bool = False,
    ) -> None:
        self.model = model
        self.engine = engine
        self.plan = plan
        self.config = config
        self.train_examples = train
        self.validation = validation
        self.outside = surroundings
        self.device = device
        self.parameters = trainable(model)
        self.optimizer = make_optimizer(config, self.parameters, device)
        self.scaler = torch.amp.GradScaler(device.type) if half_precision else None
        self.cursor = GroupCursor(plan)
        self.warmup = (
            config.warmup_steps if config.warmup_steps is not None else round(config.warmup_ratio * plan.steps)
        )
        self.state = TrainingState(identity=identity)
        self.not_finite = 0
        self.splits = 1  # doubled when the GPU's memory did not suffice

    def resume(self, path: Path) -> None:
        self.state = checkpoint.restore(path, self.model, self.optimizer, self.state.identity, self.scaler)

    def run(self) -> Outcome:
        """Train to the end, to early stopping, or to a stop request, which leaves a checkpoint to go on from."""
        self.model.train()
        if self.state.step == 0:  # whatever was drawn while preparing
            torch.manual_seed(self.config.seed + 1)
        last_save = time.monotonic()
        last_report = 0.0
        eval_every = self.config.eval_every_steps or max(1, math.ceil(self.plan.steps / 10))
        began, tokens_before, first_step = time.monotonic(), self.state.tokens, self.state.step
        while not self.state.finished and self.state.step < self.plan.steps:
            step_began = time.monotonic()
            step = self.state.step
            values, tokens = self._guarded_step(step)
            self.state.step, self.state.tokens = step + 1, self.state.tokens + tokens
            step_seconds = time.monotonic() - step_began
            self.state.seconds += step_seconds
            if self.not_finite or self.state.step % self.config.log_every_steps == 0:
                self.outside.log_metrics(
                    self.state.step,
                    {
                        **values,
                        "train/tokens_per_second": tokens / step_seconds,
                        "train/epoch": self.cursor.epochs_after(step),
                    },
                )
            if self.not_finite >= MOST_NOT_FINITE:
                raise AppError(
                    f"Training diverged: the loss was not a number {MOST_NOT_FINITE} times, last at step "
                    f"{self.state.step}. Lower the learning rate (it is {self.config.learning_rate:g}) and try again."
                )
            if self.validation and (self.state.step % eval_every == 0 or self.state.step == self.plan.steps):
                self._evaluate()
            if self._should_stop_early():
                log.info(
                    "Stopped early at step %s: no better eval loss in %s evaluations.",
                    self.state.step,
                    self.config.early_stopping_patience,
                )
                break
            now = time.monotonic()
            if now - last_report > REPORT_EVERY_S or self.state.step == self.plan.steps:
                last_report = now
                rate = (self.state.tokens - tokens_before) / max(1e-9, now - began)
                left = (self.plan.steps - self.state.step) * (now - began) / (self.state.step - first_step)
                self.outside.report("training", self.state.step, self.plan.steps, rate, left)
            request = self.outside.stop_request()
            if self._save_due(now - last_save) or request in ("pause", "preempt", "terminate"):
                self._save()
                last_save = now
            if request is not None:
                return Outcome(self.state, request)
        if (
            not self.state.finished
            and self.config.early_stopping_patience
            and self.state.best_step not in (0, self.state.step)
        ):
            self._return_to_best()
        if not self.state.finished:
            self.state.finished = True
            self._save()  # what follows, evaluation above all, may be interrupted too
        return Outcome(self.state, None)

    # One step

    def _guarded_step(self, step: int) -> tuple[dict[str, float], int]:
        """Do one step; when the GPU's memory does not suffice, once more with batches half the size."""
        try:
            return self._step(step)
        except torch.OutOfMemoryError:
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.splits *= 2
            log.warning(
                "The GPU's memory did not suffice at step %s; batches are halved. The result will not be bit-equal to "
                "that of a larger card.",
                step + 1,
            )
        try:
            return self._step(step)
        except torch.OutOfMemoryError as error:
            raise AppError(
                "The GPU's memory does not suffice even with half the batch. Choose a smaller batch_size or "
                "max_length, gradient_checkpointing, 4bit quantization, or a smaller base."
            ) from error

    def _step(self, step: int) -> tuple[dict[str, float], int]:
        faults.raise_at(step + 1)
        rate = learning_rate_at(
            step,
            steps=self.plan.steps,
            peak=self.config.learning_rate,
            warmup=self.warmup,
            schedule=self.config.schedule,
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batches = [
            part
            for batch in self.plan.batches(self.cursor, step, self.engine.mergeable and self.splits == 1)
            for part in _split(batch, self.splits)
        ]
        chosen = [[self.train_examples[index] for index in batch] for batch in batches]
        supervised = sum(example.supervised for batch in chosen for example in batch)
        loss = 0.0
        for batch in chosen:
            part = self.engine.loss_sum(batch) / max(1, supervised)
            (self.scaler.scale(part) if self.scaler else part).backward()
            loss += float(part.detach())
        if faults.due("nan", step + 1):
            loss = math.nan
        if self.scaler:
            self.scaler.unscale_(self.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm))
        if math.isfinite(loss) and (math.isfinite(norm) or self.scaler):
            if self.scaler:
                self.scaler.step(self.optimizer)
                self.scaler.update()
            else:
                self.optimizer.step()
        else:
            self.not_finite += 1
        self.optimizer.zero_grad(set_to_none=True)
        values = {"train/loss": loss, "train/learning_rate": rate, "train/grad_norm": norm}
        return values, sum(len(example.ids) for batch in chosen for example in batch)

    # Watching

    def _evaluate(self) -> None:
        loss = measure_eval_loss(self.engine, self.model, self.validation)
        self.outside.log_metrics(self.state.step, {"eval/loss": loss})
        best = self.state.best_eval_loss
        if math.isfinite(loss) and (best is None or loss < best - self.config.early_stopping_min_delta):
            self.state.best_eval_loss, self.state.best_step = loss, self.state.step
            self.state.evals_without_better = 0
            if self.config.early_stopping_patience:
                self._save()
        else:
            self.state.evals_without_better += 1

    def _should_stop_early(self) -> bool:
        patience = self.config.early_stopping_patience
        return bool(patience) and self.state.evals_without_better >= patience

    def _return_to_best(self) -> None:
        path = self.outside.checkpoints / f"step-{self.state.best_step:08d}"
        load_weights(self.model, path / "adapter.safetensors")
        log.info("The weights of step %s, with the best eval loss, are kept.", self.state.best_step)

    # Saving

    def _save_due(self, seconds: float) -> bool:
        every = self.config.save_every_steps
        return self.state.step % every == 0 if every else seconds > SAVE_EVERY_S

    def _save(self) -> None:
        """Write a checkpoint, unless a loss was not finite: the weights before that are the last to trust."""
        if self.not_finite == 0:
            checkpoint.write(self.outside.checkpoints, self.model, self.optimizer, self.state, self.scaler)
            self.outside.checkpoint_saved()


def _split(batch: list[int], parts: int) -> list[list[int]]:
    size = math.ceil(len(batch) / parts)
    return [batch[start : start + size] for start in range(0, len(batch), size)]
