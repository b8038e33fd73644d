"""The form that brings a file in: its place, how it is read, what its columns become, its name."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.datasets import hub, preview, submission
from core.datasets.examples import Example
from core.datasets.mapping import ColumnMapping
from core.datasets.preview import Preview
from core.errors import JobStateError
from core.paths import Workspace
from core.process import queue
from core.store import jobs
from core.store.jobs import Job
from pages.widgets import errors, hub_card, session, uploads
from pages.widgets.text import plain, sentence

DROP, NAME, HUB = "Drop a file", "Name a file on this machine", "From the hub"
LAYOUTS = {
    "pair": "A question and an answer in each row",
    "chat": "A conversation in each row",
    "marked": "Both in one text, with a mark between them",
    "ratings": "A transcript with its scores",
}
ENCODINGS = ["recognised", "utf-8", "cp1252", "iso-8859-1", "utf-16", "shift_jis", "gb18030"]
SHOWN = 5
MOST_SHOWN_LETTERS = 2_000


def show(workspace: Workspace) -> None:
    """Draw the form; nothing is stored before the last press."""
    with errors.shown():
        path, more, source = _pick_file(workspace)
        if path is None:
            return
        with st.container(horizontal=True, vertical_alignment="bottom"):
            encoding = st.selectbox("Encoding", ENCODINGS, key="import_encoding", width=170)
        found = preview.look_at(path, encoding=None if encoding == ENCODINGS[0] else encoding)
        columns = plain(preview.show_columns(found.columns))
        st.caption(f"{plain(found.form.title)}, {len(found.columns):,} columns: {columns}")
        if found.rejects:
            first = found.rejects[0]
            st.caption(
                f"{len(found.rejects)} of the first rows can't be read and will be put aside. Line {first.line} "
                f"{plain(first.reason)}."
            )
        mapping = _pick_mapping(found, path)
        examples = preview.sample_examples(found, mapping, path)
        if examples:
            st.markdown("##### What it becomes")
            st.dataframe(as_table(examples[:SHOWN]), hide_index=True)
        else:
            st.caption(f"None of the first {len(found.rows)} rows gives an example. Are these the right columns?")
        _offer_import(workspace, path, found, mapping, more, source)


Picked = tuple[Path | None, list[Path], dict[str, str]]


def _pick_file(workspace: Workspace) -> Picked:
    """Draw where the file is; return the first file, those that follow it, and what is known of their origin."""
    way = st.segmented_control("Where is it?", [DROP, NAME, HUB], default=DROP, required=True, key="import_way")
    if way == NAME:
        text = st.text_input("Path", placeholder="/data/mails.csv", key="import_path").strip()
        st.caption("A file of any size; it is read where it lies.")
        return (Path(text).expanduser() if text else None), [], {}
    if way == HUB:
        return _pick_from_hub(workspace)
    dropped = st.file_uploader("CSV, TSV, JSON, JSONL or Parquet, up to 200 MB", key="import_file")
    return (uploads.kept(dropped) if dropped else None), [], {}


def _pick_from_hub(workspace: Workspace) -> Picked:
    """Draw the name of a dataset on the hub; it is downloaded by a job, and then read like a file."""
    text = st.text_input("Dataset", placeholder="owner/name, or owner/name/file.parquet", key="import_hub").strip()
    if not text:
        st.caption("Its training part is taken, unless you name a file of it.")
        return None, [], {}
    repository, pattern = hub.read_name(text)
    patterns = [pattern] if pattern else []
    found = hub_card.find(workspace, repository, patterns)
    if found is None:
        return None, [], {}
    files = found.paths()
    return files[0], files[1:], found.origin()


def _pick_mapping(found: Preview, path: Path) -> ColumnMapping:
    """Draw the guess, which can be changed, and return what is chosen."""
    guess = found.mapping or ColumnMapping()
    mark = f"{path}-{found.form.encoding}"
    layout = st.selectbox(
        "What is in the file?",
        list(LAYOUTS),
        index=list(LAYOUTS).index(guess.layout),
        format_func=LAYOUTS.__getitem__,
        key=f"layout-{mark}",
    )
    wanted: dict[str, Any] = {"layout": layout}
    usual = guess if layout == guess.layout else ColumnMapping()
    with st.container(horizontal=True):
        asks = {"pair": "Question", "chat": "Conversation", "marked": "Text", "ratings": "Transcript"}[layout]
        wanted["prompt"] = _column(asks, found, usual.prompt, f"prompt-{layout}-{mark}")
        if layout == "pair":
            wanted["input"] = _column("Below the question", found, usual.input, f"input-{mark}")
            wanted["response"] = _column("Answer", found, usual.response, f"response-{mark}")
        if layout == "marked":
            marker = st.text_input("Mark", usual.marker.strip() or "A:", key=f"marker-{mark}", width=160)
            wanted["marker"] = usual.marker if marker == usual.marker.strip() else marker
        wanted["group"] = _column("Belong together", found, usual.group, f"group-{mark}")
    return preview.choose_mapping(found, path, wanted)


def _column(label: str, found: Preview, chosen: str, key: str) -> str:
    options = ["", *found.columns]
    return str(
        st.selectbox(
            label,
            options,
            index=options.index(chosen) if chosen in options else 0,
            format_func=lambda name: name or "none",
            key=key,
            width=220,
        )
    )


def _offer_import(
    workspace: Workspace,
    path: Path,
    found: Preview,
    mapping: ColumnMapping,
    more: list[Path],
    source: dict[str, str],
) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        usual = source["hub"] if source else preview.label_of(path)
        name = st.text_input("Name", usual, key=f"import_name-{path}", width=320)
        if st.button("Import", type="primary", icon=":material/download:"):
            place = submission.keep_upload(workspace, path) if st.session_state["import_way"] == DROP else path
            submission.submit(workspace, place, found.form, mapping, name=name, more=more, source=source)
            st.rerun()


def as_table(examples: Sequence[Example]) -> pd.DataFrame:
    """Return examples as people read them: what was said before, the question, the answer."""
    before = [_cut("\n".join(f"{turn.role}: {turn.text}" for turn in example.turns)) for example in examples]
    columns = {"Before": before} if any(before) else {}
    return pd.DataFrame(
        columns
        | {
            "Question": [_cut(example.prompt) for example in examples],
            "Answer": [_cut(example.response) for example in examples],
        }
    )


def _cut(text: str) -> str:
    return text if len(text) <= MOST_SHOWN_LETTERS else f"{text[:MOST_SHOWN_LETTERS]}…"


def cancel(job: Job) -> None:
    """End an import; one that has just ended is as it is."""
    with session.store() as db, contextlib.suppress(JobStateError):
        queue.cancel(db, jobs.get(db, job.id))
    st.rerun()


def show_outcome(ended: Sequence[Job]) -> None:
    """Say what came of the import that ended while this page was open."""
    asked = st.session_state.pop("import_ended", None)
    job = next((one for one in ended if one.id == asked), None)
    if job is None:
        return
    if job.state == "failed":
        place = str(job.spec.get("path", ""))  # where a dropped file was kept says nothing to people
        st.error(sentence(job.error.replace(place, Path(place).name) if place else job.error), icon=":material/error:")
        return
    made = job.result
    if "repository" in made:
        st.success(f"{plain(made['repository'])} is here; it stands in the form below.", icon=":material/check_circle:")
    if "examples" not in made:
        return  # a check, whose report stands below
    if "fixed" in made:
        st.success(f"{plain(made['dataset'])} has a new version with {made['examples']:,} examples.")
        return
    aside = f" {made['rejected']:,} rows were put aside." if made["rejected"] else ""
    st.success(
        f"{plain(made['dataset'])} holds {made['examples']:,} examples of {made['rows']:,} rows.{aside}",
        icon=":material/check_circle:",
    )
