"""How long one problem takes in the sandbox: the solutions of HumanEval and MBPP with their own tests.

    python -m benchmarks.sandbox                       all 1,138 problems
    python -m benchmarks.sandbox --quick               every twentieth

The clock runs from the call to its verdict, with a sandbox of its own for each problem. The sets lie beside the
project.
"""

import argparse
import gzip
import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import arms
from core.cli.output import print_table
from core.evaluation import sandbox
from core.evaluation.separation import separate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
EVERY = 20


def main() -> None:
    chosen = parse()
    if not DATA.is_dir():
        raise SystemExit(f"The problems are not there: {DATA} is missing. Put HumanEval and MBPP there.")
    with arms.machine_held():
        machine = arms.describe_machine()
        arms.print_machine(machine)
        found: dict[str, Any] = {"benchmark": "sandbox", "machine": machine}
        for name, problems in (("HumanEval", human_eval()), ("MBPP", mbpp())):
            found[name] = run(problems[:: EVERY if chosen.quick else 1])
        report(found)
        arms.save(chosen.json or arms.result_path("sandbox", chosen.quick), found)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sandbox", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"every {EVERY}th problem; keeps no result")
    parser.add_argument("--json", type=Path, help="write the result here")
    return parser.parse_args(sys.argv[1:])


def human_eval() -> list[tuple[str, str]]:
    """Return (solution, tests) of each problem."""
    lines = gzip.decompress((DATA / "humaneval/HumanEval.jsonl.gz").read_bytes()).splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        (one["prompt"] + one["canonical_solution"], f"{one['test']}\ncheck({one['entry_point']})\n") for one in rows
    ]


def mbpp() -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in (DATA / "mbpp/mbpp.jsonl").read_text("utf-8").splitlines()]
    return [(one["code"], "\n".join([one["test_setup_code"], *one["test_list"]])) for one in rows]


def run(problems: list[tuple[str, str]]) -> dict[str, Any]:
    told = [sandbox.run_tests(code, tests) for code, tests in problems]
    return {
        "problems": len(told),
        "passed": sum(one.passed for one in told),
        "in_one_process": sum(separate(tests).together for _, tests in problems),
        "seconds": [one.seconds for one in told],
    }


def report(found: dict[str, Any]) -> None:
    rows = []
    for name in ("HumanEval", "MBPP"):
        one, times = found[name], [1000 * seconds for seconds in found[name]["seconds"]]
        rows.append([
            name, f"{one['passed']} of {one['problems']}", str(one["in_one_process"]),
            arms.spread(times, 0, " ms"), f"{arms.percentile(times, 0.95):,.0f} ms",
        ])  # fmt: skip
    print_table(["set", "passed", "with their tests in one process", "time for a problem", "95 in 100 within"], rows)


if __name__ == "__main__":
    main()
