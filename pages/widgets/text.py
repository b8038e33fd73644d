"""People's own words on a page: shown as they are, never read as markup."""

import re

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~:$-])")


def plain(text: str) -> str:
    """Return a text in which every sign that Markdown would read stands for itself."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
