"""Mixes: as many of each as was wanted, none twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.datasets.examples import Example
from core.datasets.mixing import mix, plan
from core.errors import DataError


def taken(*args: object, **wanted: object) -> dict[str, int]:
    return {part.name: part.taken for part in plan(*args, **wanted)}  # type: ignore[arg-type]


SIZES = {"a": 1000, "b": 100}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, {"a": 1000, "b": 100}),
        ({"ratios": {"a": 2, "b": 1}}, {"a": 200, "b": 100}),
        ({"ratios": {"a": 3}}, {"a": 300, "b": 100}),
        ({"ratios": {"a": 1, "b": 1}, "rows": 100}, {"a": 50, "b": 50}),
        ({"ratios": {"a": 1, "b": 1}, "rows": 500}, {"a": 400, "b": 100}),  # b has no more to give
        ({"temperature": 100.0, "rows": 150}, {"a": 77, "b": 73}),
        ({"temperature": 1.0, "rows": 110}, {"a": 100, "b": 10}),
        ({"caps": {"a": 200}}, {"a": 200, "b": 100}),
        ({"rows": 5000}, {"a": 1000, "b": 100}),
    ],
)
def test_proportions_are_kept_as_far_as_there_are_rows(wanted: dict[str, object], expected: dict[str, int]) -> None:
    assert taken(SIZES, **wanted) == pytest.approx(expected, abs=1)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 500), min_size=2),
    st.integers(1, 800),
    st.floats(1, 100),
)
def test_a_mix_has_the_wanted_size_or_all_there_is(sizes: dict[str, int], rows: int, temperature: float) -> None:
    found = taken(sizes, rows=rows, temperature=temperature)
    assert sum(found.values()) == min(rows, sum(sizes.values()))
    assert all(0 <= found[name] <= sizes[name] for name in sizes)


def test_no_example_is_taken_twice_and_each_names_its_dataset() -> None:
    sources = {name: [Example(f"{name}{n}", "x") for n in range(size)] for name, size in SIZES.items()}
    parts = plan(SIZES, ratios={"a": 1, "b": 1})
    mixed = mix(sources, parts, 4)
    assert len({one.prompt for one in mixed}) == len(mixed) == 200
    assert all(one.prompt.startswith(one.origin) for one in mixed)
    assert mixed == mix(sources, parts, 4) != mix(sources, parts, 5)
    assert [one.origin for one in mixed[:20]] != ["a"] * 20


@pytest.mark.parametrize(
    "wanted",
    [
        {"ratios": {"c": 1}},
        {"ratios": {"a": 0}},
        {"ratios": {"a": 1}, "temperature": 2.0},
        {"temperature": 0.5},
        {"caps": {"a": 0}},
        {"rows": 0},
    ],
)
def test_what_is_not_possible_is_refused(wanted: dict[str, object]) -> None:
    with pytest.raises(DataError):
        plan(SIZES, **wanted)  # type: ignore[arg-type]


def test_one_dataset_alone_is_no_mix() -> None:
    with pytest.raises(DataError, match="at least two"):
        plan({"a": 5})
