"""Industries: the packs and the specialists on the shelf, what each measures, and training on one."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pandas as pd
import streamlit as st

from core.catalog import industries, specialists
from core.catalog.industries import Industry
from core.catalog.specialists import Specialist
from core.datasets.reading import read_examples
from core.datasets.specialist import loading
from core.evaluation.benchmarks import read_items
from core.evaluation.measures import MEASURES
from core.paths import Workspace
from pages.widgets import errors, session
from pages.widgets.text import plain

PACKS, SPECIALISTS = "Industries", "Specialists"
ALL = "All"
ROWS_IN_SIGHT = 9
T = TypeVar("T")
SAMPLES = 4
MORE_WIDTH = 340  # a popover is as wide as its text; a long one would lie over half the page

workspace = session.workspace()


@st.cache_data(show_spinner=False, max_entries=64)
def count_rows(name: str, root: str, stamp: tuple[int, ...]) -> tuple[int, int]:
    """Return how many corpus examples and benchmark items an industry has."""
    place = Workspace(Path(root)) if root else None
    pack = industries.find(name, place)
    members = industries.expand([name], place)
    items = sum(len(read_items(one.benchmark_path)) for one in members if one.benchmark_path)
    return len(read_examples(pack.corpus_path)), items


def read_shelf(read: Callable[[Workspace | None], dict[str, T]]) -> tuple[dict[str, T], Workspace | None]:
    """Return what is on a shelf, and with which workspace; a broken file of one's own leaves the shipped ones."""
    found = None
    with errors.shown():
        found = read(workspace)
    return (read(None), None) if found is None else (found, workspace)


def matches(wanted: str, *texts: str) -> bool:
    return all(word in " ".join(texts).casefold() for word in wanted.casefold().split())


def train_on(key: str, value: object) -> None:
    """Open New job with this choice made."""
    st.session_state[f"{key}_wanted"] = value
    st.switch_page("pages/train/new_job.py")


def show_packs(wanted: str) -> None:
    known, place = read_shelf(industries.all_industries)
    found = [
        one
        for one in known.values()
        if matches(wanted, one.id, one.title, one.summary, " ".join(one.focus), " ".join(one.key_metrics))
    ]
    if not found:
        st.info(f"No industry has {plain(wanted)!r} in its description.", icon=":material/search_off:")
    for start in range(0, len(found), 2):
        for column, one in zip(st.columns(2), found[start : start + 2], strict=False):
            with column, st.container(border=True, height="stretch"), errors.shown():
                show_pack(one, place)


def show_pack(one: Industry, place: Workspace | None) -> None:
    """Draw one industry: what it is about, what it holds, what it measures."""
    stamp = tuple(path.stat().st_mtime_ns for path in (one.corpus_path, one.benchmark_path) if path)
    examples, items = count_rows(one.id, str(place.root) if place else "", stamp)
    st.markdown(f"**{one.icon} {plain(one.title)}**")
    st.markdown(plain(one.summary))
    tasks = f", {len(one.generator.tasks)} kinds of generated examples" if one.generator else ""
    st.caption(f"{examples} worked examples{tasks}, {items} test questions.")
    parts = [f"{part.title} {part.weight:.0%}" for part in one.components.values()]
    members = f"All of {', '.join(one.members)}, each counting the same." if one.members else ""
    st.caption(plain(f"Measured: {', '.join(parts)}." if parts else members))
    with st.container(horizontal=True):
        if st.button("Train this", icon=":material/play_arrow:", key=f"train-{one.id}"):
            train_on("industries", [one.id])
        if one.vocabulary or one.suits or one.feeds:
            with st.popover("More", icon=":material/more_horiz:"), st.container(width=MORE_WIDTH):
                show_more(one)


def show_more(one: Industry) -> None:
    """Draw an industry's words, the base that suits it, and where news of its rules are published."""
    if one.suits:
        st.markdown(f"**Base model.** {plain(one.suits)}")
    if one.vocabulary:
        st.markdown(f"**Its words.** {plain(', '.join(one.vocabulary))}")
    if one.feeds:
        st.markdown("**Where its rules are published.**")
        for feed in one.feeds:
            st.markdown(f"- [{plain(feed.name)}]({feed.url})")


