"""Atelier's frame: the page list, and what every page needs before it draws."""

import streamlit as st

from pages.widgets import errors, frame

st.set_page_config(page_title="Atelier", page_icon=":material/handyman:", layout="wide")
frame.show()

page = st.navigation(
    {
        "": [st.Page("pages/start/home.py", title="Home", icon=":material/home:", default=True)],
        "Train": [
            st.Page("pages/train/new_job.py", title="New job", icon=":material/add_circle:", url_path="new_job"),
            st.Page("pages/train/jobs.py", title="Jobs", icon=":material/monitoring:", url_path="jobs"),
        ],
    }
)
with errors.shown():
    page.run()
