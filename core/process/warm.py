"""A process that has loaded its libraries and waits for a job: `python -m core.process.warm SOCKET MODULE...`."""

import importlib
import json
import os
import select
import socket
import sys
from collections.abc import Iterator

from core.process import frame


def main() -> None:
    channel = socket.socket(fileno=int(sys.argv[1]))
    for _ in _steps(sys.argv[2:]):
        if select.select([channel], [], [], 0)[0]:  # a job is here (or the runner gone): no more preparing
            break
    line, handles, _, _ = socket.recv_fds(channel, 65536, 2)
    channel.close()
    if not line:
        return  # the runner is gone
    _lock, log = handles  # the lock stays open as long as this process lives
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    assignment = json.loads(line)
    if assignment["device"].startswith("cuda:"):
        os.environ["CUDA_VISIBLE_DEVICES"] = assignment["device"].removeprefix("cuda:")
    worker = importlib.import_module(assignment["module"])
    frame.leave(worker.main(line.decode()))


def _steps(modules: list[str]) -> Iterator[None]:
    """Load the modules, then go through what each wants done in advance."""
    loaded = []
    for name in modules:
        loaded.append(importlib.import_module(name))
        yield
    for module in loaded:
        yield from getattr(module, "warm_up", lambda: iter(()))()


if __name__ == "__main__":
    main()
