"""Useful tokens per second of LoRA training on a processor, and whether the result is the same: Atelier and TRL.

    python -m benchmarks.training                      everything: speed and parity
    python -m benchmarks.training --quick              the starter only, two repeats, first losses
    python -m benchmarks.training --speed --shapes 15m --repeats 5
    python -m benchmarks.training --speed --arms ours trainer-tuned
    python -m benchmarks.training --parity

Needs the `bench` extra (trl); without it the rivals are reported as absent. See benchmarks/README.md for the columns.
"""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import arms
from core.cli.output import print_table

OURS = ("ours", "ours-plain", "ours-fp32", "ours-bf16")
PEERS = ("trl-default", "trl-default-malloc", "trl-tuned", "trainer-tuned")
ARMS = ("ours", "trl-default", "trl-tuned")
TUNED = ("trl-tuned", "trainer-tuned")
WITHOUT_MALLOC = ("trl-default",)
# Steps that are measured, steps before them, examples of a step: so that all of it takes less than twenty minutes.
SIZES = {"15m": (4, 1, 8), "135m": (2, 1, 8), "starter": (6, 2, 16)}
PARITY_ARMS = ("ours", "trl-exact")
PARITY_SEEDS = (1, 2, 3)
PARITY_RATE = 1e-3  # high, so that a few steps lead far away from where all arms begin
HELD_OUT = 128
FIRST_LOSS_TOLERANCE = 1e-4
MODULE = "benchmarks.training"


