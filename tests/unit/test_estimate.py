"""What a job will take: counted from its shape, then corrected by what this machine's jobs really took."""

from dataclasses import replace
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from core.catalog.bases import Shape
from core.hardware.readings import Machine
from core.model.adapter import add_adapter, trainable
from core.store.measurements import Measurement
from core.training import estimate
from core.training.configuration import TrainingConfig
from core.training.estimate import Workload

GB = 1e9
SEVEN_B = Shape(
    model_type="llama",
    parameters=6_738_000_000,
    hidden=4096,
    intermediate=11008,
    layers=32,
    heads=32,
    key_value_heads=32,
    head_dim=128,
    vocabulary=32000,
    context=4096,
    weight_bytes=13_476_000_000,
    has_chat_template=True,
)
WORK = Workload(tokens=100_000, supervised_tokens=40_000, longest=900, examples=400, steps=75, benchmark_items=60)
CPU = Machine("a processor", 2, 16_000_000_000, (), ())
CARD = Machine("a processor", 8, 64_000_000_000, ("NVIDIA GeForce RTX 4090",), (24_000_000_000,))


def lesson(job: str = "a", *, seconds: float, predicted: float, counted: float = 50.0, **changes: Any) -> Measurement:
    fields: dict[str, Any] = {
        "job": job,
        "machine": CPU.key,
        "base_fingerprint": "base",
        "features": {"counted_seconds": counted, "counted_memory_bytes": 1e9},
        "predicted": {"seconds": predicted},
        "measured": {"seconds": seconds, "memory_bytes": 2e9, "joules": None},
    }
    return Measurement(**fields | changes)


def estimated(past: list[Measurement], machine: Machine = CPU, **fields: Any) -> estimate.Estimate:
    return estimate.estimate(SEVEN_B, TrainingConfig(**fields), WORK, machine, "base", past)


# Counted


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "v_proj"), ("o_proj",), ("gate_proj", "down_proj")])
def test_the_adapter_has_as_many_weights_as_counted(targets: Any) -> None:
    config = TrainingConfig(rank=3, target_modules=targets)
    base = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=11,
            hidden_size=24,
            intermediate_size=40,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
        )
    )
    shape = replace(
        SEVEN_B, hidden=24, intermediate=40, layers=2, heads=4, key_value_heads=2, head_dim=8, vocabulary=11
    )
    real = sum(weight.numel() for weight in trainable(add_adapter(base, config)))
    assert estimate.count_adapter_parameters(shape, config) == real


def test_a_training_token_costs_four_operations_a_frozen_weight_and_six_a_trained_one() -> None:
    config = TrainingConfig(rank=8)
    embedding = SEVEN_B.vocabulary * SEVEN_B.hidden
    adapter = estimate.count_adapter_parameters(SEVEN_B, config)
    blocks = SEVEN_B.parameters - embedding
    assert estimate.count_step_flops(SEVEN_B, config, 0.0) == 4 * blocks + 6 * adapter
    assert estimate.count_step_flops(SEVEN_B, config, 1.0) == 4 * blocks + 6 * adapter + 4 * embedding
    twice = TrainingConfig(rank=8, gradient_checkpointing=True)
    assert estimate.count_step_flops(SEVEN_B, twice, 0.0) == 6 * blocks + 6 * adapter


def memory(on_gpu: bool = True, **fields: Any) -> float:
    return estimate.count_memory(SEVEN_B, TrainingConfig(**fields), WORK, on_gpu)


def test_memory_holds_the_base_in_its_number_format() -> None:
    assert 13 * GB < memory(batch_size=1) < 20 * GB
    assert memory(on_gpu=False, batch_size=1) > 26 * GB
    assert memory(quantization="4bit") < memory(quantization="8bit") < memory()
    assert memory(quantization="4bit", gradient_checkpointing=True) < 8 * GB


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"batch_size": 1}, {"batch_size": 16}),
        ({"rank": 8}, {"rank": 256}),
        ({"gradient_checkpointing": True}, {"gradient_checkpointing": False}),
        ({"optimizer": "adamw_8bit"}, {"optimizer": "adamw"}),
        ({"max_length": 128}, {"max_length": 512}),
        ({"packing": False, "max_length": 1024}, {"packing": True, "max_length": 1024}),
    ],
)
def test_what_takes_more_memory_is_said_to(less: dict[str, Any], more: dict[str, Any]) -> None:
    assert memory(**less) < memory(**more)


