"""Runs code that a model wrote: in namespaces of its own, without network, home or files, with limits.

Linux only: it needs user namespaces. Where they can't be had the code is not run at all.

The tests run in one process and the answer in another; see `core.evaluation.jailed`. The verdict comes from the tests'
process alone, on which the answer has no hold: it sees the arguments of its calls, and what it returns is rebuilt by
value. Where the tests' text asks for more than values (see `core.evaluation.separation`), both share one process. Then
the outside is held just as well, but not the verdict: such an answer could return objects that claim to equal
everything, patch what the tests call, or look for the tests in memory.
"""

import contextlib
import json
import math
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from core.errors import SandboxError
from core.evaluation.jailed import BROKEN_OFF
from core.evaluation.metrics.code import read_code
from core.evaluation.separation import separate

SECONDS = 5.0  # of processor time, so that a busy machine fails nobody; by the clock twice as long
MEMORY_BYTES = 512_000_000
MOST_OUTPUT = 4_000
ENDED = "ended before its tests"
_NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child")


@dataclass(frozen=True)
class Outcome:
    """Whether the tests passed, and if not why; `seconds` is wall time."""

    passed: bool
    reason: str
    seconds: float


def run_tests(answer: str, tests: str, seconds: float = SECONDS, memory_bytes: int = MEMORY_BYTES) -> Outcome:
    """Run the code of an answer and then its tests, Python statements that raise where something is wrong.

    Raises:
        SandboxError: This machine gives no sandbox; nothing was run.
    """
    check()
    return _run(read_code(answer), tests, seconds, memory_bytes)


@cache
def check() -> None:
    """Refuse machines on which code can't be contained.

    Raises:
        SandboxError: It says what is missing.
    """
    if sys.platform != "linux" or not _unshare():
        raise SandboxError("Code is run only on Linux, where it can be contained. Choose another specialist.")
    told = _run("x = 1", "assert x == 1", 20.0, MEMORY_BYTES)
    if not told.passed:
        raise SandboxError(
            f"Code can't be contained on this machine ({told.reason}), so none is run. Allow user namespaces, or "
            "choose another specialist."
        )


def _unshare() -> str:
    return shutil.which("unshare") or ""


def _run(source: str, tests: str, seconds: float, memory_bytes: int) -> Outcome:
    try:
        parts = separate(tests)
    except (SyntaxError, ValueError, RecursionError) as error:
        return Outcome(False, f"the tests can't be read: {error}", 0.0)
    word = secrets.token_hex(16)
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    needs = {
        "prefix": sys.base_prefix,
        "seconds": int(2 * seconds) + 2,
        "limits": {
            "RLIMIT_CPU": math.ceil(seconds), "RLIMIT_AS": memory_bytes, "RLIMIT_FSIZE": 1_000_000, "RLIMIT_NOFILE": 64,
            "RLIMIT_CORE": 0,
        },
    }  # fmt: skip
    jail = Path(__file__).with_name("jail.py")
    command = [_unshare(), *_NAMESPACES, "--", str(interpreter), "-I", "-S", "-B", str(jail), json.dumps(needs)]
    began = time.monotonic()
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={"LANG": "C.UTF-8", "HOME": "/tmp", "PATH": "/usr/bin:/bin"},
    )
    try:
        sent = json.dumps([source, tests, parts.names, parts.modules, parts.together])
        output = _exchange(child, f"{sent}\n{word}".encode(), began + 2 * seconds)
    finally:
        _end(child)
    passed_s = time.monotonic() - began
    if output is None:
        return Outcome(False, f"not done after {2 * seconds:g} s", passed_s)
    told = _read(output, word, child, passed_s)
    if told.reason in (ENDED, BROKEN_OFF) and passed_s >= seconds:
        return Outcome(False, f"not done after {seconds:g} s of processor time", passed_s)
    return told


def _exchange(child: "subprocess.Popen[bytes]", sent: bytes, deadline: float) -> bytes | None:
    """Write what the child reads and return the first bytes that it writes; None when the time is over."""
    assert child.stdin is not None and child.stdout is not None
    os.set_blocking(child.stdin.fileno(), False)
    output, rest = b"", memoryview(sent)
    while len(output) < MOST_OUTPUT:
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        readable, writable, _ = select.select([child.stdout], [child.stdin] if rest else [], [], left)
        if writable:
            try:
                rest = rest[os.write(child.stdin.fileno(), rest[:65_536]) :]
            except BrokenPipeError:
                rest = rest[:0]
            if not rest:
                child.stdin.close()
        if readable:
            piece = os.read(child.stdout.fileno(), MOST_OUTPUT)
            if not piece:
                return output
            output += piece
    return output


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the child with all that lives in its namespace."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(output: bytes, word: str, child: "subprocess.Popen[bytes]", seconds: float) -> Outcome:
    try:
        kind, told = json.loads(output)
    except (ValueError, TypeError, RecursionError):
        assert child.stderr is not None
        last = child.stderr.read(MOST_OUTPUT).decode("utf-8", "replace").strip().splitlines()
        return Outcome(False, last[-1][:300] if last else ENDED, seconds)
    if kind == "passed":
        return Outcome(told == word, "" if told == word else ENDED, seconds)
    return Outcome(False, str(told), seconds)
