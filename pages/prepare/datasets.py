"""Datasets: bring a file, see how it is read, import it; what there is, where it comes from, who uses it."""

import pandas as pd
import streamlit as st

from core.datasets import deletion, importing, versions
from core.datasets.doctor.finding import KINDS
from core.datasets.mapping import describe
from core.process.kinds import HOST_KINDS
from core.store import datasets, jobs
from core.store.datasets import NamedDataset
from core.store.states import ALIVE, WAITING
from core.wording import clip, show_bytes
from pages.widgets import combine_form, doctor_card, errors, import_form, job_state, make_form, session
from pages.widgets.text import plain

ROWS_IN_SIGHT = 6
SHOWN_EXAMPLES = 20
SEARCHED_FROM = 12
SHOWN_REJECTS = 100

workspace = session.workspace()
with session.store() as db:
    found = datasets.named(db)
    running = [job for job in jobs.in_states(db, (*ALIVE, *WAITING)) if job.kind in HOST_KINDS]
    ended = [job for job in jobs.recent(db, 20) if job.kind in HOST_KINDS and job.state in ("failed", "succeeded")]


def pick(known: list[NamedDataset]) -> NamedDataset | None:
    """Draw the list and return the dataset that is chosen in it."""
    if not known:
        with st.container(border=True):
            st.markdown("**No datasets yet.** Import a file: mails with their team, questions with answers, chats.")
        return None
    asked = st.session_state.pop("shown_dataset", None)
    if len(known) > SEARCHED_FROM and asked is None:
        wanted = st.text_input("Search", placeholder="Search by name", label_visibility="collapsed", key="search")
        hits = [one for one in known if all(word in one.name.casefold() for word in wanted.casefold().split())]
        if not hits:
            st.caption(f"None of the {len(known)} datasets is called so.")
        known = hits or known
    names = [one.name for one in known]
    place = names.index(asked) if asked in names else 0
    selected = st.dataframe(
        pd.DataFrame(
            {
                "Name": names,
                "Examples": [one.rows for one in known],
                "Versions": [one.versions for one in known],
                "Made": [session.show_when(one.created_at) for one in known],
            }
        ),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [place]}},
        key=f"datasets-{known[0].sha}-{len(known)}-{asked or ''}",
        height=38 + 35 * min(len(known), ROWS_IN_SIGHT),
        column_config={
            "Name": st.column_config.TextColumn(width=400),
            "Examples": st.column_config.NumberColumn(format="localized", width=90),
            "Versions": st.column_config.NumberColumn(width=80),
            "Made": st.column_config.TextColumn(width=110),
        },
        alt="Datasets, the newest first",
    )["selection"]["rows"]
    return known[selected[0]] if selected else known[place]


def show_dataset(one: NamedDataset) -> None:
    """Draw where a dataset comes from, its first examples, what was put aside, its versions and its jobs."""
    source = importing.first_source(one.manifest)
    with session.store() as db:
        history, users = datasets.versions_of(db, one.name), datasets.jobs_of(db, one.sha)
    st.subheader(plain(one.name), anchor=False)
    facts = [f"{one.rows:,} examples"]
    if "file" in source:
        facts += [f"from {source['file']}", show_bytes(source["file_bytes"])]
    facts.append(f"hash {one.sha[:12]}")
    st.caption(plain(" · ".join(facts)))
    with st.container(horizontal=True):
        if st.button("Train on this", type="primary", icon=":material/play_arrow:"):
            st.session_state["dataset_wanted"] = one.name
            st.switch_page("pages/train/new_job.py")
        combine_form.offer_split(workspace, one)
        with st.popover("Delete", icon=":material/delete:"):
            several = f" with its {len(history)} versions" if len(history) > 1 else ""
            kept = " What jobs were trained on stays." if users else ""
            st.write(f"This deletes {plain(one.name)}{several} from this machine.{kept}")
            if st.button("Delete it for good"):
                deletion.delete(workspace, one.name)
                st.rerun()
    drawn = {"Examples": show_examples, "Doctor": show_findings, "Put aside": show_rejects, "Origin": show_origin}
    aside = one.manifest["source"].get("rejected")
    names = [name for name in drawn if name != "Put aside" or aside]
    for name, tab in zip(names, st.tabs(names), strict=True):
        with tab, errors.shown():
            drawn[name](one)
    for number, title, state in users[:10]:
        st.caption(f"Used by job #{number} {plain(clip(title, 80))}, {state}.")


