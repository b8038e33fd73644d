"""What a job was told, what it wrote, and which states it went through."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.store import jobs
from core.store.jobs import Job
from core.training import configuration
from pages.widgets import session
from pages.widgets.text import setting_label

Action = Callable[[sqlite3.Connection, Job], Job]
LOG_BYTES = 40_000
_FACTS = ("base", "preset", "dataset_name", "benchmark_name")


def settings(job: Job) -> dict[str, Any]:
    """Return what the job was told, by name."""
    return {key: job.spec[key] for key in _FACTS if key in job.spec} | job.spec.get("config", {})


def show_configuration(job: Job, others: list[Job]) -> None:
    """Draw the job's configuration, or in what it differs from another job's."""
    rivals = {other.id: other for other in others if other.id != job.id and other.kind == job.kind}
    chosen = st.selectbox(
        "Compare with",
        ["", *rivals],
        format_func=lambda name: f"#{rivals[name].number} {rivals[name].name}" if name else "no other job",
        key=f"compare-{job.id}",
    )
    mine = settings(job)
    if not chosen:
        columns = {"Setting": [setting_label(key) for key in mine], "Value": [_value(value) for value in mine.values()]}
    else:
        differing = configuration.difference(mine, settings(rivals[chosen]))
        if not differing:
            st.caption("Both have the same configuration.")
            return
        columns = {
            "Setting": [setting_label(key) for key, _, _ in differing],
            f"#{job.number}": [_value(one) for _, one, _ in differing],
            f"#{rivals[chosen].number}": [_value(other) for _, _, other in differing],
        }
    st.dataframe(pd.DataFrame(columns), hide_index=True, height=38 + 35 * len(columns["Setting"]))


def _value(value: Any) -> str:
    if value is None:
        return "automatic"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)


def show_log(job: Job) -> None:
    """Draw the last lines of the log, and for a failed job where it failed."""
    lines = _tail(session.workspace().job(job.id).log)
    if lines:
        st.code(lines, language=None, height=360)
    else:
        st.caption("Nothing is written yet.")
    if job.traceback:
        with st.expander("Where it failed, for a developer"):
            st.code(job.traceback, language=None)


def _tail(path: Path) -> str:
    """Return the whole lines among the last bytes of a log; a long job's log is never read from its beginning."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, 2)
            stream.seek(max(0, size - LOG_BYTES))
            text = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return (text if size <= LOG_BYTES else text.partition("\n")[2]).strip()


def show_history(job: Job) -> None:
    with session.store() as db:
        events = jobs.events(db, job.id)
    st.dataframe(
        pd.DataFrame(
            {
                "When": [session.show_when(event.at, seconds=True) for event in events],
                "State": [event.after for event in events],
                "Why": [event.note for event in events],
            }
        ),
        hide_index=True,
        height=38 + 35 * min(len(events), 12),
        column_config={
            "When": st.column_config.TextColumn(width=130),
            "State": st.column_config.TextColumn(width=110),
            "Why": st.column_config.TextColumn(width="large"),
        },
    )
