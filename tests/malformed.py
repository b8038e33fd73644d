"""Malformed and odd data files, made by code: each with its name, what is odd about it, and what must come of it.

`expected` is 'rows/examples/rejected' where the file is imported, and otherwise words of the sentence that refuses it.
"""

import gzip
import io
import json
import pickle
import random
import sqlite3
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 20_240
ROWS = [(f"Where is parcel {n}?", f"In depot {n % 3}") for n in range(6)]
TEXTS = {
    "german": [(f"Wo bleibt die Tür für Größe {n}, bitte schön?", f"Müßte übermorgen da sein: {n}") for n in range(30)],
    "russian": [(f"Где моя посылка номер {n}, пожалуйста?", f"Она находится на складе {n % 3}") for n in range(30)],
    "japanese": [
        (f"荷物番号{n}はどこにありますか？教えてください", f"倉庫{n % 3}に保管されています") for n in range(30)
    ],
    "chinese": [(f"请问我的第{n}号包裹现在在哪里？", f"它在第{n % 3}号仓库里面") for n in range(30)],
}


@dataclass(frozen=True)
class Case:
    """A file: its name, what is odd about it, its content or what makes it, and what must come of it."""

    file: str
    odd: str
    content: bytes | Callable[[], bytes]
    expected: str

    def write(self, folder: Path) -> Path:
        path = folder / self.file
        path.write_bytes(self.content if isinstance(self.content, bytes) else self.content())
        return path


def table(rows: Iterable[tuple[str, ...]] = ROWS, mark: str = ",", end: str = "\n", header: str = "") -> str:
    lines = [header or f"question{mark}answer", *(mark.join(f'"{cell}"' for cell in row) for row in rows)]
    return end.join(lines) + end


def objects(rows: Iterable[tuple[str, str]] = ROWS) -> list[dict[str, Any]]:
    return [{"question": ask, "answer": reply} for ask, reply in rows]


def lines(rows: Iterable[tuple[str, str]] = ROWS) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in objects(rows))


def listed(rows: Iterable[tuple[str, str]] = ROWS) -> str:
    return json.dumps(objects(rows), ensure_ascii=False)


def parquet(columns: Any = None, **how: Any) -> bytes:
    import pyarrow
    import pyarrow.parquet

    sink = io.BytesIO()
    found = columns if isinstance(columns, pyarrow.Table) else pyarrow.table(columns or _columns())
    pyarrow.parquet.write_table(found, sink, **how)
    return sink.getvalue()


def _columns() -> dict[str, list[Any]]:
    return {"question": [ask for ask, _ in ROWS], "answer": [reply for _, reply in ROWS]}


