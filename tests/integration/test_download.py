"""Bases from the hub, played by a small server on this machine that breaks off, refuses and damages on demand."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.catalog import bases
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.store.connection import opened
from core.store.metrics import read_progress
from tests.conftest import wait_until
from tests.integration import support
from tests.integration.hub_server import REPOSITORY, WEIGHTS, Hub, serve
from tests.tiny import make_base


@pytest.fixture
def hub(tiny_base: Path) -> Iterator[Hub]:
    with serve({path.name: path.read_bytes() for path in tiny_base.iterdir() if path.is_file()}) as made:
        yield made


# One process for each try, as in a worker: the hub's client reads its variables when it is imported.

OBTAIN = """
import json, sys
from huggingface_hub import constants
from core.errors import AppError
from core import hub
from core.model import download
hub.REPORT_EVERY_S = 0.02
constants.DOWNLOAD_CHUNK_SIZE = 1000  # of megabytes, so little comes at once as the tiny base needs
told = []
try:
    folder = download.obtain(sys.argv[1], lambda *figures: told.append(figures), lambda: False)
    outcome = {"folder": str(folder)}
except AppError as error:
    outcome = {"refused": str(error)}
except OSError as error:
    outcome = {"errno": error.errno}
print(json.dumps(outcome | {"told": told}))
"""


def variables(hub: Hub, home: Path, **more: str) -> dict[str, str]:
    return {
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(PROJECT_DIR),
    } | more


def obtain(hub: Hub, home: Path, base: str = REPOSITORY, before: str = "", **more: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", before + OBTAIN, base],
        env={**os.environ, **variables(hub, home, **more)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def begun_bytes(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob(f"{WEIGHTS}.incomplete"))


def test_a_base_comes_whole_with_progress_and_only_once(hub: Hub, tmp_path: Path) -> None:
    hub.files |= {"pytorch_model.bin": b"pickle", "consolidated.safetensors": b"the same again", "model.py": b"1/0"}
    outcome = obtain(hub, tmp_path)
    folder = Path(outcome["folder"])
    assert bases.check_folder(folder) == folder
    assert (folder / WEIGHTS).read_bytes() == hub.files[WEIGHTS]
    assert {path.name for path in folder.iterdir()} == set(hub.files) - {
        "pytorch_model.bin",
        "consolidated.safetensors",
        "model.py",
    }
    here, total, _ = outcome["told"][-1]
    assert here == total == len(hub.files[WEIGHTS])
    asked = len(hub.asked)
    assert obtain(hub, tmp_path)["folder"] == str(folder)
    assert len(hub.asked) == asked


def test_a_broken_off_download_goes_on_where_it_stopped(hub: Hub, tmp_path: Path) -> None:
    whole = len(hub.files[WEIGHTS])
    hub.break_after = whole // 2
    refused = obtain(hub, tmp_path)["refused"]
    assert f"The download of {REPOSITORY} broke off" in refused
    assert "it goes on where it stopped" in refused
    begun = begun_bytes(tmp_path)
    assert whole // 2 - 1000 <= begun <= whole // 2
    hub.break_after = None
    hub.asked.clear()
    folder = Path(obtain(hub, tmp_path)["folder"])
    assert hub.fetched(WEIGHTS) == [f"bytes={begun}-"]
    assert (folder / WEIGHTS).read_bytes() == hub.files[WEIGHTS]
    assert begun_bytes(tmp_path) == 0


def test_weights_that_arrive_damaged_are_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.damage = True
    assert "arrived damaged" in obtain(hub, tmp_path)["refused"]
    assert not list(tmp_path.rglob(f"{WEIGHTS}*"))
    hub.damage = False
    assert (Path(obtain(hub, tmp_path)["folder"]) / WEIGHTS).read_bytes() == hub.files[WEIGHTS]


def test_a_full_disk_is_told_before_the_weights_are_fetched(hub: Hub, tmp_path: Path) -> None:
    little = "import shutil; shutil.disk_usage = lambda path: shutil._ntuple_diskusage(10, 9, 1)\n"
    assert obtain(hub, tmp_path, before=little)["errno"] == 28
    assert hub.fetched(WEIGHTS) == []


def test_a_stop_leaves_the_begun_file_for_the_next_try(hub: Hub, tmp_path: Path) -> None:
    hub.slow = threading.Event()
    stopped = OBTAIN.replace("lambda: False", "lambda: bool(told) and told[-1][0] > 10_000")
    done = subprocess.run(
        [sys.executable, "-c", stopped, REPOSITORY],
        env={**os.environ, **variables(hub, tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    hub.slow.set()
    assert json.loads(done.stdout)["folder"] == "None", done.stderr
    assert begun_bytes(tmp_path) > 10_000


@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        ((404, "RepoNotFound"), r"The hub has no model owner/tiny\. Check the name; a private model needs your token"),
        ((403, "GatedRepo"), r"The model owner/tiny is gated\. Accept its licence .* HF_TOKEN\."),
        ((418, ""), r"The hub does not give owner/tiny: .*418.*\. Try again later\."),
    ],
    ids=["missing", "gated", "refused"],
)
def test_what_the_hub_refuses_is_said_in_a_sentence(
    hub: Hub, tmp_path: Path, refusal: tuple[int, str], sentence: str
) -> None:
    hub.refusal = refusal
    assert re.search(sentence, obtain(hub, tmp_path)["refused"])


def test_offline_is_said_at_once_and_nothing_is_asked(hub: Hub, tmp_path: Path) -> None:
    sentence = r"owner/tiny is not on this machine and the model hub can't be reached\. Connect to the internet"
    assert re.search(sentence, obtain(hub, tmp_path, HF_HUB_OFFLINE="1")["refused"])
    assert hub.asked == []
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert re.search(sentence, obtain(hub, tmp_path, HF_ENDPOINT=nowhere)["refused"])


def test_pickled_weights_are_refused_before_a_byte_is_fetched(hub: Hub, tmp_path: Path) -> None:
    hub.files["pytorch_model.bin"] = hub.files.pop(WEIGHTS)
    assert "pickled weights only" in obtain(hub, tmp_path)["refused"]
    assert [name for name in hub.files if hub.fetched(name)] == []


def test_code_from_the_hub_is_refused_before_the_weights_are_fetched(hub: Hub, tmp_path: Path) -> None:
    config = json.loads(hub.files["config.json"]) | {"auto_map": {"AutoModelForCausalLM": "model.Model"}}
    hub.files |= {"config.json": json.dumps(config).encode(), "model.py": b"raise SystemExit"}
    assert "Python code of its own" in obtain(hub, tmp_path)["refused"]
    assert hub.fetched(WEIGHTS) == hub.fetched("model.py") == []


# A job


def test_a_job_downloads_its_base_and_a_retry_goes_on_after_a_break(
    hub: Hub, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(hub, tmp_path / "hub").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(bases, "_probe", {})
    larger = make_base(tmp_path / "larger", hidden=512)
    hub.files = {path.name: path.read_bytes() for path in larger.iterdir()}
    hub.break_after = 14_000_000  # the hub's client hands over 10 MiB at once
    assert len(hub.files[WEIGHTS]) > hub.break_after
    job = support.submit(workspace, Path(REPOSITORY), max_steps=4, evaluate=False)
    failed = support.wait_for_end(workspace, job)
    assert failed.state == "failed"
    assert "broke off" in failed.error
    assert "it goes on where it stopped" in failed.error
    hub.break_after, hub.slow = None, threading.Event()
    hub.asked.clear()
    with opened(workspace) as db:
        again = queue.retry(db, failed)
    queue.ensure_supervisor(workspace)

    def shows_the_download() -> bool:
        progress = read_progress(workspace.job(again.id).metrics)
        return progress is not None and progress.phase == "downloading the base"

    wait_until(shows_the_download, 60, "progress of the download")
    hub.slow.set()
    assert support.wait_for_end(workspace, again).state == "succeeded"
    assert hub.fetched(WEIGHTS) == [f"bytes={10 * 2**20}-"]
