"""`atelier doctor`: what of the machine, the packages, the data files and the workspace is fit, and what to do."""

import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from core import durable
from core.catalog import bases, industries, rubrics, specialists
from core.catalog.specialists import Specialist
from core.cli.finding import Finding
from core.cli.output import print_text
from core.cli.settings_check import look_at_rubric, look_at_settings
from core.datasets import pack_check
from core.datasets.specialist import check as specialist_check
from core.errors import AppError, NotFound, StoreError
from core.hardware.readings import read_gpus, read_host, read_machine
from core.paths import Workspace
from core.process.liveness import is_held
from core.process.queue import presence_lock, supervisor_lock
from core.store import backup, schema
from core.store.connection import SAFE_WAL_VERSION, connect_readonly, journal_mode
from core.wording import show_bytes

LEAST_FREE_BYTES = 2e9


def examine(workspace: Workspace, restore: bool = False) -> list[Finding]:
    """Return all findings: severity is ok, note or problem."""
    return [
        *look_at_machine(workspace),
        *look_at_packages(),
        *look_at_data(workspace),
        *look_at_workspace(workspace, restore),
    ]


def look_at_machine(workspace: Workspace) -> Iterator[Finding]:
    machine, host = read_machine(), read_host(workspace.root)
    fit = sys.version_info >= (3, 11)
    yield Finding(
        "machine",
        "ok" if fit else "problem",
        f"Python {sys.version.split()[0]}",
        "" if fit else "Install Python 3.11 or newer.",
    )
    yield Finding(
        "machine", "ok", f"{machine.cpu_name}, {machine.cores} cores, {show_bytes(machine.memory_bytes)} memory"
    )
    gpus = read_gpus()
    for gpu in gpus:
        yield Finding("machine", "ok", f"GPU {gpu.index}: {gpu.name}, {show_bytes(gpu.memory_total_bytes)}")
    if not gpus:
        yield Finding(
            "machine",
            "note",
            "No NVIDIA GPU is visible",
            "The starter trains on the processor; bases of a billion parameters and more want a GPU.",
        )
    room = host.disk_free_bytes >= LEAST_FREE_BYTES
    yield Finding(
        "machine",
        "ok" if room else "problem",
        f"{show_bytes(host.disk_free_bytes)} free on the workspace's disk",
        "" if room else "Free some space: a job needs room for its checkpoints.",
    )
    version_text = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < SAFE_WAL_VERSION:
        yield Finding(
            "machine",
            "note",
            f"SQLite {version_text}: the database uses the {journal_mode()} journal",
            "Nothing to do: with this version that is the safe choice.",
        )
    else:
        yield Finding("machine", "ok", f"SQLite {version_text}")


def look_at_packages() -> Iterator[Finding]:
    for name in _needed_packages():
        try:
            yield Finding("packages", "ok", f"{name} {version(name)}")
        except PackageNotFoundError:
            yield Finding("packages", "problem", f"{name} is not installed", "Run `make install`.")
    if _has_cuda_wheel() is False and read_gpus():
        yield Finding(
            "packages",
            "problem",
            "torch is a build without CUDA, but there is a GPU",
            "Install the CUDA build of the same torch version; the README says how.",
        )


