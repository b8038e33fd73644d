"""What all tests share: one thread each, an own workspace, a tiny base."""

import os

# Before torch loads: tests run side by side, and threads that wait for each other would slow them all.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings

from core.paths import Workspace
from core.store import schema

settings.register_profile("here", deadline=None)  # a busy machine is no error
settings.load_profile("here")
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An empty workspace that the program under test takes for its own; its processes are gone afterwards."""
    monkeypatch.setenv("ATELIER_HOME", str(tmp_path / "workspace"))
    monkeypatch.setenv("ATELIER_WARM", "0")
    chosen = Workspace.chosen()
    schema.prepare(chosen)
    yield chosen
    end_processes(chosen)


def end_processes(workspace: Workspace) -> None:
    """Kill every process that works for this workspace."""
    for process in processes_of(workspace):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended by itself
            process.kill()
    psutil.wait_procs(processes_of(workspace), timeout=5)


def processes_of(workspace: Workspace, kind: str = "") -> list[psutil.Process]:
    """Return the live processes of a workspace: all, or those whose module contains `kind`."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if "core." not in line or kind not in line or process.info["status"] == psutil.STATUS_ZOMBIE:
            continue
        if str(workspace.root) in line or _home_of(process) == str(workspace.root):
            found.append(process)
    return found


def _home_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("ATELIER_HOME", "")
    except (psutil.Error, OSError):
        return ""


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.tiny import make_base

    return make_base(tmp_path_factory.mktemp("tiny-base"))


@pytest.fixture(scope="session")
def undisturbed(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> object:
    """What the exact job of tests.integration.support leaves when nothing interrupts it."""
    from tests.integration import support

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(tmp_path_factory.mktemp("undisturbed") / "workspace"))
        patch.setenv("ATELIER_WARM", "0")
        chosen = Workspace.chosen()
        schema.prepare(chosen)
        try:
            return support.end_of(chosen, support.submit(chosen, tiny_base, **support.EXACT_JOB))
        finally:
            end_processes(chosen)


@pytest.fixture
def rows_file(tmp_path: Path) -> Callable[..., Path]:
    """Write rows as a JSONL file."""

    def write(rows: list[dict[str, object]], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0, what: str = "the condition") -> None:
    """Wait for something that other processes bring about."""
    limit = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > limit:
            raise AssertionError(f"{what} did not come true within {timeout_s:.0f} s")
        time.sleep(0.02)