def archive(*names: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        for name in names:
            packed.writestr(name, "<x/>")
    return sink.getvalue()


def database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE t (question, answer)")
        db.close()
        return path.read_bytes()


def noise(size: int, without: bytes = b"") -> bytes:
    return bytes(random.Random(SEED + size).choices([n for n in range(256) if n not in without], k=size))


CSV, LINES, LIST = table().encode(), lines().encode(), listed().encode()
GAP = b"a longer question,answer\n" * 299  # more than what is looked at for NULs
OK = "6/6/0"
NO_TEXT, CHOOSE, BROKEN_GZIP = "is not a text file", "can't be told", "packed with gzip but damaged"
HEAD = b"question,answer\n"
ONE_BYTE = {
    0x00: "has a NUL", 0x0A: "is empty", 0x20: "is empty", 0x22: "never closed", 0x2C: "has no rows", 0x41: "has no rows",
    0x5B: "ends too early", 0x7B: "complete object", 0xFF: "has no rows",
}  # fmt: skip
FORMATS: dict[str, Callable[[], bytes]] = {
    "csv": lambda: CSV,
    "tsv": lambda: table(mark="\t").encode(),
    "json": lambda: LIST,
    "jsonl": lambda: LINES,
    "parquet": parquet,
    "csv.gz": lambda: gzip.compress(CSV),
    "xlsx": lambda: archive("[Content_Types].xml", "xl/workbook.xml"),
}


def one(value: str, name: str = "question") -> bytes:
    """Return six good lines of JSONL and one whose text is `value`, as it stands in the file."""
    return LINES + f'{{"{name}": {value}, "answer": "x"}}\n'.encode()


def encodings() -> Iterable[Case]:
    for language, coding in (
        ("german", "cp1252"), ("german", "latin-1"), ("russian", "koi8-r"), ("russian", "cp1251"),
        ("japanese", "shift_jis"), ("japanese", "euc_jp"), ("chinese", "gb18030"), ("chinese", "big5"),
        ("german", "utf-8"), ("german", "utf-8-sig"), ("german", "utf-16"), ("german", "utf-16-le"),
        ("german", "utf-16-be"), ("german", "utf-32"), ("german", "utf-32-le"), ("german", "utf-32-be"),
        ("japanese", "utf-16"), ("japanese", "utf-32"),
    ):  # fmt: skip
        text = table(TEXTS[language]).encode(coding, "replace")
        yield Case(f"{language}-{coding}.csv", f"{language} in {coding}", text, "30/30/0")
    for coding in ("utf-16", "utf-16-le", "utf-32-be", "utf-8-sig"):
        yield Case(f"lines-{coding}.jsonl", f"JSONL in {coding}", lines(TEXTS["german"]).encode(coding), "30/30/0")
        yield Case(f"list-{coding}.json", f"JSON in {coding}", listed(TEXTS["german"]).encode(coding), "30/30/0")
        yield Case(f"ascii-{coding}.csv", f"plain letters in {coding}", table().encode(coding), OK)
    for order, mark, coding in (("little", b"\xff\xfe", "utf-16-le"), ("big", b"\xfe\xff", "utf-16-be")):
        yield Case(f"utf-16-{order}-mark.csv", f"UTF-16, {order} end first", mark + table().encode(coding), OK)
    good = table(TEXTS["german"] * 20).encode()
    yield Case(
        "mixed-encodings.csv", "one row of another encoding", good + '"Tür","zu"\n'.encode("cp1252"), "601/600/1"
    )
    yield Case("mixed-encodings.jsonl", "one line of another encoding",
               lines(TEXTS["german"]).encode() + '{"question": "Tür", "answer": "zu"}\n'.encode("cp1252"), "31/30/1")  # fmt: skip
    yield Case("mixed-encodings.json", "one row of a list in another encoding",
               LIST[:-1] + b', {"question": "T\xfcr", "answer": "zu"}]', "7/6/1")  # fmt: skip
    yield Case("half-letter-at-end.csv", "a letter cut in two at the end", good[:-3] + "ü".encode()[:1], "600/599/1")
    yield Case("half-letter-at-end.jsonl", "a letter cut in two at the end", LINES + b'{"question": "\xe2\x82', "7/6/1")
    yield Case(
        "overlong.jsonl", "a slash written in two bytes", LINES + b'{"question": "\xc0\xaf", "answer": ""}\n', "7/6/1"
    )
    yield Case(
        "surrogates-in-utf-8.jsonl", "half characters as bytes", LINES + b'{"question": "\xed\xa0\x80"}\n', "7/6/1"
    )
    yield Case("odd-byte-utf-16.csv", "UTF-16 with a byte too many", table().encode("utf-16") + b"x", "7/6/1")
    yield Case("half-character.jsonl", "half of a pair as an escape", one(r'"\ud83d"'), "7/6/1")
    yield Case("pair-of-escapes.jsonl", "a pair of escapes", one(r'"\ud83d\ude00"'), "7/7/0")
    yield Case(
        "half-character.json",
        "half of a pair in a list",
        b"[" + one(r'"\ud83d"').replace(b"\n", b",")[:-1] + b"]",
        "7/6/1",
    )
    yield Case(
        "half-character-columns.json",
        "half of a pair in a column",
        rb'{"question": ["\ud83d", "b"], "answer": ["c", "d"]}',
        "2/1/1",
    )
    yield Case(
        "half-character-name.jsonl",
        "half of a pair in a name",
        rb'{"\ud83d": "a b c d e f g h i", "answer": "c"}',
        "half of a character",
    )
    yield Case(
        "bytes-in-header.csv",
        "bytes that are no text in the header",
        b"question\xff,answer\n" + "grüße,ü\n".encode() * 90,
        "can't be told",
    )
    yield Case("half-character-in-messages.csv", "half of a pair in messages in a field",
               b'chat\n"' + rb'[{""role"": ""user"", ""content"": ""\ud83d""}, {""role"": ""assistant"", ""content"": ""x""}]' + b'"\n', "can't be told")  # fmt: skip


def zeros_and_ends() -> Iterable[Case]:
    yield Case("nul-first.csv", "a NUL as first byte", b"\0" + CSV, "which names the columns, has a NUL")
    yield Case("nul-middle.csv", "a NUL in a field", CSV + b"a\0b,c\n", "7/6/1")
    yield Case("nul-row.csv", "a row of NULs, as a crash leaves it", CSV + GAP + b"\0" * 5000, "306/305/1")
    yield Case("nul-all.csv", "nothing but NULs", bytes(5000), NO_TEXT)
    yield Case("nul-first.jsonl", "a NUL as first byte", b"\0" + LINES, "which names the columns, has a NUL")
    yield Case("nul-middle.jsonl", "a NUL in a text", LINES + b'{"question": "a\0b", "answer": "c"}\n', "7/6/1")
    yield Case("nul-escape.jsonl", "an escaped NUL", one(r'"a\u0000b"'), "7/7/0")
    yield Case("nul-row.jsonl", "a line of NULs", LINES * 20 + b"\0" * 5000 + b"\n", "121/120/1")
    for what, end in (("cr", "\r"), ("lf", "\n"), ("crlf", "\r\n"), ("crcrlf", "\r\r\n")):
        yield Case(f"ends-{what}.csv", f"lines end with {what}", table(end=end).encode(), OK)
        yield Case(f"ends-{what}.jsonl", f"lines end with {what}", LINES.replace(b"\n", end.encode()), OK)
        yield Case(
            f"ends-{what}.json",
            f"lines end with {what}",
            json.dumps(objects(), indent=1).replace("\n", end).encode(),
            OK,
        )
    yield Case("ends-mixed.csv", "lines end in three ways", CSV + b"a,b\r\nc,d\re,f\n", "8/7/1")
    yield Case("ends-unicode.csv", "lines end with U+2028", table(end="\u2028").encode(), "text behind a closing quotation mark")
    yield Case(
        "unicode-ends-inside.csv", "U+2028 and U+0085 inside fields", CSV + "a\u2028b,c\u0085d\n".encode(), "7/7/0"
    )
    yield Case(
        "unicode-ends-inside.jsonl",
        "U+2028 inside a text",
        LINES + '{"question": "a\u2028b", "answer": "c"}\n'.encode(),
        "7/7/0",
    )
    yield Case("no-last-end.csv", "no end of the last line", CSV[:-1], OK)
    yield Case("ctrl-z.csv", "the end mark of DOS", CSV + b"\x1a", "7/6/1")
    yield Case("form-feeds.csv", "form feeds between rows", CSV.replace(b"\n", b"\n\f"), "6/6/0")


def quotes_and_fields() -> Iterable[Case]:
    yield Case("quote-never-closed.csv", "a quotation mark that is never closed", CSV + b'"a,b\nc,d\n', "7/6/1")
    yield Case(
        "quote-never-closed-in-header.csv",
        "the same in the header",
        b'question,"answer\n' + b"a,b\n" * 5,
        "never closed",
    )
    yield Case("quote-stray.csv", "a stray quotation mark in a field", CSV + b'a "b" c,d\n', "7/7/0")
    yield Case("quote-doubled.csv", "doubled quotation marks", CSV + b'"a ""b"" c",d\n', "7/7/0")
    yield Case("quote-not-doubled.csv", "quotation marks that should be doubled", CSV + b'"a "b" c",d\n', "7/6/1")
    yield Case("quote-behind-blank.csv", "a quotation mark behind a blank", CSV + b'a, "b"\n', "7/7/0")
    yield Case("quote-smart.csv", "curly quotation marks", CSV + "“a, b”,c\n".encode(), "7/6/1")
    yield Case("quote-single.csv", "single quotation marks", CSV + b"'a, b',c\n", "7/6/1")
    yield Case("quote-backslash.csv", "quotation marks behind backslashes", CSV + rb'"a \"b\" c",d' + b"\n", "7/6/1")
    yield Case("quote-newline.csv", "a line end in a field", CSV + b'"a\nb","c\r\nd"\n', "7/7/0")
    yield Case("quote-only.csv", "nothing but quotation marks", b'"' * 999, "never closed")
    for what, row in (("short", b"a\n"), ("long", b"a,b,c,d\n"), ("empty", b",\n"), ("comma-at-end", b"a,b,\n")):
        yield Case(
            f"row-{what}.csv", f"a {what} row", CSV + row, {"empty": OK, "comma-at-end": "7/7/0"}.get(what, "7/6/1")
        )
    yield Case("rows-all-short.csv", "no row fits the header", HEAD + b"a\n" * 9, "has 1 fields where the header has 2")
    for name, mark in (("semicolon", ";"), ("pipe", "|"), ("tab", "\t")):
        yield Case(f"delimiter-{name}.csv", f"columns split by {name}", table(mark=mark).encode(), OK)
    yield Case("delimiter-none.csv", "one column", b"question\n" + b"Where is it all gone?\n" * 6, CHOOSE)
    yield Case("delimiter-changing.csv", "commas, then semicolons", CSV + b"a;b\n" * 3, "9/6/3")
    yield Case("delimiter-colon.csv", "columns split by a colon", table(mark=":").encode(), "text behind a closing quotation mark")
    yield Case("delimiters-only.csv", "nothing but commas", b",,,\n" * 9, "has no rows")
    yield Case(
        "header-missing.csv", "no header", b"".join(b"Where is parcel %d at all?,%d\n" % (n, n) for n in range(6)), OK
    )
    yield Case(
        "header-doubled.csv",
        "two columns of one name",
        b"question,answer,answer\na,b,c\n",
        "two columns called 'answer'",
    )
    yield Case("header-empty-names.csv", "a column without a name", b"question,answer,\na,b,c\nd,e,f\n", "2/2/0")
    yield Case("header-only.csv", "a header and no row", HEAD, "has no rows")
    yield Case("header-numbers.csv", "years as names", b"2021,2022\n1,2\n3,4\n", CHOOSE)
    yield Case(
        "header-long-name.csv",
        "a name of 100,000 letters",
        b"q" * 100_000 + b",answer\n" + b"some longer question,b\n" * 5,
        "6/6/0",
    )
    yield Case("header-repeated.csv", "the header again in the middle", CSV + HEAD + b"a,b\n", "8/8/0")
    yield Case("header-quoted.csv", "a header in quotation marks", b'"question","answer"\n' + CSV[16:], OK)
    yield Case("header-blank-lines.csv", "blank lines before the header", b"\n\n \n" + CSV, OK)
    yield Case("header-comment.csv", "a comment before the header", b"# exported today\n" + CSV, "1")
    yield Case("comments.csv", "comments between the rows", CSV + b"# note\na,b\n", "8/7/1")
    yield Case("sep-line.csv", "Excel's line sep=;", b"sep=;\n" + table(mark=";").encode(), "6/6/0")
    yield Case("blank-lines.csv", "blank lines between rows", CSV.replace(b"\n", b"\n\n"), OK)
    for what, field, expected in (
        ("huge", b"x" * 4_100_000, "7/6/1"), ("large", b"y" * 900_000, "7/7/0"), ("empty", b"", "7/6/1"),
        ("blank", b"   ", "7/6/1"), ("control", b"a\x07\x1b[31mb\x7f", "7/7/0"), ("right-to-left", "a\u202eb\u200f".encode(), "7/7/0"),
        ("emoji", "👩‍👩‍👧‍👦🏴‍☠️".encode(), "7/7/0"), ("formula", b"=cmd|' /C calc'!A0", "7/7/0"), ("html", b"<script>alert(1)</script>", "7/7/0"),
        ("markdown", b"**a** [b](javascript:c) $x$", "7/7/0"), ("combining", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢".encode() * 99, "7/7/0"), ("no-break", "\u00a0\u200b".encode(), "7/7/0"),
        ("template", b"{question} {{x}}", "7/7/0"), ("path", b"../../etc/passwd", "7/7/0"),
    ):  # fmt: skip
        yield Case(f"field-{what}.csv", f"a field that is {what}", CSV + field + b",x\n", expected)
    yield Case("rows-all-bad.csv", "all rows without an answer", HEAD + b"a,\n" * 20, "gives no example in 20 rows")
    yield Case("rows-sixty-bad.csv", "sixty rows without an answer", HEAD + b"a,\n" * 60, "gives no example in 60 rows")
    yield Case(
        "rows-first-sixty-bad.csv",
        "sixty rows without an answer, then a good one",
        HEAD + b"a,\n" * 60 + b"b,c\n",
        "61/1/60",
    )
    yield Case("row-cut.csv", "the last row cut", CSV[:-8], "6/5/1")
    yield Case("one-row.csv", "one row", HEAD + b"a,b\n", "1/1/0")
    yield Case("columns-10000.csv", "10,000 columns", _wide(10_000), "3/3/0")
    yield Case("columns-20000.csv", "20,000 columns", _wide(20_000), "at most 16,384")
    yield Case(
        "columns-million.csv",
        "a header of a million commas",
        b"question,answer" + b"," * 1_000_000 + b"\na,b\n",
        "at most 16,384",
    )


def _wide(count: int) -> bytes:
    names = ",".join(["question", "answer", *(f"c{n}" for n in range(count - 2))])
    return (names + "\n" + (",".join(["a b", "c"] + ["x"] * (count - 2)) + "\n") * 3).encode()


def json_files() -> Iterable[Case]:
    deep = 100_000
    yield Case("deep-open.json", "100,000 lists that never end", b"[" * deep, "ends too early")
    yield Case("deep-open-objects.json", "100,000 objects that never end", b'{"a":' * deep, "is nested too deeply")
    yield Case(
        "deep-row.json",
        "a row 100,000 lists deep",
        LIST[:-1] + b', {"question": ' + b"[" * deep + b"]" * deep + b"}]",
        "7/6/1",
    )
    yield Case(
        "deep-row.jsonl",
        "a line 100,000 lists deep",
        LINES + b'{"question": ' + b"[" * deep + b"]" * deep + b"}\n",
        "7/6/1",
    )
    yield Case(
        "deep-500.jsonl", "a line 500 lists deep", LINES + b'{"question": ' + b"[" * 500 + b"]" * 500 + b"}\n", "7/6/1"
    )
    yield Case(
        "deep-columns.json",
        "a column 100,000 lists deep",
        b'{"question": ["a", "b"], "answer": [' + b"[" * deep + b"]" * deep + b", 1]}",
        "is nested too deeply",
    )
    yield Case("deep-field.csv", "messages 100,000 lists deep in a field", CSV + b"[{" + b"[" * deep + b",x\n", "7/7/0")
    for name, value in (
        ("big", "9" * 30),
        ("huge", "9" * 5000),
        ("exponent", "1e999"),
        ("nan", "NaN"),
        ("infinity", "-Infinity"),
        ("minus", "-"),
    ):
        good = "7/6/1" if name in ("huge", "nan", "infinity", "minus") else "7/7/0"
        yield Case(f"number-{name}.jsonl", f"the number {value[:12]}", one(value), good)
        yield Case(
            f"number-{name}.json",
            f"the number {value[:12]}",
            b"[" + one(value).replace(b"\n", b",")[:-1] + b"]",
            "not valid JSON behind row 6" if name == "minus" else good,
        )
    yield Case("text-nan.json", "NaN inside a text", b'[{"question": "NaN", "answer": "Infinity"}]', "1/1/0")
    yield Case(
        "keys-doubled.jsonl", "one key twice", LINES + b'{"question": "a", "question": "b", "answer": "c"}\n', "7/7/0"
    )
    yield Case("keys-doubled.json", "one key twice", b'[{"question": "a", "question": "b", "answer": "c"}]', "1/1/0")
    for what, row in (("comma-at-end", b'{"question": "a", "answer": "b",}'), ("single-quotes", b"{'question': 'a', 'answer': 'b'}"),
                      ("comment", b'{"question": "a", "answer": "b"} // x'), ("python", b'{"question": None, "answer": True}')):  # fmt: skip
        yield Case(f"{what}.jsonl", f"a line with {what}", LINES + row + b"\n", "7/6/1")
        yield Case(f"{what}.json", f"a list with {what}", LIST[:-1] + b", " + row + b"]", "not valid JSON behind row")
    yield Case(
        "list-comma-at-end.json",
        "a comma before the end of the list",
        LIST[:-1] + b",]",
        "a comma stands before the closing ]",
    )
    yield Case(
        "list-no-comma.json", "a comma missing between rows", LIST.replace(b"}, {", b"} {", 1), "a comma is missing"
    )
    yield Case("top-text.json", "a text alone", b'"question and answer"', "has no rows")
    yield Case("top-number.json", "a number alone", b"42", CHOOSE)
    yield Case("top-null.json", "null alone", b"null", "has no rows")
    yield Case("top-empty-list.json", "an empty list", b"[]", "has no rows")
    yield Case("top-empty-object.json", "an empty object", b"{}", "have no fields")
    yield Case("list-of-lists.json", "a list of lists", b'[["question", "answer"], ["a", "b"]]', "is a list")
    yield Case("list-of-texts.json", "a list of texts", b'["a", "b", "c"]', "is a text")
    yield Case("list-mixed.json", "rows of all kinds", LIST[:-1] + b', 1, "a", null, [1], true]', "11/6/5")
    yield Case("cut.json", "a list cut off", LIST[:-30], "ends too early")
    yield Case("two-documents.json", "two lists, one behind the other", LIST + b"\n" + LIST, "line 1 is a list")
    yield Case("two-lists.json", "two lists on one line", LIST + LIST, "something stands behind its end")
    yield Case("columns.json", "an object of columns", json.dumps(_columns()).encode(), OK)
    yield Case("columns-indexed.json", "an object of columns with an index",
               json.dumps({key: dict(enumerate(values)) for key, values in _columns().items()}).encode(), OK)  # fmt: skip
    yield Case(
        "columns-uneven.json",
        "columns of two lengths",
        b'{"question": ["a", "b"], "answer": ["c"]}',
        "different lengths",
    )
    yield Case("columns-nan.json", "a column with NaN", b'{"question": ["a", "b"], "answer": [NaN, "c"]}', "NaN")
    yield Case(
        "columns-not-utf-8.json",
        "a column of another encoding",
        b'{"question": ["\xfc", "b"], "answer": ["c", "d"]}',
        "byte 16 is not UTF-8",
    )
    yield Case("joined.jsonl", "objects without line ends", LINES.replace(b"\n", b""), OK)
    yield Case(
        "pretty.jsonl",
        "objects over several lines",
        b"\n".join(json.dumps(row, indent=2).encode() for row in objects()),
        OK,
    )
    yield Case(
        "wrapped.json",
        "the list inside an object",
        b'{"count": 6, "meta": {"x": [1, "]"]}, "data": ' + LIST + b', "end": null}',
        OK,
    )
    yield Case("wrapped-dots.json", "the list under a name with dots", b'{"a.b": {"c": ' + LIST + b"}}", OK)
    yield Case("blank-lines.jsonl", "blank lines", LINES.replace(b"\n", b"\n\n  \n"), OK)
    yield Case("bad-first-line.jsonl", "the first line cut", b'{"question": "x", \n' + LINES, "7/6/1")
    yield Case("bad-line.jsonl", "one bad line", LINES + b"oops\n" + LINES, "13/12/1")
    yield Case("bom-inside.jsonl", "a byte order mark in line 2", LINES + b"\xef\xbb\xbf" + LINES, "12/12/0")
    yield Case(
        "row-of-5-mb.jsonl",
        "a line of 5 MB",
        LINES + b'{"question": "' + b"x" * 5_000_000 + b'", "answer": "y"}\n' + LINES,
        "13/12/1",
    )
    yield Case(
        "row-of-5-mb.json",
        "a row of 5 MB",
        LIST[:-1] + b', {"question": "' + b"x" * 5_000_000 + b'", "answer": "y"}, ' + LIST[1:],
        "13/12/1",
    )
    yield Case(
        "row-of-3-mb.json",
        "a row of 3 MB",
        LIST[:-1] + b', {"question": "' + b"x" * 3_000_000 + b'", "answer": "y"}]',
        "7/7/0",
    )
    yield Case(
        "many-keys.jsonl",
        "a row of 300,000 keys",
        LINES + json.dumps({f"k{n}": 0 for n in range(200_000)}).encode() + b"\n",
        "7/6/1",
    )
    yield Case("empty-key.jsonl", "a name that is empty", b'{"": "a longer question", "answer": "b"}\n' * 3, "(no name), answer")
    yield Case(
        "values-of-all-kinds.jsonl",
        "values that are no texts",
        b"".join(one(value)[len(LINES) :] for value in ("1", "1.5", "true", '["a", "b"]', '{"a": 1}', "null", "[]")),
        "7/5/2",
    )
    yield Case(
        "one-chat.jsonl",
        "one conversation",
        b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n',
        "1/1/0",
    )
    yield Case(
        "fields-change.jsonl", "each line has other fields", b"".join(b'{"f%d": "x"}\n' % n for n in range(60)), "f11 and 38 more"
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
        parquet({key: pyarrow.array(values).dictionary_encode() for key, values in _columns().items()}),
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
        ("png", b"\x89PNG\r\n\x1a\n" + noise(3000), "a picture"), ("elf", b"\x7fELF" + bytes(300), "a program"),
        ("zip", archive("a.csv"), "a ZIP archive"), ("docx", archive("word/document.xml"), "a ZIP archive"),
        ("pdf", b"%PDF-1.7\n" + noise(3000), "a PDF"), ("sqlite", database(), "a SQLite database"),
        ("pickle", pickle.dumps(objects(), 4), "pickle"), ("pickle-2", pickle.dumps(objects(), 2), "pickle"),
        ("html", b"<!DOCTYPE html><html><body>Sign in</body></html>", "a web page"), ("rtf", rb"{\rtf1\ansi a}", "RTF"),
        ("xml", b"<?xml version='1.0'?><rows/>", "an XML document"), ("lfs", b"version https://git-lfs.github.com/spec/v1\noid x\n", "git lfs pull"),
        ("noise", noise(5000), NO_TEXT), ("noise-short", noise(60, b"\0\r\n"), "has bytes that are not"), ("noise-no-nul", noise(200_000, b"\0"), NO_TEXT),
        ("empty", b"", "is empty"), ("bom-only", b"\xef\xbb\xbf", "is empty"), ("utf-16-mark-only", b"\xff\xfe", "is empty"),
        *((f"byte-{byte:02x}", bytes([byte]), words) for byte, words in ONE_BYTE.items()),
    ):  # fmt: skip
        yield Case(f"{name}.csv", f"a CSV file that is {name}", content, expected)
    for kind, make in FORMATS.items():
        for other in FORMATS:
            if other != kind:
                expected = "Excel workbook" if kind == "xlsx" else OK
                yield Case(
                    f"{kind.replace('.', '-')}-named.{other}", f"{kind} under the name of {other}", make, expected
                )


def names() -> Iterable[Case]:
    for file, odd in (
        ("with some  blanks.csv", "blanks in its name"), ("mails (1).csv", "brackets, as browsers add them"), ("данные 数据.csv", "letters of all kinds in its name"),
        ("n" * 246 + ".csv", "a name of 250 letters"), ("-name.csv", "a dash first"), ("two\nlines.csv", "a line end in its name"), ("a*?[x].csv", "signs of patterns in its name"),
        ("no ending", "no ending"), (".csv", "nothing but an ending"), ("a.b.c.csv", "several dots"), ("quote'\".csv", "quotation marks in its name"), ("**bold** `x`.csv", "markup in its name"),
    ):  # fmt: skip
        yield Case(file, odd, CSV, OK)
    yield Case("empty (2).csv", "a bad file with brackets in its name", b"", "is empty")


GROUPS = (encodings, zeros_and_ends, quotes_and_fields, json_files, packed, names)


def all_cases() -> dict[str, Case]:
    """Return the corpus by file name."""
    found = [case for group in GROUPS for case in group()]
    cases = {case.file: case for case in found}
    assert len(cases) == len(found), "two files have one name"
    return cases
