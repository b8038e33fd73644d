"""The arms of the GPU benchmark: one base with random weights, trained by Atelier, transformers' Trainer or TRL."""

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import LlamaForCausalLM

from benchmarks import training_ours, training_rivals
from benchmarks.arms import Absent, find_version
from benchmarks.training_ours import Halved, arrange, as_loaded, configure, llama_config, run_loop
from benchmarks.training_rivals import Rival
from benchmarks.training_task import Task, Watch
from benchmarks.workload import LlamaShape, make_examples
from core.datasets.chat import Encoded
from core.hardware.readings import read_gpus
from core.model.adapter import add_adapter
from core.model.engines import make_engine
from core.training import engine_choice

SAMPLE_S = 0.2
SEED = 0


@dataclass(frozen=True)
class Workload:
    """What is trained on: lengths in tokens, and how many examples make a step."""

    median: int
    spread: float
    least: int
    most: int
    per_step: int
    attempts: tuple[tuple[int, bool], ...]  # batch size and gradient checkpointing, tried until one fits the memory


_FASTEST_FIRST = ((4, False), (1, False), (4, True), (1, True))
WORKLOADS = {
    "least memory": Workload(2048, 0.0, 2048, 2048, 1, ((1, True),)),
    "full length": Workload(2048, 0.0, 2048, 2048, 8, _FASTEST_FIRST),
    "mixed lengths": Workload(400, 0.7, 32, 2048, 16, _FASTEST_FIRST),
}
SMALL_WORKLOADS = {
    "least memory": Workload(64, 0.0, 64, 64, 1, ((1, True),)),
    "full length": Workload(64, 0.0, 64, 64, 8, _FASTEST_FIRST),
    "mixed lengths": Workload(24, 0.7, 8, 64, 16, _FASTEST_FIRST),
}


# The device


def choose_device(self_test: bool) -> torch.device:
    """Return the first GPU, or the processor for the self-test.

    Raises:
        Absent: torch sees no GPU.
    """
    if self_test:
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise Absent(f"torch {torch.__version__} sees no GPU; install its CUDA build")
    return torch.device("cuda", 0)


def waiting(device: torch.device) -> Callable[[], None]:
    """Return a function that waits for the device to come to the end of its work."""
    return torch.cuda.synchronize if device.type == "cuda" else lambda: None


def measure_peak(device: torch.device) -> float:
    """Return the FLOP/s of large bf16 matrix products on this device, the best of a few tries."""
    size, times = (8192, 20) if device.type == "cuda" else (512, 5)
    wait = waiting(device)
    one, other = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(5):
        wait()
        began = time.perf_counter()
        for _ in range(times):
            one @ other
        wait()
        best = max(best, times * 2 * size**3 / (time.perf_counter() - began))
    return best


@dataclass
class Readings:
    """What the driver said of the card meanwhile."""

    memory_before_bytes: int | None = None
    memory_bytes: list[int] = field(default_factory=list)
    watts: list[float] = field(default_factory=list)
    use_percent: list[float] = field(default_factory=list)

    def read(self) -> None:
        cards = read_gpus()
        if not cards:
            return
        self.memory_bytes.append(cards[0].memory_used_bytes)
        if cards[0].power_watts is not None:
            self.watts.append(cards[0].power_watts)
        if cards[0].utilization_percent is not None:
            self.use_percent.append(cards[0].utilization_percent)

    def result(self) -> dict[str, float | None]:
        before = self.memory_before_bytes
        return {
            "driver_memory_bytes": max(self.memory_bytes) - before
            if self.memory_bytes and before is not None
            else None,
            "watts": sum(self.watts) / len(self.watts) if self.watts else None,
            "use_percent": sum(self.use_percent) / len(self.use_percent) if self.use_percent else None,
        }


@contextmanager
def sampled(memory_before_bytes: int | None) -> Iterator[Readings]:
    """Take readings of the first card until the block ends."""
    readings = Readings(memory_before_bytes)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S):
            readings.read()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield readings
        readings.read()
    finally:
        done.set()
        thread.join()


# The base


def make_base(sizes: LlamaShape, kind: str, device: torch.device, attention: str = "sdpa") -> Any:
    """Return a frozen base in bf16 or NF4, loaded as from files, with random weights that take little host memory.

    All large weights are views of one pool of random numbers, so a base of 7B needs no 14 GB beside the card.
    """
    config = llama_config(sizes)
    with torch.device("meta"):
        empty = LlamaForCausalLM(config)
    torch.manual_seed(SEED)
    largest = max(one.numel() for one in empty.parameters())
    pool = torch.randn(largest, dtype=torch.bfloat16).mul_(config.initializer_range)
    state = {
        name: torch.ones(one.shape, dtype=torch.bfloat16) if one.dim() == 1 else pool[: one.numel()].view(one.shape)
        for name, one in empty.named_parameters()
    }
    options: dict[str, Any] = {"device_map": {"": 0 if device.type == "cuda" else "cpu"}, "dtype": torch.bfloat16}
    if kind == "nf4":
        options["quantization_config"] = _nf4(device)
    model = LlamaForCausalLM.from_pretrained(
        None, config=config, state_dict=state, attn_implementation=attention, **options
    )
    model.eval().requires_grad_(False)
    return model


