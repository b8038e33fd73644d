"""New job: what is chosen is what is queued; what is wrong is said in a sentence, and nothing is queued.

`core.process.queue.ensure_supervisor` is replaced, so that no process starts; see conftest.py.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from streamlit.testing.v1 import AppTest

from core.catalog import specialists
from core.datasets import versions
from core.evaluation.pinned import read_pinned
from core.hardware.readings import read_machine
from core.paths import Workspace
from core.process import queue
from core.store import measurements
from core.store.connection import opened, transaction
from core.store.measurements import Measurement
from core.training import submission
from tests.app.support import (
    JOBS,
    MARKUP,
    NEW_JOB,
    all_jobs,
    as_read,
    assert_fine,
    button,
    by_label,
    make_job,
    meanwhile,
    one_sentence,
    texts,
)

OpenPage = Callable[..., AppTest]
START = "Start training"


def rows(count: int = 30) -> bytes:
    lines = [json.dumps({"prompt": f"Question {number}", "response": f"Answer {number}"}) for number in range(count)]
    return ("\n".join(lines) + "\n").encode()


def drop(tab: AppTest, name: str, content: bytes) -> AppTest:
    """Choose an own file and drop one."""
    by_label(tab.segmented_control, "Data").set_value("My own file").run()
    uploader = next(one for one in tab.file_uploader if one.key == "own_file")
    return uploader.upload(name, content).run()


def drop_settings(tab: AppTest, text: str) -> AppTest:
    return by_label(tab.file_uploader, "Load settings from a YAML file").upload("mine.yaml", text.encode()).run()


def choose_folder(tab: AppTest, folder: str) -> AppTest:
    """Choose a base in a folder of one's own."""
    tab.selectbox(key="base").set_value("A folder or hub id").run()
    return tab.text_input(key="own_base").set_value(folder).run()


def start(tab: AppTest, label: str = START) -> AppTest:
    """Press the button and see that the Jobs page shows the new job."""
    button(tab, label).click().run()
    assert_fine(tab)
    assert [one.value for one in tab.title] == ["Jobs"]
    return tab.switch_page(JOBS)  # so that later presses are made there


def assert_can_not_start(tab: AppTest) -> None:
    assert button(tab, START).disabled


# What is chosen is what is queued


def test_the_page_opens_ready_to_start_with_an_estimate(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(NEW_JOB)
    assert_fine(tab)
    assert not button(tab, START).disabled
    shown = texts(tab)
    assert "**30** from the corpus of finance" in shown
    assert "**1,000** generated for finance" in shown
    assert "held-out questions decide the verdict" in shown
    assert {"Time", "Memory", "Disk"} <= {one.label for one in tab.metric}
    assert "A first estimate: no job has ended on this machine yet." in shown
    assert all_jobs(workspace) == []


def test_starting_queues_what_was_chosen(workspace: Workspace, open_page: OpenPage, asked_for: list[Workspace]) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.segmented_control, "How thoroughly").set_value("quick")
    by_label(tab.segmented_control, "Priority").set_value("high")
    by_label(tab.pills, "Industries").set_value(["retail"])
    tab.text_input(key="name").set_value(MARKUP)
    by_label(tab.toggle, "Compare with the base at the end").set_value(False)
    start(tab.run())
    (job,) = all_jobs(workspace)
    assert (job.name, job.priority_name, job.state) == (MARKUP, "high", "queued")
    assert (job.spec["industries"], job.spec["preset"], job.spec["evaluate"]) == (["retail"], "quick", False)
    assert job.spec["config"] == submission.configure("starter", "quick").model_dump(mode="json")
    assert job.estimate["seconds"] > 0
    assert as_read(tab.subheader[0].value) == f"#1 {MARKUP}"
    assert workspace in asked_for


def test_settings_changed_by_hand_are_those_of_the_job(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.text_input, "Rank").set_value("4")
    by_label(tab.text_input, "Max steps").set_value("7")
    by_label(tab.text_input, "Target modules").set_value("q_proj, v_proj")
    by_label(tab.toggle, "rsLoRA").set_value(True)
    by_label(tab.selectbox, "Schedule").set_value("linear")
    start(tab.run())
    config = all_jobs(workspace)[0].spec["config"]
    chosen = [config[name] for name in ("rank", "max_steps", "target_modules", "rslora", "schedule")]
    assert chosen == [4, 7, ["q_proj", "v_proj"], True, "linear"]


