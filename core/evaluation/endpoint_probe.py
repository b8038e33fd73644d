"""Whether endpoints can be reached now: each is asked for its list of models, all at once, within two seconds."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from core.catalog import endpoints
from core.catalog.endpoints import Endpoint
from core.errors import AppError
from core.evaluation.endpoint_client import Client, is_same_model
from core.wording import clip

LIMIT_S = 2.0
_GRACE_S = 0.3  # a name that is looked up can't be cut off; it is not waited for longer than this
MOST_NAMED = 5


@dataclass(frozen=True)
class Probed:
    """What came of it. `is_fit` tells whether an evaluation could start now; `remedy` what to do if not."""

    endpoint: Endpoint
    is_reached: bool
    is_fit: bool
    text: str
    remedy: str = ""


def probe_all(wanted: Sequence[Endpoint], limit_s: float = LIMIT_S) -> list[Probed]:
    """Ask all at once, and return what came of each in their order; nobody is waited for longer than the limit."""
    found: dict[int, Probed] = {}

    def ask(place: int) -> None:
        found[place] = probe(wanted[place], limit_s)

    threads = [threading.Thread(target=ask, args=(place,), daemon=True) for place in range(len(wanted))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(limit_s + _GRACE_S)
    slow = f"it does not answer within {limit_s:g} s"
    return [found.get(place) or _unreached(one, slow) for place, one in enumerate(wanted)]


def probe(endpoint: Endpoint, limit_s: float = LIMIT_S) -> Probed:
    """Ask one endpoint for its models, with its key where it has one."""
    try:
        key, trouble = endpoints.read_key(endpoint), ""
    except AppError as error:
        key, trouble = "", str(error)
    try:
        status, names = Client(endpoint.model_copy(update={"timeout_s": limit_s}), key).list_models()
    except AppError as error:
        return _unreached(endpoint, _reason(endpoint, str(error)))
    where = f"The endpoint {endpoint.name!r} at {endpoint.url}"
    if trouble:
        return Probed(endpoint, True, False, f"{where} can be reached, but its key can't be used", trouble)
    if status in (401, 403):
        does = f"Check the key in {endpoint.key_env}." if endpoint.key_env else "It wants a key: give `key_env`."
        return Probed(endpoint, True, False, f"{where} refuses with status {status}", does)
    if status >= 500:
        return Probed(endpoint, True, False, f"{where} fails with status {status}", "Look at the server's log.")
    if names and not any(is_same_model(name, endpoint) for name in names):
        known = ", ".join(clip(name, 60) for name in names[:MOST_NAMED]) + (" and more" * (len(names) > MOST_NAMED))
        told = f"{where} can be reached, but does not list the model {endpoint.model!r}"
        return Probed(endpoint, True, False, told, f"It lists {known}.")
    if status != 200:
        told = f"{where} can be reached; it gives no list of its models (status {status})"
        return Probed(endpoint, True, True, told, "If a test fails, check `url`.")
    return Probed(endpoint, True, True, f"{where} can be reached{' and serves its model' if names else ''}")


def _unreached(endpoint: Endpoint, why: str) -> Probed:
    told = f"The endpoint {endpoint.name!r} at {endpoint.url} can't be reached: {why}"
    return Probed(endpoint, False, False, told, "Start the server, or mend `url` in endpoints.yaml.")


def _reason(endpoint: Endpoint, message: str) -> str:
    """Return what went wrong without the words that every sentence of the client begins with."""
    said = message.removeprefix(f"The endpoint {endpoint.name!r} at {endpoint.url} ").rstrip(".")
    said = said.removeprefix("can't be reached or breaks off: ")
    said = re.sub(r"^\[Errno -?\d+\] ", "", said)
    return said[:1].lower() + said[1:]
