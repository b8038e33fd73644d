"""`atelier serve`: the scoring service on a port."""

import os
import secrets
import subprocess
import sys
from typing import Annotated

import typer

from core.cli.output import print_text, say
from core.cli.workplace import open_workspace
from core.errors import BadInput
from core.hardware.readings import read_machine
from core.paths import PROJECT_DIR
from core.process import environment

TOKEN = "ATELIER_TOKEN"
LEAST_TOKEN = 16
LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8600,
    host: Annotated[str, typer.Option(help="Address; any but 127.0.0.1 opens it to the network.")] = LOCAL[0],
) -> None:
    """Serve scores over HTTP until it is interrupted. The token is ATELIER_TOKEN's, or a new one each time."""
    if not 1 <= port <= 65535:
        raise BadInput(f"The port {port} is not between 1 and 65535.")
    given = os.environ.get(TOKEN, "")
    if given and (len(given) < LEAST_TOKEN or not given.isascii() or not given.isprintable() or " " in given):
        raise BadInput(f"The token in {TOKEN} must be {LEAST_TOKEN} or more ASCII letters without spaces.")
    token = given or secrets.token_urlsafe(32)
    workspace = open_workspace()
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    print_text(f"Scoring on {address}. Stop it with Ctrl+C.")
    print_text(f"The token is that of {TOKEN}." if given else f"The token, shown only here: {token}")
    print_text(_example(address, f"${TOKEN}" if given else token))
    if host not in LOCAL:
        say(f"{host} may be reached from the network, without encryption. Put a proxy with TLS before it.")
    sys.stdout.flush()
    env = environment.for_worker(read_machine().devices[0]) | {"HF_HUB_OFFLINE": "1", TOKEN: token}
    command = [sys.executable, "-m", "core.scoring.service.serving", "--workspace", str(workspace.root)]
    command += ["--host", host, "--port", str(port)]
    if sys.platform == "win32":
        raise typer.Exit(subprocess.call(command, cwd=PROJECT_DIR, env=env))
    os.chdir(PROJECT_DIR)
    os.execve(command[0], command, env)  # so that a signal to this process ends the service


def _example(address: str, token: str) -> str:
    body = r'{"transcript": "Nurse: What worries you most?\nPatient: The needle."}'
    heads = f"-H 'Content-Type: application/json' -H \"Authorization: Bearer {token}\""
    return f"Try:\n  curl {address}/score {heads} -d '{body}'"
