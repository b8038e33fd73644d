"""New job: pick what to train on, on which base, how thoroughly; see what it takes; start."""

import hashlib
import json
from pathlib import Path

import streamlit as st

from core.catalog import bases, industries
from core.catalog.specialists import Specialist
from core.hardware.readings import read_machine
from core.paths import Workspace
from core.scoring.composition import RubricSourcing
from core.scoring.composition import compose as compose_rubric
from core.store import datasets, jobs
from core.store.datasets import NamedDataset
from core.store.states import ENDED, PRIORITIES
from core.training import configuration, submission
from core.training.submission import Draft, Sourcing
from pages.widgets import doctor_card, draft_card, errors, rubric_form, session, specialist_form, training_form, uploads
from pages.widgets.text import plain

PRESET_HELP = {
    "quick": "A small adapter and few steps: does it work at all?",
    "standard": "What suits most jobs.",
    "thorough": "A larger adapter, more data, stops when it no longer gets better.",
}
INDUSTRIES, SPECIALIST, RUBRIC = "Industries", "A specialist", "A rubric"
DATASET, OWN_FILE = "A dataset", "My own file"
OWN_FOLDER = "A folder or hub id"

workspace = session.workspace()


def take_over() -> None:
    """Fill the form with another job's settings, when the Jobs page asked for that."""
    asked = st.session_state.pop("settings_of", None)
    if asked is None:
        return
    with session.store() as db:
        job = jobs.get(db, asked)
    base, chosen = job.spec["base"], list(job.spec.get("industries", []))
    known = base in bases.known_bases()
    st.session_state["taken_settings"] = job.spec["config"]
    st.session_state["taken_from"] = f"#{job.number} {job.name}"
    st.session_state["base"] = base if known else OWN_FOLDER
    st.session_state["own_base"] = "" if known else base
    wanted = job.spec["dataset_name"]
    with session.store() as db:
        known_dataset = wanted in {one.name for one in datasets.named(db)}
    expert, rubric = job.spec.get("specialist", ""), job.spec.get("rubric", "")
    st.session_state["source"] = (
        INDUSTRIES if chosen else SPECIALIST if expert else RUBRIC if rubric else DATASET if known_dataset else OWN_FILE
    )
    if expert:
        st.session_state["specialist"] = expert
        specialist_form.take_over(job.spec.get("rows_from", {}))
    if rubric:
        st.session_state["rubric"] = rubric
    if known_dataset:
        st.session_state["dataset"] = wanted
    st.session_state["preset"] = job.spec["preset"] or "standard"
    st.session_state["name"] = job.name
    if chosen:
        st.session_state["industries"] = chosen


def take_wanted() -> None:
    """Choose what another page asked to train on."""
    for source, key in (
        (DATASET, "dataset"),
        (SPECIALIST, "specialist"),
        (RUBRIC, "rubric"),
        (INDUSTRIES, "industries"),
    ):
        wanted = st.session_state.pop(f"{key}_wanted", None)
        if wanted is not None:
            st.session_state["source"], st.session_state[key] = source, wanted


def show_taken_over() -> None:
    if "taken_from" not in st.session_state:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(f"The settings are those of job {plain(st.session_state['taken_from'])}.", icon=":material/tune:")
        if st.button("Forget them"):
            del st.session_state["taken_from"], st.session_state["taken_settings"]
            st.rerun()


def pick_source() -> str:
    st.session_state.setdefault("source", INDUSTRIES)
    picked = st.segmented_control(
        "Data",
        [INDUSTRIES, SPECIALIST, RUBRIC, DATASET, OWN_FILE],
        required=True,
        label_visibility="collapsed",
        key="source",
        wrap=True,
    )
    return picked or INDUSTRIES


def pick_dataset() -> NamedDataset | None:
    """Draw the imported datasets, and return the chosen one."""
    with session.store() as db:
        found = {one.name: one for one in datasets.named(db)}
    if not found:
        st.caption("There are no datasets yet.")
        st.page_link("pages/prepare/datasets.py", label="Import one", icon=":material/table_rows:")
        return None
    if st.session_state.get("dataset") not in found:
        st.session_state["dataset"] = next(iter(found))
    chosen = st.selectbox(
        "Dataset",
        list(found),
        format_func=lambda name: f"{name} · {found[name].rows:,} examples",
        label_visibility="collapsed",
        key="dataset",
    )
    return found[chosen]


def pick_data(source: str) -> tuple[list[str], Path | None]:
    """Draw the industries, or the place to drop an own file."""
    if source == OWN_FILE:
        dropped = st.file_uploader(
            "A file with a question and an answer in each row: CSV, TSV, JSON, JSONL or Parquet",
            type=["csv", "tsv", "json", "jsonl", "parquet", "gz"],
            key="own_file",
        )
        return [], uploads.kept(dropped) if dropped else None
    packs = industries.all_industries(workspace)
    st.session_state.setdefault("industries", ["finance"])
    chosen = st.pills(
        "Industries",
        list(packs),
        selection_mode="multi",
        format_func=lambda name: plain(packs[name].title),
        label_visibility="collapsed",
        wrap=True,
        key="industries",
    )
    for name in chosen:
        st.caption(f"**{plain(packs[name].title)}.** {plain(packs[name].summary)}")
    return list(chosen), None


