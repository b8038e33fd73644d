"""Which module works off which kind of job. Names only: this package imports no feature."""

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

# Loaded by the process that waits for the next job, so that a click need not wait for torch.
WARM_MODULES = ("core.training.worker", "core.evaluation.worker")
