"""Queues imports, and keeps a dropped file until its import has read it."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from core import durable
from core.datasets.files.recognition import FileFormat
from core.datasets.importing import check_name
from core.datasets.mapping import ColumnMapping
from core.datasets.spec import FetchSpec, ImportSpec
from core.paths import Workspace
from core.process import queue
from core.store.jobs import Job


def submit(
    workspace: Workspace,
    path: Path,
    form: FileFormat,
    mapping: ColumnMapping,
    *,
    name: str,
    more: Sequence[Path] = (),
    source: Mapping[str, str] | None = None,
    form_token: str | None = None,
) -> Job:
    """Queue the import of a file, and of `more` files of the same form after it.

    Raises:
        BadInput: The name is empty, too long, or no text.
    """
    label = check_name(name)
    spec = ImportSpec(
        path=str(path.absolute()), form=form, mapping=mapping, name=label,
        more=tuple(str(one.absolute()) for one in more), source=dict(source or {}),
    )  # fmt: skip
    return queue.submit(
        workspace, kind="import", name=f"Import of {label}", spec=spec.model_dump(mode="json"), form_token=form_token
    )


def submit_fetch(workspace: Workspace, repository: str, patterns: Sequence[str]) -> Job:
    """Queue the download of a dataset of the hub."""
    spec = FetchSpec(repository=repository, patterns=tuple(patterns))
    return queue.submit(workspace, kind="fetch", name=f"Download of {repository}", spec=spec.model_dump(mode="json"))


def keep_upload(workspace: Workspace, dropped: Path) -> Path:
    """Copy a dropped file into the workspace, where it outlives the browser's session, and return its place."""
    target = workspace.uploads / durable.hash_file(dropped) / dropped.name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = durable.staging_path(target)
        shutil.copyfile(dropped, staged)
        durable.put_in_place(staged, target)
    return target


def is_upload(workspace: Workspace, path: Path) -> bool:
    return path.is_relative_to(workspace.uploads)
