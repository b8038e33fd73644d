"""New job for a rubric: made transcripts or one's own ratings, and what is wrong with these is named."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.catalog import rubrics
from core.evaluation.pinned import read_pinned
from core.paths import Workspace
from core.scoring import ratings, sampling
from tests.app.support import JOBS, NEW_JOB, all_jobs, assert_fine, button, by_label, texts

OpenPage = Callable[..., AppTest]
RUBRIC = rubrics.find("conversation")


def choose_rubric(tab: AppTest) -> AppTest:
    by_label(tab.segmented_control, "How thoroughly").set_value("quick").run()
    return by_label(tab.segmented_control, "Data").set_value("A rubric").run()


def drop_ratings(tab: AppTest, content: str) -> AppTest:
    by_label(tab.segmented_control, "Transcripts").set_value("My rated transcripts").run()
    uploader = next(one for one in tab.file_uploader if one.key == "rubric_file")
    return uploader.upload("rated.csv", content.encode()).run()


def test_a_rubric_is_trained_on_ratings_of_ones_own(workspace: Workspace, open_page: OpenPage) -> None:
    tab = drop_ratings(choose_rubric(open_page(NEW_JOB)), ratings.write_csv(sampling.make(RUBRIC, 12, 1)))
    assert_fine(tab)
    assert "questions about 12 transcripts" in texts(tab)
    button(tab, "Start training").click().run()
    assert_fine(tab)
    tab.switch_page(JOBS)
    (job,) = all_jobs(workspace)
    assert (job.state, job.spec["rubric"]) == ("queued", "conversation")
    assert set(read_pinned(workspace, job.spec["benchmark"]).weights) == {one.id for one in RUBRIC.dimensions}


def test_a_wrong_score_is_named_and_nothing_can_start(workspace: Workspace, open_page: OpenPage) -> None:
    text = ratings.write_csv(sampling.make(RUBRIC, 6, 1))
    head, _, rest = text.partition("\n")
    row = '"RD: Hello.",9,3,3,3' + "," * (head.count(",") - 4)
    tab = drop_ratings(choose_rubric(open_page(NEW_JOB)), f"{head}\n{row}\n{rest}")
    shown = texts(tab)
    assert "line 2" in shown and "empathy" in shown and "9" in shown
    assert button(tab, "Start training").disabled and all_jobs(workspace) == []


def test_made_transcripts_need_no_file(workspace: Workspace, open_page: OpenPage) -> None:
    tab = choose_rubric(open_page(NEW_JOB))
    assert_fine(tab)
    assert "questions about 60 transcripts" in texts(tab) and not button(tab, "Start training").disabled
