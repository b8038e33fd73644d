"""What a check is told, and how it is queued."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from core.paths import Workspace
from core.process import queue
from core.store.datasets import NamedDataset
from core.store.jobs import Job


class CheckSpec(BaseModel):
    """One version of a dataset, by which base its tokens are counted, and which findings are put right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha: str
    name: str
    base: str = "starter"
    max_length: int = 1024
    fix: tuple[str, ...] = ()


def submit(workspace: Workspace, one: NamedDataset, fix: Sequence[str] = ()) -> Job:
    """Queue the examination of a dataset, and the remedies that were chosen."""
    spec = CheckSpec(sha=one.sha, name=one.name, fix=tuple(fix))
    verb = "Mending" if fix else "Check"
    return _submit(workspace, spec, verb)


def submit_version(workspace: Workspace, sha: str, name: str, base: str, max_length: int) -> Job:
    """Queue the examination of a version, for a base and a length."""
    return _submit(workspace, CheckSpec(sha=sha, name=name, base=base, max_length=max_length), "Check")


def _submit(workspace: Workspace, spec: CheckSpec, verb: str) -> Job:
    return queue.submit(workspace, kind="check", name=f"{verb} of {spec.name}", spec=spec.model_dump(mode="json"))
