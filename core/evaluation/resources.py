"""What a model takes: its memory while it was tested, its size on the disk."""

import json
import sqlite3
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.catalog import bases
from core.errors import AppError
from core.evaluation.leaderboard import Line
from core.paths import Workspace
from core.store import evaluations

ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Resources:
    """Bytes; None where it is not known.

    `memory_bytes` is the peak of the process that tested the model; that of a training job says nothing about it.
    `size_bytes` is what is loaded: the base, and with it the adapter.
    """

    memory_bytes: float | None
    size_bytes: int | None
    adapter_bytes: int | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def resources_of(db: sqlite3.Connection, workspace: Workspace, line: Line) -> Resources:
    peaks = [
        peak
        for job, kind in evaluations.jobs_of(db, line.evaluations)
        if kind == "evaluate" and (peak := _peak(workspace, job)) is not None
    ]
    base = _base_bytes(line.base)
    adapter = _file_bytes(workspace.adapters / line.adapter / ADAPTER_WEIGHTS) if line.adapter else None
    size = base + (adapter or 0) if base is not None and (adapter is not None or not line.adapter) else None
    return Resources(max(peaks, default=None), size, adapter)


_peaks: dict[tuple[Workspace, str], float] = {}  # of ended jobs, which never change


def _peak(workspace: Workspace, job: str) -> float | None:
    """Return the most memory that the last attempt of an ended job took."""
    if (workspace, job) in _peaks:
        return _peaks[workspace, job]
    folder = workspace.job(job).root
    for path in sorted(folder.glob("exit-*.json"), reverse=True):
        try:
            _peaks[workspace, job] = float(json.loads(path.read_text(encoding="utf-8"))["peak_memory_bytes"])
            return _peaks[workspace, job]
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


@lru_cache(maxsize=256)
def _base_bytes(base: str) -> int | None:
    try:
        folder = bases.locate(base)
        return bases.read_shape(folder).weight_bytes if folder is not None else None
    except AppError:  # the base is gone; what was measured with it stays
        return None


def _file_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
