"""What every page shows beside itself: the name, and a word when something about the workspace is unusual."""

import streamlit as st

from core.errors import AppError
from pages.widgets import session
from pages.widgets.text import sentence


def show() -> None:
    """Draw the frame; when the workspace can't be opened, say so and end the page there."""
    st.logo("pages/widgets/logo.svg", size="large", icon_image="pages/widgets/logo_small.svg")
    try:
        session.workspace()
    except AppError as error:
        st.title("Atelier")
        st.error(sentence(str(error)), icon=":material/error:")
        st.stop()
    if not session.is_first_app():
        st.info(
            "This workspace is also open in another Atelier on this machine. Both show the same jobs; one supervisor "
            "serves them.",
            icon=":material/tab_unselected:",
        )
