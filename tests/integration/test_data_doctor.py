"""The data doctor: it finds what was hidden, leaves alone what is sound, and what it mends is mended."""

import json
from pathlib import Path

import pytest

from core.datasets import preview, versions
from core.datasets.chat import read_chat_format
from core.datasets.doctor import consultation, division, examination, mending, privacy, spec, writing
from core.datasets.doctor.examination import Report
from core.datasets.examples import Example, Turn
from core.paths import STARTER_DIR, Workspace
from core.store import datasets
from core.store.connection import opened
from tests import traps
from tests.integration import support
from tests.integration.command import Command, make_command

FLUENT = "The invoice of the harbour office from last spring was paid twice by mistake, number"


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def examine(rows: list[Example], max_length: int = 512) -> Report:
    guard = consultation.benchmark_guard(Workspace(Path("/nowhere")))
    return examination.examine(rows, guard=guard, chat=read_chat_format(STARTER_DIR), max_length=max_length)


def kinds(rows: list[Example]) -> dict[str, tuple[int, ...]]:
    return {finding.kind: finding.rows for finding in examine(rows).findings}


def test_it_finds_nearly_all_that_was_hidden_in_20_000_rows_and_hardly_anything_else() -> None:
    rows, truth = traps.make(20_000, seed=20261121)
    found = kinds(rows)
    for kind, expected in truth.items():
        told = set(found.get(kind, ()))
        recall = len(told & expected["must"]) / len(expected["must"])
        precision = len(told & (expected["must"] | expected["may"])) / max(1, len(told))
        assert recall >= 0.95 and precision >= 0.95, (kind, recall, precision)
    assert set(found) == set(truth)


def test_sound_rows_are_called_sound() -> None:
    report = examine(traps.clean_rows(1_000, seed=3))
    assert report.findings == [] and report.is_sound


NEAR = [
    ("was paid", "was payd"),
    ("was paid", "was piad"),
    ("The invoice", "Please, the invoice"),
    ("from last spring", "from spring"),
    (" by mistake", ""),
]


@pytest.mark.parametrize(("part", "instead"), NEAR)
def test_a_question_in_nearly_the_same_words_is_a_near_repeat(part: str, instead: str) -> None:
    rows = [Example(f"{FLUENT} 17.", "refund"), Example(f"{FLUENT} 17.".replace(part, instead), "refund")]
    assert kinds(rows) == {"near_duplicates": (1,)}


@pytest.mark.parametrize(
    ("prompt", "response"),
    [
        (f"{FLUENT} 18.", "refund"),  # another number is another case
        (f"{FLUENT} 17.".replace("harbour", "customs"), "refund"),
        (f"{FLUENT} 17.".replace("twice", "late"), "reminder"),
    ],
)
def test_another_case_in_similar_words_is_no_repeat(prompt: str, response: str) -> None:
    assert kinds([Example(f"{FLUENT} 17.", "refund"), Example(prompt, response)]) == {}


def test_the_same_words_behind_another_conversation_are_no_repeat() -> None:
    rows = [Example("And now?", "Yes.", turns=(Turn("user", f"Case {n}"),)) for n in range(3)]
    assert kinds(rows) == {}


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("write to anna.bauer@firma-nord.de today", "[EMAIL]"),
        ("call +44 20 7946 0958 now", "[PHONE]"),
        ("call (212) 736-5000 now", "[PHONE]"),
        ("card 5500 0055 5555 5559, thanks", "[CARD]"),
        ("to GB33BUKB20201555555555 please", "[IBAN]"),
        ("SSN 536-90-4399 on file", "[SSN]"),
    ],
)
def test_personal_data_are_found_by_form_and_check_digits_and_hidden(text: str, mark: str) -> None:
    [spot] = privacy.find_personal(text)
    assert spot.mark == mark
    assert mark in privacy.hide(text, [spot]) and not any(char.isdigit() for char in privacy.hide(text, [spot]))


