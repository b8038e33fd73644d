"""Choosing models and benchmarks to run, and making own benchmarks of a file or of written items."""

from typing import Any

import pandas as pd
import streamlit as st

from core.errors import BadInput
from core.evaluation import own_benchmarks, submission
from core.evaluation.benchmarks import Item
from core.paths import Workspace
from core.store import benchmarks as stored
from core.store import evaluations
from core.wording import show_duration
from pages.widgets import endpoint_form, errors, models_tested, session, uploads
from pages.widgets.text import plain

TYPES = {
    "numeric": "A number",
    "choice": "One of several choices, by likelihood",
    "facts": "Facts that must occur",
    "label": "One of several labels",
    "text": "A text, by common words",
    "exact": "Exactly these words",
}
FILE, WRITE = "From a file", "Write items"
DRAFT = "benchmark_draft"


def show_run(workspace: Workspace) -> None:
    """Draw the choice of models and benchmarks, and queue an evaluation for each pair."""
    known, titles = models_tested.models(workspace), models_tested.benchmark_titles(workspace)
    with st.container(horizontal=True, vertical_alignment="top"):
        chosen = st.multiselect(
            "Models", list(known), format_func=lambda key: known[key].title, placeholder="Adapters and bases",
            key="run_models",
        )  # fmt: skip
        wanted = st.multiselect(
            "Benchmarks", list(titles), format_func=lambda name: titles[name], key="run_benchmarks",
            placeholder="Industries and others",
        )  # fmt: skip
    count = len(chosen) * len(wanted)
    is_ready = endpoint_form.show(workspace, [known[key].base for key in chosen], wanted)
    with st.container(horizontal=True, vertical_alignment="center"):
        again = st.checkbox("Also what was measured already", key="run_again")
        pressed = st.button(
            f"Run {count} tests" if count > 1 else "Run the test", type="primary", icon=":material/play_arrow:",
            disabled=not count or not is_ready,
        )  # fmt: skip
    told = st.session_state.pop("run_told", "")
    if told:
        st.success(plain(told), icon=":material/check:")
    if pressed:
        with st.spinner("Queueing"):
            st.session_state["run_told"] = _queue(workspace, [known[key] for key in chosen], wanted, again)
        st.rerun()


def _queue(workspace: Workspace, chosen: list[models_tested.Model], wanted: list[str], again: bool) -> str:
    """Queue one job for each model and benchmark, and return in a sentence what came of it."""
    made = passed = 0
    with session.store() as db:
        done = {(row.base, row.adapter, row.benchmark_sha) for row in evaluations.standings(db)}
    known = submission.waiting(workspace) | (set() if again else done)
    for name in wanted:
        benchmark = models_tested.resolve(workspace, name)
        for one in chosen:
            if (one.base, one.adapter, benchmark.sha) in known:
                passed += 1
                continue
            submission.submit(workspace, base=one.base, adapter=one.adapter, benchmark=benchmark)
            made += 1
    left = f" {passed} {'is' if passed == 1 else 'are'} measured or queued already." if passed else ""
    return f"{made} {'test is' if made == 1 else 'tests are'} queued.{left}"


def show_own(workspace: Workspace) -> None:
    """Draw the own benchmarks with the ways to a new one."""
    with session.store() as db:
        known = stored.named(db)
    told = st.session_state.pop("own_told", "")
    if told:
        st.success(plain(told), icon=":material/check:")
    way = st.segmented_control(
        "A new benchmark", [FILE, WRITE], default=FILE, required=True, key="own_way", label_visibility="collapsed"
    )
    with errors.shown():
        if way == FILE:
            _from_file(workspace)
        else:
            _from_items(workspace)
    if not known:
        return
    st.markdown("##### Yours")
    for one in known:
        with st.container(horizontal=True, vertical_alignment="center"):
            version = f", version {one.versions}" if one.versions > 1 else ""
            st.markdown(
                f"**{plain(one.name)}** :gray[{one.kind}, {one.items:,} items{version}, hash {one.sha[:8]}]",
                width="stretch",
            )
            with st.popover("Delete", icon=":material/delete:"):
                st.write(f"This takes {plain(one.name)} off the list. What was measured on it stays.")
                if st.button("Delete it", key=f"delete-{one.name}"):
                    own_benchmarks.delete(workspace, one.name)
                    st.rerun()


