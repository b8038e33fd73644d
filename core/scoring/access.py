"""Who may ask the service: programs of this machine that know the token. Pages of other origins may not.

It stands before everything else, reads no body, and counts what was asked and how long it took.
"""

import ipaddress
import secrets
import time
from collections.abc import Collection
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.scoring.problem import MEDIA_TYPE, Refused, describe

OPEN = "/health"
LOCAL = ("127.0.0.1", "localhost", "::1")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


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
            problem = describe(error.status, str(error))
            headers = {"Connection": "close", **error.headers}
            await JSONResponse(problem.model_dump(), error.status, headers, MEDIA_TYPE)(scope, receive, note)
        finally:
            self._figures.requests.labels(path, str(status)).inc()
            self._figures.seconds.labels(path).observe(time.perf_counter() - began)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.getlist("host")
        if len(host) != 1 or not self._is_known(host[0]):
            raise Refused(403, "The Host header names another machine. Use the address that the service printed.")
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
        return name in self._hosts or ("0.0.0.0" in self._hosts and _is_address(name))


def urlsplit_netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
