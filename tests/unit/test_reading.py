"""Rows of JSONL files: both layouts, and a sentence with file and line for whatever is no row."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from core.datasets.examples import Example
from core.datasets.files.row import MOST_BYTES_PER_ROW
from core.datasets.reading import read_examples
from core.errors import DataError
from tests.packs import write_rows

GOOD = b'{"prompt": "a", "response": "b"}\n'


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    return path


def rows_of(tmp_path: Path, *rows: dict[str, Any]) -> list[Example]:
    return read_examples(write_rows(tmp_path / "rows.jsonl", list(rows)))


def test_a_prompt_with_its_response_is_an_example(tmp_path: Path) -> None:
    [found] = rows_of(tmp_path, {"prompt": " What? ", "response": " That.\n"})
    assert found == Example("What?", "That.", "rows.jsonl", {})


def test_an_instruction_with_its_input_is_an_example(tmp_path: Path) -> None:
    [found] = rows_of(tmp_path, {"instruction": "Add.", "input": "1 and 2", "output": "3", "industry": "retail"})
    assert found == Example("Add.\n1 and 2", "3", "rows.jsonl", {"industry": "retail"})


@pytest.mark.parametrize("given_input", ["", "  ", None])
def test_an_instruction_without_input_stands_alone(tmp_path: Path, given_input: str | None) -> None:
    [found] = rows_of(tmp_path, {"instruction": "Greet.", "input": given_input, "output": "Hello."})
    assert found.prompt == "Greet."


def test_the_input_beside_a_prompt_is_not_lost(tmp_path: Path) -> None:
    [found] = rows_of(tmp_path, {"prompt": "Summarise.", "input": "A long text.", "response": "Short."})
    assert found.prompt == "Summarise.\nA long text."


def test_another_field_of_the_name_of_one_of_ours_does_not_take_its_place(tmp_path: Path) -> None:
    [found] = rows_of(tmp_path, {"instruction": "Add.", "output": "3", "prompt": "old", "text": "kept"})
    assert found.to_row() == {"prompt": "Add.", "response": "3", "origin": "rows.jsonl", "text": "kept"}


def test_an_origin_in_the_row_is_kept(tmp_path: Path) -> None:
    [found] = rows_of(tmp_path, {"prompt": "a", "response": "b", "origin": "corpus:retail"})
    assert found.origin == "corpus:retail"


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_are_no_fault(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n") + b"\r\n  \n" + GOOD.rstrip())
    assert [found.prompt for found in read_examples(path)] == ["a", "a"]


def test_line_ends_within_a_text_do_not_end_a_row(tmp_path: Path) -> None:
    text = "one\u2028two\x85three\x0bfour\nfive\r\nsix"
    [found] = rows_of(tmp_path, {"prompt": text, "response": "b"})
    assert found.prompt == text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", "not valid JSON"),
        (b"plain text", "not valid JSON"),
        (b"[1, 2]", "a list"),
        (b'"text"', "a text"),
        (b"5", "a number"),
        (b"true", "true or false"),
        (b"null", "null"),
        (b"{}", "fields none"),
        (b'{"prompt": "a"}', "fields prompt"),
        (b'{"prompt": "a", "output": "b"}', "fields prompt, output"),
        (b'{"prompt": 5, "response": "b"}', "prompt is a number, not text"),
        (b'{"prompt": "a", "response": null}', "response is null, not text"),
        (b'{"instruction": "a", "output": ["b"]}', "output is a list, not text"),
        (b'{"instruction": "a", "input": 1, "output": "b"}', "input is a number, not text"),
        (b'{"prompt": " ", "response": "b"}', "prompt is empty"),
        (b'{"prompt": "a", "response": "\\n"}', "response is empty"),
        (b'{"prompt": "a", "response": "b", "score": NaN}', "NaN"),
        (b'{"prompt": "a", "response": "b", "score": -Infinity}', "-Infinity"),
        (b'{"prompt": "a", "response": "b", "score": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"prompt": "gr\xfc\xdfe", "response": "b"}', r"not UTF-8 text (byte 15)"),
        (b'{"prompt": "\\ud83d", "response": "b"}', "half of a character"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"prompt": "' + b"x" * MOST_BYTES_PER_ROW + b'"}', "longer than 4,000,000 bytes"),
        (b"\xff\xfe{\x00", "not UTF-8 text"),
    ],
)
def test_a_wrong_row_is_refused_with_file_and_line(tmp_path: Path, line: bytes, told: str) -> None:
    path = written(tmp_path, GOOD + b"\n" + line + b"\n" + GOOD)
    with pytest.raises(DataError) as refusal:
        read_examples(path)
    assert str(refusal.value).startswith(f"{path}, line 3")
    assert told in str(refusal.value)
    assert len(str(refusal.value)) < 1000


@pytest.mark.parametrize("content", [b"", b"\n\n", b"  \r\n"])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match="holds no rows"):
        read_examples(written(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "told"), [("missing.jsonl", "There is no file"), (".", "is a folder"), ("x" * 999, "can.t be read")]
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read_examples(tmp_path / name)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["prompt", "response", "instruction", "input", "output", "origin", "x"])
LINES = st.lists(
    st.one_of(
        st.binary(max_size=30),
        st.dictionaries(FIELDS, JSON | st.text(min_size=1, max_size=5), max_size=6).map(
            lambda row: json.dumps(row).encode()
        ),
        st.just(GOOD.strip()),
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([b"\xef\xbb\xbf"])
@given(LINES)
def test_whatever_a_file_holds_it_gives_examples_or_one_sentence_with_its_place(
    tmp_path: Path, lines: list[bytes]
) -> None:
    path = written(tmp_path, b"\n".join(lines))
    try:
        found = read_examples(path)
    except DataError as error:
        assert str(error).startswith(f"{path}, line ") or "holds no rows" in str(error)
    else:
        assert found
        for one in found:
            assert one.prompt.strip()
            assert one.response.strip()
            assert json.dumps(one.to_row(), ensure_ascii=False).encode("utf-8")
