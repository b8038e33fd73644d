"""The workspace as the pages see it, and the watch over the supervisor while the app is open."""

import atexit
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import StoreError
from core.paths import Workspace
from core.process import queue
from core.process.liveness import FileLock
from core.store import schema
from core.store.connection import opened

WATCH_EVERY_S = 1.0


@st.cache_resource(show_spinner=False)
def _opened_workspace(root: str) -> tuple[Workspace, bool]:
    """Prepare the workspace once in this process, and say whether this app is the first that has it open."""
    workspace = Workspace.chosen()
    try:
        schema.prepare(workspace)
    except OSError as error:
        raise StoreError(
            f"The workspace {workspace.root} can't be written: {error.strerror}. Set ATELIER_HOME to a folder of yours."
        ) from error
    first = FileLock(workspace.root / "app.lock")
    is_first = first.acquire()
    presence = FileLock(queue.presence_lock(workspace))
    presence.acquire(shared=True)
    stopping = threading.Event()
    atexit.register(stopping.set)
    threading.Thread(target=_watch, args=(workspace, stopping, first, presence), daemon=True).start()
    return workspace, is_first


def _watch(workspace: Workspace, stopping: threading.Event, *held: FileLock) -> None:
    """Keep a supervisor at work as long as the app is open; the locks live as long as this thread."""
    while not stopping.wait(WATCH_EVERY_S):
        if workspace.database.exists():
            queue.ensure_supervisor(workspace)


def workspace() -> Workspace:
    chosen = Workspace.chosen()
    return _opened_workspace(str(chosen.root))[0]


def is_first_app() -> bool:
    return _opened_workspace(str(Workspace.chosen().root))[1]


@contextmanager
def store() -> Iterator[sqlite3.Connection]:
    """Yield a connection to the workspace's database for one stretch of a page."""
    with opened(workspace()) as db:
        yield db


def show_when(moment_s: float | None, seconds: bool = False) -> str:
    """Return a moment as people say it: today's time of day, else the date with it.

    Args:
        moment_s: Unix seconds; None gives a dash.
        seconds: Whether to tell them too.
    """
    if moment_s is None:
        return "–"
    moment = time.localtime(moment_s)
    clock = "%H:%M:%S" if seconds else "%H:%M"
    today = moment[:3] == time.localtime()[:3]
    return time.strftime(clock if today else f"%d %b, {clock}", moment)
