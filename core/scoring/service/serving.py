"""The process that serves: `python -m core.scoring.service.serving --workspace DIR [--host H] [--port N] [--private]`.

The private one belongs to a workspace's page and command. It holds scoring.lock, tells its address in scoring.json, and
ends by itself when nobody has asked for a while.
"""

import argparse
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import uvicorn

from core import redaction
from core.catalog import rubrics
from core.catalog.rubrics import Rubric
from core.errors import AppError, BadInput, ServiceError
from core.paths import Workspace
from core.process.liveness import FileLock, ProcessIdentity
from core.scoring import models
from core.scoring.models import ScoringModel
from core.scoring.result import Scored
from core.scoring.service import address, announcement, discretion
from core.scoring.service.access import is_everywhere
from core.scoring.service.address import Address
from core.scoring.service.announcement import TOKEN
from core.scoring.service.app import TIMEOUT_S, Catalogue, make_app
from core.scoring.service.stock import Loaded
from core.scoring.transcript import Transcript
from core.store import schema, scoring

IDLE_S = 15 * 60.0
PRIVATE_TIMEOUT_S = 600.0  # the one who asked waits in person, and may leave

log = logging.getLogger("atelier.scoring")


class WorkspaceModels:
    """The models of a workspace: found anew only when their stamp changes, for that reads every byte of an adapter."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._found: dict[tuple[str, str], tuple[str, ScoringModel]] = {}

    def resolve(self, rubric: Rubric, asked: str) -> ScoringModel:
        stamp = models.stamp(self._workspace, rubric, asked)
        seen, model = self._found.get((rubric.id, asked), ("", None))
        if model is None or seen != stamp:
            model = models.resolve(self._workspace, rubric, asked)
            self._found[rubric.id, asked] = models.stamp(self._workspace, rubric, asked), model
        return model

    def load(self, model: ScoringModel) -> Loaded:
        from core.scoring.scorer import Scorer  # brings torch, which the process need not wait for

        began = time.perf_counter()
        loaded = Scorer(self._workspace, model)
        log.info("loaded %s in %.1f s", model.id, time.perf_counter() - began)
        return loaded


def catalogue_of(workspace: Workspace) -> Catalogue:
    def keep(transcript: Transcript, scored: Scored) -> None:
        result = scored.model_dump(mode="json")
        rubric, adapter = scored.rubric, scored.adapter
        scoring.keep(
            workspace,
            name="Sent by a program",
            rubric=rubric,
            adapter=adapter,
            transcript=transcript.render(),
            result=result,
        )

    return Catalogue(
        models=WorkspaceModels(workspace),
        find_rubric=lambda name: rubrics.find(name, workspace),
        list_rubrics=lambda: [one.model_dump(mode="json") for one in rubrics.all_rubrics(workspace).values()],
        list_models=lambda rubric: [asdict(one) for one in models.list_models(workspace, rubric)],
        keep=keep,
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections.

    Raises:
        BadInput: The port is taken, or the host is none of this machine's addresses.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and is_everywhere(host):
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        found.bind((host, port))
        found.listen(128)
    except OSError as error:
        told = error.strerror or str(error)
        raise BadInput(
            f"Nothing can listen on {host}, port {port}: {told}. Choose another --port or --host."
        ) from error
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    options = _read_options(arguments)
    discretion.keep_secret()
    redaction.install()
    logging.getLogger().handlers[0].setStream(sys.stderr)  # type: ignore[attr-defined]
    workspace = Workspace(Path(options.workspace))
    try:
        if options.private:
            return _serve_private(workspace, options)
        token = os.environ.get(TOKEN, "")
        if not token:
            raise ServiceError(f"The service needs a token in {TOKEN}.")
        schema.prepare(workspace)
        with listen(options.host, options.port) as door:
            if options.announce:
                announcement.show(options.host, options.port, token, is_new=options.announce == "new")
            return _serve(workspace, door, token, options, hosts=[options.host, *options.name])
    except AppError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m core.scoring.service.serving", description="Serve scores over HTTP."
    )
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--name", action="append", default=[], help="a further name in the Host header; repeatable")
    parser.add_argument("--announce", choices=("given", "new"), help="tell address and token, once the port is taken")
    parser.add_argument("--private", action="store_true", help="the one service of this workspace's page and command")
    parser.add_argument("--idle", type=float, default=IDLE_S, help="seconds after which the private one ends unasked")
    parser.add_argument("--timeout", type=float, default=0.0, help="seconds for one request")
    return parser.parse_args(arguments)


def _serve_private(workspace: Workspace, options: argparse.Namespace) -> int:
    lock = FileLock(address.lock_of(workspace))
    if not lock.acquire():
        return 0  # another one serves, or is about to
    os.environ[TOKEN] = token = secrets.token_urlsafe(32)  # there the log's filter finds it, too
    schema.prepare(workspace)
    with listen("127.0.0.1", 0) as door:
        process = ProcessIdentity.of(os.getpid())
        assert process is not None
        own = Address(door.getsockname()[1], token, process)
        address.write(workspace, own)
        try:
            return _serve(workspace, door, token, options, hosts=())
        finally:
            address.remove(workspace, own)


def _serve(
    workspace: Workspace, door: socket.socket, token: str, options: argparse.Namespace, hosts: Sequence[str]
) -> int:
    timeout_s = options.timeout or (PRIVATE_TIMEOUT_S if options.private else TIMEOUT_S)
    app = make_app(catalogue_of(workspace), token=token, hosts=hosts, timeout_s=timeout_s)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            http="h11",
            ws="none",
            limit_concurrency=512,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
        )
    )
    if options.private:
        threading.Thread(target=_end_when_idle, args=(server, app.state.service, options.idle), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM):  # the server has its own way to end, and raises them again after it
        signal.signal(number, lambda *_: None)
    server.run(sockets=[door])
    return 0


def _end_when_idle(server: uvicorn.Server, service: object, idle_s: float) -> None:
    while service.idle_s < idle_s:  # type: ignore[attr-defined]
        time.sleep(min(1.0, idle_s))
    log.info("nobody asked for %.0f s; ending", idle_s)
    server.should_exit = True


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    os._exit(code)  # taking torch apart takes seconds, and all that matters is done
