"""Which module works off which kind of job. Names only: this package imports no feature."""

from collections.abc import Mapping
from typing import Any

from core.catalog.endpoints import PREFIX

WORKER_MODULES = {
    "train": "core.training.worker",
    "evaluate": "core.evaluation.worker",
    "import": "core.datasets.worker",
    "check": "core.datasets.doctor.worker",
    "fetch": "core.datasets.fetching",
}

# Kinds that need no device: they run on the host, one at a time, beside whatever trains.
HOST_KINDS = {"import", "check", "fetch"}
HOST = "host"

ENDPOINT_MODULE = "core.evaluation.endpoint_worker"

# Loaded by the process that waits for the next job, so that a click need not wait for torch.
WARM_MODULES = ("core.training.worker", "core.evaluation.worker")


def worker_module(kind: str, spec: Mapping[str, Any]) -> str:
    return ENDPOINT_MODULE if _asks_endpoint(kind, spec) else WORKER_MODULES[kind]


def runs_on_host(kind: str, spec: Mapping[str, Any]) -> bool:
    """Return whether a job needs no device: its kind never does, or it asks a model that runs elsewhere."""
    return kind in HOST_KINDS or _asks_endpoint(kind, spec)


def _asks_endpoint(kind: str, spec: Mapping[str, Any]) -> bool:
    return kind == "evaluate" and str(spec.get("base", "")).startswith(PREFIX)
