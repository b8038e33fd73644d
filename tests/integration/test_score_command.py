"""`atelier score` beside a service that answers as a test says: what is shown, named and told."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.catalog import rubrics
from core.paths import Workspace
from core.scoring import reading
from core.scoring.guard import masking
from core.scoring.result import Flag, Scored
from core.scoring.service import client
from core.scoring.service.problem import Problem, describe
from core.scoring.transcript import Transcript
from tests.integration.command import Command, assert_refused, make_command
from tests.scoring_service import make_scored

RUBRIC = rubrics.find("conversation")
SAID = "Nurse: What worries you most?\nPatient: The needle."
BROKEN = describe(500, "The model's numbers are no numbers.")

Answer = Callable[[str, str], Scored | Problem]


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Transcript]:
    """What the service was given; it refuses what says "crash", and the model "nobody"."""
    given: list[Transcript] = []

    def score(
        _: Workspace, read: Sequence[Transcript], rubric: str, adapter: str, detail: str
    ) -> list[Scored | Problem]:
        given.extend(read)
        return [answer(one.render(), adapter) for one in read]

    def answer(text: str, adapter: str) -> Scored | Problem:
        if adapter == "nobody":
            return describe(404, "There is no adapter 'nobody'.")
        flag = Flag(utterance=0, start=0, end=4, text="What", kind="speaks", told=f"As {adapter} sees it.")
        scored = make_scored(RUBRIC, adapter or "bundled")
        return BROKEN if "crash" in text else scored.model_copy(update={"flags": (flag,) if adapter == "base" else ()})

    monkeypatch.setattr(client, "score", score)
    monkeypatch.setattr(client, "is_ready", lambda _: True)
    return given


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    texts = {"one.txt": SAID, "two.txt": "Nurse: crash now.", "three.txt": SAID}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return [tmp_path / name for name in texts]


def test_one_that_can_not_be_scored_is_named_and_spoils_no_other(
    atelier: Command, asked: list[Transcript], files: list[Path]
) -> None:
    answer = atelier("score", *files)
    assert (answer.code, answer.err) == (1, f"two.txt: {BROKEN.detail}\n")
    assert [line.split()[0] for line in answer.out.splitlines()] == ["transcript", "one.txt", "three.txt"]
    answer = atelier("score", *files, "--json")
    assert (answer.code, answer.err) == (1, f"two.txt: {BROKEN.detail}\n")
    assert [one.get("status", 200) for one in json.loads(answer.out)] == [200, 500, 200]
    answer = atelier("score", files[1], "--json")
    assert (answer.code, json.loads(answer.out)) == (1, {"error": BROKEN.detail, "code": 1})


def test_a_wrong_model_is_told_once(atelier: Command, asked: list[Transcript], files: list[Path]) -> None:
    assert_refused(atelier("score", *files, "--adapter", "nobody"), "no adapter 'nobody'")
    assert_refused(atelier("score", files[0], files[2], "--against", "nobody"), "no adapter 'nobody'")


def test_flags_stand_with_the_model_that_raised_them(
    atelier: Command, asked: list[Transcript], files: list[Path]
) -> None:
    assert "Not scored by base: What. As base sees it." in atelier("score", files[0], "--against", "base").out
    assert "Not scored: What." in atelier("score", files[0], "--adapter", "base").out
    table = atelier("score", files[0], files[2], "--against", "base").out.splitlines()
    assert table[0].split().count("flags") == 2 and table[1].split()[-1] == "1"


def test_masked_transcripts_are_read_again_as_the_service_reads_them(
    atelier: Command, asked: list[Transcript], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "talk.txt"
    path.write_text(SAID, encoding="utf-8")
    turned = "Nurse: Good morning.\nPatient: Thank you."

    def mask(transcript: Transcript, _: object) -> tuple[Transcript, list[object]]:
        (only,) = reading.read_transcript("Good morning.", RUBRIC).utterances
        return Transcript((type(only)("", "unknown", turned),)), []

    monkeypatch.setattr(masking, "mask", mask)
    assert atelier("score", path, "--mask").code == 0
    assert asked == [reading.read_transcript(turned, RUBRIC)] and len(asked[0].utterances) == 2


@pytest.mark.parametrize("name", ["my transkript.txt", "two words.VTT", "my talks/first", "a talk.jsonl "])
def test_a_mistyped_file_is_no_conversation(atelier: Command, asked: list[Transcript], name: str) -> None:
    assert_refused(atelier("score", name), "There is no file")
    assert not asked


@pytest.mark.parametrize("text", ["Nurse: Read notes.txt", "I feel well.", f"{SAID} Or and/or a.txt"])
def test_a_text_is_a_conversation(atelier: Command, asked: list[Transcript], text: str) -> None:
    assert atelier("score", text).code == 0 and asked
