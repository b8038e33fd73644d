"""The parts that pages share: charts, progress, words, the form, kept files, the examples of a verdict."""

import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.evaluation.benchmarks import Item
from core.paths import Workspace
from core.store.metrics import MetricWriter
from core.store.states import STATES
from core.training import configuration, submission
from core.training.configuration import TrainingConfig
from pages.widgets import charts, job_state, session, text, training_form, verdict_card
from pages.widgets.envelopes import Envelope, envelope
from tests.app.support import MARKUP, as_read, make_job, one_sentence


def series(values: list[float]) -> Envelope:
    return envelope(range(len(values)), values)


# Charts


def test_a_chart_of_training_names_its_axes_and_units() -> None:
    found = charts.training_figures({"train/loss": series([3.0, 2.0]), "eval/loss": series([2.5])})
    assert list(found) == ["Loss"]
    layout = found["Loss"].layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("step", "nats per token")
    assert [line.name for line in found["Loss"].data] == ["training", "training, mean", "eval"]


def test_every_gpu_is_a_line_of_its_own_beside_the_host() -> None:
    values = {"utilization_percent": 90.0, "memory_bytes": 8e9, "temperature_celsius": 60.0, "power_watts": 300.0}
    readings = {f"gpu{index}/{name}": series([value]) for index in (0, 1) for name, value in values.items()}
    found = charts.machine_figures(readings | {"host/cpu_percent": series([50.0])})
    assert list(found) == ["GPU use", "GPU memory", "GPU temperature", "GPU power", "Processor use"]
    assert [line.name for line in found["GPU memory"].data] == ["GPU 0", "GPU 1"]
    assert found["GPU memory"].data[0].y.tolist() == [8.0]
    units = [figure.layout.yaxis.title.text for figure in found.values()]
    assert units == ["%", "GB", "°C", "W", "%"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1.0, 2.0], ""),
        ([1.0, float("nan")], "The loss was not a number at step 1."),
        ([float("inf")] * 3, "The loss was not a number at 3 steps, first at step 0."),
    ],
)
def test_losses_that_no_chart_can_show_are_counted_in_words(values: list[float], says: str) -> None:
    assert charts.not_finite_text({"train/loss": series(values)}) == says


# Progress


def progress_page(job_id: str) -> None:
    from core.paths import Workspace
    from core.store import jobs
    from core.store.connection import opened
    from pages.widgets import job_state

    with opened(Workspace.chosen()) as db:
        job_state.show_progress(Workspace.chosen(), jobs.get(db, job_id))


def show_progress(job_id: str) -> AppTest:
    return AppTest.from_function(progress_page, kwargs={"job_id": job_id}, default_timeout=60).run()


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (("loading the base", 0, 0, 0.0, None, 1.0), "Loading the base"),
        (("training", 1200, 2400, 1234.5, 61.0, 1.0), "1,200 of 2,400 · 1,234 tokens/s · about 1 min 1 s left"),
        (("testing the base", 3, 90, 2.0, 43.5, 1.0), "Testing the base: question 3 of 90 · about 44 s left"),
        (("downloading the base", 10, 500, 2.0, 245.0, 1.0, "MB"), "10 of 500 MB · about 4 min 5 s left"),
        (("training", 2400, 2400, 0.0, 0.0, 1.0), "Training: step 2,400 of 2,400"),
    ],
    ids=["loading", "training", "testing", "downloading", "done"],
)
def test_progress_says_phase_place_rate_and_time_left(workspace: Workspace, report: tuple[Any, ...], says: str) -> None:
    job = make_job(workspace, "running")
    with closing(MetricWriter(workspace.job(job.id).metrics, job.attempt)) as writer:
        writer.report(*report)
    (bar,) = show_progress(job.id).get("progress")
    assert bar.text.endswith(says)


def test_progress_of_an_earlier_attempt_is_not_shown(workspace: Workspace) -> None:
    job = make_job(workspace, "running")
    with closing(MetricWriter(workspace.job(job.id).metrics, job.attempt - 1)) as writer:
        writer.report("training", 5, 10, 1.0, 1.0, 1.0)
    (bar,) = show_progress(job.id).get("progress")
    assert bar.text == "Starting the worker"


