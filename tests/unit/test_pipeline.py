"""The data of a specialist: what can't be used is named, every row is accounted for, no part gives away another."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from core import durable
from core.catalog import specialists
from core.catalog.specialists import PARTS, Specialist
from core.datasets import composition, versions
from core.datasets.examples import Example
from core.datasets.specialist import loading, pipeline
from core.datasets.specialist.loading import Loaded
from core.datasets.specialist.pipeline import Prepared
from core.errors import DataError
from core.paths import PROJECT_DIR

SENTIMENT = specialists.find("sentiment")
LABELS = SENTIMENT.labels
PLACES = ["attic", "barn", "cellar", "dairy", "eatery", "forge", "garage", "hotel", "inn", "joinery", "kiosk", "mill"]


def rows(count: int, start: int = 0, **extra: Any) -> list[Example]:
    """Return rows that have nothing in common, their labels taking turns."""
    return [
        Example(f"Visit {n} to the {place} cost {n * 37} and took {n * 7} hours", LABELS[n % 2], "log.csv", extra)
        for n in range(start, start + count)
        for place in [PLACES[n % 12]]
    ]


def prepare(*parts: list[Example], seed: int = 1, most: int | None = None, one: Specialist = SENTIMENT) -> Prepared:
    """Prepare rows; one list is a source without parts, two are training and test, three all."""
    names = {1: PARTS[:1], 2: (PARTS[0], PARTS[2]), 3: PARTS}[len(parts)]
    return pipeline.prepare(one, Loaded(dict(zip(names, parts, strict=True)), {"source": "log"}), seed, most)


def reasons(prepared: Prepared) -> dict[str, list[str]]:
    """Return where rows were dropped, by reason."""
    found: dict[str, list[str]] = {}
    for one in prepared.dropped:
        found.setdefault(one.reason, []).append(one.place)
    return found


def assert_adds_up(prepared: Prepared) -> None:
    counts = prepared.manifest["counts"]
    assert counts["read"] == counts["not_drawn"] + sum(counts["dropped"].values()) + sum(counts[part] for part in PARTS)
    assert sum(counts["dropped"].values()) == len(prepared.dropped)
    assert {part: counts[part] for part in PARTS} == {part: len(prepared.parts[part]) for part in PARTS}


# What can't be used


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Example("visit 3 to the DAIRY cost 111, and took 21 hours!", LABELS[1]), "the same row again"),
        (Example("Visit 3 to the dairy costs 111 and took 21 hours", LABELS[1]), "nearly the same row again"),
        (Example("A visit to nobody", "mixed"), "'mixed' is none of the labels"),
        (Example("A visit to nobody", "Positive"), "'Positive' is none of the labels"),
        (Example("A visit to nobody", ""), "'' is none of the labels"),
    ],
)
def test_a_row_that_says_nothing_new_or_has_a_foreign_label_is_dropped_by_name(row: Example, reason: str) -> None:
    prepared = prepare([*rows(60), Example(row.prompt, row.response, "log.csv")])
    assert reasons(prepared) == {reason: ["log.csv train, example 61"]}
    assert_adds_up(prepared)


def test_a_question_with_two_answers_is_dropped_with_both(tmp_path: Path) -> None:
    prepared = prepare([*rows(60), Example(rows(1)[0].prompt, LABELS[1], "log.csv")])
    assert reasons(prepared) == {
        "the same question has another answer too": ["log.csv train, example 1", "log.csv train, example 61"]
    }
    assert_adds_up(prepared)


def test_broken_characters_are_mended_and_what_is_equal_then_is_dropped() -> None:
    broken = Example("The cafÃ© at the lake was\u200b a joy to visit", LABELS[1], "log.csv")
    mended = Example("The café at the lake was a joy to visit", LABELS[1], "log.csv")
    prepared = prepare([*rows(60), broken, mended])
    asked = [row.prompt for part in prepared.parts.values() for row in part]
    assert sum(prompt.endswith("The café at the lake was a joy to visit") for prompt in asked) == 1
    assert reasons(prepared) == {"the same row again": ["log.csv train, example 62"]}


def test_line_ends_of_another_system_are_made_plain() -> None:
    code = Example("Write f(x)", "def f(x):\r\n    return x\r\n", "log.csv", {"tests": "assert f(2) == 2"})
    one = specialists.find("code-generation")
    made = loading.generate(one, 60, 1).parts["train"]
    prepared = prepare([*made, code], one=one)
    written = {row.response for part in prepared.parts.values() for row in part}
    assert "def f(x):\n    return x\n" in written


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("code-generation", Example("Write f(x)", "def f(x):\n    return x"), "The row has no tests for its code."),
        ("satisfaction-score", Example("It was fine", "quite happy"), "The answer 'quite happy' has no number."),
    ],
)
def test_a_row_that_can_not_be_graded_is_dropped_with_the_reason(name: str, row: Example, reason: str) -> None:
    one = specialists.find(name)
    made = loading.generate(one, 60, 1).parts["train"]
    prepared = prepare([*made, row], one=one)
    assert reason in reasons(prepared)
    assert row.prompt in [dropped.text for dropped in prepared.dropped]
    assert_adds_up(prepared)


def test_rows_that_could_not_be_read_count_too() -> None:
    unread = [loading.Dropped("log.csv, line 7", "text is empty", "")]
    prepared = pipeline.prepare(SENTIMENT, Loaded({"train": rows(60)}, {}, unread), 1)
    assert prepared.manifest["counts"]["read"] == 61
    assert reasons(prepared) == {"text is empty": ["log.csv, line 7"]}
    assert_adds_up(prepared)


def test_too_few_rows_are_refused_with_the_reason_of_most() -> None:
    with pytest.raises(DataError, match=r"Of the rows for 'sentiment', 29 can be used; at least 30 are needed\.$"):
        prepare(rows(29))
    foreign = [Example(row.prompt, "maybe", "log.csv") for row in rows(80)]
    with pytest.raises(DataError, match=r"0 can be used; .*left out because: 'maybe' is none of the labels \(80\)\.$"):
        prepare(foreign)


# The split


def test_80_10_10_of_every_label_and_no_question_in_two_parts() -> None:
    prepared = prepare(rows(400))
    assert [len(prepared.parts[part]) for part in PARTS] == [320, 40, 40]
    for part in PARTS:
        assert set(Counter(row.response for row in prepared.parts[part]).values()) == {len(prepared.parts[part]) // 2}
    asked = [{row.prompt for row in prepared.parts[part]} for part in PARTS]
    assert not (asked[0] & asked[1] or asked[0] & asked[2] or asked[1] & asked[2])
    assert all(row.prompt == SENTIMENT.ask(row.prompt.split("\n", 1)[1]) for row in prepared.test)
    assert_adds_up(prepared)


def test_rows_of_one_group_stay_together() -> None:
    grouped = [row for n in range(60) for row in rows(6, 6 * n, group=f"video {n}")]
    prepared = prepare(grouped)
    groups = [{row.extra["group"] for row in prepared.parts[part]} for part in PARTS]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert all(groups)
    assert_adds_up(prepared)


def test_a_sources_own_test_stays_its_test_and_nothing_of_it_is_trained_on() -> None:
    test = rows(40, 1000)
    given_away = [Example(test[5].prompt.upper(), LABELS[0], "log.csv")]
    prepared = prepare([*rows(180), *given_away], test)
    assert [row.prompt for row in prepared.test] == [SENTIMENT.ask(row.prompt) for row in test]
    assert [len(prepared.parts[part]) for part in PARTS] == [160, 20, 40]
    assert reasons(prepared) == {"the same question is in a part that is held out": ["log.csv train, example 181"]}
    assert_adds_up(prepared)


def test_near_repeats_of_the_sources_own_test_are_not_trained_on_and_it_stays_whole() -> None:
    test = rows(40, 1000)
    twin = Example(test[4].prompt.replace("cost", "costs"), test[4].response, "log.csv")
    third = Example(test[4].prompt.replace("hours", "hour"), twin.response, "log.csv")
    prepared = prepare([*rows(180), third], [*test, twin])
    assert len(prepared.test) == 41
    assert reasons(prepared) == {"nearly the same row again": ["log.csv train, example 181"]}
    assert_adds_up(prepared)


def test_a_group_of_the_sources_own_test_is_not_trained_on() -> None:
    training = [row for n in range(60) for row in rows(1, n, group=f"seen {n // 3}")]
    training += rows(5, 500, group="video 1")
    prepared = prepare(training, rows(20, 1000, group="video 1"))
    assert reasons(prepared)["its group is in a part that is held out"] == [
        f"log.csv train, example {number}" for number in range(61, 66)
    ]
    assert_adds_up(prepared)


def test_three_parts_of_a_source_stay_as_they_are() -> None:
    parts = [rows(100), rows(20, 200), rows(30, 300)]
    prepared = prepare(*parts)
    for part, given in zip(PARTS, parts, strict=True):
        assert [row.prompt for row in prepared.parts[part]] == [SENTIMENT.ask(row.prompt) for row in given]


def test_a_test_part_of_which_nothing_can_be_used_is_made_anew() -> None:
    hidden = [Example(row.prompt, "-1", "log.csv") for row in rows(50, 1000)]
    prepared = prepare(rows(200), hidden)
    assert [len(prepared.parts[part]) for part in PARTS] == [160, 20, 20]
    assert_adds_up(prepared)


def test_training_rows_that_are_all_dropped_are_refused() -> None:
    foreign = [Example(row.prompt, "maybe", "log.csv") for row in rows(50)]
    with pytest.raises(DataError, match="train"):
        prepare(foreign, rows(20, 200), rows(40, 300))


# Seeds


def test_at_most_so_many_rows_are_drawn_by_the_seed_and_keep_their_numbers() -> None:
    source = [*rows(300), Example("A visit to nobody", "mixed", "log.csv")]
    prepared = [prepare(source, most=120, seed=seed) for seed in (1, 1, 2)]
    drawn = [{row.prompt for part in one.parts.values() for row in part} for one in prepared]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(one.manifest["counts"]["not_drawn"] == 181 for one in prepared)
    for one in prepared:
        assert_adds_up(one)
    everywhere = [Example(row.prompt, "mixed", "log.csv") if n % 3 else row for n, row in enumerate(rows(300))]
    for dropped in prepare(everywhere, most=150).dropped:
        number = int(dropped.place.rsplit(" ", 1)[1])
        assert everywhere[number - 1].prompt == dropped.text


def test_the_test_items_of_a_job_are_the_same_whatever_the_order_of_the_rows() -> None:
    prepared = prepare(rows(60), rows(200, 1000))
    turned = prepare(rows(60), rows(200, 1000)[::-1])
    chosen = [pipeline.held_out(one, 50) for one in (prepared, turned)]
    assert len(chosen[0]) == 50
    assert {row.prompt for row in chosen[0]} == {row.prompt for row in chosen[1]}
    assert pipeline.held_out(prepared, 500) == prepared.test


@pytest.mark.parametrize("name", ["sentiment", "invoice-fields", "counselling-behaviour"])
def test_the_same_seed_gives_the_same_bytes_in_every_process(name: str, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from core.catalog import specialists\n"
        "from core.datasets.specialist import loading, pipeline\n"
        "one = specialists.find(sys.argv[1])\n"
        "made = loading.generate(one, 300, 5)\n"
        "pipeline.write(pipeline.prepare(one, made, 5), Path(sys.argv[2]))\n"
    )
    written = []
    for salt in ("1", "2"):
        folder = tmp_path / salt
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": salt}
        subprocess.run([sys.executable, "-c", code, name, str(folder)], check=True, cwd=PROJECT_DIR, env=environment)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert written[0] == written[1]
    other = pipeline.prepare(specialists.find(name), loading.generate(specialists.find(name), 300, 6), 6)
    assert [row.prompt for row in other.parts["train"]] != [
        json.loads(line)["prompt"] for line in written[0]["train.jsonl"].splitlines()
    ]


# What is written and trained on


def test_the_files_hold_prompt_response_and_metadata_and_the_manifest_their_hashes(tmp_path: Path) -> None:
    loaded = loading.generate(SENTIMENT, 200, 3)
    prepared = pipeline.prepare(SENTIMENT, loaded, 3)
    pipeline.write(prepared, tmp_path)
    manifest = json.loads((tmp_path / pipeline.MANIFEST_FILE).read_text())
    assert (manifest["specialist"], manifest["seed"]) == ("sentiment", 3)
    assert manifest["origin"] == {"generated": 200, "seed": 3, "licence": "made by Atelier, free to use"}
    assert set(manifest["sha256"]) == {"train.jsonl", "validation.jsonl", "test.jsonl", "dropped.jsonl"}
    for name, sha in manifest["sha256"].items():
        assert durable.hash_file(tmp_path / name) == sha
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert len(lines) == manifest["counts"]["train"]
    assert lines[0]["prompt"] == prepared.parts["train"][0].prompt
    assert set(lines[0]) == {"prompt", "response", "metadata"}
    assert lines[0]["metadata"]["source"] == "generated:sentiment"
    dropped = (tmp_path / "dropped.jsonl").read_text().splitlines()
    assert len(dropped) == sum(manifest["counts"]["dropped"].values())


def test_a_file_is_named_with_its_part_and_its_hash_in_the_manifest(tmp_path: Path) -> None:
    for name, start, count in (("train.tsv", 0, 90), ("dev.tsv", 500, 30)):
        lines = [f"{row.prompt}\t{LABELS.index(row.response)}" for row in rows(count, start)]
        (tmp_path / name).write_text("\n".join(["sentence\tlabel", *lines]) + "\n")
    prepared = pipeline.prepare(SENTIMENT, loading.read_local(SENTIMENT, tmp_path), 1)
    origin = prepared.manifest["origin"]
    assert (origin["source"], bool(origin["licence"])) == ("SST-2", True)
    assert origin["files"] == {
        name: {"part": part, "sha256": durable.hash_file(tmp_path / name)}
        for name, part in (("train.tsv", "train"), ("dev.tsv", "test"))
    }
    assert [len(prepared.parts[part]) for part in PARTS] == [80, 10, 30]
    assert Counter(row.response for row in prepared.test) == {"positive": 15, "negative": 15}


def test_a_job_validates_on_the_validation_part_and_never_sees_the_test() -> None:
    prepared = prepare(rows(400))
    training, validation = versions.split(prepared.training, 0.3, 9)
    assert {row.prompt for row in training} == {row.prompt for row in prepared.parts["train"]}
    assert {row.prompt for row in validation} == {row.prompt for row in prepared.parts["validation"]}
    composed = composition.of_specialist(prepared)
    assert {item.prompt for item in composed.benchmark.items} == {row.prompt for row in prepared.test}
    assert not {item.prompt for item in composed.benchmark.items} & {row.prompt for row in composed.examples}
    assert composed.benchmark.metrics == tuple(SENTIMENT.metrics)
