"""Benchmarks: run tests, read what came out item by item, see what adapters forgot, judge by eye."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from core.catalog import bases
from core.errors import AppError, BadInput
from core.evaluation import own_benchmarks
from core.evaluation.results import compare_stored
from core.process import queue
from core.store import evaluations, jobs
from core.store.evaluations import Standing, VerdictRow
from core.store.jobs import Job
from core.store.states import ALIVE, WAITING
from core.wording import show_duration
from pages.widgets import (
    benchmark_form,
    errors,
    item_table,
    job_state,
    matrix,
    models_tested,
    packs,
    session,
    verdict_card,
    vote_form,
)
from pages.widgets.text import plain, sentence

SHOWN = 500
ROWS_IN_SIGHT = 7
WAITING_SHOWN = 2
RESULTS, FORGETTING, BY_EYE = "Results", "Forgetting", "Judge by eye"

workspace = session.workspace()
with session.store() as db:
    total = evaluations.count(db)
    at_work = [job for job in jobs.in_states(db, (*ALIVE, *WAITING)) if job.kind == "evaluate"]


@st.fragment(run_every="1s")
def show_running(ids: set[str]) -> None:
    """Draw the evaluations at work and how many wait; when one ends, the page is drawn anew."""
    with errors.shown():
        with session.store() as db:
            now = [job for job in jobs.in_states(db, (*ALIVE, *WAITING)) if job.id in ids]
        if len(now) < len(ids):
            st.rerun()
        for job in now:
            if job.is_alive:
                with st.container(border=True):
                    with st.container(horizontal=True, vertical_alignment="center"):
                        st.markdown(f"**#{job.number}** {plain(job.name)}", width="stretch")
                        show_cancel([job], "Cancel")
                    job_state.show_progress(workspace, job)
        held = [job for job in now if not job.is_alive]
        if held:
            with st.container(horizontal=True, vertical_alignment="center"):
                names = ", ".join(f"#{job.number} {plain(job.name)}" for job in held[:WAITING_SHOWN])
                more = f" and {len(held) - WAITING_SHOWN} more" if len(held) > WAITING_SHOWN else ""
                st.caption(f"{len(held)} waiting: {names}{more}.", width="stretch")
                show_cancel(held, "Cancel what waits")


def show_cancel(chosen: list[Job], label: str) -> None:
    if st.button(label, key=f"cancel-{chosen[0].id}-{len(chosen)}", icon=":material/stop:"):
        with session.store() as db:
            for job in chosen:
                try:
                    queue.cancel(db, jobs.get(db, job.id))
                except AppError:  # it has ended meanwhile, which is what was wanted
                    continue
        st.rerun()


def pick() -> list[Standing]:
    """Draw the evaluations and return the one or two that are chosen."""
    if "shown_evaluations" in st.session_state:  # asked for from elsewhere: they stay on top until one searches
        st.session_state["asked_for"] = st.session_state.pop("shown_evaluations")
    wanted = st.text_input(
        "Search", placeholder="Search by model or benchmark", label_visibility="collapsed", key="evaluation_search"
    )
    asked = [] if wanted else st.session_state.get("asked_for", [])
    with session.store() as db:
        known = evaluations.recent(db, SHOWN, wanted.split())
        more = [found for one in asked if (found := evaluations.standing(db, one)) is not None]
    known = [*more, *(row for row in known if row.id not in {one.id for one in more})]
    if not known:
        st.caption(f"None of the {total:,} evaluations is like that.")
        return []
    titles = packs.titles(workspace)
    selected = st.dataframe(
        pd.DataFrame(
            {
                "Model": [models_tested.title_of(row) for row in known],
                "Benchmark": [models_tested.benchmark_title(row, titles) for row in known],
                "Score": [100 * row.score for row in known],
                "95% interval": [f"{row.low:.0%} to {row.high:.0%}" for row in known],
                "Items": [row.items for row in known],
                "Base": [bases.title_of(row.base) if row.adapter else "" for row in known],
                "Made": [session.show_when(row.created_at) for row in known],
            }
        ),
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": list(range(len(more))) or [0]}},
        key=f"evaluations-{known[0].id}-{len(known)}-{wanted}-{'-'.join(asked)}",
        height=38 + 35 * min(len(known), ROWS_IN_SIGHT),
        column_config={
            "Model": st.column_config.TextColumn(width=270),
            "Benchmark": st.column_config.TextColumn(width=170),
            "Score": st.column_config.NumberColumn(format="%.0f%%", width=70),
            "Items": st.column_config.NumberColumn(format="localized", width=60),
        },
        alt="Evaluations, the newest first",
    )["selection"]["rows"]
    if len(known) == SHOWN:
        st.caption(f"The newest {SHOWN:,} of {total:,}; search for others.")
    chosen = [known[place] for place in selected if place < len(known)]
    if len(chosen) > 2:
        st.info("Choose one evaluation, or two to compare them.", icon=":material/touch_app:")
        return []
    return chosen


def pair_up(chosen: Sequence[Standing]) -> list[Standing]:
    """Return what is shown: two as chosen, the base first; an adapter alone with its base on the same items."""
    if len(chosen) == 2:
        return sorted(chosen, key=lambda row: (bool(row.adapter), row.created_at))
    one = chosen[0]
    if not one.adapter:
        return [one]
    with session.store() as db:
        base = evaluations.find_reusable(
            db, base_fingerprint=one.base_fingerprint, adapter="", benchmark_sha=one.benchmark_sha,
            settings_sha=one.settings_sha,
        )  # fmt: skip
        found = evaluations.standing(db, base.id) if base else None
    return [found, one] if found else [one]


@st.cache_data(show_spinner=False, max_entries=200)
def compared(root: str, first: str, second: str) -> VerdictRow:
    """Return the verdict on two evaluations; they never change, so it is computed once."""
    with session.store() as db:
        stored = evaluations.stored_verdict(db, first, second)
        if stored is not None:
            return stored
        rows = evaluations.get(db, first), evaluations.get(db, second)
        content = compare_stored(db, workspace, *rows).to_dict()
    return VerdictRow(f"{first}-{second}", "", first, second, rows[0].benchmark, content["outcome"], content, 0.0)


def name_in_sentence(verdict: VerdictRow, labels: Sequence[str]) -> VerdictRow:
    """Return the verdict with the models' names in its sentence, where it says only the first and the second."""
    told = verdict.content["sentence"]
    for words, label in (("the first model", labels[0]), ("the second model", labels[1])):
        told = told.replace(words, label).replace(words.capitalize(), label)
    return replace(verdict, content=verdict.content | {"sentence": told})


