"""What the browser tests share: the real server on a workspace of its own, and Chromium.

Each page is watched: errors in its console, and requests to anywhere but this machine, fail the test.
"""

import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from core.paths import PROJECT_DIR, Workspace
from core.store import schema
from tests.conftest import end_processes, wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
]
WAIT_MS = 120_000


@dataclass(frozen=True)
class App:
    """A running app: where it answers, and its workspace."""

    url: str
    workspace: Workspace


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def serve(folder: Path) -> Iterator[App]:
    """Run the app for a workspace in `folder` until the block ends, then end all its processes."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    workspace = Workspace(folder / "workspace")
    schema.prepare(workspace)
    command = [sys.executable, "-m", "pages.widgets.server", "--server.port", str(port)]
    with (folder / "app.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--server.headless", "true"],
            cwd=PROJECT_DIR,
            env=os.environ | {"ATELIER_HOME": str(workspace.root), "ATELIER_WARM": "0"},
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: _answers(f"http://127.0.0.1:{port}/_stcore/health"), 60, "the app's answer")
            yield App(f"http://127.0.0.1:{port}", workspace)
        finally:
            process.terminate()
            process.wait(timeout=30)
            end_processes(workspace)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def app(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app that most tests share; each makes jobs of its own in it."""
    with serve(tmp_path_factory.mktemp("shared-app")) as running:
        yield running


@pytest.fixture
def fresh_app(chromium: Browser, tmp_path: Path) -> Iterator[App]:
    """An app on a workspace that nobody has used."""
    with serve(tmp_path) as running:
        yield running


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a new tab at the front page of an app; all tabs of a test are watched until its end."""
    wrong: list[str] = []
    opened: list[Page] = []

    def note_console(message: ConsoleMessage) -> None:
        # At a deep link Streamlit first asks below the page whether the server is there; the 404 is its answer.
        if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
            wrong.append(f"console: {message.text} {message.location}")

    def note_request(url: str) -> None:
        address = urlsplit(url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in ("127.0.0.1", "localhost"):
            wrong.append(f"request to {url}")

    def open_page(running: App, width: int = 1280) -> Page:
        page = chromium.new_context(viewport={"width": width, "height": 900}).new_page()
        page.set_default_timeout(WAIT_MS)
        opened.append(page)
        page.on("console", note_console)
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("request", lambda request: note_request(request.url))
        page.goto(running.url)
        expect(page.get_by_role("heading", name="Atelier")).to_be_visible()
        return page

    yield open_page
    for page in opened:
        page.context.close()
    assert wrong == []
