"""A lived-in workspace that no bad input may change, and the command that must be refused on it."""

from collections.abc import Callable, Iterator

import pytest

from core.paths import Workspace
from core.store import jobs, schema
from core.store.connection import opened
from core.store.states import State
from tests.conftest import processes_of
from tests.integration.command import Answer, assert_refused, make_command, picture

# What the job of each number went through before the command meets it.
HISTORIES: dict[int, tuple[State, ...]] = {
    1: (),
    2: ("starting", "running", "succeeded"),
    3: ("starting", "running", "pausing", "paused"),
    4: ("starting", "running"),
    5: ("cancelled",),
}


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with jobs in several states, which no bad input may change."""
    chosen = Workspace(tmp_path_factory.mktemp("lived-in") / "workspace")
    schema.prepare(chosen)
    with opened(chosen) as db:
        for number, states in HISTORIES.items():
            job = jobs.create(db, kind="train", name=f"job {number}", spec={"base": "starter"})
            for state in states:
                job = jobs.move(db, job, state)
    yield chosen
    assert processes_of(chosen) == []


@pytest.fixture
def refused(
    lived_in: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., None]:
    """Run a command that must be refused with a sentence that holds the given parts, and change nothing."""
    monkeypatch.setenv("ATELIER_HOME", str(lived_in.root))
    command = make_command(monkeypatch, capsys)

    def run(words: list[object], *parts: str) -> Answer:
        before = picture(lived_in.root)
        answer = command(*words)
        assert_refused(answer, *parts)
        assert picture(lived_in.root) == before
        return answer

    return run