def _nf4(device: torch.device) -> Any:
    """Return the quantisation that core.model.loading asks for."""
    try:
        import bitsandbytes.nn.modules
    except ImportError as error:
        raise Absent(f"{error.name} is not installed") from error
    from transformers import BitsAndBytesConfig

    if device.type == "cpu":  # with this on, no gradient is right after the first pass
        bitsandbytes.nn.modules.has_avx512bf16 = lambda: False
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def count_flops_per_token(sizes: LlamaShape, examples: Sequence[Encoded], rank: int = training_ours.RANK) -> float:
    """Return the arithmetic that LoRA training of these examples needs for each token, however it is done.

    Frozen products twice forward and twice back, the adapter six times, the output layer at supervised positions only,
    causal attention 2 forward and 5 back for each pair of tokens and each column. What is computed anew for gradient
    checkpointing is not counted, nor is padding.
    """
    size = sizes.hidden // sizes.heads
    key_value = sizes.key_value_heads * size
    products = (
        (sizes.hidden, sizes.hidden),
        (sizes.hidden, key_value),
        (sizes.hidden, key_value),
        (sizes.hidden, sizes.hidden),
        (sizes.hidden, sizes.intermediate),
        (sizes.hidden, sizes.intermediate),
        (sizes.intermediate, sizes.hidden),
    )
    frozen = sizes.layers * sum(inputs * outputs for inputs, outputs in products)
    adapter = sizes.layers * rank * sum(inputs + outputs for inputs, outputs in products)
    lengths = [len(example.ids) for example in examples]
    tokens = sum(lengths)
    supervised = sum(example.supervised for example in examples) / tokens
    pairs = sum(length**2 for length in lengths) / tokens
    return (
        4.0 * frozen
        + 6.0 * adapter
        + supervised * 4.0 * sizes.vocabulary * sizes.hidden
        + 7.0 * pairs * sizes.hidden * sizes.layers
    )


# One arm


def run(
    arm: str,
    sizes: LlamaShape,
    kind: str,
    device: torch.device,
    workloads: dict[str, Workload],
    steps: int,
    warm_up: int,
) -> dict[str, Any]:
    """Train on every workload and return what each took; one that does not fit says so."""
    cards = read_gpus() if device.type == "cuda" else []
    before = cards[0].memory_used_bytes if cards else None
    found: dict[str, Any] = {}
    for name, workload in workloads.items():
        task = Task("", SEED, steps, warm_up, workload.per_step)
        count = workload.per_step * (steps + warm_up) * (8 if workload.spread else 1)
        examples = make_examples(
            sizes.vocabulary, count, SEED, workload.median, workload.spread, workload.least, workload.most
        )
        found[name] = {"failed": "does not fit the memory"}
        for batch_size, checkpointing in workload.attempts:
            outcome = _attempt(arm, sizes, kind, device, task, examples, batch_size, checkpointing, before)
            gc.collect()
            if device.type == "cuda":
                torch.cuda.empty_cache()
            if outcome is not None:
                flops = count_flops_per_token(sizes, examples)
                found[name] = outcome | {"flops_per_second": outcome["tokens_per_second"] * flops}
                break
    return found


def _attempt(
    arm: str,
    sizes: LlamaShape,
    kind: str,
    device: torch.device,
    task: Task,
    examples: Sequence[Encoded],
    batch_size: int,
    checkpointing: bool,
    memory_before_bytes: int | None,
) -> dict[str, Any] | None:
    """Return what the task took with this batch size, or None when it does not fit the memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    train = _train_ours if arm == "ours" else _train_rival
    try:
        with sampled(memory_before_bytes) as readings:
            watch, engine = train(arm, sizes, kind, device, task, examples, batch_size, checkpointing)
    except (torch.OutOfMemoryError, Halved):
        return None
    outcome = watch.result(task.warm_up) | readings.result()
    outcome |= {"engine": engine, "batch_size": batch_size, "checkpointing": checkpointing}
    if device.type == "cuda":
        outcome["allocated_bytes"] = torch.cuda.max_memory_allocated()
        outcome["reserved_bytes"] = torch.cuda.max_memory_reserved()
    return outcome


def _train_ours(
    _: str,
    sizes: LlamaShape,
    kind: str,
    device: torch.device,
    task: Task,
    examples: Sequence[Encoded],
    batch_size: int,
    checkpointing: bool,
) -> tuple[Watch, str]:
    """Train as core.training.worker does."""
    loaded = as_loaded(make_base(sizes, kind, device), device, "bf16")
    config = configure(
        task,
        batch_size=batch_size,
        accumulation_steps=task.examples_per_step // batch_size,
        gradient_checkpointing=checkpointing,
        max_length=2048,
    )
    model = add_adapter(loaded.model, config)
    if checkpointing:
        loaded.model.gradient_checkpointing_enable({"use_reentrant": False})
    if device.type == "cuda":
        engine = engine_choice.make(engine_choice.choose(model, loaded, "auto", 1e18), model, loaded)
    else:  # the self-test is about the way that GPUs take
        engine = make_engine(model, device, loaded.chat.pad_id)
    watch = run_loop(model, engine, config, arrange(task, examples, config), device, waiting(device))
    return watch, engine.name


def _train_rival(
    arm: str,
    sizes: LlamaShape,
    kind: str,
    device: torch.device,
    task: Task,
    examples: Sequence[Encoded],
    batch_size: int,
    checkpointing: bool,
) -> tuple[Watch, str]:
    options = {
        "bf16": True,
        "gradient_checkpointing": checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "train_sampling_strategy": "group_by_length",
    }
    if arm == "trl":
        options["max_length"] = None
    setting = Rival(trl=arm == "trl", batch_size=batch_size, options=options)
    training_rivals.check_installed(setting)
    attention = "flash_attention_2" if device.type == "cuda" and find_version("flash-attn") else "sdpa"
    model = make_base(sizes, kind, device, attention)
    made, watch, _ = training_rivals.run_trainer(
        setting, task, model, examples, on_cpu=device.type == "cpu", wait=waiting(device)
    )
    return watch, f"{type(made).__mro__[1].__name__}, {attention}"
