"""A scoring service over HTTP whose models wait, fail and change as a test says; and a plain client for any service."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from core.catalog import rubrics
from core.catalog.rubrics import Rubric
from core.errors import AdapterUnfit, BrokenModel, NotFound
from core.scoring.result import Score, Scored
from core.scoring.service.app import Catalogue, make_app
from core.scoring.service.stock import Wanted
from core.scoring.transcript import Transcript
from tests.conftest import wait_until

TOKEN = "a-token-of-the-tests-0123456789"


@dataclass(frozen=True)
class Named:
    """A model by its name alone."""

    id: str

    @property
    def name(self) -> str:
        return self.id


@dataclass
class Paced:
    """Models that load and score when they may; `batches` is what each was given at once."""

    default: str = "first"
    broken: set[str] = field(default_factory=set)
    may_score: threading.Event = field(default_factory=threading.Event)
    may_load: threading.Event = field(default_factory=threading.Event)
    batches: list[tuple[str, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.may_score.set()
        self.may_load.set()

    def resolve(self, rubric: Rubric, asked: str) -> Named:
        if asked == "nobody":
            raise NotFound("There is no adapter 'nobody'.")
        return Named(asked or self.default)

    def load(self, model: Named) -> "Speaking":
        self.may_load.wait()
        if model.id in self.broken:
            raise AdapterUnfit(f"The adapter {model.id!r} is damaged.")
        return Speaking(self, model.id)


@dataclass
class Speaking:
    """A model that gives every transcript the same score, and fails where the text says so."""

    of: Paced
    name: str

    def score(self, wanted: Sequence[Wanted]) -> list[Scored]:
        texts = [one.transcript.render() for one in wanted]
        self.of.batches.append((self.name, texts))
        self.of.may_score.wait()
        if any("no number" in text for text in texts):
            raise BrokenModel("The model's numbers are no numbers.")
        if any("crash" in text for text in texts):
            raise RuntimeError(f"crashed at {texts[0]}")
        return [make_scored(one.rubric, self.name) for one in wanted]


def make_scored(rubric: Rubric, adapter: str) -> Scored:
    scores = {one.id: Score(score=4, expected=4.0, confidence=0.5) for one in rubric.dimensions}
    return Scored(scores=scores, overall=4.0, adapter=adapter, rubric=rubric.id, milliseconds=1.0)


@dataclass(frozen=True)
class Door:
    """An address with its token."""

    port: int
    token: str

    def ask(
        self, method: str, path: str, body: Any = None, *, wait_s: float = 60, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and what the JSON of the answer holds; a body that is no bytes is sent as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=wait_s)
        try:
            connection.request(method, path, raw, {name: value for name, value in sent.items() if value})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        kind = response.headers.get("Content-Type", "")
        content = json.loads(answer) if "json" in kind else answer.decode()
        return response.status, {name.lower(): value for name, value in response.headers.items()}, content

    def score(self, transcript: Any, **options: Any) -> tuple[int, Any]:
        status, _, content = self.ask("POST", "/score", {"transcript": transcript, **options})
        return status, content


Keep = Callable[[Transcript, Scored], None]


@contextmanager
def opened(models: Paced, keep: Keep = lambda transcript, scored: None, **options: Any) -> Iterator[Door]:
    """Serve these models within a block, in this process."""
    catalogue = Catalogue(
        models=models,
        find_rubric=rubrics.find,
        list_rubrics=lambda: [one.model_dump(mode="json") for one in rubrics.all_rubrics().values()],
        list_models=lambda rubric: [{"id": models.default}],
        keep=keep,
    )
    app = make_app(catalogue, token=TOKEN, **options)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        door = Door(listening.getsockname()[1], TOKEN)
        wait_until(lambda: server.started, 20, "the service")
        if models.may_load.is_set() and models.default not in models.broken:
            wait_until(lambda: door.ask("GET", "/health")[0] == 200, 20, "the first model")
        try:
            yield door
        finally:
            models.may_score.set()
            models.may_load.set()
            server.should_exit = True
            thread.join(10)