def show_specialists(wanted: str) -> None:
    known, place = read_shelf(specialists.all_specialists)
    titles = dict.fromkeys(one.category_title for one in known.values())
    category = st.pills("Category", [ALL, *titles], default=ALL, required=True, label_visibility="collapsed", wrap=True)
    found = [
        one
        for one in known.values()
        if category in (ALL, one.category_title) and matches(wanted, one.id, one.title, one.summary, one.task)
    ]
    if not found:
        st.info(f"No specialist of this kind has {plain(wanted)!r} in its description.", icon=":material/search_off:")
        return
    rows = st.dataframe(
        pd.DataFrame(
            {
                "Specialist": [one.title for one in found],
                "Kind of task": [one.task for one in found],
                "Base": [one.base_class for one in found],
                "Decided by": [MEASURES[one.metrics[0]].title for one in found],
                "Aim": [_aim(one) for one in found],
                "Real data": [", ".join(source.name for source in one.sources) or "your own" for one in found],
            }
        ),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [0]}},
        key=f"specialists-{category}-{wanted}",
        height=38 + 35 * min(len(found), ROWS_IN_SIGHT),
        alt="Specialists",
    )["selection"]["rows"]
    show_specialist(found[rows[0] if rows and rows[0] < len(found) else 0], place)


def _aim(one: Specialist) -> str:
    aim = one.thresholds.get(one.metrics[0])
    if aim is None:
        return ""
    is_share = MEASURES[one.metrics[0]].is_share
    return f"{aim.tuned:.0%}" if is_share else f"{aim.tuned:g}"


def show_specialist(one: Specialist, place: Workspace | None) -> None:
    """Draw one specialist: its prompt with samples, what it is measured by, where its data come from."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"##### {plain(one.title)}", width="stretch")
            if st.button("Train this", type="primary", icon=":material/play_arrow:", key=f"train-{one.id}"):
                train_on("specialist", one.id)
        st.markdown(plain(one.summary))
        st.caption(f"Suits {plain(one.base)}, adapter of rank {one.rank}. The starter does it in small, offline.")
        samples, measured, data = st.tabs(["Samples", "Measured by", "Data"])
        with samples, errors.shown():
            show_samples(one, place)
        with measured:
            for name in one.metrics:
                aim = one.thresholds.get(name)
                told = (
                    f" A base should reach {_show(name, aim.baseline)}, the tuned model {_show(name, aim.tuned)}."
                    if aim
                    else ""
                )
                st.markdown(f"**{MEASURES[name].title}.** {plain(MEASURES[name].meaning)}{told}")
        with data:
            show_data(one)


def _show(name: str, value: float) -> str:
    return f"{value:.0%}" if MEASURES[name].is_share else f"{value:g}"


@st.cache_data(show_spinner=False, max_entries=128)
def sample(content: str, root: str) -> list[tuple[str, str]]:
    """Return a few prompts and answers of a specialist, given as it is written now."""
    one = Specialist.model_validate_json(content)
    made = loading.generate(one, SAMPLES, 3, Workspace(Path(root)) if root else None)
    return [(one.ask(row.prompt), row.response) for row in made.parts["train"]]


def show_samples(one: Specialist, place: Workspace | None) -> None:
    made = sample(one.model_dump_json(by_alias=True), str(place.root) if place else "")
    for prompt, response in made:
        asked, answered = st.columns([3, 2])
        asked.text(prompt)
        answered.text(response)


def show_data(one: Specialist) -> None:
    st.markdown("**Generated.** As many as wanted, from a grammar with known right answers, offline.")
    for source in one.sources:
        rows = f" About {source.rows:,} rows." if source.rows else ""
        st.markdown(f"**{plain(source.name)}.**{rows} Licence: {plain(source.licence)}.")
        places = [f"on the hub as {source.hub.id}"] if source.hub else []
        places += [f"as the files {', '.join(source.local.files.values())}"] if source.local else []
        st.caption(plain(f"Read {' or '.join(places)}."))
    st.caption("Or a file of your own with the same columns, chosen on New job.")


st.title("Industries", anchor=False)
with st.container(horizontal=True, vertical_alignment="bottom"):
    shelf = st.segmented_control(
        "Shelf", [PACKS, SPECIALISTS], default=PACKS, required=True, label_visibility="collapsed", key="shelf"
    )
    wanted = st.text_input(
        "Search", placeholder="Search: fraud, translation, SQL", label_visibility="collapsed", key="search", width=320
    )
with errors.shown():
    (show_specialists if shelf == SPECIALISTS else show_packs)(wanted.strip())
