"""The workspace as the command opens it."""

from core.errors import StoreError
from core.paths import Workspace
from core.store import schema


def open_workspace() -> Workspace:
    """Return the chosen workspace, made and brought up to date where that is needed."""
    workspace = Workspace.chosen()
    try:
        schema.prepare(workspace)
    except OSError as error:
        raise StoreError(
            f"The workspace {workspace.root} can't be written: {error.strerror}. Set ATELIER_HOME to a folder of yours."
        ) from error
    return workspace
