"""A job before it is queued: what it would train on, and what it would take."""

import streamlit as st

from core.datasets import versions
from core.training.estimate import Estimate
from core.training.submission import Draft
from core.wording import show_bytes, show_duration, show_energy
from pages.widgets.text import plain


def show(draft: Draft, evaluate: bool, baseline: bool) -> None:
    """Draw what the job would train on and what it would take."""
    questions = f"{draft.workload.benchmark_items:,} held-out questions"
    if baseline:
        st.markdown("##### What happens")
        st.write(f"The base answers {questions}. Nothing is trained.")
        return
    st.markdown("##### Data")
    st.markdown("\n".join(f"- {line}" for line in _origins(draft)))
    if "columns" in draft.composition.source:
        st.caption(plain(draft.composition.source["columns"]))
    for reason, count in draft.composition.removed.items():
        st.caption(f"{count:,} {'row is' if count == 1 else 'rows are'} left out: {plain(reason)}.")
    held = len(versions.split(draft.composition.examples, draft.config.validation_share, draft.config.seed)[1])
    st.caption(
        f"{draft.workload.examples:,} are trained on, {held:,} kept back to watch the eval loss; {draft.tokens:,} "
        f"tokens an epoch, {draft.workload.steps:,} steps."
        + (f" At the end {questions} decide the verdict." if evaluate else " There will be no verdict.")
    )
    if draft.cut_examples:
        st.warning(
            f"{draft.cut_examples:,} examples are longer than {draft.config.max_length:,} tokens. The beginning of "
            "their prompt is cut; raise the maximum length to keep it."
        )
    st.markdown("##### What it takes")
    if draft.estimate is None:
        st.write("Known once the base is downloaded, which the job does first.")
        return
    _show_estimate(draft.estimate)


def name_origin(origin: str, otherwise: str) -> str:
    """Return in words where examples of an industry come from; of other examples what is said otherwise."""
    kind, _, name = origin.partition(":")
    return {"corpus": f"from the corpus of {name}", "generated": f"generated for {name}"}.get(kind, otherwise)


def _origins(draft: Draft) -> list[str]:
    """Return for each origin of the examples how many there are, in a line of Markdown."""
    source = draft.composition.source
    file = source.get("file", source.get("dataset", "a file"))
    lines = []
    for origin, count in draft.composition.by_origin.items():
        rows = f"rows of {origin if draft.composition.specialist else file}"
        if draft.composition.rubric:
            rows = f"questions about {source['transcripts']:,} transcripts"
        lines.append(f"**{count:,}** {plain(name_origin(origin, rows))}")
    return lines


def _show_estimate(one: Estimate) -> None:
    with st.container(horizontal=True):
        st.metric("Time", show_duration(one.seconds), width="content")
        st.metric("Memory", show_bytes(one.memory_bytes), width="content")
        st.metric("Disk", show_bytes(one.disk_bytes), width="content")
        if one.joules is not None:
            st.metric("Energy", show_energy(one.joules), width="content")
    if not one.jobs:
        st.caption("A first estimate: no job has ended on this machine yet. It corrects itself with each job.")
        return
    error = f"; past estimates were off by {one.typical_error:.0%}" if one.typical_error is not None else ""
    st.caption(f"Learned from {one.jobs} {'job' if one.jobs == 1 else 'jobs'} on this machine{error}.")
