"""A dataset of the hub on a page: here already, on its way, or one press away."""

from collections.abc import Sequence

import streamlit as st

from core.datasets import hub, submission
from core.datasets.hub import Fetched
from core.paths import Workspace
from core.store import jobs
from core.store.states import ALIVE, WAITING
from pages.widgets import session
from pages.widgets.text import plain


def find(workspace: Workspace, repository: str, patterns: Sequence[str]) -> Fetched | None:
    """Return a dataset's files; while they are not here, say so and offer to download them."""
    found = hub.find_cached(repository, patterns)
    if found is not None:
        return found
    with session.store() as db:
        coming = next((job for job in jobs.in_states(db, (*ALIVE, *WAITING)) if _is_of(job, repository)), None)
    if coming is not None:
        st.info(f"{plain(repository)} is being downloaded, job #{coming.number}.", icon=":material/cloud_download:")
        if st.button("Look again", icon=":material/refresh:"):
            st.rerun()
        return None
    st.caption(f"{plain(repository)} is not on this machine yet. It comes from the hub once, then works offline.")
    if st.button("Download", type="primary", icon=":material/cloud_download:"):
        submission.submit_fetch(workspace, repository, patterns)
        st.rerun()
    return None


def _is_of(job: jobs.Job, repository: str) -> bool:
    return job.kind == "fetch" and job.spec.get("repository") == repository
