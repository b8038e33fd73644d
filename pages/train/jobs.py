"""Jobs: the queue and the history, one job live, and what can be done with it."""

import pandas as pd
import streamlit as st

from core.process import queue
from core.store import evaluations, jobs
from core.store.jobs import Job
from core.store.states import ENDED, PRIORITIES
from core.training import configuration
from core.wording import show_bytes, show_duration, show_energy
from pages.widgets import charts, errors, job_state, session, verdict_card
from pages.widgets.text import plain

SHOWN = 200
LOG_LINES = 400

workspace = session.workspace()


def pick_job(found: list[Job]) -> Job | None:
    """Draw the list and return the job to show: the one asked for by link or button, else the newest."""
    wanted = st.session_state.pop("shown_job", None) or st.query_params.get("job")
    shown = next((job for job in found if job.id == wanted), found[0])
    table = pd.DataFrame(
        {
            "#": [job.number for job in found],
            "State": [job.state for job in found],
            "Name": [job.name for job in found],
            "Priority": [job.priority_name for job in found],
            "Started": [session.show_when(job.started_at or job.created_at) for job in found],
        }
    )
    with st.expander(f"{len(found)} jobs", expanded=len(found) > 1, icon=":material/list:"):
        picked = st.dataframe(
            table,
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key="job_table",
            height=min(38 + 35 * len(found), 248),
            column_config={"#": st.column_config.NumberColumn(width="small")},
        )
    rows = picked["selection"]["rows"]
    if rows and st.session_state.get("job_rows") != rows:
        shown = found[rows[0]]
    st.session_state["job_rows"] = rows
    st.query_params["job"] = shown.id
    return shown


def show_actions(job: Job) -> None:
    """Draw what can be done with the job in its state, and do it."""
    offers = {
        "Pause": (queue.pause, ":material/pause:", job.state == "running"),
        "Resume": (queue.resume, ":material/play_arrow:", job.state == "paused"),
        "Cancel": (queue.cancel, ":material/stop:", job.state not in ENDED and job.state != "cancelling"),
        "Retry": (queue.retry, ":material/replay:", job.state in ENDED),
    }
    with st.container(horizontal=True):
        for label, (action, icon, possible) in offers.items():
            if possible and st.button(label, icon=icon, key=f"{label}-{job.id}"):
                with errors.shown(), session.store() as db:
                    done = action(db, jobs.get(db, job.id))
                    st.session_state["shown_job"] = done.id
                    st.rerun()
        if job.state in ("queued", "blocked", "paused"):
            chosen = st.segmented_control(
                "Priority",
                list(PRIORITIES),
                default=job.priority_name,
                key=f"priority-{job.id}",
                label_visibility="collapsed",
            )
            if chosen and chosen != job.priority_name:
                with session.store() as db:
                    jobs.set_priority(db, job, chosen)
                st.rerun()


def show_head(job: Job) -> None:
    st.subheader(f"#{job.number} {plain(job.name)}", anchor=False)
    job_state.badge(job)
    if job.state in ("blocked", "paused", "lost") and job.reason:
        st.caption(job.reason)
    if job.state == "failed":
        st.error(job.error, icon=":material/error:")


def show_live(job_id: str, was: str) -> None:
    """Draw the moving part; when the state changes, the whole page is drawn anew."""
    with session.store() as db:
        job = jobs.get(db, job_id)
    if job.state != was:
        st.session_state["shown_job"] = job_id
        st.rerun()
    if job.is_alive:
        job_state.show_progress(workspace, job)
    elif job.state == "queued":
        st.caption("Waits for its turn.")
    series = charts.series_of(workspace.job(job_id).metrics).refreshed()
    training, machine = charts.training_figures(series), charts.machine_figures(series)
    if training:
        charts.show_grid(training, f"training-{job_id}")
    if machine:
        st.markdown("##### The machine meanwhile")
        if not any(title.startswith("GPU") for title in machine):
            st.caption("No NVIDIA GPU on this machine: these are the processor's readings.")
        charts.show_grid(machine, f"machine-{job_id}")
    if not training and not machine and not job.is_alive:
        st.caption("No readings were taken.")


