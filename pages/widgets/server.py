"""The web server: `python -m pages.widgets.server`, with Streamlit's own flags behind it.

Streamlit takes a folder called `pages` for its older kind of page list until app.py has run once; whoever opens a link
to a page first would be told that the page does not exist.
"""

import sys

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

from core.paths import PROJECT_DIR


def main(flags: list[str]) -> None:
    PagesManager.uses_pages_directory = False
    sys.argv = ["streamlit", "run", str(PROJECT_DIR / "app.py"), *flags]
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1:])
