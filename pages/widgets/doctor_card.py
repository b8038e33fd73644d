"""What the data doctor found in a dataset, and the remedies to take."""

import streamlit as st

from core.datasets.doctor import consultation
from core.datasets.doctor import spec as checks
from core.datasets.doctor.examination import Report
from core.datasets.doctor.finding import KINDS, Finding, Severity
from core.paths import Workspace
from core.store.datasets import NamedDataset
from pages.widgets.text import plain

LOOKS: dict[Severity, tuple[str, str]] = {
    "severe": ("red", ":material/error:"),
    "warning": ("orange", ":material/warning:"),
    "note": ("gray", ":material/info:"),
}


def show(workspace: Workspace, one: NamedDataset) -> None:
    """Draw the report of a dataset, or the way to one."""
    report = consultation.stored_report(workspace, one.sha)
    if report is None:
        st.caption("Not examined yet. It takes a few seconds for ten thousand rows.")
        if st.button("Examine", icon=":material/stethoscope:"):
            checks.submit(workspace, one)
            st.rerun()
        return
    if not report.findings:
        st.success(f"Nothing found in {report.rows:,} examples.", icon=":material/check_circle:")
        return
    chosen = [finding.kind for finding in report.findings if _show_finding(finding, one.sha)]
    _offer(workspace, one, report, chosen)


def show_findings(report: Report) -> None:
    """Draw a report that nothing can be done about here."""
    if not report.findings:
        st.success(f"Nothing found in {report.rows:,} examples.", icon=":material/check_circle:")
    for finding in report.findings:
        with st.container(border=True):
            _describe(finding)


def _describe(finding: Finding) -> None:
    kind = KINDS[finding.kind]
    color, icon = LOOKS[finding.severity]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":{color}-badge[{icon} {finding.severity}] **{kind.title}**", width="stretch")
        st.markdown(f":gray[{finding.count:,} {'row' if finding.count == 1 else 'rows'}]", width="content")
    st.caption(f"{plain(finding.told)} {kind.advice}".strip())
    for shown in finding.examples:
        st.markdown(f":small[:gray[row {shown.row + 1}] {plain(shown.text)}]")


def _show_finding(finding: Finding, sha: str) -> bool:
    """Draw one finding; return whether it is to be put right."""
    kind = KINDS[finding.kind]
    with st.container(border=True):
        _describe(finding)
        if not kind.remedy:
            return False
        verb = "Drop these rows" if kind.remedy == "drop" else "Mend these rows"
        return bool(st.checkbox(verb, value=finding.severity == "severe", key=f"fix-{sha}-{finding.kind}"))


def _offer(workspace: Workspace, one: NamedDataset, report: Report, chosen: list[str]) -> None:
    if not any(KINDS[finding.kind].remedy for finding in report.findings):
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Put it right", type="primary", icon=":material/build:", disabled=not chosen):
            checks.submit(workspace, one, chosen)
            st.rerun()
        st.caption("It becomes a new version; the present one stays.")


def ask_for_reason(workspace: Workspace, one: NamedDataset) -> str:
    """Where a dataset has severe findings, say so and ask why they may stay; return the answer."""
    report = consultation.stored_report(workspace, one.sha)
    if report is None or report.is_sound:
        return ""
    for finding in report.findings:
        if finding.severity == "severe":
            st.markdown(f":red-badge[:material/error: severe] {KINDS[finding.kind].title}: {finding.count:,}")
    st.page_link("pages/prepare/datasets.py", label="Put it right", icon=":material/build:")
    return str(st.text_input("Or say why it may stay so", max_chars=300, key=f"accept-{one.sha}"))
