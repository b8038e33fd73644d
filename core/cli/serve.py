"""`atelier serve`: the scoring service on a port."""

import os
import re
import secrets
import subprocess
import sys
from typing import Annotated

import typer

from core.cli.workplace import open_workspace
from core.errors import BadInput
from core.hardware.readings import read_machine
from core.paths import PROJECT_DIR
from core.process import environment

TOKEN = "ATELIER_TOKEN"
LEAST_TOKEN = 16
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")


def serve(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8600,
    host: Annotated[str, typer.Option(help="Address; any but 127.0.0.1 opens it to the network.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="A further name by which clients ask, such as a proxy's; repeatable.")
    ] = None,
) -> None:
    """Serve scores over HTTP until it is interrupted. The token is ATELIER_TOKEN's, or a new one each time."""
    if not 1 <= port <= 65535:
        raise BadInput(f"The port {port} is not between 1 and 65535.")
    names = name or []
    for one in names:
        if not _NAME.fullmatch(one):
            raise BadInput(f"The name {one!r} is no host's. Give it without port and path, such as scores.example.org.")
    given = os.environ.get(TOKEN, "")
    if given and (len(given) < LEAST_TOKEN or not given.isascii() or not given.isprintable() or " " in given):
        raise BadInput(f"The token in {TOKEN} must be {LEAST_TOKEN} or more ASCII letters without spaces.")
    token = given or secrets.token_urlsafe(32)
    workspace = open_workspace()
    env = environment.for_worker(read_machine().devices[0]) | {"HF_HUB_OFFLINE": "1", TOKEN: token}
    command = [sys.executable, "-m", "core.scoring.service.serving", "--workspace", str(workspace.root)]
    command += ["--host", host, "--port", str(port), "--announce", "given" if given else "new"]
    command += [word for one in names for word in ("--name", one)]
    sys.stdout.flush()
    if sys.platform == "win32":
        raise typer.Exit(subprocess.call(command, cwd=PROJECT_DIR, env=env))
    os.chdir(PROJECT_DIR)
    os.execve(command[0], command, env)  # so that a signal to this process ends the service
