"""Metrics give known answers, and the same as other implementations or plain counting on many random cases."""

import json
import math
import random
import re
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, f1_score

from core.evaluation.metrics import code, labels, sql, structures, texts
from core.evaluation.metrics.numbers import last_number

CASES = 1_000
WORDS = [
    "the",
    "a",
    "An",
    "cat",
    "Cat.",
    "sat",
    "on",
    "mat,",
    "x-ray",
    "Zoë",
    "42",
    "3.5",
    "is",
    "don't",
    "the-end",
    "  ",
    "\n",
]


def cases(seed: int, count: int = CASES) -> Iterator[random.Random]:
    """Yield a source of chance for each case; one that fails can be had again by its number."""
    for number in range(count):
        yield random.Random(seed * 1_000_003 + number)


def sentence(chance: random.Random, most: int = 12) -> str:
    return " ".join(chance.choices(WORDS, k=chance.randint(0, most)))


def label_case(chance: random.Random) -> tuple[list[str], list[str]]:
    names = [f"label {letter}" for letter in string.ascii_lowercase[: chance.randint(1, 6)]]
    count = chance.randint(1, 40)
    expected = chance.choices(names, k=count)
    return chance.choices([*names, labels.NO_LABEL], k=count), expected


def f1_by_hand(named: list[str], expected: list[str], label: str) -> float:
    hits = sum(ours == theirs == label for ours, theirs in zip(named, expected, strict=True))
    total = named.count(label) + expected.count(label)
    return 2 * hits / total if total else 0.0


def test_label_metrics_equal_scikit_learn_and_counting() -> None:
    for chance in cases(1):
        named, expected = label_case(chance)
        known = sorted(set(expected))
        by_hand = sum(f1_by_hand(named, expected, label) for label in known) / len(known)
        theirs = f1_score(expected, named, labels=known, average="macro", zero_division=0)
        assert labels.macro_f1(named, expected) == pytest.approx(by_hand) == pytest.approx(theirs)
        micro = f1_score(expected, named, labels=known, average="micro", zero_division=0)
        assert labels.micro_f1(named, expected) == pytest.approx(micro)
        if labels.NO_LABEL not in named and set(named) <= set(known):
            assert labels.micro_f1(named, expected) == pytest.approx(accuracy_score(expected, named))
        rows, table = labels.confusion(named, expected)
        assert (table == confusion_matrix(expected, named, labels=rows)).all() and rows[-1] == labels.NO_LABEL


def test_kappa_equals_scikit_learns_over_the_whole_scale() -> None:
    for chance in cases(2):
        scale = range(1, chance.randint(2, 10))
        count = chance.randint(2, 40)
        ours, theirs = chance.choices(scale, k=count), chance.choices(scale, k=count)
        if len({*ours, *theirs}) < 2:
            assert labels.quadratic_kappa(ours, theirs) == 1.0
            continue
        right = cohen_kappa_score(ours, theirs, labels=list(range(0, 12)), weights="quadratic")
        assert labels.quadratic_kappa(ours, theirs) == pytest.approx(right)


def test_a_score_that_nobody_gave_still_lies_between_its_neighbours() -> None:
    # 1 for 5 is worse than 1 for 2, though no 3 and no 4 was given.
    assert labels.quadratic_kappa([1, 2, 5, 1], [1, 2, 5, 5]) < labels.quadratic_kappa([1, 2, 5, 1], [1, 2, 5, 2])
    assert labels.quadratic_kappa([1, 2, 5], [1, 2, 5]) == 1.0
    assert labels.quadratic_kappa([1.2, 4.6], [1, 5]) == 1.0
    assert labels.quadratic_kappa([1, 5], [5, 1]) == -1.0
    assert labels.quadratic_kappa([3, 3], [1, 5]) == 0.0


# Rajpurkar et al. 2016, 6.1: punctuation and articles are ignored; F1 of prediction and truth as bags of words.
def squad_bag(text: str) -> Counter[str]:
    kept = "".join(" " if letter.isspace() else letter for letter in text.lower() if letter not in string.punctuation)
    return Counter(word for word in kept.split(" ") if word and word not in ("a", "an", "the"))


def squad_f1(answer: str, expected: str) -> float:
    ours, theirs = squad_bag(answer), squad_bag(expected)
    if not ours or not theirs:
        return float(ours == theirs)
    shared = sum(min(ours[word], theirs[word]) for word in ours)
    if not shared:
        return 0.0
    precision, recall = shared / ours.total(), shared / theirs.total()
    return 2 * precision * recall / (precision + recall)


