"""Deletes a dataset by its name; versions that another name or a job holds on to stay."""

import shutil

from core.datasets import versions
from core.paths import Workspace
from core.store import datasets
from core.store.connection import opened


def delete(workspace: Workspace, name: str) -> list[str]:
    """Take a name away with the versions that then belong to nobody, and return their hashes."""
    with opened(workspace) as db:
        free = datasets.forget_name(db, name)
    for sha in free:
        shutil.rmtree(versions.folder_of(workspace, sha), ignore_errors=True)
    return free