def _needed_packages() -> list[str]:
    """Return the names of the packages without which Atelier does not run, as its own installation lists them."""
    try:
        lines = [line for line in requires("atelier") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        return ["atelier"]
    return sorted(re.split(r"[\s<>=!~;\[(]", line, maxsplit=1)[0] for line in lines)


def _has_cuda_wheel() -> bool | None:
    try:
        return "+cpu" not in version("torch")
    except PackageNotFoundError:
        return None


def look_at_data(workspace: Workspace) -> Iterator[Finding]:
    try:
        folder = bases.locate("starter")
        assert folder is not None
        shape = bases.read_shape(folder)
        yield Finding("data", "ok", f"Starter model, {shape.parameters / 1e6:.1f}M parameters")
    except AppError as error:
        yield Finding("data", "problem", str(error), "Take models/starter from the repository again.")
    folders = [industries.PACKS_DIR, workspace.industries]
    for file in [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.yaml"))]:
        yield from look_at_pack(file)
    yield from look_at_catalogue(workspace)
    yield from look_at_settings(workspace)


def look_at_pack(file: Path) -> Iterator[Finding]:
    """Say what is wrong with one industry's pack, what is merely small about it, or that it is sound."""
    try:
        pack = industries.read_pack(file)
        faults = pack_check.find_faults(pack)
    except AppError as error:
        yield Finding("data", "problem", str(error), "Mend the pack or take it out.")
        return
    yield from (Finding("data", "problem", f"{pack.id}: {fault}", "Mend the file named.") for fault in faults)
    for shortfall in [] if faults else pack_check.find_shortfalls(pack):
        yield Finding("data", "note", f"{pack.id}: {shortfall}", "It works; its verdicts are less certain.")
    if not faults:
        yield Finding("data", "ok", f"Industry {pack.id}: corpus, grammar and benchmark are sound")


def look_at_catalogue(workspace: Workspace) -> Iterator[Finding]:
    """Say in one line how many specialists can be read, and which files can't; nothing is generated."""
    count = 0
    for file in specialists.files_of(workspace):
        try:
            count += len(specialists.read_category(file))
        except AppError as error:
            yield Finding("data", "problem", str(error), "Mend the file or take it out.")
    yield Finding("data", "ok", f"Specialists: {count} can be read")


def look_at_specialist(workspace: Workspace, one: Specialist) -> Iterator[Finding]:
    """Say what is wrong with a specialist: its grammar, its answers, its sources; or that it is sound."""
    faults = specialist_check.find_faults(one, workspace)
    yield from (Finding("data", "problem", f"{one.id}: {fault}", f"Mend {one.file}.") for fault in faults)
    if not faults:
        yield Finding("data", "ok", f"Specialist {one.id}: grammar, answers and sources are sound")


def look_at(workspace: Workspace, name: str) -> Iterator[Finding]:
    """Look at one pack, rubric or specialist by its id, or at all that a YAML file of any of them holds.

    Raises:
        NotFound: There is none.
    """
    own = Path(name)
    if own.suffix == ".yaml" and own.is_file():
        if rubrics.is_rubric(own):
            yield from look_at_rubric(own)
            return
        if not specialists.is_category(own):
            yield from look_at_pack(own)
            return
        try:
            found = specialists.read_category(own)
        except AppError as error:
            yield Finding("data", "problem", str(error), "Mend the file or take it out.")
            return
        for one in found:
            yield from look_at_specialist(workspace, one)
        return
    packs = [folder / f"{name}.yaml" for folder in (workspace.industries, industries.PACKS_DIR)]
    pack = next((place for place in packs if place.is_file()), None)
    if pack is not None:
        yield from look_at_pack(pack)
        return
    rubric = next((file for file in reversed(rubrics.files_of(workspace)) if file.stem == name), None)
    if rubric is not None:
        yield from look_at_rubric(rubric)
        return
    known = specialists.all_specialists(workspace)
    if name not in known:
        raise NotFound(
            f"There is no pack {name!r}, and no specialist. Give the id of an industry or a specialist, or the path of "
            f"its YAML file; your own lie in {workspace.industries} and {workspace.root / 'specialists'}."
        )
    yield from look_at_specialist(workspace, known[name])


def look_at_workspace(workspace: Workspace, restore: bool) -> Iterator[Finding]:
    root = workspace.root
    if not root.exists():
        yield Finding("workspace", "note", f"The workspace {root} does not exist yet", "The first start makes it.")
        return
    if not root.is_dir() or not os.access(root, os.W_OK):
        kind = "can't be written" if root.is_dir() else "is a file"
        yield Finding("workspace", "problem", f"The workspace {root} {kind}", "Set ATELIER_HOME to a folder of yours.")
        return
    if _is_network_disk(root):
        yield Finding(
            "workspace",
            "problem",
            f"The workspace {root} lies on a network disk",
            "Set ATELIER_HOME to a local folder: SQLite's locks do not hold on network disks.",
        )
    if workspace.database.exists() or backup.find_loss(workspace):
        yield _check_database(workspace, restore)
    folders = [folder for folder in sorted(workspace.adapters.glob("*")) if not folder.name.startswith(".")]
    damaged = [folder.name for folder in folders if durable.find_damage(folder)]
    if damaged:
        yield Finding(
            "workspace",
            "problem",
            f"{len(damaged)} of {len(folders)} adapters are damaged: {', '.join(damaged[:3])}",
            "Train them again, or restore their folders from a backup.",
        )
    else:
        yield Finding("workspace", "ok", f"Adapters: {len(folders)}, all whole")
    at_work = is_held(supervisor_lock(workspace))
    yield Finding(
        "workspace", "ok", "The supervisor is at work" if at_work else "The supervisor rests; a job or the app wakes it"
    )


def _check_database(workspace: Workspace, restore: bool) -> Finding:
    path = workspace.database
    try:
        damage = backup.find_loss(workspace) or schema.find_damage(path)
        if not damage:
            with closing(connect_readonly(path)) as db:
                schema.is_current(db)
            return Finding("workspace", "ok", f"Database {path}")
    except StoreError as error:
        return Finding("workspace", "problem", str(error).rstrip("."), "")
    if not restore:
        return Finding(
            "workspace",
            "problem",
            f"The database {path} is damaged: {damage}",
            "Close the app and run `atelier doctor --restore`.",
        )
    if _is_in_use(workspace):
        return Finding(
            "workspace",
            "problem",
            f"The database {path} is damaged: {damage}. It is not restored while the app or a job is open",
            "Close the app, wait until the jobs have ended, and try again.",
        )
    taken = backup.restore(workspace)
    source = f"the backup {taken.name} took its place" if taken else "there was no backup, the workspace starts afresh"
    return Finding("workspace", "note", f"The damaged database was put aside; {source}")


def _is_in_use(workspace: Workspace) -> bool:
    locks = [supervisor_lock(workspace), presence_lock(workspace), *workspace.jobs.glob("*/alive.lock")]
    return any(is_held(lock, even_shared=True) for lock in locks)


def _is_network_disk(path: Path) -> bool:
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return False
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        fields = line.split()
        if len(fields) > 2 and str(path).startswith(fields[1]) and len(fields[1]) > len(best):
            best, kind = fields[1], fields[2]
    return kind.startswith(("nfs", "cifs", "smb", "fuse.sshfs", "9p"))


def print_findings(findings: list[Finding]) -> None:
    marks = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}
    for area in dict.fromkeys(finding.area for finding in findings):
        print_text(area.capitalize())
        for finding in findings:
            if finding.area == area:
                remedy = f". {finding.remedy}" if finding.remedy else ""
                print_text(f"  {marks[finding.severity]} {finding.text.rstrip('.')}{remedy}")
    count = sum(finding.severity == "problem" for finding in findings)
    print_text("All is fit." if not count else f"{count} problem{'s' if count > 1 else ''}; see above what to do.")
