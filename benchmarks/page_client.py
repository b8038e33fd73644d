"""The app's web server in a process of its own, and a client that asks for a page over the WebSocket as a browser does.

A browser would take processor time from the server that is measured; what arrives is the same.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from core.paths import PROJECT_DIR, Workspace

START_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 120.0


@contextmanager
def served(workspace: Workspace, record: Path) -> Iterator[tuple[int, psutil.Process]]:
    """Yield the port of the running app and its process; it ends with the block."""
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    words = workspace.root / "server.txt"
    with words.open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.watched_server", str(port), str(record)],
            cwd=PROJECT_DIR,
            env=os.environ | {"ATELIER_HOME": str(workspace.root)},
            stdout=log,
            stderr=log,
        )
    try:
        limit = time.monotonic() + START_TIMEOUT_S
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > limit:
                raise SystemExit(f"The web server did not start: {words.read_text(errors='replace')[-500:]}")
            time.sleep(0.1)
        yield port, psutil.Process(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Drawing:
    """What one run of a page sent: bytes on the WebSocket, charts among them, seconds from question to last byte."""

    sent_bytes: int
    charts: int
    seconds: float


class PageClient:
    """One open tab: `open` draws the page, `refresh` asks for its live part as the page told the browser to do."""

    def __init__(self, connection: ClientConnection, page: str, query: str) -> None:
        self._connection = connection
        self._query = query
        self._page = page
        self._hash = ""
        self._fragment = ""
        self.interval_s = 0.0

    def open(self) -> Drawing:
        drawing = self._ask(is_refresh=False)
        if not self._fragment:
            raise SystemExit("The page has no live part, so there is nothing to measure.")
        return drawing

    def refresh(self) -> Drawing:
        return self._ask(is_refresh=True)

    def _ask(self, is_refresh: bool) -> Drawing:
        question = BackMsg()
        wanted = question.rerun_script
        wanted.query_string, wanted.page_name, wanted.page_script_hash = self._query, self._page, self._hash
        if is_refresh:
            wanted.page_name, wanted.fragment_id, wanted.is_auto_rerun = "", self._fragment, True
        began = time.perf_counter()
        self._connection.send(question.SerializeToString())
        size = charts = 0
        while True:
            raw = self._connection.recv(timeout=ANSWER_TIMEOUT_S)
            assert isinstance(raw, bytes)
            size += len(raw)
            message = ForwardMsg.FromString(raw)
            kind = message.WhichOneof("type")
            if kind == "new_session":
                self._hash = message.new_session.page_script_hash
            elif kind == "page_info_changed":
                self._query = message.page_info_changed.query_string
            elif kind == "auto_rerun":
                self._fragment, self.interval_s = message.auto_rerun.fragment_id, message.auto_rerun.interval
            elif kind == "delta":
                element = message.delta.new_element.WhichOneof("type")
                if element == "exception":
                    raise SystemExit(f"The page failed: {message.delta.new_element.exception.message}")
                charts += element == "plotly_chart"
            elif kind == "script_finished":
                return self._ended(message, is_refresh, Drawing(size, charts, time.perf_counter() - began))

    def _ended(self, message: ForwardMsg, is_refresh: bool, drawing: Drawing) -> Drawing:
        wanted = ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY if is_refresh else ForwardMsg.FINISHED_SUCCESSFULLY
        if message.script_finished != wanted:
            name = ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)
            raise SystemExit(f"The page ended with {name}.")
        return drawing


@contextmanager
def tab(port: int, page: str, query: str) -> Iterator[PageClient]:
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    with connect(address, subprotocols=["streamlit"], max_size=None, compression=None) as connection:  # type: ignore
        yield PageClient(connection, page, query)
