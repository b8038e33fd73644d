"""How fast data come in and are examined, and with how much memory.

    python -m benchmarks.data                     a million rows of JSONL, 2 GB of CSV, the data doctor on 20,000 rows
    python -m benchmarks.data --quick             a hundredth of it

Every part runs in a process of its own, so that its peak memory is its own. Files are made in a temporary folder; the
rows of the doctor are those of tests/traps.py, so recall and precision stand beside the speed.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import arms
from core.cli.output import print_table, say
from core.paths import PROJECT_DIR, Workspace

MODULE = "benchmarks.data"
TARGETS = {"seconds_per_million": 90.0, "memory_mb": 500.0, "rows_per_second": 10_000.0, "quality": 0.95}


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each part")
    parser.add_argument("--json", type=Path, help="write everything into this file instead of benchmarks/results")
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    scale = 0.01 if chosen.quick else 1.0
    if chosen.part:
        print(json.dumps(PARTS[chosen.part](chosen.folder, scale)))
        return
    with arms.machine_held(), tempfile.TemporaryDirectory(prefix="atelier-data-") as folder:
        machine = arms.describe_machine()
        arms.print_machine(machine)
        found: dict[str, Any] = {"benchmark": "data", "machine": machine, "parts": {}}
        for part in PARTS:
            runs = [run(part, folder, chosen.quick) for _ in range(1 if chosen.quick else chosen.repeats)]
            found["parts"][part] = runs
            say(f"{part}: {runs}")
        report(found)
        arms.save(chosen.json or arms.result_path("data", chosen.quick), found)


def run(part: str, folder: str, quick: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", MODULE, "--part", part, "--folder", folder, *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def import_jsonl(folder: Path, scale: float) -> dict[str, Any]:
    path = folder / "rows.jsonl"
    if not path.exists():
        chance = random.Random(5)
        words = [f"word{n}" for n in range(3000)]
        with path.open("w", encoding="utf-8") as stream:
            for n in range(int(1_000_000 * scale)):
                row = {"prompt": f"Question {n}: {' '.join(chance.choices(words, k=30))}",
                       "response": " ".join(chance.choices(words, k=12))}  # fmt: skip
                stream.write(json.dumps(row) + "\n")
    return _import(folder, path)


def import_csv(folder: Path, scale: float) -> dict[str, Any]:
    path = folder / "rows.csv"
    if not path.exists():
        chance = random.Random(6)
        text = " ".join(chance.choices([f"word{n}" for n in range(3000)], k=130))
        with path.open("w", encoding="utf-8") as stream:
            stream.write("id,question,answer\n")
            n = 0
            while stream.tell() < 2_000_000_000 * scale:
                n, start = n + 1, chance.randrange(300)
                stream.write(f'{n},"Question {n}, {text[start:]}","{text[start : start + 400]}"\n')
    return _import(folder, path)


def _import(folder: Path, path: Path) -> dict[str, Any]:
    from core.datasets import importing, preview

    with tempfile.TemporaryDirectory(dir=folder) as place:
        workspace = Workspace(Path(place)).create()
        began = time.perf_counter()
        found = preview.look_at(path)
        mapping = preview.choose_mapping(found, path, {})
        made = importing.import_file(workspace, path, found.form, mapping, name="rows")
        seconds = time.perf_counter() - began
    return {
        "rows": made.rows,
        "file_mb": path.stat().st_size / 1e6,
        "seconds": seconds,
        "seconds_per_million": 1e6 * seconds / made.rows,
        "memory_mb": peak_memory_mb(),
    }


def examine(folder: Path, scale: float) -> dict[str, Any]:
    from core.datasets.chat import read_chat_format
    from core.datasets.doctor import consultation, examination
    from core.paths import STARTER_DIR
    from tests import traps

    rows, truth = traps.make(max(2_000, int(20_000 * scale)), seed=11)
    guard, chat = consultation.benchmark_guard(Workspace(folder)), read_chat_format(STARTER_DIR)
    began = time.perf_counter()
    report = examination.examine(rows, guard=guard, chat=chat, max_length=traps.MAX_LENGTH)
    seconds = time.perf_counter() - began
    told = {finding.kind: set(finding.rows) for finding in report.findings}
    recall = {kind: len(told.get(kind, set()) & one["must"]) / len(one["must"]) for kind, one in truth.items()}
    precision = {
        kind: len(told.get(kind, set()) & (one["must"] | one["may"])) / max(1, len(told.get(kind, set())))
        for kind, one in truth.items()
    }
    return {
        "rows": len(rows),
        "seconds": seconds,
        "rows_per_second": len(rows) / seconds,
        "least_recall": min(recall.values()),
        "least_precision": min(precision.values()),
        "memory_mb": peak_memory_mb(),
    }


PARTS: dict[str, Callable[[Path, float], dict[str, Any]]] = {
    "import JSONL": import_jsonl,
    "import CSV": import_csv,
    "data doctor": examine,
}


def report(found: dict[str, Any]) -> None:
    rows = []
    for part, runs in found["parts"].items():
        for figure, places, target in (
            ("seconds_per_million", 1, "seconds_per_million"),
            ("rows_per_second", 0, "rows_per_second"),
            ("memory_mb", 0, "memory_mb"),
            ("least_recall", 3, "quality"),
            ("least_precision", 3, "quality"),
        ):
            if figure in runs[0]:
                values = [run[figure] for run in runs]
                rows.append((part, figure.replace("_", " "), arms.spread(values, places), f"{TARGETS[target]:g}"))
    print_table(("part", "figure", "median (least..most)", "aim"), rows)
    print()


if __name__ == "__main__":
    main()
