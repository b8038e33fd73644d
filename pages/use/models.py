"""Models: every adapter with its stage, what the gate says about one, and what can be done with it."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from core.errors import AppError, NotFound
from core.registry import promotion
from core.registry.cards import write_card
from core.registry.promotion import Look
from core.registry.report import make_report
from core.registry.report_html import write_html
from core.store import adapters, proposals, registry
from core.store.registry import RUBRIC, SPECIALIST, STAGES, Decision, Entry
from core.store.reviews import Review
from core.wording import clip
from pages.widgets import errors, model_card, packs, review_form, session
from pages.widgets.text import plain, sentence

ROWS_IN_SIGHT = 6
EVERYTHING = ""

workspace = session.workspace()
titles = packs.titles(workspace)
with session.store() as db:
    found = registry.entries(db)
names = {one.id: one.name for one in found}


def scope_title(scope: str) -> str:
    if scope.startswith(SPECIALIST):
        return f"Specialist {scope.removeprefix(SPECIALIST)}"
    if scope.startswith(RUBRIC):
        return f"Rubric {scope.removeprefix(RUBRIC)}"
    return packs.benchmark_title(scope, titles)


def read_wish() -> None:
    """Note which adapter a link or a press asks for; one that does not exist is told and forgotten."""
    state = st.session_state
    asked, link = state.pop("shown_model", ""), st.query_params.get("model", "")
    if not asked and link != state.get("listed_model"):
        asked = link
    if not asked:
        return
    try:
        with session.store() as db:
            wanted = adapters.find(db, asked).id
    except NotFound:
        wanted = ""
        st.warning(f"There is no adapter {plain(asked)}. The newest one is shown.", icon=":material/search_off:")
    state["models_round"], state["models_wanted"] = state.get("models_round", 0) + 1, wanted


def pick() -> Entry:
    """Draw the list, filtered by scope, and return the adapter that is chosen in it."""
    scopes = sorted({one.scope for one in found if one.scope})
    shown, scope = found, EVERYTHING
    if len(scopes) > 1:
        scope = st.selectbox(
            "For",
            [EVERYTHING, *scopes],
            format_func=lambda one: scope_title(one) if one else "everything",
            key="model_scope",
            width=320,
        )
        shown = [one for one in found if scope in (EVERYTHING, one.scope)] or found
    if len(shown) == 1:
        return shown[0]
    ids = [one.id for one in shown]
    wanted = st.session_state.get("models_wanted", "")
    place = ids.index(wanted) if wanted in ids else 0
    selected = st.dataframe(
        pd.DataFrame(
            {
                "Stage": [[one.stage] for one in shown],
                "Name": [one.name for one in shown],
                "Score": [None if one.score is None else 100 * one.score for one in shown],
                "95% interval": [_interval(one) for one in shown],
                "For": [scope_title(one.scope) for one in shown],
                "Made": [session.show_when(one.created_at) for one in shown],
            }
        ),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [place]}},
        key=f"models-{st.session_state.get('models_round', 0)}-{scope}-{len(ids)}",
        height=38 + 35 * min(len(shown), ROWS_IN_SIGHT),
        column_config={
            "Stage": st.column_config.MultiselectColumn(
                width=105, options=list(STAGES), color=[model_card.STAGES[stage][0] for stage in STAGES]
            ),
            "Name": st.column_config.TextColumn(width=270),
            "Score": st.column_config.NumberColumn(format="%.0f%%", width=65),
            "95% interval": st.column_config.TextColumn(width=110),
            "For": st.column_config.TextColumn(width=170),
            "Made": st.column_config.TextColumn(width=100),
        },
        alt="Adapters, the newest first",
    )["selection"]["rows"]
    return shown[selected[0]] if selected else shown[place]


def _interval(one: Entry) -> str:
    if one.low is None or one.high is None:
        return "not tested"
    return f"{100 * one.low:.0f} to {100 * one.high:.0f}%"


def act(chosen: Entry, action: Callable[[], Decision]) -> None:
    """Decide something, and draw the page anew with what came of it or why it was refused."""
    try:
        with st.spinner("Checking every byte"):
            made = action()
        st.session_state["model_told"] = (made.action, model_card.describe(made, names))
    except AppError as error:
        st.session_state["model_told"] = ("refused", sentence(str(error)))
    st.session_state["shown_model"] = chosen.id
    st.rerun()


def show_told() -> None:
    """Draw what came of the last press."""
    if "model_told" not in st.session_state:
        return
    action, text = st.session_state.pop("model_told")
    if action == "refused":
        st.error(text, icon=":material/error:")
    elif action == "hold":
        st.warning(text, icon=":material/front_hand:")
    else:
        st.success(text, icon=":material/check_circle:")


def show_head(chosen: Entry, seen: Look) -> None:
    """Draw which adapter it is, its stage, what serves now, and whether its files are whole."""
    st.subheader(plain(chosen.name), anchor=False)
    facts = [scope_title(chosen.scope), f"made {session.show_when(chosen.created_at)}"]
    if seen.production and seen.stage != "production":
        facts.append(f"in production now: {clip(names.get(seen.production, seen.production), 60)}")
    st.markdown(f":small[{model_card.badge_text(seen.stage)} :gray[{plain(' · '.join(facts))}]]")
    if seen.known.facts.damage:
        more = " Roll back, or put the folder back from a backup." if seen.stage == "production" else ""
        st.error(f"Its folder is damaged: {plain(seen.known.facts.damage)}.{more}", icon=":material/broken_image:")
    if seen.known.verdict:
        st.write(plain(seen.known.verdict["sentence"]))


def show_actions(chosen: Entry, seen: Look) -> None:
    """Draw what can be done with the adapter in its stage, and do it."""
    with session.store() as db:
        last = registry.undoable(db, chosen.scope)
        earlier = registry.earlier_productions(db, chosen.scope) if seen.stage == "production" else []
    reverses = f"{plain(names.get(last.adapter, last.adapter))} {model_card.ACTIONS[last.action]}" if last else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        if seen.stage != "production":
            offer_promotion(chosen, seen)
        elif earlier and st.button(
            "Roll back", icon=":material/history:", help=f"{plain(names.get(earlier[0], earlier[0]))} serves again."
        ):
            act(chosen, lambda: promotion.rollback(workspace, chosen.scope))
        if last is not None and st.button(
            "Undo",
            icon=":material/undo:",
            help=f"Reverses decision {last.id}: {reverses}.",
        ):
            act(chosen, lambda: promotion.undo(workspace, chosen.scope))
        if seen.stage == "candidate" and st.button("Archive", icon=":material/inventory_2:"):
            act(chosen, lambda: promotion.archive(workspace, chosen.id))
        st.download_button(
            "Model card",
            lambda: write_card(seen.known.row.card),
            f"{chosen.id} card.md",
            "text/markdown",
            icon=":material/download:",
            on_click="ignore",
        )
        st.download_button(
            "Report",
            lambda: write_html(make_report(workspace, chosen.id)),
            f"{chosen.id} report.html",
            "text/html",
            icon=":material/download:",
            on_click="ignore",
        )


def offer_promotion(chosen: Entry, seen: Look) -> None:
    """Draw the way into production: one press, or first a reason where the gate holds it back."""
    holding = [one for one in seen.ruling.results if one.holds]
    if not holding:
        if st.button("Promote", type="primary", icon=":material/publish:"):
            act(chosen, lambda: promotion.decide(workspace, chosen.id))
        return
    if not seen.ruling.can_be_overruled:
        damaged = bool(seen.known.facts.damage)
        why = "A damaged adapter can't serve." if damaged else "First a person must find it fit; see below."
        st.button("Promote", icon=":material/publish:", disabled=True, help=why)
        return
    with st.popover("Promote", icon=":material/publish:"):
        st.write(f"The gate holds it back: {sentence('; '.join(one.told for one in holding))}.")
        reason = st.text_area("Why it may serve all the same", max_chars=1000, key=f"why-{chosen.id}")
        if st.button("Promote it", type="primary", disabled=not reason.strip()):
            act(chosen, lambda: promotion.decide(workspace, chosen.id, reason=reason))
        st.caption("What you write stays with the decision.")


def show_review(chosen: Entry, seen: Look) -> None:
    review_form.show(seen, scope_title(chosen.scope), lambda action: write_review(chosen, action))


def write_review(chosen: Entry, action: Callable[[], Review]) -> None:
    """Write a review down, and draw the page anew with it or why it was refused."""
    try:
        made = action()
        told = ("reviewed", f"The review of {plain(made.who)} is written down.")
    except AppError as error:
        told = ("refused", sentence(str(error)))
    st.session_state["model_told"], st.session_state["shown_model"] = told, chosen.id
    st.rerun()


st.title("Models", anchor=False)
if not found:
    with st.container(border=True):
        st.markdown("**No adapters yet.** A training job leaves one; here it is compared, promoted and handed on.")
        st.page_link("pages/train/new_job.py", label="Train one", icon=":material/add_circle:")
    st.stop()
read_wish()
chosen = pick()
st.session_state["listed_model"] = st.query_params["model"] = chosen.id
show_told()
with errors.shown():
    seen = promotion.look(workspace, chosen.id, by_size=True)
    show_head(chosen, seen)
    show_actions(chosen, seen)
    asks_for_review = seen.stage != "production" and review_form.is_wanted(seen)
    if asks_for_review:
        with st.container(border=True):
            show_review(chosen, seen)
    with session.store() as db:
        history = registry.decisions(db, chosen.scope, chosen.id)
        proposed = proposals.find(db, chosen.id)
    drawn: dict[str, Callable[[], None]] = {
        "Gate": lambda: model_card.show_gate(seen, proposed),
        "Lineage": lambda: model_card.show_lineage(seen),
        "Decisions": lambda: model_card.show_decisions(history, names),
    }
    if not asks_for_review:
        drawn["Reviews"] = lambda: show_review(chosen, seen)
    for tab, draw in zip(st.tabs(list(drawn)), drawn.values(), strict=True):
        with tab, errors.shown():
            draw()
