"""Works off one check: a dataset is examined, and put right where that was asked for. Needs no device."""

import sys

from core.datasets import versions
from core.datasets.doctor import consultation, mending
from core.datasets.doctor.spec import CheckSpec
from core.process import frame
from core.process.frame import Stopped, Work
from core.store import datasets


def main(line: str) -> int:
    return frame.run(line, check)


def check(work: Work) -> None:
    spec = CheckSpec(**work.job.spec)
    work.report("examining", 0, 0)
    report = consultation.report_of(work.workspace, spec.sha, spec.base, spec.max_length)
    result = {"dataset": spec.name, "sha": spec.sha, "found": {one.kind: one.count for one in report.findings}}
    if not spec.fix:
        work.succeed(result)
        return
    kept, changed = mending.mend(versions.load(work.workspace, spec.sha), report, spec.fix)
    if work.stop_request() is not None:
        raise Stopped(work.stop_request() or "cancel")
    one = next(one for one in datasets.versions_of(work.db, spec.name) if one.sha == spec.sha)
    sha = mending.store(work.workspace, work.db, one, kept, changed)
    work.report("examining again", 0, 0)
    after = consultation.report_of(work.workspace, sha, spec.base, spec.max_length)
    found = {one.kind: one.count for one in after.findings}
    work.succeed(result | {"sha": sha, "fixed": changed, "examples": len(kept), "found": found})


if __name__ == "__main__":
    frame.leave(main(sys.argv[1]))
