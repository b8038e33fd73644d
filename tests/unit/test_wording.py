"""Numbers and texts as people read them."""

import pytest

from core.wording import clip, show_bytes, show_duration, show_energy, show_points, visible


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (-3, "0.0 s"),
        (0.04, "0.0 s"),
        (8.26, "8.3 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125, "2 min 5 s"),
        (3_599.6, "1 h"),
        (12_000, "3 h 20 min"),
        (360_000, "100 h"),
        (None, "unknown"),
        (float("nan"), "unknown"),
        (float("inf"), "unknown"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds: float | None, shown: str) -> None:
    assert show_duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (999_999, "1.0 MB"),
        (960_000, "960.0 kB"),
        (16e9, "16.0 GB"),
        (2.5e12, "2.5 TB"),
        (None, "unknown"),
        (float("nan"), "unknown"),
    ],
)
def test_a_size_is_said_in_the_unit_that_keeps_it_short(count: float | None, shown: str) -> None:
    assert show_bytes(count) == shown


@pytest.mark.parametrize(
    ("joules", "shown"),
    [(None, "no meter"), (3_600, "1.00 Wh"), (3.6e5, "0.10 kWh"), (9e6, "2.50 kWh")],
)
def test_energy_is_said_as_on_a_bill(joules: float | None, shown: str) -> None:
    assert show_energy(joules) == shown


@pytest.mark.parametrize(
    ("difference", "shown"), [(0.125, "+12 points"), (-0.3, "-30 points"), (0, "+0 points"), (-0.001, "+0 points")]
)
def test_a_difference_of_scores_has_its_sign_and_no_minus_zero(difference: float, shown: str) -> None:
    assert show_points(difference) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words, Ünïcode, 数字 🙂", "plain words, Ünïcode, 数字 🙂"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202ecod.exe", "\\u202ecod.exe"),
        ("a\x00b\x7fc\x9bd", "a\\x00b\\x7fc\\x9bd"),
        ("back\rover", "back\\rover"),
        ("half \ud83d", "half \\ud83d"),
    ],
)
def test_what_does_not_print_is_shown_as_its_code(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("short", "short"), ("exactly ten", "exactly t…"), ("two\nlines", "two lines"), ("\x1b[1mx", " [1mx")],
)
def test_a_clipped_text_is_one_printable_line_of_the_length_at_most(text: str, shown: str) -> None:
    assert clip(text, 10) == shown
    assert len(shown) <= 10
