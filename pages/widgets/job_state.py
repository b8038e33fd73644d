"""A job's state as people see it: a word, a colour, where it is, and when it will be done."""

import time

import streamlit as st

from core.paths import Workspace
from core.store.jobs import Job
from core.store.metrics import Progress, read_progress
from core.wording import show_duration

LOOKS = {
    "queued": ("gray", ":material/schedule:"),
    "blocked": ("orange", ":material/block:"),
    "starting": ("blue", ":material/hourglass_top:"),
    "running": ("blue", ":material/play_circle:"),
    "pausing": ("orange", ":material/pause:"),
    "paused": ("orange", ":material/pause_circle:"),
    "cancelling": ("orange", ":material/stop:"),
    "cancelled": ("gray", ":material/stop_circle:"),
    "succeeded": ("green", ":material/check_circle:"),
    "failed": ("red", ":material/error:"),
    "lost": ("red", ":material/signal_disconnected:"),
}
SILENT_AFTER_S = 60.0


def badge(job: Job) -> None:
    st.markdown(badge_text(job))


def badge_text(job: Job) -> str:
    """Return the state as a coloured mark for a line of Markdown."""
    color, icon = LOOKS[job.state]
    return f":{color}-badge[{icon} {job.state}]"


def show_progress(workspace: Workspace, job: Job) -> None:
    """Draw where a live job is; a worker that has been silent for a minute is named."""
    progress = read_progress(workspace.job(job.id).metrics)
    if progress is None or progress.attempt != job.attempt:
        st.progress(0.0, text="Starting the worker")
        return
    if progress.steps <= 0:
        st.progress(0.0, text=f"{progress.phase[:1].upper()}{progress.phase[1:]}")
        return
    text = f"{progress.phase[:1].upper()}{progress.phase[1:]}: {progress.step:,} of {progress.steps:,}"
    if progress.rate > 0 and progress.phase == "training":
        text += f" · {progress.rate:,.0f} tokens/s"
    if progress.seconds_left is not None and progress.step < progress.steps:
        text += f" · about {show_duration(progress.seconds_left)} left"
    st.progress(min(1.0, progress.step / progress.steps), text=text)
    silent = _silent_seconds(job, progress)
    if silent > SILENT_AFTER_S:
        st.warning(
            f"The worker has given no sign of life for {show_duration(silent)}. It may hang; cancel the job if it "
            "stays so.",
            icon=":material/heart_broken:",
        )


def _silent_seconds(job: Job, progress: Progress) -> float:
    """Return for how long the heartbeat has stood still, by this process's own clock."""
    seen: dict[str, tuple[int, float]] = st.session_state.setdefault("heartbeats", {})
    beat, since = seen.get(job.id, (-1, 0.0))
    if beat != progress.heartbeat:
        seen[job.id] = (progress.heartbeat, time.monotonic())
        return 0.0
    return time.monotonic() - since
