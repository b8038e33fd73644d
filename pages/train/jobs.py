"""Jobs: the queue and the history, one job live, and what can be done with it."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from core.catalog import bases, endpoints
from core.errors import AppError
from core.process import queue
from core.process.kinds import runs_on_host
from core.store import evaluations, jobs
from core.store.evaluations import VerdictRow
from core.store.jobs import Job
from core.store.states import ALIVE, ENDED, PRIORITIES, WAITING
from core.wording import show_bytes, show_duration, show_energy
from pages.widgets import charts, errors, gate_line, job_data, job_details, job_list, job_state, session, verdict_card
from pages.widgets.envelopes import envelopes_of
from pages.widgets.text import plain, sentence

workspace = session.workspace()


def show_head(job: Job, ahead: int) -> None:
    """Draw which job it is, its state, what a person may wonder about it, and why the last press was refused."""
    st.subheader(f"#{job.number} {plain(job.name)}", anchor=False)
    base = bases.title_of(job.spec["base"]) if "base" in job.spec else None
    facts = [base, job.spec.get("preset"), job.spec.get("dataset_name")]
    facts.append(f"started {session.show_when(job.started_at)}" if job.started_at else "not started")
    st.markdown(f":small[{job_state.badge_text(job)} :gray[{plain(' · '.join(fact for fact in facts if fact))}]]")
    if job.state == "failed":
        st.error(sentence(job.error), icon=":material/error:")
    elif job.state == "blocked":
        st.warning(sentence(job.reason) + " The job starts by itself once that is mended.", icon=":material/block:")
    elif job.state != "running" and job.state not in ENDED:
        st.caption(sentence(job_state.explain(job, ahead)))
    if "refusal" in st.session_state:
        st.error(sentence(st.session_state.pop("refusal")), icon=":material/error:")


def show_actions(job: Job) -> None:
    """Draw what can be done with the job in its state, and do it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.state == "running" and st.button("Pause", icon=":material/pause:"):
            act(job, queue.pause)
        if job.state == "paused" and st.button("Resume", icon=":material/play_arrow:", type="primary"):
            act(job, queue.resume)
        if job.state not in (*ENDED, "cancelling"):
            offer_cancel(job)
        if job.state in ENDED:
            if st.button("Run again" if job.state == "succeeded" else "Retry", icon=":material/replay:"):
                act(job, queue.retry)
            if job.kind == "train" and st.button("New job from these settings", icon=":material/tune:"):
                st.session_state["settings_of"] = job.id
                st.switch_page("pages/train/new_job.py")
        if job.state in WAITING:
            offer_priority(job)


def offer_cancel(job: Job) -> None:
    """Draw the way to end a job; one that has worked already asks once more."""
    if job.started_at is None:
        if st.button("Cancel", icon=":material/stop:"):
            act(job, queue.cancel)
        return
    with st.popover("Cancel", icon=":material/stop:"):
        leaves = "The job ends for good and leaves nothing."
        st.write(f"{leaves} To go on later, pause it instead." if job.kind == "train" else leaves)
        if st.button("End the job"):
            act(job, queue.cancel)


def offer_priority(job: Job) -> None:
    st.caption("Priority", width="content")
    chosen = st.segmented_control(
        "Priority",
        list(PRIORITIES),
        default=job.priority_name,
        required=True,
        format_func=str.capitalize,
        key=f"priority-{job.id}-{job.priority_name}",
        label_visibility="collapsed",
    )
    if chosen != job.priority_name:
        act(job, partial(queue.set_priority, priority=chosen))


def act(job: Job, action: job_details.Action) -> None:
    """Do something with the job as it is now, and draw the page anew with what came of it or why it was refused."""
    try:
        with session.store() as db:
            st.session_state["shown_job"] = action(db, jobs.get(db, job.id)).id
    except AppError as error:
        st.session_state["refusal"] = str(error)
    st.rerun()


def show_figures(job: Job) -> None:
    """Draw what the job took, beside what was predicted, and where its adapter lies."""
    result, estimate = job.result, job.estimate
    if "score" in result:
        is_base = not job.spec.get("adapter") and endpoints.name_in(job.spec["base"]) is None
        st.metric("Score of the base" if is_base else "Score", f"{result['score']:.0%}")
    if result.get("cost") is not None:
        st.metric("Cost", f"{result['cost']:,.4g} {result['currency']}")
    if "steps" not in result:
        return
    with st.container(horizontal=True, gap="medium"):
        steps = f"{result['steps']:,} steps"
        st.metric(
            "Training", show_duration(result["seconds"]), steps, delta_color="off", delta_arrow="off", width="content"
        )
        st.metric("Speed", f"{result['tokens_per_second']:,.0f} tokens/s", width="content")
        before, after = result.get("eval_loss_before"), result.get("eval_loss_after")
        if after is not None and before is not None:
            st.metric("Eval loss", f"{after:.3f}", f"{after - before:+.3f}", delta_color="inverse", width="content")
        st.metric("Memory at most", show_bytes(result.get("peak_memory_bytes")), width="content")
        if result.get("joules") is not None:
            st.metric("Energy", show_energy(result["joules"]), width="content")
    if estimate.get("seconds"):
        st.caption(
            f"Predicted were {show_duration(estimate['seconds'])} and {show_bytes(estimate['memory_bytes'])}; with "
            f"loading and testing it took {show_duration(result['job_seconds'])} and "
            f"{show_bytes(result.get('peak_memory_bytes'))}."
        )
    show_adapter(job)