def test_question_metrics_equal_the_papers_definition() -> None:
    for chance in cases(3):
        answer, expected = sentence(chance), sentence(chance)
        if chance.random() < 0.3:
            answer = f"The {expected.upper()}!"
        assert texts.token_f1(answer, expected) == pytest.approx(squad_f1(answer, expected))
        kept = [[word for word in re.sub(r"[^\w\s]|_", "", one.lower()).split() if word not in ("a", "an", "the")]
                for one in (answer, expected)]  # fmt: skip
        assert texts.exact_match(answer, expected) == float(kept[0] == kept[1])


def test_rouge_l_equals_rouge_score() -> None:
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    for chance in cases(4):
        answer, expected = sentence(chance, 90), sentence(chance, 90)
        theirs = scorer.score(expected, answer)["rougeL"].fmeasure
        assert texts.rouge_l(answer, expected) == pytest.approx(theirs)


def test_rouge_l_of_long_texts_takes_no_time() -> None:
    chance = random.Random(5)
    first, second = (" ".join(chance.choices(string.ascii_lowercase, k=5_000)) for _ in range(2))
    began = time.perf_counter()
    assert 0.2 < texts.rouge_l(first, second) < 0.5
    assert time.perf_counter() - began < 1.0


def test_bleu_and_chrf_equal_sacrebleu() -> None:
    for chance in cases(6):
        count = chance.randint(1, 3)
        answers, expected = ([sentence(chance) for _ in range(count)] for _ in range(2))
        assert texts.bleu(answers, expected) == pytest.approx(sacrebleu.corpus_bleu(answers, [expected]).score / 100)
        assert texts.chrf(answers, expected) == pytest.approx(sacrebleu.corpus_chrf(answers, [expected]).score / 100)
        one = sacrebleu.sentence_bleu(answers[0], [expected[0]]).score / 100
        assert texts.bleu_of_one(answers[0], expected[0]) == pytest.approx(one)
        one = sacrebleu.sentence_chrf(answers[0], [expected[0]]).score / 100
        assert texts.chrf_of_one(answers[0], expected[0]) == pytest.approx(one)


def test_known_answers_of_text_metrics() -> None:
    assert texts.bleu(["the cat sat on the mat"], ["the cat sat on the mat"]) == pytest.approx(1.0)
    # Precisions 5/6, 3/5, 1/4 and, smoothed as sacrebleu does, 1/(2·3); no brevity penalty.
    assert texts.bleu(["the cat is on the mat"], ["the cat sat on the mat"]) == pytest.approx(
        (5 / 6 * 3 / 5 * 1 / 4 * 1 / 6) ** 0.25
    )
    assert texts.rouge_l("police kill the gunman", "police killed the gunman") == pytest.approx(0.75)  # Lin 2004, S2
    assert texts.rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(0.5)  # Lin 2004, S3
    assert texts.token_f1("in Paris, France", "Paris") == pytest.approx(0.5)
    assert texts.exact_match("The Eiffel-Tower!", "eiffeltower") == 1.0
    assert texts.exact_match("theatre", "atre") == 0.0


@given(st.text(), st.text())
def test_metrics_of_any_texts_stay_between_0_and_1(answer: str, expected: str) -> None:
    measures: list[Callable[[str, str], float]] = [
        texts.same_text, texts.exact_match, texts.token_f1, texts.rouge_l, texts.bleu_of_one, texts.chrf_of_one,
    ]  # fmt: skip
    for measure in measures:
        assert 0.0 <= measure(answer, expected) <= 1.0
    assert texts.token_f1(answer, answer) == texts.exact_match(expected, expected) == 1.0
    assert texts.token_f1(answer, expected) == texts.token_f1(expected, answer)
    structures.field_pairs(answer), structures.entity_pairs(answer), structures.tags(answer)
    sql.canonical(answer), code.is_valid(answer), last_number(answer)


def test_the_estimate_of_pass_at_k_equals_exact_combinatorics() -> None:
    for chance in cases(7):
        samples = chance.randint(1, 200)
        right, k = chance.randint(0, samples), chance.randint(1, samples)
        exact = 1 - math.comb(samples - right, k) / math.comb(samples, k)
        assert code.pass_at_k(samples, right, k) == pytest.approx(exact)
    assert code.pass_at_k(5, 0, 3) == 0.0 and code.pass_at_k(5, 3, 3) == 1.0
    for samples, right, k in ((5, 6, 1), (5, -1, 1), (5, 1, 0), (5, 1, 6)):
        with pytest.raises(ValueError, match="no estimate"):
            code.pass_at_k(samples, right, k)


