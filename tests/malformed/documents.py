"""Odd JSON and JSONL."""

import json
from collections.abc import Iterable

from tests.malformed.making import CHOOSE, CSV, LINES, LIST, OK, Case, good_columns, objects, one


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
    for what, row in (
        ("comma-at-end", b'{"question": "a", "answer": "b",}'),
        ("single-quotes", b"{'question': 'a', 'answer': 'b'}"),
        ("comment", b'{"question": "a", "answer": "b"} // x'),
        ("python", b'{"question": None, "answer": True}'),
    ):
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
    yield Case("columns.json", "an object of columns", json.dumps(good_columns()).encode(), OK)
    yield Case(
        "columns-indexed.json",
        "an object of columns with an index",
        json.dumps({key: dict(enumerate(values)) for key, values in good_columns().items()}).encode(),
        OK,
    )
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
    yield Case(
        "empty-key.jsonl",
        "a name that is empty",
        b'{"": "a longer question", "answer": "b"}\n' * 3,
        "(no name), answer",
    )
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
        "fields-change.jsonl",
        "each line has other fields",
        b"".join(b'{"f%d": "x"}\n' % n for n in range(60)),
        "f11 and 38 more",
    )
