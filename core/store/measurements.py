"""What finished jobs really took, beside what was predicted: the estimator learns from it."""

import json
import sqlite3
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Measurement:
    """One job: `features` describe the work, `predicted` and `measured` share their keys."""

    job: str
    machine: str
    base_fingerprint: str
    features: dict[str, Any]
    predicted: dict[str, Any]
    measured: dict[str, Any]


def insert(db: sqlite3.Connection, measurement: Measurement) -> None:
    """Store a row; the caller holds the transaction."""
    db.execute(
        "INSERT OR REPLACE INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            measurement.job,
            measurement.machine,
            measurement.base_fingerprint,
            json.dumps(measurement.features),
            json.dumps(measurement.predicted),
            json.dumps(measurement.measured),
            time.time(),
        ),
    )


def of_machine(db: sqlite3.Connection, machine: str, limit: int = 50) -> list[Measurement]:
    """Return the newest measurements of a machine first."""
    rows = db.execute(
        "SELECT job, machine, base_fingerprint, features, predicted, measured FROM measurements "
        "WHERE machine = ? ORDER BY created_at DESC, job DESC LIMIT ?",
        (machine, limit),
    )
    return [
        Measurement(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4]), json.loads(row[5])) for row in rows
    ]
