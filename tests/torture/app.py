"""The real app as a process of its own, with a page open in it, to be killed and opened again."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from core.paths import PROJECT_DIR, Workspace

OPEN_WITHIN_S = 240.0


class App:
    """The web server on a free port; `open` returns once a page is drawn to its end."""

    def __init__(self, workspace: Workspace, log: Path) -> None:
        self._env = os.environ | {"ATELIER_HOME": str(workspace.root)}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._opener: threading.Thread | None = None
        self.opened = 0
        self.faults: list[str] = []

    @property
    def is_open(self) -> bool:
        return self._process is not None and (self._opener is None or not self._opener.is_alive())

    def open(self) -> None:
        port = _free_port()
        command = [sys.executable, "-m", "pages.widgets.server", "--server.headless", "true"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--server.port", str(port)], cwd=PROJECT_DIR, env=self._env, stdout=log, stderr=log
            )
        try:
            _wait_until_up(port)
            _draw_page(port)
            self.opened += 1
        except (OSError, TimeoutError, ValueError) as error:
            self.faults.append(f"the app did not open: {error!r}")

    def open_again(self) -> None:
        """Open it in the background, as a person does who saw it vanish."""
        self._opener = threading.Thread(target=self.open)
        self._opener.start()

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def close(self) -> None:
        if self._opener is not None:
            self._opener.join()
        if self._process is not None:
            self.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_up(port: int) -> None:
    limit = time.monotonic() + OPEN_WITHIN_S
    while time.monotonic() < limit:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise TimeoutError("it does not answer")


def _draw_page(port: int) -> None:
    """Open the first page as a browser does, and wait for its end."""
    with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], max_size=None) as tab:  # type: ignore[list-item]
        ask = BackMsg()
        ask.rerun_script.query_string = ""
        tab.send(ask.SerializeToString())
        limit = time.monotonic() + OPEN_WITHIN_S
        while time.monotonic() < limit:
            message = ForwardMsg()
            message.ParseFromString(bytes(tab.recv(timeout=OPEN_WITHIN_S)))  # type: ignore[arg-type]
            if message.WhichOneof("type") == "script_finished":
                if message.script_finished == ForwardMsg.ScriptFinishedStatus.FINISHED_EARLY_FOR_RERUN:
                    continue  # the page asked to be drawn anew, as it does when something began or ended
                if message.script_finished != ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY:
                    raise ValueError("the page failed")
                return
    raise TimeoutError("the page is not drawn")