def label_all(shown: Sequence[Standing]) -> tuple[str, ...]:
    """Return what the models are called beside each other."""
    if len(shown) == 2 and not shown[0].adapter and shown[1].adapter and shown[0].base == shown[1].base:
        return "Base", "Tuned"
    names = [models_tested.title_of(row) for row in shown]
    if len(names) == 2 and names[0] == names[1]:
        return f"{names[0]} ({shown[0].id[-4:]})", f"{names[1]} ({shown[1].id[-4:]})"
    return tuple(names)


def show_results() -> None:
    chosen = pick()
    if not chosen:
        return
    shown = pair_up(chosen)
    if len({row.benchmark_sha for row in shown}) > 1:
        raise BadInput("The two evaluations are of different items. Choose two of the same benchmark to compare them.")
    labels = label_all(shown)
    last = shown[-1]
    st.subheader(plain(" against ".join(models_tested.title_of(row) for row in reversed(shown))), anchor=False)
    facts = [
        models_tested.benchmark_title(last, packs.titles(workspace)),
        f"{last.items:,} items",
        show_duration(last.seconds),
        f"{1000 * last.seconds / max(1, last.items):,.0f} ms per item",
        f"{last.tokens / max(1e-9, last.seconds):,.0f} tokens/s",
        f"job #{last.job_number}",
    ]
    st.caption(plain(" · ".join(facts)), help=plain(f"For the command, this evaluation is {last.id}."))
    if len(shown) == 2:
        with errors.shown():
            verdict = compared(str(workspace.root), shown[0].id, shown[1].id)
            verdict_card.show(name_in_sentence(verdict, labels), (labels[0], labels[1]))
    else:
        show_alone(last)
    benchmark = models_tested.pinned(workspace, last.benchmark_sha)
    answered = item_table.read(benchmark, shown)
    st.markdown("##### Item by item")
    item_table.show(answered, shown, labels)
    if item_table.has_labels(benchmark):
        # What is closed is not drawn: to find the labels in all answers takes a moment.
        place = st.expander(
            "Which label was taken for which",
            icon=":material/grid_view:",
            key=f"confusion-{last.id}",
            on_change="rerun",
        )
        if place.open:
            with place:
                item_table.show_confusion(answered, labels, last.id)
    item_table.offer_exports(answered, shown, labels, lambda: own_benchmarks.industry_shas(workspace))


