"""The hub, played by a small server on this machine that breaks off, refuses and damages on demand."""

import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

REPOSITORY = "owner/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "model.safetensors"


@dataclass
class Hub:
    """What the server gives and how it behaves; `asked` lists the requests as (method, file or API, range)."""

    files: dict[str, bytes]
    break_after: int | None = None
    damage: bool = False
    refusal: tuple[int, str] | None = None
    slow: threading.Event | None = None
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    address: str = ""

    def fetched(self, name: str) -> list[str]:
        """Return the ranges that were asked for of a file, '' for all of it."""
        return [part for method, what, part in self.asked if method == "GET" and what == name]


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Hub]:
    """Serve one repository, as a model and as a dataset."""
    made = Hub(files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(made, self, body=True)

        def do_HEAD(self) -> None:
            _answer(made, self, body=False)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def _answer(hub: Hub, request: BaseHTTPRequestHandler, body: bool) -> None:
    path = request.path.partition("?")[0]
    found = re.fullmatch(rf"/(?:datasets/)?{REPOSITORY}/resolve/{COMMIT}/(.+)", path)
    part = request.headers.get("Range", "")
    hub.asked.append((request.command, found.group(1) if found else path, part))
    if hub.refusal is not None:
        _send(request, hub.refusal[0], b"", {"X-Error-Code": hub.refusal[1]})
    elif path in (f"/api/models/{REPOSITORY}", f"/api/datasets/{REPOSITORY}"):
        _send(request, 200, json.dumps(_listing(hub)).encode(), {"Content-Type": "application/json"})
    elif found and found.group(1) in hub.files:
        _send_file(hub, request, found.group(1), int(part[6:].partition("-")[0]) if part else 0, body)
    else:
        _send(request, 404, b"", {"X-Error-Code": "RepoNotFound"})


def _listing(hub: Hub) -> dict[str, Any]:
    def sibling(name: str, content: bytes) -> dict[str, Any]:
        told: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
        if name.endswith((".safetensors", ".parquet")):
            told["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        return told

    return {
        "id": REPOSITORY,
        "modelId": REPOSITORY,
        "sha": COMMIT,
        "private": False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "siblings": [sibling(name, content) for name, content in hub.files.items()],
    }


def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, headers: dict[str, str]) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)


def _send_file(hub: Hub, request: BaseHTTPRequestHandler, name: str, begin: int, body: bool) -> None:
    content = hub.files[name]
    if hub.break_after is not None and begin >= hub.break_after:
        _send(request, 500, b"", {})
        return
    request.send_response(206 if begin else 200)
    request.send_header("Content-Length", str(len(content) - begin))
    if begin:
        request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
    request.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
    request.send_header("X-Repo-Commit", COMMIT)
    request.end_headers()
    if not body:
        return
    if name == WEIGHTS and hub.damage:
        content = content[:-1] + bytes([content[-1] ^ 1])
    if name == WEIGHTS and hub.break_after is not None:
        request.wfile.write(content[begin : hub.break_after])
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)
        return
    if name == WEIGHTS and hub.slow is not None:
        half = begin + (len(content) - begin) // 2
        request.wfile.write(content[begin:half])
        request.wfile.flush()
        hub.slow.wait(60)
        begin = half
    request.wfile.write(content[begin:])