@pytest.mark.parametrize(
    "fence", ["```python\nx = 1\n```", "```Python3\r\nx = 1\n```", "Here:\n```\nx = 1\n``` ok?", "```py\nx = 1"]
)
def test_code_is_read_from_its_fence(fence: str) -> None:
    assert code.read_code(fence).strip() == "x = 1"
    assert code.is_valid(fence)
    assert not code.is_valid(fence.replace("x = 1", "x ="))


def test_a_set_of_members_has_the_f1_that_counting_gives() -> None:
    for chance in cases(8):
        pairs = [
            (set(chance.sample(range(12), chance.randint(0, 8))), set(chance.sample(range(12), chance.randint(0, 8))))
            for _ in range(chance.randint(1, 5))
        ]
        for found, expected in pairs:
            hits = sum(one in expected for one in found)
            precision, recall = hits / (len(found) or 1), hits / (len(expected) or 1)
            by_hand = 2 * precision * recall / (precision + recall) if hits else float(not found and not expected)
            assert structures.set_f1(found, expected) == pytest.approx(by_hand)
        hits = sum(len(found & expected) for found, expected in pairs)
        wrong, missed = (sum(len(pair[i] - pair[1 - i]) for pair in pairs) for i in (0, 1))
        whole = 2 * hits / (2 * hits + wrong + missed) if hits + wrong + missed else 1.0
        assert structures.micro_f1(pairs) == pytest.approx(whole)


def test_fields_written_in_any_way_are_the_same_fields() -> None:
    for chance in cases(9):
        names = chance.sample(["invoice", "due date", "total", "client", "tax rate", "city"], chance.randint(1, 6))
        fields = {
            name: chance.choice(["alpha", "beta gamma", f"{chance.randint(10, 10**14)}", "3.25"]) for name in names
        }
        lines = [f"{name}: {value}" for name, value in fields.items()]
        expected = set(fields.items())
        chance.shuffle(lines)
        assert structures.field_pairs("\n".join(lines)) == expected
        decorated = "\n\n".join(f"- **{line.replace(': ', ':** ').title()}  " for line in lines)
        assert structures.field_pairs(decorated) == expected
        assert (
            structures.field_pairs(
                "Here it is:\n" + json.dumps({name.replace(" ", "_"): v for name, v in fields.items()})
            )
            == expected
        )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("total: $1,200.00", "Total: 1200", True),
        ("total: 1.5 million", "total: 1,500,000", True),
        ("account: 12345678901", "account: 12345678902", False),
        ("card: 4111111111111111", "card: 4111111111111112", False),
        ("iban digits: 89370400440532013000123456", "iban digits: 89370400440532013000123457", False),
        ("zip: 01234", "zip: 1234", False),
        ("loss: -5", "loss: 5", False),
        ("loss: −5.0", "loss: -5", True),
        ("due: 2024-02-29", "due: 2024-02-28", False),
        ("name: Ada", "name: ada.", True),
        ('{"items": [{"name": "x", "count": 2}]}', '{"items": [{"count": 2.0, "name": "X"}]}', True),
        ('{"items": [{"name": "x"}, {"name": "y"}]}', '{"items": [{"name": "y"}, {"name": "x"}]}', False),
        ('{"a": {"b": true}}', "a b: True", True),
    ],
)  # fmt: skip
def test_values_are_the_same_by_what_they_are_worth(one: str, other: str, same: bool) -> None:
    assert (structures.field_pairs(one) == structures.field_pairs(other)) is same
    assert structures.field_pairs(one)


def test_entities_and_tags_are_read_as_sets() -> None:
    assert structures.entity_pairs("Person: Ada Byron; Mary Shelley\n* **Place**: London;\nnothing here") == {
        ("person", "ada byron"), ("person", "mary shelley"), ("place", "london"),
    }  # fmt: skip
    assert structures.entity_pairs("person: none\nplace: N/A") == set()
    assert structures.tags("- Alpha\n# beta, ALPHA; gamma.") == {"alpha", "beta", "gamma"}


@pytest.mark.parametrize(
    "text", [" " * 100_000, "a" + " " * 100_000 + "b", "a:" + " " * 100_000 + "b", "*" * 100_000, "a: " + "9" * 100_000]
)
def test_what_a_model_repeats_without_end_is_read_in_no_time(text: str) -> None:
    began = time.perf_counter()
    structures.field_pairs(text), structures.entity_pairs(text), structures.tags(text)
    last_number(text), texts.token_f1(text, "b"), sql.is_same(text, "b"), code.is_valid(text)
    assert time.perf_counter() - began < 1.0


