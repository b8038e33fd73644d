"""Odd tables: quotation marks, ragged rows, delimiters, headers, fields, names of files."""

from collections.abc import Iterable

from tests.malformed.making import CHOOSE, CSV, HEAD, OK, Case, table


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
    yield Case(
        "delimiter-colon.csv",
        "columns split by a colon",
        table(mark=":").encode(),
        "behind a closing quotation mark",
    )
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
        ("huge", b"x" * 4_100_000, "7/6/1"),
        ("large", b"y" * 900_000, "7/7/0"),
        ("empty", b"", "7/6/1"),
        ("blank", b"   ", "7/6/1"),
        ("control", b"a\x07\x1b[31mb\x7f", "7/7/0"),
        ("right-to-left", "a\u202eb\u200f".encode(), "7/7/0"),
        ("emoji", "👩‍👩‍👧‍👦🏴‍☠️".encode(), "7/7/0"),
        ("formula", b"=cmd|' /C calc'!A0", "7/7/0"),
        ("html", b"<script>alert(1)</script>", "7/7/0"),
        ("markdown", b"**a** [b](javascript:c) $x$", "7/7/0"),
        ("combining", "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢".encode() * 99, "7/7/0"),
        ("no-break", "\u00a0\u200b".encode(), "7/7/0"),
        ("template", b"{question} {{x}}", "7/7/0"),
        ("path", b"../../etc/passwd", "7/7/0"),
    ):
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


def names() -> Iterable[Case]:
    for file, odd in (
        ("with some  blanks.csv", "blanks in its name"),
        ("mails (1).csv", "brackets, as browsers add them"),
        ("данные 数据.csv", "letters of all kinds in its name"),
        ("n" * 246 + ".csv", "a name of 250 letters"),
        ("-name.csv", "a dash first"),
        ("two\nlines.csv", "a line end in its name"),
        ("a*?[x].csv", "signs of patterns in its name"),
        ("no ending", "no ending"),
        (".csv", "nothing but an ending"),
        ("a.b.c.csv", "several dots"),
        ("quote'\".csv", "quotation marks in its name"),
        ("**bold** `x`.csv", "markup in its name"),
    ):
        yield Case(file, odd, CSV, OK)
    yield Case("empty (2).csv", "a bad file with brackets in its name", b"", "is empty")