def show_examples(one: NamedDataset) -> None:
    examples = versions.first_examples(workspace, one.sha, SHOWN_EXAMPLES)
    st.dataframe(import_form.as_table(examples), hide_index=True, height=38 + 35 * min(8, len(examples)))
    if one.rows > len(examples):
        st.caption(f"The first {len(examples)} of {one.rows:,}.")


def show_findings(one: NamedDataset) -> None:
    doctor_card.show(workspace, one)


def show_rejects(one: NamedDataset) -> None:
    rejects = list(importing.first_rejects(workspace, one.sha, SHOWN_REJECTS))
    st.dataframe(
        pd.DataFrame(
            {
                "Line": [row["line"] for row in rejects],
                "Column": [row["column"] for row in rejects],
                "Why": [row["reason"] for row in rejects],
                "The row": [clip(row["text"], 300) for row in rejects],
            }
        ),
        hide_index=True,
        height=38 + 35 * min(8, len(rejects)),
    )
    total = one.manifest["source"]["rejected"]
    with st.container(horizontal=True, vertical_alignment="center"):
        path = versions.folder_of(workspace, one.sha) / importing.REJECTS_FILE
        if path.is_file():
            st.download_button(
                "Save them all", path.read_bytes, f"{one.name} put aside.jsonl", icon=":material/download:"
            )
        st.caption(f"{total:,} rows of the file became no example. Mend them, then import the file again.")


def _remedies(one: NamedDataset) -> str:
    remedies = one.manifest["source"].get("remedies", {})
    return "; ".join(f"{KINDS[kind].title.lower()}, {count:,}" for kind, count in remedies.items())


def show_origin(one: NamedDataset) -> None:
    source = importing.first_source(one.manifest)
    mapping, own = importing.mapping_of(source), one.manifest["source"]
    if mapping is not None:
        st.write(plain(describe(mapping)))
    if "part" in own:
        st.write(f"The part {own['part']} of a split, {' : '.join(f'{100 * share:g}' for share in own['shares'])}.")
    if "made_of" in own:
        st.write(f"Generated from {plain(', '.join(own['made_of']))}, seed {own['seed']}.")
    for part in own.get("mixed_from", []):
        st.write(f"{part['taken']:,} examples of {plain(part['dataset'])}, version {part['sha'][:12]}.")
    facts = {
        "Put right": _remedies(one),
        "Rows read": f"{source['rows_read']:,}" if "rows_read" in source else None,
        "Licence": source.get("licence"),
        "File's sha256": source.get("file_sha256"),
        "Dataset's sha256": one.sha,
    }
    for label, value in facts.items():
        if value:
            st.caption(f"{label}: {plain(str(value))}")
    with session.store() as db:
        for earlier in datasets.versions_of(db, one.name)[1:]:
            made = session.show_when(earlier.created_at)
            st.caption(f"Earlier version {earlier.sha[:12]}: {earlier.rows:,} examples, {made}.")


@st.fragment(run_every="1s")
def show_running(ids: set[str]) -> None:
    """Draw the imports at work; when one ends, the page is drawn anew."""
    with errors.shown():
        with session.store() as db:
            now = [job for job in jobs.in_states(db, (*ALIVE, *WAITING)) if job.id in ids]
        if len(now) < len(ids):
            st.session_state["import_ended"] = next(iter(ids - {job.id for job in now}))
            st.rerun()
        for job in now:
            with st.container(border=True):
                st.markdown(f"**{plain(job.name)}**")
                if job.is_alive:
                    job_state.show_progress(workspace, job)
                else:
                    st.caption("It waits for its turn.")
                if st.button("Cancel", key=f"cancel-{job.id}", icon=":material/stop:"):
                    import_form.cancel(job)


st.title("Datasets", anchor=False)
if running:
    show_running({job.id for job in running})
import_form.show_outcome(ended)
with st.expander("Import a file", icon=":material/download:", expanded=not found), errors.shown():
    import_form.show(workspace)
with st.expander("Make examples", icon=":material/auto_awesome:"), errors.shown():
    make_form.show(workspace)
if len(found) > 1:
    with st.expander("Mix datasets", icon=":material/join:"):
        combine_form.show_mix(workspace, found)
chosen = pick(found)
if chosen is not None:
    with errors.shown():
        show_dataset(chosen)