def main() -> None:
    chosen = parse(sys.argv[1:])
    if chosen.arm:
        run_one(chosen)
        return
    with arms.machine_held():
        machine = arms.describe_machine()
        arms.print_machine(machine)
        found: dict[str, Any] = {"benchmark": "training", "machine": machine, "settings": settings(chosen)}
        if not chosen.parity:
            found["speed"] = measure_speed(chosen)
        if not chosen.speed:
            found["parity"] = measure_parity(chosen)
        found["machine"]["load_average_after"] = arms.describe_machine()["load_average"]
        arms.save(chosen.json or arms.result_path("training", chosen.quick), found)
    if "parity" in found and any(one["holds"] is False for one in found["parity"]["claims"]):
        raise SystemExit(1)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.partition("\n")[0])
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--speed", action="store_true", help="measure the speed only")
    only.add_argument("--parity", action="store_true", help="check only that the results are the same")
    parser.add_argument("--quick", action="store_true", help="the starter only, two repeats, no eval losses")
    parser.add_argument("--shapes", nargs="+", choices=tuple(SIZES))
    parser.add_argument("--arms", nargs="+", choices=(*OURS, *PEERS), default=list(ARMS))
    parser.add_argument("--steps", type=int, help="measured steps of each run; by default what suits the shape")
    parser.add_argument("--warm-up", type=int, help="steps before them that are not measured")
    parser.add_argument("--repeats", type=int, help="runs of each arm, forwards and backwards in turn; by default 3")
    parser.add_argument("--examples", type=int, default=1024, help="examples of the epoch that the steps stand for")
    parser.add_argument("--parity-steps", type=int, default=20, help="steps before the eval losses are compared")
    parser.add_argument("--threads", type=int, default=0, help="threads of torch; by default as torch chooses")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--arm", choices=(*OURS, *PEERS, "trl-exact"), help=argparse.SUPPRESS)
    parser.add_argument("--tune", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--candidate", default="", help=argparse.SUPPRESS)
    parser.add_argument("--per-step", type=int, default=16, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=2e-4, help=argparse.SUPPRESS)
    parser.add_argument("--in-order", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--held-out", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    chosen.shapes = chosen.shapes or (["starter"] if chosen.quick else list(SIZES))
    chosen.repeats = chosen.repeats or (2 if chosen.quick else 3)
    return chosen


def settings(chosen: argparse.Namespace) -> dict[str, Any]:
    names = ("shapes", "arms", "repeats", "examples", "parity_steps", "threads", "quick")
    return {name: getattr(chosen, name) for name in names}


# One arm, in its own process


def run_one(chosen: argparse.Namespace) -> None:
    with arms.speaking() as tell:
        import resource

        import torch

        from benchmarks import training_ours, training_rivals
        from benchmarks.training_task import Task
        from benchmarks.workload import examples_for

        if chosen.threads:
            torch.set_num_threads(chosen.threads)
        task = Task(
            shape=chosen.shapes[0],
            seed=chosen.seed,
            steps=chosen.steps,
            warm_up=chosen.warm_up,
            examples_per_step=chosen.per_step,
            learning_rate=chosen.rate,
            in_order=chosen.in_order,
            held_out=chosen.held_out,
        )
        examples = examples_for(task.shape, chosen.examples)
        if chosen.tune:
            tell(training_rivals.tune(chosen.arm, task, examples))
            return
        if chosen.arm in OURS:
            outcome = training_ours.train(chosen.arm, task, examples)
        else:
            outcome = training_rivals.train(training_rivals.find_setting(chosen.arm, chosen.candidate), task, examples)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        tell(outcome | {"task": asdict(task), "threads": torch.get_num_threads(), "peak_memory_bytes": peak})


def start(arm: str, shape: str, chosen: argparse.Namespace, seed: int, **more: Any) -> dict[str, Any]:
    """Run one arm with the variables that belong to it, on the processor even where there is a GPU."""
    variables = arms.plain_environment() if arm in WITHOUT_MALLOC else arms.tuned_environment()
    values = {"arm": arm, "shapes": shape, "seed": seed, "threads": chosen.threads, "examples": chosen.examples} | more
    arguments = [
        part
        for name, value in values.items()
        for part in ([f"--{name}".replace("_", "-")] if value is True else [f"--{name}".replace("_", "-"), str(value)])
    ]
    outcome = arms.run_arm(MODULE, arguments, variables | {"CUDA_VISIBLE_DEVICES": ""})
    arms.note(f"{shape} {arm} seed {seed}", outcome)
    return {"arm": arm, "shape": shape, "seed": seed} | outcome


# Speed


def measure_speed(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Run every arm on every shape and print a table for each shape."""
    runs: list[dict[str, Any]] = []
    for shape in chosen.shapes:
        steps, warm_up, per_step = SIZES[shape]
        sizes = {
            "steps": chosen.steps or steps,
            "warm_up": warm_up if chosen.warm_up is None else chosen.warm_up,
            "per_step": per_step,
        }
        tuned = {arm: start(arm, shape, chosen, 0, tune=True, **sizes) for arm in chosen.arms if arm in TUNED}
        own: list[dict[str, Any]] = []
        for repeat, arm in arms.abba(chosen.arms, chosen.repeats):
            more = sizes | ({"candidate": tuned[arm].get("best", "")} if arm in tuned else {})
            own.append({"repeat": repeat, "candidate": more.get("candidate", "")})
            own[-1] |= start(arm, shape, chosen, repeat, **more)
        print_speed(shape, own, chosen, sizes, tuned)
        runs += [{"tuning": arm} | outcome for arm, outcome in tuned.items()] + own
    return runs


def print_speed(
    shape: str,
    runs: Sequence[Mapping[str, Any]],
    chosen: argparse.Namespace,
    sizes: Mapping[str, int],
    tuned: Mapping[str, Mapping[str, Any]],
) -> None:
    print(f"{shape}: useful tokens per second, median (least..most) of {chosen.repeats} runs of {sizes['steps']} steps "
          f"of {sizes['per_step']} examples; the first {sizes['warm_up']} left out")  # fmt: skip
    ours = _by_repeat(runs, "ours", "tokens_per_second")
    rows = []
    for arm in chosen.arms:
        own = [run for run in runs if run["arm"] == arm and "seconds" in run]
        if not own:
            told = next((run for run in runs if run["arm"] == arm), {})
            rows.append((arm, told.get("absent") or told.get("failed") or "not run", "", "", "", "", ""))
            continue
        rows.append((
            arm,
            arms.spread([run["tokens_per_second"] for run in own]),
            arms.spread([run["tokens_per_process_second"] for run in own]),
            arms.spread(arms.ratios(ours, _by_repeat(runs, arm, "tokens_per_second")), 2, "x"),
            arms.spread([run["first_step_seconds"] for run in own], 1),
            f"{max(run['peak_memory_bytes'] for run in own) / 1e9:.2f}",
            own[0]["threads"],
        ))  # fmt: skip
    columns = ("arm", "tokens/s", "tokens/processor s", "ours is faster", "first step s", "memory GB", "threads")
    print_table(columns, rows)
    engines = {run["engine"] for run in runs if run["arm"] == "ours" and "engine" in run}
    print(f"  ours: {', '.join(sorted(engines)) or 'not measured'}")
    for arm, outcome in tuned.items():
        if "speeds" in outcome:
            tried = ", ".join(f"{name} {speed:,.0f}" for name, speed in outcome["speeds"].items())
            print(f"  {arm}: {outcome['best']} (tried: {tried})")
        else:
            print(f"  {arm}: not tuned, {_why_not(outcome)}; its first setting is taken")
    for run in runs:
        if "failed" in run:
            print(f"  {run['arm']}, repeat {run['repeat']}, FAILED and is left out: {run['failed']}")
    print()


def _by_repeat(runs: Sequence[Mapping[str, Any]], arm: str, key: str) -> dict[int, float]:
    return {run["repeat"]: run[key] for run in runs if run["arm"] == arm and key in run}


# Parity


def measure_parity(chosen: argparse.Namespace) -> dict[str, Any]:
    """Check that ours computes what TRL computes: the first losses on each shape, then the loss after many steps."""
    found: dict[str, Any] = {"claims": [], "runs": []}
    for shape in chosen.shapes:
        check_first_losses(shape, chosen, found)
    if "starter" in chosen.shapes and not chosen.quick:
        check_final_losses(chosen, found)
    for claim in found["claims"]:
        print(f"{_word(claim)}: {claim['claim']}\n     found {claim['found']}")
    return found


def _word(claim: Mapping[str, Any]) -> str:
    return "not checked" if claim["holds"] is None else "holds" if claim["holds"] else "FAILS"


def check_first_losses(shape: str, chosen: argparse.Namespace, found: dict[str, Any]) -> None:
    """Both in fp32, same base, same fresh adapter, same batches: the losses of the first three steps must agree.

    The loss of the first step shows the forward pass; those of the second and third show gradients and update, since
    a fresh adapter changes nothing until it has been updated.
    """
    more = {"in_order": True, "steps": 3, "warm_up": 0, "per_step": 8, "rate": PARITY_RATE, "examples": 64}
    ours, theirs = (start(arm, shape, chosen, 1, **more) for arm in ("ours-fp32", "trl-exact"))
    found["runs"] += [ours, theirs]
    claim = f"{shape}, fp32: the loss of the first step differs by at most {FIRST_LOSS_TOLERANCE:g}"
    if "losses" not in ours or "losses" not in theirs:
        found["claims"].append({"claim": claim, "found": _why_not(ours, theirs), "holds": None})
        return
    apart = [abs(one - other) for one, other in zip(ours["losses"], theirs["losses"], strict=True)]
    same = abs(ours["fresh_adapter"] - theirs["fresh_adapter"]) < 1e-6 * ours["fresh_adapter"]
    text = f"{apart[0]:.1e}; steps 2 and 3 {apart[1]:.1e} {apart[2]:.1e}; adapters {'equal' if same else 'DIFFER'}"
    holds = apart[0] <= FIRST_LOSS_TOLERANCE and same
    found["claims"].append({"claim": claim, "found": text, "apart": apart, "holds": holds})


def check_final_losses(chosen: argparse.Namespace, found: dict[str, Any]) -> None:
    """Train the starter on finance examples by each arm with three seeds of the adapter, in the same order.

    Ours, in the number format that a job uses, may end as far from TRL in fp32 with the same seed as TRL's own ends lie
    apart from seed to seed (their standard deviation), no more. The eval loss is measured on the same held-out examples
    by transformers' own forward pass for all.
    """
    steps = chosen.parity_steps
    more = {"in_order": True, "steps": steps, "warm_up": 0, "rate": PARITY_RATE, "held_out": HELD_OUT}
    ends: dict[str, list[float]] = {arm: [0.0] * len(PARITY_SEEDS) for arm in PARITY_ARMS}
    for repeat, arm in arms.abba(PARITY_ARMS, len(PARITY_SEEDS)):
        outcome = start(arm, "starter", chosen, PARITY_SEEDS[repeat], **more)
        found["runs"].append(outcome)
        ends[arm][repeat] = outcome.get("eval_loss") or 0.0
    claim = f"starter: the eval loss after {steps} steps lies within one standard deviation of TRL's over seeds"
    ours, theirs = (ends[arm] for arm in PARITY_ARMS)
    if not all((*ours, *theirs)):
        found["claims"].append({"claim": claim, "found": _why_not(*found["runs"]), "holds": None})
        return
    width = statistics.stdev(theirs)
    largest = max(abs(one - other) for one, other in zip(ours, theirs, strict=True))
    mean = statistics.mean(theirs)
    text = f"{largest:.1e} at most, with the same seed; TRL's deviation {width:.5f}, its mean {mean:.4f}"
    found["claims"].append(
        {"claim": claim, "found": text, "ours": ours, "theirs": theirs, "spread": width, "holds": largest <= width}
    )


def _why_not(*runs: Mapping[str, Any]) -> str:
    return next((str(run[key]) for run in runs for key in ("absent", "failed") if key in run), "no result")


if __name__ == "__main__":
    main()