def test_several_industries_can_have_different_shares(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.pills, "Industries").set_value(["finance", "retail"]).run()
    by_label(tab.number_input, "Finance").set_value(3.0).run()
    assert_fine(tab)
    assert "**1,500** generated for finance" in texts(tab)
    assert "**500** generated for retail" in texts(tab)
    start(tab)
    assert all_jobs(workspace)[0].spec["composition"]["generated:finance"] == 1500


def test_the_base_alone_can_be_tested(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.toggle, "Only test the base, train nothing").set_value(True).run()
    assert "Nothing is trained." in texts(tab)
    assert [one.label for one in tab.metric] == []
    start(tab, "Test the base")
    assert all_jobs(workspace)[0].spec["baseline_only"] is True


def test_an_own_file_is_counted_and_queued_under_its_name(workspace: Workspace, open_page: OpenPage) -> None:
    tab = drop(open_page(NEW_JOB), "my rows.jsonl", rows(30) + rows(1))
    assert_fine(tab)
    assert "**20** rows of my rows.jsonl" in texts(tab)
    assert "1 row is left out: repeated rows." in texts(tab)
    start(tab)
    (job,) = all_jobs(workspace)
    assert (job.spec["dataset_name"], job.spec["industries"]) == ("my rows", [])
    assert job.spec["benchmark_name"] == "my rows"


def test_a_base_in_a_folder_of_ones_own_can_be_trained(
    workspace: Workspace, open_page: OpenPage, tiny_base: Path
) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.segmented_control, "How thoroughly").set_value("quick").run()
    choose_folder(tab, str(tiny_base))
    start(tab)
    assert all_jobs(workspace)[0].spec["base"] == str(tiny_base.resolve())


def test_two_tabs_that_press_in_the_same_moment_make_one_job(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = open_page(NEW_JOB), open_page(NEW_JOB)
    press_second = button(second, START).click().run
    with meanwhile(queue, "submit", press_second, monkeypatch):
        button(first, START).click().run()
    assert len(all_jobs(workspace)) == 1
    for tab in (first, second):
        assert_fine(tab)
        assert [one.value for one in tab.title] == ["Jobs"]


def test_the_same_wish_later_makes_a_second_job(workspace: Workspace, open_page: OpenPage) -> None:
    start(open_page(NEW_JOB))
    start(open_page(NEW_JOB))
    assert [job.number for job in all_jobs(workspace)] == [2, 1]


# The estimate


def test_the_estimate_learns_from_what_has_ended_here(workspace: Workspace, open_page: OpenPage) -> None:
    job = make_job(workspace, "succeeded")
    measured = {"seconds": 60.0, "memory_bytes": 9e8, "joules": 3.6e5}
    counted = {"counted_seconds": 1.0, "counted_memory_bytes": 9e8}
    with opened(workspace) as db, transaction(db):
        predicted = {"seconds": 54.0}
        row = Measurement(job.id, read_machine().key, "f" * 64, counted, predicted, measured)
        measurements.insert(db, row)
    tab = open_page(NEW_JOB)
    assert "Learned from 1 job on this machine; past estimates were off by 10%." in texts(tab)
    assert "Energy" in {one.label for one in tab.metric}


def test_typing_a_name_does_not_read_and_count_the_data_again(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = open_page(NEW_JOB)
    monkeypatch.delattr(submission, "draft")
    tab.text_input(key="name").set_value("Mine").run()
    assert_fine(tab)
    assert not button(tab, START).disabled


def test_rows_that_are_cut_are_warned_of(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.text_input, "Max length").set_value("16").run()
    assert "are longer than 16 tokens" in tab.warning[0].value


# What is wrong is said


def test_without_an_industry_the_page_asks_for_one(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.pills, "Industries").set_value([]).run()
    assert_fine(tab)
    assert tab.info[0].value == "Pick at least one industry."
    assert_can_not_start(tab)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"prompt": "a", "response": "b"}\n{"prompt": "a"}\n', "rows.jsonl, line 2, column 'response' is missing."),
        (b'{"prompt": "a"', "rows.jsonl, line 1 is not valid JSON"),
        (b'{"prompt": "a", "response": "\xff"}\n', "rows.jsonl, line 1 is not UTF-8 text"),
        (b"\n", "rows.jsonl is empty."),
        (rows(2), "rows.jsonl has 2 different rows."),
    ],
    ids=["no-response", "no-json", "no-utf8", "empty", "too-few"],
)
def test_a_wrong_file_is_refused_by_name_and_place(
    workspace: Workspace, open_page: OpenPage, content: bytes, says: str
) -> None:
    tab = drop(open_page(NEW_JOB), "rows.jsonl", content)
    assert one_sentence(tab).startswith(says)
    assert_can_not_start(tab)
    tab = next(one for one in tab.file_uploader if one.key == "own_file").upload("good.jsonl", rows()).run()
    assert_fine(tab)
    assert not button(tab, START).disabled


