"""Bad input through the real command: exit code 2, one sentence with what, where and what to do, and no trace left."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.paths import Workspace
from tests.integration.command import (
    GOOD,
    Answer,
    assert_refused,
    assert_sentence,
    make_command,
    run_code,
    run_process,
    write_good,
)

pytestmark = pytest.mark.xdist_group("bad input")  # one workspace for all


# Configuration files: content, and what the sentence must hold beside the file's path.
YAML: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["empty", "rank: 16"]),
    "only a comment": ("# later\n", ["empty"]),
    "not UTF-8": (b"rank: \xff\n", ["not UTF-8", "byte 7"]),
    "a list": ("- rank\n", ["not fields"]),
    "a bare text": ("rank 8\n", ["not fields"]),
    "unclosed bracket": ("rank: 8\ntarget_modules: [q_proj\n", ["line 3", "not valid YAML"]),
    "tab for indentation": ("training:\n\trank: 8\n", ["line 2", "\\t"]),
    "a key twice": ("rank: 8\nalpha: 16\nrank: 9\n", ["line 3", "'rank'", "twice"]),
    "two documents": ("rank: 8\n---\nrank: 9\n", ["line 2"]),
    "unknown key": ("learning_rat: 1e-4\n", ["'learning_rat'", "Did you mean 'learning_rate'?"]),
    "a key of another tool": ("lora_rank: 8\n", ["'lora_rank'", "Did you mean 'rank'?"]),
    "a number as key": ("1: 2\n", ["key 1"]),
    "text for a number": ("rank: big\n", ["rank is 'big'", "integer"]),
    "a fraction for a whole number": ("rank: 8.5\n", ["rank is 8.5"]),
    "below its bound": ("rank: 0\n", ["rank is 0", "greater than or equal to 1"]),
    "above its bound": ("dropout: 1.5\n", ["dropout is 1.5", "less than 1"]),
    "infinite": ("learning_rate: .inf\n", ["learning_rate is inf"]),
    "not a number": ("learning_rate: .nan\n", ["learning_rate is nan"]),
    "huge integer": (f"seed: {'9' * 5000}\n", ["can't be read"]),
    "a date that does not exist": ("rank: 2021-99-99\n", ["can't be read"]),
    "a switch for a number": ("rank: true\n", ["rank is True"]),
    "missing value": ("rank:\n", ["rank is None"]),
    "none of the choices": ("schedule: cosin\n", ["schedule is 'cosin'", "'cosine', 'linear' or 'constant'"]),
    "fields that contradict each other": (
        "early_stopping_patience: 2\nvalidation_share: 0\n",
        ["early_stopping_patience", "validation_share above 0"],
    ),
    "base that is no text": ("base: 3\n", ["base is 3"]),
    "Python object": ("rank: !!python/object/apply:os.system ['true']\n", ["line 1", "tag"]),
    "alias of nothing": ("rank: *nothing\n", ["line 1", "'nothing'"]),
    "nested too deeply": ("rank: " + "[" * 5000 + "\n", ["nested too deeply"]),
    "anchors that double": (
        "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" if n else "a1: &a1 [x]\n" for n in range(9)),
        ["'a1'", "no field"],
    ),
    "anchors that double in a known field": (
        "seed: &a0 [x]\n"
        + "".join(
            f"{name}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n"
            for n, name in enumerate(
                ("batch_size", "accumulation_steps", "max_length", "epochs", "alpha", "dropout", "warmup_ratio", "rank")
            )
        ),
        ["rank is [["],
    ),
    "a section that is none": ("training: {lora: 3}\n", ["training.lora is 3"]),
    "unknown key in a section": ("training: {lora: {rnk: 3}}\n", ["'rnk' under training.lora"]),
}


@pytest.mark.parametrize("kind", YAML)
def test_a_bad_configuration_file_is_refused(kind: str, tmp_path: Path, refused: Callable[..., Answer]) -> None:
    content, parts = YAML[kind]
    path = tmp_path / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(["train", "--industry", "finance", "--config", path], str(path), *parts)


TRAIN = ["train", "--industry", "finance"]
FLAGS: dict[str, tuple[list[object], list[str]]] = {
    "no command of this name": (["trian"], ["'trian'", "Did you mean 'train'?", "atelier --help"]),
    "no command of this name in a group": (["jobs", "shw", "1"], ["'shw'", "atelier jobs --help"]),
    "no option of this name": ([*TRAIN, "--industri", "retail"], ["--industri"]),
    "option without value": (["train", "--industry"], ["--industry", "argument"]),
    "one word too many": ([*TRAIN, "retail"], ["retail", "atelier train --help"]),
    "one word too few": (["compare", "01abc"], ["second", "atelier compare --help"]),
    "nothing to train on": (["train"], ["at least one industry"]),
    "industry and file": ([*TRAIN, "--data", "x"], ["not several of them"]),
    "unknown industry": (["train", "--industry", "finanse"], ["'finanse'", "Did you mean 'finance'?", "retail"]),
    "industry without name": (["train", "--industry", ""], ["''", "Choose from"]),
    "unknown preset": ([*TRAIN, "--preset", "fast"], ["'fast'", "quick, standard, thorough"]),
    "unknown priority": ([*TRAIN, "--priority", "urgent"], ["'urgent'", "low, normal, high"]),
    "setting without equals": ([*TRAIN, "--set", "rank"], ["'rank'", "--set rank=16"]),
    "setting without name": ([*TRAIN, "--set", "=8"], ["'=8'", "atelier train --help"]),
    "setting without value": ([*TRAIN, "--set", "rank="], ["rank is None"]),
    "setting of no field": ([*TRAIN, "--set", "rnk=8"], ["'rnk'", "Did you mean 'rank'?"]),
    "setting of the wrong type": ([*TRAIN, "--set", "rank=big"], ["rank is 'big'"]),
    "negative setting": ([*TRAIN, "--set", "batch_size=-4"], ["batch_size is -4"]),
    "half a YAML value": ([*TRAIN, "--set", "target_modules=[q_proj"], ["can't be read as a value"]),
    "setting of thousands of digits": ([*TRAIN, "--set", f"rank={'9' * 5000}"], ["can't be read"]),
    "mix without ratio": ([*TRAIN, "--mix", "finance"], ["'finance'", "finance=2"]),
    "mix that is no number": ([*TRAIN, "--mix", "finance=much"], ["'finance=much'"]),
    "negative mix": ([*TRAIN, "--mix", "finance=-1"], ["-1", "above 0"]),
    "endless mix": ([*TRAIN, "--mix", "finance=inf"], ["inf", "at most 1,000"]),
    "mix of another industry": ([*TRAIN, "--mix", "retail=2"], ["'retail'", "not among the chosen"]),
    "name of 200 letters": ([*TRAIN, "--set", "generated_examples=0", "--name", "n" * 200], ["200 letters", "120"]),
    "name that is no text": ([*TRAIN, "--name", "caf\udce9"], ["not UTF-8"]),
    "unknown base": ([*TRAIN, "--base", "startr"], ["'startr'", "starter"]),
    "base without name": ([*TRAIN, "--base", ""], ["''", "starter"]),
    "base on a hub out of reach": ([*TRAIN, "--base", "nobody/nothing"], ["nobody/nothing", "can't be reached"]),
    "base with a name of 5,000 letters": ([*TRAIN, "--base", "b" * 300], ["no base model"]),
    "base in the home of nobody": ([*TRAIN, "--base", "~nobody-here/model"], ["no base model"]),
    "evaluation of nothing": (["evaluate"], ["--benchmark", "--data"]),
    "unknown benchmark": (["evaluate", "--benchmark", "retial"], ["'retial'", "Did you mean 'retail'?"]),
    "unknown adapter": (["evaluate", "--benchmark", "finance", "--adapter", "mine"], ["no adapter 'mine'"]),
    "unknown evaluations": (["compare", "01abc", "01abd"], ["'01abc'", "atelier evaluate"]),
    "job that is not there": (["jobs", "show", "99"], ["no job '99'", "atelier jobs list"]),
    "job without number": (["jobs", "show", ""], ["no job ''"]),
    "job with a negative number": (["jobs", "cancel", "-1"], ["-1"]),
    "job with a number of 30 digits": (["jobs", "log", "9" * 30], ["no job"]),
    "beginning of several jobs": (["jobs", "show", "0"], ["Several jobs", "more of the id"]),
    "pause of a queued job": (["jobs", "pause", "1"], ["#1 is queued", "only a running job"]),
    "pause of an ended job": (["jobs", "pause", "2"], ["#2 is succeeded"]),
    "cancel of an ended job": (["jobs", "cancel", "2"], ["#2 has ended", "succeeded"]),
    "cancel of a cancelled job": (["jobs", "cancel", "5"], ["#5 has ended", "cancelled"]),
    "resume of a running job": (["jobs", "resume", "4"], ["#4 is running", "only a paused job"]),
    "retry of a paused job": (["jobs", "retry", "3"], ["#3 is paused", "when it has ended"]),
    "priority of an ended job": (["jobs", "priority", "2", "high"], ["#2 has ended"]),
    "unknown priority of a job": (["jobs", "priority", "1", "urgent"], ["'urgent'"]),
    "difference from nothing": (["jobs", "diff", "1", "99"], ["no job '99'"]),
    "negative count of jobs": (["jobs", "list", "--limit", "-3"], ["--limit", "1"]),
    "count of lines that is no number": (["jobs", "log", "1", "--lines", "all"], ["--lines", "integer"]),
    "negative count of examples": (["data", "make", "--count", "-1"], ["--count", "1"]),
    "negative seed": (["data", "make", "--seed", "-1"], ["--seed", "0"]),
    "examples of an unknown industry": (["data", "make", "--industry", "helthcare"], ["Did you mean 'healthcare'?"]),
    "port out of range": (["app", "--port", "70000"], ["70000", "65535"]),
}


@pytest.mark.parametrize("kind", FLAGS)
def test_a_bad_flag_is_refused(kind: str, refused: Callable[..., Answer]) -> None:
    words, parts = FLAGS[kind]
    refused(words, *parts)


def test_examples_are_not_written_into_a_file_that_is_in_the_way(
    tmp_path: Path, refused: Callable[..., Answer]
) -> None:
    path = write_good(tmp_path / "file")
    for out in (path, path / "below"):
        refused(["data", "make", "--industry", "finance", "--count", "2", "--out", out], str(out), "--out")
    assert path.read_bytes() == GOOD
    assert list(tmp_path.iterdir()) == [path]


def test_with_json_the_refusal_is_one_value_on_stdout_and_the_same_sentence_on_stderr(
    lived_in: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATELIER_HOME", str(lived_in.root))
    answer = make_command(monkeypatch, capsys)("jobs", "cancel", "2", "--json")
    assert json.loads(answer.out) == {"error": answer.err.strip(), "code": 2}
    assert answer.code == 2


# As processes of their own: nothing of Python's may show, whatever the entry.

ALONE: dict[str, tuple[list[object], list[str]]] = {
    "bad flag": (["train", "--industry", "finanse"], ["Did you mean 'finance'?"]),
    "bad file": (["train", "--data", "/nowhere/rows.jsonl"], ["/nowhere/rows.jsonl"]),
    "unknown job": (["jobs", "show", "7"], ["no job '7'"]),
}


@pytest.mark.parametrize("kind", ALONE)
def test_the_command_as_a_process_ends_with_code_2_and_a_sentence(kind: str, tmp_path: Path) -> None:
    words, parts = ALONE[kind]
    assert_refused(run_process(*words, home=tmp_path / "workspace"), *parts)


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_workspace_path_that_is_a_file_is_refused_and_left_alone(below: str, tmp_path: Path) -> None:
    path = write_good(tmp_path / "file")
    assert_refused(run_process("jobs", "list", home=path / below), str(path), "ATELIER_HOME")
    assert path.read_bytes() == GOOD


@pytest.mark.parametrize("home", ["~nobody-here/work", "x" * 300, "loop"])
def test_a_workspace_path_that_leads_nowhere_is_refused(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setenv("ATELIER_HOME", home if home.startswith("~") else str(tmp_path / home))
    command = make_command(monkeypatch, capsys)
    for words in (["jobs", "list"], ["train", "--industry", "finance", "--set", "generated_examples=0"]):
        assert_refused(command(*words), home, "Set")
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


def test_an_unexpected_failure_is_a_sentence_with_the_place_of_its_details(tmp_path: Path) -> None:
    """The program's own mistakes are not called bad input: code 1, and the traceback is kept."""
    path = write_good(tmp_path / "rows.jsonl")
    broken = "import core.cli.train as t, core.cli.main as m; t.submission.compose = lambda *_: 1 / 0; m.run()"
    answer = run_code(broken, "train", "--data", path, home=tmp_path / "workspace")
    log = tmp_path / "workspace" / "logs" / "command.log"
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.count("\n") == 1
    assert str(log) in answer.err and "ZeroDivisionError" in answer.err
    assert "Traceback" in log.read_text() and "division by zero" in log.read_text()


def test_the_sentence_of_a_refusal_shows_no_control_character(refused: Callable[..., Answer]) -> None:
    answer = refused(["train", "--industry", "fin\x1b[2Jance\n\u202e"], "Choose from")
    assert_sentence(answer.err)
    assert answer.err.strip().isprintable()
