"""The command as tests call it: in this process for speed, or as a process of its own."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.cli import main
from core.paths import PROJECT_DIR

GOOD = "".join(json.dumps({"prompt": f"Question {n}", "response": f"Answer {n}"}) + "\n" for n in range(6)).encode()


@dataclass(frozen=True)
class Answer:
    """What a call of the command gave back."""

    code: int
    out: str
    err: str


Command = Callable[..., Answer]


def make_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a function that runs `atelier` with the given words through its real entry; unexpected errors escape."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def run(*words: object) -> Answer:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["atelier", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main.run()
        shown = capsys.readouterr()
        return Answer(int(end.value.code or 0), shown.out, shown.err)

    return run


def run_process(*words: object, home: Path) -> Answer:
    """Run `atelier` as a process of its own on the workspace `home`."""
    return _run(["-m", "core.cli.main", *map(str, words)], home)


def run_code(code: str, *words: object, home: Path) -> Answer:
    """Run a line of Python that ends in the command, with the words as its arguments."""
    return _run(["-c", code, *map(str, words)], home)


def _run(arguments: list[str], home: Path) -> Answer:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT_DIR,
        env={"ATELIER_WARM": "0", **os.environ, "ATELIER_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def write_good(path: Path) -> Path:
    """Write six rows that nothing is wrong with."""
    path.write_bytes(GOOD)
    return path


def picture(folder: Path) -> dict[str, str]:
    """Return every path under a folder with the hash of its bytes."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def assert_refused(answer: Answer, *parts: str) -> None:
    """Assert exit code 2, nothing on stdout, and on stderr one sentence that holds these parts."""
    assert answer.code == 2, answer.err
    assert answer.out == ""
    assert_sentence(answer.err, *parts)


def assert_sentence(text: str, *parts: str) -> None:
    assert text.endswith((".\n", "?\n")) and text.count("\n") == 1, text
    assert "Traceback" not in text and "Error" not in text, text
    assert 20 < len(text) < 700, text
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"
