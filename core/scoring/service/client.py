"""Scores from the workspace's own scoring service, which is started where it does not run; for page and command.

A service that dies is replaced and asked again: to score twice changes nothing.
"""

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from core.catalog.rubrics import DEFAULT
from core.errors import AppError, ServiceError
from core.hardware.readings import read_machine
from core.paths import PROJECT_DIR, Workspace
from core.process import environment
from core.process.liveness import is_held
from core.scoring.result import Detail, Scored
from core.scoring.service import address
from core.scoring.service.address import Address
from core.scoring.service.problem import Problem, describe, error_of, problem_of
from core.scoring.transcript import Transcript

WAIT_S = 600.0
START_S = 120.0  # to start Python from a slow disk on a busy machine
LOOK_S = 2.0
MOST_TOGETHER = 16  # so that what was asked for first comes back first
MOST_BYTES = 4_000_000
TRIES = 4

_ANSWERS: TypeAdapter[list[Scored | Problem]] = TypeAdapter(list[Scored | Problem])
_started: dict[Path, subprocess.Popen[bytes]] = {}


def score(
    workspace: Workspace,
    transcripts: Sequence[str | Transcript],
    rubric: str = DEFAULT,
    adapter: str = "",
    detail: Detail = "full",
    *,
    mask: bool = False,
    wait_s: float = WAIT_S,
    tell: Callable[[int], None] = lambda count: None,
) -> list[Scored | Problem]:
    """Return for each transcript its scores, or why there are none.

    Args:
        adapter: Which model scores; empty for the one in production.
        wait_s: After this long those that are left get a problem that says so; likewise when the service is lost.
        tell: Is told how many are done, after each part.

    Raises:
        ServiceError: The service can't be started or reached, and nothing was scored before.
        BadInput: There is no such rubric.
    """
    until = time.monotonic() + wait_s
    options = {"rubric": rubric, "adapter": adapter, "detail": detail, "mask": mask}
    texts = [one.render() if isinstance(one, Transcript) else one for one in transcripts]
    found: list[Scored | Problem] = []
    for part in _split(texts):
        try:
            found += _score_part(workspace, part, options, until)
        except AppError as error:
            if not found:
                raise
            found += [problem_of(error)] * (len(texts) - len(found))
            break
        tell(len(found))
    return found


def is_ready(workspace: Workspace) -> bool:
    """Return whether the service runs and has a model loaded; starts nothing."""
    found = address.read(workspace)
    return found is not None and bool((_health(found) or {}).get("ready"))


def ensure_service(workspace: Workspace, wait_s: float = START_S) -> Address:
    """Return where the service is once it answers, and start it where it does not run.

    Whether a model can score is told by the request: another one than the default may be asked for.

    Raises:
        ServiceError: It does not answer; the sentence says why.
    """
    until = time.monotonic() + wait_s
    starts = 0
    while time.monotonic() < until:
        found = address.read(workspace)
        if found and {"ready", "detail"} & set(_health(found) or {}):  # a problem is an answer, too
            return found
        if found is None and not is_held(address.lock_of(workspace)):
            process = _started.get(workspace.root)
            code = process.poll() if process else 0
            if (starts and code) or starts == TRIES:
                raise ServiceError(f"The scoring service ends at once, with code {code}. {_log(workspace)}")
            if code is not None:
                _start(workspace)
                starts += 1
        time.sleep(0.05)
    raise ServiceError(f"The scoring service gave no answer within {wait_s:.0f} s. {_log(workspace)}")


def _log(workspace: Workspace) -> str:
    return f"Its log is {workspace.logs / 'scoring.log'}."


def _start(workspace: Workspace) -> None:
    """Start the service, detached, with no more of this process's environment than it needs."""
    workspace.logs.mkdir(parents=True, exist_ok=True)
    device = read_machine().devices[0]
    env = environment.for_worker(device) | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    for name in ("ATELIER_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        env.pop(name, None)
    env["ATELIER_HOME"] = str(workspace.root)
    log = workspace.logs / "scoring.log"
    log.touch(mode=0o600)
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.DETACHED_PROCESS}
    with log.open("ab") as stream:
        _started[workspace.root] = subprocess.Popen(
            [sys.executable, "-m", "core.scoring.service.serving", "--workspace", str(workspace.root), "--private"],
            cwd=PROJECT_DIR,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            **detached,
        )


def _score_part(
    workspace: Workspace, texts: list[str], options: dict[str, Any], until: float
) -> list[Scored | Problem]:
    body = json.dumps({"transcripts": texts, **options}).encode()
    lost = 0
    while (left := until - time.monotonic()) > 0:
        try:
            found = ensure_service(workspace, min(left, START_S))
        except ServiceError:
            if time.monotonic() < until:
                raise
            break
        try:
            status, headers, answer = _ask(found, "POST", "/score/batch", body, left)
        except TimeoutError:
            break
        except (OSError, http.client.HTTPException):  # it died, or ended just now
            lost += 1
            if lost == TRIES:
                raise ServiceError(f"The scoring service ends whenever it is asked. {_log(workspace)}") from None
            time.sleep(0.1)
            continue
        if status == 200:
            return _read(answer, found)
        if status == 429:
            time.sleep(min(float(headers.get("Retry-After", "1")), max(0.0, until - time.monotonic())))
            continue
        if status == 401 and lost < TRIES:  # another service has taken the port
            lost += 1
            continue
        raise _failure(answer, found)
    late = describe(504, "There was no score in the time given. Score fewer or shorter transcripts, or wait longer.")
    return [late] * len(texts)


def _read(answer: bytes, of: Address) -> list[Scored | Problem]:
    try:
        return _ANSWERS.validate_json(answer)
    except ValidationError:  # it would quote the answer, and with it the transcript
        raise _unreadable(of) from None


def _failure(answer: bytes, of: Address) -> AppError:
    try:
        return error_of(Problem.model_validate_json(answer))
    except ValidationError:
        return _unreadable(of)


def _unreadable(of: Address) -> ServiceError:
    told = f"End its process {of.process.pid}; it starts again by itself."
    return ServiceError(f"The scoring service gave an answer that can't be read. {told}")


def _health(found: Address) -> dict[str, Any] | None:
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        content = json.loads(_ask(found, "GET", "/health", b"", LOOK_S)[2])
        return content if isinstance(content, dict) else None
    return None


def _ask(
    found: Address, method: str, path: str, body: bytes, wait_s: float
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", found.port, timeout=wait_s)
    headers = {"Authorization": f"Bearer {found.token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def _split(texts: list[str]) -> list[list[str]]:
    """Return the texts in parts that one request may carry."""
    parts: list[list[str]] = []
    size = 0
    for text in texts:
        length = len(json.dumps(text))
        if not parts or len(parts[-1]) == MOST_TOGETHER or size + length > MOST_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += length
    return parts
