"""The corpus of malformed files through the Datasets page: what the command says, the page and its job say."""

import json
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice
from os import mkfifo
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets import deletion, worker
from core.errors import AppError
from core.paths import Workspace
from core.process.frame import Work
from core.store import jobs
from core.store.connection import opened
from core.store.metrics import MetricWriter
from tests import malformed
from tests.app.support import DATASETS, all_jobs, as_read, assert_fine, assert_no_traceback, button, by_label, labels
from tests.integration.command import Command, make_command
from tests.malformed import GROUPS, Case

OpenPage = Callable[..., AppTest]


@pytest.fixture
def command(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Path], str]:
    """Return what `atelier data import` says of a file, on a workspace of its own."""
    run: Command = make_command(monkeypatch, capsys)

    def say(path: Path) -> str:
        with monkeypatch.context() as patch:
            patch.setenv("ATELIER_HOME", str(tmp_path / "of the command"))
            answer = run("data", "import", path, "--json")
        told = json.loads(answer.out)
        if answer.code == 0:
            return "{rows}/{examples}/{rejected}".format(**told)
        return spoken(told["error"], path)

    return say


def spoken(message: str, *paths: Path | str) -> str:
    """Return a sentence in which each path is the file's name, as the page cuts it."""
    for path in paths:
        message = message.replace(str(path), "FILE").replace(Path(path).name, "FILE")
    return " ".join(message.replace("`", "").split())


def drop(tab: AppTest, name: str, content: bytes) -> AppTest:
    uploader = next(one for one in tab.file_uploader if one.key == "import_file")
    return uploader.upload(name, content).run()


def work_off(workspace: Workspace, spoil: Callable[[str], str]) -> str:
    """Do what the worker of the queued import does, and return what came of it."""
    [job] = [one for one in all_jobs(workspace) if one.state == "queued"]
    with opened(workspace) as db:
        job = jobs.move(db, jobs.claim(db, job, "host"), "running")
        workspace.job(job.id).metrics.parent.mkdir(parents=True, exist_ok=True)
        with closing(MetricWriter(workspace.job(job.id).metrics, 1)) as metrics:
            try:
                worker.import_data(Work(workspace, db, job, metrics))
            except AppError as error:
                jobs.move(db, jobs.get(db, job.id), "failed", error=str(error))
        ended = jobs.get(db, job.id)
    if ended.state == "failed":
        return spoil(ended.error.replace(job.spec["path"], Path(job.spec["path"]).name))
    return "{rows}/{examples}/{rejected}".format(**ended.result)


def shown_outcome(tab: AppTest, workspace: Workspace) -> str:
    """Return the sentence with which the page greets the end of the newest import."""
    tab.session_state["import_ended"] = all_jobs(workspace)[0].id
    tab.run()
    assert_no_traceback(tab)
    said = [*tab.error, *tab.success][0]  # the doctor's word stands further below
    return as_read(str(said.value))


def judge(tab: AppTest, workspace: Workspace, spoil: Callable[[str], str]) -> str:
    """Return the page's verdict on the file in its form, or its job's where the page offers the import."""
    assert_no_traceback(tab)
    if "Import" not in labels(tab):
        [refusal] = tab.error
        return spoil(as_read(str(refusal.value)))
    assert_fine(tab)
    button(tab, "Import").click().run()
    assert_fine(tab)
    said = work_off(workspace, spoil)
    outcome = spoil(shown_outcome(tab, workspace))
    job = all_jobs(workspace)[0]
    if job.state == "failed":
        assert outcome == said
        return said
    rows, examples, rejected = (f"{int(count):,}" for count in said.split("/"))
    assert f"holds {examples} examples of {rows} rows." in outcome
    assert (f"{rejected} rows were put aside." in outcome) == (rejected != "0")
    deletion.delete(workspace, job.result["dataset"])
    return said


STEP = 4  # each fourth file of a group; `make torture` drops all of them


@pytest.mark.parametrize("step", [STEP, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_a_dropped_file_gets_the_verdict_of_the_command(
    group: Callable[[], Iterable[Case]],
    step: int,
    workspace: Workspace,
    open_page: OpenPage,
    command: Callable[[Path], str],
    tmp_path: Path,
) -> None:
    tab = open_page(DATASETS)
    differing = {}
    for case in islice(group(), 0, None, step):
        path = case.write(tmp_path)
        here = command(path)
        cut = path.name[-60:].strip(". ")  # a dropped file keeps the end of a long name
        said = judge(drop(tab, path.name, path.read_bytes()), workspace, lambda text, cut=cut: spoken(text, cut))
        if said != here:
            differing[case.file] = (said, here)
        path.unlink()
        assert list(workspace.datasets.iterdir() if workspace.datasets.exists() else []) == [], case.file
    assert differing == {}


PLACES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "folder": lambda path: path.mkdir(),
    "link to itself": lambda path: path.symlink_to(path),
    "pipe": lambda path: mkfifo(path),
    "socket": lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
    "good": lambda path: path.write_bytes(malformed.CSV),
    "broken": lambda path: path.write_bytes(malformed.LIST[:-9]),
}


def test_a_file_named_on_the_page_gets_the_verdict_of_the_command(
    workspace: Workspace, open_page: OpenPage, command: Callable[[Path], str], tmp_path: Path
) -> None:
    tab = open_page(DATASETS)
    by_label(tab.segmented_control, "Where is it?").set_value("Name a file on this machine").run()
    for kind, make in PLACES.items():
        path = tmp_path / f"{kind}.json"
        make(path)
        began = time.monotonic()
        by_label(tab.text_input, "Path").set_value(str(path)).run()
        assert judge(tab, workspace, lambda text, path=path: spoken(text, path)) == command(path), kind
        assert time.monotonic() - began < 30, kind
