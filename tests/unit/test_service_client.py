"""The client of the scoring service: what it makes of answers, losses and time, without a service."""

import http.client
import json
import os
from pathlib import Path
from typing import Any

import pytest

from core.catalog import rubrics
from core.errors import NotFound, ServiceError
from core.paths import Workspace
from core.process.liveness import ProcessIdentity
from core.scoring.result import Scored
from core.scoring.service import address, client
from core.scoring.service.address import Address
from core.scoring.service.problem import Problem, describe
from tests.scoring_service import make_scored

SCORED = make_scored(rubrics.find("conversation"), "base").model_dump(mode="json")
HERE = ProcessIdentity.of(os.getpid())
assert HERE is not None
FOUND = Address(1, "token", HERE)
PLACE = Workspace(Path("nowhere"))


class Answers:
    """What the service answers, one after the other; a failure is raised."""

    def __init__(self, *answers: tuple[int, Any] | Exception) -> None:
        self._left = list(answers)
        self.sent: list[int] = []

    def __call__(self, _: Address, method: str, path: str, body: bytes, wait_s: float) -> Any:
        self.sent.append(len(body))
        answer = self._left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        status, content = answer
        return status, http.client.HTTPMessage(), content if isinstance(content, bytes) else json.dumps(content)


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Any:
    def set_up(*answers: tuple[int, Any] | Exception) -> Answers:
        made = Answers(*answers)
        monkeypatch.setattr(client, "_ask", made)
        monkeypatch.setattr(client, "ensure_service", lambda *_: FOUND)
        return made

    return set_up


HEALTHS = {
    "ready": {"ready": True, "model": "bundled", "problem": ""},
    "without a default model": {"ready": False, "model": "", "problem": "The adapter 'first' is damaged."},
    "loading": {"ready": False, "model": "", "problem": ""},
    "a problem": describe(422, "The rubric file is broken.").model_dump(),
}


@pytest.mark.parametrize("name", HEALTHS)
def test_a_service_that_answers_is_reached_whether_its_default_model_scores_or_not(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "read", lambda _: FOUND)
    monkeypatch.setattr(client, "_health", lambda _: HEALTHS[name])
    assert client.ensure_service(PLACE, wait_s=1) == FOUND
    assert client.is_ready(PLACE) == (name == "ready")


def test_what_was_scored_before_a_failure_stays(answering: Any) -> None:
    answering((200, [SCORED] * 16), (503, describe(503, "The scoring service is ending.").model_dump()))
    told: list[int] = []
    found = client.score(PLACE, ["Nurse: Hello."] * 40, tell=told.append)
    assert [type(one) for one in found] == [Scored] * 16 + [Problem] * 24 and told == [16]
    assert {(one.status, one.detail) for one in found if isinstance(one, Problem)} == {
        (503, "The scoring service is ending.")
    }
    answering((404, describe(404, "There is no rubric 'x'.").model_dump()))
    with pytest.raises(NotFound, match="no rubric"):
        client.score(PLACE, ["Nurse: Hello."] * 40)


def test_those_that_are_left_when_the_time_is_over_get_a_problem(
    answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering((200, [SCORED] * 16), TimeoutError())
    found = client.score(PLACE, ["Nurse: Hello."] * 20, wait_s=60)
    assert [one.status if isinstance(one, Problem) else 200 for one in found] == [200] * 16 + [504] * 4

    def never(*_: object) -> Address:
        client.time.sleep(0.1)
        raise ServiceError("The scoring service gave no answer.")

    monkeypatch.setattr(client, "ensure_service", never)
    found = client.score(PLACE, ["Nurse: Hello."], wait_s=0.05)
    assert [one.status for one in found if isinstance(one, Problem)] == [504]


def test_a_service_that_can_not_be_used_is_told_with_what_to_do(answering: Any) -> None:
    for unreadable in ((200, b"<html>"), (500, b"<html>")):
        answering(unreadable)
        with pytest.raises(ServiceError, match=f"End its process {os.getpid()}"):
            client.score(PLACE, ["Nurse: Hello."])
    answering(*[ConnectionResetError()] * client.TRIES)
    with pytest.raises(ServiceError, match=r"Its log is .*scoring\.log"):
        client.score(PLACE, ["Nurse: Hello."])


def test_no_request_is_longer_than_one_may_be_whatever_the_characters(answering: Any) -> None:
    text = "Nurse: " + "\N{GRINNING FACE}" * 150_000
    asked = answering(*[(200, [SCORED] * count) for count in (2, 1)])
    assert len(client.score(PLACE, [text] * 3)) == 3
    assert max(asked.sent) < client.MOST_BYTES + 1000
