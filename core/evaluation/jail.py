"""Runs inside the sandbox's namespaces: builds an empty root, then two processes without any right: answer and tests.

Started as a script by `core.evaluation.sandbox`; the standard library is all that it may use. The new root holds the
system's libraries and the interpreter, read-only, and a small /tmp in memory; there is no home, no project, no network.
The answer's process has process numbers of its own and one pipe each way to the tests' process, which alone holds the
way out. Both see the same /tmp.
"""

import ctypes
import importlib.util
import json
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import IO, NoReturn

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAPBSET_DROP, SECCOMP_FILTER = 38, 22, 24, 2
LAST_CAPABILITY = 63
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
# Calls that start processes or programs, open sockets, reach into others, hold memory that no limit counts, or mount;
# and how they are numbered.
FORBIDDEN = {
    "x86_64": (
        0xC000003E,
        (
            *(56, 57, 58, 435, 59, 322, 41),  # clone, fork, vfork, clone3, execve, execveat, socket
            *(62, 129, 200, 234, 297, 424, 434, 438),  # kill and its kin, pidfd_*
            *(
                101,
                298,
                302,
                310,
                311,
                312,
                321,
                323,
                425,
                440,
            ),  # ptrace, prlimit, process_vm_*, io_uring and more
            *(29, 64, 68, 240, 248, 249, 250, 319, 447),  # shared memory, queues, keys, memfd
            *(155, 161, 165, 166, 272, 303, 304, 308, 428, 429, 430, 432, 442),  # mounts, chroot, namespaces, handles
            *(103, 135, 141, 142, 144, 203, 251),  # syslog, personality, priorities
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(220, 435, 221, 281, 198),
            *(129, 130, 131, 138, 240, 424, 434, 438),
            *(117, 241, 261, 270, 271, 272, 280, 282, 425, 440),
            *(194, 190, 186, 180, 217, 218, 219, 279, 447),
            *(41, 51, 40, 39, 97, 264, 265, 268, 428, 429, 430, 432, 442),
            *(116, 92, 140, 118, 119, 122, 30),
        ),
    ),
}
CLONE_NEWPID = 0x20000000
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    _call(
        "mount",
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        options.encode() if options else None,
    )


def _bind(path: str, root: str) -> None:
    target = Path(root + path)
    if Path(path).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(path, str(target), None, MS_BIND)
    # A mount keeps what it was locked to when the namespace was made; asking for less than that is refused. Read-only
    # devices can still be written to, but nobody changes their owner or mode.
    _mount(path, str(target), None, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | _locked_flags(path))


def _locked_flags(path: str) -> int:
    flags = os.statvfs(path).f_flag
    known = ((os.ST_NODEV, MS_NODEV), (os.ST_NOEXEC, 8), (os.ST_NOATIME, 1024), (os.ST_RELATIME, 1 << 21))
    return sum(bit for seen, bit in known if flags & seen)


def enter_empty_root(interpreter: str) -> None:
    """Make a root in memory that holds only what the interpreter needs, and leave the old one."""
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    root = "/tmp"
    _mount("jail", root, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=755")
    needed = [path for path in SYSTEM if Path(path).exists()]
    needed += [interpreter] if not any(interpreter.startswith(f"{path}/") for path in needed) else []
    for path in needed:
        if Path(path).is_symlink():
            Path(root + path).symlink_to(Path(path).readlink())
        else:
            _bind(path, root)
    for path in DEVICES:
        _bind(path, root)
    for name in ("tmp", "old"):
        Path(root, name).mkdir(exist_ok=True)
    _mount("work", f"{root}/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=16m")
    if _libc.syscall(PIVOT_ROOT[os.uname().machine], root.encode(), f"{root}/old".encode()) != 0:
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")
    _call("umount2", b"/old", MNT_DETACH)
    Path("/old").rmdir()
    _mount("none", "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chdir("/tmp")


def set_limits(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        resource.setrlimit(getattr(resource, name), (value, value))


def give_up_rights() -> None:
    """Drop all capabilities for good, and forbid new processes, sockets and mounts."""
    for capability in range(LAST_CAPABILITY + 1):
        _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = struct.pack("Ii", 0x20080522, 0)
    _call("capset", header, struct.pack("6I", *[0] * 6))
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    machine, calls = FORBIDDEN[os.uname().machine]
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, machine), (0x06, 0, 0, 0x80000000), (0x20, 0, 0, 0)]
    if os.uname().machine == "x86_64":  # the other numbering of the same calls
        program += [(0x35, 0, 1, 0x40000000), (0x06, 0, 0, 0x80000000)]
    for index, number in enumerate(calls):
        program.append((0x15, len(calls) - index, 0, number))
    program += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]  # allow; or EPERM
    filters = b"".join(struct.pack("HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(filters)
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    _call("prctl", PR_SET_SECCOMP, SECCOMP_FILTER, head, 0, 0)


def load_jailed() -> ModuleType:
    """Return what runs inside, read while its file can still be reached."""
    spec = importlib.util.spec_from_file_location("jailed", Path(__file__).with_name("jailed.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _opened(*modes: str) -> list[IO[bytes]]:
    """Return the descriptors from 3 on as files."""
    return [os.fdopen(number, mode) for number, mode in enumerate(modes, 3)]


def _settle(keep: dict[int, int], limits: dict[str, int]) -> None:
    """Let a new process have only the descriptors of `keep`, at their new numbers from 3 on, and no rights."""
    spare = {new: os.dup(old) for old, new in keep.items()}
    moved = {new: os.dup2(old, 50 + new) for new, old in spare.items()}
    null = os.open("/dev/null", os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.closerange(3, 50)
    for new, old in moved.items():
        os.dup2(old, new)
    os.closerange(50, 64)
    sys.argv, sys.orig_argv = [""], [""]
    os.chdir("/tmp")
    set_limits(limits)
    give_up_rights()


def _run_tests(jailed: ModuleType, ends: tuple[int, int], limits: dict[str, int]) -> NoReturn:
    _settle({0: 3, 1: 4, ends[0]: 5, ends[1]: 6}, limits)
    jailed.Tests(*_opened("rb", "wb", "rb", "wb")).run()
    os._exit(1)


def _run_answer(jailed: ModuleType, ends: tuple[int, int], limits: dict[str, int]) -> NoReturn:
    _settle({ends[0]: 3, ends[1]: 4}, limits)
    try:
        jailed.serve_answer(*_opened("rb", "wb"))
    finally:
        os._exit(0)


def main() -> None:
    """Start the two and leave when the tests or the time are over; with this process everything in the namespace ends.

    The one who started it ends it sooner, unless he was killed himself.
    """
    told = json.loads(sys.argv[1])
    signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
    signal.alarm(told["seconds"])
    jailed = load_jailed()
    enter_empty_root(told["prefix"])
    asked, asking = os.pipe()
    answered, answering = os.pipe()
    tests = os.fork()
    if tests == 0:
        _run_tests(jailed, (answered, asking), told["limits"])
    _call("unshare", CLONE_NEWPID)
    if os.fork() == 0:
        _run_answer(jailed, (asked, answering), told["limits"])
    os.closerange(3, 64)
    os.close(0)
    os.close(1)
    os.waitpid(tests, 0)


if __name__ == "__main__":
    main()
