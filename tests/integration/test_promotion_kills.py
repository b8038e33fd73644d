"""Promotion, rollback and undo, killed at every step: one in production throughout, and its row beside it.

Each act runs in a process of its own that is killed at its Nth statement (SIGKILL before it), for every N, and again
at its Nth write, flush and removal of a file as the system sees them. Whoever looks then finds the old or the new.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.paths import PROJECT_DIR, Workspace
from core.registry import promotion
from core.store import registry, schema
from core.store.connection import opened
from tests.adapters import damage, make_adapter

Act = Callable[[Workspace], object]
CALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "unlink")

# What each act does to the scope in which A, then B was promoted and C is a candidate: who may serve afterwards.
ACTS: dict[str, tuple[Act, str, str]] = {
    "promote": (lambda workspace: promotion.decide(workspace, "C"), "B", "C"),
    "hold": (lambda workspace: promotion.hold(workspace, "C", "not yet"), "B", "B"),
    "roll back": (lambda workspace: promotion.rollback(workspace, "finance"), "B", "A"),
    "undo": (lambda workspace: promotion.undo(workspace, "finance"), "B", "A"),
    "archive": (lambda workspace: promotion.archive(workspace, "C"), "B", "B"),
    "find": (lambda workspace: promotion.find_production(workspace, "finance"), "B", "A"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with B in production after A, and C a candidate."""
    workspace = Workspace(tmp_path_factory.mktemp("made") / "workspace")
    schema.prepare(workspace)
    for name in ("A", "B", "C"):
        make_adapter(workspace, name)
        if name != "C":
            assert promotion.decide(workspace, name).action == "promote"
    return workspace


def copy_of(made: Workspace, folder: Path, act: str) -> Workspace:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(made.root, folder)
    workspace = Workspace(folder)
    if act == "find":
        damage(workspace, ids(workspace)["B"])
    return workspace


def ids(workspace: Workspace) -> dict[str, str]:
    with opened(workspace) as db:
        return {one.name: one.id for one in registry.entries(db)}


def look(workspace: Workspace) -> tuple[str, int]:
    """Return who is in production and how many decisions there are; stages and decisions must tell the same."""
    assert schema.find_damage(workspace.database) is None
    with opened(workspace) as db:
        stages = {one.id: one.stage for one in registry.entries(db)}
        decisions = registry.decisions(db)
        serving = [adapter for adapter, stage in stages.items() if stage == "production"]
        assert len(serving) == 1, "exactly one, never two and never none"
        assert decisions[0].after == serving[0]
        replayed = dict.fromkeys(stages, "candidate")
        for one in reversed(decisions):
            for adapter, (before, after) in one.moves.items():
                assert replayed[adapter] == before
                replayed[adapter] = after
        assert replayed == stages
    return serving[0], len(decisions)


def assert_old_or_new(workspace: Workspace, act: str, count: int) -> bool:
    """Assert that an act has happened whole or not at all; return whether it has."""
    names = ids(workspace)
    serving, decisions = look(workspace)
    happened = decisions == count + 1
    assert happened or decisions == count
    assert serving == names[ACTS[act][2 if happened else 1]]
    return happened


class Killer(sqlite3.Connection):
    """A connection whose process is killed before its Nth statement, counted over all connections."""

    kill_at = 0
    count = 0

    def execute(self, *args: Any) -> sqlite3.Cursor:
        Killer.count += 1
        if Killer.count == Killer.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(*args)


def run_killed(act: Act, workspace: Workspace, kill_at: int) -> bool:
    """Run an act in a child that is killed before its Nth statement; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            Killer.kill_at = kill_at
            real = sqlite3.connect
            sqlite3.connect = lambda *args, **kwargs: real(*args, factory=Killer, **kwargs)
            act(workspace)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    ended = os.waitstatus_to_exitcode(status)
    assert ended in (0, -signal.SIGKILL), ended
    return ended == 0


@pytest.mark.parametrize("act", ACTS)
def test_an_act_that_is_killed_at_any_statement_has_happened_whole_or_not_at_all(
    made: Workspace, tmp_path: Path, act: str
) -> None:
    _, count = look(made)
    happened = []
    for kill_at in range(1, 200):
        workspace = copy_of(made, tmp_path / "copy", act)
        ended = run_killed(ACTS[act][0], workspace, kill_at)
        happened.append(assert_old_or_new(workspace, act, count))
        if ended:
            break
    assert ended and happened[-1]
    assert len(happened) > 10
    assert happened == sorted(happened), "once done, it stays done"


@pytest.mark.parametrize("act", ["promote", "find"])
def test_after_a_kill_the_same_press_does_what_is_left(made: Workspace, tmp_path: Path, act: str) -> None:
    """Nothing must be mended by hand: the second press finds the scope as the first left it."""
    _, count = look(made)
    for kill_at in range(1, 200, 3):
        workspace = copy_of(made, tmp_path / "copy", act)
        if run_killed(ACTS[act][0], workspace, kill_at):
            break
        if not assert_old_or_new(workspace, act, count):
            ACTS[act][0](workspace)
        assert assert_old_or_new(workspace, act, count)


CODE = """
import sys
sys.dont_write_bytecode = True
from pathlib import Path
from core.paths import Workspace
from core.registry import promotion
workspace = Workspace(Path(sys.argv[1]))
{"promote": lambda: promotion.decide(workspace, "C"), "roll back": lambda: promotion.rollback(workspace, "finance")}[
    sys.argv[2]
]()
"""


def traced(workspace: Workspace, act: str, *expressions: str, trace: Path) -> int:
    """Run an act under strace and return its exit code; only calls on files of the workspace are seen."""
    files = [f"{workspace.database}{end}" for end in ("", "-journal", "-wal", "-shm")]
    paths = [word for file in [*files, str(workspace.root)] for word in ("-P", file)]
    command = ["strace", "-f", "-o", str(trace), *paths]
    for expression in expressions:
        command += ["-e", expression]
    done = subprocess.run(
        [*command, sys.executable, "-c", CODE, str(workspace.root), act],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return done.returncode


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("act", ["promote", pytest.param("roll back", marks=pytest.mark.slow)])
def test_an_act_that_is_killed_at_any_call_to_the_disk_has_happened_whole_or_not_at_all(
    made: Workspace, tmp_path: Path, act: str
) -> None:
    _, count = look(made)
    workspace, trace = copy_of(made, tmp_path / "copy", act), tmp_path / "trace"
    if traced(workspace, act, f"trace={','.join(CALLS)}", trace=trace) != 0:
        pytest.skip("strace may not trace here")
    assert assert_old_or_new(workspace, act, count)
    calls = re.findall(r"^\d+ +(\w+)\(", trace.read_text(), re.MULTILINE)
    points = [(name, number) for name in CALLS for number in range(1, calls.count(name) + 1)]
    assert len(points) >= 10, calls
    outcomes = set()
    for name, number in points:
        workspace = copy_of(made, tmp_path / "copy", act)
        code = traced(workspace, act, f"inject={name}:signal=KILL:when={number}", trace=trace)
        assert code != 0, (name, number)
        outcomes.add(assert_old_or_new(workspace, act, count))
    assert False in outcomes