def show_figures(job: Job) -> None:
    """Draw what the job took, beside what was predicted."""
    result, estimate = job.result, job.estimate
    if "steps" not in result:
        return
    places = st.columns(4)
    places[0].metric(
        "Training", show_duration(result["seconds"]), f"{result['steps']:,} steps", delta_color="off", delta_arrow="off"
    )
    places[1].metric("Speed", f"{result['tokens_per_second']:,.0f} tokens/s")
    before, after = result.get("eval_loss_before"), result.get("eval_loss_after")
    if after is not None and before is not None:
        places[2].metric("Eval loss", f"{after:.3f}", f"{after - before:+.3f}", delta_color="inverse")
    places[3].metric("Memory", show_bytes(result.get("peak_memory_bytes")))
    if estimate.get("seconds"):
        st.caption(
            f"Predicted {show_duration(estimate['seconds'])} and {show_bytes(estimate['memory_bytes'])}; it took "
            f"{show_duration(result['job_seconds'])} and {show_bytes(result.get('peak_memory_bytes'))} in all. Energy: "
            f"{show_energy(result.get('joules'))}."
        )


def show_configuration(job: Job, others: list[Job]) -> None:
    """Draw the job's configuration, or in what it differs from another job's."""
    facts = {key: job.spec.get(key) for key in ("base", "preset", "dataset_name", "benchmark_name")}
    mine = {**facts, **job.spec.get("config", {})}
    rivals = [other for other in others if other.id != job.id and other.kind == job.kind]
    chosen = st.selectbox(
        "Compare with",
        [None, *rivals],
        format_func=lambda other: "nothing" if other is None else f"#{other.number} {other.name}",
        key=f"compare-{job.id}",
    )
    if chosen is None:
        st.dataframe(
            pd.DataFrame({"Setting": list(mine), "Value": [str(value) for value in mine.values()]}), hide_index=True
        )
        return
    theirs = {**{key: chosen.spec.get(key) for key in facts}, **chosen.spec.get("config", {})}
    differing = configuration.difference(mine, theirs)
    if not differing:
        st.caption("Both have the same configuration.")
        return
    st.dataframe(
        pd.DataFrame(
            [(name, str(one), str(other)) for name, one, other in differing],
            columns=["Setting", f"#{job.number}", f"#{chosen.number}"],
        ),
        hide_index=True,
    )


def show_log(job: Job) -> None:
    path = workspace.job(job.id).log
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    lines = text.splitlines()[-LOG_LINES:]
    if lines:
        st.code("\n".join(lines), language=None, height=360)
    else:
        st.caption("Nothing is written yet.")
    if job.traceback:
        with st.expander("Where it failed, for a developer"):
            st.code(job.traceback, language=None)


def show_history(job: Job) -> None:
    with session.store() as db:
        events = jobs.events(db, job.id)
    st.dataframe(
        pd.DataFrame(
            {
                "When": [session.show_when(event.at) for event in events],
                "State": [event.after for event in events],
                "Why": [event.note for event in events],
            }
        ),
        hide_index=True,
    )


st.title("Jobs")
with session.store() as db:
    found = jobs.recent(db, SHOWN)
if not found:
    st.info("No jobs yet.", icon=":material/inbox:")
    if st.button("Start one", type="primary"):
        st.switch_page("pages/train/new_job.py")
    st.stop()

job = pick_job(found)
assert job is not None
show_head(job)
show_actions(job)
with session.store() as db:
    verdict = evaluations.verdict_of_job(db, job.id)
if verdict is not None:
    verdict_card.show(verdict, job.spec["benchmark"])
elif job.state == "succeeded" and "score" in job.result:
    st.metric("Score of the base", f"{job.result['score']:.0%}")
show_figures(job)
names = ["Charts", "Configuration", "Log", "History"]
watching, configured, log, history = st.tabs(names)
with watching:
    waits = job.is_alive or job.state in ("queued", "blocked", "lost")
    st.fragment(run_every="1s" if waits else None)(show_live)(job.id, job.state)
with configured:
    show_configuration(job, found)
with log:
    show_log(job)
with history:
    show_history(job)
