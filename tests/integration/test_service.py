"""The scoring service as a real process on the starter: one verdict through all doors, kills, no trace left."""

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from pydantic import TypeAdapter

from core.catalog import rubrics
from core.errors import AppError, ServiceError
from core.paths import PROJECT_DIR, Workspace
from core.scoring import models, reading
from core.scoring.result import Scored
from core.scoring.scorer import Request, Scorer
from core.scoring.service import address, client
from core.scoring.service.problem import Problem
from core.store import schema
from core.store import scoring as kept_scores
from core.store.connection import opened
from tests import rubric_adapters
from tests.conftest import end_processes, processes_of, wait_until
from tests.integration.command import Command, assert_refused, make_command, run_process
from tests.scoring_service import Door
from tests.transcripts import CASES, GOOD, IDENTIFIERS, LINES

RUBRIC = rubrics.find("conversation")
MB = 1024**2

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and resident memory as POSIX has them")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace whose private service runs and keeps its temporary files apart."""
    root = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(root / "workspace"))
        patch.setenv("TMPDIR", str(root / "tmp"))
        patch.setattr(tempfile, "tempdir", None)
        (root / "tmp").mkdir()
        chosen = Workspace.chosen()
        schema.prepare(chosen)
        client.ensure_service(chosen)
        wait_until(lambda: client.is_ready(chosen), 120, "the model")
        yield chosen
        end_processes(chosen)
    tempfile.tempdir = None


@pytest.fixture
def door(served: Workspace) -> Door:
    found = client.ensure_service(served)
    return Door(found.port, found.token)


def pid_of(workspace: Workspace) -> int:
    found = address.read(workspace)
    assert found is not None
    return found.process.pid


def figures(scored: Scored) -> dict[str, float]:
    return {name: one.expected for name, one in scored.scores.items()}


@pytest.fixture(scope="module")
def scorer(served: Workspace) -> Scorer:
    return Scorer(served, models.resolve(served, RUBRIC))


