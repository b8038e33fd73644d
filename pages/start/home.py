"""Home: what runs, the last jobs, what is best, the machine, and the first run at one press."""

from pathlib import Path

import streamlit as st

from core.catalog import industries
from core.paths import Workspace
from core.store import evaluations, jobs
from core.store.evaluations import VerdictRow
from core.store.jobs import Job
from core.store.states import ALIVE
from core.training import submission
from core.wording import clip, show_duration, show_points
from pages.widgets import errors, job_state, machine, packs, session
from pages.widgets.text import plain

FIRST_INDUSTRY = "finance"
RECENT = 5
NAME_LENGTH = 80
REASON_LENGTH = 120

workspace = session.workspace()
with session.store() as db:
    recent = jobs.recent(db, RECENT)
    alive = jobs.in_states(db, ALIVE)
    best = evaluations.best_by_benchmark(db)


def start_first_run() -> None:
    """Queue the starter on one industry with the standard preset, and show it."""
    config = submission.configure("starter", "standard")
    composed = submission.compose(workspace, config, [FIRST_INDUSTRY])
    token = f"first-run-{recent[0].number if recent else 0}"
    job = submission.submit(
        workspace,
        base="starter",
        config=config,
        chosen=composed,
        name="First run: finance",
        industry_ids=[FIRST_INDUSTRY],
        preset="standard",
        form_token=token,
    )
    open_job(job.id)


def open_job(job_id: str) -> None:
    st.session_state["shown_job"] = job_id
    st.switch_page("pages/train/jobs.py")


@st.cache_data(show_spinner=False, ttl=600)
def first_run_seconds(root: str) -> float | None:
    """Return how long the first run will take on this machine."""
    config = submission.configure("starter", "standard")
    place = Workspace(Path(root))
    draft = submission.draft(place, "starter", config, submission.compose(place, config, [FIRST_INDUSTRY]))
    return draft.estimate.seconds if draft.estimate else None


def show_first_run() -> None:
    """Draw the offer and the machine; the estimate, which takes a moment, comes when all else is there."""
    with st.container(border=True), errors.shown():
        title = industries.find(FIRST_INDUSTRY).title.lower()
        st.markdown("#### See a model get better, and proof of it")
        st.write(
            f"The bundled starter model learns from {title} examples, offline, on this machine. You watch it learn. "
            "At the end a verdict compares it with what it was, on questions that neither has seen."
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Start the first run", type="primary", icon=":material/play_arrow:"):
                with st.spinner("Starting"):
                    start_first_run()
            place = st.empty()
        place.caption("Takes a few minutes.", width="content")
    st.page_link("pages/train/new_job.py", label="Or train on data and a base of your choice", icon=":material/tune:")
    st.subheader("This machine", anchor=False)
    machine.show(workspace)
    seconds = first_run_seconds(str(workspace.root))
    if seconds:
        place.caption(f"Takes about {show_duration(seconds)}.", width="content")


def show_job_line(job: Job) -> None:
    """Draw one job: number and name, below them state, when, what came out, and the way to it."""
    what = job_state.result_text(job)
    if job.state in ("blocked", "failed"):
        what = plain(clip(job.error or job.reason, REASON_LENGTH))
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch", gap=None):
            st.markdown(f"**#{job.number}** {plain(clip(job.name, NAME_LENGTH))}")
            after = f" · {what}" if what else ""
            st.markdown(f":small[{job_state.badge_text(job)} :gray[{session.show_when(job.created_at)}]{after}]")
        if st.button("Open", key=f"open-{job.id}", type="tertiary", icon=":material/arrow_forward:"):
            open_job(job.id)


@st.fragment(run_every="1s")
def show_running() -> None:
    """Draw the live jobs; when one ends, the page is drawn anew."""
    with errors.shown():
        with session.store() as db:
            now = jobs.in_states(db, ALIVE)
        if {job.id for job in now} != {job.id for job in alive}:
            st.rerun()
        for job in now:
            with st.container(border=True):
                st.markdown(f"**#{job.number}** {plain(clip(job.name, NAME_LENGTH))}")
                job_state.show_progress(workspace, job)


def show_best(rows: list[VerdictRow]) -> None:
    """Draw for each benchmark the best score that an adapter has proven."""
    known = packs.titles(workspace)
    with st.container(horizontal=True):
        for row in rows:
            with st.container(border=True, width=250):
                st.metric(
                    plain(packs.benchmark_title(row.benchmark, known)),
                    f"{row.content['tuned_score']:.0%}",
                    f"{show_points(row.content['difference'])} over its base",
                )


with st.container(horizontal=True, vertical_alignment="bottom"):
    with st.container(gap=None):
        st.title("Atelier", anchor=False)
        st.markdown(":gray[Fit a language model to your industry, and prove that it is better.]")
    if recent and st.button("New job", icon=":material/add:", type="primary"):
        st.switch_page("pages/train/new_job.py")

if not recent:
    show_first_run()
else:
    if alive:
        st.subheader("Running now", anchor=False)
        show_running()
    st.subheader("Last jobs", anchor=False)
    with st.container(border=True):
        for job in recent:
            show_job_line(job)
    st.subheader("Best so far", anchor=False)
    if best:
        show_best(best)
    else:
        st.caption("No adapter is proven better than its base yet.")
    st.subheader("This machine", anchor=False)
    machine.show(workspace)
