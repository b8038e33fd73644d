"""Odd Parquet and gzip, other kinds of files, and each format under the name of another."""

import gzip
import pickle
from collections.abc import Iterable

from tests.malformed.making import (
    BROKEN_GZIP,
    CSV,
    FORMATS,
    GAP,
    HEAD,
    LINES,
    LIST,
    NO_TEXT,
    OK,
    ONE_BYTE,
    Case,
    archive,
    database,
    good_columns,
    noise,
    objects,
    parquet,
)


def packed() -> Iterable[Case]:
    import pyarrow

    good = parquet()
    yield Case("cut.parquet", "cut off", good[:-20], "as Parquet")
    yield Case("magic-only.parquet", "nothing but its mark", b"PAR1", "as Parquet")
    yield Case("wrong-magic.parquet", "a wrong mark", b"PAR2" + good[4:], "is not a text file")
    yield Case("footer-zeros.parquet", "a footer of zeros", good[:-200] + bytes(192) + good[-8:], "as Parquet")
    yield Case("body-noise.parquet", "noise in its pages", good[:4] + noise(100) + good[104:], "as Parquet")
    yield Case(
        "no-rows.parquet",
        "no rows",
        parquet({"question": pyarrow.array([], "string"), "answer": pyarrow.array([], "string")}),
        "has no rows",
    )
    yield Case("no-columns.parquet", "no columns", parquet(pyarrow.table({})), "has no rows")
    yield Case(
        "only-nulls.parquet",
        "only nulls",
        parquet({"question": pyarrow.nulls(3), "answer": pyarrow.nulls(3)}),
        "gives no example in 3 rows",
    )
    yield Case(
        "nested.parquet",
        "columns inside columns",
        parquet({"question": [{"a": ["b"]}] * 3, "answer": [[{"c": 1}]] * 3}),
        "3/3/0",
    )
    yield Case(
        "dictionary.parquet",
        "dictionary types",
        parquet({key: pyarrow.array(values).dictionary_encode() for key, values in good_columns().items()}),
        OK,
    )
    yield Case(
        "times.parquet",
        "dates as answers",
        parquet({"question": ["a"] * 2, "answer": pyarrow.array([0, 10**15], pyarrow.timestamp("us"))}),
        "2/2/0",
    )
    yield Case(
        "times-far.parquet",
        "a date that Python can't hold",
        parquet({"question": ["a"], "answer": pyarrow.array([2**62], pyarrow.timestamp("us"))}),
        "as Parquet",
    )
    yield Case(
        "times-zone.parquet",
        "a time zone that does not exist",
        parquet({"question": ["a"], "answer": pyarrow.array([1], pyarrow.timestamp("us", "Mars/Olympus"))}),
        "as Parquet",
    )
    yield Case(
        "bytes.parquet",
        "texts as bytes, one of them no text",
        parquet({"question": [b"a", b"\xff"], "answer": [b"b", b"c"]}),
        "2/1/1",
    )
    yield Case(
        "decimal.parquet",
        "decimal numbers",
        parquet({"question": ["a"], "answer": pyarrow.array([1], pyarrow.decimal128(9, 2))}),
        "1/1/0",
    )
    yield Case(
        "columns-doubled.parquet",
        "two columns of one name",
        parquet(pyarrow.table([pyarrow.array(["a"])] * 2, names=["question", "question"])),
        "two columns called 'question'",
    )
    yield Case("parquet-in-gzip.parquet.gz", "Parquet in gzip", gzip.compress(good), "inside gzip")
    zipped = gzip.compress(CSV)
    yield Case("cut.csv.gz", "cut off", zipped[:-15], BROKEN_GZIP)
    yield Case(
        "cut-late.csv.gz",
        "cut off far behind its beginning",
        gzip.compress(HEAD + noise(3_000_000, b'\r\n",').hex().encode())[:-40],
        "packed with gzip but damaged",
    )
    yield Case("not-gzip.csv.gz", "no gzip at all", CSV, OK)
    yield Case("twice.csv.gz", "packed twice", gzip.compress(zipped), "packed with gzip twice")
    yield Case("empty-member.csv.gz", "nothing in it", gzip.compress(b""), "is empty")
    yield Case("two-members.csv.gz", "two members", zipped + gzip.compress(b"a,b\n"), "7/7/0")
    yield Case("trailing-zeros.csv.gz", "zeros behind its end", zipped + bytes(64), OK)
    yield Case("trailing-garbage.csv.gz", "garbage behind its end", zipped + b"garbage", BROKEN_GZIP)
    yield Case("wrong-sum.csv.gz", "a wrong check sum", zipped[:-8] + bytes(4) + zipped[-4:], BROKEN_GZIP)
    yield Case("header-only.csv.gz", "nothing but its mark", b"\x1f\x8b", BROKEN_GZIP)
    bomb = 100_000_000
    yield Case("bomb-zeros.csv.gz", "100 MB of zeros", lambda: gzip.compress(bytes(bomb)), NO_TEXT)
    yield Case(
        "bomb-line.csv.gz",
        "a good table, then 100 MB of zeros",
        lambda: gzip.compress(CSV + GAP + bytes(bomb)),
        "306/305/1",
    )
    yield Case(
        "bomb-line.jsonl.gz",
        "good lines, then one of 100 MB",
        lambda: gzip.compress(LINES + b"x" * bomb + b"\n" + LINES),
        "13/12/1",
    )
    yield Case(
        "bomb-text.json.gz",
        "a list with a text of 100 MB",
        lambda: gzip.compress(LIST[:-1] + b', {"question": "' + b"x" * bomb + b'"}]'),
        "7/6/1",
    )
    yield Case(
        "bomb-quote.csv.gz",
        "an open quotation mark before 100 MB",
        lambda: gzip.compress(CSV + b'"' + b"x\n" * (bomb // 2)),
        "so the import was stopped",
    )
    yield Case(
        "bomb-columns.json.gz",
        "a column of 100 MB",
        lambda: gzip.compress(b'{"question": ["a", "b", "' + b"x" * bomb + b'"]}'),
        "larger than",
    )
    for name, content, expected in (
        ("png", b"\x89PNG\r\n\x1a\n" + noise(3000), "a picture"),
        ("elf", b"\x7fELF" + bytes(300), "a program"),
        ("zip", archive("a.csv"), "a ZIP archive"),
        ("docx", archive("word/document.xml"), "a ZIP archive"),
        ("pdf", b"%PDF-1.7\n" + noise(3000), "a PDF"),
        ("sqlite", database(), "a SQLite database"),
        ("pickle", pickle.dumps(objects(), 4), "pickle"),
        ("pickle-2", pickle.dumps(objects(), 2), "pickle"),
        ("html", b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"),
        ("rtf", rb"{\rtf1\ansi a}", "RTF"),
        ("xml", b"<?xml version='1.0'?><rows/>", "an XML document"),
        ("lfs", b"version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
        ("noise", noise(5000), NO_TEXT),
        ("noise-short", noise(60, b"\0\r\n"), "has bytes that are not"),
        ("noise-no-nul", noise(200_000, b"\0"), NO_TEXT),
        ("empty", b"", "is empty"),
        ("bom-only", b"\xef\xbb\xbf", "is empty"),
        ("utf-16-mark-only", b"\xff\xfe", "is empty"),
        *((f"byte-{byte:02x}", bytes([byte]), words) for byte, words in ONE_BYTE.items()),
    ):
        yield Case(f"{name}.csv", f"a CSV file that is {name}", content, expected)
    for kind, make in FORMATS.items():
        for other in FORMATS:
            if other != kind:
                expected = "Excel workbook" if kind == "xlsx" else OK
                yield Case(
                    f"{kind.replace('.', '-')}-named.{other}", f"{kind} under the name of {other}", make, expected
                )
