"""Works off one fetch: the files of a dataset of the hub come to this disk. Started by a runner; needs no device."""

import sys

from core.datasets import hub
from core.datasets.spec import FetchSpec
from core.process import frame
from core.process.frame import Stopped, Work


def main(line: str) -> int:
    return frame.run(line, fetch)


def fetch(work: Work) -> None:
    spec = FetchSpec(**work.job.spec)

    def told(here: float, total: float, rate: float) -> None:
        left = (total - here) / rate if rate > 0 else None
        work.report("downloading", int(here / 1e6), max(1, int(total / 1e6)), rate / 1e6, left, "MB")

    found = hub.fetch(spec.repository, spec.patterns, told, lambda: work.stop_request() is not None)
    if work.stop_request() is not None:
        raise Stopped(work.stop_request() or "cancel")
    work.succeed({"repository": found.id, "commit": found.commit, "files": len(found.files)})


if __name__ == "__main__":
    frame.leave(main(sys.argv[1]))