@pytest.mark.parametrize(
    ("label", "value", "says"),
    [
        ("Rank", "9999", "rank is 9999: input should be less than or equal to 512."),
        ("Learning rate", "fast", "learning_rate is 'fast'"),
        ("Target modules", "", "target_modules is empty"),
    ],
)
def test_a_wrong_setting_is_named_and_can_be_corrected(
    workspace: Workspace, open_page: OpenPage, label: str, value: str, says: str
) -> None:
    tab = open_page(NEW_JOB)
    before = by_label(tab.text_input, label).value
    by_label(tab.text_input, label).set_value(value).run()
    assert says in one_sentence(tab)
    assert_can_not_start(tab)
    by_label(tab.text_input, label).set_value(before).run()
    assert_fine(tab)
    assert not button(tab, START).disabled


def test_settings_from_a_file_fill_the_form(workspace: Workspace, open_page: OpenPage) -> None:
    tab = drop_settings(open_page(NEW_JOB), "base: mistralai/Mistral-7B-Instruct-v0.1\nrank: 4\nlearning_rate: 1e-3\n")
    assert_fine(tab)
    assert by_label(tab.text_input, "Rank").value == "4"
    assert "the one chosen above is used" in texts(tab)
    start(tab)
    config = all_jobs(workspace)[0].spec["config"]
    assert (config["rank"], config["learning_rate"]) == (4, 1e-3)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("learnin_rate: 1\n", "mine.yaml has 'learnin_rate', which is no field of a training configuration."),
        ("rank: [\n", "mine.yaml, line 2 is not valid YAML"),
        ("", "mine.yaml is empty."),
    ],
)
def test_a_wrong_settings_file_is_refused_and_can_be_taken_away(
    workspace: Workspace, open_page: OpenPage, text: str, says: str
) -> None:
    tab = drop_settings(open_page(NEW_JOB), text)
    assert one_sentence(tab).startswith(says)
    assert_can_not_start(tab)
    by_label(tab.file_uploader, "Load settings from a YAML file").clear().run()
    assert_fine(tab)
    assert not button(tab, START).disabled


def test_a_base_that_is_not_given_is_asked_for(workspace: Workspace, open_page: OpenPage) -> None:
    tab = choose_folder(open_page(NEW_JOB), " ")
    assert_fine(tab)
    assert tab.info[0].value == "Give the folder or hub id of the base model."
    assert_can_not_start(tab)


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("no-such-base", "There is no base model 'no-such-base'."),
        ("owner/name", "The base owner/name is not on this machine"),
        ("{folder}", "has no config.json"),
    ],
)
def test_a_base_that_can_not_be_had_is_refused(
    workspace: Workspace, open_page: OpenPage, tmp_path: Path, base: str, says: str
) -> None:
    (tmp_path / "empty").mkdir()
    tab = choose_folder(open_page(NEW_JOB), base.format(folder=tmp_path / "empty"))
    assert says in one_sentence(tab)
    assert_can_not_start(tab)


