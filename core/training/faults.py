"""Failures on demand, for tests: ATELIER_FAULT=kind@step makes that step of every process fail in the way named."""

import os
import signal

import torch


def due(kind: str, step: int) -> bool:
    """Return whether the fault of this kind is due at this step, and forget it."""
    wanted = os.environ.get("ATELIER_FAULT", "")
    if wanted != f"{kind}@{step}":
        return False
    del os.environ["ATELIER_FAULT"]
    return True


def raise_at(step: int) -> None:
    if due("cuda_oom", step):
        raise torch.OutOfMemoryError("asked for by ATELIER_FAULT")
    if due("disk_full", step):
        raise OSError(28, "No space left on device")
    if due("kill", step):
        os.kill(os.getpid(), signal.SIGKILL)
