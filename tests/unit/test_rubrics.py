"""Rubrics: docs/add-a-rubric.md followed word for word, and what is said of rubrics that are not sound."""

import json
import re
from pathlib import Path

import pytest

from core.catalog import rubrics
from core.errors import CatalogError, NotFound
from core.paths import PROJECT_DIR, Workspace
from core.scoring.guard.suspicion import find_flags
from core.scoring.reading import read_transcript
from tests.integration.command import Command, make_command

GUIDE = (PROJECT_DIR / "docs" / "add-a-rubric.md").read_text(encoding="utf-8")


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture
def front_desk(workspace: Workspace) -> Path:
    """Write the file as the guide names and shows it."""
    [(name, text)] = re.findall(r"`(rubrics/[\w.-]+)`:\n```yaml\n(.*?)```", GUIDE, re.DOTALL)
    path = workspace.root / name
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_guides_rubric_is_sound_by_file_and_by_id(
    atelier: Command, front_desk: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root.parent)
    [words] = [line.split()[1:] for line in re.findall(r"^atelier doctor .*$", GUIDE, re.MULTILINE)]
    for named in (words, ["doctor", "front-desk"]):
        told = atelier(*named, "--json")
        assert told.code == 0, told.out
        assert [one["severity"] for one in json.loads(told.out)] == ["ok"]
        assert "front-desk" in told.out


def test_the_guides_rubric_reads_its_own_labels_and_flags_its_own_dimensions(
    front_desk: Path, workspace: Workspace
) -> None:
    rubric = rubrics.find("front-desk", workspace)
    transcript = read_transcript("Receptionist Kim: Good evening. Remedy: 5.\nGuest: The lamp is broken.", rubric)
    assert [one.side for one in transcript.utterances] == ["rated", "other"]
    assert [flag.text for flag in find_flags(transcript, rubric)] == ["Remedy: 5."]
    assert rubric.overall({"welcome": 1, "remedy": 5, "discretion": 3}) == pytest.approx(0.3 + 2.5 + 0.6)


def test_ones_own_rubric_takes_the_place_of_a_shipped_one(front_desk: Path, workspace: Workspace) -> None:
    front_desk.write_text(front_desk.read_text(encoding="utf-8").replace("id: front-desk", "id: conversation"))
    assert rubrics.find("conversation", workspace).title == "Front desk"
    assert rubrics.find("conversation").title == "Professional conversation"
    with pytest.raises(NotFound, match="Did you mean 'conversation'"):
        rubrics.find("conversations", workspace)


# What is replaced by what, and what is said.
BREAKS = {
    "an unknown field": ("summary:", "sumary:", "sumary"),
    "no other side": ("other:\n  title: guest\n  names: [Guest, Visitor, Traveller]\n", "", "other: field required"),
    "a side without names": ("names: [Guest, Visitor, Traveller]", "names: []", "other.names"),
    "a name on both sides": ("[Guest,", "[Concierge,", "both have the name 'concierge'"),
    "weights beside 1": ("weight: 0.5", "weight: 0.6", "add up to 1.1; they must add up to 1"),
    "a weight of nothing": ("weight: 0.2", "weight: 0", "dimensions.2.weight"),
    "a weight that is no number": ("weight: 0.2", "weight: .nan", "dimensions.2.weight"),
    "a score without meaning": ("      4: Private matters are kept low.\n", "", "dimensions.2: `anchors` must say"),
    "a sixth score": ("      5: Who asks", "      6: Better.\n      5: Who asks", "dimensions.2: `anchors` must say"),
    "an empty anchor": ("3: A polite stock phrase.", '3: ""', "dimensions.0.anchors.3"),
    "an anchor that is no text": ("3: A polite stock phrase.", "3: 17", "dimensions.0.anchors.3"),
    "one id twice": ("id: remedy", "id: welcome", "`dimensions` holds one id twice"),
    "an id with capitals": ("id: remedy", "id: Remedy", "dimensions.1.id"),
    "no dimensions": ("dimensions:", "dimensions: []\nothers:", "others"),
    "a key twice": ("title: Front desk", "title: Front desk\ntitle: Desk", "'title' stands there twice"),
    "broken YAML": ("names: [Guest,", "names: [[Guest,", "not valid YAML"),
    "the field of the program": ("summary:", "file: here\nsummary:", "wrong at file"),
}


@pytest.mark.parametrize("kind", BREAKS)
def test_a_broken_rubric_is_told_by_file_and_field(kind: str, atelier: Command, front_desk: Path) -> None:
    right, wrong, says = BREAKS[kind]
    text = front_desk.read_text(encoding="utf-8")
    assert right in text
    front_desk.write_text(text.replace(right, wrong), encoding="utf-8")
    with pytest.raises(CatalogError) as error:
        rubrics.read_rubric(front_desk)
    assert says in str(error.value) and str(front_desk) in str(error.value)
    told = atelier("doctor", front_desk)
    assert told.code == 1 and says in told.out and "Traceback" not in told.out + told.err


def test_a_label_that_no_transcript_can_have_is_named(atelier: Command, front_desk: Path) -> None:
    front_desk.write_text(front_desk.read_text(encoding="utf-8").replace("[Guest,", '["17", Guest,'))
    told = atelier("doctor", front_desk)
    assert told.code == 1 and "'17'" in told.out and str(front_desk) in told.out


@pytest.mark.parametrize("raw", [b"", b"\xff\xfe\x00", b"- a\n- b\n", b"dimensions: " + b"[" * 5000, b"rated: 3\n"])
def test_a_file_that_is_no_rubric_is_refused_in_one_sentence(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(raw)
    with pytest.raises(CatalogError, match=re.escape(str(path))):
        rubrics.read_rubric(path)
