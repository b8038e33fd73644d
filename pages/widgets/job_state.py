"""A job's state as people see it: a word, a colour, where it is, when it will be done, what came out."""

import time

import streamlit as st

from core.catalog import endpoints
from core.errors import DamagedDatabase
from core.paths import Workspace
from core.store.jobs import Job
from core.store.metrics import Progress, read_progress
from core.store.states import State
from core.wording import show_duration, show_points

LOOKS: dict[State, tuple[str, str]] = {
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
_NEXT: dict[State, str] = {
    "pausing": "It saves its state after the present step, then leaves the device.",
    "paused": "Resume goes on exactly where it was.",
    "cancelling": "It ends after the present step.",
    "lost": "It goes on by itself from its last checkpoint.",
}
SILENT_AFTER_S = 60.0


def badge_text(job: Job) -> str:
    """Return the state as a coloured mark for a line of Markdown."""
    color, icon = LOOKS[job.state]
    return f":{color}-badge[{icon} {job.state}]"


def result_text(job: Job) -> str:
    """Return in a few words what came out of an ended job, or nothing."""
    verdict = job.result.get("verdict")
    if verdict:
        return f"{verdict['outcome']}, {show_points(verdict['difference'])}"
    if "examples" in job.result:
        return f"{job.result['examples']:,} examples"
    if "score" not in job.result:
        return ""
    is_base = not job.spec.get("adapter") and endpoints.name_in(str(job.spec.get("base", ""))) is None
    return f"{'base scores' if is_base else 'scores'} {job.result['score']:.0%}"


def explain(job: Job, ahead: int) -> str:
    """Return in a sentence or two why a job is in a state that a person may wonder about, and what comes next.

    Args:
        ahead: How many jobs are served before this one.
    """
    if job.state == "queued":
        others = "one job is" if ahead == 1 else f"{ahead} jobs are"
        return f"It waits for its turn; {others} ahead of it." if ahead else "It waits for its turn and is the next."
    reason = job.reason[:1].upper() + job.reason[1:].rstrip(".") + ". " if job.reason else ""
    return reason + _NEXT.get(job.state, "")


def show_progress(workspace: Workspace, job: Job) -> None:
    """Draw where a live job is; a worker that has been silent for a minute is named."""
    try:
        progress = read_progress(workspace.job(job.id).metrics)
    except DamagedDatabase:  # the charts say so
        st.progress(0.0, text="How far it is can't be read")
        return
    if progress is None or progress.attempt != job.attempt:
        st.progress(0.0, text="Starting the worker")
        return
    phase = f"{progress.phase[:1].upper()}{progress.phase[1:]}"
    if progress.steps > 0:
        st.progress(min(1.0, progress.step / progress.steps), text=_progress_text(phase, progress))
    else:
        st.progress(0.0, text=phase)
    silent = _silent_seconds(job, progress)
    if silent > SILENT_AFTER_S:
        st.warning(
            f"The worker has given no sign of life for {show_duration(silent)}. It may hang; cancel the job if it "
            "stays so.",
            icon=":material/heart_broken:",
        )


def _progress_text(phase: str, progress: Progress) -> str:
    counted = "step " if progress.phase == "training" else "question " if progress.phase.startswith("testing") else ""
    if progress.phase == "importing":
        text = f"{phase}: {progress.step}%{', ' if progress.note else ''}{progress.note}"
    else:
        text = f"{phase}: {counted}{progress.step:,} of {progress.steps:,} {progress.note}".rstrip()
    if progress.rate > 0 and progress.phase == "training":
        text += f" · {progress.rate:,.0f} tokens/s"
    if progress.seconds_left is not None and progress.step < progress.steps:
        text += f" · about {show_duration(progress.seconds_left)} left"
    return text


def _silent_seconds(job: Job, progress: Progress) -> float:
    """Return for how long the heartbeat has stood still, by this process's own clock."""
    seen: dict[str, tuple[int, float]] = st.session_state.setdefault("heartbeats", {})
    beat, since = seen.get(job.id, (-1, 0.0))
    if beat != progress.heartbeat:
        seen[job.id] = (progress.heartbeat, time.monotonic())
        return 0.0
    return time.monotonic() - since
