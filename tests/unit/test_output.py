"""What the command prints: JSON that every reader takes, tables that align, nothing that steers a terminal."""

import json
import math

import pytest

from core.cli.output import print_json, print_table, print_text, say

HOSTILE = "name\x1b[2J\u202e\x9b31m\u2028end\x85 \U000e0041 \ud83d"


def test_json_is_one_value_in_which_nothing_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": 'Ü "quoted" 数字 🙂', "list": [1, 2.5, None, True], "tuple": (1, "a"), "nested": {"a": {"b": []}}}
    print_json(value)
    assert json.loads(capsys.readouterr().out) == value | {"tuple": [1, "a"]}


def test_json_has_null_for_what_it_can_not_say(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"nan": math.nan, "rows": [math.inf, -math.inf, 1.5]})
    out = capsys.readouterr().out
    assert "NaN" not in out and "Infinity" not in out
    assert json.loads(out) == {"nan": None, "rows": [None, None, 1.5]}


def test_json_escapes_what_does_not_print_and_reads_back_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": HOSTILE})
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert json.loads(out) == {"name": HOSTILE}
    assert out.count("\n") == 3


def test_a_table_aligns_its_columns_and_keeps_each_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(1, "short", "queued"), (12, "two\nlines\x1b[1m", "running"), (3, "y" * 90, "paused")]
    print_table(("#", "name", "state"), rows)
    lines = capsys.readouterr().out.split("\n")[:-1]
    assert len(lines) == 4
    assert all(line.isprintable() and line == line.rstrip() for line in lines)
    assert [line.split()[0] for line in lines] == ["#", "1", "12", "3"]
    starts = {line.index(word) for line, word in zip(lines, ("state", "queued", "running", "paused"), strict=True)}
    assert len(starts) == 1
    assert "y…" in lines[3]


def test_a_table_without_rows_is_its_heading(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("id", "name"), [])
    assert capsys.readouterr().out == "id  name\n"


def test_text_keeps_its_lines_and_shows_control_characters_as_codes(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(f"first\n{HOSTILE}")
    out = capsys.readouterr().out
    assert out.count("\n") == 2
    assert out.replace("\n", "").isprintable()
    assert "\\x1b[2J" in out


def test_a_remark_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"It failed:\n{HOSTILE}")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1 and shown.err.strip().isprintable()
