"""Who may ask the service: programs of this machine that know the token. Pages of other origins may not.

It stands before everything else, reads no body, and counts what was asked and how long it took.
"""

import asyncio
import contextlib
import ipaddress
import secrets
import time
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.scoring.service.problem import MEDIA_TYPE, Problem, Refused, describe

OPEN = "/health"
LOCAL = ("127.0.0.1", "localhost", "::1")
LINGER_S, LINGER_BYTES = 2.0, 32 * 1024**2
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Refusal(JSONResponse):
    """A problem as the answer; what the client still sends is read and dropped for a while.

    To close a connection with unread data on it can take the answer from the client before it has read it.
    """

    media_type = MEDIA_TYPE

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.model_dump(), problem.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.headers.get("connection") != "close":
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await _drop(receive)
        await send({"type": "http.response.body", "body": b""})


async def _drop(receive: Receive) -> None:
    left = LINGER_BYTES
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b"")) + 1
        if message["type"] == "http.disconnect" or not message.get("more_body"):
            return


class Figures:
    """What /metrics tells; nothing in it comes from a transcript."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "atelier_requests", "Requests by address and status.", ("path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "atelier_request_seconds", "Time to answer.", ("path",), buckets=SECONDS, registry=self.registry
        )
        self.waiting = Gauge("atelier_waiting", "Transcripts that wait to be scored.", registry=self.registry)
        self.swaps = Gauge("atelier_swaps", "How often the default model was changed.", registry=self.registry)


class Gate:
    """Middleware: host, origin and token are looked at before anything is read."""

    def __init__(self, app: ASGIApp, *, token: str, hosts: Collection[str], paths: Collection[str], figures: Figures):
        self._app = app
        self._token = token.encode()
        self._hosts = {host.lower() for host in (*LOCAL, *hosts)}
        self._is_everywhere = any(is_everywhere(host) for host in hosts)
        self._paths = set(paths)
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = scope["path"] if scope["path"] in self._paths else "other"
        try:
            self._check(scope)
            await self._app(scope, receive, note)
        except Refused as error:
            headers = {"Connection": "close", **error.headers}
            await Refusal(describe(error.status, str(error)), headers)(scope, receive, note)
        finally:
            self._figures.requests.labels(path, str(status)).inc()
            self._figures.seconds.labels(path).observe(time.perf_counter() - began)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.getlist("host")
        if len(host) != 1 or not self._is_known(host[0]):
            raise Refused(
                403,
                "The Host header names another machine. Use the address that the service printed, or start it with "
                "`--name HOST` for the name that you use.",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit_netloc(origin) != host[0].lower():
            raise Refused(403, "Pages of another origin may not ask. Ask from a program.")
        if scope["path"] == OPEN:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not secrets.compare_digest(given.strip().encode("latin-1"), self._token):
            wanted = "Send the header `Authorization: Bearer TOKEN` with the service's token."
            raise Refused(401, wanted, {"WWW-Authenticate": "Bearer"})

    def _is_known(self, host: str) -> bool:
        """Return whether a Host header is one of ours; an address in numbers is, where the service listens to all."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or (self._is_everywhere and _is_address(name))


def urlsplit_netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def is_everywhere(host: str) -> bool:
    """Return whether a host to listen on stands for all addresses of the machine, such as 0.0.0.0 or ::."""
    return _is_address(host) and ipaddress.ip_address(host).is_unspecified


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
