"""Answers in SQL: whether they can be parsed, and whether they say the same."""

import re

import sqlglot
from sqlglot.errors import SqlglotError

_FENCE = re.compile(r"^```(?:sql)?\s*(.*?)\s*```$", re.DOTALL | re.IGNORECASE)
MOST_LETTERS = 10_000


def canonical(text: str) -> str | None:
    """Return a query in one canonical spelling, or None where it can't be parsed as one query.

    Column names may hold blanks without quotes, as WikiSQL writes them; then the words are compared as they stand.
    """
    query = read_query(text)
    if not query or len(query) > MOST_LETTERS:
        return None
    try:
        parsed = sqlglot.parse_one(query, dialect="sqlite")
    except (SqlglotError, RecursionError):
        return None
    return parsed.sql(dialect="sqlite", normalize=True, comments=False).casefold()


def read_query(text: str) -> str:
    """Return the query of an answer: without a fence around it, without a semicolon at its end."""
    stripped = text.strip()
    match = _FENCE.match(stripped)
    return (match[1] if match else stripped).rstrip("; \n")


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
