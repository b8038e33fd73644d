"""Answers of an endpoint to benchmark items: several asked at once, asked again when it is busy, counted and priced."""

import json
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from core import durable
from core.catalog.endpoints import Endpoint
from core.evaluation.benchmarks import Item
from core.evaluation.endpoint_client import Client, EndpointError, Passing, is_same_model
from core.evaluation.grading import grade
from core.evaluation.lettered import read_choice, write_question
from core.evaluation.results import ANSWERING_VERSION
from core.evaluation.spec import MOST_NEW_TOKENS
from core.wording import show_duration

ASKING_VERSION = 1  # raise it when questions are put otherwise
LETTER_TOKENS = 64  # a letter, and room for a model that says a sentence nevertheless
TRIES = 7  # the waits between them outlast a limit that counts by the minute
FIRST_WAIT_S = 1.0  # doubles from try to try; longer where the server says so
MOST_WAIT_S = 300.0
POLL_S = 0.2
LINGER_S = 6.0  # what is on its way when a job stops has its price already
LETTERS_NOTE = (
    "Choice items were asked as a lettered list and graded by the letter, since an endpoint gives no likelihoods; such "
    "scores are not compared with those of models of this machine."
)


@dataclass(frozen=True)
class Given:
    """What an endpoint gave for one item, kept until all are there; `seconds` is the wait for the last try."""

    item: str
    text: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cut: bool
    refused: bool
    seconds: float
    tries: int


@dataclass(frozen=True)
class Answer:
    """An answer to one item with its score from 0 to 1; the text of a choice item is the choice that was named."""

    item: str
    component: str
    text: str
    score: float


def messages_of(item: Item) -> list[dict[str, str]]:
    """Return the conversation that asks an item, the same words as models of this machine see."""
    turns = [{"role": turn.role, "content": turn.text} for turn in item.turns]
    return [*turns, {"role": "user", "content": write_question(item) if item.type == "choice" else item.prompt}]


def most_tokens(item: Item) -> int:
    return LETTER_TOKENS if item.type == "choice" else MOST_NEW_TOKENS[item.type]


def settings_of(endpoint: Endpoint, items: Sequence[Item]) -> tuple[str, dict[str, Any]]:
    """Return a name for how the endpoint is asked, and the same in words for people."""
    has_choices = any(item.type == "choice" for item in items)
    told: dict[str, Any] = {"choices": "letters" if has_choices else "none", "decoding": "temperature 0"}
    if endpoint.options:
        told["options"] = endpoint.options
    if has_choices:
        told["note"] = LETTERS_NOTE
    content = ["endpoint", ASKING_VERSION, ANSWERING_VERSION, endpoint.options]
    return durable.hash_text(json.dumps(content, sort_keys=True))[:16], told


def fingerprint(endpoint: Endpoint, model: str) -> str:
    """Return a name for the model as far as it can be known: where it is served, and what the server calls it."""
    return durable.hash_text(json.dumps(["endpoint", endpoint.url, endpoint.model, model]))


class _Over(Exception):
    """Nobody waits for this answer any more."""


