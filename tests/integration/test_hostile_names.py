"""Names that mean something to shells, browsers, spreadsheets, file systems and terminals are only labels here."""

# ruff: noqa: F811 - fixtures are imported by their names

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets import composition
from core.errors import BadInput, NotFound
from core.model import loading
from core.model.adapter import load_adapter
from core.paths import PROJECT_DIR, Workspace
from core.store import adapters, jobs
from core.store.connection import opened
from pages.widgets import uploads
from tests.app.conftest import asked_for, open_app, open_page  # noqa: F401 - fixtures
from tests.app.support import HOME, JOBS, as_read, assert_fine
from tests.integration import support

NAMES = [
    "../../../../tmp/gone",
    "..\\..\\windows\\system32",
    "/etc/passwd",
    "C:\\CON",
    "CON",
    "NUL.txt",
    ".",
    "..",
    "~",
    "~root",
    "a\x00b",
    "line\nbreak\r\nand\ttab",
    "\u202egnp.exe",
    "\u200b\ufeff\u2066hidden\u2069",
    "\x1b[2J\x1b[31mred\x9b0m\x07",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "&lt;b&gt;",
    "--help",
    "-rf",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "%s%n%x {0} ${jndi:ldap://x}",
    "'; DROP TABLE jobs; --",
    '"quoted" \\back\\slash',
    "**bold** [a](javascript:alert(1)) $x$ :red[y]",
    "![](http://example.org/x.png)",
    "# heading | a | b |",
    "名前 שם اسم नाम 🏦👩‍💻",
    "e\u0301" * 20,
    "x" * 120,
]
PIECES = [*NAMES, "job", " ", "\t", "/", "\\", "\x7f", "\u2028", "\uffff", "🏦"]


def generated(count: int, seed: int = 7) -> list[str]:
    """Return names put together from hostile pieces."""
    dice = random.Random(seed)
    return ["".join(dice.choices(PIECES, k=dice.randint(1, 4)))[: dice.randint(1, 120)] for _ in range(count)]


def as_kept(name: str) -> str:
    return " ".join(name.split())


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def named(workspace: Workspace, tiny_base: Path, asked_for: list[Workspace]) -> list[str]:
    """The names of jobs in the workspace, the oldest first; no supervisor works on them."""
    rows = support.write_rows(workspace.root.parent / "own.jsonl", 9)
    names = [name for name in [*NAMES, *generated(100)] if as_kept(name)]
    for name in names:
        support.submit(workspace, tiny_base, rows=rows, name=name)
    return [as_kept(name) for name in names]


def test_a_name_is_a_label_and_leads_to_no_file(workspace: Workspace, tiny_base: Path, named: list[str]) -> None:
    before = files_below(workspace.root.parent)
    with opened(workspace) as db:
        kept = jobs.recent(db, 1000)
    assert [job.name for job in reversed(kept)] == named
    support.submit(workspace, tiny_base, rows=workspace.root.parent / "own.jsonl", name="../outside")
    assert files_below(workspace.root.parent) == before
    assert all(re.fullmatch(r"[\w.\-/]+", path) for path in files_below(workspace.root))
    assert all(re.fullmatch(r"[0-9a-z]{26}", job.id) for job in kept)


def test_a_name_finds_no_job_and_no_adapter_and_harms_no_table(workspace: Workspace, named: list[str]) -> None:
    with opened(workspace) as db:
        for name in ["%", "_", "*", *[name for name in named if not name.isdecimal()]]:
            with pytest.raises(NotFound):
                jobs.find(db, name)
            with pytest.raises(NotFound):
                adapters.find(db, name)
        assert len(jobs.recent(db, 1000)) == len(named)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x" * 10_000, "The name has 10000 letters; at most 120 are possible"),
        ("\udcff\ud800", "bytes that are no text"),
    ],
    ids=["10,000 letters", "no text"],
)
def test_a_name_that_can_not_be_kept_is_refused_and_nothing_is_left(
    workspace: Workspace,
    tiny_base: Path,
    asked_for: list[Workspace],
    name: str,
    told: str,
) -> None:
    rows = support.write_rows(workspace.root.parent / "own.jsonl")
    before = files_below(workspace.root)
    with pytest.raises(BadInput, match=told) as refusal:
        support.submit(workspace, tiny_base, rows=rows, name=name)
    assert len(str(refusal.value)) < 200
    assert files_below(workspace.root) == before
    with opened(workspace) as db:
        assert jobs.recent(db) == []


