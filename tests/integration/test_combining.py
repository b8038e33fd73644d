"""Splitting, mixing, and checking one dataset against another, by the command."""

import json
from pathlib import Path

import pytest

from core.datasets import versions
from core.paths import Workspace
from tests.integration.command import Command, make_command


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture
def two(atelier: Command, tmp_path: Path) -> None:
    for name, count in (("mails", 200), ("chats", 50)):
        path = tmp_path / f"{name}.csv"
        path.write_text("question,answer\n" + "".join(f"{name} number {n}?,team {n % 3}\n" for n in range(count)))
        assert atelier("data", "import", path).code == 0


def test_a_split_makes_three_datasets_that_share_nothing(atelier: Command, workspace: Workspace, two: None) -> None:
    made = json.loads(atelier("data", "split", "mails", "--json").out)
    assert [(one["dataset"], one["examples"]) for one in made] == [
        ("mails train", 160),
        ("mails validation", 20),
        ("mails test", 20),
    ]
    checked = json.loads(atelier("data", "check", "mails train", "--against", "mails test", "--json").out)
    assert "overlap" not in {one["kind"] for one in checked["findings"]}
    shown = json.loads(atelier("data", "show", "mails test", "--json").out)
    assert shown["source"]["part"] == "test" and shown["source"]["before"]["file"] == "mails.csv"


def test_what_two_datasets_share_is_found_and_dropped(atelier: Command, workspace: Workspace, two: None) -> None:
    atelier("data", "split", "mails")
    checked = atelier("data", "check", "mails", "--against", "mails test", "--fix", "overlap", "--json")
    found = json.loads(checked.out)
    assert found["fixed"] == {"overlap": 20} and found["examples"] == 180


@pytest.mark.parametrize("shares", ["80,20", "a,b,c", "90,20,10", "0,50,50"])
def test_wrong_shares_are_refused(shares: str, atelier: Command, workspace: Workspace, two: None) -> None:
    refused = atelier("data", "split", "mails", "--shares", shares)
    assert refused.code == 2 and refused.err.count("\n") == 1
    assert len(json.loads(atelier("data", "list", "--json").out)) == 2


def test_a_mix_takes_by_ratio_and_remembers_its_parts(atelier: Command, workspace: Workspace, two: None) -> None:
    planned = json.loads(atelier("data", "mix", "mails=2", "chats", "--name", "both", "--dry-run", "--json").out)
    assert {one["dataset"]: one["taken"] for one in planned} == {"mails": 100, "chats": 50}
    assert len(json.loads(atelier("data", "list", "--json").out)) == 2
    made = json.loads(atelier("data", "mix", "mails=2", "chats", "--name", "both", "--json").out)
    examples = versions.load(workspace, made["sha"])
    assert made["examples"] == len(examples) == 150
    assert sum(one.origin == "chats" for one in examples) == 50
    source = json.loads(atelier("data", "show", "both", "--json").out)["source"]
    assert [part["taken"] for part in source["mixed_from"]] == [100, 50] and source["seed"] == 42


@pytest.mark.parametrize(
    "words",
    [
        ["mails", "--name", "x"],
        ["mails", "letters", "--name", "x"],
        ["mails=0", "chats", "--name", "x"],
        ["mails", "chats", "--name", "x", "--cap", "mails"],
        ["mails", "chats", "--name", "x", "--cap", "letters=5"],
        ["mails", "chats", "--name", "x", "--temperature", "0.1"],
        ["mails", "chats", "--name", " "],
    ],
)
def test_a_mix_that_is_not_possible_is_refused(
    words: list[str], atelier: Command, workspace: Workspace, two: None
) -> None:
    refused = atelier("data", "mix", *words)
    assert refused.code == 2 and refused.err.count("\n") == 1 and refused.out == ""
