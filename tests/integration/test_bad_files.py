"""Bad files through the real command: data, paths and bases are refused with file, line and what to do."""

import json
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.paths import Workspace
from tests.integration.command import (
    GOOD,
    Answer,
    assert_refused,
    make_command,
    run_code,
    write_good,
)

pytestmark = pytest.mark.xdist_group("bad input")  # one workspace for all

DEEP = 100_000
NOBODY = 65534

# Data files: content, and what the sentence must hold beside the file's path. The first six lines are good.
DATA: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["is empty", "at least one row"]),
    "blank lines": (b"\n\r\n  \n", ["is empty"]),
    "broken JSON": (GOOD + b'{"prompt": "x", \n', ["line 7", "letter 17", "complete object"]),
    "cut off": (GOOD[:-20], ["line 6", "not valid JSON"]),
    "not UTF-8": (GOOD + b'{"prompt": "caf\xe9", "response": "x"}\n', ["line 7", "byte 16", "UTF-8"]),
    "UTF-16, cut off": (GOOD.decode().encode("utf-16")[:-30], ["line 6", "not valid JSON"]),
    "gzip": (b"\x1f\x8b\x08\x00rows", ["packed with gzip but damaged", "again"]),
    "a spreadsheet": (b"PK\x03\x04" + bytes(60), ["Excel workbook", "as CSV"]),
    "a table of one row": (b"prompt,response\na,b\n", ["1 different rows", "At least 3"]),
    "a table of other columns": (b"colour,size\nred,5\nblue,6\n", ["can't be told", "colour, size"]),
    "a ragged table": (b"prompt,response\na,b\nc\nd,e\n", ["line 3", "1 fields where the header has 2"]),
    "one JSON list with a comma too many": (
        b"[\n" + GOOD.replace(b"\n", b",\n") + b"]\n",
        ["behind row 6", "not valid JSON"],
    ),
    "a list as row": (GOOD + b"[1, 2]\n", ["line 7", "a list"]),
    "a number as row": (GOOD + b"7\n", ["line 7", "a number"]),
    "row without prompt": (GOOD + b'{"response": "x"}\n', ["line 7", "'prompt' is missing", "atelier data import"]),
    "row without fields": (GOOD + b"{}\n", ["line 7", "'prompt' is missing"]),
    "response that is null": (GOOD + b'{"prompt": "x", "response": null}\n', ["line 7", "'response' is empty"]),
    "row of another layout": (GOOD + b'{"instruction": "x", "output": "y"}\n', ["line 7", "'prompt' is missing"]),
    "empty prompt": (GOOD + b'{"prompt": " ", "response": "x"}\n', ["line 7", "'prompt' is empty"]),
    "empty response": (GOOD + b'{"prompt": "x", "response": ""}\n', ["line 7", "'response' is empty"]),
    "NaN": (GOOD + b'{"prompt": "x", "response": "y", "n": NaN}\n', ["line 7", "NaN"]),
    "huge integer": (GOOD + b'{"prompt": "x", "response": "y", "n": %s}\n' % (b"9" * 5000), ["line 7", "digits"]),
    "half a character": (GOOD + rb'{"prompt": "\ud83d", "response": "x"}' + b"\n", ["line 7", "half of a character"]),
    "nested too deeply": (GOOD + b'{"prompt": ' + b"[" * DEEP + b"\n", ["line 7", "nested too deeply"]),
    "a line without end": (b'{"prompt": "' + b"x" * 4_000_000 + b'"}\n', ["line 1", "4,000,000 bytes"]),
    "too few rows": (b"".join(GOOD.splitlines(keepends=True)[:2]), ["2 different rows", "At least 3"]),
    "one row again and again": (GOOD.splitlines(keepends=True)[0] * 20, ["different rows"]),
    "one prompt again and again": (
        b"".join(b'{"prompt": "same", "response": "%d"}\n' % n for n in range(9)),
        ["ask the same", "different prompts"],
    ),
}


@pytest.mark.parametrize("kind", DATA)
def test_a_bad_data_file_is_refused_by_training_with_its_line(
    kind: str, tmp_path: Path, refused: Callable[..., Answer]
) -> None:
    content, parts = DATA[kind]
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    refused(["train", "--data", path], str(path), *parts)


