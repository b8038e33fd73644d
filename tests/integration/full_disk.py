"""A job on a disk that really fills up: `unshare -Urm python -m tests.integration.full_disk EMPTY_FOLDER BASE`.

The disk is a file system in memory whose size is changed while the job runs; only in a namespace of its own may a
program without rights mount one.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from core import durable
from core.errors import AppError
from core.paths import Workspace
from core.process import queue
from core.store import jobs, schema
from core.store.connection import opened
from core.store.jobs import Job
from core.store.metrics import read_series
from tests.conftest import end_processes, processes_of, wait_until
from tests.integration import support

DISK_FULL = "The disk is full. Free some space, then resume; the last checkpoint is kept."
ROOMY, TOO_SMALL = "4g", "900m"  # it takes memory for what is written only
STEPS = 200


def resume(workspace: Workspace, job: Job) -> None:
    with opened(workspace) as db:
        queue.resume(db, support.read(workspace, job))
    queue.ensure_supervisor(workspace)


def trained_steps(workspace: Workspace, job: Job) -> list[int]:
    return [int(step) for step in read_series(workspace.job(job.id).metrics)["train/loss"].steps]


def size(disk: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def fill_until_the_worker_leaves(workspace: Workspace, disk: Path) -> None:
    """Leave 16 kB free again and again, whatever the job frees by forgetting old checkpoints."""

    def is_gone() -> bool:
        # Refused at the moment when more is used than a moment ago; the next try comes.
        used = shutil.disk_usage(disk).used + 16_384
        subprocess.run(["mount", "-o", f"remount,size={used}", str(disk)], capture_output=True)
        return not any(processes_of(workspace, kind) for kind in (support.RUNNER, *support.WORKERS))

    wait_until(is_gone, 120, "the worker's leave")


def assert_paused_for_the_disk(workspace: Workspace, job: Job) -> None:
    paused = support.wait_for_state(workspace, job, "paused", "failed", "succeeded")
    assert (paused.state, paused.reason) == ("paused", DISK_FULL), paused


def main(disk: Path, base: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "tmpfs", str(disk)], check=True)
    workspace = Workspace.chosen()
    schema.prepare(workspace)
    try:
        job = support.submit(workspace, base, max_steps=STEPS, evaluate=False)
        support.wait_for_step(workspace, job, 15)
        fill_until_the_worker_leaves(workspace, disk)
        kept = sorted(workspace.job(job.id).checkpoints.glob("step-*"))
        assert kept, "the last checkpoint is gone"
        assert [durable.find_damage(folder) for folder in kept] == [None] * len(kept)

        # Room for the database again, but too little for a job: a new one is refused, the old one waits.
        size(disk, TOO_SMALL)
        assert_paused_for_the_disk(workspace, job)
        try:
            support.submit(workspace, base, evaluate=False, name="refused")
        except AppError as error:
            assert "free; this job needs 1.0 GB. Free some space and try again." in str(error), error
        else:
            raise AssertionError("a job was queued though its disk has no room for it")
        with opened(workspace) as db:
            assert [one.number for one in jobs.recent(db)] == [1]
        resume(workspace, job)
        wait_until(lambda: support.read(workspace, job).attempt == 2, 60, "the second attempt")
        assert_paused_for_the_disk(workspace, job)

        size(disk, ROOMY)
        resume(workspace, job)
        ended = support.wait_for_end(workspace, job)
        assert ended.state == "succeeded", ended.error
        assert trained_steps(workspace, job) == list(range(1, STEPS + 1))
    finally:
        end_processes(workspace)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
