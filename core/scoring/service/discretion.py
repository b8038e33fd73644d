"""What keeps a process from telling what it reads: no core dump, files for the owner alone, logs without contents."""

import logging
import os
import sys
import threading
import traceback
from types import TracebackType
from typing import Any

_SET_DUMPABLE = 4  # of prctl: whether the system may write this process's memory to a file


def keep_secret() -> None:
    """Close the ways by which what this process has in memory could get into a file."""
    os.umask(0o077)
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)  # a library's warning may quote what it was given
    sys.excepthook = lambda kind, error, trace: print(describe(kind, trace), file=sys.stderr)
    threading.excepthook = lambda args: print(describe(args.exc_type, args.exc_traceback), file=sys.stderr)


def describe(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Return where a failure happened and of which kind it was, without its message, which may quote anything."""
    frames = [f"  {one.filename}:{one.lineno} in {one.name}" for one in traceback.extract_tb(trace)]
    return "\n".join([*frames, f"{kind.__module__}.{kind.__qualname__}"])


class Formatter(logging.Formatter):
    """Log lines whose failures are told by place and kind alone."""

    def formatException(self, ei: Any) -> str:
        return describe(ei[0], ei[2]) if ei[0] else ""

    def format(self, record: logging.LogRecord) -> str:
        record.exc_text = None
        if record.name == "asyncio":  # further lines quote what failed
            record.msg, record.args = record.getMessage().partition("\n")[0], ()
        return super().format(record)