def pick_mix(industry_ids: list[str], generated: int) -> dict[str, float]:
    """Draw the shares of several industries in what is generated, and return those that differ from 1."""
    members = industries.expand(industry_ids, workspace) if industry_ids else []
    if len(members) < 2 or not generated:
        return {}
    shares = {}
    with st.expander("Shares of the industries"):
        st.caption("Of the generated examples, an industry with 2 gets twice as many as one with 1.")
        with st.container(horizontal=True):
            for pack in members:
                shares[pack.id] = st.number_input(
                    plain(pack.title), 0.1, 100.0, 1.0, 0.5, format="%g", key=f"mix-{pack.id}", width=150
                )
    return {name: share for name, share in shares.items() if share != 1.0}


def pick_base() -> str:
    known = bases.known_bases()
    st.session_state.setdefault("base", next(iter(known)))
    chosen = st.selectbox(
        "Base model",
        [*known, OWN_FOLDER],
        format_func=lambda name: name if name == OWN_FOLDER else f"{known[name].title} · {fit_of(known[name])[1]}",
        label_visibility="collapsed",
        key="base",
    )
    if chosen == OWN_FOLDER:
        return st.text_input("Folder or hub id", placeholder="/models/mine or owner/name", key="own_base").strip()
    st.caption(f"{known[chosen].good_for} Licence: {known[chosen].licence}.")
    fits, fit = fit_of(known[chosen])
    if not fits:
        st.warning(
            f"{known[chosen].title} {fit}. The job may be very slow or run out of memory.", icon=":material/memory:"
        )
    return str(chosen)


def fit_of(entry: bases.Entry) -> tuple[bool, str]:
    """Return whether a base fits this machine, and in a few words why."""
    machine = read_machine()
    if entry.gpu_memory_gb == 0:
        return True, "runs on any machine"
    if not machine.gpus:
        return False, f"needs a GPU with {entry.gpu_memory_gb:g} GB, here is none"
    told = [size for size in machine.gpu_memory_bytes if size is not None]
    if not told:
        return True, f"needs {entry.gpu_memory_gb:g} GB, and this GPU does not tell what it has"
    memory = max(told) / 1e9
    if memory >= 0.95 * entry.gpu_memory_gb:
        return True, "fits this GPU"
    return False, f"needs a GPU with {entry.gpu_memory_gb:g} GB, here are {memory:.0f} GB"


def pick_config(base: str, expert: Specialist | None) -> configuration.TrainingConfig:
    """Draw presets, the file, and every knob; the knobs start from the preset and win over it."""
    st.session_state.setdefault("preset", "standard")
    preset = (
        st.segmented_control(
            "How thoroughly",
            list(configuration.PRESETS),
            format_func=str.capitalize,
            required=True,
            label_visibility="collapsed",
            key="preset",
        )
        or "standard"
    )
    st.caption(PRESET_HELP[preset])
    with st.expander("Every setting"):
        dropped = st.file_uploader("Load settings from a YAML file", type=["yaml", "yml"], key="config_file")
        loaded = st.session_state.get("taken_settings", {}) | (uploads.read_settings(dropped) if dropped else {})
        start = submission.configure(base, preset, loaded, expert)
        mark = hashlib.sha256(json.dumps(loaded, sort_keys=True, default=str).encode()).hexdigest()[:8]
        changes = training_form.show(start, f"field-{base}-{preset}-{mark}-{expert.id if expert else ''}")
        config = submission.configure(base, preset, loaded | changes, expert)
        st.download_button(
            "Save these settings", configuration.write_yaml(config, base), "training.yaml", icon=":material/download:"
        )
    return config


@st.cache_resource(show_spinner="Reading and counting the data", max_entries=8)
def drafted(
    root: str,
    base: str,
    config: str,
    industry_ids: tuple[str, ...],
    data: str,
    mix: tuple[tuple[str, float], ...],
    stamp: tuple[object, ...],
    dataset: str,
    sourcing: Sourcing | RubricSourcing | None,
) -> Draft:
    """Return what the job would be; computed anew only when the choice, a file behind it, or the past has changed."""
    place = Workspace(Path(root))
    made = configuration.TrainingConfig.model_validate_json(config)
    file = Path(data) if data else None
    if isinstance(sourcing, RubricSourcing):
        composed = compose_rubric(place, base, made, sourcing)
    elif sourcing is not None:
        composed = submission.compose_specialist(place, made, sourcing)
    else:
        composed = submission.compose(place, made, list(industry_ids), file, dict(mix), dataset)
    return submission.draft(place, base, made, composed)


