"""An endpoint from question to evaluation, against a real server that misbehaves on demand."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from core.catalog import endpoints
from core.catalog.endpoints import Endpoint
from core.errors import BadInput
from core.evaluation import endpoint as asking
from core.evaluation import leaderboard, submission
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark
from core.evaluation.endpoint import Given
from core.evaluation.endpoint_client import MOST_BYTES, Client, EndpointError, Passing
from core.evaluation.results import compare_stored, make_evaluation, settings_sha
from core.paths import PROJECT_DIR, Workspace
from core.process import queue
from core.store import evaluations, jobs
from core.store.connection import opened, transaction
from core.store.evaluations import EvaluationRow
from core.store.jobs import Job
from tests.conftest import wait_until
from tests.integration import support
from tests.integration.command import make_command
from tests.integration.endpoint_server import MODEL, Server, serve

KEY = "toy-key-5f1d2c3b4a"
ASKING = ("core.evaluation.endpoint_worker",)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as made:
        yield made


def client(server: Server, key: str = "", **fields: Any) -> Client:
    values = {"name": "toy", "url": server.address, "model": MODEL, "timeout_s": 5}
    return Client(Endpoint.model_validate(values | fields), key)


def ask(server: Server, key: str = "", **fields: Any) -> Any:
    return client(server, key, **fields).ask([{"role": "user", "content": "2 and 2?"}], 50)


def sums(count: int, choices: int = 0) -> list[Item]:
    """Return items that ask for a sum, the last ones with choices."""
    items = []
    for number in range(count):
        fields: dict[str, Any] = {"id": f"i{number:03}", "component": "sums", "prompt": f"What do {number} and 7 make?"}
        if number < count - choices:
            items.append(Item(type="numeric", answer=number + 7, **fields))
        else:
            listed = tuple(str(number + 7 + gap) for gap in (3, 0, 11))
            items.append(Item(type="choice", answer=1, choices=listed, **fields))
    return items


def benchmark(count: int = 6, choices: int = 0) -> Benchmark:
    return make_benchmark("sums", sums(count, choices), {"sums": 1.0}, {"sums": "Sums"})


def ask_all(server: Server, items: list[Item], stop: Callable[[], str | None] = lambda: None, **fields: Any) -> Any:
    kept: list[Given] = []
    why = asking.ask_items(client(server, **fields), items, kept.append, stop)
    return why, kept


# One question


def test_a_question_is_asked_as_the_standard_says(server: Server) -> None:
    reply = ask(server, key=KEY, url=f"{server.address}/v1/", options={"seed": 1, "max_tokens": None})
    assert (reply.text, reply.model) == ("2 and 2 make 4.", MODEL)
    assert (reply.input_tokens, reply.output_tokens, reply.cut) == (100, 10, False)
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert server.asked[0] == {
        "model": MODEL, "messages": [{"role": "user", "content": "2 and 2?"}], "temperature": 0, "seed": 1,
    }  # fmt: skip


def test_without_a_key_none_is_sent(server: Server) -> None:
    ask(server)
    assert "Authorization" not in server.headers[0]


@pytest.mark.parametrize("way", ["failing", "unavailable", "busy", "broken", "other json", "deep", "empty", "hang up"])
def test_a_failure_that_may_pass_says_so(server: Server, way: str) -> None:
    server.way = way
    with pytest.raises(Passing) as error:
        ask(server)
    assert error.value.wait_s == (1.0 if way == "busy" else None)
    assert "'toy'" in str(error.value) and server.address in str(error.value) and str(error.value).isprintable()


@pytest.mark.parametrize("address", ["", "http://host.invalid", f"http://{'a' * 70}.local"])
def test_a_server_that_is_not_there_is_a_failure_that_may_pass(address: str) -> None:
    with serve() as gone:
        pass
    with pytest.raises(Passing, match="can't be reached"):
        ask(gone, url=address or gone.address)


def test_a_proxy_that_is_no_address_is_named_so(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:port")
    with pytest.raises(EndpointError, match="proxy"):
        ask(server, url="http://far.example")


@pytest.mark.parametrize("way", ["hang", "drip", "drip headers"])
def test_the_time_limit_holds_however_the_server_drags(server: Server, way: str) -> None:
    server.way = way
    began = time.monotonic()
    with pytest.raises(Passing, match=r"did not answer within 0\.6 s"):
        ask(server, timeout_s=0.6)
    assert 0.5 < time.monotonic() - began < 3


def test_a_gigantic_answer_is_cut_off_and_refused(server: Server) -> None:
    server.way = "huge"
    memory = psutil.Process().memory_info().rss
    with pytest.raises(EndpointError, match="more than 4 MB") as error:
        ask(server)
    assert not isinstance(error.value, Passing)
    time.sleep(0.3)
    assert server.bytes_sent < 10 * MOST_BYTES  # what the sockets' buffers hold goes beyond the limit
    assert psutil.Process().memory_info().rss - memory < 100_000_000


def test_no_reply_of_a_broken_server_is_unexpected() -> None:
    """Answers with bytes changed, dropped and doubled give a reply or one of the two errors, in bounded time."""
    random = np.random.default_rng(7)
    body = b'{"model":"toy-1","choices":[{"message":{"content":"4"},"finish_reason":"stop"}],"usage":{}}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    good = [
        head + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body),
        b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{}",
    ]
    ends = Counter[str]()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked = client(Server(address=f"http://127.0.0.1:{listener.getsockname()[1]}"), timeout_s=2)
        for number in range(300):
            reply = bytearray(good[number % 3])
            for place in random.integers(0, len(reply) - 1, random.integers(1, 6)):
                reply[place : place + int(random.integers(0, 3))] = random.bytes(int(random.integers(0, 3)))
            answering = threading.Thread(target=_reply_once, args=(listener, bytes(reply)))
            answering.start()
            try:
                asked.ask([{"role": "user", "content": "2 and 2?"}], 50)
                ends["reply"] += 1
            except EndpointError as error:
                ends[type(error).__name__] += 1
            answering.join()
    assert ends["reply"] > 10 and ends["Passing"] > 10 and ends.total() == 300


def _reply_once(listener: socket.socket, reply: bytes) -> None:
    with contextlib.suppress(OSError), listener.accept()[0] as connection:
        connection.recv(100_000)
        connection.sendall(reply)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "other host", "same host", "gopher://x", ""])
def test_a_redirect_is_never_followed(server: Server, target: str) -> None:
    with serve() as other:
        places = {"other host": f"{other.address}/v1/chat/completions", "same host": f"{server.address}/elsewhere"}
        server.way, server.location = "redirect", places.get(target, target)
        with pytest.raises(EndpointError, match=r"redirects to .* not followed") as error:
            ask(server, key=KEY)
        assert not isinstance(error.value, Passing)
        assert other.paths == [] and len(server.paths) == 1


@pytest.mark.parametrize(
    ("way", "parts"),
    [
        ("unknown model", ["404", "not found", "`model`"]),
        ("wants other limit", ["400", "max_completion_tokens"]),
        ("refuse key", ["401", "Incorrect API key", "TOY_API_KEY"]),
    ],
)
def test_a_refusal_says_what_the_server_says_and_what_to_do_but_no_key(
    server: Server, way: str, parts: list[str]
) -> None:
    server.way = way
    with pytest.raises(EndpointError) as error:
        ask(server, key=KEY, key_env="TOY_API_KEY")
    assert not isinstance(error.value, Passing)
    for part in parts:
        assert part in str(error.value)
    assert KEY not in str(error.value)


def test_an_answer_that_repeats_the_key_is_kept_without_it(server: Server) -> None:
    server.way = "echo key"
    reply = ask(server, key=KEY)
    assert KEY not in reply.text and "[hidden]" in reply.text


@pytest.mark.parametrize(
    ("way", "text", "tokens", "cut", "refused"),
    [
        ("parts", "2 and 2 make 4.", (100, 10), False, False),
        ("no text", "", (100, 10), True, False),
        ("thoughts", "That is 4.", (100, 10), False, False),
        ("half a letter", "4 ?", (100, 10), False, False),
        ("no usage", "2 and 2 make 4.", (None, None), False, False),
        ("odd usage", "2 and 2 make 4.", (None, None), False, False),
        ("filtered", "", (0, 0), False, True),
    ],
)
def test_answers_come_in_several_shapes(
    server: Server, way: str, text: str, tokens: tuple[Any, Any], cut: bool, refused: bool
) -> None:
    server.way = way
    reply = ask(server)
    assert (reply.text, (reply.input_tokens, reply.output_tokens), reply.cut, reply.refused) == (
        text, tokens, cut, refused,
    )  # fmt: skip
    reply.text.encode("utf-8")


def test_the_environments_proxy_is_used_but_not_for_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.address.replace("http://", "http://anna:secret@"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    ask(server)
    assert ask(server, url="http://far.example").text == "2 and 2 make 4."
    assert server.paths == ["/v1/chat/completions", "http://far.example/v1/chat/completions"]
    assert server.headers[1]["Host"] == "far.example" and server.headers[1]["Proxy-Authorization"].startswith("Basic ")


# Many questions


def test_several_are_asked_at_once_but_not_more_than_allowed(server: Server) -> None:
    server.slow_s = 0.2
    began = time.monotonic()
    why, kept = ask_all(server, sums(12), concurrency=4)
    assert (why, len(kept)) == (None, 12)
    assert server.most_at_once == 4
    assert time.monotonic() - began < 12 * 0.2


def test_after_a_429_everybody_waits_as_long_as_the_server_asks(server: Server) -> None:
    server.next_ways.extend(["busy"])
    _, kept = ask_all(server, sums(4), concurrency=1)
    assert len(kept) == 4 and [one.tries for one in kept] == [2, 1, 1, 1]
    assert server.times[1] - server.times[0] >= 1.0
    server.next_ways.extend(["busy"])
    server.times.clear()
    ask_all(server, sums(8), concurrency=2)
    gap = max(after - before for before, after in zip(server.times, server.times[1:], strict=False))
    assert gap >= 0.9


def test_failures_that_pass_cost_patience_and_nothing_else(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.02)
    server.next_ways.extend(["failing", "broken", "hang up", "unavailable", "empty"])
    _, kept = ask_all(server, sums(3), concurrency=1)
    assert [one.tries for one in kept] == [6, 1, 1]
    assert [asking.grade_answer(item, one).score for item, one in zip(sums(3), kept, strict=True)] == [1.0] * 3


def test_a_failure_that_stays_ends_after_so_many_tries(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.01)
    server.way = "failing"
    with pytest.raises(EndpointError, match=r"status 500.*asked 7 times.*retry the job"):
        ask_all(server, sums(1))
    assert len(server.asked) == asking.TRIES


@pytest.mark.parametrize("wish", ["3600", "Fri, 31 Dec 2199 23:59:59 GMT"])
def test_who_asks_to_wait_for_hours_is_not_waited_for(server: Server, wish: str) -> None:
    server.way, server.retry_after = "busy", wish
    began = time.monotonic()
    with pytest.raises(EndpointError, match="asks to wait"):
        ask_all(server, sums(2))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("wish", ["soon", "-5", "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_an_odd_retry_after_does_no_harm(server: Server, monkeypatch: pytest.MonkeyPatch, wish: str) -> None:
    monkeypatch.setattr(asking, "FIRST_WAIT_S", 0.02)
    server.next_ways.append("busy")
    server.retry_after = wish
    began = time.monotonic()
    assert len(ask_all(server, sums(2))[1]) == 2
    assert time.monotonic() - began < 5


def test_another_model_than_the_one_that_was_asked_for_is_refused(server: Server) -> None:
    server.way = "wrong model"
    with pytest.raises(EndpointError, match=r"asked for the model 'toy-1' but answers as 'tiny-0'.*answers_as"):
        ask_all(server, sums(2))
    assert len(ask_all(server, sums(2), answers_as="tiny-0")[1]) == 2


def test_what_was_on_its_way_when_the_work_stops_is_kept_unless_it_was_cancelled(server: Server) -> None:
    server.slow_s = 0.5
    why, kept = ask_all(server, sums(20), lambda: "pause" if server.asked else None, concurrency=3)
    assert why == "pause" and len(kept) == len(server.asked) == 3
    began = time.monotonic()
    server.way = "hang"
    why, kept = ask_all(server, sums(20), lambda: "cancel" if len(server.asked) > 3 else None, concurrency=3)
    assert (why, kept) == ("cancel", []) and time.monotonic() - began < 3


# The job


@pytest.fixture
def known(workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Write the workspace's file with the server as its only endpoint."""
    monkeypatch.setenv("TOY_API_KEY", KEY)

    def write(**fields: Any) -> None:
        values = {
            "name": "toy", "url": server.address, "model": MODEL, "key_env": "TOY_API_KEY", "timeout_s": 60,
            "price_per_1000_input": 0.01, "price_per_1000_output": 0.03, "concurrency": 2,
        }  # fmt: skip
        endpoints.own_file(workspace).write_text(json.dumps([values | fields]), encoding="utf-8")

    write()
    return write


