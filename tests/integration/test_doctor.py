"""`atelier doctor`: it says what is wrong and what to do, never calls a sound thing broken, and restores with care."""

import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from core import durable
from core.catalog import bases, rubrics
from core.cli import doctor, settings_check
from core.cli.doctor import Finding
from core.paths import Workspace
from core.process.liveness import FileLock
from core.process.queue import presence_lock, supervisor_lock
from core.store import backup, connection, jobs
from core.store.connection import opened
from tests.integration.command import Command, make_command, picture, run_code
from tests.integration.endpoint_server import serve
from tests.packs import write_pack, write_rows

NOBODY = 65534


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def problems(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.severity == "problem"]


def look_at_workspace(workspace: Workspace, restore: bool = False) -> list[Finding]:
    return list(doctor.look_at_workspace(workspace, restore))


def add_job(workspace: Workspace, name: str) -> None:
    with opened(workspace) as db:
        jobs.create(db, kind="train", name=name, spec={})


def names_of_jobs(workspace: Workspace) -> list[str]:
    with opened(workspace) as db:
        return [job.name for job in jobs.recent(db)]


def damage(path: Path) -> bytes:
    """Overwrite the middle of a database and return what it holds now."""
    content = bytearray(path.read_bytes())
    content[4096 : len(content) // 2] = b"\x5a" * (len(content) // 2 - 4096)
    path.write_bytes(content)
    return bytes(content)


def test_a_sound_installation_is_called_fit_and_stays_as_it_is(atelier: Command, workspace: Workspace) -> None:
    add_job(workspace, "kept")
    before = picture(workspace.root)
    answer = atelier("doctor")
    assert answer.code == 0, answer.out
    assert answer.out.endswith("All is fit.\n")
    assert "PROBLEM" not in answer.out
    for part in ("Machine", "Packages", "Data", "Workspace", "torch", "Industry finance", "Starter model"):
        assert part in answer.out
    assert picture(workspace.root) == before


def test_json_gives_every_finding_with_its_remedy_and_the_same_exit_code(
    atelier: Command, workspace: Workspace
) -> None:
    (workspace.industries / "odd.yaml").write_text("id: [\n", encoding="utf-8")
    (workspace.industries / "toys.yaml").write_text("id: toys\ncolour: red\n", encoding="utf-8")
    answer = atelier("doctor", "--json")
    found = json.loads(answer.out)
    wrong = [one for one in found if one["severity"] == "problem"]
    assert answer.code == 1
    assert {one["area"] for one in found} == {"machine", "packages", "data", "endpoints", "workspace"}
    assert all(one.keys() == {"area", "severity", "text", "remedy"} and one["text"] for one in found)
    assert len(wrong) == 2 and all(one["remedy"] for one in wrong)
    assert "odd.yaml, line 2 is not valid YAML" in wrong[0]["text"]
    assert "toys.yaml is wrong at" in wrong[1]["text"]


def test_a_wrong_sum_a_missing_file_and_a_leak_in_a_pack_are_named_with_their_place(workspace: Workspace) -> None:
    write_pack(workspace.root)
    write_rows(
        workspace.root / "training" / "toys.jsonl",
        [
            {"prompt": "What is 2 toys and 3 toys?", "response": "2 + 3 = 6"},
            {"prompt": "Of 80 toys 20 were sold. How many percent?", "response": "A quarter."},
        ],
    )
    write_pack(workspace.root, id="kites", corpus="kites.jsonl")
    (workspace.root / "training" / "kites.jsonl").unlink()
    texts = [finding.text for finding in problems(list(doctor.look_at_data(workspace)))]
    assert any("toys.jsonl, row 1" in text and "2 + 3" in text and "5" in text for text in texts)
    assert any("toys: The corpus gives away the item 'Of 80 toys" in text for text in texts)
    assert any("kites.jsonl" in text and "no file" in text for text in texts)
    assert all(text.startswith(("toys:", "kites:")) for text in texts)


def test_a_starter_that_is_missing_or_cut_off_is_a_problem(
    workspace: Workspace, tmp_path: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bases, "MODELS_DIR", tmp_path / "models")
    first = problems(list(doctor.look_at_data(workspace)))
    assert len(first) == 1 and "starter" in first[0].text and "models/starter" in first[0].remedy
    shutil.copytree(tiny_base, tmp_path / "models" / "starter")
    assert problems(list(doctor.look_at_data(workspace))) == []
    os.truncate(tmp_path / "models" / "starter" / "model.safetensors", 5_000)
    (cut,) = problems(list(doctor.look_at_data(workspace)))
    assert "model.safetensors" in cut.text and "cut off" in cut.text


def test_a_package_that_is_not_installed_is_named(tmp_path: Path) -> None:
    """The list is the installation's own: a made-up one, found first, asks for a package that nobody has."""
    info = tmp_path / "first" / "atelier-9.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: atelier\nVersion: 9\nRequires-Dist: psutil>=6\n"
        'Requires-Dist: no-such-package<2,>=1\nRequires-Dist: not-needed; extra == "test"\n',
        encoding="utf-8",
    )
    code = (
        f"import sys; sys.path.insert(0, {str(info.parent)!r}); from core.cli import doctor\n"
        "for one in doctor.look_at_packages(): print(one.severity, one.text, one.remedy)"
    )
    answer = run_code(code, home=tmp_path / "workspace")
    assert "problem no-such-package is not installed Run `make install`." in answer.out
    assert "ok psutil" in answer.out
    assert "not-needed" not in answer.out


