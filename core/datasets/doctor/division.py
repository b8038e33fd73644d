"""Shares checks out over the machine's cores: copies of this process look at some rows each, it at all meanwhile.

A copy may run Python alone: libraries with threads of their own, such as tokenizers and MinHash, would wait in it for
threads that were not copied.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

from core.datasets.doctor.finding import SHOWN, Finding, Shown

LEAST_ROWS = 4_000
PR_SET_PDEATHSIG = 1
MOST_THREADS = 2
PARTS_A_CORE = 8  # so that who is done early, this process too, takes over what nobody has begun
Check = Callable[[int, int], list[Finding]]
Whole = Callable[[], list[Finding]]
Part = tuple[int, int]
Result = Future[list[Finding]]

_work: Check | None = None


def is_worthwhile(rows: int) -> bool:
    """Return whether copies of this process may share the work: enough rows, cores, and a process that may be copied.

    A process of many threads, such as the web server, may not: a lock that one of them holds is never freed in a copy.
    A worker has one thread beside it, which reports and holds no lock that a check takes.
    """
    alone = threading.active_count() <= MOST_THREADS and sys.platform == "linux"
    return rows >= LEAST_ROWS and alone and len(os.sched_getaffinity(0)) > 1


def run(rows: int, wholes: Sequence[Whole], check: Check) -> list[Finding]:
    """Return the findings of `wholes`, run here, and of `check(start, stop)`, run by copies over parts of the rows.

    The copies see the rows as they are here; only what they find is sent back.
    """
    global _work
    cores = len(os.sched_getaffinity(0))
    size = -(-rows // (cores * PARTS_A_CORE))
    parts = [(start, min(rows, start + size)) for start in range(0, rows, size)]
    _work = check
    try:
        context = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(cores - 1, context, _end_with_parent) as pool:
            shared = [pool.submit(_run_part, *part) for part in parts]
            found = [finding for whole in wholes for finding in whole()]
            own = {part: _run_part(*part) for part, result in reversed(_pairs(parts, shared)) if result.cancel()}
            told = [own[part] if part in own else result.result() for part, result in _pairs(parts, shared)]
            return found + merge([finding for findings in told for finding in findings])
    except BrokenProcessPool:  # a copy was killed, for instance for its memory
        return [*(finding for whole in wholes for finding in whole()), *check(0, rows)]
    finally:
        _work = None


def _pairs(parts: list[Part], results: list[Result]) -> list[tuple[Part, Result]]:
    return list(zip(parts, results, strict=True))


def _end_with_parent() -> None:
    """Let the system end this copy when the process that it was made by is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _run_part(start: int, stop: int) -> list[Finding]:
    assert _work is not None
    return [shift(finding, start) for finding in _work(start, stop)]


def shift(finding: Finding, by: int) -> Finding:
    """Return a finding of rows that stand `by` rows further on."""
    examples = tuple(Shown(one.row + by, one.text) for one in finding.examples)
    return replace(finding, rows=tuple(row + by for row in finding.rows), examples=examples)


def merge(findings: Sequence[Finding]) -> list[Finding]:
    """Return one finding of each kind out of those of parts, in the order of their rows."""
    merged: dict[str, Finding] = {}
    for one in findings:
        known = merged.get(one.kind)
        merged[one.kind] = one if known is None else replace(
            known, rows=known.rows + one.rows, examples=(known.examples + one.examples)[:SHOWN]
        )  # fmt: skip
    return list(merged.values())
