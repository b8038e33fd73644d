"""New job: pick what to train on, on which base, how thoroughly; see what it takes; start."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from core.catalog import bases, industries
from core.hardware.readings import read_machine
from core.store import jobs
from core.store.states import PRIORITIES
from core.training import configuration, submission
from core.training.submission import Draft
from core.wording import show_bytes, show_duration, show_energy
from pages.widgets import errors, session, training_form
from pages.widgets.text import plain

PRESET_HELP = {
    "quick": "A small adapter and few steps: does it work at all?",
    "standard": "What suits most jobs.",
    "thorough": "A larger adapter, more data, stops when it no longer gets better.",
}
OWN_FOLDER = "A folder or hub id"

workspace = session.workspace()
st.title("New job")


def fit_of(entry: bases.Entry) -> str:
    """Return in a few words whether a base fits this machine."""
    machine = read_machine()
    if entry.gpu_memory_gb == 0:
        return "runs on any machine"
    if not machine.gpus:
        return f"needs a GPU with {entry.gpu_memory_gb:g} GB"
    memory = max(machine.gpu_memory_bytes) / 1e9
    return (
        "fits this GPU"
        if memory >= 0.95 * entry.gpu_memory_gb
        else f"needs {entry.gpu_memory_gb:g} GB, here {memory:.0f} GB"
    )


def pick_data() -> tuple[list[str], Path | None]:
    """Draw the choice between industries and an own file."""
    packs = industries.all_industries(workspace)
    source = st.segmented_control(
        "Data", ["Industries", "My own file"], default="Industries", label_visibility="collapsed", key="source"
    )
    if source == "My own file":
        dropped = st.file_uploader(
            "A JSONL file with prompt and response, or instruction, input and output, in each line",
            type=["jsonl"],
            key="own_file",
        )
        return [], _kept_upload(dropped.name, dropped.getvalue()) if dropped else None
    chosen = st.pills(
        "Industries",
        list(packs),
        selection_mode="multi",
        default=["finance"],
        format_func=lambda name: packs[name].title,
        label_visibility="collapsed",
        wrap=True,
        key="industries",
    )
    for name in chosen:
        st.caption(f"**{packs[name].title}.** {packs[name].summary}")
    return list(chosen), None


def _kept_upload(name: str, content: bytes) -> Path:
    """Keep a dropped file under its own name, so that messages name it, in a folder that this session owns."""
    folder = Path(st.session_state.setdefault("upload_folder", tempfile.mkdtemp(prefix="atelier-")))
    target = folder / hashlib.sha256(content).hexdigest()[:16] / Path(name).name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return target


def pick_base() -> str:
    known = bases.known_bases()
    chosen = st.selectbox(
        "Base model",
        [*known, OWN_FOLDER],
        format_func=lambda name: name if name == OWN_FOLDER else f"{known[name].title} · {fit_of(known[name])}",
        key="base",
    )
    if chosen == OWN_FOLDER:
        return st.text_input("Folder or hub id", placeholder="/models/mine or owner/name", key="own_base").strip()
    st.caption(f"{known[chosen].good_for} Licence: {known[chosen].licence}.")
    return str(chosen)


def pick_config(base: str) -> configuration.TrainingConfig:
    """Draw presets, the file, and every knob; the knobs start from the preset and win over it."""
    preset = st.segmented_control(
        "How thoroughly",
        list(configuration.PRESETS),
        default="standard",
        format_func=str.capitalize,
        required=True,
        key="preset",
    )
    st.caption(PRESET_HELP[preset])
    loaded = _read_file()
    start = submission.configure(base, preset, loaded)
    with st.expander("Every setting"):
        changes = training_form.show(start, f"field-{base}-{preset}-{len(loaded)}")
        st.file_uploader("Load settings from a YAML file", type=["yaml", "yml"], key="config_file")
        config = submission.configure(base, preset, loaded | changes)
        st.download_button(
            "Save these settings", configuration.write_yaml(config, base), "training.yaml", icon=":material/download:"
        )
    return config


def _read_file() -> dict[str, Any]:
    dropped = st.session_state.get("config_file")
    if dropped is None:
        return {}
    path = _kept_upload(dropped.name, dropped.getvalue())
    values, base = configuration.read_yaml(path)
    if base:
        st.caption(f"The file names the base {base}; the one chosen above is used.")
    return values


def show_draft(draft: Draft) -> None:
    """Draw what the job would train on and what it would take."""
    st.markdown("##### Data")
    lines = []
    for origin, count in draft.composition.by_origin.items():
        kind, _, name = origin.partition(":")
        label = {"corpus": "from the corpus of", "generated": "generated for"}.get(kind, "rows of")
        lines.append(f"- **{count:,}** {label} {plain(name or kind)}")
    st.markdown("\n".join(lines))
    for reason, count in draft.composition.removed.items():
        st.caption(f"{count} rows are left out: {reason}.")
    held = round(len(draft.composition.examples) * draft.config.validation_share)
    st.caption(
        f"{draft.workload.examples:,} to train on, {held:,} to watch the eval loss, "
        f"{draft.workload.benchmark_items} held-out questions for the verdict. {draft.tokens:,} tokens an epoch, "
        f"{draft.workload.steps:,} steps."
    )
    if draft.cut_examples:
        st.warning(
            f"{draft.cut_examples} examples are longer than {draft.config.max_length} tokens. The beginning of their "
            "prompt is cut; raise the maximum length to keep it."
        )
    st.markdown("##### What it takes")
    if draft.estimate is None:
        st.write("Known once the base is downloaded, which the job does first.")
        return
    one = draft.estimate
    first, second = st.columns(2)
    first.metric("Time", show_duration(one.seconds))
    second.metric("Memory", show_bytes(one.memory_bytes))
    first.metric("Disk", show_bytes(one.disk_bytes))
    second.metric("Energy", show_energy(one.joules))
    if one.jobs:
        error = f"; past estimates were off by {one.typical_error:.0%}" if one.typical_error is not None else ""
        st.caption(f"Learned from {one.jobs} {'job' if one.jobs == 1 else 'jobs'} on this machine{error}.")
    else:
        st.caption("A first estimate: no job has ended on this machine yet. It corrects itself with each job.")


def form_token(draft: Draft, name: str) -> str:
    """Return a name for this very wish: two tabs that press at once make one job, a later press a new one."""
    with session.store() as db:
        last = jobs.recent(db, 1)
    content = [
        draft.base,
        draft.config.model_dump(mode="json"),
        draft.composition.source,
        name,
        last[0].number if last else 0,
    ]
    return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()


def submit(
    draft: Draft, industry_ids: list[str], name: str, priority: str, evaluate: bool, baseline: bool, token: str
) -> None:
    job = submission.submit(
        workspace,
        base=draft.base,
        config=draft.config,
        chosen=draft.composition,
        name=name,
        industry_ids=industry_ids,
        preset=st.session_state.get("preset") or "",
        priority=priority,
        evaluate=evaluate,
        baseline_only=baseline,
        form_token=token,
    )
    st.session_state["shown_job"] = job.id
    st.switch_page("pages/train/jobs.py")


left, right = st.columns([3, 2], gap="large")
draft: Draft | None = None
with left, errors.shown():
    st.subheader("What to train on", anchor=False)
    industry_ids, data = pick_data()
    st.subheader("Which base", anchor=False)
    base = pick_base()
    config = pick_config(base)
    st.subheader("The job", anchor=False)
    name = st.text_input("Name", placeholder="given by itself if left empty", max_chars=120, key="name")
    priority = st.segmented_control("Priority", list(PRIORITIES), default="normal", key="priority") or "normal"
    evaluate = st.toggle("Compare with the base at the end", True, key="evaluate")
    baseline = st.toggle("Only test the base, train nothing", False, key="baseline")
with right, st.container(border=True), errors.shown():
    if not base:
        st.info("Give the folder or hub id of the base model.")
    elif data is None and not industry_ids:
        st.info("Pick at least one industry, or drop a file.")
    else:
        composed = submission.compose(workspace, config, industry_ids, data)
        draft = submission.draft(workspace, base, config, composed)
        show_draft(draft)
    word = "Test the base" if baseline else "Start training"
    if st.button(word, type="primary", icon=":material/play_arrow:", disabled=draft is None, width="stretch"):
        assert draft is not None
        submit(draft, industry_ids, name, priority, evaluate, baseline, form_token(draft, name))