class _Gate:
    """Lets the askers wait: all of them when the server asks for it, none of them once the work is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._not_before = 0.0

    def hold(self, seconds: float) -> None:
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        if self.over.wait(seconds):
            raise _Over

    def pass_through(self) -> None:
        while (left := self._not_before - time.monotonic()) > 0:
            self.sleep(left)
        self.sleep(0)


def ask_items(
    client: Client, items: Sequence[Item], keep: Callable[[Given], None], stop: Callable[[], str | None]
) -> str | None:
    """Ask all items, and return None, or the request for which it stopped.

    Args:
        keep: Called in this thread with each answer as it comes, also with those that come while it stops.
        stop: 'pause', 'cancel' and the like once the work is to stop.

    Raises:
        EndpointError: The endpoint refuses, or goes on failing.
    """
    gate = _Gate()
    pool = ThreadPoolExecutor(max(1, min(client.endpoint.concurrency, len(items))))
    left = {pool.submit(_ask_one, client, item, gate) for item in items}
    try:
        while left:
            done, left = wait(left, POLL_S, FIRST_COMPLETED)
            _keep_all(done, keep)
            why = stop()
            if why:
                return why
        return None
    finally:
        gate.over.set()
        pool.shutdown(wait=False, cancel_futures=True)
        if stop() != "cancel":
            running = {one for one in left if not one.cancelled()}
            _keep_all(wait(running, LINGER_S).done, keep, is_ending=True)


def _keep_all(done: set[Future[Given]], keep: Callable[[Given], None], is_ending: bool = False) -> None:
    """Keep what was given, then raise what failed, if anything did."""
    failures = []
    for one in done:
        if one.cancelled() or isinstance(failure := one.exception(), _Over):
            continue
        if failure is not None:
            failures.append(failure)
        else:
            keep(one.result())
    if failures and not is_ending:
        raise failures[0]


def _ask_one(client: Client, item: Item, gate: _Gate) -> Given:
    try:
        return _ask_patiently(client, item, gate)
    except EndpointError:
        gate.over.set()  # at once, so that nobody pays for a further question
        raise


def _ask_patiently(client: Client, item: Item, gate: _Gate) -> Given:
    for number in range(1, TRIES + 1):
        gate.pass_through()
        began = time.monotonic()
        try:
            reply = client.ask(messages_of(item), most_tokens(item))
        except Passing as error:
            _wait_or_give_up(error, number, gate)
            continue
        if not reply.refused and not is_same_model(reply.model, client.endpoint):
            raise EndpointError(
                f"The endpoint {client.endpoint.name!r} was asked for the model {client.endpoint.model!r} but answers "
                f"as {reply.model!r}. If that is the one you mean, write its name as `model` or as `answers_as`."
            )
        passed = time.monotonic() - began
        counts = (reply.input_tokens, reply.output_tokens)
        return Given(item.id, reply.text, reply.model, *counts, reply.cut, reply.refused, passed, number)
    raise AssertionError("the last try answers or raises")


def _wait_or_give_up(error: Passing, number: int, gate: _Gate) -> None:
    wait_s = max(FIRST_WAIT_S * 2 ** (number - 1), error.wait_s or 0.0)
    kept = "What it has answered is kept; retry the job to go on from there."
    if wait_s > MOST_WAIT_S:
        raise EndpointError(f"{error} It asks to wait {show_duration(wait_s)}. {kept}") from error
    if number == TRIES:
        raise EndpointError(f"{error} It was asked {TRIES} times. {kept}") from error
    if error.wait_s is None:
        gate.sleep(wait_s)
    else:  # who asks to wait means everybody
        gate.hold(wait_s)


def grade_answer(item: Item, given: Given) -> Answer:
    text = given.text
    if item.type == "choice":
        text = read_choice(text, item.choices) or text
    return Answer(item.id, item.component, text, grade(item, text))


def describe(endpoint: Endpoint, items: Sequence[Item], given: Mapping[str, Given]) -> dict[str, Any]:
    """Return what an evaluation says about its endpoint: settings, model, tokens, cost, speed, what went wrong.

    The cost is None where a price is missing or the server did not count the tokens of every answer.
    """
    answers = [given[item.id] for item in items]
    unread = [
        item.id for item in items if item.type == "choice" and read_choice(given[item.id].text, item.choices) is None
    ]
    seconds = sorted(one.seconds for one in answers)
    read, written = _total([one.input_tokens for one in answers]), _total([one.output_tokens for one in answers])
    return {
        "endpoint": endpoint.name,
        "url": endpoint.url,
        "model": endpoint.model,
        "answered_as": next((one.model for one in answers if one.model), ""),
        "settings": settings_of(endpoint, items)[1],
        "input_tokens": read,
        "output_tokens": written,
        "cost": _cost(endpoint, read, written),
        "currency": endpoint.currency,
        "price_per_1000_input": endpoint.price_per_1000_input,
        "price_per_1000_output": endpoint.price_per_1000_output,
        "latency_ms_median": 1000 * statistics.median(seconds),
        "latency_ms_95": 1000 * seconds[int(0.95 * (len(seconds) - 1))],
        "asked_again": sum(one.tries - 1 for one in answers),
        "cut_off": sum(one.cut for one in answers),
        "refused": sum(one.refused for one in answers),
        "choices_not_named": len(unread),
    }


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _cost(endpoint: Endpoint, read: int | None, written: int | None) -> float | None:
    prices = endpoint.price_per_1000_input, endpoint.price_per_1000_output
    if read is None or written is None or prices[0] is None or prices[1] is None:
        return None
    return (read * prices[0] + written * prices[1]) / 1000