@pytest.mark.parametrize(("linked", "severity", "word"), [((3, 40, 1), "note", "DELETE"), ((3, 51, 3), "ok", "SQLite")])
def test_an_old_sqlite_is_a_remark_and_no_problem(
    linked: tuple[int, int, int], severity: str, word: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", linked)
    monkeypatch.setattr(sqlite3, "sqlite_version", ".".join(map(str, linked)))
    found = [finding for finding in doctor.look_at_machine(workspace) if finding.text.startswith("SQLite")]
    assert [finding.severity for finding in found] == [severity]
    assert word in found[0].text and ".".join(map(str, linked)) in found[0].text


def test_a_damaged_database_is_a_problem_and_stays_as_it_is_until_it_is_to_be_restored(
    atelier: Command, workspace: Workspace
) -> None:
    add_job(workspace, "before the backup")
    saved = backup.save(workspace)
    add_job(workspace, "after the backup")
    broken = damage(workspace.database)
    told = atelier("doctor")
    assert told.code == 1
    assert f"The database {workspace.database} is damaged" in told.out
    assert "atelier doctor --restore" in told.out
    assert workspace.database.read_bytes() == broken
    assert "atelier doctor --restore" in atelier("jobs", "list").err

    mended = atelier("doctor", "--restore")
    assert mended.code == 0, mended.out
    assert saved.name in mended.out
    assert names_of_jobs(workspace) == ["before the backup"]
    aside = list((workspace.root / "damaged").rglob("control.db"))
    assert [path.read_bytes() for path in aside] == [broken]
    assert atelier("doctor").out.endswith("All is fit.\n")


@pytest.mark.parametrize(("lose", "says"), [(Path.unlink, "gone"), (lambda path: path.write_bytes(b""), "empty")])
def test_a_lost_database_is_not_taken_for_a_new_workspace_while_its_backups_are_there(
    lose: Callable[[Path], object], says: str, atelier: Command, workspace: Workspace
) -> None:
    add_job(workspace, "kept")
    backup.save(workspace)
    lose(workspace.database)
    refused = atelier("jobs", "list")
    assert refused.code == 1
    assert f"it is {says}, but its backups are there" in refused.err and "doctor --restore" in refused.err
    assert f"it is {says}" in atelier("doctor").out
    assert atelier("doctor", "--restore").code == 0
    assert names_of_jobs(workspace) == ["kept"]


def test_without_a_backup_the_workspace_starts_afresh_and_says_so(atelier: Command, workspace: Workspace) -> None:
    broken = damage(workspace.database)
    (finding,) = [one for one in look_at_workspace(workspace, restore=True) if "damaged database" in one.text]
    assert "no backup" in finding.text
    assert json.loads(atelier("jobs", "list", "--json").out) == []
    assert [path.read_bytes() for path in (workspace.root / "damaged").rglob("control.db")] == [broken]


@pytest.mark.parametrize("lock_of", [presence_lock, supervisor_lock, lambda place: place.jobs / "01a" / "alive.lock"])
def test_a_database_in_use_is_not_restored(lock_of: object, workspace: Workspace) -> None:
    broken = damage(workspace.database)
    lock = FileLock(lock_of(workspace))  # type: ignore[operator]
    assert lock.acquire()
    try:
        found = problems(look_at_workspace(workspace, restore=True))
    finally:
        lock.release()
    assert ["Close the app" in finding.remedy for finding in found] == [True]
    assert workspace.database.read_bytes() == broken


def test_a_busy_database_is_called_busy_and_never_put_aside(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_job(workspace, "kept")
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_S", 0.2)
    with closing(sqlite3.connect(workspace.database, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        found = problems(look_at_workspace(workspace, restore=True))
        holder.execute("ROLLBACK")
    assert ["busy" in finding.text for finding in found] == [True]
    assert not (workspace.root / "damaged").exists()
    assert names_of_jobs(workspace) == ["kept"]


def test_a_database_of_a_later_version_is_a_problem_and_is_left_alone(workspace: Workspace) -> None:
    with closing(sqlite3.connect(workspace.database)) as db:
        db.execute("PRAGMA user_version=99")
    before = workspace.database.read_bytes()
    found = problems(look_at_workspace(workspace, restore=True))
    assert ["later Atelier" in finding.text for finding in found] == [True]
    assert workspace.database.read_bytes() == before


def test_a_damaged_adapter_is_named(workspace: Workspace) -> None:
    for name in ("01whole", "01torn"):
        with durable.new_folder(workspace.adapters / name) as staging:
            (staging / "adapter_model.safetensors").write_bytes(b"weights" * 100)
    (workspace.adapters / ".staging-01begun").mkdir()
    assert problems(look_at_workspace(workspace)) == []
    (workspace.adapters / "01torn" / "adapter_model.safetensors").write_bytes(b"weights" * 99)
    (found,) = problems(look_at_workspace(workspace))
    assert found.text == "1 of 2 adapters are damaged: 01torn"
    assert found.remedy


def test_a_workspace_that_is_a_file_or_not_there_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "place"
    (absent,) = look_at_workspace(Workspace(path))
    assert absent.severity == "note" and "does not exist yet" in absent.text
    assert not path.exists()
    path.write_bytes(b"mine")
    (found,) = look_at_workspace(Workspace(path))
    assert found.severity == "problem" and "ATELIER_HOME" in found.remedy
    assert path.read_bytes() == b"mine"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_workspace_that_may_not_be_written_is_a_problem() -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "workspace"
        root.mkdir()
        root.chmod(0o555)
        Path(place).chmod(0o755)
        code = (
            "import os; from core.cli import doctor; from core.paths import Workspace\n"
            f"os.getuid() or os.setuid({NOBODY})\n"
            "for one in doctor.look_at_workspace(Workspace.chosen(), True): print(one.severity, one.text, one.remedy)"
        )
        answer = run_code(code, home=root)
        root.chmod(0o755)
    assert answer.out == f"problem The workspace {root} can't be written Set ATELIER_HOME to a folder of yours.\n"


# Settings of a person's own

KEY = "sk-9f8e7d6c5b4a39281706"


def endpoints_told(workspace: Workspace, text: str) -> list[Finding]:
    (workspace.root / "endpoints.yaml").write_text(text, encoding="utf-8")
    return list(settings_check.look_at_endpoints(workspace))


def test_each_endpoint_is_told_with_its_key_and_whether_it_answers_but_never_the_key(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, atelier: Command
) -> None:
    monkeypatch.setenv("HERE_API_KEY", KEY)
    monkeypatch.delenv("GONE_API_KEY", raising=False)
    with serve(models=(200, ["toy-1", "toy-2"])) as server:
        text = (
            f"- {{name: good, url: '{server.address}', model: toy-1, key_env: HERE_API_KEY}}\n"
            f"- {{name: keyless, url: '{server.address}', model: toy-1, key_env: GONE_API_KEY}}\n"
            f"- {{name: other, url: '{server.address}', model: large}}\n"
            "- {name: resting, url: 'http://127.0.0.1:9', model: m}\n"
        )
        (workspace.root / "endpoints.yaml").write_text(text, encoding="utf-8")
        answer = atelier("doctor")
    assert answer.code == 0, "a server that rests is no fault of the installation"
    assert KEY not in answer.out
    lines = [line.strip() for line in answer.out.splitlines() if "endpoint" in line]
    for part in (
        "ok      The key of the endpoint 'good' is set in HERE_API_KEY",
        "can be reached and serves its model",
        "note    The key of the endpoint 'keyless' is not set in GONE_API_KEY. Set it",
        "does not list the model 'large'. It lists toy-1, toy-2",
        "'resting' at http://127.0.0.1:9 can't be reached: connection refused. Start the server",
    ):
        assert any(part in line for line in lines), (part, lines)
    assert [one.get("Authorization") for one in server.headers].count(f"Bearer {KEY}") == 1


def test_servers_that_hang_or_refuse_cost_two_seconds_together(workspace: Workspace) -> None:
    with serve(slow_s=30.0) as slow, serve(models=(401, [])) as closed, serve(models=(503, [])) as broken:
        text = "".join(
            f"- {{name: n{number}, url: '{address}', model: m}}\n"
            for number, address in enumerate([slow.address] * 4 + [closed.address, broken.address])
        )
        began = time.monotonic()
        found = endpoints_told(workspace, text)
        assert time.monotonic() - began < 3.5
        slow.freed.set()
    assert all("did not answer within 2 s" in one.text for one in found[:4])
    assert "refuses with status 401" in found[4].text and "key_env" in found[4].remedy
    assert "fails with status 503" in found[5].text


def test_a_broken_list_of_endpoints_is_a_problem_with_its_place(workspace: Workspace) -> None:
    found = endpoints_told(workspace, "- {name: a, url: 'http://x', model: m}\n- {name: b, url: nowhere, model: m}\n")
    (wrong,) = problems(found)
    assert "endpoints.yaml is wrong at entry 2, url" in wrong.text


def test_rules_and_rubrics_that_would_silently_do_nothing_are_named(workspace: Workspace, atelier: Command) -> None:
    (workspace.root / "gates.yaml").write_text("high_risk: [helthcare]\nscopes: {finanse: {}}\n", encoding="utf-8")
    folder = workspace.root / "rubrics"
    folder.mkdir()
    sound = (rubrics.RUBRICS_DIR / "conversation.yaml").read_text(encoding="utf-8")
    (folder / "one.yaml").write_text(sound, encoding="utf-8")
    (folder / "two.yaml").write_text(sound, encoding="utf-8")
    (folder / "three.yaml").write_text(sound.replace("weight:", "wait:", 1), encoding="utf-8")
    found = json.loads(atelier("doctor", "--json").out)
    wrong = [one["text"] for one in found if one["severity"] == "problem"]
    assert any("demands reviews for helthcare" in text for text in wrong)
    assert any("three.yaml is wrong at dimensions.0.w" in text for text in wrong)
    assert any("Rubric conversation stands in several files: one.yaml, two.yaml" in text for text in wrong)
    assert len(wrong) == 3
    assert any("rules for finanse" in one["text"] and one["severity"] == "note" for one in found)
    assert "are sound (Empathy" in atelier("doctor", "conversation").out
