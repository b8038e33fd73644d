"""Blind votes: what is dealt, sheets out and in, win shares, Bradley-Terry strengths."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest

from core.errors import DataError, MetricError
from core.evaluation import human
from core.evaluation.benchmarks import Item, make_benchmark
from core.evaluation.results import make_evaluation
from core.paths import Workspace
from core.store import evaluations, jobs
from core.store import votes as votes_store
from core.store.connection import opened, transaction
from core.store.votes import Choice, Vote

PAIR = ("one", "two")
ITEMS = [Item(id=f"i{n}", component="c", type="text", prompt=f"=Question {n}?", answer="x") for n in range(40)]
BENCHMARK = make_benchmark("b", ITEMS, {"c": 1.0}, {})
FIRST = {item.id: f"first on {item.id}" for item in ITEMS}
SECOND = {item.id: f"second, on\n{item.id}" for item in ITEMS}


def votes(first: str, second: str, wins: int, losses: int, ties: int = 0) -> list[tuple[str, str, Choice]]:
    choices: list[Choice] = ["first"] * wins + ["second"] * losses + ["tie"] * ties
    return [(first, second, choice) for choice in choices]


def test_two_models_stand_as_far_apart_as_the_odds_say() -> None:
    strong, weak = human.strengths(votes("a", "b", 30, 10))
    assert (strong.model, strong.votes) == ("a", 40)
    assert strong.value - weak.value == pytest.approx(np.log(3))
    # The variance of a log-odds is 1/30 + 1/10; each model holds half of it.
    assert strong.high - strong.value == pytest.approx(1.959964 * np.sqrt(1 / 30 + 1 / 10) / 2, rel=1e-5)


def test_three_models_whose_odds_fit_together_get_them_back() -> None:
    found = {
        one.model: one.value
        for one in human.strengths(votes("a", "b", 20, 10) + votes("b", "c", 30, 10) + votes("a", "c", 60, 10))
    }
    assert found["a"] - found["b"] == pytest.approx(np.log(2))
    assert found["b"] - found["c"] == pytest.approx(np.log(3))
    assert sum(found.values()) == pytest.approx(0)


def test_ties_count_half_for_each_and_change_nothing_between_equals() -> None:
    even = human.strengths(votes("a", "b", 5, 5, ties=10))
    assert [one.value for one in even] == pytest.approx([0, 0])
    assert human.strengths(votes("a", "b", 8, 0, ties=4))[0].value * 2 == pytest.approx(np.log(10 / 2))


def test_one_who_won_every_time_gets_a_finite_strength_with_a_wide_interval() -> None:
    strong, weak = human.strengths(votes("a", "b", 9, 0))
    assert strong.value - weak.value == pytest.approx(np.log(9.5 / 0.5))
    assert strong.high - strong.low > 2


def test_intervals_hold_the_true_strengths_nineteen_times_of_twenty() -> None:
    random = np.random.default_rng(11)
    truth = np.array([0.8, 0.1, -0.3, -0.6])
    held = total = 0
    for _ in range(150):
        cast: list[tuple[str, str, Choice]] = []
        for ours, theirs in combinations(range(4), 2):
            wins = int(random.binomial(40, 1 / (1 + np.exp(truth[theirs] - truth[ours]))))
            cast += votes(str(ours), str(theirs), wins, 40 - wins)
        for one in human.strengths(cast):
            held += one.low <= truth[int(one.model)] <= one.high
            total += 1
    assert 0.92 < held / total < 0.98


def test_models_that_no_vote_links_are_not_put_in_an_order() -> None:
    with pytest.raises(MetricError, match="never judged against"):
        human.strengths(votes("a", "b", 2, 1) + votes("c", "d", 1, 2))
    with pytest.raises(MetricError, match="no votes"):
        human.strengths([])


def test_the_win_share_counts_ties_half_and_tests_the_rest() -> None:
    won = human.win_share(["second"] * 12 + ["first"] * 4 + ["tie"] * 4)
    assert (won.wins, won.losses, won.ties) == (12, 4, 4)
    assert won.share == 0.7
    assert won.p_value == pytest.approx(0.0768, abs=1e-4)  # 12 of 16, two-sided binomial
    assert human.win_share(["second"] * 10).low == pytest.approx(0.7225, abs=1e-4)  # Wilson's, 10 of 10


def test_sides_and_order_are_shuffled_the_same_way_each_time_and_anew_for_each_rater() -> None:
    cards = human.deal(ITEMS, FIRST, SECOND, PAIR, "ann")
    assert cards == human.deal(ITEMS, FIRST, SECOND, PAIR, "ann")
    other = human.deal(ITEMS, FIRST, SECOND, PAIR, "bob")
    assert [card.item.id for card in cards] != [card.item.id for card in other]
    assert 8 < sum(card.swapped for card in cards) < 32
    for card in cards:
        assert card.answer_a == (SECOND if card.swapped else FIRST)[card.item.id]
        assert card.choice_of("A") == ("second" if card.swapped else "first")
        assert card.choice_of("B") == ("first" if card.swapped else "second")


def test_items_that_both_answer_alike_are_not_asked_about() -> None:
    cards = human.deal(ITEMS, FIRST, SECOND | {"i3": "first  on i3 "}, PAIR, "ann")
    assert len(cards) == 39
    assert "i3" not in {card.item.id for card in cards}


def filled(cards: Sequence[human.Card], said: Sequence[str], delimiter: str = ",") -> str:
    rows = list(csv.reader(io.StringIO(human.write_sheet(cards))))
    for row, word in zip(rows[1:], said, strict=False):
        row[4] = word
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows(rows)
    return "\ufeff" + stream.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_filled_sheet_gives_the_votes_that_its_marks_mean(delimiter: str) -> None:
    cards = human.deal(ITEMS, FIRST, SECOND, PAIR, "ann")
    found = human.read_sheet(filled(cards, ["A", " b", "Tie", ""], delimiter), cards, "sha", PAIR, "ann")
    assert [(vote.item, vote.choice) for vote in found] == [
        (cards[0].item.id, cards[0].choice_of("A")),
        (cards[1].item.id, cards[1].choice_of("B")),
        (cards[2].item.id, "tie"),
    ]


def test_a_sheet_hides_whose_answer_is_whose_and_holds_no_formula() -> None:
    sheet = human.write_sheet(human.deal(ITEMS, FIRST, SECOND, PAIR, "ann"))
    assert "swapped" not in sheet
    assert all(row[1].startswith("'=") for row in list(csv.reader(io.StringIO(sheet)))[1:])


def test_a_sheet_that_does_not_fit_is_refused_with_its_row() -> None:
    cards = human.deal(ITEMS, FIRST, SECOND, PAIR, "ann")
    with pytest.raises(DataError, match=r"Row 2 says 'maybe'\. Write A, B or tie"):
        human.read_sheet(filled(cards, ["maybe"]), cards, "sha", PAIR, "ann")
    with pytest.raises(DataError, match="other answers"):
        human.read_sheet(filled(human.deal(ITEMS, FIRST, SECOND, PAIR, "bob"), ["A"] * 40), cards, "sha", PAIR, "ann")
    with pytest.raises(DataError, match="first row must be item"):
        human.read_sheet("what,ever\n", cards, "sha", PAIR, "ann")
    with pytest.raises(DataError, match="not on the sheet"):
        human.read_sheet(human.write_sheet(cards).replace("i0,", "zz,"), cards, "sha", PAIR, "ann")


def test_a_rater_who_votes_again_changes_the_vote_and_nobody_elses(workspace: Workspace) -> None:
    with opened(workspace) as db:
        job = jobs.create(db, kind="evaluate", name="test", spec={}).id
        for name in PAIR:
            answers = [SimpleNamespace(item=item.id, component="c", text="x", score=1.0) for item in ITEMS]
            scored = make_evaluation(
                job=job, base="starter", base_fingerprint="f", adapter="", benchmark=BENCHMARK, settings="s",
                answers=answers, seconds=1.0, tokens=1,
            )  # fmt: skip
            with transaction(db):
                evaluations.insert(db, replace(scored.row, id=name), scored.items)
        votes_store.add(db, [Vote("sha", "i1", *PAIR, "first", "ann"), Vote("sha", "i1", *PAIR, "tie", "bob")])
        votes_store.add(db, [Vote("sha", "i1", *PAIR, "second", "ann")])
        assert [(vote.rater, vote.choice) for vote in votes_store.of_pair(db, *PAIR)] == [
            ("bob", "tie"),
            ("ann", "second"),
        ]