def test_a_worker_without_a_heartbeat_for_a_minute_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(workspace, "running")
    now = [0.0]
    monkeypatch.setattr(job_state, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with closing(MetricWriter(workspace.job(job.id).metrics, job.attempt)) as writer:
        writer.report("training", 5, 10, 1.0, 1.0, 1.0)
        tab = show_progress(job.id)
        now[0] = 59.0
        assert [one.value for one in tab.run().warning] == []
        now[0] = 75.0
        assert "no sign of life for 1 min 15 s" in tab.run().warning[0].value
        writer.beat()
        assert [one.value for one in tab.run().warning] == []


def test_every_state_has_a_look() -> None:
    assert set(job_state.LOOKS) == set(STATES)


# Words


@settings(deadline=None)
@given(st.text(max_size=60) | st.sampled_from([MARKUP, "&lt;b&gt; &amp;", "a@b.org www.a.org", "1 < 2 > 0 -> --"]))
def test_any_words_are_shown_as_they_are(words: str) -> None:
    one_line = " ".join(words.split())
    shown = text.plain(words)
    assert as_read(f"x{shown}x") == f"x{one_line}x".replace("\x00", "\ufffd")
    assert "www." not in shown.lower()


def test_a_message_keeps_its_commands_and_nothing_else_of_its_markup() -> None:
    assert text.sentence("Run `atelier doctor --x`, *now*.") == "Run `atelier doctor --x`, \\*now\\*."


def test_a_moment_of_today_is_a_time_of_day_and_an_earlier_one_has_its_date() -> None:
    noon = time.mktime((*time.localtime()[:3], 12, 5, 9, 0, 0, -1))
    assert session.show_when(noon) == "12:05"
    assert session.show_when(noon, seconds=True) == "12:05:09"
    assert session.show_when(time.mktime((2024, 3, 5, 12, 5, 9, 0, 0, -1))) == "05 Mar, 12:05"
    assert session.show_when(None) == "–"


# The form


def test_every_setting_is_in_the_form_once() -> None:
    shown = [name for names in training_form.GROUPS.values() for name in names]
    assert sorted(shown) == sorted(TrainingConfig.model_fields)


def form_page(values: dict[str, object]) -> None:
    import streamlit as st

    from core.training.configuration import TrainingConfig
    from pages.widgets import training_form

    st.session_state["changes"] = training_form.show(TrainingConfig(**values), "test")


@pytest.mark.parametrize("preset", configuration.PRESETS)
def test_a_form_that_nobody_touched_changes_nothing(preset: str) -> None:
    values = submission.configure("starter", preset).model_dump() | {"target_modules": ("q_proj",), "warmup_steps": 3}
    tab = AppTest.from_function(form_page, kwargs={"values": values}, default_timeout=60).run()
    assert tab.session_state["changes"] == {}


def test_a_form_gives_back_what_was_changed_and_what_can_not_be_read_as_it_is() -> None:
    tab = AppTest.from_function(form_page, kwargs={"values": {}}, default_timeout=60).run()
    tab.text_input(key="test-rank").set_value("3.5")
    tab.text_input(key="test-max_steps").set_value(" 12 ")
    tab.text_input(key="test-epochs").set_value("")
    tab.selectbox(key="test-quantization").set_value("4bit")
    tab.run()
    assert tab.session_state["changes"] == {"rank": "3.5", "max_steps": 12, "epochs": "", "quantization": "4bit"}


# Kept files and errors


def failing_page(message: str) -> None:
    import streamlit as st

    from core.errors import BadInput
    from pages.widgets import errors

    with errors.shown():
        raise BadInput(message)
    st.caption("the rest of the page")


def test_a_failure_is_a_sentence_and_the_rest_of_the_page_is_drawn() -> None:
    tab = AppTest.from_function(failing_page, kwargs={"message": "Wrong is ![x](y)."}, default_timeout=60).run()
    assert one_sentence(tab) == "Wrong is ![x](y)."
    assert tab.caption[0].value == "the rest of the page"


def keeping_page() -> None:
    from types import SimpleNamespace

    import streamlit as st

    from pages.widgets import uploads

    def keep(name: str, content: bytes) -> str:
        return str(uploads.kept(SimpleNamespace(name=name, getvalue=lambda: content)))  # type: ignore[arg-type]

    found = [keep("a.jsonl", b"1"), keep("a.jsonl", b"2"), keep("a.jsonl", b"1"), keep("../../b.jsonl", b"3")]
    st.session_state["kept"] = found
    st.session_state["message"] = uploads.without_folder(f"{found[0]}, line 3 is wrong.")


def test_dropped_files_keep_their_names_and_their_contents_apart() -> None:
    tab = AppTest.from_function(keeping_page, default_timeout=60).run()
    first, second, again, outside = [Path(path) for path in tab.session_state["kept"]]
    assert (first.read_bytes(), second.read_bytes(), outside.read_bytes()) == (b"1", b"2", b"3")
    assert first == again != second
    assert [path.name for path in (first, second, outside)] == ["a.jsonl", "a.jsonl", "b.jsonl"]
    assert outside.parents[1] == first.parents[1]
    assert tab.session_state["message"] == "a.jsonl, line 3 is wrong."


# The verdict's examples


def pair(number: int, base: float, tuned: float) -> verdict_card.Example:
    component = ("numbers", "labels")[number % 2]
    item = Item(id=f"i{number}", component=component, type="text", prompt="Why?", answer="So.")
    return item, ("a", base), ("b", tuned)


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [
        ("better", [(0, 1), (0, 1), (0, 1), (1, 0), (0, 0)]),
        ("worse", [(1, 0), (1, 0), (1, 0), (0, 1), (0, 0)]),
        ("not proven", [(0, 1), (0, 1), (1, 0), (1, 0), (0, 0)]),
    ],
)
def test_the_examples_show_what_decided_but_the_other_kind_and_a_miss_too(
    outcome: str, shown: list[tuple[float, float]]
) -> None:
    kinds = [(0, 1)] * 6 + [(1, 0)] * 6 + [(0, 0)] * 3 + [(1, 1)] * 3
    found = verdict_card.pick_examples([pair(number, *kind) for number, kind in enumerate(kinds)], outcome)
    assert [(base[1], tuned[1]) for _, base, tuned in found] == shown
    assert {item.component for item, _, _ in found} == {"numbers", "labels"}


def test_with_few_kinds_the_examples_are_filled_up() -> None:
    pairs = [pair(number, 1, 1) for number in range(9)]
    assert len(verdict_card.pick_examples(pairs, "not proven")) == verdict_card.MOST_EXAMPLES


def test_the_chart_of_components_shows_both_models_with_their_intervals() -> None:
    part = {
        "title": "Numbers",
        "items": 12,
        "base": {"value": 0.2, "low": 0.1, "high": 0.4},
        "tuned": {"value": 0.8, "low": 0.6, "high": 0.9},
    }
    made = verdict_card.component_figure([part])
    assert [(line.name, round(line.x[0])) for line in made.data] == [("base", 20), ("tuned", 80)]
    bars = made.data[1].error_x
    assert (round(bars.array[0]), round(bars.arrayminus[0])) == (10, 20)
    assert made.layout.yaxis.ticktext == ("Numbers (12)",)
    assert made.layout.xaxis.ticksuffix == "%"
