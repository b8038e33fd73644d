"""Runs code that a model wrote: in namespaces of its own, without network, home or files, with limits.

Linux only: it needs user namespaces. Where they can't be had the code is not run at all.
"""

import contextlib
import json
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
from core.evaluation.metrics.code import read_code

SECONDS = 5.0
MEMORY_BYTES = 512_000_000
MOST_OUTPUT = 4_000
_NAMESPACES = ("--user", "--map-root-user", "--net", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
# The word that proves the end of the tests is read only after they ran, so leaving early is no way to pass.
_RUN = """
import json, sys
source, tests = json.loads(sys.stdin.readline())
out = sys.stdout
sys.stdout = sys.stderr = open("/dev/null", "w")
try:
    scope = {"__name__": "__main__"}
    exec(compile(source, "answer", "exec"), scope)
    exec(compile(tests, "tests", "exec"), scope)
    told = ["passed", sys.stdin.readline()]
except BaseException as error:
    told = ["failed", (type(error).__name__ + ": " + str(error))[:300]]
out.write(json.dumps(told))
out.flush()
"""


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
    if sys.platform != "linux" or shutil.which("unshare") is None:
        raise SandboxError("Code is run only on Linux, where it can be contained. Choose another specialist.")
    told = _run("x = 1", "assert x == 1", 20.0, MEMORY_BYTES)
    if not told.passed:
        raise SandboxError(
            f"Code can't be contained on this machine ({told.reason}), so none is run. Allow user namespaces, or "
            "choose another specialist."
        )


def _run(source: str, tests: str, seconds: float, memory_bytes: int) -> Outcome:
    word = secrets.token_hex(16)
    interpreter = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    cpu = int(seconds) + 1
    told = {
        "prefix": sys.base_prefix,
        "limits": {
            "RLIMIT_CPU": cpu, "RLIMIT_AS": memory_bytes, "RLIMIT_FSIZE": 1_000_000, "RLIMIT_NOFILE": 64,
            "RLIMIT_CORE": 0,
        },
        "command": [str(interpreter), "-I", "-S", "-B", "-c", _RUN],
    }  # fmt: skip
    jail = Path(__file__).with_name("jail.py")
    command = ["unshare", *_NAMESPACES, "--", str(interpreter), "-I", "-S", "-B", str(jail), json.dumps(told)]
    began = time.monotonic()
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )
    try:
        sent = f"{json.dumps([source, tests])}\n{word}".encode()
        output = _exchange(child, sent, began + seconds)
    finally:
        _end(child)
    passed_s = time.monotonic() - began
    if output is None:
        return Outcome(False, f"not done after {seconds:g} s", passed_s)
    return _read(output, word, child, passed_s)


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
    except (ValueError, TypeError):
        assert child.stderr is not None
        last = child.stderr.read(MOST_OUTPUT).decode("utf-8", "replace").strip().splitlines()
        return Outcome(False, last[-1][:300] if last else "ended before its tests", seconds)
    if kind == "passed":
        return Outcome(told == word, "" if told == word else "ended before its tests", seconds)
    return Outcome(False, str(told), seconds)
