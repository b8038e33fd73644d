"""The corpus of malformed files through the command: counts or one sentence, little time and memory, nothing left."""

import gzip
import json
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.datasets import importing, preview, submission
from core.errors import DataError
from core.paths import Workspace
from core.store import datasets
from core.store.connection import opened
from tests import malformed
from tests.integration import support
from tests.integration.command import Answer, Command, assert_sentence, make_command, run_code, run_process
from tests.malformed import GROUPS, Case

MOST_SECONDS, MOST_BYTES = 5.0, 500e6
NOBODY = 65534


@pytest.fixture
def atelier(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def verdict(answer: Answer, path: Path) -> str:
    """Return what an import said: 'rows/examples/rejected', or the one sentence of its refusal."""
    told = json.loads(answer.out)
    if answer.code == 0:
        assert answer.err == ""
        return f"{told['rows']}/{told['examples']}/{told['rejected']}"
    assert answer.code == 2 and told["code"] == 2, answer
    shown = " ".join(str(path).splitlines())
    assert_sentence(answer.err, shown[-200:])
    assert answer.err.strip() == " ".join(told["error"].splitlines())
    return answer.err.strip()


def is_as_expected(case: Case, said: str) -> bool:
    return said == case.expected if said[0].isdigit() else bool(case.expected) and case.expected in said


def left_over(workspace: Workspace) -> list[str]:
    """Return what lies in the folders that an import writes to, and what it entered."""
    with opened(workspace) as db:
        entered = [one.name for one in datasets.named(db)]
    folders = (workspace.datasets, workspace.uploads)
    return entered + [path.name for folder in folders if folder.exists() for path in folder.iterdir()]


def peak_bytes(since: bool = False) -> float:
    """Return the most memory that this process held since the last call, or begin anew."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    if not since:
        Path("/proc/self/clear_refs").write_text("5")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024.0 * int(line.split()[1])


STEP = 3  # each third file of a group; `make torture` takes all of them


@pytest.mark.parametrize("step", [STEP, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_each_file_is_imported_or_refused_in_one_sentence(
    group: Callable[[], Iterable[Case]], step: int, atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    import charset_normalizer  # noqa: F401 - what they weigh is not the file's
    import pyarrow.parquet  # noqa: F401

    wrong = {}
    for case in islice(group(), 0, None, step):
        path = case.write(tmp_path)
        began, before = time.process_time(), peak_bytes()
        shown = atelier("data", "import", path, "--dry-run", "--json")
        said = verdict(atelier("data", "import", path, "--json"), path)
        seconds, memory = time.process_time() - began, peak_bytes(since=True) - before
        if not is_as_expected(case, said):
            wrong[case.file] = said
        if seconds > MOST_SECONDS or memory > MOST_BYTES:
            wrong[case.file] = f"took {seconds:.1f} s and {memory / 1e6:.0f} MB"
        if shown.code == 0:
            json.loads(shown.out)
        elif shown.err.strip() != said:
            wrong[case.file] = f"the dry run says {shown.err.strip()}, the import {said}"
        if said[0].isdigit():
            name = preview.label_of(path)
            assert atelier("data", "delete", "--yes", "--", name).code == 0, name
        assert left_over(workspace) == [], case.file
        path.unlink()
    assert wrong == {}


A_DOZEN = (
    "russian-koi8-r.csv", "nul-first.csv", "ends-cr.csv", "quote-never-closed.csv", "columns-10000.csv",
    "deep-open.json", "deep-row.jsonl", "row-of-5-mb.json", "body-noise.parquet", "trailing-garbage.csv.gz",
    "bomb-text.json.gz", "two\nlines.csv", "rows-sixty-bad.csv", "cut.json",
)  # fmt: skip


@pytest.mark.parametrize("name", A_DOZEN)
def test_a_process_of_its_own_and_a_job_give_the_very_verdict(
    name: str, atelier: Command, workspace: Workspace, tmp_path: Path
) -> None:
    path = malformed.all_cases()[name].write(tmp_path)
    here = verdict(atelier("data", "import", path, "--json"), path)
    assert verdict(run_process("data", "import", path, "--json", home=tmp_path / "other"), path) == here
    try:
        found = preview.look_at(path)
        mapping = preview.choose_mapping(found, path, {})
    except DataError as error:  # the page then queues no job
        assert " ".join(str(error).splitlines()) == here
        return
    job = support.wait_for_end(workspace, submission.submit(workspace, path, found.form, mapping, name="by job"))
    if job.state == "succeeded":
        assert "{rows}/{examples}/{rejected}".format(**job.result) == here
    else:
        assert " ".join(job.error.splitlines()) == here


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "There is no file"),
    "folder": (lambda path: path.mkdir(), "is a folder. Give a file."),
    "link to itself": (lambda path: path.symlink_to(path), "can't be read"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "There is no file"),
    "pipe": (lambda path: os.mkfifo(path), "a pipe or a device"),
    "socket": (lambda path: socket.socket(socket.AF_UNIX).bind(str(path)), "a pipe or a device"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device"),
}


@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_file_is_refused_at_once(
    kind: str, atelier: Command, workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, words = PLACES[kind]
    monkeypatch.chdir(tmp_path)
    make(Path("a.csv"))
    assert words in verdict(atelier("data", "import", "a.csv", "--json"), Path("a.csv"))
    assert left_over(workspace) == []


def test_a_file_that_goes_before_its_import_begins_is_named(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(malformed.CSV)
    found = preview.look_at(path)
    path.unlink()
    with pytest.raises(DataError, match=f"There is no file {path}"):
        importing.import_file(workspace, path, found.form, preview.choose_mapping(found, path, {}), name="a")
    assert left_over(workspace) == []


def test_a_file_behind_a_link_is_read(atelier: Command, tmp_path: Path) -> None:
    path = tmp_path / "link.csv"
    (tmp_path / "a").write_bytes(malformed.CSV)
    path.symlink_to("a")
    assert verdict(atelier("data", "import", path, "--json"), path) == malformed.OK


def test_a_file_that_may_not_be_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o777)
        path = folder / "a.csv"
        path.write_bytes(malformed.CSV)
        path.chmod(0)
        as_nobody = f"import os, core.cli.main as m; os.getuid() or os.setuid({NOBODY}); m.run()"
        said = verdict(run_code(as_nobody, "data", "import", path, "--json", home=folder / "workspace"), path)
        assert said == f"{path} can't be read: Permission denied. Check the path and its permissions."
        assert list(folder.iterdir()) == [path]


def test_a_name_that_begins_with_a_dash_is_read_behind_two_dashes(
    atelier: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("-rf.csv").write_bytes(malformed.CSV)
    assert atelier("data", "import", "-rf.csv").code == 2
    assert atelier("data", "import", "--", "-rf.csv").code == 0


# Whatever the bytes are, the look that the page takes and the import agree.


def agree(workspace: Workspace, path: Path) -> str:
    """Assert that preview and import give one verdict, and return it."""
    try:
        found = preview.look_at(path)
        mapping = preview.choose_mapping(found, path, {})
    except DataError as error:  # the import begins with the same look
        assert_sentence(f"{error}\n", str(path))
        return str(error)
    shown = refused = None
    try:
        shown = preview.sample_examples(found, mapping, path)
    except DataError as error:
        refused = str(error)
    try:
        made = importing.import_file(workspace, path, found.form, mapping, name="rows")
    except DataError as error:
        assert_sentence(f"{error}\n", str(path))
        assert refused == str(error) or (refused is None and not found.is_whole)
        return str(error)
    assert refused is None and shown is not None
    assert not found.is_whole or len(shown) == made.examples
    assert not found.is_whole or made.rejected + len(found.rows) >= made.rows
    json.dumps([one.to_row() for one in shown], ensure_ascii=False).encode()
    return f"{made.rows}/{made.examples}/{made.rejected}"


GOOD_FILES = {
    "a.csv": malformed.CSV,
    "a.tsv": malformed.table(malformed.TEXTS["german"], "\t").encode(),
    "b.csv": malformed.table(malformed.TEXTS["russian"][:5]).encode("utf-16"),
    "a.json": malformed.LIST,
    "b.json": malformed.FORMATS["json"]() + b"\n",
    "c.json": json.dumps(dict(zip("qa", zip(*malformed.ROWS, strict=True), strict=True))).encode(),
    "a.jsonl": malformed.LINES,
    "b.jsonl": b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n' * 3,
    "a.csv.gz": gzip.compress(malformed.CSV),
    "a.parquet": malformed.parquet(),
}
SIGNS = [b'"', b"\n", b"\0", b"{", b"[", b",", b"\\", b"\xff", b"}"]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "repeat"]),
        st.floats(0, 1, exclude_max=True),
        st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from(SIGNS)),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


def change(content: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    """Return a file after flips of bytes, cuts and insertions; each place is a share of the length."""
    for how, share, piece in changes:
        at = int(share * len(content))
        if how == "flip":
            content = content[:at] + bytes([content[at] ^ (piece[0] or 1)]) + content[at + 1 :] if content else b""
        elif how == "cut":
            content = content[:at] + content[at + 10 * len(piece) :] if piece[0] % 4 else content[:at]
        elif how == "insert":
            content = content[:at] + piece + content[at:]
        else:
            content = content[:at] + content[at : at + 40] * len(piece) + content[at:]
    return content


QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@settings(QUIET, max_examples=1500)
@given(st.sampled_from(list(GOOD_FILES)), CHANGES)
def test_a_good_file_that_was_damaged_is_judged_alike_by_preview_and_import(
    workspace: Workspace, name: str, changes: list[tuple[str, float, bytes]]
) -> None:
    path = workspace.root / name
    path.write_bytes(change(GOOD_FILES[name], changes))
    agree(workspace, path)


@settings(QUIET, max_examples=500)
@given(st.sampled_from(list(GOOD_FILES)), st.one_of(st.binary(max_size=600), st.text(max_size=300).map(str.encode)))
def test_any_bytes_are_judged_alike_by_preview_and_import(workspace: Workspace, name: str, content: bytes) -> None:
    path = workspace.root / name
    path.write_bytes(content)
    agree(workspace, path)
