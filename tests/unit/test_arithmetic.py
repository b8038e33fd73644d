"""The sums that a text states: which are found, how they are read, and whether they are right."""

import math
import operator
from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.datasets.arithmetic import find_equations, numbers_in, unexplained_numbers, wrong_equations

RIGHT = [
    "10 + 4 = 14",
    "10 - 4 = 6",
    "10 * 4 = 40",
    "10 x 4 = 40",
    "10 × 4 = 40",
    "10 / 4 = 2.5",
    "10 ÷ 4 = 2.5",
    "10 − 4 = 6",
    "10 – 4 = 6",
    "2^10 = 1,024",
    "8 / 3 ≈ 2.67",
    "8 / 3 = 2.7",
    "0.1 + 0.2 = 0.3",
    # thousands and money
    "1,000,000 + 1 = 1,000,001",
    "9,360 / 390 = 24",
    "€20 + €30 = €50",
    "$1,250.50 - $250.50 = $1,000",
    # signs
    "5 - 7 = -2",
    "-3 + 5 = 2",
    "3 - -5 = 8",
    "$5 - $7 = -$2",
    # precedence and brackets
    "12 - 3 x 2 = 6",
    "6 / 2 x 3 = 9",
    "2 x (3 + 4) = 14",
    "10 - (2 + 3) = 5",
    "((1 + 2) x (3 + 4)) / 3 = 7",
    "100 - 20 - 30 = 50",
    "(1 + 2 = 3)",
    # roots
    "sqrt(16) = 4",
    "sqrt(2) x 3 = 4.24",
    "sqrt(9 + 16) = 5",
    "2 x sqrt(9) = 6",
    # percent
    "148.2 / 1,140 = 13.0%",
    "4.5% + 2.5% + 2.0% + 0.5% = 9.5%",
    "45 x 4 x 40% = $72",
    "(150 - 120) / 120 = 25%",
    "(150 - 120) / 120 x 100 = 25%",
    "1 - 0.85 = 15%",
    # scale words
    "$34 billion / $200 billion = 17%",
    "$1.5 billion + $0.5 billion = $2 billion",
    "50 million / 200 thousand = 250",
    "1.5 million x 2 = 3,000,000",
    "1,500 x 2,000 = 3 million",
    "£1.5bn + £0.5bn = £2bn",
    "1.5 + 0.5 = $2 Billion",
    # units
    "12 nursing care hours / 4 patients = 3 hours",
    "300 beds x 30 days = 9,000 bed days",
    "7 days x 24 hours = 168 hours",
    # ratios: what stands behind the colon is no part of the result
    "9,360 / 390 = 24:1",
    "9,000 / 350 = 25.7:1",
]

WRONG = [
    ("10 + 4 = 15", 14),
    ("10 x 4 = 41", 40),
    ("8 / 3 = 2.66", 8 / 3),
    ("148.2 / 1,140 = 14.0%", 0.13),
    ("5 - 7 = 2", -2),
    ("12 - 3 x 2 = 18", 6),
    ("2 x (3 + 4) = 10", 14),
    ("sqrt(16) = 8", 4),
    ("9,360 / 390 = 25:1", 24),
    ("1,000 + 1 = 1,002", 1001),
    ("£20 + £30 = £51", 50),
    ("300 beds x 30 days = 900 bed days", 9000),
    ("$34 billion / $200 billion = 18%", 0.17),
    ("$1.5 million x 2 = $3 billion", 3e6),
    ("$1 billion - $200 million = $800 billion", 8e8),
]


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_sum_is_found_and_right(text: str) -> None:
    equations = find_equations(f"The result is {text}. More text follows.")
    assert [equation.is_right for equation in equations] == [True]


@pytest.mark.parametrize(("text", "computed"), WRONG)
def test_a_wrong_sum_is_found_with_what_it_really_gives(text: str, computed: float) -> None:
    [equation] = wrong_equations(f"So we get {text}, as you see.")
    assert equation.computed == pytest.approx(computed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "No numbers at all.",
        "The CET1 ratio is 13%, above 4.5%.",
        "Ratio = assets / loans",
        "CET1 = 5",
        "5 = 5",
        "= 5",
        "5 =",
        "3 + 4 = seven",
        "The range 10 - 20 is usual.",
        "20% of 50 = 10",
        "12 / 0 = 3",
        "(1 + 2",
    ],
)
def test_a_text_without_a_sum_has_no_equations(text: str) -> None:
    assert find_equations(text) == []


def test_a_formula_in_words_before_the_figures_is_no_part_of_the_sum() -> None:
    [equation] = find_equations("Pupils per Class = All Pupils / All Classes = 9,000 / 350 = 25.7:1.")
    assert (equation.expression, equation.stated) == ("9,000 / 350", "25.7")


def test_each_equals_sign_of_a_chain_is_left_to_the_sum_before_it() -> None:
    text = "2.9 + 3.1 = 6, and 6 x 2 = 12 = 12, so 0.5 x 100 = 60 - 10 = 50"
    assert [(one.expression, one.stated) for one in find_equations(text)] == [
        ("2.9 + 3.1", "6"),
        ("6 x 2", "12"),
        ("60 - 10", "50"),
    ]


