"""The Datasets page: nothing yet, a file on its way in, what there is, what goes wrong."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets import importing, preview
from core.paths import Workspace
from core.store import datasets, jobs
from core.store.connection import opened
from tests.app.support import (
    DATASETS,
    MARKUP,
    NEW_JOB,
    all_jobs,
    as_read,
    assert_fine,
    button,
    by_label,
    labels,
    one_sentence,
    texts,
)

OpenPage = Callable[..., AppTest]
TABLE = b"text,team\n" + b"".join(b"mail %d,team %d\n" % (n, n % 3) for n in range(40)) + b",nobody\n"


def import_table(workspace: Workspace, folder: Path, name: str = "mails", content: bytes = TABLE) -> str:
    path = folder / f"{name}.csv"
    path.write_bytes(content)
    found = preview.look_at(path)
    mapping = preview.choose_mapping(found, path, {"prompt": "text", "response": "team"})
    made = importing.import_file(workspace, path, found.form, mapping, name=name)
    with opened(workspace) as db:
        importing.register(db, made)
    return made.sha


def drop(tab: AppTest, name: str, content: bytes) -> AppTest:
    uploader = next(one for one in tab.file_uploader if one.key == "import_file")
    return uploader.upload(name, content).run()


def test_with_nothing_there_the_page_says_what_to_do(workspace: Workspace, open_page: OpenPage) -> None:
    tab = open_page(DATASETS)
    assert_fine(tab)
    assert "No datasets yet." in texts(tab)
    assert "Import" not in labels(tab)  # nothing to press before there is a file


def test_a_dropped_file_is_shown_as_it_will_be_read_and_queued(workspace: Workspace, open_page: OpenPage) -> None:
    tab = drop(open_page(DATASETS), "mails.csv", TABLE)
    assert_fine(tab)
    assert by_label(tab.selectbox, "Question").value == "text"
    by_label(tab.selectbox, "Answer").set_value("team").run()
    assert tab.dataframe[-1].value["Answer"].tolist() == [f"team {n % 3}" for n in range(5)]
    by_label(tab.text_input, "Name").set_value("My mails").run()
    button(tab, "Import").click().run()
    [job] = all_jobs(workspace)
    assert (job.kind, job.name, job.spec["mapping"]["response"]) == ("import", "Import of My mails", "team")
    kept = Path(job.spec["path"])
    assert kept.read_bytes() == TABLE and kept.is_relative_to(workspace.uploads)


def test_a_file_on_this_machine_is_read_where_it_lies(
    workspace: Workspace, open_page: OpenPage, tmp_path: Path
) -> None:
    path = tmp_path / "mails.csv"
    path.write_bytes(TABLE.replace(b"text,team", b"question,answer"))
    tab = open_page(DATASETS)
    by_label(tab.segmented_control, "Where is it?").set_value("Name a file on this machine").run()
    by_label(tab.text_input, "Path").set_value(str(path)).run()
    button(tab, "Import").click().run()
    [job] = all_jobs(workspace)
    assert job.spec["path"] == str(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"", "a.csv is empty."),
        ("a.csv", b"PK\x03\x04" + bytes(40), "a.csv is a ZIP archive or an Excel workbook."),
        ("a.csv", b"colour,size\nred,1\nblue,2\n", "Which column of a.csv holds"),
        ("a.csv", b"question,answer\n,x\n", "a.csv gives no example in 1 row. Line 2, column 'question' is empty."),
        ("a.json", b'[{"question": ', "a.json is not valid JSON behind row 0"),
    ],
)
def test_a_file_that_can_not_be_imported_is_refused_in_a_sentence(
    name: str, content: bytes, says: str, workspace: Workspace, open_page: OpenPage
) -> None:
    tab = drop(open_page(DATASETS), name, content)
    assert one_sentence(tab).startswith(says)
    assert "Import" not in labels(tab) and all_jobs(workspace) == []


def test_a_dataset_shows_its_examples_its_origin_and_what_was_put_aside(
    workspace: Workspace, open_page: OpenPage, tmp_path: Path
) -> None:
    import_table(workspace, tmp_path)
    tab = open_page(DATASETS)
    assert_fine(tab)
    assert "40 examples · from mails.csv" in texts(tab)
    assert [one.label for one in tab.tabs] == ["Examples", "Doctor", "Put aside", "Origin"]
    frames = [frame.value for frame in tab.dataframe]
    assert frames[1]["Question"].tolist()[:2] == ["mail 0", "mail 1"]
    assert frames[2].to_dict("records") == [
        {"Line": 42, "Column": "text", "Why": "is empty", "The row": '{"text": "", "team": "nobody"}'}
    ]
    assert "'text' asks, 'team' answers." in texts(tab)


def test_a_dataset_is_trained_on_at_one_press(workspace: Workspace, open_page: OpenPage, tmp_path: Path) -> None:
    sha = import_table(workspace, tmp_path)
    tab = open_page(DATASETS)
    button(tab, "Train on this").click().run()
    tab.switch_page(NEW_JOB).run()
    assert_fine(tab)
    assert "rows of mails" in texts(tab)
    button(tab, "Start training").click().run()
    [job] = all_jobs(workspace)
    assert job.spec["dataset_name"] == "mails" and job.dataset != sha  # some rows are held out to test on


def test_a_deleted_dataset_is_gone(workspace: Workspace, open_page: OpenPage, tmp_path: Path) -> None:
    sha = import_table(workspace, tmp_path)
    tab = open_page(DATASETS)
    button(tab, "Delete it for good").click().run()
    assert_fine(tab)
    assert "No datasets yet." in texts(tab)
    assert not (workspace.datasets / sha).exists()


def test_a_hostile_name_and_hostile_rows_are_shown_as_they_are(
    workspace: Workspace, open_page: OpenPage, tmp_path: Path
) -> None:
    content = f'text,team\n"{MARKUP}",{json.dumps(MARKUP)[1:-1]}\nb,c\n'.encode()
    sha = import_table(workspace, tmp_path, "mails", content)
    with opened(workspace) as db:
        datasets.give_name(db, MARKUP, sha, "import")
    tab = open_page(DATASETS)
    assert_fine(tab)
    assert as_read(tab.subheader[0].value) == MARKUP


def test_a_damaged_dataset_is_named_and_the_page_stays(
    workspace: Workspace, open_page: OpenPage, tmp_path: Path
) -> None:
    sha = import_table(workspace, tmp_path)
    (workspace.datasets / sha / "train.jsonl").unlink()
    tab = open_page(DATASETS)
    assert "can't be read" in one_sentence(tab)
    assert "Delete it for good" in labels(tab)


def test_an_import_at_work_can_be_cancelled(workspace: Workspace, open_page: OpenPage) -> None:
    with opened(workspace) as db:
        jobs.create(db, kind="import", name="Import of much", spec={"path": "x"})
    tab = open_page(DATASETS)
    assert "It waits for its turn." in texts(tab)
    button(tab, "Cancel").click().run()
    [job] = all_jobs(workspace)
    assert job.state == "cancelled"


def test_a_split_and_a_mix_are_made_and_shown(workspace: Workspace, open_page: OpenPage, tmp_path: Path) -> None:
    import_table(workspace, tmp_path)
    tab = open_page(DATASETS)
    button(tab, "Split it").click().run()
    assert_fine(tab)
    assert as_read(tab.subheader[0].value) == "mails train"
    assert "The part train of a split, 80 : 10 : 10." in texts(tab)
    by_label(tab.multiselect, "Datasets").set_value(["mails train", "mails test"]).run()
    by_label(tab.number_input, "Share of mails train").set_value(2.0).run()
    by_label(tab.text_input, "Name of the mix").set_value("mixed").run()
    button(tab, "Mix them").click().run()
    assert_fine(tab)
    with opened(workspace) as db:
        assert datasets.find_named(db, "mixed").rows == 12


def test_a_split_without_room_is_refused_in_a_sentence(
    workspace: Workspace, open_page: OpenPage, tmp_path: Path
) -> None:
    import_table(workspace, tmp_path, content=b"text,team\na,b\nc,d\n")
    tab = open_page(DATASETS)
    button(tab, "Split it").click().run()
    assert "must stay together" in one_sentence(tab)
