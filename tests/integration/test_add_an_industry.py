"""docs/add-an-industry.md, followed word for word; and what the doctor says of packs that are not sound."""

import json
import re
from pathlib import Path

import pytest
import yaml

from core.paths import PROJECT_DIR, Workspace
from tests.integration.command import Command, make_command

GUIDE = (PROJECT_DIR / "docs" / "add-an-industry.md").read_text(encoding="utf-8")


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture
def bakery(workspace: Workspace) -> Path:
    """Write the files as the guide names and shows them, and return the folder that holds them."""
    blocks = re.findall(r"`((?:industries|training|benchmarks)/[\w.]+)`.*?```\w+\n(.*?)```", GUIDE, re.DOTALL)
    assert [name for name, _ in blocks] == [
        "industries/bakery.yaml",
        "training/bakery.jsonl",
        "benchmarks/bakery.jsonl",
    ]
    for name, text in blocks:
        path = workspace.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return workspace.root


def test_the_guides_pack_is_sound_and_only_small(atelier: Command, bakery: Path) -> None:
    told = atelier("doctor", "bakery", "--json")
    findings = json.loads(told.out)
    assert told.code == 0, told.out
    assert {one["severity"] for one in findings} == {"ok", "note"}
    assert any("4 items; at least 40" in one["text"] for one in findings)


def test_the_guides_pack_can_be_trained_on_like_any_other(atelier: Command, bakery: Path) -> None:
    planned = json.loads(atelier("train", "--industry", "bakery", "--preset", "quick", "--dry-run", "--json").out)
    assert planned["composition"]["corpus:bakery"] == 3
    assert planned["composition"]["generated:bakery"] >= 50
    made = json.loads(
        atelier("data", "make", "--industry", "bakery", "--count", 30, "--out", bakery / "made", "--json").out
    )
    assert made[0]["examples"] == 30


# File, what is replaced by what, and what the doctor says.
BREAKS = {
    "a sum": ("training", "60 x 500 = 30,000", "60 x 500 = 35,000", "row 1: 60 x 500 = 35,000 is wrong"),
    "a number from nowhere": ("training", "30 kg of flour", "30 kg of 77 flours", "the number 77 stands"),
    "no value": ("industries", "value: kilos", "value: kilos + 1", "does not state its value"),
    "a leak": ("training", "A customer wants to know why the crust sings.", "Why is a loaf slashed before it goes in?",
               "gives away the item"),
    "weights": ("industries", "weight: 0.6", "weight: 0.7", "add up to 1.1, not to 1"),
    "an unknown field": ("industries", "summary:", "sumary:", "sumary"),
    "an unknown list": ("industries", "{from: bread}", "{from: breads}", "not under `names`"),
    "a broken text": ("industries", "{{ percent }}%.", "{{ percent %.", "can't be read"),
    "a wrong answer": ("benchmarks", '"answer": 85', '"answer": 58', "calc-2"),
    "a choice too far": ("benchmarks", '"answer": 1}', '"answer": 9}', "line 3"),
    "broken JSON": ("benchmarks", '"answer": 0}', '"answer": 0', "line 4"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_pack_is_told_what_is_wrong_with_it_and_where(kind: str, atelier: Command, bakery: Path) -> None:
    folder, right, wrong, says = BREAKS[kind]
    [path] = (bakery / folder).glob("bakery.*")
    text = path.read_text(encoding="utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong), encoding="utf-8")
    told = atelier("doctor", bakery / "industries" / "bakery.yaml")
    assert told.code == 1 and says in told.out and "Traceback" not in told.out + told.err


def test_a_pack_that_is_not_there_is_refused(atelier: Command, workspace: Workspace) -> None:
    refused = atelier("doctor", "baekery")
    assert refused.code == 2 and "no pack 'baekery'" in refused.err


def test_the_guide_names_every_field_of_its_pack(bakery: Path) -> None:
    pack = yaml.safe_load((bakery / "industries" / "bakery.yaml").read_text(encoding="utf-8"))
    for name in ("components", "constants", "generator"):
        assert f"`{name}`" in GUIDE and name in pack
