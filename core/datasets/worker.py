"""Works off one import job: a file becomes a version of a dataset. Started by a runner; needs no device."""

import shutil
import sys
import time
from pathlib import Path

from core.datasets import importing
from core.datasets.doctor import consultation
from core.datasets.importing import Cancelled, Progress
from core.datasets.spec import ImportSpec
from core.datasets.submission import is_upload
from core.process import frame
from core.process.frame import Stopped, Work


def main(line: str) -> int:
    return frame.run(line, import_data)


def import_data(work: Work) -> None:
    spec = ImportSpec(**work.job.spec)
    began = time.monotonic()

    def told(progress: Progress) -> bool:
        passed = time.monotonic() - began
        left = passed * (1 - progress.share) / progress.share if progress.share > 0.01 else None
        note = f"{progress.rejected:,} put aside" if progress.rejected else ""
        work.report("importing", int(100 * progress.share), 100, progress.rows / max(1e-9, passed), left, note)
        return work.stop_request() is None

    path = Path(spec.path)
    try:
        made = importing.import_file(
            work.workspace, path, spec.form, spec.mapping, name=spec.name, more=[Path(one) for one in spec.more],
            source=dict(spec.source), told=told,
        )  # fmt: skip
    except Cancelled:
        raise Stopped(work.stop_request() or "cancel") from None
    if made.examples <= consultation.MOST_ROWS:
        work.report("examining", 0, 0)
        consultation.report_of(work.workspace, made.sha)
    if work.stop_request() == "cancel":
        raise Stopped("cancel")
    work.succeed(importing.describe(made), lambda db: importing.register(db, made))
    if is_upload(work.workspace, path):
        shutil.rmtree(path.parent, ignore_errors=True)


if __name__ == "__main__":
    frame.leave(main(sys.argv[1]))
