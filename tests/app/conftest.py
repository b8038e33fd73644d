"""What the page tests share: an app on a workspace of its own that starts no process.

The edge is `core.process.queue.ensure_supervisor`, which would start a supervisor and with it real training. It is
replaced by a list of the workspaces for which it was asked. The watch that would ask it every second as long as the
test process lives ends at once, and its locks are freed when the test is over. All else is the real program.
"""

from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.process.liveness import FileLock
from pages.widgets import session

pytest.register_assert_rewrite("tests.app.support")


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[Workspace]:
    """The workspaces for which a supervisor was asked; none is started."""
    asked: list[Workspace] = []

    def remember(workspace: Workspace) -> bool:
        asked.append(workspace)
        return False

    monkeypatch.setattr(queue, "ensure_supervisor", remember)
    return asked


@pytest.fixture
def open_app(asked_for: list[Workspace], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], AppTest]]:
    """Open a new tab on the app; it shows Home."""
    held: list[FileLock] = []
    monkeypatch.setattr(session, "_watch", lambda workspace, stopping, *locks: held.extend(locks))
    monkeypatch.chdir(PROJECT_DIR)

    def start() -> AppTest:
        return AppTest.from_file(str(PROJECT_DIR / "app.py"), default_timeout=60).run()

    yield start
    session._opened_workspace.clear()
    for lock in held:
        lock.release()


@pytest.fixture
def open_page(workspace: Workspace, open_app: Callable[[], AppTest]) -> Callable[..., AppTest]:
    """Open a new tab on a page of the prepared workspace, with a query string if one is given."""

    def start(path: str, **query: str) -> AppTest:
        tab = open_app().switch_page(path)
        tab.query_params = dict(query)
        return tab.run()

    return start