def test_a_base_too_large_for_this_machine_is_warned_of(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    if read_machine().gpus:
        pytest.skip("this machine has a GPU")
    tab = open_page(NEW_JOB)
    tab.selectbox(key="base").set_value("Qwen/Qwen2.5-7B-Instruct").run()
    assert "needs a GPU with 16 GB, here is none" in as_read(tab.warning[0].value)


def test_a_broken_pack_is_named_and_an_own_file_can_still_be_trained_on(
    workspace: Workspace, open_page: OpenPage
) -> None:
    (workspace.industries / "legal.yaml").write_text("id: legal\ntitle: [\n")
    tab = open_page(NEW_JOB)
    assert "legal.yaml" in one_sentence(tab)
    assert_can_not_start(tab)
    assert_fine(start(drop(tab, "mine.jsonl", rows())))


# A specialist


def choose_specialist(tab: AppTest, name: str) -> AppTest:
    by_label(tab.segmented_control, "Data").set_value("A specialist").run()
    return tab.selectbox(key="specialist").set_value(name).run()


def drop_rows(tab: AppTest, name: str, content: bytes) -> AppTest:
    """Choose a file of the specialist's dataset and drop one."""
    by_label(tab.segmented_control, "Rows").set_value("A file of the dataset").run()
    return next(one for one in tab.file_uploader if one.key == "specialist_file").upload(name, content).run()


def reviews(count: int, label: str = "{}") -> bytes:
    lines = [f"The stay at inn {n} took {n * 13} hours\t{label.format(n % 2)}" for n in range(count)]
    return ("\n".join(["sentence\tlabel", *lines]) + "\n").encode()


def test_a_specialist_is_counted_and_estimated_and_queued_with_its_aims(
    workspace: Workspace, open_page: OpenPage, asked_for: list[Workspace]
) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.segmented_control, "How thoroughly").set_value("quick").run()
    choose_specialist(tab, "ticket-routing")
    assert_fine(tab)
    shown = texts(tab)
    assert "ticket-routing" in shown.replace("\\", "") and "held-out questions decide the verdict" in shown
    assert {"Time", "Memory", "Disk"} <= {one.label for one in tab.metric}
    assert by_label(tab.text_input, "Rank").value == "8"
    assert all_jobs(workspace) == []
    start(tab)
    (job,) = all_jobs(workspace)
    assert (job.state, job.spec["specialist"], job.spec["industries"]) == ("queued", "ticket-routing", [])
    assert job.spec["aims"] == {"accuracy": {"baseline": 0.7, "tuned": 0.9}}
    assert (job.spec["config"]["rank"], job.spec["config"]["alpha"]) == (8, 16)
    pinned = read_pinned(workspace, job.spec["benchmark"])
    assert list(pinned.metrics) == ["accuracy", "macro_f1"]
    assert job.estimate["seconds"] > 0 and workspace in asked_for
    examples = versions.load(workspace, job.spec["dataset"])
    assert len(examples) == sum(job.spec["composition"].values())
    assert not {one.prompt for one in examples} & {item.prompt for item in pinned.items}


def test_another_specialist_brings_its_own_rank_and_where_its_rows_come_from(
    workspace: Workspace, open_page: OpenPage
) -> None:
    tab = choose_specialist(open_page(NEW_JOB), "sentiment")
    assert by_label(tab.segmented_control, "Rows").options == [
        "Generated examples", "Its dataset on the hub", "A file of the dataset"
    ]  # fmt: skip
    by_label(tab.segmented_control, "Rows").set_value("Its dataset on the hub").run()
    assert_fine(tab)
    assert "stanfordnlp/sst2" in texts(tab).replace("\\", "")
    assert_can_not_start(tab)
    choose_specialist(tab, "invoice-fields")
    assert_fine(tab)
    assert by_label(tab.segmented_control, "Rows").options == ["Generated examples", "A file of the dataset"]
    assert by_label(tab.text_input, "Rank").value == "16"
    assert not button(tab, START).disabled


def test_a_file_of_a_specialists_dataset_is_read_by_its_mapping(workspace: Workspace, open_page: OpenPage) -> None:
    tab = choose_specialist(open_page(NEW_JOB), "sentiment")
    by_label(tab.segmented_control, "Rows").set_value("A file of the dataset").run()
    assert_fine(tab)
    assert_can_not_start(tab)
    tab = drop_rows(tab, "train.tsv", reviews(240))
    assert_fine(tab)
    start(tab)
    (job,) = all_jobs(workspace)
    assert job.spec["specialist"] == "sentiment"
    assert {item.answer for item in read_pinned(workspace, job.spec["benchmark"]).items} == {"positive", "negative"}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("foreign.csv", b"question,answer\n" + b"".join(b"Where is box %d?,there\n" % n for n in range(60)),
         "0 can be used; at least 30 are needed. Most others were left out because: 'there' is none of the labels"),
        ("few.tsv", reviews(12), "Of the rows for 'sentiment', 12 can be used; at least 30 are needed."),
        ("mixed.tsv", reviews(60, "7"), "Of the rows for 'sentiment', 0 can be used"),
        ("one.csv", b"text\nfine\n", "Which column of one.csv holds"),
        ("empty.csv", b"", "empty.csv"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "picture.csv"),
    ],
    ids=["foreign", "few", "labels", "columns", "empty", "picture"],
)  # fmt: skip
def test_a_wrong_file_of_a_specialist_is_refused_in_a_sentence(
    workspace: Workspace, open_page: OpenPage, name: str, content: bytes, says: str
) -> None:
    tab = drop_rows(choose_specialist(open_page(NEW_JOB), "sentiment"), name, content)
    told = one_sentence(tab)
    assert says in told and "/tmp" not in told
    assert_can_not_start(tab)
    assert_fine(drop_rows(tab, "train.tsv", reviews(240)))
    assert not button(tab, START).disabled


