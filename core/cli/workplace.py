"""The workspace as the command opens it."""

from core.errors import BadInput
from core.paths import Workspace
from core.store import schema


def open_workspace() -> Workspace:
    """Return the chosen workspace, made and brought up to date where that is needed.

    Raises:
        BadInput: ATELIER_HOME names something that can be no workspace.
        StoreError: The database is damaged, busy, or of a later version.
    """
    workspace = Workspace.chosen()
    try:
        if workspace.root.exists() and not workspace.root.is_dir():
            raise BadInput(f"The workspace {workspace.root} is a file. Set ATELIER_HOME to a folder.")
        schema.prepare(workspace)
    except OSError as error:
        raise BadInput(
            f"The workspace {workspace.root} can't be written: {error.strerror}. Set ATELIER_HOME to a folder of yours."
        ) from error
    return workspace
