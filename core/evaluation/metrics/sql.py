"""Answers in SQL: whether they can be parsed, and whether they say the same."""

import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

_FENCE = re.compile(r"```(?:[a-z]+[ \t]*(?=\n))?(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)
MOST_LETTERS = 10_000


def canonical(text: str) -> str | None:
    """Return a query in one canonical spelling, or None where it can't be parsed as one query.

    A query reads or changes rows; a lone word or number is none.

    Column names may hold blanks without quotes, as WikiSQL writes them; then the words are compared as they stand.
    """
    query = read_query(text)
    if not query or len(query) > MOST_LETTERS:
        return None
    try:
        parsed = sqlglot.parse(query, dialect="sqlite")
        if len(parsed) != 1 or not isinstance(parsed[0], exp.Query | exp.DML) or _is_empty(parsed[0]):
            return None
        for ordered in parsed[0].find_all(exp.Ordered):
            ordered.set("desc", ordered.args.get("desc") or None)  # ascending is what it means anyway
        return parsed[0].sql(dialect="sqlite", normalize=True, comments=False).casefold()
    except (SqlglotError, RecursionError):
        return None


def _is_empty(parsed: exp.Expr) -> bool:
    return isinstance(parsed, exp.Select) and not parsed.expressions


def read_query(text: str) -> str:
    """Return the query of an answer: what stands in its first fence, or all of it; no semicolon at its end."""
    match = _FENCE.search(text)
    return (match[1] if match else text).strip().rstrip("; \n")


def is_same(answer: str, expected: str) -> bool:
    """Return whether two queries are the same but for spelling, blanks and case of words."""
    if _words(answer) == _words(expected):
        return True
    ours = canonical(answer)
    return ours is not None and ours == canonical(expected)


def _words(text: str) -> str:
    return " ".join(read_query(text).casefold().replace('"', "'").split())


def is_valid(text: str) -> bool:
    """Return whether an answer can be parsed as one SQL query."""
    return canonical(text) is not None