@pytest.mark.parametrize(
    "text",
    [
        "Revenue was 1,234,567.89 in 2024 and 4,111,111 in 2025.",
        "card 5500 0055 5555 5558",  # its check digit is wrong
        "order 2024-11-21-0001, 10.0.3 of the library, ratio 12-34",
        "pay 12 345 678 EUR by 2026-01-31",
        "@home at 5 p.m.",
    ],
)
def test_ordinary_numbers_are_not_taken_for_personal_data(text: str) -> None:
    assert privacy.find_personal(text) == [] and privacy.find_secrets(text) == []


def test_keys_and_passwords_are_found_and_never_shown() -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    rows = [Example(f"Use {key} here.", "ok"), Example("The password is hunter2hunter2", "ok"), Example("Hm?", "ok")]
    [finding] = [one for one in examine(rows).findings if one.kind == "secrets"]
    assert finding.rows == (0, 1)
    assert all(key not in one.text and "hunter2" not in one.text for one in finding.examples)


@pytest.mark.parametrize(
    ("broken", "right"),
    [("Das schÃ¶ne CafÃ©", "Das schöne Café"), ("in\u200bvisible\x07", "invisible"), ("plain – “quoted” é", None)],
)
def test_broken_characters_are_found_and_put_right(broken: str, right: str | None) -> None:
    assert writing.is_odd(broken) == (right is not None)
    assert writing.mend(broken) == (right or broken)


@pytest.mark.parametrize(
    ("answer", "is_wrong"),
    [
        ("3 + 4 = 8", True),
        ("12,000 / 4 = 3,000", False),
        ("So 2x + 3x = 10 and x = 2", False),
        ("It takes 1 1/2 = 1.5 cups", False),
        ("x = 5", False),
    ],
)
def test_sums_are_computed_again_and_algebra_is_left_alone(answer: str, is_wrong: bool) -> None:
    found = kinds([Example(f"How much is it, {n}?", answer if n == 0 else f"{n}{n}") for n in range(5)])
    assert ("wrong_sums" in found) == is_wrong


def test_rare_labels_rows_too_long_and_answers_of_one_sign_are_told() -> None:
    rows = [Example(f"ticket {n} of the day", "post" if n else "legal") for n in range(60)]
    assert kinds(rows)["imbalance"] == (0,)
    report = examine([*rows, Example("word " * 900, "post"), Example("Hm?", "word " * 900)], 64)
    told = {finding.kind: finding.rows for finding in report.findings}
    assert told["cut"] == (60, 61)
    long = [Example(f"Tell me of number {n}.", f"That is a longer answer, number {n}.") for n in range(30)]
    assert kinds([*long, Example("And this?", "-")]) == {"short_answers": (30,)}


def test_what_is_mended_is_gone_and_nothing_else_is() -> None:
    rows, _ = traps.make(2_000, seed=9)
    report = examine(rows)
    taken = [finding.kind for finding in report.findings]
    kept, changed = mending.mend(rows, report, taken)
    assert set(changed) == set(taken)
    assert {finding.kind for finding in examine(kept).findings} <= {"near_duplicates"}
    lost = {row for finding in report.findings if finding.kind != "personal_data" for row in finding.rows}
    assert len(kept) == len(rows) - len(lost)


# The command and the job


def write_table(path: Path) -> Path:
    lines = [f"What of mail {n * 37}?,team {n % 2}" for n in range(40)]
    path.write_text(
        "\n".join(["question,answer", *lines, lines[0], "What of mail 0?,team 7", "Ask jo@x-mail.org 5,team 1"])
    )
    return path


def import_table(workspace: Workspace, atelier: Command, folder: Path) -> str:
    return str(json.loads(atelier("data", "import", write_table(folder / "mails.csv"), "--json").out)["sha"])


