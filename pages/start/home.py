"""Home: the machine, what runs, what is best, and the first run at one press."""

import streamlit as st

from core.catalog import industries
from core.store import evaluations, jobs
from core.store.jobs import Job
from core.store.states import ALIVE
from core.training import submission
from core.wording import clip, show_duration
from pages.widgets import errors, job_state, machine, session
from pages.widgets.text import plain

FIRST_INDUSTRY = "finance"
RECENT = 5

workspace = session.workspace()
with session.store() as db:
    recent = jobs.recent(db, RECENT)
    alive = jobs.in_states(db, ALIVE)
    best = evaluations.best_by_benchmark(db)

st.title("Atelier")


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
    st.session_state["go_to_job"] = job.id


@st.cache_data(show_spinner=False, ttl=600)
def first_run_seconds(jobs_done: int) -> float | None:
    """Return how long the first run will take; asked again whenever a job has ended."""
    config = submission.configure("starter", "standard")
    draft = submission.draft(workspace, "starter", config, submission.compose(workspace, config, [FIRST_INDUSTRY]))
    return draft.estimate.seconds if draft.estimate else None


def show_first_run() -> None:
    pack = industries.find(FIRST_INDUSTRY, workspace)
    with st.container(border=True):
        st.markdown("#### See a model get better, and proof of it")
        st.write(
            f"The bundled starter model is trained on {pack.title.lower()} examples, offline, on this machine. You "
            "watch it learn, and at the end you see base against trained model on questions that neither has seen."
        )
        with errors.shown():
            seconds = first_run_seconds(len(recent))
            if st.button("Start the first run", type="primary", icon=":material/play_arrow:", disabled=bool(alive)):
                start_first_run()
            st.caption(f"Takes about {show_duration(seconds)}." if seconds else "Takes a few minutes.")


def show_job_line(job: Job) -> None:
    """Draw one job on one line: number and name, state, when, what came out, and the way to it."""
    name, state, way = st.columns([5, 4, 1.7], vertical_alignment="center")
    name.markdown(f"**#{job.number}** {plain(job.name)} :small[:gray[{session.show_when(job.created_at)}]]")
    verdict, after = job.result.get("verdict"), ""
    if verdict:
        after = f" :small[{verdict['outcome']}, {100 * verdict['difference']:+.0f} points]"
    elif job.state in ("blocked", "failed"):
        after = f" :small[{plain(clip(job.error or job.reason, 80))}]"
    state.markdown(job_state.badge_text(job) + after)
    if way.button("Open", key=f"open-{job.id}", width="stretch"):
        st.session_state["go_to_job"] = job.id


@st.fragment(run_every="1s")
def show_running() -> None:
    """Draw the live jobs; when one ends, the page is drawn anew."""
    with errors.shown():
        with session.store() as db:
            now = jobs.in_states(db, ALIVE)
        if {job.id for job in now} != {job.id for job in alive}:
            st.rerun()
        for job in now:
            st.markdown(f"**#{job.number}** {plain(job.name)}")
            job_state.show_progress(workspace, job)


if not recent:
    show_first_run()
    st.subheader("This machine")
    machine.show(workspace)
else:
    if alive:
        st.subheader("Running now")
        show_running()
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Recent jobs")
        with st.container(border=True):
            for job in recent:
                show_job_line(job)
        if st.button("New job", icon=":material/add:", type="primary"):
            st.switch_page("pages/train/new_job.py")
    with right:
        st.subheader("Best so far")
        if best:
            for row in best:
                with st.container(border=True):
                    names = [
                        industries.find(name, workspace).title
                        for name in row.benchmark.split("+")
                        if name in industries.all_industries(workspace)
                    ]
                    st.metric(
                        ", ".join(names) or plain(row.benchmark),
                        f"{row.content['tuned_score']:.0%}",
                        f"{100 * row.content['difference']:+.0f} points over its base",
                    )
        else:
            st.caption("No adapter is proven better than its base yet.")
        st.subheader("This machine")
        machine.show(workspace)

if "go_to_job" in st.session_state:
    st.session_state["shown_job"] = st.session_state.pop("go_to_job")
    st.switch_page("pages/train/jobs.py")
