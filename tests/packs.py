"""Small industry packs for tests: one sound one, to be changed where a test wants it otherwise."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from core.catalog.industries import Industry, read_pack

TASK: dict[str, Any] = {
    "id": "margin",
    "component": "calculation",
    "draw": {"shop": {"from": "shops"}, "profit": {"range": [1, 900]}},
    "let": {"double": "profit * 2"},
    "ask": ["Double the profit of {{ shop }}.", "What is twice the profit of {{ shop }}?"],
    "input": ["Profit: ${{ profit | num }}"],
    "answer": ["{{ profit | num }} x 2 = {{ double | num }}"],
    "value": "double",
}
PACK: dict[str, Any] = {
    "id": "toys",
    "title": "Toys",
    "icon": ":material/toys:",
    "summary": "Shops that sell toys.",
    "focus": ["toys"],
    "dataset": "A few rows",
    "complexity": "medium",
    "corpus": "toys.jsonl",
    "benchmark": "toys.jsonl",
    "key_metrics": ["right sums"],
    "hours_7b": 1,
    "components": {
        "calculation": {"title": "Sums", "weight": 0.75, "tolerance": 0.02, "measures": "Whether sums are right."},
        "knowledge": {"title": "Facts", "weight": 0.25, "measures": "Whether facts are known."},
    },
    "constants": {"twice": 2},
    "generator": {"names": {"shops": ["Nut & Bolt", "Tin Top", "Red Kite", "Blue Owl"]}, "tasks": [TASK]},
}
CORPUS = [
    {"prompt": "What does a toy shop sell?", "response": "Toys.", "industry": "toys"},
    {"prompt": "Who buys a kite?", "response": "A child.", "industry": "toys"},
]
ITEMS: list[dict[str, Any]] = [
    {
        "id": "one",
        "component": "calculation",
        "type": "numeric",
        "prompt": "Of 80 toys 20 were sold. How many percent?",
        "answer": 25,
    },
    {
        "id": "two",
        "component": "knowledge",
        "type": "choice",
        "prompt": "Which of these flies?",
        "choices": ["a kite", "a ball"],
        "answer": 0,
    },
]


def raw_pack(**changes: Any) -> dict[str, Any]:
    """Return the fields of a sound pack with some of them changed; None takes one out."""
    merged = {**deepcopy(PACK), **changes}
    return {name: value for name, value in merged.items() if value is not None}


def raw_task(**changes: Any) -> dict[str, Any]:
    merged = {**deepcopy(TASK), **changes}
    return {name: value for name, value in merged.items() if value is not None}


def make_pack(*tasks: dict[str, Any], **changes: Any) -> Industry:
    """Return a pack without files; `tasks` replace its own."""
    raw = raw_pack(**changes)
    if tasks:
        raw["generator"]["tasks"] = list(tasks)
    return Industry.model_validate(raw)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_pack(folder: Path, **changes: Any) -> Path:
    """Write a pack with its corpus and benchmark as a person would add one; returns the pack's file."""
    raw = raw_pack(**changes)
    path = folder / "industries" / f"{raw['id']}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), encoding="utf-8")
    write_rows(folder / "training" / str(raw["corpus"]), CORPUS)
    if "benchmark" in raw:
        write_rows(folder / "benchmarks" / str(raw["benchmark"]), ITEMS)
    return path


def stored_pack(folder: Path, **changes: Any) -> Industry:
    return read_pack(write_pack(folder, **changes))