def show_alone(row: Standing) -> None:
    """Draw the score of one evaluation with its parts."""
    with session.store() as db:
        whole = evaluations.get(db, row.id)
    with st.container(border=True):
        with st.container(horizontal=True, gap="medium"):
            st.metric("Score", f"{row.score:.0%}", width="content")
            st.metric("95% interval", f"{row.low:.0%} to {row.high:.0%}", width="content")
            if row.cost is not None:
                st.metric("Cost", f"{row.cost:.4g} {row.currency}", width="content")
        parts = list(whole.components.values())
        if len(parts) > 1:
            st.dataframe(
                pd.DataFrame(
                    {
                        "Part": [part["title"] for part in parts],
                        "Counts": [100 * part["weight"] for part in parts],
                        "Items": [part["items"] for part in parts],
                        "Score": [100 * part["score"] for part in parts],
                        "95% interval": [
                            f"{part['low']:.0%} to {part['high']:.0%}" for part in whole.components.values()
                        ],
                    }
                ),
                hide_index=True,
                height=38 + 35 * min(12, len(parts)),
                column_config={
                    "Counts": st.column_config.NumberColumn(format="%.0f%%"),
                    "Score": st.column_config.NumberColumn(format="%.0f%%"),
                },
                alt="Scores of the parts",
            )
        if row.adapter:
            st.caption("Run the same benchmark on its base to get a verdict.")


st.title("Benchmarks", anchor=False)
if at_work:
    show_running({job.id for job in at_work})
with session.store() as db:
    failed = [job for job in jobs.recent(db, 5, "evaluate") if job.state == "failed"]
if failed and failed[0].id not in st.session_state.setdefault("failures_seen", set()):
    with st.container(horizontal=True, vertical_alignment="center"):
        st.error(f"Job #{failed[0].number} failed. {sentence(failed[0].error)}", icon=":material/error:")
        if st.button("Understood", icon=":material/check:"):
            st.session_state["failures_seen"].add(failed[0].id)
            st.rerun()
is_new = st.session_state.setdefault("is_new_here", not total and not at_work)  # it stays open once it was
for name, icon, form, is_open in (
    ("Run benchmarks", ":material/play_circle:", benchmark_form.show_run, is_new),
    ("Own benchmarks", ":material/edit_note:", benchmark_form.show_own, False),
):
    # What is closed is not drawn: reading all specialists takes a moment.
    place = st.expander(name, icon=icon, expanded=is_open, key=f"form-{name}", on_change="rerun")
    if place.open:
        with place, errors.shown():
            form(workspace)
if not total and at_work:
    st.caption("What comes out stands here.")
elif not total:
    with st.container(border=True):
        st.markdown("**Nothing measured yet.** Choose a model and a benchmark above; the starter takes half a minute.")
else:
    drawn = {
        RESULTS: show_results,
        FORGETTING: lambda: matrix.show(workspace),
        BY_EYE: lambda: vote_form.show(workspace),
    }
    tabs = st.tabs(list(drawn), key="benchmark_tabs", on_change="rerun")
    for tab, draw in zip(tabs, drawn.values(), strict=True):
        if tab.open:
            with tab, errors.shown():
                draw()
