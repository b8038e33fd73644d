"""Where the private service of a workspace listens: port, token and process, readable by the owner alone."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from core import durable
from core.paths import Workspace
from core.process.liveness import ProcessIdentity, is_held

FILE, LOCK = "scoring.json", "scoring.lock"


@dataclass(frozen=True)
class Address:
    """A service on 127.0.0.1; the token never appears in a repr."""

    port: int
    token: str = field(repr=False)
    process: ProcessIdentity

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()


def path_of(workspace: Workspace) -> Path:
    return workspace.root / FILE


def lock_of(workspace: Workspace) -> Path:
    """Held by the private service as long as it lives."""
    return workspace.root / LOCK


def write(workspace: Workspace, address: Address) -> None:
    staged = durable.staging_path(path_of(workspace))
    content = {"port": address.port, "token": address.token, "process": address.process.to_dict()}
    handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream)
        durable.put_in_place(staged, path_of(workspace))
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def read(workspace: Workspace) -> Address | None:
    """Return where the private service is, or None if none is alive."""
    if not is_held(lock_of(workspace)):
        return None
    try:
        content = json.loads(path_of(workspace).read_text(encoding="utf-8"))
        found = Address(int(content["port"]), str(content["token"]), ProcessIdentity(**content["process"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if found.is_alive else None


def remove(workspace: Workspace, address: Address) -> None:
    """Remove the file of a service that ends, unless another one's is there by now."""
    if read(workspace) == address:
        path_of(workspace).unlink(missing_ok=True)
