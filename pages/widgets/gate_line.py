"""What the gate said about a job's adapter, in one sentence, with the way to its page."""

import streamlit as st

from core.errors import NotFound
from core.paths import Workspace
from core.registry import proposal
from pages.widgets import errors
from pages.widgets.text import sentence


def show(workspace: Workspace, adapter: str) -> None:
    """Draw the sentence under a job's verdict; nothing where the job left no adapter."""
    with errors.shown():
        try:
            told = proposal.tell_now(workspace, adapter)
        except NotFound:
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f":material/door_front: {sentence(told)}", width="stretch")
            if st.button("Open in Models", icon=":material/deployed_code:", key=f"to-models-{adapter}"):
                st.session_state["shown_model"] = adapter
                st.switch_page("pages/use/models.py")
