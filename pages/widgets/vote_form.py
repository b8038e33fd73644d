"""Judging by eye: two answers to one question, sides hidden; what the votes say; the same on a sheet."""

import pandas as pd
import streamlit as st

from core.errors import DataError
from core.evaluation import human
from core.evaluation.human import Card
from core.evaluation.leaderboard import name_models
from core.paths import Workspace
from core.store import evaluations, votes
from core.store.evaluations import Standing
from core.store.votes import Vote
from pages.widgets import errors, models_tested, packs, session, uploads
from pages.widgets.text import plain

SAID = {"A": ("A is better", ":material/arrow_back:"), "tie": ("Both alike", ":material/drag_handle:"),
        "B": ("B is better", ":material/arrow_forward:")}  # fmt: skip


def show(workspace: Workspace) -> None:
    """Draw the choice of two models, the next question to judge, the sheet, and the outcome behind a switch."""
    with session.store() as db:
        standings = evaluations.standings(db)
    boards: dict[str, list[Standing]] = {}
    for row in standings:
        boards.setdefault(row.benchmark_sha, []).append(row)
    boards = {sha: rows for sha, rows in boards.items() if len(rows) > 1}
    if not boards:
        with st.container(border=True):
            st.markdown("**Nothing to judge yet.** Run one benchmark on two models: then you see both answers, blind.")
        return
    titles = packs.titles(workspace)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sha = st.selectbox(
            "Benchmark", list(boards), key="judged_benchmark", width=240,
            format_func=lambda one: models_tested.benchmark_title(boards[one][0], titles),
        )  # fmt: skip
        rows = {row.id: row for row in reversed(boards[sha])}
        names = name_models(list(rows.values()))
        ids = list(rows)
        first = st.selectbox(
            "One model", ids, format_func=lambda one: names[rows[one].model], key=f"judged-first-{sha}", width=240
        )
        others = [one for one in ids if one != first]
        second = st.selectbox(
            "Against", others, format_func=lambda one: names[rows[one].model], key=f"judged-second-{sha}", width=240
        )
        rater = st.text_input("Your name", key="judged_rater", width=160, max_chars=60).strip()
    pair = (min(first, second), max(first, second))  # whoever is named first, the votes are the same
    with errors.shown():
        benchmark = models_tested.pinned(workspace, sha)
        with session.store() as db:
            answers = [{row.item: row.answer for row in evaluations.items(db, one)} for one in pair]
            cast = votes.of_pair(db, *pair)
        cards = human.deal(benchmark.items, answers[0], answers[1], pair, rater)
        if not cards:
            st.caption("Both gave the same answer to every question, so there is nothing to judge.")
            return
        _judge(cards, cast, sha, pair, rater)
        with st.expander("On paper", icon=":material/print:"), errors.shown():
            _offer_sheet(cards, sha, pair, rater)
        if st.toggle("Show what the votes say", key=f"reveal-{pair[0]}-{pair[1]}") and cast:
            _show_outcome(cast, {one: names[rows[one].model] for one in pair}, pair)
            _show_strengths(sha, {one.id: names[one.model] for one in boards[sha]})
        elif not cast:
            st.caption("No votes yet.")


def _judge(cards: list[Card], cast: list[Vote], sha: str, pair: tuple[str, str], rater: str) -> None:
    """Draw the next card that this rater has not judged, and store the vote."""
    known = {vote.item for vote in cast if vote.rater == rater}
    left = [card for card in cards if card.item.id not in known]
    st.progress(1 - len(left) / len(cards), text=f"{len(cards) - len(left):,} of {len(cards):,} judged")
    if not left:
        st.success("You have judged all of them.", icon=":material/check_circle:")
        return
    card = left[0]
    with st.container(border=True):
        for turn in card.item.turns:
            st.text(turn.text)
        st.text(card.item.prompt)
        if st.toggle("Show the expected answer", key="judged_expected"):
            st.caption(plain(card.item.expected))
        for place, label, answer in zip(st.columns(2), "AB", (card.answer_a, card.answer_b), strict=True):
            with place, st.container(border=True):
                st.markdown(f"**{label}**")
                st.text(answer or "(no answer)")
        with st.container(horizontal=True, horizontal_alignment="center"):
            for said, (label, icon) in SAID.items():
                if st.button(label, icon=icon, key=f"say-{said}"):
                    with session.store() as db:
                        votes.add(db, [Vote(sha, card.item.id, *pair, card.choice_of(said), rater)])
                    st.rerun()


def _offer_sheet(cards: list[Card], sha: str, pair: tuple[str, str], rater: str) -> None:
    st.caption("The sheet has the same questions in the same order; it does not tell whose answer is whose.")
    st.download_button(
        "Save the sheet", human.write_sheet(cards), "judge by eye.csv", "text/csv", icon=":material/download:",
        on_click="ignore",
    )  # fmt: skip
    dropped = st.file_uploader("A filled sheet", type="csv", key=f"sheet-{pair[0]}-{pair[1]}-{rater}")
    if dropped is not None and st.button("Read it in", icon=":material/upload:"):
        try:
            text = uploads.kept(dropped).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise DataError(f"The sheet {dropped.name} is not UTF-8. Save it as CSV UTF-8.") from None
        read = human.read_sheet(text, cards, sha, pair, rater)
        with session.store() as db:
            votes.add(db, read)
        st.success(f"{len(read):,} {'vote is' if len(read) == 1 else 'votes are'} stored.", icon=":material/check:")


def _show_outcome(cast: list[Vote], names: dict[str, str], pair: tuple[str, str]) -> None:
    won = human.win_share([vote.choice for vote in cast])
    raters = len({vote.rater for vote in cast})
    with st.container(border=True):
        with st.container(horizontal=True, gap="medium"):
            st.metric(plain(f"{names[pair[1]]} preferred"), f"{won.share:.0%}", width="content")
            st.metric("95% interval", f"{won.low:.0%} to {won.high:.0%}", width="content")
            st.metric("Won, lost, alike", f"{won.wins}, {won.losses}, {won.ties}", width="content")
        luck = f"{100 * won.p_value:.0f} times" if won.p_value >= 0.01 else "less than once"
        st.caption(
            f"{len(cast):,} votes of {raters} {'rater' if raters == 1 else 'raters'}; a vote for both counts half. "
            f"If both were equal, such votes would come {luck} in 100 times."
        )


def _show_strengths(sha: str, names: dict[str, str]) -> None:
    """Draw the Bradley-Terry strengths of all models that were judged on a benchmark, where there are more than two."""
    with session.store() as db:
        cast = votes.of_benchmark(db, sha)
    known = {vote.first for vote in cast} | {vote.second for vote in cast}
    if len(known) < 3:
        return
    found = human.strengths([(vote.first, vote.second, vote.choice) for vote in cast])
    st.markdown("##### All models judged on this benchmark")
    st.dataframe(
        pd.DataFrame(
            {
                "Model": [names.get(one.model, one.model[-6:]) for one in found],
                "Preferred to the average": [one.share for one in found],
                "Strength": [one.value for one in found],
                "95% interval": [f"{one.low:+.2f} to {one.high:+.2f}" for one in found],
                "Votes": [one.votes for one in found],
            }
        ),
        hide_index=True,
        column_config={
            "Preferred to the average": st.column_config.NumberColumn(format="percent"),
            "Strength": st.column_config.NumberColumn(format="%+.2f"),
        },
        alt="Strengths of the models",
    )
    st.caption("Bradley-Terry strengths in log-odds; 0 is the average of the models judged.")
