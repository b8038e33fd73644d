"""The job of an endpoint on the Jobs page: its score and cost, and a queue of its own beside what trains."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from core.paths import Workspace
from tests.app.support import JOBS, make_job, texts

OpenPage = Callable[..., AppTest]


def test_an_endpoints_job_shows_its_score_and_what_it_cost(workspace: Workspace, open_page: OpenPage) -> None:
    paid = {"evaluation": "e", "score": 0.75, "low": 0.6, "high": 0.9, "cost": 0.0123, "currency": "EUR"}
    make_job(workspace, "succeeded", kind="evaluate", base="endpoint:toy", result=paid)
    page = open_page(JOBS)
    assert {one.label: one.value for one in page.metric} == {"Score": "75%", "Cost": "0.0123 EUR"}
    assert r"endpoint\:toy" in texts(page)


def test_a_base_keeps_its_words_and_has_no_cost(workspace: Workspace, open_page: OpenPage) -> None:
    make_job(workspace, "succeeded", kind="evaluate", result={"evaluation": "e", "score": 0.5, "low": 0.4, "high": 0.6})
    assert [one.label for one in open_page(JOBS).metric] == ["Score of the base"]


def test_the_list_tells_the_score_of_a_base_from_that_of_another_model(
    workspace: Workspace, open_page: OpenPage
) -> None:
    for base in ("endpoint:toy", "starter"):
        make_job(workspace, "succeeded", kind="evaluate", base=base, result={"evaluation": "e", "score": 0.5})
    assert open_page(JOBS).dataframe[0].value["Result"].tolist() == ["base scores 50%", "scores 50%"]


def test_who_waits_for_an_endpoint_does_not_wait_for_the_device(workspace: Workspace, open_page: OpenPage) -> None:
    for _ in range(2):
        make_job(workspace, "queued", kind="train")
    make_job(workspace, "queued", kind="evaluate", base="endpoint:toy")
    assert "jobs are ahead" not in texts(open_page(JOBS))