def test_a_specialist_that_was_changed_meanwhile_is_counted_anew(workspace: Workspace, open_page: OpenPage) -> None:
    own = workspace.root / "specialists" / "mine.yaml"
    own.parent.mkdir(parents=True)
    shipped = yaml.safe_load((specialists.SPECIALISTS_DIR / "customer-service.yaml").read_text(encoding="utf-8"))
    (routing,) = [one for one in shipped["specialists"] if one["id"] == "ticket-routing"]
    for prompt in ("Which team?", "Who shall take this ticket?"):
        own.write_text(yaml.safe_dump(shipped | {"specialists": [routing | {"prompt": prompt + "\n{text}"}]}))
        tab = choose_specialist(open_page(NEW_JOB), "ticket-routing")
        assert_fine(start(tab))
        newest = all_jobs(workspace)[0]
        items = read_pinned(workspace, newest.spec["benchmark"]).items
        assert all(item.prompt.startswith(prompt) for item in items)


# From another job's settings


def test_where_a_specialists_rows_came_from_is_taken_over(workspace: Workspace, open_page: OpenPage) -> None:
    tab = choose_specialist(open_page(NEW_JOB), "sentiment")
    tab = drop_rows(tab, "train.tsv", reviews(240))
    tab.number_input(key="specialist_rows").set_value(200).run()
    start(tab)
    (job,) = all_jobs(workspace)
    assert job.spec["rows_from"]["rows"] == 200 and job.spec["rows_from"]["source"].endswith("train.tsv")
    button(tab, "Cancel").click().run()
    button(tab, "New job from these settings").click().run()
    assert_fine(tab)
    assert by_label(tab.segmented_control, "Rows").value == "A file of the dataset"
    assert tab.number_input(key="specialist_rows").value == 200
    assert "come from train.tsv again" in texts(tab).replace("\\", "")
    start(tab.switch_page(NEW_JOB).run())
    newest = all_jobs(workspace)[0]
    assert newest.id != job.id
    assert (newest.spec["dataset"], newest.spec["benchmark"]) == (job.spec["dataset"], job.spec["benchmark"])
    Path(job.spec["rows_from"]["source"]).unlink()
    button(tab, "Cancel").click().run()
    button(tab, "New job from these settings").click().run()
    assert "not there any more. Drop it again" in texts(tab).replace("\\", "")
    assert_can_not_start(tab)


def test_the_settings_of_another_job_are_taken_over_and_can_be_forgotten(
    workspace: Workspace, open_page: OpenPage
) -> None:
    tab = open_page(NEW_JOB)
    by_label(tab.pills, "Industries").set_value(["education"])
    by_label(tab.segmented_control, "How thoroughly").set_value("quick")
    by_label(tab.text_input, "Rank").set_value("4")
    tab.text_input(key="name").set_value("Mine")
    start(tab.run())
    button(tab, "Cancel").click().run()
    button(tab, "New job from these settings").click().run()
    assert_fine(tab)
    assert [one.value for one in tab.title] == ["New job"]
    assert as_read(tab.info[0].value) == "The settings are those of job #1 Mine."
    tab.switch_page(NEW_JOB)
    by_label(tab.text_input, "Rank").set_value("2").run()
    start(tab)
    new, old = all_jobs(workspace)
    assert (new.name, new.spec["industries"], new.spec["preset"]) == ("Mine", ["education"], "quick")
    assert new.spec["config"] == old.spec["config"] | {"rank": 2}
    assert [one.value for one in tab.switch_page(NEW_JOB).run().info] == []
    tab.switch_page(JOBS).run()

    button(tab, "Cancel").click().run()
    button(tab, "New job from these settings").click().run()
    tab.switch_page(NEW_JOB)
    button(tab, "Forget them").click().run()
    assert_fine(tab)
    assert by_label(tab.text_input, "Rank").value == str(submission.configure("starter", "quick").rank)