def test_valid_json_is_counted_as_it_stands() -> None:
    assert structures.valid_json_share(['{"a": 1}', "[", "1", "```json\n{}\n```", "[" * 100_000]) == 0.4


@pytest.mark.parametrize(
    ("answer", "readings"),
    [
        ("The total is 1,234.5 kg.", {1234.5}),
        ("12 items at $3 make $36.00", {36}),
        ("it fell by −8%", {-8}),
        ("about 12.5 %", {12.5}),
        ("€1.5 billion", {1.5, 1.5e9}),
        ("$30k", {30, 30_000}),
        ("4.2M users", {4.2, 4_200_000}),
        ("5 km", {5}),
        ("1.5e6", {1_500_000}),
        ("-2.5E-3", {-0.0025}),
        ("x = 1.5 × 10^6", {1_500_000}),
        ("3*10^{-2}", {0.03}),
        ("6.02 × 10²³ per mole", {6.02e23}),
        ("2 · 10⁻³", {0.002}),
        ("1\u202f234\u00a0567 euros", {1_234_567}),
        ("the ratio is 24:1", {24}),
        ("10^6", {6}),
        ("about 1e400", {1, 400}),
        ("nothing", set()),
    ],
)  # fmt: skip
def test_the_number_that_an_answer_ends_with_is_read_in_its_unit(answer: str, readings: set[float]) -> None:
    found = set(last_number(answer))
    if answer == "about 1e400":
        assert found <= readings  # beyond what a number can hold; anything finite will do
    else:
        assert sorted(found) == pytest.approx(sorted(readings))


def test_numbers_written_in_any_notation_are_read_back() -> None:
    for chance in cases(10):
        value = chance.choice([-1, 1]) * round(chance.uniform(1, 9.99), 2) * 10.0 ** chance.randint(-6, 12)
        mantissa, exponent = f"{value:.2e}".split("e")
        for text in (
            f"{value:.2e}",
            f"{mantissa} × 10^{int(exponent)}",
            f"{mantissa}*10^{{{int(exponent)}}}",
            f"{value:,.8f}",
        ):
            assert any(
                np.isclose(one, value, rtol=1e-9, atol=1e-8) for one in last_number(f"So it is {text} metres.")
            ), text


SAME = [
    ("SELECT a FROM t WHERE x = 1", "select  a\nfrom t where x=1;"),
    ("SELECT a FROM t", "```sql\nSELECT a FROM t;\n```"),
    ("SELECT a FROM t", "The query is:\n```SQL\nselect a from t\n```\nIt reads a."),
    ("SELECT a FROM t WHERE b <> 1", "SELECT a FROM t WHERE b != 1"),
    ("SELECT a AS n FROM t AS u", "SELECT a n FROM t u"),
    ("SELECT a FROM t -- why", "SELECT a FROM t"),
    ("SELECT col name FROM t WHERE y = 'B'", 'select col name from t where y = "b"'),
    ("SELECT COUNT(*) FROM t ORDER BY a ASC", "select count(*) from t order by a"),
]
OTHER = [
    ("SELECT a FROM t WHERE x = 1", "SELECT a FROM t WHERE x = 2"),
    ("SELECT a, b FROM t", "SELECT b, a FROM t"),
    ("SELECT a FROM t", "SELECT DISTINCT a FROM t"),
    ("SELECT a FROM t WHERE x = 1 AND y = 2", "SELECT a FROM t WHERE x = 1 OR y = 2"),
    ("SELECT a FROM t", "DELETE FROM t"),
    ("SELECT a FROM t", ""),
    ("SELECT a FROM t", "SELECT a FROM t; DROP TABLE t"),
    ("SELECT MAX(a) FROM t", "SELECT MIN(a) FROM t"),
    ("SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_two_spellings_of_a_query_are_the_same(one: str, other: str) -> None:
    assert sql.is_same(one, other) and sql.is_same(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_two_queries_that_ask_for_something_else_are_not(one: str, other: str) -> None:
    assert not sql.is_same(one, other) and not sql.is_same(other, one)


@pytest.mark.parametrize(
    "text",
    ["hello", "yes", "42", "I don't know", "select", "SELECT a FROM", "SELECT 1; SELECT 2", "",
    "select " + "a." * 1500 + "b", "(" * 300],
)  # fmt: skip
def test_what_is_not_one_query_is_not_valid_sql(text: str) -> None:
    assert not sql.is_valid(text)


@pytest.mark.parametrize(
    "text", ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "INSERT INTO t VALUES (1)", "UPDATE t SET a = 1"]
)
def test_queries_that_read_or_change_rows_are_valid(text: str) -> None:
    assert sql.is_valid(text)