def submit(workspace: Workspace, made: Benchmark) -> Job:
    return submission.submit(workspace, base="endpoint:toy", benchmark=made)


def only_evaluation(workspace: Workspace, job: Job) -> EvaluationRow:
    with opened(workspace) as db:
        (row,) = evaluations.of_job(db, job.id)
    return row


@pytest.fixture
def own_rows(tmp_path: Path) -> Path:
    path = tmp_path / "sums.jsonl"
    rows = [{"prompt": f"What do {number} and 7 make?", "response": str(number + 7)} for number in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_command_measures_an_endpoint_and_says_what_it_cost(
    workspace: Workspace,
    server: Server,
    known: Callable[..., None],
    own_rows: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    atelier = make_command(monkeypatch, capsys)
    answer = atelier("evaluate", "--endpoint", "toy", "--data", own_rows, "--wait", "--json")
    told = json.loads(answer.out)
    assert answer.code == 0 and told["state"] == "succeeded"
    assert (told["model"], told["score"], told["items"]) == ("endpoint:toy", 1.0, 5)
    details = told["endpoint"]
    assert details["cost"] == pytest.approx(5 * (100 * 0.01 + 10 * 0.03) / 1000)
    assert (details["input_tokens"], details["output_tokens"], details["answered_as"]) == (500, 50, MODEL)
    shown = atelier("evaluate", "--endpoint", "toy", "--data", own_rows, "--wait").out
    assert "Cost 0.0065 USD; 500 tokens read, 50 written" in shown
    assert "endpoint:toy" in atelier("bases").out
    assert atelier("evaluate", "--endpoint", "toy", "--adapter", "x", "--data", own_rows).code == 2
    assert "Did you mean 'toy'" in atelier("evaluate", "--endpoint", "toi", "--data", own_rows).err
    assert_no_key(workspace)


def assert_no_key(workspace: Workspace) -> None:
    support.wait_for_no_process(workspace, support.RUNNER)  # so that no file goes away meanwhile
    files = [path for path in workspace.root.rglob("*") if path.is_file()]
    assert len(files) > 3
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("way", ["echo key", "refuse key"])
def test_a_server_that_tells_the_key_tells_it_nobody(
    workspace: Workspace, server: Server, known: Callable[..., None], way: str
) -> None:
    server.way = way
    job = support.wait_for_end(workspace, submit(workspace, benchmark()))
    assert job.state == ("succeeded" if way == "echo key" else "failed")
    assert_no_key(workspace)


def test_a_missing_key_is_told_before_anything_starts_and_blocks_what_waits(
    workspace: Workspace, server: Server, known: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOY_API_KEY")
    with pytest.raises(BadInput, match="TOY_API_KEY is not set"):
        submit(workspace, benchmark())
    with monkeypatch.context() as patch:
        patch.setattr(queue, "ensure_supervisor", lambda workspace: False)
        patch.setenv("TOY_API_KEY", KEY)
        job = submit(workspace, benchmark())
    queue.ensure_supervisor(workspace)
    blocked = support.wait_for_state(workspace, job, "blocked")
    assert "TOY_API_KEY" in blocked.reason and server.asked == []


def test_it_runs_beside_what_occupies_the_device_and_without_torch(
    workspace: Workspace, server: Server, known: Callable[..., None], tiny_base: Path
) -> None:
    trained = support.submit(workspace, tiny_base, max_steps=5000)
    support.wait_for_step(workspace, trained, 1)
    server.slow_s = 1.0
    job = submit(workspace, benchmark(4))
    wait_until(lambda: len(support.holders(workspace, job, *ASKING)) == 1, 30, "the worker")
    worker = support.only(support.holders(workspace, job, *ASKING))
    assert worker.environ()["TOY_API_KEY"] == KEY
    assert "TOY_API_KEY" not in support.worker_of(workspace, trained).environ()
    wait_until(lambda: bool(server.asked), 30, "the first question")
    assert not [one.path for one in worker.memory_maps() if "libtorch" in one.path]
    assert support.wait_for_end(workspace, job).state == "succeeded"
    assert support.read(workspace, trained).state == "running"
    assert support.read(workspace, job).device == "host"


def test_the_worker_loads_no_heavy_library() -> None:
    code = (
        "import sys, core.evaluation.endpoint_worker; print(*{'torch', 'transformers', 'streamlit'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_DIR, env=dict(os.environ), capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, b"")


def test_a_paused_job_goes_on_and_asks_nothing_twice(
    workspace: Workspace, server: Server, known: Callable[..., None]
) -> None:
    server.slow_s = 0.3
    job = submit(workspace, benchmark(20))
    wait_until(lambda: len(server.asked) >= 6, 60, "six questions")
    with opened(workspace) as db:
        queue.pause(db, support.read(workspace, job))
    support.wait_for_state(workspace, job, "paused")
    asked = len(server.asked)
    assert asked < 20
    server.slow_s = 0
    with opened(workspace) as db:
        queue.resume(db, support.read(workspace, job))
    queue.ensure_supervisor(workspace)
    assert support.wait_for_end(workspace, job).state == "succeeded"
    assert sorted(server.questions()) == sorted(item.prompt for item in sums(20))
    row = only_evaluation(workspace, job)
    assert (row.score, row.details["input_tokens"]) == (1.0, 2000)
    assert row.seconds > 0.3 * asked / 2


def test_a_killed_worker_loses_no_answer(workspace: Workspace, server: Server, known: Callable[..., None]) -> None:
    known(concurrency=1)
    server.slow_s = 0.2
    job = submit(workspace, benchmark(15))
    wait_until(lambda: len(server.asked) >= 5, 60, "five questions")
    support.only(support.holders(workspace, job, *ASKING)).kill()
    assert support.wait_for_end(workspace, job).state == "succeeded"
    assert support.read(workspace, job).attempt == 2
    assert len(server.asked) <= 16  # the one that was on its way is asked again
    assert only_evaluation(workspace, job).score == 1.0


def test_a_hanging_server_does_not_keep_a_job_from_being_cancelled(
    workspace: Workspace, server: Server, known: Callable[..., None]
) -> None:
    server.way = "hang"
    job = submit(workspace, benchmark())
    wait_until(lambda: bool(server.asked), 60, "the first question")
    began = time.monotonic()
    with opened(workspace) as db:
        queue.cancel(db, support.read(workspace, job))
    assert support.wait_for_state(workspace, job, "cancelled").state == "cancelled"
    assert time.monotonic() - began < 5


def test_a_retry_takes_over_what_the_failed_job_has_paid_for(
    workspace: Workspace, server: Server, known: Callable[..., None]
) -> None:
    known(concurrency=1)
    server.next_ways.extend(["right"] * 4 + ["unknown model"])
    job = support.wait_for_end(workspace, submit(workspace, benchmark(8)))
    assert job.state == "failed" and "404" in job.error and len(server.asked) == 5
    with opened(workspace) as db:
        again = queue.retry(db, job)
    queue.ensure_supervisor(workspace)
    assert support.wait_for_end(workspace, again).state == "succeeded"
    assert len(server.asked) == 5 + 4
    assert only_evaluation(workspace, again).items == 8


def test_a_model_that_changes_meanwhile_ends_the_evaluation(
    workspace: Workspace, server: Server, known: Callable[..., None]
) -> None:
    known(concurrency=1)
    server.next_ways.extend(["dated model"] * 3)
    server.way = "later model"
    job = support.wait_for_end(workspace, submit(workspace, benchmark(6)))
    assert job.state == "failed" and "changed its model from 'toy-1-2026-01-31' to 'toy-1-2026-07-31'" in job.error
    with opened(workspace) as db:
        again = queue.retry(db, job)
    queue.ensure_supervisor(workspace)
    assert support.wait_for_end(workspace, again).state == "succeeded"
    assert only_evaluation(workspace, again).details["answered_as"] == "toy-1-2026-07-31"


# Beside models of this machine


def machine_evaluation(workspace: Workspace, made: Benchmark, right: int) -> EvaluationRow:
    """Store what a base of this machine would have answered: so many right."""
    rows = [
        asking.Answer(item.id, item.component, item.expected if number < right else "?", float(number < right))
        for number, item in enumerate(made.items)
    ]
    with opened(workspace) as db:
        job = jobs.create(db, kind="evaluate", name="base", spec={})
        scored = make_evaluation(
            job=job.id, base="starter", base_fingerprint="f", adapter="", benchmark=made,
            settings=settings_sha("fp32", "none"), answers=rows, seconds=1.0, tokens=1,
        )  # fmt: skip
        with transaction(db):
            evaluations.insert(db, scored.row, scored.items)
    return scored.row


def test_written_items_give_a_verdict_beside_a_base_and_choices_a_sentence(
    workspace: Workspace, server: Server, known: Callable[..., None]
) -> None:
    written, mixed = benchmark(12), benchmark(12, choices=4)
    ends = [support.wait_for_end(workspace, submit(workspace, made)) for made in (written, mixed)]
    assert [job.state for job in ends] == ["succeeded", "succeeded"]
    theirs = [only_evaluation(workspace, job) for job in ends]
    ours = [machine_evaluation(workspace, made, right=2) for made in (written, mixed)]
    assert [row.score for row in theirs] == [1.0, 1.0]
    assert len({theirs[0].settings_sha, ours[0].settings_sha}) == 2
    assert theirs[1].details["settings"]["choices"] == "letters"
    with opened(workspace) as db:
        boards = {(one.sha, len(one.rows)): one for one in leaderboard.boards(evaluations.standings(db))}
        assert set(boards) == {(written.sha, 2), (mixed.sha, 1)}
        lines = leaderboard.rank(db, workspace, boards[written.sha, 2])
        assert [(line.base, line.rank) for line in lines] == [("endpoint:toy", 1), ("starter", 2)]
        verdict = compare_stored(db, workspace, ours[0], theirs[0])
        assert (verdict.outcome, verdict.items) == ("better", 12)
        assert verdict.sentence.startswith("The endpoint toy is better: it scores 100% where the base model scores 17%")
        with pytest.raises(BadInput, match=r"4 of the 12 items .* by a letter .* --written"):
            compare_stored(db, workspace, ours[1], theirs[1])
        verdict = compare_stored(db, workspace, ours[1], theirs[1], written=True)
        assert (verdict.outcome, verdict.items) == ("better", 8)
        assert verdict.sentence.endswith("The 4 choice items are left out.")
        assert compare_stored(db, workspace, theirs[1], theirs[1]).items == 12
