"""Files of rows as people have them: recognised by their content, read row by row, the bad rows told apart."""

import gzip
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.datasets.files.recognition import FileFormat, recognise
from core.datasets.files.row import Reject, Row
from core.datasets.files.table import read_rows
from core.errors import DataError

ROWS = [{"question": "Größe?", "answer": "fünf; 5"}, {"question": 'He said "no"', "answer": "a,b\nc"}]
TABLE = 'question,answer\nGröße?,"fünf; 5"\n"He said ""no""","a,b\nc"\n'
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def put(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, **wanted: Any) -> list[dict[str, Any]]:
    rows = list(read_rows(path, recognise(path, **wanted)))
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.values for row in rows if isinstance(row, Row)]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


CONTENTS: dict[str, tuple[str, bytes]] = {
    "CSV": ("a.csv", TABLE.encode()),
    "CSV with a mark": ("a.csv", TABLE.encode("utf-8-sig")),
    "CSV of Windows": ("a.csv", TABLE.replace("\n", "\r\n").replace("b\r\nc", "b\nc").encode()),
    "CSV in UTF-16": ("a.csv", TABLE.encode("utf-16")),
    "CSV in UTF-16 without a mark": ("a.csv", (TABLE * 1).encode("utf-16-le")),
    "CSV in gzip": ("a.csv.gz", gzip.compress(TABLE.encode())),
    "CSV named otherwise": ("a.jsonl", TABLE.encode()),
    "semicolons": ("a.csv", 'question;answer\nGröße?;"fünf; 5"\n"He said ""no""";"a,b\nc"\n'.encode()),
    "a blank line": ("a.csv", TABLE.replace("\nG", "\n\nG").encode()),
    "JSONL": ("a.jsonl", LINES.encode()),
    "JSONL with a mark": ("a.jsonl", LINES.encode("utf-8-sig")),
    "JSONL in UTF-16": ("a.jsonl", LINES.encode("utf-16")),
    "JSONL in gzip": ("a.jsonl.gz", gzip.compress(LINES.encode())),
    "JSONL named otherwise": ("a.csv", LINES.encode()),
    "a list": ("a.json", json.dumps(ROWS).encode()),
    "a list over many lines": ("a.json", json.dumps(ROWS, indent=2).encode()),
    "a list in UTF-16": ("a.json", json.dumps(ROWS, ensure_ascii=False).encode("utf-16")),
    "a list inside": ("a.json", json.dumps({"version": 1, "data": ROWS}, indent=1).encode()),
    "a list inside, on one line": ("a.json", json.dumps({"version": 1, "data": ROWS}).encode()),
    "columns": ("a.json", json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}, indent=1).encode()),
    "columns with an index": (
        "a.json",
        json.dumps({name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}).encode(),
    ),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_the_same_rows_come_out_of_every_format(kind: str, tmp_path: Path) -> None:
    name, content = CONTENTS[kind]
    assert read(put(tmp_path, name, content)) == ROWS


def test_parquet_is_read_in_pieces(tmp_path: Path) -> None:
    rows = [{"question": f"Q{n}", "answer": n, "tags": ["a", "b"]} for n in range(2500)]
    path = write_parquet(tmp_path / "rows", rows)
    assert recognise(path) == FileFormat("parquet")
    assert read(path) == rows


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "question,answer\n" + "Wie groß ist die Straße über dem Fluß – “fünf” Meter?,ä ö ü ß é è\n" * 40),
        ("shift_jis", "question,answer\n" + "これは日本語の質問ですか。,はい、そうです。東京都の人口は多い\n" * 40),
        ("gb18030", "question,answer\n" + "这是一个中文问题吗？北京是中国的首都,是的，没错。我们明白了\n" * 40),
    ],
)
def test_old_encodings_are_recognised_and_can_be_named(encoding: str, text: str, tmp_path: Path) -> None:
    path = put(tmp_path, "old.csv", text.encode(encoding))
    asked = text.split("\n")[1].split(",")[0]
    assert read(path)[0]["question"] == asked
    assert read(path, encoding=encoding)[0]["question"] == asked


def test_tabs_without_quoting_keep_their_quotation_marks(tmp_path: Path) -> None:
    lines = ["label\ttext", '1\t"Never say never', '0\ta 5" disk', "1\tplain", "0\t``old'' \""] * 1
    path = put(tmp_path, "a.tsv", "\n".join(lines) + "\n")
    assert [row["text"] for row in read(path)] == [line.split("\t")[1] for line in lines[1:]]


def test_a_table_without_a_header_gets_numbered_columns(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "1,good film\n0,bad film\n")
    assert read(path)[0] == {"column 1": "1", "column 2": "good film"}
    assert read(path, header=True) == [{"1": "0", "good film": "bad film"}]


def rejects(path: Path, **wanted: Any) -> list[Reject]:
    return [row for row in read_rows(path, recognise(path, **wanted)) if isinstance(row, Reject)]


