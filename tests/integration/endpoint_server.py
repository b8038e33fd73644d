"""An OpenAI-compatible server on this machine that answers sums, and misbehaves on demand."""

import contextlib
import json
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "toy-1"


@dataclass
class Server:
    """How the server behaves: `next_ways` one after the other, then `way`; and what it was asked."""

    way: str = "right"
    next_ways: deque[str] = field(default_factory=deque)
    retry_after: str = "1"
    location: str = ""
    slow_s: float = 0.0
    models: tuple[int, list[str]] = (200, [])
    address: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    bytes_sent: int = 0
    freed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def questions(self) -> list[str]:
        return [body["messages"][-1]["content"] for body in self.asked]


@contextmanager
def serve(**fields: Any) -> Iterator[Server]:
    made = Server(**fields)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            with contextlib.suppress(OSError):
                _answer(made, self)

        def do_GET(self) -> None:
            made.paths.append(self.path)
            made.headers.append(dict(self.headers))
            if made.slow_s:
                made.freed.wait(made.slow_s)
            status, names = made.models
            _send(self, status, json.dumps({"data": [{"id": name} for name in names]}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        made.freed.set()
        server.shutdown()
        server.server_close()


def _answer(server: Server, request: BaseHTTPRequestHandler) -> None:
    body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
    with server.lock:
        server.asked.append(body)
        server.times.append(time.monotonic())
        server.headers.append(dict(request.headers))
        server.paths.append(request.path)
        server.at_once += 1
        server.most_at_once = max(server.most_at_once, server.at_once)
        way = server.next_ways.popleft() if server.next_ways else server.way
    try:
        if server.slow_s:
            server.freed.wait(server.slow_s)
        _WAYS[way](server, request, body)
    finally:
        with server.lock:
            server.at_once -= 1


def completion(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what a well-behaved server says: the sum of the numbers, or the letter of the choice that is the sum."""
    question = body["messages"][-1]["content"]
    first, second = map(int, re.findall(r"\d+", question)[:2])
    listed = re.search(rf"^([A-Z])\) {first + second}$", question, re.MULTILINE)
    text = listed.group(1) if listed else f"{first} and {second} make {first + second}."
    return {
        "id": "x",
        "object": "chat.completion",
        "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    } | changes


def said(text: Any, reason: str = "stop") -> list[dict[str, Any]]:
    return [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}]


def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def _json(**changes: Any) -> Callable[[Server, BaseHTTPRequestHandler, dict[str, Any]], None]:
    def way(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        _send(request, 200, json.dumps(completion(body, **changes)).encode())

    return way


def _raw(status: int, content: bytes) -> Callable[[Server, BaseHTTPRequestHandler, dict[str, Any]], None]:
    def way(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        _send(request, status, content)

    return way


def _busy(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    _send(request, 429, b'{"error": {"message": "Rate limit reached"}}', {"Retry-After": server.retry_after})


def _redirect(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    _send(request, 307, b"", {"Location": server.location})


def _huge(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    request.send_response(200)
    request.send_header("Transfer-Encoding", "chunked")
    request.end_headers()
    piece = b"x" * 100_000
    for _ in range(2_000):
        request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        server.bytes_sent += len(piece)


def _drip(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    while not server.freed.wait(0.05):
        request.wfile.write(b" ")
        request.wfile.flush()


def _drip_headers(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not server.freed.wait(0.05):
        request.wfile.write(b"x")
        request.wfile.flush()


def _hang(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    server.freed.wait(120)


def _hang_up(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    request.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"choices": [')
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)


def _echo_key(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    told = f"4 {request.headers['Authorization']}"
    _send(request, 200, json.dumps(completion(body, choices=said(told))).encode())


def _refuse_key(server: Server, request: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    told = {"error": {"message": f"Incorrect API key provided: {request.headers['Authorization']}"}}
    _send(request, 401, json.dumps(told).encode())


_WAYS: dict[str, Callable[[Server, BaseHTTPRequestHandler, dict[str, Any]], None]] = {
    "right": _json(),
    "wrong model": _json(model="tiny-0"),
    "dated model": _json(model="toy-1-2026-01-31"),
    "later model": _json(model="toy-1-2026-07-31"),
    "no usage": _json(usage=None),
    "odd usage": _json(usage={"prompt_tokens": -5, "completion_tokens": "many"}),
    "no text": _json(choices=said(None, "length")),
    "parts": _json(choices=said([{"type": "text", "text": "2 and 2 make "}, {"type": "text", "text": "4."}])),
    "thoughts": _json(choices=said("<think>" + "5? " * 20_000 + "</think>That is 4.")),
    "half a letter": _json(choices=said("4 \ud800")),
    "filtered": _raw(400, b'{"error": {"code": "content_filter", "message": "The prompt was filtered"}}'),
    "unknown model": _raw(404, b'{"error": "model \'toy-1\' not found"}'),
    "wants other limit": _raw(400, b'{"error": {"message": "Use \'max_completion_tokens\' instead."}}'),
    "failing": _raw(500, b"\x00\xff<html>oops</html>"),
    "unavailable": _raw(503, b'{"error": {"message": "Loading model"}}'),
    "broken": _raw(200, b'{"choices": [{"message": {"content": "4'),
    "other json": _raw(200, b'[{"error": "no"}]'),
    "deep": _raw(200, b"[" * 200_000),
    "empty": _raw(200, b""),
    "busy": _busy,
    "redirect": _redirect,
    "huge": _huge,
    "drip": _drip,
    "drip headers": _drip_headers,
    "hang": _hang,
    "hang up": _hang_up,
    "echo key": _echo_key,
    "refuse key": _refuse_key,
}
