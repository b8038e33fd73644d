"""Odd encodings, NULs and line ends."""

import json
from collections.abc import Iterable

from tests.malformed.making import (
    CSV,
    GAP,
    LINES,
    LIST,
    NO_TEXT,
    OK,
    TEXTS,
    Case,
    lines,
    listed,
    objects,
    one,
    table,
)


def encodings() -> Iterable[Case]:
    for language, coding in (
        ("german", "cp1252"),
        ("german", "latin-1"),
        ("russian", "koi8-r"),
        ("russian", "cp1251"),
        ("japanese", "shift_jis"),
        ("japanese", "euc_jp"),
        ("chinese", "gb18030"),
        ("chinese", "big5"),
        ("german", "utf-8"),
        ("german", "utf-8-sig"),
        ("german", "utf-16"),
        ("german", "utf-16-le"),
        ("german", "utf-16-be"),
        ("german", "utf-32"),
        ("german", "utf-32-le"),
        ("german", "utf-32-be"),
        ("japanese", "utf-16"),
        ("japanese", "utf-32"),
    ):
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
    yield Case(
        "mixed-encodings.jsonl",
        "one line of another encoding",
        lines(TEXTS["german"]).encode() + '{"question": "Tür", "answer": "zu"}\n'.encode("cp1252"),
        "31/30/1",
    )
    yield Case(
        "mixed-encodings.json",
        "one row of a list in another encoding",
        LIST[:-1] + b', {"question": "T\xfcr", "answer": "zu"}]',
        "7/6/1",
    )
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
    yield Case(
        "half-character-in-messages.csv",
        "half of a pair in messages in a field",
        b'chat\n"'
        + rb'[{""role"": ""user"", ""content"": ""\ud83d""}, {""role"": ""assistant"", ""content"": ""x""}]'
        + b'"\n',
        "can't be told",
    )


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
    yield Case(
        "ends-unicode.csv",
        "lines end with U+2028",
        table(end="\u2028").encode(),
        "behind a closing quotation mark",
    )
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
