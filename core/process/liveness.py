"""Proof of life: locks that die with their holders, and process identities that survive a reused pid."""

import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


TRIES = 5
TRY_AGAIN_S = 0.01


class FileLock:
    """A lock on a file that the system frees when the last process holding it ends, however it ends.

    On POSIX the lock belongs to the open file: children that inherit `fileno()` keep it. On Windows it belongs to the
    process alone.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._handle: int | None = None

    def acquire(self, shared: bool = False) -> bool:
        """Try for a moment and return whether the lock is held now; who only looks is soon out of the way."""
        for _ in range(TRIES):
            if self._try(shared):
                return True
            time.sleep(TRY_AGAIN_S)
        return False

    def _try(self, shared: bool) -> bool:
        if self._handle is not None:
            return True
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if sys.platform == "win32":
                if not shared:  # msvcrt has no shared locks; presence is then not counted
                    msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return False
        self._handle = handle
        return True

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def fileno(self) -> int:
        if self._handle is None:
            raise ValueError("the lock is not held")
        return self._handle


def is_held(path: Path, *, even_shared: bool = False) -> bool:
    """Return whether any process holds the lock on this file.

    Args:
        even_shared: Whether those count that share it. Several may look for a sole owner at once without taking each
            other for one; only one at a time may look for sharers.
    """
    if not path.exists():
        return False
    lock = FileLock(path)
    if lock._try(shared=not even_shared and sys.platform != "win32"):
        lock.release()
        return False
    return True


@dataclass(frozen=True)
class ProcessIdentity:
    """A process for good: its pid, when it started, and in which boot, none of it by the wall clock on Linux."""

    boot: str
    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """Return the identity of a running process, or None if there is none (a zombie counts as none)."""
        started = _start_mark(pid)
        return None if started is None else cls(_boot_mark(), pid, started)

    def is_alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self

    def to_dict(self) -> dict[str, object]:
        return asdict(self)


def _boot_mark() -> str:
    source = Path("/proc/sys/kernel/random/boot_id")
    return source.read_text().strip() if source.exists() else str(round(psutil.boot_time()))


def _start_mark(pid: int) -> float | None:
    """Return the start time in clock ticks since boot (field 22 of /proc/pid/stat), elsewhere psutil's."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else float(fields[19])
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None