@pytest.mark.parametrize("kind", ["broken JSON", "not UTF-8", "row without prompt"])
def test_evaluation_refuses_a_data_file_with_the_very_sentence_of_training(
    kind: str, tmp_path: Path, refused: Callable[..., Answer]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(DATA[kind][0])
    assert refused(["train", "--data", path]).err == refused(["evaluate", "--data", path]).err


PLACES: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "missing file": (lambda folder: folder / "none", ["no file", "Check the path"]),
    "folder": (lambda folder: folder, ["is a folder"]),
    "below a file": (lambda folder: write_good(folder / "file") / "rows.jsonl", ["can't be read"]),
    "link to itself": (lambda folder: _link(folder / "loop"), ["can't be read"]),
    "name of 5,000 letters": (lambda folder: folder / ("x" * 5000), ["can't be read"]),
}


def _link(path: Path) -> Path:
    path.symlink_to(path)
    return path


@pytest.mark.parametrize("flag", ["--data", "--config"])
@pytest.mark.parametrize("kind", PLACES)
def test_a_path_that_leads_to_no_file_is_refused(
    kind: str, flag: str, tmp_path: Path, refused: Callable[..., Answer]
) -> None:
    make, parts = PLACES[kind]
    path = make(tmp_path)
    if len(str(path)) > 1000:
        parts = []  # the sentence holds the whole path; its length is its own fault
        path = Path("x" * 500)
    words: list[object] = ["train", *([] if flag == "--data" else ["--industry", "finance"])]
    refused([*words, flag, path], str(path), *parts)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
def test_a_file_without_end_is_refused_before_the_memory_is_full(refused: Callable[..., Answer]) -> None:
    refused(["train", "--data", "/dev/zero"], "/dev/zero is not a text file")


# Bases: each takes a part away from the tiny base, or spoils it.


def _without(*names: str) -> Callable[[Path], None]:
    return lambda folder: [(folder / name).unlink() for name in names] and None


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _own_code(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "evil.Model"}}))


def _lying_header(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 10**15) + b"{}")


def _config(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "config.json").write_text(text) and None


BASES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "no config": (_without("config.json"), ["no config.json", "Choose a model's folder"]),
    "config that is no JSON": (_config("{"), ["config.json", "Download"]),
    "config that is a list": (_config("[]"), ["which kind of model"]),
    "config nested too deeply": (_config("[" * DEEP), ["config.json", "Download"]),
    "config with a text as size": (
        _config('{"model_type": "llama", "hidden_size": "big"}'),
        ["sizes", "Download"],
    ),
    "no weights": (_without("model.safetensors"), ["lacks weights", "Download"]),
    "pickled weights": (_pickled, ["pickled", "safetensors"]),
    "weights that are cut off": (lambda folder: os.truncate(folder / "model.safetensors", 5), ["can't be read"]),
    "weights that lie about their header": (_lying_header, ["can't be read"]),
    "no tokenizer": (_without("tokenizer.json"), ["no tokenizer.json"]),
    "tokenizer that is no JSON": (lambda folder: (folder / "tokenizer.json").write_text("x") and None, ["tokenizer"]),
    "code of its own": (_own_code, ["Python code of its own", "Choose a base"]),
}


@pytest.mark.parametrize("kind", BASES)
def test_a_folder_that_is_no_fit_base_is_refused(
    kind: str, tmp_path: Path, tiny_base: Path, refused: Callable[..., Answer]
) -> None:
    spoil, parts = BASES[kind]
    folder = tmp_path / "base"
    shutil.copytree(tiny_base, folder)
    spoil(folder)
    rows = write_good(tmp_path / "rows.jsonl")
    refused(["train", "--data", rows, "--base", folder], str(folder), *parts)


GOOD_FILES = {
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "line ends of Windows": GOOD.replace(b"\n", b"\r\n"),
    "no end of the last line": GOOD.rstrip(b"\n"),
    "blank lines between": GOOD.replace(b"\n", b"\n\n"),
    "another layout": GOOD.replace(b'"prompt"', b'"instruction"').replace(b'"response"', b'"output"'),
}


@pytest.mark.parametrize("kind", GOOD_FILES)
def test_a_file_that_only_looks_odd_is_taken(
    kind: str,
    tmp_path: Path,
    workspace: Workspace,
    tiny_base: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD_FILES[kind])
    answer = make_command(monkeypatch, capsys)("train", "--data", path, "--base", tiny_base, "--dry-run", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["composition"] == {"rows.jsonl": 4}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_a_file_that_may_not_be_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        path = write_good(folder / "rows.jsonl")
        path.chmod(0)
        as_nobody = f"import os, core.cli.main as m; os.getuid() or os.setuid({NOBODY}); m.run()"
        answer = run_code(as_nobody, "train", "--data", path, home=folder / "workspace")
        assert_refused(answer, str(path), "not readable", "atelier train --help")
        assert list(folder.iterdir()) == [path]
