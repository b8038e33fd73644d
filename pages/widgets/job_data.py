"""What a job was trained on: where its rows come from, what was left out, and what the data doctor finds in them."""

import streamlit as st

from core.datasets import versions
from core.datasets.doctor import consultation
from core.datasets.doctor import spec as checks
from core.datasets.doctor.examination import Report
from core.store import datasets
from core.store.jobs import Job
from pages.widgets import doctor_card, draft_card, session
from pages.widgets.text import plain

MOST_AT_ONCE = 5_000  # rows that are examined while the page waits, about a second


def show(job: Job) -> None:
    """Draw the rows of a training job by origin, and the report on them."""
    with session.store() as db:
        row = datasets.get(db, job.dataset) if job.dataset else None
    if row is None:
        st.caption("This job's data are no longer in the workspace.")
        return
    origins = row.manifest["origins"].items()
    told = [(count, draft_card.name_origin(one, one or job.spec["dataset_name"])) for one, count in origins]
    st.markdown("\n".join(f"- **{count:,}** {plain(words)}" for count, words in told))
    source = row.manifest["source"]
    for reason, count in source.get("removed", {}).items():
        st.caption(f"{count:,} {'row was' if count == 1 else 'rows were'} left out: {plain(reason)}.")
    left_out = versions.folder_of(session.workspace(), row.sha) / versions.DROPPED_FILE
    if left_out.is_file():
        st.download_button(
            "Save the rows left out", left_out.read_bytes, f"{row.name} left out.jsonl", icon=":material/download:"
        )
    if "accepted" in source:
        st.info(f"Severe findings were accepted: {plain(source['accepted'])}", icon=":material/edit_note:")
    st.caption(f"Pinned as {row.sha[:12]}: the job sees these very rows whenever it runs.")
    report = _report(job, row.rows)
    if report is not None:
        doctor_card.show_findings(report)


def _report(job: Job, rows: int) -> Report | None:
    """Return the report of a job's rows; a small dataset's is made here, a large one's by a job."""
    assert job.dataset is not None
    workspace = session.workspace()
    base, max_length = job.spec["base"], int(job.spec["config"]["max_length"])
    known = consultation.stored_report(workspace, job.dataset, base, max_length)
    if known is not None:
        return known
    if rows <= MOST_AT_ONCE:
        with st.spinner("Examining the data"):
            return consultation.report_of(workspace, job.dataset, base, max_length)
    st.caption("Not examined yet. It takes a few seconds for ten thousand rows.")
    if st.button("Examine", icon=":material/stethoscope:", key=f"examine-{job.id}"):
        checks.submit_version(workspace, job.dataset, job.spec["dataset_name"], base, max_length)
        st.rerun()
    return None
