"""Proof of life: locks that die with their holders, and identities that survive a reused process number."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from core.process.liveness import FileLock, ProcessIdentity, is_held

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks belong to the process alone on Windows")


def test_a_lock_that_others_only_look_at_is_always_got(tmp_path: Path) -> None:
    path, done = tmp_path / "lock", threading.Event()
    path.touch()

    def look() -> None:
        while not done.is_set():
            is_held(path)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(300):
            lock = FileLock(path)
            assert lock.acquire() and is_held(path)
            lock.release()
            assert not is_held(path)
    finally:
        done.set()
        for looker in lookers:
            looker.join()


def test_a_lock_is_free_only_when_all_that_inherited_it_are_dead(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    assert lock.acquire()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock.fileno()])
    lock.release()
    assert is_held(lock.path) and not FileLock(lock.path).acquire()
    child.kill()
    child.wait()
    assert not is_held(lock.path)


def test_a_shared_lock_is_seen_only_by_who_asks_for_it(tmp_path: Path) -> None:
    one, other = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert one.acquire(shared=True) and other.acquire(shared=True)
    assert is_held(one.path, even_shared=True) and not is_held(one.path)
    one.release()
    assert is_held(one.path, even_shared=True)
    other.release()
    assert not is_held(one.path, even_shared=True)


def test_a_process_is_known_again_and_never_taken_for_a_later_one_of_the_same_number() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity.of(child.pid)
    assert identity is not None and identity.is_alive()
    assert not ProcessIdentity(identity.boot, identity.pid, identity.started + 1).is_alive()
    assert not ProcessIdentity("another boot", identity.pid, identity.started).is_alive()
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.is_alive(), "a zombie counts as dead"
    child.wait()
    assert ProcessIdentity.of(child.pid) is None
