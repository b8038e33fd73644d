"""Expected failures on a page: a sentence in place, and nothing else of the page is lost."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import AppError
from pages.widgets import uploads
from pages.widgets.text import sentence


@contextmanager
def shown() -> Iterator[None]:
    """Show an expected failure of this block as a sentence where it happened."""
    try:
        yield
    except AppError as error:
        st.error(sentence(uploads.without_folder(str(error))), icon=":material/error:")