# Content, and line, column and word of the reason of its only bad row; a good row stands before and behind it.
BAD_ROWS: dict[str, tuple[str, bytes, int, str, str]] = {
    "too many fields": ("a.csv", b"q,a\n1,2\n3,4,5\n6,7\n", 3, "", "3 fields where the header has 2"),
    "too few fields": ("a.csv", b"q,a\n1,2\n3\n6,7\n", 3, "", "1 fields where the header has 2"),
    "text behind a quotation mark": ("a.csv", b'q,a\n1,2\n"3"x,4\n6,7\n', 3, "", "must be doubled"),
    "bytes of another encoding": ("a.csv", b"q,a\n1,2\n" * 400 + b"3,caf\xe9\n6,7\n", 801, "a", "not UTF-8"),
    "a NUL": ("a.csv", b"q,a\n1,2\n3,4\x005\n6,7\n", 3, "a", "NUL"),
    "a carriage return": ("a.csv", b'q,a\n1,2\n3,4\r5\n6,7\n', 3, "", "carriage return"),
    "broken JSON": ("a.jsonl", b'{"q": 1}\n{"q": \n{"q": 2}\n', 2, "", "not valid JSON at letter 7"),
    "a list as row": ("a.jsonl", b'{"q": 1}\n[2]\n{"q": 2}\n', 2, "", "a list, not an object"),
    "NaN": ("a.jsonl", b'{"q": 1}\n{"q": NaN}\n{"q": 2}\n', 2, "", "NaN"),
    "half a character": ("a.jsonl", b'{"q": 1}\n{"q": "\\ud83d"}\n{"q": 2}\n', 2, "", "half of a character"),
    "other bytes": ("a.jsonl", b'{"q": 1}\n' * 300 + b'{"q": "\xe9"}\n{"q": 2}\n', 301, "", "not UTF-8 text (byte 8)"),
    "a number as row in a list": ("a.json", b'[{"q": 1}, 5, {"q": 2}]', 2, "", "a number, not an object"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_named_and_the_next_one_is_read(kind: str, tmp_path: Path) -> None:
    name, content, line, column, word = BAD_ROWS[kind]
    path = put(tmp_path, name, content)
    rows = list(read_rows(path, recognise(path)))
    [bad] = [row for row in rows if isinstance(row, Reject)]
    assert (bad.line, bad.column) == (line, column) and word in bad.reason
    assert isinstance(rows[-1], Row) and isinstance(rows[0], Row)
    assert bad.text  # as it stands in the file, so that it can be mended


def test_a_quotation_mark_that_is_never_closed_is_named_with_its_line(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", 'q,a\n"one",two\n' * 300 + '"three,four\nfive,six\n')
    [bad] = rejects(path)
    assert bad.line == 601 and "never closed" in bad.reason and "five,six" in bad.text


def test_a_row_beyond_the_limit_is_put_aside_and_the_next_one_read(tmp_path: Path) -> None:
    for name, content in (
        ("a.csv", "q,a\n1,2\n3," + "x" * 5_000_000 + "\n6,7\n"),
        ("a.jsonl", '{"q": 1}\n{"q": "' + "x" * 5_000_000 + '"}\n{"q": 2}\n'),
    ):
        path = put(tmp_path, name, content)
        rows = list(read_rows(path, recognise(path)))
        assert [isinstance(row, Row) for row in rows] == [True, False, True]
        assert "longer than 4,000,000" in rows[1].reason  # type: ignore[union-attr]


BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "empty": ("a.csv", b"", "is empty"),
    "blank": ("a.csv", b"\n \r\n", "is empty"),
    "a spreadsheet": ("a.xlsx", b"PK\x03\x04" + bytes(50), "Excel workbook"),
    "a PDF": ("a.csv", b"%PDF-1.7 ...", "PDF"),
    "a database": ("a.csv", b"SQLite format 3\x00" + bytes(90), "Export the table"),
    "a pickle": ("a.jsonl", b"\x80\x04\x95" + bytes(20), "pickle"),
    "noise": ("a.csv", bytes(range(256)) * 40, "not a text file"),
    "broken gzip": ("a.csv.gz", gzip.compress(TABLE.encode())[:-12], "damaged"),
    "half a Parquet file": ("a.parquet", b"PAR1" + bytes(200), "as Parquet"),
    "one column twice": ("a.csv", b"a,b,a\n1,2,3\n", "two columns called 'a'"),
    "a list that breaks off": ("a.json", b'[{"q": 1}, {"q": 2}, {"q"', "behind row 2"),
    "columns of two lengths": ("a.json", b'{"a": ["1", "2"], "b": ["1"]}', "different lengths"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_can_not_be_read_is_refused_in_one_sentence(kind: str, tmp_path: Path) -> None:
    name, content, word = BAD_FILES[kind]
    path = put(tmp_path, name, content)
    with pytest.raises(DataError) as told:
        list(read_rows(path, recognise(path)))
    assert word in str(told.value) and str(path) in str(told.value) and str(told.value).endswith(".")


@pytest.mark.parametrize("wanted", [{"encoding": "klingon"}, {"encoding": "base64"}, {"delimiter": "ab"}])
def test_what_a_person_says_of_a_file_is_checked(wanted: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DataError):
        recognise(put(tmp_path, "a.csv", TABLE), **wanted)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELL, CELL).filter(lambda row: any(cell.strip() for cell in row)), min_size=1, max_size=12))
def test_whatever_was_written_as_a_table_is_read_back(rows: list[tuple[str, str]]) -> None:
    import csv
    import io

    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("first name", "second"), *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder), "a.csv", buffer.getvalue())
        found = read(path, delimiter=",", encoding="utf-8")
    assert [tuple(row.values()) for row in found] == rows


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz"]))
def test_any_bytes_give_rows_or_a_sentence(content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder), name, content)
        try:
            for row in read_rows(path, recognise(path)):
                assert isinstance(row, Row) or row.reason
        except DataError as error:
            assert str(error).endswith(".")
