"""Runs inside the sandbox's namespaces: builds an empty root, gives up every right, then becomes the interpreter.

Started as a script by `core.evaluation.sandbox`; the standard library is all that it may use. The new root holds the
system's libraries and the interpreter, read-only, and a small /tmp in memory; there is no home, no project, no network.
"""

import ctypes
import json
import os
import platform
import resource
import struct
import sys
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_CAPBSET_DROP, SECCOMP_FILTER = 38, 22, 24, 2
LAST_CAPABILITY = 63
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")
# Calls that start processes, open sockets or reach into others, and how they are numbered.
FORBIDDEN = {
    "x86_64": (0xC000003E, (56, 57, 58, 435, 41, 53, 101, 165, 166, 272, 308, 310, 311, 321, 323, 425, 62, 200, 234)),
    "aarch64": (0xC00000B7, (220, 435, 198, 199, 117, 40, 39, 97, 268, 270, 271, 280, 282, 425, 129, 130, 131)),
}
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
    if not path.startswith("/dev/"):
        # A mount keeps what it was locked to when the namespace was made; asking for less than that is refused.
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
    if _libc.syscall(PIVOT_ROOT[platform.machine()], root.encode(), f"{root}/old".encode()) != 0:
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
    machine, calls = FORBIDDEN[platform.machine()]
    program = [(0x20, 0, 0, 4), (0x15, 1, 0, machine), (0x06, 0, 0, 0x80000000), (0x20, 0, 0, 0)]
    if platform.machine() == "x86_64":  # the other numbering of the same calls
        program += [(0x35, 0, 1, 0x40000000), (0x06, 0, 0, 0x80000000)]
    for index, number in enumerate(calls):
        program.append((0x15, len(calls) - index, 0, number))
    program += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]  # allow; or EPERM
    filters = b"".join(struct.pack("HBBI", *one) for one in program)
    buffer = ctypes.create_string_buffer(filters)
    head = struct.pack("HxxxxxxP", len(program), ctypes.addressof(buffer))
    _call("prctl", PR_SET_SECCOMP, SECCOMP_FILTER, head, 0, 0)


def main() -> None:
    told = json.loads(sys.argv[1])
    enter_empty_root(told["prefix"])
    set_limits(told["limits"])
    give_up_rights()
    os.execve(told["command"][0], told["command"], {"LANG": "C.UTF-8", "HOME": "/tmp", "PATH": "/usr/bin:/bin"})


if __name__ == "__main__":
    main()