# What people see


def test_the_listing_shows_a_line_of_printable_letters_for_each_job(workspace: Workspace, named: list[str]) -> None:
    def listed(*more: str) -> str:
        command = [sys.executable, "-m", "core.cli.main", "jobs", "list", "--limit", "1000", *more]
        done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode("utf-8")

    lines = listed().splitlines()
    assert len(lines) == 1 + len(named)
    assert all(line.isprintable() for line in lines)
    told = json.loads(listed("--json"))
    assert [job["name"] for job in reversed(told)] == named


def test_the_pages_show_each_name_as_it_is(
    workspace: Workspace,
    named: list[str],
    open_page: Callable[..., AppTest],
) -> None:
    tab = open_page(JOBS)
    assert_fine(tab)
    shown = {name for table in tab.dataframe for name in table.value["Name"]}
    assert shown <= set(named)
    assert named[-1] in shown
    assert_fine(open_page(HOME))
    with opened(workspace) as db:
        kept = {job.name: job for job in jobs.recent(db, 1000)}
    for name in ("<script>alert(1)</script>", "**bold** [a](javascript:alert(1)) $x$ :red[y]", "\u202egnp.exe"):
        tab = open_page(JOBS, job=kept[name].id)
        assert_fine(tab)
        assert as_read(tab.subheader[0].value) == f"#{kept[name].number} {name}"


# Files


POSSIBLE = [name for name in NAMES if "/" not in name and "\x00" not in name and name not in (".", "..")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses most of these names itself")
def test_files_of_any_name_make_a_job_whose_label_fits(
    workspace: Workspace,
    tiny_base: Path,
    tmp_path: Path,
    asked_for: list[Workspace],
) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    not_utf8 = os.fsdecode(b"caf\xe9.jsonl")
    for name in [*[f"{name}.jsonl" for name in POSSIBLE], "x" * 240 + ".jsonl", not_utf8]:
        rows = support.write_rows(folder / name, 9)
        job = support.submit(workspace, tiny_base, rows=rows)
        assert 0 < len(job.name) <= 120
        assert job.name.encode("utf-8")
        composed = composition.of_file(rows)
        assert composed.source["file"].encode("utf-8")
        rows.unlink()
    assert files_below(folder) == set()


@pytest.mark.parametrize("name", [*NAMES, "x" * 10_000, "..", "a/../../b", ""])
def test_a_dropped_file_stays_in_its_folder_whatever_it_is_called(name: str, tmp_path: Path) -> None:
    dropped = SimpleNamespace(name=name, getvalue=lambda: b"{}")
    kept = uploads.kept(dropped)  # type: ignore[arg-type]
    assert kept.read_bytes() == b"{}"
    assert kept.parent.parent.name.startswith("atelier-")
    assert len(kept.name.encode("utf-8")) < 255


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses these names itself")
def test_a_job_with_hostile_names_all_over_runs_and_its_adapter_loads(
    workspace: Workspace, tiny_base: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    base = odd / "--help; $(touch pwned) `touch pwned` <b> 'quoted' \u202e" / "base"
    base.parent.mkdir(parents=True)
    base.symlink_to(tiny_base, target_is_directory=True)
    rows = support.write_rows(odd / "=cmd|' C calc'!A0 \u202e **x**.jsonl")
    name = "../../<script>alert(1)</script> $(touch pwned) --help \u202e =1+1"
    before = files_below(odd)
    queued = support.submit(workspace, base, rows=rows, name=name, max_steps=3)
    ended = support.wait_for_end(workspace, queued)
    assert ended.state == "succeeded", ended.error
    assert ended.name == name
    assert files_below(odd) == before
    assert not list(tmp_path.rglob("pwned"))
    assert not (PROJECT_DIR / "pwned").exists()
    folder = workspace.adapters / ended.id
    card: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    assert (card["name"], card["dataset_name"]) == (name, "=cmd|' C calc'!A0 \u202e **x**")
    assert "<script>" not in (folder / "README.md").read_text(encoding="utf-8").split("```")[0]
    load_adapter(loading.load_base(Path(card["base"])).model, folder)