def test_several_sums_are_judged_one_by_one() -> None:
    assert [one.is_right for one in find_equations("1 + 2 = 3, 4 + 5 = 10. Then 20 / 4 = 5.")] == [True, False, True]


def test_a_sentence_end_is_no_decimal_point() -> None:
    assert [number.text for number in numbers_in("It is 3. Then 4.5.")] == ["3", "4.5"]


def test_a_power_of_a_power_is_computed_from_the_right() -> None:
    assert find_equations("2^3^2 = 512")[0].is_right


# Numbers


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,234.5", [1234.5]),
        ("12,345,678", [12345678]),
        ("$3.20", [3.2]),
        ("5 %", [5]),
        ("from 2019 to 2020", [2019, 2020]),
        ("CET1 and Tier2 are names", []),
        ("24:1", [24, 1]),
        ("-7", [-7]),
        ("x = -7", [-7]),
        ("(−7)", [-7]),
        ("10-20", [10, 20]),
        ("7 - 5", [7, 5]),
        ("7 -5", [7, 5]),
        ("10–20", [10, 20]),
        ("10%-20%", [10, 20]),
        ("- 5 apples", [5]),
        ("the costs - 5", [5]),
        ("[3, -4]", [3, -4]),
        ("**-8%**", [-8]),
        ("$-8", [-8]),
        ("about ~-8", [-8]),
        ("$.85", [0.85]),
        ("3..5", [3, 5]),
        ("结果是17%", [17]),
    ],
)
def test_numbers_are_read_as_people_write_them(text: str, values: list[float]) -> None:
    assert [number.value for number in numbers_in(text)] == values


@pytest.mark.parametrize("text", ["The change is -5%.", "Profit: -5", "It fell by -$5.", "The yield was −5%", "–5%"])
def test_a_minus_sign_at_a_number_in_a_sentence_belongs_to_it(text: str) -> None:
    assert [number.value for number in numbers_in(text)] == [-5]


def test_a_number_without_a_leading_zero_keeps_its_point() -> None:
    assert [number.value for number in numbers_in("The correlation is .85.")] == [0.85]


def test_percent_places_and_scale_are_kept_apart_from_the_value() -> None:
    percent, scaled = numbers_in("a rate of 4.50% of $1.5 Billion")
    assert (percent.value, percent.places, percent.is_percent, percent.scale) == (4.5, 2, True, 1)
    assert (scaled.value, scaled.places, scaled.is_percent, scaled.scale) == (1.5, 1, False, 1e9)


# Unexplained numbers


def test_numbers_of_the_prompt_of_right_sums_and_constants_are_explained() -> None:
    response = "10 / 4 = 2.5, which is below the minimum of 8%."
    assert unexplained_numbers("Divide 10 by 4.", response, constants=[8]) == []


def test_a_number_from_nowhere_is_unexplained() -> None:
    response = "10 / 4 = 2.5, which is below the minimum of 8%."
    assert [number.value for number in unexplained_numbers("Divide 10 by 4.", response)] == [8]


def test_the_result_of_a_wrong_sum_is_unexplained() -> None:
    assert [number.value for number in unexplained_numbers("10 and 4", "10 / 4 = 9")] == [9]


def test_an_intermediate_result_explains_its_later_use() -> None:
    assert unexplained_numbers("10, 4 and 2", "10 - 4 = 6 and 6 / 2 = 3, so the answer is 3.") == []


# Any sum

OPERATORS = {"+": operator.add, "-": operator.sub, "x": operator.mul, "/": operator.truediv}


def shown(value: Decimal) -> str:
    return f"{value:,f}"


@settings(max_examples=150, deadline=None)
@given(
    first=st.decimals(min_value=0, max_value=99_999, places=2),
    second=st.decimals(min_value=Decimal("0.01"), max_value=9_999, places=2),
    symbol=st.sampled_from(sorted(OPERATORS)),
    places=st.integers(min_value=0, max_value=3),
    steps_off=st.integers(min_value=1, max_value=50),
    up=st.booleans(),
)
def test_any_rounded_result_is_right_and_any_other_wrong(
    first: Decimal, second: Decimal, symbol: str, places: int, steps_off: int, up: bool
) -> None:
    exact = OPERATORS[symbol](first, second)
    step = Decimal(1).scaleb(-places)
    stated = exact.quantize(step, ROUND_HALF_UP)
    changed = stated + step * (steps_off if up else -steps_off)
    # A result that lies between two steps may be rounded either way.
    assume(not math.isclose(abs(exact - stated), step / 2, rel_tol=1e-4))
    for result, is_right in ((stated, True), (changed, False)):
        [equation] = find_equations(f"{shown(first)} {symbol} {shown(second)} = {shown(result)}")
        assert equation.is_right is is_right
        assert equation.computed == pytest.approx(float(exact), rel=1e-9, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="0123456789.,%$()+-*/^x=≈− sqrtmilon", max_size=40))
def test_whatever_stands_in_a_text_is_read_without_failing(text: str) -> None:
    for equation in find_equations(text):
        assert math.isfinite(equation.computed)
    assert all(math.isfinite(number.value) for number in numbers_in(text))
