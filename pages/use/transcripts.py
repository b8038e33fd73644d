"""Transcripts: a conversation goes in, scores with their reasons come out; nothing is kept unless somebody says so."""

import streamlit as st

from core.catalog import rubrics
from core.errors import AppError
from core.scoring import models
from pages.widgets import (
    correction_form,
    errors,
    kept_list,
    score_actions,
    score_card,
    scoring_run,
    session,
    transcript_form,
    transcript_view,
)
from pages.widgets.scoring_run import Choice, Shown
from pages.widgets.text import plain, sentence

SHOWN = "transcripts_shown"
PRESENTING = "present"
workspace = session.workspace()
known = rubrics.all_rubrics(workspace)


def choose_how() -> Choice:
    """Draw the choices that most people leave alone."""
    with st.popover("Options", icon=":material/tune:"):
        rubric = st.selectbox("Rubric", list(known), format_func=lambda one: known[one].title, key="transcript_rubric")
        listed = {one.id: one for one in models.list_models(workspace, known[rubric])}
        titles = {name: f"{one.name}, {one.note}" for name, one in listed.items()}
        used = next(one for one in listed.values() if one.scores)
        model = st.selectbox(
            "Scored by",
            ["", *listed],
            format_func=lambda one: titles.get(one, f"In use: {used.name}"),
            key=f"transcript_model-{rubric}",
        )
        beside = st.selectbox(
            "Compare with",
            ["", *(name for name in listed if name != (model or used.id))],
            format_func=lambda one: titles.get(one, "nothing"),
            key=f"transcript_beside-{rubric}",
        )
        mask = st.toggle(
            "Mask personal data first",
            key="transcript_mask",
            help="Names, dates, numbers and addresses that can be told by their form are replaced before anything else "
            "reads the text. Names in running speech often can't be told, so look the text over.",
        )
    return Choice(known[rubric], model, beside, mask)


def show_form() -> None:
    """Draw the way in; a press scores what is given and remembers it for this browser tab alone."""
    given = transcript_form.show(st.session_state.get("transcript_rubric", next(iter(known))), workspace)
    with st.container(horizontal=True, vertical_alignment="center"):
        pressed = st.button("Score", type="primary", icon=":material/play_arrow:", key="transcript_score")
        choice = choose_how()
    st.caption("Scored on this computer. Nothing is kept unless you choose to.")
    if not pressed:
        return
    if not given:
        st.session_state.pop(SHOWN, None)
        st.warning("There is no conversation yet. Paste one, drop a file, or pick a sample.", icon=":material/info:")
        return
    with st.spinner("Reading the conversation" if len(given) == 1 else f"Reading {len(given)} conversations"):
        try:
            st.session_state[SHOWN] = scoring_run.run(workspace, given, choice)
        except AppError as error:
            st.session_state.pop(SHOWN, None)
            st.error(sentence(str(error)), icon=":material/error:")


def show_refused(shown: Shown) -> None:
    for name, told in shown.refused:
        st.error(f"**{plain(name)}**: {sentence(told)}" if shown.many else sentence(told), icon=":material/error:")


def show_result(shown: Shown) -> None:
    """Draw one conversation's scores, or the table of several with the chosen one below."""
    show_refused(shown)
    if not shown.entries:
        return
    place = score_actions.pick(shown) if len(shown.entries) > 1 else 0
    entry = shown.entries[place]
    beside = shown.beside(place)
    if len(shown.entries) > 1:
        st.markdown(f"#### {plain(entry.name)}")
    score_card.show(shown.rubric, entry.scored, beside)
    if beside:
        st.caption(f"Bars show {plain(shown.scored_by)}, the upright lines {plain(beside[0])}.")
    else:
        st.caption(f"Scored by {plain(shown.scored_by)}.")
    if entry.scored.adapter == models.BASE:
        st.info(
            "The base scored this, which was never trained to: the numbers mean little. Options offer others.",
            icon=":material/info:",
        )
    if entry.scored.adapter == models.BUNDLED:
        st.caption(
            "The shipped adapter runs on the small starter. It knows the phrases of the made samples, not real talk. "
            "For real use, train a larger base on transcripts that people rated (New job, A rubric)."
        )
    score_card.show_flags(entry.scored)
    score_card.show_notes(entry.scored)
    score_actions.show(workspace, shown, place)


def show_conversation(shown: Shown) -> None:
    if not shown.entries:
        return
    entry = shown.entries[score_actions.picked(shown)]
    if entry.transcript is not None:
        st.markdown("**What the scores rest on**")
        transcript_view.show(shown.rubric, entry.transcript, entry.scored)


def show_presentation(shown: Shown) -> None:
    """Draw one conversation for a room: large type, nothing to set."""
    entry = shown.entries[score_actions.picked(shown)]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.subheader(plain(entry.name), anchor=False)
        if st.button("Leave presenter's view", icon=":material/close_fullscreen:", type="tertiary"):
            st.session_state.pop(PRESENTING, None)
            st.rerun()
    left, right = st.columns([5, 6], gap="large")
    with left:
        score_card.show(shown.rubric, entry.scored, shown.beside(score_actions.picked(shown)), large=True)
    with right:
        if entry.transcript is not None:
            transcript_view.show(shown.rubric, entry.transcript, entry.scored, large=True)


scoring_run.warm_up(workspace)
shown: Shown | None = st.session_state.get(SHOWN)
if st.session_state.get(PRESENTING) and shown and shown.entries:
    st.set_page_config(initial_sidebar_state="collapsed")
    show_presentation(shown)
    st.stop()

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
    st.title("Transcripts", anchor=False)
    present = st.empty()
left, right = st.columns([5, 7], gap="small")
with left, errors.shown():
    show_form()
    correction_form.show_stored(workspace, known[st.session_state["transcript_rubric"]])
    opened = kept_list.show(workspace)
    if opened is not None:
        st.session_state[SHOWN] = opened
shown = st.session_state.get(SHOWN)
with right:
    if shown is None:
        score_actions.show_nothing_yet(known[st.session_state.get("transcript_rubric", next(iter(known)))])
    else:
        show_result(shown)
if shown is not None:
    show_conversation(shown)
    if shown.entries and present.button("Presenter's view", icon=":material/slideshow:"):
        st.session_state[PRESENTING] = True
        st.rerun()
