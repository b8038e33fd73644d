"""Atelier's frame: the page list, and what every page needs before it draws."""

import streamlit as st

from pages.widgets import errors, frame

# The icon is a file of ours: a Material icon in its place would be fetched from the internet.
st.set_page_config(page_icon="pages/widgets/logo_small.svg", layout="wide", initial_sidebar_state=220)
page = st.navigation(
    {
        "": [st.Page("pages/start/home.py", title="Home", icon=":material/home:", default=True)],
        "Prepare": [
            st.Page("pages/prepare/industries.py", title="Industries", icon=":material/domain:", url_path="industries"),
            st.Page("pages/prepare/datasets.py", title="Datasets", icon=":material/table_rows:", url_path="datasets"),
        ],
        "Train": [
            st.Page("pages/train/new_job.py", title="New job", icon=":material/add_circle:", url_path="new_job"),
            st.Page("pages/train/jobs.py", title="Jobs", icon=":material/monitoring:", url_path="jobs"),
        ],
        "Prove": [
            st.Page("pages/prove/benchmarks.py", title="Benchmarks", icon=":material/quiz:", url_path="benchmarks"),
            st.Page(
                "pages/prove/leaderboard.py", title="Leaderboard", icon=":material/leaderboard:", url_path="leaderboard"
            ),
        ],
        "Use": [
            st.Page("pages/use/transcripts.py", title="Transcripts", icon=":material/forum:", url_path="transcripts"),
            st.Page("pages/use/models.py", title="Models", icon=":material/deployed_code:", url_path="models"),
        ],
    }
)
st.set_page_config(page_title=f"{page.title} · Atelier")
frame.show()
with errors.shown():
    page.run()