@pytest.fixture
def atelier(served: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("ATELIER_HOME", str(served.root))
    return make_command(monkeypatch, capsys)


@pytest.mark.parametrize("name", CASES)
def test_function_command_and_api_give_one_verdict(
    name: str, door: Door, atelier: Command, scorer: Scorer, tmp_path: Path
) -> None:
    case = CASES[name]
    path = tmp_path / "given"
    path.write_bytes(case.content)
    told, expected = "", {}
    try:
        transcript = reading.read_transcript(case.content, RUBRIC)
        expected = figures(scorer.score([Request(transcript, RUBRIC, "scores")])[0])
    except AppError as error:
        told = str(error)
    assert bool(expected) == (case.end == GOOD) and case.told in told
    answer = atelier("score", path, "--scores-only", "--json")
    try:
        status, content = door.score(case.content.decode(), detail="scores")
    except UnicodeDecodeError:  # JSON can't hold it; a body of these bytes is refused likewise
        status, _, content = door.ask("POST", "/score", b'{"transcript": "' + case.content + b'"}')
        assert status == 400 and "UTF-8" in content["detail"]
        content = {"detail": told}
    if expected:
        assert (answer.code, status) == (0, 200)
        assert figures(Scored.model_validate_json(answer.out)) == pytest.approx(expected, abs=1e-4)
        assert figures(Scored.model_validate(content)) == pytest.approx(expected, abs=1e-4)
    else:
        assert (answer.code, answer.err.strip(), content["detail"]) == (2, told, told)
        assert status in (400, 413, 422)


def test_300_mb_are_refused_soon_and_the_memory_stays_flat(door: Door, served: Workspace) -> None:
    process = psutil.Process(pid_of(served))
    before, peak = process.memory_info().rss, 0
    piece = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    began = time.monotonic()
    connection.putrequest("POST", "/score")
    for name, value in (
        ("Authorization", f"Bearer {door.token}"),
        ("Content-Type", "application/json"),
        ("Transfer-Encoding", "chunked"),
    ):
        connection.putheader(name, value)
    connection.endheaders()
    sent = 0
    try:
        for _ in range(300 * MB // 65536):
            connection.send(piece)
            sent += 65536
            peak = max(peak, process.memory_info().rss if sent % MB == 0 else 0)
    except (BrokenPipeError, ConnectionResetError):
        pass
    response = connection.getresponse()
    assert response.status == 413 and b"MiB" in response.read()
    assert time.monotonic() - began < 10
    assert sent < 100 * MB
    assert peak - before < 32 * MB


def test_the_service_is_for_its_owner_alone(served: Workspace) -> None:
    for path in (address.path_of(served), served.logs / "scoring.log"):
        assert path.stat().st_mode & 0o077 == 0
    found = address.read(served)
    assert found is not None and found.token not in repr(found)
    assert Path(f"/proc/{found.process.pid}/limits").read_text().split("Max core file size")[1].split()[0] == "0"
    listening = [one for one in psutil.Process(found.process.pid).net_connections() if one.status == "LISTEN"]
    assert [one.laddr.ip for one in listening] == ["127.0.0.1"]
    given = psutil.Process(found.process.pid).environ()
    assert not {"ATELIER_TOKEN", "HF_TOKEN"} & set(given) and given["HF_HUB_OFFLINE"] == "1"


def test_many_who_need_the_service_at_once_start_one(workspace: Workspace) -> None:
    with ThreadPoolExecutor(4) as pool:
        here = [pool.submit(client.ensure_service, workspace) for _ in range(3)]
        other = pool.submit(run_process, "score", "Nurse: Hello there.", "--scores-only", "--json", home=workspace.root)
        found = {one.result() for one in here}
        assert other.result().code == 0
    assert len(found) == 1 and len(processes_of(workspace, "core.scoring.service.serving")) == 1


def test_the_production_adapter_is_followed_without_a_restart(workspace: Workspace) -> None:
    first, second = (rubric_adapters.make(workspace, name, seed) for name, seed in (("One", 1), ("Two", 2)))
    rubric_adapters.promote(workspace, first)
    before = client.score(workspace, [LINES], detail="scores")[0]
    pid = pid_of(workspace)
    rubric_adapters.promote(workspace, second)
    found = client.ensure_service(workspace)
    following = Door(found.port, found.token)  # a busy machine takes longer to load it than a request waits for it
    wait_until(lambda: following.ask("GET", "/health")[2]["model"] == second.id, 120, "the second adapter")
    after = client.score(workspace, [LINES], detail="scores")[0]
    assert isinstance(before, Scored) and isinstance(after, Scored)
    assert (before.adapter, after.adapter, pid_of(workspace)) == (first.id, second.id, pid)
    assert figures(before) != figures(after)
    again = client.score(workspace, [LINES], adapter="One", detail="scores")[0]
    assert isinstance(again, Scored) and figures(again) == figures(before)

    # Kill -9 in the midst of a change: whoever asks gets the adapter that is in production.
    rubric_adapters.promote(workspace, first)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.score, workspace, [LINES], detail="scores")
        time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
        answer = asking.result()[0]
    assert isinstance(answer, Scored) and answer.adapter == first.id and figures(answer) == figures(before)
    client.ensure_service(workspace)  # the answer may have come before the end
    assert pid_of(workspace) != pid
    again = client.score(workspace, [LINES], detail="scores")[0]
    assert isinstance(again, Scored) and again.adapter == first.id

    # A damaged one is rolled back by the registry, and the service goes on with the one before.
    rubric_adapters.promote(workspace, second)
    file = workspace.adapters / second.id / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    answer = client.score(workspace, [LINES], detail="scores")[0]
    assert isinstance(answer, Scored) and answer.adapter == first.id


def test_a_kill_during_a_batch_is_made_good(served: Workspace) -> None:
    texts = [f"{LINES}\nNurse: That was number {number}." for number in range(12)]
    whole = client.score(served, texts, detail="scores")
    pid = pid_of(served)
    done: list[int] = []
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(client.score, served, texts * 3, detail="scores", tell=done.append)
        wait_until(lambda: bool(done), 60, "the first part")
        os.kill(pid, signal.SIGKILL)
        found = asking.result()
    assert [figures(one) for one in found if isinstance(one, Scored)] == [
        pytest.approx(figures(one), abs=1e-4) for one in whole * 3 if isinstance(one, Scored)
    ]
    assert pid_of(served) != pid and len(processes_of(served, "core.scoring.service.serving")) == 1


def test_an_idle_service_ends_and_takes_its_address_along(workspace: Workspace) -> None:
    line = [
        sys.executable,
        "-m",
        "core.scoring.service.serving",
        "--workspace",
        str(workspace.root),
        "--private",
        "--idle",
        "2",
    ]
    process = subprocess.Popen(line, cwd=PROJECT_DIR, stderr=subprocess.DEVNULL)
    wait_until(lambda: address.read(workspace) is not None, 60, "the address")
    assert process.wait(60) == 0
    assert not address.path_of(workspace).exists() and not client.is_ready(workspace)


def test_a_service_that_can_not_start_is_told_in_a_sentence(workspace: Workspace) -> None:
    workspace.database.write_bytes(b"no database" * 1000)
    with pytest.raises(ServiceError, match=r"The scoring service ends at once.*scoring.log"):
        client.ensure_service(workspace, wait_s=60)


def test_serve_opens_a_port_with_a_token_that_is_shown_once(workspace: Workspace) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "core.cli.main", "serve", "--port", "18619", "--name", "scores.example.org"],
        cwd=PROJECT_DIR,
        env={**os.environ, "ATELIER_HOME": str(workspace.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            shown = [process.stdout.readline() for _ in range(4)]  # address, token, two lines of an example
            token = shown[1].rpartition(" ")[2].strip()
            assert "curl" in shown[3] and token in shown[3]
            door = Door(18619, token)

            def is_ready() -> bool:
                try:
                    return door.ask("GET", "/health")[0] == 200
                except OSError:
                    return False

            wait_until(is_ready, 90, "the service")
            assert door.score(LINES, detail="scores")[0] == 200
            assert door.ask("GET", "/health", Authorization="", Host="scores.example.org")[0] == 200
            assert door.ask("GET", "/models", Authorization="")[0] == 401
            taken = run_process("serve", "--port", "18619", home=workspace.root)
            assert (taken.code, taken.out) == (2, "") and "18619" in taken.err
        finally:
            process.terminate()
            rest = process.stdout.read() if process.stdout else ""
    assert process.wait() == 0 and processes_of(workspace, "core.scoring.service.serving") == []
    assert token not in rest and LINES[:30] not in rest


@pytest.mark.parametrize("name", ["https://scores.example.org", "scores.example.org:443", "a b", "", "-x"])
def test_serve_takes_names_of_hosts_alone(atelier: Command, name: str) -> None:
    assert_refused(atelier("serve", f"--name={name}"), "is no host's")


def test_what_is_kept_is_kept_by_wish_alone(door: Door, served: Workspace) -> None:
    def kept() -> int:
        with opened(served) as db:
            return len(kept_scores.kept(db))

    before = kept()
    assert door.score(LINES, detail="scores")[0] == 200
    assert kept() == before
    assert door.score("Nurse: My name is Dr. Grey. Hello.", detail="scores", mask=True, keep=True)[0] == 200
    with opened(served) as db:
        newest = kept_scores.kept(db)[0]
    assert kept() == before + 1 and "Grey" not in newest.transcript
    kept_scores.delete(served, "scorings", newest.id)


def found_in(folder: Path, words: list[bytes]) -> list[tuple[str, bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(str(path), word) for path in files for word in words if word in path.read_bytes()]


def test_no_door_leaves_a_trace_of_what_was_said(
    door: Door, served: Workspace, atelier: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All kinds of identifiers go through every door, well and badly; then every file is searched for them."""
    before = set(Path(tempfile.gettempdir()).iterdir())
    talk = "\n".join(f"Patient: Let me tell you, it is {one}.\nNurse: Thank you." for one in IDENTIFIERS)
    path = tmp_path.parent / "outside.txt"
    path.write_text(talk, encoding="utf-8")
    broken = json.dumps({"transcript": talk}).encode()
    for body in (
        broken[:-5],
        broken + b"\xff",
        broken.replace(b'"transcript"', b'"transcripts"'),
        json.dumps({"transcript": [{talk: talk}]}).encode(),
        json.dumps({"transcript": talk, talk: 1}).encode(),
        json.dumps({"transcript": talk * 2000}).encode(),
        json.dumps({"transcript": talk, "detail": talk}).encode(),
        json.dumps({"transcript": talk, "mask": talk}).encode(),
    ):
        status, _, content = door.ask("POST", "/score", body)
        assert 400 <= status < 500
        assert not [one for one in IDENTIFIERS if one in json.dumps(content)]
    for options in ({}, {"detail": "full"}, {"mask": True}, {"adapter": IDENTIFIERS[0]}, {"rubric": IDENTIFIERS[5]}):
        door.score(talk, **options)
    door.ask("POST", "/score", {"transcript": talk}, Authorization=f"Bearer {IDENTIFIERS[-1]}")
    door.ask("GET", f"/{IDENTIFIERS[6]}?name={IDENTIFIERS[6]}")
    assert all(isinstance(one, Scored | Problem) for one in client.score(served, [talk, talk[:200] + "\0"]))
    assert atelier("score", path, "--scores-only").code == 0
    assert atelier("score", path, "--mask", "--json").code == 0
    assert atelier("score", talk, "--scores-only").code == 0
    assert atelier("score", path, "--adapter", "nobody").code == 2
    monkeypatch.setattr(client, "_ANSWERS", TypeAdapter(list[int]))  # an answer that can't be read
    assert atelier("score", path).code == 1
    monkeypatch.undo()

    dying = pid_of(served)
    sending = threading.Thread(target=_ask_and_lose, args=(door, talk))
    sending.start()
    time.sleep(0.1)
    os.kill(dying, signal.SIGABRT)
    sending.join()
    words = [one.encode() for one in (*IDENTIFIERS, "Quarkbottom", "Whifflepine", "078-05-1120", door.token)]
    wait_until(lambda: not psutil.pid_exists(dying) or not address.read(served), 20, "the end of the service")
    address.path_of(served).unlink(missing_ok=True)  # the token's own place, for its owner alone
    assert found_in(served.root, words) == []
    new = [one for one in Path(tempfile.gettempdir()).iterdir() if one not in before]
    assert [hit for one in new if one.is_dir() for hit in found_in(one, words)] == []
    assert not list(PROJECT_DIR.glob("core.*[0-9]")) and not list(served.root.rglob("core*"))


def _ask_and_lose(door: Door, talk: str) -> None:
    try:
        door.score(talk, detail="full")
    except (OSError, http.client.HTTPException):
        return


def test_a_process_that_keeps_secrets_tells_failures_by_place_and_kind_alone() -> None:
    code = """
import asyncio, logging, threading, warnings
from core.scoring.service import discretion
discretion.keep_secret()
secret = "Zebulon" + " Quarkbottom"
warnings.warn(secret)
try:
    raise ValueError(secret)
except ValueError as error:
    logging.getLogger("x").exception("it failed")
async def lose():
    asyncio.get_running_loop().create_future().set_exception(ValueError(secret))
asyncio.run(lose())
thread = threading.Thread(target=lambda: int(secret))
thread.start(); thread.join()
try:
    {}[secret]
except KeyError:
    raise RuntimeError(secret)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    for kind in ("it failed", "never retrieved", "ValueError", "RuntimeError"):
        assert kind in done.stderr
    assert "Quarkbottom" not in done.stderr + done.stdout
