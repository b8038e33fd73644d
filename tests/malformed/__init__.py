"""Malformed and odd data files, made by code: each with its name, what is odd about it, and what must come of it.

`expected` is 'rows/examples/rejected' where the file is imported, and otherwise words of the sentence that refuses it.
"""

from tests.malformed.documents import json_files
from tests.malformed.making import CSV, FORMATS, LINES, LIST, OK, ROWS, TEXTS, Case, parquet, table
from tests.malformed.packed import packed
from tests.malformed.tables import names, quotes_and_fields
from tests.malformed.texts import encodings, zeros_and_ends

__all__ = ["CSV", "FORMATS", "GROUPS", "LINES", "LIST", "OK", "ROWS", "TEXTS", "Case", "all_cases", "parquet", "table"]
GROUPS = (encodings, zeros_and_ends, quotes_and_fields, json_files, packed, names)


def all_cases() -> dict[str, Case]:
    """Return the corpus by file name."""
    found = [case for group in GROUPS for case in group()]
    cases = {case.file: case for case in found}
    assert len(cases) == len(found), "two files have one name"
    return cases
