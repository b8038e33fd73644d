"""Training on one NVIDIA GPU: tokens per second, share of the card's peak, memory; Atelier, Trainer + PEFT, and TRL.

    python -m benchmarks.gpu                           1.1B, 3B and 7B in bf16 and NF4, three repeats
    python -m benchmarks.gpu --quick                   one repeat
    python -m benchmarks.gpu --shapes 7b --formats nf4
    python -m benchmarks.gpu --self-test               the same code on the processor, with tiny shapes

Weights are random, so nothing is downloaded. Without a GPU it says so and ends with 2. TRL takes part where it is
installed. See benchmarks/README.md for the columns.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import arms
from benchmarks.workload import LlamaShape
from core.cli.output import print_table, say
from core.hardware.readings import read_machine
from core.process import environment

ARMS = ("ours", "trainer", "trl")
FORMATS = ("bf16", "nf4")
SHAPES = {
    "1.1b": LlamaShape(32_000, 2_048, 5_632, 22, 32, 4, tied=False),  # TinyLlama's sizes
    "3b": LlamaShape(128_256, 3_072, 8_192, 28, 24, 8),  # Llama 3.2's
    "7b": LlamaShape(32_000, 4_096, 14_336, 32, 32, 8, tied=False),  # Mistral's
}
TINY_SHAPES = {"tiny": LlamaShape(512, 64, 128, 2, 4, 2, tied=False)}
# Dense bf16 products with fp32 sums, FLOP/s, as the makers state them; the first name that fits counts.
PEAKS = {
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "GH200": 989e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "A40": 150e12,
    "A10G": 70e12,
    "A10": 125e12,
    "RTX 6000 Ada": 364e12,
    "RTX A6000": 155e12,
    "RTX 5090": 209e12,
    "RTX 4090": 165e12,
    "RTX 4080": 97e12,
    "RTX 4070 Ti": 80e12,
    "RTX 4070": 58e12,
    "RTX 4060 Ti": 44e12,
    "RTX 4060": 30e12,
    "RTX 3090": 71e12,
    "RTX 3080": 60e12,
    "RTX 3060": 25e12,
}
TARGET_BYTES = 8 * 2**30
MODULE = "benchmarks.gpu"


def main() -> None:
    chosen = parse(sys.argv[1:])
    if chosen.arm or chosen.probe:
        run_one(chosen)
        return
    if not chosen.self_test and not read_machine().gpus:
        say("There is no NVIDIA GPU on this machine; `--self-test` runs the same code on the processor.")
        raise SystemExit(2)
    with arms.machine_held():
        machine = arms.describe_machine()
        arms.print_machine(machine)
        device = start(chosen, "--probe")
        if "peak_flops" not in device:
            say(f"Nothing can be measured: {device.get('absent') or device.get('failed')}.")
            raise SystemExit(2)
        device["stated_peak_flops"] = find_peak(device["name"])
        runs = measure(chosen)
        report(runs, device, chosen)
        found = {"benchmark": "gpu", "machine": machine, "device": device, "runs": runs}
        arms.save(chosen.json or arms.result_path("gpu", chosen.quick or chosen.self_test), found)
    if chosen.self_test and any("failed" in run for run in runs):
        raise SystemExit(1)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one repeat")
    parser.add_argument("--self-test", action="store_true", help="tiny shapes on the processor, to try the code")
    parser.add_argument("--shapes", nargs="+", choices=(*SHAPES, *TINY_SHAPES))
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--steps", type=int, default=4, help="measured steps of each run")
    parser.add_argument("--warm-up", type=int, default=2, help="steps before them that are not measured")
    parser.add_argument("--repeats", type=int, help="runs of each arm, forwards and backwards in turn; by default 3")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    chosen.shapes = chosen.shapes or list(TINY_SHAPES if chosen.self_test else SHAPES)
    chosen.repeats = chosen.repeats or (1 if chosen.quick or chosen.self_test else 3)
    return chosen


def find_peak(card: str) -> float | None:
    """Return the peak that the maker states for a card, or None for one that is not in the table."""
    return next((peak for name, peak in PEAKS.items() if name in card), None)


# One arm, in its own process


def run_one(chosen: argparse.Namespace) -> None:
    with arms.speaking() as tell:
        import torch

        from benchmarks import gpu_arms

        device = gpu_arms.choose_device(chosen.self_test)
        if chosen.probe:
            name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
            memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
            tell({
                "name": name,
                "memory_bytes": memory,
                "cuda": torch.version.cuda,
                "peak_flops": gpu_arms.measure_peak(device),
            })  # fmt: skip
            return
        sizes = (SHAPES | TINY_SHAPES)[chosen.shapes[0]]
        workloads = gpu_arms.SMALL_WORKLOADS if chosen.self_test else gpu_arms.WORKLOADS
        tell(gpu_arms.run(chosen.arm, sizes, chosen.formats[0], device, workloads, chosen.steps, chosen.warm_up))


def start(chosen: argparse.Namespace, *arguments: str) -> dict[str, Any]:
    """Run one arm as a worker on the first card would run, numbered as the driver numbers it."""
    device = "cpu" if chosen.self_test else "cuda:0"
    variables = environment.for_worker(device) | arms.OFFLINE | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return arms.run_arm(MODULE, [*arguments, *(["--self-test"] if chosen.self_test else [])], variables)


def measure(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    runs = []
    for shape in chosen.shapes:
        for kind in chosen.formats:
            for repeat, arm in arms.abba(chosen.arms, chosen.repeats):
                sizes = ["--steps", str(chosen.steps), "--warm-up", str(chosen.warm_up)]
                outcome = start(chosen, "--arm", arm, "--shapes", shape, "--formats", kind, *sizes)
                arms.note(f"{shape} {kind} {arm} {repeat}", outcome)
                runs.append({"shape": shape, "format": kind, "arm": arm, "repeat": repeat} | outcome)
    return runs


# The tables


def report(runs: Sequence[Mapping[str, Any]], device: Mapping[str, Any], chosen: argparse.Namespace) -> None:
    stated = device["stated_peak_flops"]
    told = f"{stated / 1e12:,.0f} TFLOP/s stated" if stated else "no stated peak known"
    print(f"{device['name']}: bf16 products {device['peak_flops'] / 1e12:,.2f} TFLOP/s measured, {told}")
    print(f"Median (least..most) of {chosen.repeats} runs of {chosen.steps} steps; share of the "
          f"{'stated' if stated else 'measured'} peak\n")  # fmt: skip
    for workload in ("full length", "mixed lengths"):
        print(f"{workload}:")
        _print_speeds(workload, runs, stated or device["peak_flops"], chosen)
    print("least memory, one example of full length at a time, gradient checkpointing:")
    _print_memory(runs, chosen)


def _cells(runs: Sequence[Mapping[str, Any]], chosen: argparse.Namespace, workload: str) -> Any:
    """Yield (shape, format, arm, what the repeats gave, why there is nothing)."""
    for shape in chosen.shapes:
        for kind in chosen.formats:
            for arm in chosen.arms:
                mine = [run for run in runs if (run["shape"], run["format"], run["arm"]) == (shape, kind, arm)]
                done = [run[workload] | {"repeat": run["repeat"]} for run in mine if "tokens" in run.get(workload, {})]
                why = next(
                    (
                        str(one[key])
                        for run in mine
                        for one in (run, run.get(workload, {}))
                        for key in ("absent", "failed")
                        if key in one
                    ),
                    "not run",
                )
                yield shape, kind, arm, done, why


def _print_speeds(workload: str, runs: Sequence[Mapping[str, Any]], peak: float, chosen: argparse.Namespace) -> None:
    rows: list[tuple[object, ...]] = []
    ours: dict[tuple[str, str], dict[int, float]] = {}
    for shape, kind, arm, done, why in _cells(runs, chosen, workload):
        if not done:
            rows.append((f"{shape} {kind}", arm, why, "", "", "", "", ""))
            continue
        speeds = {one["repeat"]: one["tokens_per_second"] for one in done}
        if arm == "ours":
            ours[shape, kind] = speeds
        share = statistics.median(one["flops_per_second"] for one in done) / peak
        memory = max(one.get("allocated_bytes", 0) for one in done)
        watts = [one["tokens_per_second"] / one["watts"] for one in done if one["watts"]]
        rows.append((
            f"{shape} {kind}",
            arm,
            arms.spread(list(speeds.values())),
            arms.spread(arms.ratios(ours.get((shape, kind), {}), speeds), 2, "x"),
            f"{share:.1%}",
            f"{memory / 2**30:.1f}" if memory else "-",
            arms.spread(watts, 1),
            f"{done[0]['batch_size']}{', checkpointing' if done[0]['checkpointing'] else ''}",
        ))  # fmt: skip
    print_table(("base", "arm", "tokens/s", "ours is faster", "of peak", "GiB", "tokens/J", "batch"), rows)
    print()


def _print_memory(runs: Sequence[Mapping[str, Any]], chosen: argparse.Namespace) -> None:
    rows: list[tuple[object, ...]] = []
    for shape, kind, arm, done, why in _cells(runs, chosen, "least memory"):
        if not done:
            rows.append((f"{shape} {kind}", arm, why, "", "", ""))
            continue
        kinds = ("allocated_bytes", "reserved_bytes", "driver_memory_bytes")
        cells = [max((one.get(key) or 0) for one in done) for key in kinds]
        target = ""
        most = cells[-1] or cells[1]  # a driver that tells nothing leaves torch's own figure
        if (shape, kind, arm) == ("7b", "nf4", "ours") and most:
            target = f"8 GiB: {'met' if most <= TARGET_BYTES else 'MISSED'}"
        rows.append((f"{shape} {kind}", arm, *(f"{one / 2**30:.2f}" if one else "-" for one in cells), target))
    print_table(("base", "arm", "torch's tensors, GiB", "torch's pool, GiB", "driver, GiB", "target"), rows)
    print()


if __name__ == "__main__":
    main()
