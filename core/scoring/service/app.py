"""The scoring service: one transcript or several in, scores or problems out, over HTTP on this machine.

Nothing of a transcript is logged or written, and no answer but its own score repeats any of it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from core.catalog.rubrics import DEFAULT, Rubric
from core.errors import AppError
from core.scoring.result import Scored
from core.scoring.service import bodies, openapi
from core.scoring.service.access import Figures, Gate, Refusal
from core.scoring.service.bodies import BatchBody, Options, ScoreBody
from core.scoring.service.problem import Problem, Refused, describe, problem_of
from core.scoring.service.queue import MOST_WAITING, Queue, Ticket
from core.scoring.service.stock import Models, Wanted
from core.scoring.transcript import Transcript

TIMEOUT_S = 60.0
READERS = 2  # threads that read and mask transcripts beside the one that scores
GONE = 499  # nobody is left to read the answer

T = TypeVar("T")


@dataclass(frozen=True)
class Catalogue:
    """What the service knows beside its queue; `keep` writes a transcript and its score where a person asked for it."""

    models: Models
    find_rubric: Callable[[str], Rubric]
    list_rubrics: Callable[[], list[dict[str, Any]]]
    list_models: Callable[[Rubric], list[dict[str, Any]]]
    keep: Callable[[Transcript, Scored], None]


class Service:
    """The queue as the addresses use it."""

    def __init__(self, catalogue: Catalogue, *, most_waiting: int, timeout_s: float) -> None:
        self.catalogue = catalogue
        self.queue = Queue(catalogue.models, lambda: catalogue.find_rubric(DEFAULT), most_waiting=most_waiting)
        self.timeout_s = timeout_s
        self.asked_at = time.monotonic()
        self._busy = 0
        self._readers = anyio.CapacityLimiter(READERS)

    @property
    def idle_s(self) -> float:
        """Seconds since the last request for a score ended."""
        return 0.0 if self._busy else time.monotonic() - self.asked_at

    async def answer(self, request: Request, kind: type[Options], most_bytes: int) -> Response:
        """Read the body, score what it holds, and answer."""
        self._busy += 1
        until = time.monotonic() + self.timeout_s
        try:
            _check_kind(request)
            bodies.check_length(request.headers.get("content-length"), most_bytes)
            async with asyncio.timeout(self.timeout_s):
                raw = await bodies.read_stream(request.stream(), most_bytes)
                body = await self._aside(lambda: bodies.read_body(kind, raw))
            results = await self._score(request, body, until)
        except TimeoutError:
            raise Refused(504, self._too_slow()) from None
        except ClientDisconnect:
            return Response(status_code=GONE)
        finally:
            self._busy -= 1
            self.asked_at = time.monotonic()
        if isinstance(body, ScoreBody):
            return _respond(results[0])
        return JSONResponse([one.model_dump(mode="json") for one in results])

    async def _score(self, request: Request, body: Options, until: float) -> list[Scored | Problem]:
        rubric = await self._aside(lambda: self.catalogue.find_rubric(body.rubric))
        given = body.transcripts if isinstance(body, BatchBody) else [body.transcript]  # type: ignore[attr-defined]
        read = [await self._aside(lambda: _read(one, rubric, body.mask)) for one in given]  # noqa: B023
        wanted = [Wanted(one, rubric, body.detail) for one in read if isinstance(one, Transcript)]
        tickets = self.queue.add(wanted, body.adapter) if wanted else []
        scored = iter(await self._wait(request, tickets, until))
        results = [next(scored) if isinstance(one, Transcript) else one for one in read]
        return await self._aside(lambda: self._keep(read, results)) if body.keep else results

    def _keep(
        self, read: Sequence[Transcript | Problem], results: Sequence[Scored | Problem]
    ) -> list[Scored | Problem]:
        """Write scores with their transcripts; from the first that can't be written on, each becomes a problem.

        Those after it are not tried: each would wait for the same busy disk or database.
        """
        answers = list(results)
        failed: Problem | None = None
        for place, (transcript, result) in enumerate(zip(read, results, strict=True)):
            if not isinstance(transcript, Transcript) or not isinstance(result, Scored):
                continue
            try:
                if failed is None:
                    self.catalogue.keep(transcript, result)
            except AppError as error:
                failed = problem_of(error)
            answers[place] = failed or result
        return answers

    async def _wait(self, request: Request, tickets: Sequence[Ticket], until: float) -> list[Scored | Problem]:
        """Return what became of the tickets in time; those whose scoring has not begun by then are given up."""
        scored: set[asyncio.Future[Any]] = {_watch(ticket) for ticket in tickets}
        gone: asyncio.Future[Any] = asyncio.ensure_future(_wait_until_gone(request))
        try:
            while scored and not gone.done() and time.monotonic() < until:
                left = max(0.0, until - time.monotonic())
                _, running = await asyncio.wait({*scored, gone}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                scored &= running
            if gone.done():
                raise ClientDisconnect
        finally:
            gone.cancel()
            self.queue.give_up(tickets)
        return [self._result(ticket) for ticket in tickets]

    def _result(self, ticket: Ticket) -> Scored | Problem:
        future = ticket.future
        if future.cancelled() or not future.done():
            return describe(504, self._too_slow())
        error = future.exception()
        if error is None:
            return future.result()
        return problem_of(error if isinstance(error, AppError) else Refused(500, "Scoring failed."))

    def _too_slow(self) -> str:
        return f"There was no score within {self.timeout_s:g} s. Send fewer or shorter transcripts, or try again later."

    async def _aside(self, work: Callable[[], T]) -> T:
        """Do what takes a while in a thread, so that others are answered meanwhile."""
        return await anyio.to_thread.run_sync(work, limiter=self._readers)


def _check_kind(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        told = "The body must be JSON. Send the header `Content-Type: application/json`."
        raise Refused(415, told, {"Connection": "close"})


def _read(given: Any, rubric: Rubric, mask: bool) -> Transcript | Problem:
    try:
        return bodies.read_given(given, rubric, mask=mask)
    except AppError as error:
        return problem_of(error)


def _watch(ticket: Ticket) -> "asyncio.Future[None]":
    """Return what is done when a ticket is; it carries no failure, which asyncio would write into the log."""
    loop = asyncio.get_running_loop()
    watch: asyncio.Future[None] = loop.create_future()

    def settle() -> None:
        if not watch.done():
            watch.set_result(None)

    def tell(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(settle)

    ticket.future.add_done_callback(tell)
    return watch


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _respond(result: Scored | Problem) -> Response:
    if isinstance(result, Problem):
        return Refusal(result)
    return JSONResponse(result.model_dump(mode="json"))


def make_app(
    catalogue: Catalogue,
    *,
    token: str,
    hosts: Collection[str] = (),
    most_waiting: int = MOST_WAITING,
    timeout_s: float = TIMEOUT_S,
) -> FastAPI:
    """Return the service; `app.state.service` tells how long nobody has asked."""
    service, figures = Service(catalogue, most_waiting=most_waiting, timeout_s=timeout_s), Figures()

    @asynccontextmanager
    async def run(_: FastAPI) -> AsyncIterator[None]:
        service.queue.start()
        yield
        service.queue.stop()

    app = FastAPI(title="Atelier scoring", version="1", docs_url=None, redoc_url=None, lifespan=run)
    app.state.service = service

    @app.post("/score", **openapi.SCORE)
    async def score(request: Request) -> Response:
        """Score one transcript by a rubric."""
        return await service.answer(request, ScoreBody, bodies.MOST_BYTES)

    @app.post("/score/batch", **openapi.BATCH)
    async def score_batch(request: Request) -> Response:
        """Score up to 64 transcripts; each gets a result or a problem, in their order."""
        return await service.answer(request, BatchBody, bodies.MOST_BATCH_BYTES)

    @app.get("/health", **openapi.HEALTH)
    def health() -> Response:
        """Tell whether a model is loaded, and how many transcripts wait. Needs no token."""
        now = service.queue.health()
        told = {"ready": now.ready, "model": now.model, "queue": now.waiting, "swaps": now.swaps}
        return JSONResponse(told | {"problem": now.problem}, 200 if now.ready else 503)

    @app.get("/models", **openapi.MODELS)
    def models(rubric: str = DEFAULT) -> Response:
        """List what can score by a rubric."""
        return JSONResponse(catalogue.list_models(catalogue.find_rubric(rubric)))

    @app.get("/rubrics", **openapi.RUBRICS)
    def rubrics() -> Response:
        """List the rubrics with their dimensions and anchors."""
        return JSONResponse(catalogue.list_rubrics())

    @app.get("/metrics", **openapi.METRICS)
    def metrics() -> Response:
        """Tell requests by status, their times, the queue and the swaps, as Prometheus reads them."""
        now = service.queue.health()
        figures.waiting.set(now.waiting)
        figures.swaps.set(now.swaps)
        return Response(generate_latest(figures.registry), media_type=CONTENT_TYPE_LATEST)

    _answer_problems(app)
    openapi.secure(app)
    paths = ["/score", "/score/batch", "/health", "/models", "/rubrics", "/metrics", "/openapi.json"]
    app.add_middleware(Gate, token=token, hosts=hosts, paths=paths, figures=figures)
    return app


def _answer_problems(app: FastAPI) -> None:
    """Let every failure be a problem; none repeats what was sent."""

    def answer(status: int, detail: str, headers: Any = None) -> Response:
        return Refusal(describe(status, detail), headers)

    @app.exception_handler(AppError)
    async def expected(_: Request, error: AppError) -> Response:
        problem = problem_of(error)
        return answer(problem.status, problem.detail, error.headers if isinstance(error, Refused) else None)

    @app.exception_handler(HTTPException)
    async def of_http(_: Request, error: HTTPException) -> Response:
        told = {
            404: "There is nothing at this address. See /openapi.json.",
            405: "See /openapi.json for what it takes.",
        }
        return answer(
            error.status_code, told.get(error.status_code, HTTPStatus(error.status_code).phrase), error.headers
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(422, "A parameter of the address is wrong. See /openapi.json.")

    @app.exception_handler(Exception)
    async def unexpected(_: Request, error: Exception) -> Response:
        return answer(500, f"Something unexpected went wrong: {type(error).__name__}. The log has the place.")
