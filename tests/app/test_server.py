"""The web server's start: what pages need is loaded early, and nothing in a workspace keeps it from starting."""

import os
import subprocess
import sys

from core.paths import PROJECT_DIR, Workspace
from tests.app.prove_support import industry, make_adapter, measured

WARM = """
import sys
from core.evaluation import forgetting
from pages.widgets import server
server.warm()
print(*("torch" in sys.modules, "plotly.graph_objects" in sys.modules, len(forgetting._kept)))
"""


def warmed(workspace: Workspace) -> list[str]:
    """Get ready in a process of its own; return are torch and plotly loaded, how many pairs compared."""
    variables = os.environ | {"ATELIER_HOME": str(workspace.root)}
    ended = subprocess.run([sys.executable, "-c", WARM], cwd=PROJECT_DIR, env=variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()


def test_what_the_first_drawing_needs_is_there_before_it(workspace: Workspace) -> None:
    adapter = make_adapter(workspace, "Finance", "finance")
    measured(workspace, industry("finance"), 5)
    measured(workspace, industry("finance"), 30, adapter)
    assert warmed(workspace) == ["False", "True", "1"]


def test_a_broken_workspace_does_not_keep_the_server_from_starting(workspace: Workspace) -> None:
    workspace.industries.mkdir(exist_ok=True)
    (workspace.industries / "mine.yaml").write_text("id: [")
    assert warmed(workspace) == ["False", "True", "0"]
    (workspace.industries / "mine.yaml").unlink()
    workspace.database.write_bytes(b"no database" * 500)
    assert warmed(workspace) == ["False", "True", "0"]