def stamp_of(base: str, industry_ids: list[str]) -> tuple[object, ...]:
    """Return what changes when a draft must be made anew, beside the choice itself."""
    folder = bases.locate(base)
    packs = industries.expand(industry_ids, workspace) if industry_ids else []
    files = [path for pack in packs for path in (pack.corpus_path, pack.benchmark_path) if path]
    with session.store() as db:
        counts = jobs.count_by_state(db)
    return (
        bases.fingerprint(folder) if folder else "",
        *(path.stat().st_mtime_ns for path in files if path.exists()),
        *(counts.get(state, 0) for state in ENDED),
    )


def form_token(draft: Draft, *wishes: object) -> str:
    """Return a name for this very wish: a double press, or one in each of two tabs, makes one job.

    The newest job when the form was first drawn is part of the name, so that the same wish made anew is another job.
    """
    if "drawn_after" not in st.session_state:
        with session.store() as db:
            st.session_state["drawn_after"] = max((job.number for job in jobs.recent(db, 1)), default=0)
    data = (draft.composition.source, len(draft.composition.examples), draft.composition.benchmark.sha)
    content = [draft.base, draft.config.model_dump(mode="json"), data, wishes, st.session_state["drawn_after"]]
    return hashlib.sha256(json.dumps(content, default=str, sort_keys=True).encode()).hexdigest()


take_over()
take_wanted()
st.title("New job", anchor=False)
show_taken_over()
st.subheader("What to train on", anchor=False)
source = pick_source()  # above the columns, whose left one is too narrow for all kinds in a row
left, right = st.columns([3, 2], gap="medium")
industry_ids: list[str] = []
data: Path | None = None
dataset: NamedDataset | None = None
config: configuration.TrainingConfig | None = None
mix: dict[str, float] = {}
base, sound = "", False
expert: Specialist | None = None
sourcing: Sourcing | RubricSourcing | None = None
with left:
    with errors.shown():
        if source == DATASET:
            dataset = pick_dataset()
        elif source == SPECIALIST:
            expert, sourcing = specialist_form.pick(workspace)
        elif source == RUBRIC:
            sourcing = rubric_form.pick(workspace)
        else:
            industry_ids, data = pick_data(source)
        sound = True
    shares = st.container()
    st.subheader("Which base", anchor=False)
    base = pick_base()
    st.subheader("How thoroughly", anchor=False)
    with errors.shown():
        config = pick_config(base, expert)
    if config is not None:
        with shares:
            mix = pick_mix(industry_ids, config.generated_examples)
    st.subheader("The job", anchor=False)
    name = st.text_input("Name", placeholder="given by itself if left empty", max_chars=120, key="name")
    priority = st.segmented_control(
        "Priority", list(PRIORITIES), default="normal", required=True, format_func=str.capitalize, key="priority"
    )
    baseline = st.toggle("Only test the base, train nothing", key="baseline")
    evaluate = st.toggle("Compare with the base at the end", True, key="evaluate", disabled=baseline)
draft: Draft | None = None
token = accepted = ""
with right, st.container(border=True):
    with errors.shown():
        if not sound or config is None:
            st.info("Mend what is marked beside this first.")
        elif not base:
            st.info("Give the folder or hub id of the base model.")
        elif data is None and not industry_ids and dataset is None and sourcing is None:
            missing = {
                INDUSTRIES: "Pick at least one industry.",
                DATASET: "Import a dataset first.",
                RUBRIC: "Drop a file with rated transcripts.",
                SPECIALIST: "Choose where the specialist's rows come from.",
            }
            st.info(missing.get(source, "Drop a data file."))
        else:
            draft = drafted(
                str(workspace.root),
                base,
                config.model_dump_json(),
                tuple(industry_ids),
                str(data or ""),
                tuple(sorted(mix.items())),
                (
                    *stamp_of(base, industry_ids),
                    dataset.sha if dataset else "",
                    expert.model_dump_json() if expert else "",
                ),
                dataset.name if dataset else "",
                sourcing,
            )
            draft_card.show(draft, evaluate, baseline)
            if dataset is not None:
                accepted = doctor_card.ask_for_reason(workspace, dataset)
            token = form_token(draft, name, priority, evaluate, baseline)
    pressed = st.button(
        "Test the base" if baseline else "Start training",
        type="primary",
        icon=":material/play_arrow:",
        disabled=draft is None,
        width="stretch",
    )
    if pressed and draft is not None:
        with errors.shown(), st.spinner("Starting"):
            job = submission.submit(
                workspace,
                base=draft.base,
                config=draft.config,
                chosen=draft.composition,
                name=name,
                industry_ids=industry_ids,
                preset=st.session_state["preset"],
                priority=priority,
                evaluate=evaluate,
                baseline_only=baseline,
                form_token=token,
                accepted=accepted,
            )
            for used in ("drawn_after", "taken_from", "taken_settings"):
                st.session_state.pop(used, None)
            st.session_state["shown_job"] = job.id
            st.switch_page("pages/train/jobs.py")
