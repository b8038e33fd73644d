"""The web server: `python -m pages.widgets.server`, with Streamlit's own flags behind it.

Streamlit takes a folder called `pages` for its older kind of page list until app.py has run once; whoever opens a link
to a page first would be told that the page does not exist.
"""

import gc
import importlib
import pkgutil
import sqlite3
import sys
import threading
from contextlib import suppress

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

from core.errors import AppError
from core.paths import PROJECT_DIR, Workspace
from pages import widgets


def main(flags: list[str]) -> None:
    PagesManager.uses_pages_directory = False
    sys.argv = ["streamlit", "run", str(PROJECT_DIR / "app.py"), *flags]
    threading.Thread(target=warm, name="warming", daemon=True).start()
    cli.main()


def warm() -> None:
    """Load and read what the first drawing of a page would wait for, while the browser still opens.

    What is heavy is imported in here, not above: the server answers first.
    """
    for found in pkgutil.iter_modules(widgets.__path__, f"{widgets.__name__}."):
        with suppress(ImportError):  # the page that needs it says so
            importlib.import_module(found.name)
    import pandas as pd
    import plotly.graph_objects as go
    import pyarrow as pa

    from core.catalog import specialists

    go.Figure(data=[{"type": "scatter"}, {"type": "heatmap"}], layout={"shapes": [{"type": "rect"}]})
    pa.Table.from_pandas(pd.DataFrame({"name": ["one"], "score": [1.0], "items": [1]}))
    for read in (_read_proofs, specialists.all_specialists):
        with suppress(AppError, OSError, sqlite3.Error):  # something in the workspace is broken: its page says what
            read(Workspace.chosen())
    gc.collect()
    gc.freeze()  # else a full collection goes through all modules and packs, in the middle of a drawing


def _read_proofs(workspace: Workspace) -> None:
    """Read the industries, and compute what the pages of proof show first; both stay in this process."""
    from core.evaluation import forgetting, leaderboard, own_benchmarks
    from core.store import evaluations
    from core.store.connection import opened
    from pages.widgets import matrix, packs

    packs.titles(workspace)
    shas = own_benchmarks.industry_shas(workspace)
    if not workspace.database.exists():
        return
    with opened(workspace) as db:
        boards = leaderboard.main_boards(leaderboard.boards(evaluations.standings(db)), shas)
        if boards:
            leaderboard.rank_over_all(db, workspace, leaderboard.common(boards))
        homes = evaluations.homes(db)[: matrix.SHOWN]
        forgetting.make_matrix(db, workspace, homes, shas, evaluations.standings_of(db, [one.adapter for one in homes]))


if __name__ == "__main__":
    main(sys.argv[1:])
