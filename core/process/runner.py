"""A small parent for one worker: holds the job's lock, starts the worker, and writes down how it ended.

It stays when the supervisor dies, so a later supervisor learns the true result. It reads one line from stdin: which
job, which attempt. With `--warm` it starts its worker first, with the heavy libraries loaded, and hands over the job
when the line comes; when stdin closes without one, both go.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from core import durable, redaction
from core.catalog import endpoints
from core.paths import PROJECT_DIR, JobFolder, Workspace
from core.process import environment
from core.process.kinds import ENDPOINT_MODULE, WARM_MODULES
from core.process.liveness import FileLock, ProcessIdentity

EXIT_LOCKED = 3
PATIENCE_S = 10.0  # an earlier worker of the job, paused or fenced off, may still be on its way out


@dataclass(frozen=True)
class Assignment:
    """What a worker needs to begin."""

    workspace: str
    job: str
    attempt: int
    token: str
    module: str
    device: str

    @property
    def folder(self) -> JobFolder:
        return JobFolder(Path(self.workspace) / "jobs" / self.job)

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> int:
    redaction.install()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # only the end of the worker ends the runner
    warm = _WarmWorker() if "--warm" in sys.argv else None
    line = _wait_for_line(warm)
    if not line:
        if warm:
            warm.dismiss()
        return 0
    assignment = Assignment(**json.loads(line))
    lock = FileLock(assignment.folder.lock)
    deadline = time.monotonic() + PATIENCE_S
    while not lock.acquire():
        if time.monotonic() > deadline:
            if warm:
                warm.dismiss()
            return EXIT_LOCKED
    log = os.open(assignment.folder.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    process = warm.hand_over(assignment, lock, log) if warm else _start(assignment, lock, log)
    identity = ProcessIdentity.of(process.pid)
    durable.write_json(
        assignment.folder.root / "worker.json",
        {"attempt": assignment.attempt, "identity": identity.to_dict() if identity else None},
    )
    return _record_end(process, assignment)


def _wait_for_line(warm: "_WarmWorker | None") -> bytes:
    """Return the assignment, or nothing when the supervisor or the warm worker is gone before it came."""
    if warm is None:
        return sys.stdin.buffer.readline()
    ready, _, _ = select.select([sys.stdin, warm.channel], [], [])
    return b"" if warm.channel in ready else sys.stdin.buffer.readline()


def _start(assignment: Assignment, lock: FileLock, log: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", assignment.module, assignment.to_line().decode().strip()]
    asks = assignment.module == ENDPOINT_MODULE
    keys = endpoints.key_names(Workspace(Path(assignment.workspace))) if asks else ()
    env = environment.for_worker(assignment.device, keys)
    if sys.platform == "win32":
        return subprocess.Popen(
            command,
            cwd=PROJECT_DIR,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        command,
        cwd=PROJECT_DIR,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        pass_fds=[lock.fileno()],
    )


class _WarmWorker:
    """A worker process that has loaded its libraries and waits on a socket for its assignment."""

    def __init__(self) -> None:
        self.channel, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core.process.warm", str(theirs.fileno()), *WARM_MODULES],
            cwd=PROJECT_DIR,
            env=environment.for_worker("cpu" if "--cpu" in sys.argv else "cuda"),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()

    def hand_over(self, assignment: Assignment, lock: FileLock, log: int) -> subprocess.Popen[bytes]:
        socket.send_fds(self.channel, [assignment.to_line()], [lock.fileno(), log])
        self.channel.close()
        return self.process

    def dismiss(self) -> None:
        self.process.kill()
        self.process.wait()


def _record_end(process: subprocess.Popen[bytes], assignment: Assignment) -> int:
    """Wait for the worker and write exit-N.json: exit code or signal, and its largest resident memory."""
    peak_bytes = None
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        peak_bytes = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    else:
        code = process.wait()
    durable.write_json(assignment.folder.exit_file(assignment.attempt), {"code": code, "peak_memory_bytes": peak_bytes})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
