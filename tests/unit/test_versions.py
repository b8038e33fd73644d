"""Datasets as immutable versions: named by their rows, checked byte by byte, split in proportion."""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.datasets import versions
from core.datasets.examples import Example
from core.errors import DataError
from core.paths import Workspace
from core.store import datasets
from core.store.connection import opened

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ROWS = [Example(f"ask {number}", f"answer {number}", "rows.jsonl", {"level": number}) for number in range(10)]


@pytest.fixture
def db(workspace: Workspace) -> Iterator[sqlite3.Connection]:
    with opened(workspace) as connection:
        yield connection


def test_a_version_reads_back_as_it_was_saved(workspace: Workspace, db: sqlite3.Connection) -> None:
    version = versions.save(workspace, db, "mine", ROWS, {"file": "rows.jsonl"})
    assert versions.load(workspace, version.sha) == ROWS
    assert version.manifest == {
        "name": "mine",
        "rows": 10,
        "origins": {"rows.jsonl": 10},
        "source": {"file": "rows.jsonl"},
    }
    row = datasets.get(db, version.sha)
    assert row is not None
    assert (row.name, row.rows, row.manifest) == ("mine", 10, version.manifest)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.builds(Example, TEXT, TEXT, TEXT, st.dictionaries(st.just("note"), TEXT)), min_size=1, max_size=3))
def test_any_texts_read_back_as_they_were_saved(
    workspace: Workspace, db: sqlite3.Connection, examples: list[Example]
) -> None:
    version = versions.save(workspace, db, "any", examples, {})
    assert versions.load(workspace, version.sha) == examples


def test_the_same_rows_are_one_version_and_other_rows_another(workspace: Workspace, db: sqlite3.Connection) -> None:
    first = versions.save(workspace, db, "mine", ROWS, {})
    again = versions.save(workspace, db, "the same under another name", ROWS, {})
    other = versions.save(workspace, db, "mine", ROWS[::-1], {})
    assert first.sha == again.sha != other.sha
    assert len(list(workspace.datasets.iterdir())) == 2


def test_no_examples_make_no_version(workspace: Workspace, db: sqlite3.Connection) -> None:
    with pytest.raises(DataError, match="'mine' has no examples"):
        versions.save(workspace, db, "mine", [], {})


def test_one_changed_letter_is_noticed_on_reading_and_on_saving_again(
    workspace: Workspace, db: sqlite3.Connection
) -> None:
    version = versions.save(workspace, db, "mine", ROWS, {})
    file = versions.folder_of(workspace, version.sha) / versions.ROWS_FILE
    file.write_text(file.read_text(encoding="utf-8").replace("answer 3", "answer 4"), encoding="utf-8")
    with pytest.raises(DataError, match=rf"{version.sha[:12]} can't be used: train\.jsonl is damaged"):
        versions.load(workspace, version.sha)
    with pytest.raises(DataError, match="is damaged"):
        versions.save(workspace, db, "mine", ROWS, {})


def test_a_deleted_version_is_refused_and_can_be_saved_again(
    workspace: Workspace, db: sqlite3.Connection, tmp_path: Path
) -> None:
    version = versions.save(workspace, db, "mine", ROWS, {})
    versions.folder_of(workspace, version.sha).rename(tmp_path / "away")
    with pytest.raises(DataError, match="can't be used"):
        versions.load(workspace, version.sha)
    versions.save(workspace, db, "mine", ROWS, {})
    assert versions.load(workspace, version.sha) == ROWS


# Splitting


def mixed(counts: dict[str, int]) -> list[Example]:
    return [Example(f"{origin} {number}", "x", origin) for origin, count in counts.items() for number in range(count)]


def test_each_origin_is_split_in_the_same_proportion() -> None:
    training, validation = versions.split(mixed({"corpus": 20, "generated": 200}), 0.2, seed=1)
    assert Counter(example.origin for example in validation) == {"corpus": 4, "generated": 40}
    assert Counter(example.origin for example in training) == {"corpus": 16, "generated": 160}


def test_every_example_is_on_exactly_one_side() -> None:
    examples = mixed({"a": 33, "b": 7, "c": 1})
    training, validation = versions.split(examples, 0.3, seed=5)
    assert sorted(example.prompt for example in [*training, *validation]) == sorted(one.prompt for one in examples)


def test_a_split_is_the_same_for_a_seed_and_another_for_another() -> None:
    examples = mixed({"a": 50})
    assert versions.split(examples, 0.2, seed=1) == versions.split(examples, 0.2, seed=1)
    assert versions.split(examples, 0.2, seed=1)[1] != versions.split(examples, 0.2, seed=2)[1]


def test_without_a_validation_share_all_examples_are_trained_on() -> None:
    training, validation = versions.split(mixed({"a": 5}), 0.0, seed=1)
    assert (len(training), len(validation)) == (5, 0)


def test_a_split_that_leaves_nothing_to_train_on_is_refused() -> None:
    with pytest.raises(DataError, match=r"share of 1, none of the 3 examples"):
        versions.split(mixed({"a": 3}), 1.0, seed=1)
