"""The scoring service over HTTP: who may ask, what is refused and how, the queue, and the change of models."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.errors import StoreError
from core.scoring.result import Scored
from core.scoring.transcript import Transcript
from tests.conftest import wait_until
from tests.scoring_service import TOKEN, Door, Paced, opened

TEXT = "Nurse: What worries you most?\nPatient: The needle."
SECRET = "Zebulon Quarkbottom 078-05-1120"


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with opened(Paced()) as found:
        yield found


def assert_problem(answer: tuple[int, dict[str, str], Any], status: int) -> str:
    """Assert that an answer is a problem of this status whose sentence quotes nothing, and return the sentence."""
    got, headers, content = answer
    assert (got, headers["content-type"]) == (status, "application/problem+json"), content
    assert set(content) == {"type", "title", "status", "detail"} and content["status"] == status
    assert content["detail"].endswith(".") and len(content["detail"]) < 300
    assert "Quarkbottom" not in json.dumps(content) and "078-05" not in json.dumps(content)
    return str(content["detail"])


def test_a_transcript_as_text_or_turns_gets_a_score(door: Door) -> None:
    status, content = door.score(TEXT, detail="scores")
    assert status == 200 and content["scores"]["empathy"]["score"] == 4 and content["adapter"] == "first"
    turns = [{"speaker": "Nurse", "text": "What worries you most?"}, {"speaker": "Patient", "text": "The needle."}]
    assert door.score(turns)[0] == 200


def test_a_batch_gives_each_its_result_or_problem_in_order(door: Door) -> None:
    given = [TEXT, "", [{"speaker": "Nurse", "text": "Hello there."}], 7, "Nurse: no number", "Nurse: crash"]
    status, _, content = door.ask("POST", "/score/batch", {"transcripts": given, "detail": "scores"})
    assert status == 200
    assert [one.get("status", 200) for one in content] == [200, 422, 200, 422, 500, 500]
    assert content[0]["adapter"] == "first" and "empty" in content[1]["detail"]


def test_what_can_not_be_kept_gets_a_problem_and_what_was_kept_its_score() -> None:
    kept: list[str] = []

    def keep(transcript: Transcript, scored: Scored) -> None:
        if len(kept) == 1:
            raise StoreError("The database is busy. Try again.")
        kept.append(transcript.render())

    with opened(Paced(), keep=keep) as door:
        given = ["Nurse: one", "", "Nurse: two", "Nurse: three"]
        body = {"transcripts": given, "detail": "scores", "keep": True}
        status, _, content = door.ask("POST", "/score/batch", body)
        assert (status, kept) == (200, ["Nurse: one"])
        assert [one.get("status", 200) for one in content] == [200, 422, 503, 503]
        assert "busy" in assert_problem(door.ask("POST", "/score", {"transcript": TEXT, "keep": True}), 503)


BODIES: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 422),
    "blanks": (b" \n", 422),
    "no JSON": (b"{transcript: " + SECRET.encode(), 400),
    "not UTF-8": (b'{"transcript": "\xff\xfe ' + SECRET.encode() + b'"}', 400),
    "deep lists": (b'{"transcript": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", 400),
    "deep objects": (b'{"a":' * 100_000, 400),
    "huge whole number": (b'{"transcript": ' + b"9" * 20_000 + b"}", 422),
    "huge number": (b'{"transcript": 1e999}', 422),
    "NaN": (b'{"transcript": NaN}', 422),
    "Infinity in a turn": (b'{"transcript": [{"speaker": "A", "text": -Infinity}]}', 422),
    "a list": (b"[]", 422),
    "a number": (b'{"transcript": 5}', 422),
    "null": (b'{"transcript": null}', 422),
    "an object": (json.dumps({"transcript": {"text": SECRET}}).encode(), 422),
    "no transcript": (b"{}", 422),
    "empty transcript": (b'{"transcript": "  "}', 422),
    "no turns": (b'{"transcript": []}', 422),
    "turns of numbers": (b'{"transcript": [1, 2]}', 422),
    "a turn without text": (json.dumps({"transcript": [{"speaker": SECRET}]}).encode(), 422),
    "half a character": (b'{"transcript": "Nurse: \\ud800 hello"}', 422),
    "half a character as rubric": (b'{"transcript": "a b", "rubric": "\\ud800"}', 422),
    "NUL": (b'{"transcript": "Nurse: \\u0000 hello"}', 422),
    "unknown field": (json.dumps({"transcript": TEXT, SECRET: SECRET}).encode(), 422),
    "unknown detail": (json.dumps({"transcript": TEXT, "detail": SECRET}).encode(), 422),
    "mask as text": (json.dumps({"transcript": TEXT, "mask": "yes"}).encode(), 422),
    "long rubric": (json.dumps({"transcript": TEXT, "rubric": "r" * 300}).encode(), 422),
    "unknown rubric": (json.dumps({"transcript": TEXT, "rubric": "nothing"}).encode(), 404),
    "unknown adapter": (json.dumps({"transcript": TEXT, "adapter": "nobody"}).encode(), 404),
    "20,001 words": (json.dumps({"transcript": "a " * 20_001}).encode(), 413),
    "a million words": (json.dumps({"transcript": "a " * 1_000_000}).encode(), 413),
    "long in characters": (json.dumps({"transcript": "a" * 900_000}).encode(), 413),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_refused_with_a_sentence_that_quotes_nothing(door: Door, name: str) -> None:
    body, status = BODIES[name]
    assert_problem(door.ask("POST", "/score", body), status)
    assert door.score(TEXT)[0] == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [({"transcripts": []}, 422), ({"transcripts": ["a b"] * 65}, 422), ({"transcripts": "a b"}, 422), ({}, 422)],
)
def test_a_batch_of_the_wrong_size_is_refused_whole(door: Door, body: object, status: int) -> None:
    assert "transcripts" in assert_problem(door.ask("POST", "/score/batch", body), status)


def test_a_long_body_is_refused_by_its_head_before_any_of_it_is_sent(door: Door) -> None:
    head = f"POST /score HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {300_000_000}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as line:
        line.sendall(head.encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": "Bearer \xe9"}, 401),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        ({"Host": "[bad"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Type": ""}, 415),
    ],
)
def test_who_may_not_ask_is_turned_away(door: Door, headers: dict[str, str], status: int) -> None:
    assert_problem(door.ask("POST", "/score", {"transcript": TEXT}, **headers), status)


@pytest.mark.parametrize(
    ("hosts", "asked", "status"),
    [
        (["0.0.0.0"], "192.168.1.5:8600", 200),
        (["::"], "192.168.1.5:8600", 200),
        (["0:0::0"], "[fe80::1]:8600", 200),
        (["::"], "scores.example.org", 403),
        (["::", "Scores.example.org"], "scores.example.org:443", 200),
        (["127.0.0.1"], "192.168.1.5", 403),
    ],
)
def test_hosts_are_known_by_address_and_by_the_names_that_were_given(hosts: list[str], asked: str, status: int) -> None:
    with opened(Paced(), hosts=hosts) as door:
        answer = door.ask("GET", "/models", Host=asked)
        assert answer[0] == status
        if status == 403:
            assert "--name HOST" in assert_problem(answer, 403)


def test_health_alone_is_open_and_no_answer_invites_other_origins(door: Door) -> None:
    for path in ("/models", "/rubrics", "/metrics", "/openapi.json", "/nothing"):
        assert_problem(door.ask("GET", path, Authorization=""), 401)
    status, headers, content = door.ask("GET", "/health", Authorization="")
    assert (status, content["ready"], content["model"]) == (200, True, "first")
    assert not [name for name in headers if name.startswith("access-control")]
    assert_problem(door.ask("OPTIONS", "/score", Origin="http://evil.example", Authorization=""), 403)
    assert_problem(door.ask("GET", "/score"), 405)
    assert_problem(door.ask("GET", "/nothing"), 404)


def test_metrics_count_by_status_and_never_name_an_unknown_address(door: Door) -> None:
    door.ask("GET", f"/{SECRET.replace(' ', '')}")
    door.score("")
    told = door.ask("GET", "/metrics")[2]
    assert 'atelier_requests_total{path="other",status="404"}' in told
    assert 'atelier_requests_total{path="/score",status="422"}' in told
    assert "atelier_request_seconds_bucket" in told and "atelier_waiting 0.0" in told and "Quarkbottom" not in told


def test_the_document_describes_bodies_results_and_each_problem_with_examples(door: Door) -> None:
    document = door.ask("GET", "/openapi.json")[2]
    posted = document["paths"]["/score"]["post"]
    assert {"200", "400", "401", "403", "404", "413", "415", "422", "429", "500", "503", "504"} == set(
        posted["responses"]
    )
    assert posted["responses"]["429"]["content"]["application/problem+json"]["example"]["status"] == 429
    body = document["components"]["schemas"]["ScoreBody"]
    status, _, _ = door.ask("POST", "/score", body["examples"][0])
    assert status == 200
    assert document["security"] == [{"token": []}]


def test_what_waits_is_scored_together_and_more_than_64_waiting_are_turned_away() -> None:
    models = Paced()
    models.may_score.clear()
    with opened(models) as door, ThreadPoolExecutor(70) as pool:
        first = pool.submit(door.score, "Nurse: number 0")
        wait_until(lambda: len(models.batches) == 1, 10, "the first batch")
        others = [pool.submit(door.score, f"Nurse: number {count}") for count in range(1, 65)]
        wait_until(lambda: door.ask("GET", "/health")[2]["queue"] == 64, 20, "64 in the queue")
        refused = door.ask("POST", "/score", {"transcript": TEXT})
        assert_problem(refused, 429)
        assert int(refused[1]["retry-after"]) >= 1
        models.may_score.set()
        assert [one.result()[0] for one in [first, *others]] == [200] * 65
    assert [len(texts) for _, texts in models.batches] == [1, 64]


def test_what_is_too_late_gets_504_and_is_not_scored_any_more() -> None:
    models = Paced()
    models.may_score.clear()
    with opened(models, timeout_s=1.0) as door, ThreadPoolExecutor(2) as pool:
        first = pool.submit(door.ask, "POST", "/score", {"transcript": "Nurse: begun"})
        wait_until(lambda: len(models.batches) == 1, 10, "the first batch")
        late = pool.submit(door.ask, "POST", "/score/batch", {"transcripts": ["Nurse: late", ""]})
        assert "1 s" in assert_problem(first.result(), 504)
        assert [one["status"] for one in late.result()[2]] == [504, 422]
        models.may_score.set()
        assert door.score("Nurse: after")[0] == 200
    assert [texts for _, texts in models.batches] == [["Nurse: begun"], ["Nurse: after"]]


def test_who_goes_away_is_dropped_from_the_queue() -> None:
    models = Paced()
    models.may_score.clear()
    with opened(models) as door, ThreadPoolExecutor(1) as pool:
        first = pool.submit(door.score, "Nurse: begun")
        wait_until(lambda: len(models.batches) == 1, 10, "the first batch")
        with pytest.raises(TimeoutError):
            door.ask("POST", "/score", {"transcript": "Nurse: gone"}, wait_s=0.5)
        wait_until(lambda: door.ask("GET", "/health")[2]["queue"] == 0, 10, "an empty queue")
        models.may_score.set()
        assert first.result()[0] == 200
    assert [texts for _, texts in models.batches] == [["Nurse: begun"]]


def test_the_next_default_model_takes_over_without_a_pause_and_no_batch_is_mixed() -> None:
    models = Paced()
    stop = threading.Event()

    def ask_on(door: Door) -> list[str]:
        seen = []
        while not stop.is_set():
            status, content = door.score(TEXT, detail="scores")
            assert status == 200
            seen.append(content["adapter"])
        return seen

    with opened(models) as door, ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_on, door) for _ in range(4)]
        time.sleep(0.3)
        models.default = "second"
        wait_until(lambda: door.ask("GET", "/health")[2]["model"] == "second", 20, "the second model")
        time.sleep(0.2)
        stop.set()
        for one in asking:
            seen = one.result()
            assert seen[0] == "first" and seen[-1] == "second" and seen == sorted(seen)
        assert door.ask("GET", "/health")[2]["swaps"] == 1
        assert door.score(TEXT, adapter="first")[1]["adapter"] == "first"


def test_a_default_model_that_can_not_be_loaded_leaves_the_one_before_and_is_told() -> None:
    models = Paced(broken={"second"})
    with opened(models) as door:
        models.default = "second"
        wait_until(lambda: bool(door.ask("GET", "/health")[2]["problem"]), 20, "the problem")
        assert door.score(TEXT)[1]["adapter"] == "first"
        told = door.ask("GET", "/health")[2]
        assert (told["ready"], told["model"], told["problem"]) == (True, "first", "The adapter 'second' is damaged.")
        assert "damaged" in assert_problem(door.ask("POST", "/score", {"transcript": TEXT, "adapter": "second"}), 422)
        models.default = "third"
        wait_until(lambda: door.ask("GET", "/health")[2]["model"] == "third", 20, "the third model")
        assert door.ask("GET", "/health")[2]["problem"] == ""


def test_without_any_model_the_service_says_why() -> None:
    with opened(Paced(broken={"first"})) as door:
        wait_until(lambda: bool(door.ask("GET", "/health")[2]["problem"]), 20, "the problem")
        assert door.ask("GET", "/health")[0] == 503
        assert "damaged" in assert_problem(door.ask("POST", "/score", {"transcript": TEXT}), 422)


def test_while_the_next_model_loads_for_long_the_one_before_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.scoring.service.stock.GRACE_S", 0.5)
    models = Paced()
    with opened(models) as door:
        models.may_load.clear()
        models.default = "second"
        began = time.monotonic()
        assert door.score(TEXT)[1]["adapter"] == "first"
        assert time.monotonic() - began < 5
        models.may_load.set()
        wait_until(lambda: door.ask("GET", "/health")[2]["model"] == "second", 20, "the second model")
