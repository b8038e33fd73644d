"""Durable writes: whatever fails on the way, a reader finds the old or the new, whole, and nothing between.

`Disk` stands between the module and the system: it counts every operation that a write takes (open, write, fsync,
rename, mkdir) and lets the Nth one fail, as a full disk, as a broken one, or by killing the process half-way.
"""

import contextlib
import errno
import io
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core import durable
from core.paths import PROJECT_DIR

OLD, NEW = b"old " * 100, b"new!" * 300
FILES = {"weights.bin": b"w" * 5000, "state.json": b'{"step": 3}', "inner/part.txt": "größer".encode()}


class Disk:
    """Counts operations; the one numbered `fail_at` fails as `kind` says, with 'full' also all after it."""

    def __init__(self, patch: pytest.MonkeyPatch, fail_at: int = 0, kind: str = "") -> None:
        self.fail_at, self.kind = fail_at, kind
        self.log: list[tuple[str, str]] = []
        self._paths: dict[int, str] = {}
        self._real_open, self._real_handle, self._real_sync = io.open, os.open, os.fsync
        patch.setattr(io, "open", self._open)
        patch.setattr(os, "open", self._open_handle)
        patch.setattr(os, "fsync", self._sync)
        for name in ("rename", "replace", "mkdir"):
            patch.setattr(os, name, self._counted(name, getattr(os, name)))

    def operate(self, name: str, path: Any, tear: Callable[[], None] = lambda: None) -> None:
        self.log.append((name, Path(path).name))
        number = len(self.log)
        if number == self.fail_at or (self.kind == "full" and 0 < self.fail_at <= number):
            tear()
            if self.kind == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.EIO if self.kind == "broken" else errno.ENOSPC, "asked for by the test", str(path))

    def _counted(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, *args: Any, **kwargs: Any) -> None:
            self.operate(name, path)
            real(path, *args, **kwargs)

        return call

    def _open(self, path: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not isinstance(path, str | Path):
            return self._real_open(path, mode, *args, **kwargs)
        self.operate("open", path)
        file = self._real_open(path, mode, *args, **kwargs)
        self._paths[file.fileno()] = str(path)
        return file if mode in ("r", "rb") else _File(self, file, path)

    def _open_handle(self, path: Any, *args: Any, **kwargs: Any) -> int:
        handle = self._real_handle(path, *args, **kwargs)
        self._paths[handle] = str(path)
        return handle

    def _sync(self, handle: int) -> None:
        self.operate("fsync", self._paths.get(handle, "?"))
        self._real_sync(handle)


class _File:
    """An open file whose writes are counted; one that fails has written the half."""

    def __init__(self, disk: Disk, file: Any, path: Any) -> None:
        self._disk, self._file, self._path = disk, file, path

    def write(self, data: Any) -> int:
        self._disk.operate("write", self._path, lambda: self._tear(data))
        written: int = self._file.write(data)
        return written

    def _tear(self, data: Any) -> None:
        self._file.write(data[: len(data) // 2])
        self._file.flush()

    def __enter__(self) -> "_File":
        return self

    def __exit__(self, *args: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def write_new_file(folder: Path) -> None:
    durable.write_file(folder / "state.json", NEW)


def write_new_folder(folder: Path) -> None:
    with durable.new_folder(folder / "step-3") as staging:
        for name, content in FILES.items():
            (staging / name).parent.mkdir(exist_ok=True)
            (staging / name).write_bytes(content)


def find_file(folder: Path) -> str:
    """Return whether the file is old or new; anything else fails the test."""
    content = (folder / "state.json").read_bytes()
    assert content in (OLD, NEW)
    return "old" if content == OLD else "new"


def find_folder(folder: Path) -> str:
    final = folder / "step-3"
    if not final.exists():
        return "old"
    assert durable.find_damage(final) is None
    assert read_all(final) == FILES
    return "new"


def read_all(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files.pop(durable.MANIFEST, None)
    return files


WRITES = pytest.mark.parametrize(
    ("write", "find"),
    [(write_new_file, find_file), (write_new_folder, find_folder)],
    ids=["a file", "a folder"],
)
Write = Callable[[Path], None]
Find = Callable[[Path], str]


@pytest.fixture
def fresh_folders(tmp_path: Path) -> Iterator[Path]:
    """Folders, one after another, that hold the old file and nothing else."""

    def make() -> Iterator[Path]:
        for number in range(10_000):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "state.json").write_bytes(OLD)
            yield folder

    return make()


def operations_of(write: Write, folder: Path) -> list[tuple[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(patch)
        write(folder)
    return disk.log


@pytest.mark.parametrize("kind", ["full", "once full", "broken"])
@WRITES
def test_a_write_that_fails_anywhere_says_so_and_leaves_the_old_or_the_new(
    fresh_folders: Iterator[Path], write: Write, find: Find, kind: str
) -> None:
    steps = len(operations_of(write, next(fresh_folders)))
    assert steps >= 5
    for fail_at in range(1, steps + 1):
        folder = next(fresh_folders)
        said = False
        with pytest.MonkeyPatch.context() as patch:
            Disk(patch, fail_at, kind)
            try:
                write(folder)
            except OSError as error:
                said = "asked for by the test" in str(error)
        assert find(folder) == "new" or said
        assert list(folder.glob(".*")) == [], f"something is left behind after a failure at operation {fail_at}"
        with contextlib.suppress(FileExistsError):  # it failed behind the rename: the folder is there, and whole
            write(folder)
        assert find(folder) == "new"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@WRITES
def test_a_write_that_is_killed_anywhere_leaves_the_old_or_the_new(
    fresh_folders: Iterator[Path], write: Write, find: Find
) -> None:
    steps = len(operations_of(write, next(fresh_folders)))
    for fail_at in range(1, steps + 1):
        folder = next(fresh_folders)
        child = os.fork()
        if child == 0:
            Disk(pytest.MonkeyPatch(), fail_at, "kill")
            write(folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        find(folder)
        durable.sweep_staging(folder)
        assert list(folder.glob(".*")) == []
        with contextlib.suppress(FileExistsError):
            write(folder)
        assert find(folder) == "new"


def test_a_file_is_on_the_disk_before_its_name_and_its_name_before_the_write_returns(tmp_path: Path) -> None:
    log = operations_of(write_new_file, tmp_path)
    kinds = [name for name, _ in log if name in ("write", "fsync", "replace")]
    assert kinds == ["write", "fsync", "replace", "fsync"]
    assert log[-1] == ("fsync", tmp_path.name)


def test_a_folder_is_on_the_disk_with_its_manifest_before_its_name(tmp_path: Path) -> None:
    log = operations_of(write_new_folder, tmp_path)
    rename = next(index for index, (name, _) in enumerate(log) if name == "rename")
    for file in [*(Path(name).name for name in FILES), durable.MANIFEST]:
        assert log.index(("write", file)) < log.index(("fsync", file)) < rename
    staging = log[rename][1]
    assert log.index(("fsync", durable.MANIFEST)) < log.index(("fsync", staging)) < rename
    assert log.index(("fsync", "inner")) < rename
    assert log[rename + 1 :] == [("fsync", tmp_path.name)]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_system_sees_the_same_order(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from core import durable; durable.write_file(Path({str(tmp_path / 'f')!r}), 'x')"
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", "trace=fsync,rename,renameat,renameat2"]
    done = subprocess.run([*command, sys.executable, "-c", code], cwd=PROJECT_DIR, capture_output=True)
    if done.returncode != 0:
        pytest.skip("strace may not trace here")
    calls = re.findall(r"(fsync|rename)\w*\(.*?([^/]*)[>\"]\)? += 0", trace.read_text())
    assert [name for name, _ in calls] == ["fsync", "rename", "fsync"]


def test_a_failing_body_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), durable.new_folder(tmp_path / "made") as staging:
        (staging / "a").write_text("a")
        1 / 0  # noqa: B018 - the failure is what is wanted
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_already_is_not_touched(tmp_path: Path) -> None:
    write_new_folder(tmp_path)
    with pytest.raises(FileExistsError), durable.new_folder(tmp_path / "step-3") as staging:
        (staging / "other").write_text("other")
    assert read_all(tmp_path / "step-3") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["step-3"]


@pytest.mark.parametrize("name", FILES)
def test_any_flipped_byte_is_found(tmp_path: Path, name: str) -> None:
    write_new_folder(tmp_path)
    file = tmp_path / "step-3" / name
    whole = file.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 20)):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert durable.find_damage(tmp_path / "step-3") == f"{name} is damaged"
    file.write_bytes(whole)
    assert durable.find_damage(tmp_path / "step-3") is None


@pytest.mark.parametrize("name", [*FILES, durable.MANIFEST])
def test_a_shortened_or_lost_file_is_found(tmp_path: Path, name: str) -> None:
    write_new_folder(tmp_path)
    file = tmp_path / "step-3" / name
    whole = file.read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 3):
        file.write_bytes(whole[:length])
        assert durable.find_damage(tmp_path / "step-3") is not None
        assert durable.find_damage(tmp_path / "step-3", by_size=True) is not None
    file.unlink()
    assert "missing" in str(durable.find_damage(tmp_path / "step-3", by_size=True))


@pytest.mark.parametrize("manifest", ["", "{", "[]", '{"files": 3}', '{"files": {"a": {}}}', "\x00"])
def test_an_unreadable_manifest_counts_as_damage(tmp_path: Path, manifest: str) -> None:
    write_new_folder(tmp_path)
    (tmp_path / "step-3" / durable.MANIFEST).write_text(manifest)
    assert "manifest" in str(durable.find_damage(tmp_path / "step-3"))


def test_a_folder_that_is_not_there_counts_as_damage(tmp_path: Path) -> None:
    assert durable.find_damage(tmp_path / "never") is not None


def test_what_a_live_process_is_writing_is_not_swept(tmp_path: Path) -> None:
    with durable.new_folder(tmp_path / "made") as staging:
        assert durable.sweep_staging(tmp_path) == 0
        (staging / "a").write_text("a")
    assert durable.find_damage(tmp_path / "made") is None


def test_what_a_dead_process_left_is_swept_even_before_its_parent_has_noticed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.read()  # its end: a zombie from now on, until it is waited for
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    (tmp_path / f".staging-step-3-0123-{child.pid}").mkdir()
    (tmp_path / f".staging-state.json-0123-{child.pid}").write_text("half")
    (tmp_path / "kept").mkdir()
    assert durable.sweep_staging(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    child.wait()


def test_sweeping_a_folder_that_is_not_there_finds_nothing(tmp_path: Path) -> None:
    assert durable.sweep_staging(tmp_path / "never") == 0
