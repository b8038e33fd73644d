"""The app's own web server, unchanged but for a clock on each run of a page: `python -m benchmarks.watched_server`.

Arguments: the port, and the file that gets one JSON line for each run.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from pages.widgets import server


def main() -> None:
    port, record = sys.argv[1:3]
    watch_runs(Path(record))
    server.main(["--server.port", port, "--server.headless", "true"])


def watch_runs(record: Path) -> None:
    """Time every run of a script or fragment, from the request's arrival in its thread to the end of its clean-up."""
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

    run_script = ScriptRunner._run_script

    def timed(self: Any, rerun_data: Any) -> None:
        wall, processor = time.perf_counter(), time.thread_time()
        run_script(self, rerun_data)
        line = {
            "fragment": bool(rerun_data.fragment_id_queue),
            "wall_ms": 1e3 * (time.perf_counter() - wall),
            "processor_ms": 1e3 * (time.thread_time() - processor),
            "torch": "torch" in sys.modules,
        }
        with record.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    ScriptRunner._run_script = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