def test_the_command_examines_puts_right_and_keeps_the_old_version(
    atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    sha = import_table(workspace, atelier, tmp_path)
    checked = atelier("data", "check", "mails", "--json")
    found = {one["kind"]: one for one in json.loads(checked.out)["findings"]}
    assert checked.code == 1 and set(found) == {"conflicts", "duplicates", "personal_data", "imbalance"}
    assert found["conflicts"]["count"] == 3 and len(found["conflicts"]["examples"]) == 3
    fixed = json.loads(atelier("data", "check", "mails", "--fix", "all", "--json").out)
    assert fixed["findings"] == [] and fixed["sound"] and fixed["examples"] == 40
    assert fixed["fixed"] == {"conflicts": 3, "duplicates": 1, "personal_data": 1}
    assert any("[EMAIL]" in one.prompt for one in versions.load(workspace, fixed["sha"]))
    assert versions.load(workspace, sha)  # as it was
    shown = json.loads(atelier("data", "show", "mails", "--json").out)
    assert [one["sha"] for one in shown["history"]] == [fixed["sha"], sha]
    assert shown["source"]["cleaned_from"] == sha


def test_a_file_is_examined_where_it_lies(atelier: Command, workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(tmp_path / "mails.csv")
    assert "conflicts" in atelier("data", "check", path).out
    refused = atelier("data", "check", path, "--fix", "all")
    assert refused.code == 2 and "Import it first" in refused.err


def test_an_unknown_remedy_is_refused_with_the_known_ones(
    atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    import_table(workspace, atelier, tmp_path)
    refused = atelier("data", "check", "mails", "--fix", "everything")
    assert refused.code == 2 and "duplicates" in refused.err


def test_a_dataset_with_severe_findings_is_trained_on_only_with_a_reason_that_stays(
    atelier: Command, workspace: Workspace, tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import_table(workspace, atelier, tmp_path)
    words = ["train", "--dataset", "mails", "--base", tiny_base, "--preset", "quick", "--json"]
    refused = atelier(*words)
    assert refused.code == 2 and "different answers, 3" in refused.err and "--accept" in refused.err
    monkeypatch.setattr("core.process.queue.ensure_supervisor", lambda _: False)
    taken = json.loads(atelier(*words, "--accept", "They are meant so.").out)
    with opened(workspace) as db:
        row = datasets.get(db, str(support.jobs.get(db, taken["job"]).dataset))
    assert row is not None and row.manifest["source"]["accepted"] == "They are meant so."
    assert row.manifest["source"]["findings"]["conflicts"] == 3


def test_a_job_puts_right_what_was_chosen(workspace: Workspace, atelier: Command, tmp_path: Path) -> None:
    import_table(workspace, atelier, tmp_path)
    with opened(workspace) as db:
        one = datasets.find_named(db, "mails")
    job = support.wait_for_end(workspace, spec.submit(workspace, one, ["conflicts"]))
    assert (job.state, job.result["fixed"]) == ("succeeded", {"conflicts": 3})
    report = consultation.stored_report(workspace, job.result["sha"])
    assert report is not None and report.is_sound and report.rows == 40


def test_an_import_by_a_job_brings_its_report(workspace: Workspace, tmp_path: Path) -> None:
    path = write_table(tmp_path / "mails.csv")
    found = preview.look_at(path)
    from core.datasets import submission

    mapping = preview.choose_mapping(found, path, {})
    job = support.wait_for_end(workspace, submission.submit(workspace, path, found.form, mapping, name="m"))
    report = consultation.stored_report(workspace, job.result["sha"])
    assert report is not None and not report.is_sound


def test_cores_that_share_the_rows_find_what_one_finds_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, _ = traps.make(4_500, seed=5)
    guard, chat = consultation.benchmark_guard(Workspace(Path("nowhere"))), read_chat_format(STARTER_DIR)
    reports = []
    for is_shared in (False, True):
        monkeypatch.setattr(division, "is_worthwhile", lambda rows, is_shared=is_shared: is_shared)
        reports.append(examination.examine(rows, guard=guard, chat=chat, max_length=traps.MAX_LENGTH))
    alone, shared = reports
    assert {one.kind for one in alone.findings} >= {"leaks", "duplicates", "wrong_sums", "personal_data", "cut"}
    assert alone == shared


def test_groups_that_stand_in_both_datasets_are_found() -> None:
    mine = [Example(f"Question {row}?", "yes", extra={"group": f"patient {row % 4}"}) for row in range(40)]
    other = [Example("Another question?", "no", extra={"group": "patient 2"})]
    report = examination.examine(mine, against=other)
    [found] = [one for one in report.findings if one.kind == "straddling"]
    assert found.severity == "severe"
    assert [row % 4 for row in found.rows] == [2] * 10