@pytest.mark.parametrize(
    ("name", "faster_than"),
    [
        ("NVIDIA H100 80GB HBM3", "NVIDIA A100-SXM4-80GB"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A10"),
        ("NVIDIA GeForce RTX 4090", "Tesla T4"),
        ("NVIDIA A10G", "Some Card Of Next Year"),
    ],
)
def test_cards_are_known_by_their_names(name: str, faster_than: str) -> None:
    fast, slow = (estimate.machine_flops(replace(CARD, gpus=(one,))) for one in (name, faster_than))
    assert fast > slow


def test_a_card_is_not_taken_for_another_whose_name_begins_alike() -> None:
    unknown = estimate.machine_flops(replace(CARD, gpus=("Some Card Of Next Year",)))
    for name in ("NVIDIA RTX A1000", "NVIDIA T400", "NVIDIA T4000"):
        assert estimate.machine_flops(replace(CARD, gpus=(name,))) == unknown


def test_time_grows_with_the_tokens_that_are_really_trained_on() -> None:
    once, twice = estimated([], epochs=1), estimated([], epochs=2)
    assert twice.tokens == pytest.approx(min(2, WORK.steps / 25) * WORK.tokens)
    assert twice.seconds > once.seconds
    assert once.tokens == WORK.tokens
    assert estimated([], epochs=1000).tokens == pytest.approx(3 * WORK.tokens)  # 75 steps are three epochs


def test_a_faster_machine_takes_less_time() -> None:
    assert estimated([], CARD).seconds < estimated([]).seconds


# Learned


def test_without_past_jobs_nothing_is_claimed_about_the_error() -> None:
    first = estimated([])
    assert (first.jobs, first.typical_error, first.joules) == (0, None, None)


def test_past_jobs_correct_time_and_memory_by_the_median_of_how_far_the_count_was_off() -> None:
    plain = estimated([])
    past = [lesson(seconds=100, predicted=90), lesson(seconds=150, predicted=100), lesson(seconds=5000, predicted=99)]
    learned = estimated(past)
    assert learned.seconds == pytest.approx(3 * plain.seconds)  # 100/50, 150/50 and 5000/50
    assert learned.memory_bytes == pytest.approx(2 * plain.memory_bytes)
    assert learned.jobs == 3


def test_jobs_on_the_same_base_teach_more_than_others() -> None:
    past = [lesson(seconds=500, predicted=1, base_fingerprint="other")] * 5 + [lesson(seconds=100, predicted=100)]
    learned = estimated(past)
    assert learned.jobs == 1
    assert learned.seconds == pytest.approx(2 * estimated([]).seconds)


def test_the_typical_error_is_that_of_past_predictions() -> None:
    past = [lesson(seconds=100, predicted=110), lesson(seconds=100, predicted=80), lesson(seconds=100, predicted=130)]
    assert estimated(past).typical_error == pytest.approx(0.2)


def test_energy_is_the_measured_power_over_the_expected_time() -> None:
    past = [
        lesson(seconds=50, predicted=50, measured={"seconds": 50.0, "memory_bytes": 1e9, "joules": 5000.0}),
        lesson(seconds=50, predicted=50),
    ]
    learned = estimated(past)
    assert learned.joules == pytest.approx(100 * learned.seconds)


def test_what_is_stored_beside_a_job_is_the_count_without_any_lesson() -> None:
    counted = estimate.counted(SEVEN_B, TrainingConfig(), WORK, CPU)
    plain = estimated([])
    assert counted == {"counted_seconds": plain.seconds, "counted_memory_bytes": plain.memory_bytes}


def test_a_job_wants_room_for_two_checkpoints_and_a_gigabyte() -> None:
    config = TrainingConfig(rank=8)
    two = 2 * 12 * estimate.count_adapter_parameters(SEVEN_B, config)  # weights and both moments, four bytes each
    assert estimate.count_spare_disk(SEVEN_B, config) == two + 1e9
    assert estimate.count_spare_disk(None, config) == 1e9
