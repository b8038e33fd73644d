"""Stores for metrics of training, ours and those of others, behind one interface: log a step, close, count."""

import contextlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from benchmarks.arms import Absent, find_version
from core.store.metrics import MetricWriter, read_series

Values = Mapping[str, float]


class Tracker(Protocol):
    """One open store; `kind` says which form of it is measured."""

    kind: str

    def log(self, step: int, values: Values) -> None: ...

    def close(self) -> None:
        """Return when everything that was logged is in its place."""
        ...


class Ours:
    """The job's own SQLite database; a step is committed when `log` returns."""

    kind = "SQLite, a commit at each step"

    def __init__(self, folder: Path) -> None:
        self._writer = MetricWriter(folder / "metrics.db", 1)

    def log(self, step: int, values: Values) -> None:
        self._writer.log(step, values)

    def close(self) -> None:
        self._writer.close()


def count_ours(folder: Path, metrics: int) -> int:
    series = read_series(folder / "metrics.db")
    return min((one.steps.size for one in series.values()), default=0) if len(series) == metrics else 0


class Trackio:
    """trackio's local SQLite database, without its readings of the machine."""

    def __init__(self, folder: Path) -> None:
        os.environ["TRACKIO_DIR"] = str(folder)
        trackio = _import("trackio")
        try:
            self._run = trackio.init(project="bench", name="run", auto_log_gpu=False, auto_log_cpu=False)
        except TypeError as error:  # early versions want a server and can't give steps
            raise Absent(f"trackio {find_version('trackio')} is too old; 0.40 or newer is meant") from error
        self.kind = "SQLite, a thread writes behind"

    def log(self, step: int, values: Values) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


def count_trackio(folder: Path, metrics: int) -> int:
    rows: list[str] = []
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as db, contextlib.suppress(sqlite3.OperationalError):
            rows += [row[0] for row in db.execute("SELECT metrics FROM metrics")]
    return sum(len(json.loads(row)) == metrics for row in rows)


class TensorBoard:
    """TensorBoard's event file by torch's SummaryWriter, flushed every two minutes as it is by default."""

    kind = "event file, a thread writes behind"

    def __init__(self, folder: Path) -> None:
        _import("tensorboard")
        self._writer = _import("torch.utils.tensorboard").SummaryWriter(str(folder))

    def log(self, step: int, values: Values) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


def count_tensorboard(folder: Path, metrics: int) -> int:
    accumulator = _import("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    steps = Counter(event.step for name in events.Tags()["scalars"] for event in events.Scalars(name))
    return sum(count == metrics for count in steps.values())


class MLflow:
    """MLflow with a SQLite database, or with plain files where its SQL store is not installed."""

    def __init__(self, folder: Path) -> None:
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"  # the file store is refused otherwise since 3.x
        self._mlflow = _import("mlflow")
        self._mlflow.config.enable_async_logging(False)
        has_sql = find_version("sqlalchemy") is not None and find_version("alembic") is not None
        self.kind = (
            "SQLite" if has_sql else "plain files (mlflow-skinny has no SQL store without sqlalchemy and alembic)"
        )
        self._mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}" if has_sql else (folder / "mlruns").as_uri())
        experiment = self._mlflow.create_experiment("bench", artifact_location=(folder / "artifacts").as_uri())
        self._mlflow.start_run(experiment_id=experiment)

    def log(self, step: int, values: Values) -> None:
        self._mlflow.log_metrics(dict(values), step=step)

    def close(self) -> None:
        self._mlflow.end_run()


def count_mlflow(folder: Path, metrics: int) -> int:
    path = folder / "mlflow.db"
    if path.exists():
        with closing(sqlite3.connect(path)) as db:
            found = db.execute(
                "SELECT count(*) FROM (SELECT step FROM metrics GROUP BY step HAVING count(*) = ?)", (metrics,)
            )
            return int(found.fetchone()[0])
    files = [file for file in folder.glob("mlruns/*/*/metrics/**/*") if file.is_file()]
    steps = Counter(line.split()[2] for file in files for line in file.read_text().splitlines() if line.count(" ") >= 2)
    return sum(count == metrics for count in steps.values())


def _import(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise Absent(f"{error.name} is not installed") from error
    except ImportError as error:
        raise Absent(f"{name} is installed but can't be imported: {error}") from error


OPENERS: dict[str, Callable[[Path], Tracker]] = {
    "ours": Ours,
    "trackio": Trackio,
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
}
COUNTERS: dict[str, Callable[[Path, int], int]] = {
    "ours": count_ours,
    "trackio": count_trackio,
    "tensorboard": count_tensorboard,
    "mlflow": count_mlflow,
}