def _name_and_kind(usual: str, key: str) -> tuple[str, str]:
    name = st.text_input("Name", usual, key=f"own-name-{key}", max_chars=own_benchmarks.MOST_NAME_LETTERS, width=320)
    kinds = own_benchmarks.KINDS
    kind = st.selectbox("What it tests", kinds, key=f"own_kind_{key}", width=220, format_func=str.capitalize)
    return name, str(kind)


def _from_file(workspace: Workspace) -> None:
    dropped = st.file_uploader("A table of questions and answers, or JSONL of items", key="own_file")
    if dropped is None:
        st.caption("All rows become test items. Labels, numbers and texts are recognised and graded as such.")
        return
    path = uploads.kept(dropped)
    items = own_benchmarks.read_file(path)
    _show_items(items)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name, kind = _name_and_kind(own_benchmarks.name_from(path), f"file-{dropped.file_id}")
        pressed = st.button("Freeze it", type="primary", icon=":material/ac_unit:", key="freeze_file")
    if pressed:
        _freeze(workspace, name, items, kind)


def _freeze(workspace: Workspace, name: str, items: list[Item], kind: str) -> None:
    made = own_benchmarks.freeze(workspace, name, items, kind)
    st.session_state["own_told"] = f"{made.name} is frozen with {made.items:,} items, hash {made.sha[:8]}."
    st.session_state.pop(DRAFT, None)
    st.rerun()


def _show_items(items: list[Item]) -> None:
    shown = items[:100]
    st.dataframe(
        pd.DataFrame(
            {
                "Type": [item.type for item in shown],
                "Question": [item.prompt[:200] for item in shown],
                "Expected": [item.expected[:200] for item in shown],
            }
        ),
        hide_index=True,
        height=38 + 35 * min(5, len(shown)),
        alt="The items",
    )
    st.caption(f"{len(items):,} items{', the first 100 are shown' if len(items) > 100 else ''}.")


def _from_items(workspace: Workspace) -> None:
    """Draw the form for one item, and what was written so far; nothing is stored before it is frozen."""
    draft: list[dict[str, Any]] = st.session_state.setdefault(DRAFT, [])
    kind = st.selectbox("Graded as", list(TYPES), format_func=lambda name: TYPES[name], key="item_type", width=320)
    with st.form("item", clear_on_submit=True, border=False):
        fields: dict[str, Any] = {"type": kind, "prompt": st.text_area("Question", key="item_prompt", height=80)}
        if kind in ("choice", "label"):
            fields["choices"] = st.text_area("Choices, one a line", key="item_choices", height=100)
        if kind == "facts":
            fields["facts"] = st.text_area(
                "Facts, one a line; other wordings behind |", key="item_facts", height=100,
                placeholder="30 days | thirty days",
            )  # fmt: skip
        fields["answer"] = st.text_input("A good answer" if kind == "facts" else "Right answer", key="item_answer")
        fields["component"] = st.text_input("Part (several parts are scored one by one)", "answers", key="item_part")
        added = st.form_submit_button("Add the item", icon=":material/add:")
    if added:
        own_benchmarks.write_item(len(draft) + 1, fields)
        draft.append(fields)
    if not draft:
        return
    items = [own_benchmarks.write_item(number, one) for number, one in enumerate(draft, 1)]
    _show_items(items)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name, tests = _name_and_kind("", "written")
        if st.button("Freeze it", type="primary", icon=":material/ac_unit:", key="freeze_items"):
            if not name.strip():
                raise BadInput("Give the benchmark a name.")
            _freeze(workspace, name, items, tests)
        if st.button("Take the last one back", icon=":material/undo:"):
            draft.pop()
            st.rerun()


def expected_seconds(count: int, past: list[float]) -> str:
    """Return how long so many tests will take, from those that were made, or nothing."""
    if not past:
        return ""
    return f" They take about {show_duration(count * sorted(past)[len(past) // 2])}."
