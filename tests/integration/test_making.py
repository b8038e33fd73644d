"""Datasets made of grammars: by the command, trainable, without what gives a benchmark away."""

import json
from typing import Any

import pytest

from core.datasets import making, versions
from core.datasets.doctor import consultation
from core.errors import BadInput, NotFound
from core.paths import Workspace
from core.store import datasets
from core.store.connection import opened
from core.training import submission
from core.training.submission import Sourcing
from tests.integration.command import Command, make_command


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def as_json(atelier: Command, *words: str) -> dict[str, Any]:
    answer = atelier(*words, "--json")
    assert answer.code == 0, answer.err
    made: dict[str, Any] = json.loads(answer.out)
    return made


def test_examples_of_industries_become_a_dataset_that_gives_no_benchmark_away(
    atelier: Command, workspace: Workspace
) -> None:
    made = as_json(
        atelier, "data", "make", "--industry", "legal", "--industry", "hr", "--count", "150", "--name", "Both"
    )
    assert (made["dataset"], made["examples"]) == ("Both", 300)
    rows = versions.load(workspace, made["sha"])
    assert {row.origin for row in rows} == {"generated:legal", "generated:hr"}
    assert "leaks" not in {one.kind for one in consultation.report_of(workspace, made["sha"]).findings}
    with opened(workspace) as db:
        source = datasets.find_named(db, "Both").manifest["source"]
    assert source["made_of"] == ["legal", "hr"]


def test_examples_of_a_specialist_stand_in_its_prompt(atelier: Command, workspace: Workspace) -> None:
    made = as_json(atelier, "data", "make", "--specialist", "ticket-routing", "--count", "60", "--name", "Tickets")
    rows = versions.load(workspace, made["sha"])
    assert len(rows) == 60
    prompts = {row.prompt.split("\n")[0] for row in rows}
    assert len(prompts) == 1


def test_the_same_seed_makes_the_same_dataset(workspace: Workspace) -> None:
    first = making.make_of_specialist(workspace, "sentiment", 40, 7)
    assert making.make_of_specialist(workspace, "sentiment", 40, 7) == first
    assert making.make_of_specialist(workspace, "sentiment", 40, 8) != first


def test_what_can_t_be_made_is_said(workspace: Workspace, atelier: Command) -> None:
    with pytest.raises(BadInput, match="Pick at least one industry"):
        making.make_of_industries(workspace, [], 10, 1)
    with pytest.raises(NotFound, match="Did you mean 'sentiment'"):
        making.make_of_specialist(workspace, "sentimen", 10, 1)
    refused = atelier("data", "make", "--industry", "hr", "--specialist", "sentiment", "--name", "x")
    assert refused.code == 2
    assert "not both" in refused.err


def test_a_job_of_a_specialist_keeps_the_rows_that_it_left_out(workspace: Workspace, atelier: Command) -> None:
    config = submission.configure("starter", "quick", {})
    rows = [f"The kettle number {number} is a joy to own,positive" for number in range(40)]
    rows += [f"The lamp number {number} broke on the first day,negative" for number in range(40)]
    rows += [rows[0], "No opinion at all about this thing here,undecided"]
    path = workspace.root / "reviews.csv"
    path.write_text("\n".join(["sentence,label", *rows]) + "\n", encoding="utf-8")
    chosen = submission.compose_specialist(workspace, config, Sourcing("sentiment", path))
    with opened(workspace) as db:
        version = versions.save(workspace, db, chosen.name, chosen.examples, chosen.source, chosen.dropped)
    kept = (versions.folder_of(workspace, version.sha) / versions.DROPPED_FILE).read_text(encoding="utf-8")
    told = {row["text"]: row for row in map(json.loads, kept.splitlines())}
    assert told["The kettle number 0 is a joy to own"]["reason"] == "the same row again"
    undecided = told["No opinion at all about this thing here"]
    assert undecided["reason"] == "'undecided' is none of the labels"
    assert undecided["place"] == "reviews.csv train, example 82"
    assert versions.load(workspace, version.sha)