def show_adapter(job: Job) -> None:
    if not job.result.get("adapter"):
        return
    folder = workspace.adapters / job.id
    if folder.is_dir():
        st.caption(f"The adapter, with its model card, lies in {plain(str(folder))}")
    else:
        st.warning(
            f"The adapter's folder {plain(str(folder))} is gone. Put it back from a copy, or run the job again.",
            icon=":material/folder_off:",
        )


def show_charts(job: Job) -> None:
    metrics = envelopes_of(workspace.job(job.id).metrics).refreshed()
    training, machine = charts.training_figures(metrics), charts.machine_figures(metrics)
    wrong = charts.not_finite_text(metrics)
    if wrong:
        st.caption(wrong)
    if training:
        charts.show_grid(training, f"training-{job.id}")
    if machine:
        st.markdown("##### The machine meanwhile")
        if not any(title.startswith("GPU") for title in machine):
            st.caption("No NVIDIA GPU on this machine: these are the processor's readings.")
        charts.show_grid(machine, f"machine-{job.id}")
    if not training and not machine:
        st.caption("No readings were taken." if job.is_ended else "The charts begin with the first step.")


def show_live(job_id: str, was: str, verdict: VerdictRow | None, others: list[Job]) -> None:
    """Draw the part that moves: progress and the open tab; when the state changes, the whole page is drawn anew."""
    with errors.shown():
        with session.store() as db:
            job = jobs.get(db, job_id)
        if job.state != was:
            st.session_state["shown_job"] = job_id
            st.rerun()
        with st.container():
            if job.is_alive:
                job_state.show_progress(workspace, job)
        drawn: dict[str, Callable[[], None]] = {
            "Charts": lambda: show_charts(job),
            "Configuration": lambda: job_details.show_configuration(job, others),
            "Log": lambda: job_details.show_log(job),
            "History": lambda: job_details.show_history(job),
        }
        if job.kind == "train":
            drawn["Data"] = lambda: job_data.show(job)
        if verdict is not None:
            drawn = {"Answers": lambda: verdict_card.show_examples(verdict, job.spec["benchmark"])} | drawn
        tabs = st.tabs(list(drawn), key=f"tabs-{job_id}", on_change="rerun")
        for tab, draw in zip(tabs, drawn.values(), strict=True):
            if tab.open:
                with tab, errors.shown():
                    draw()


with st.container(horizontal=True, vertical_alignment="bottom"):
    st.title("Jobs", anchor=False)
    if st.button("New job", icon=":material/add:"):
        st.switch_page("pages/train/new_job.py")
found, shown, unknown = job_list.read()
if shown is None:
    with st.container(border=True):
        st.markdown("**No jobs yet.** A job trains a base model on your data and says whether it got better.")
    st.stop()
# Each part has a place of its own, so that what comes and goes above does not move what is below.
listed, above, actions, outcome, live = (st.container() for _ in range(5))
with listed:
    if unknown:
        st.warning(plain(unknown), icon=":material/search_off:")
    job = job_list.pick(found, shown)
with session.store() as db:
    verdict = evaluations.verdict_of_job(db, job.id)
    ahead = 0
    if job.state == "queued":
        rivals = [
            other
            for other in jobs.in_states(db, ("queued", *ALIVE))
            if runs_on_host(other.kind, other.spec) == runs_on_host(job.kind, job.spec)
        ]
        ahead = sum(
            other.state != "queued" or (-other.priority, other.number) < (-job.priority, job.number) for other in rivals
        )
with above:
    show_head(job, ahead)
with actions:
    show_actions(job)
with outcome:
    if verdict is not None:
        verdict_card.show(verdict)
        gate_line.show(workspace, job.id)
    show_figures(job)
moves = job.is_alive or job.state in ("queued", "blocked", "lost")
with live:
    st.fragment(run_every="1s" if moves else None)(show_live)(job.id, job.state, verdict, found)
