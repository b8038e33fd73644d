"""A model's scores of many transcripts before calibration: what agreement is computed from and calibration fitted on.

The model runs in a process of its own, which gets the transcripts through a pipe; nothing of them is written.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.catalog.rubrics import Rubric
from core.errors import BadInput, ServiceError
from core.hardware.readings import read_machine
from core.paths import PROJECT_DIR, Workspace
from core.process import environment
from core.scoring import models
from core.scoring.people.calibration import Calibration
from core.scoring.transcript import Transcript

OVERALL = "overall"


@dataclass(frozen=True)
class Measured:
    """What one model gave.

    Attributes:
        model: An adapter's id, "bundled" or "base".
        name: For people.
        files: Names the weights, see `core.scoring.people.calibration.name_files`.
        expected: By dimension, (transcripts,) expected scores; NaN where a transcript could not be scored.
        windows: (transcripts,) in how many windows each was read, 0 where it could not be scored.
        problems: By the transcript's place, why it could not be scored.
        seconds: What scoring took, without loading.
    """

    model: str
    name: str
    files: str
    expected: dict[str, np.ndarray]
    windows: tuple[int, ...]
    problems: dict[int, str]
    seconds: float

    def calibrated(self, found: Calibration | None) -> dict[str, np.ndarray]:
        """Return the expected scores as a calibration changes them."""
        if found is None:
            return self.expected
        return {
            name: np.array([np.nan if np.isnan(one) else found.apply(name, float(one)) for one in values])
            for name, values in self.expected.items()
        }


def add_overall(rubric: Rubric, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return values by dimension with the weighted mean of all dimensions beside them; NaN where one is missing."""
    total = sum(one.weight * values[one.id] for one in rubric.dimensions)
    return values | {OVERALL: np.asarray(total)}


def measure(
    workspace: Workspace,
    rubric: Rubric,
    transcripts: Sequence[Transcript],
    asked: str = "",
    tell: Callable[[int], None] = lambda count: None,
) -> Measured:
    """Return a model's uncalibrated expected scores of transcripts.

    Args:
        asked: Which model, see `core.scoring.models.resolve`.
        tell: Is told how many are done.

    Raises:
        AppError: There is no such model, or it can't be used; see `core.scoring.models.resolve`.
        ServiceError: The process ended without an answer.
    """
    models.resolve(workspace, rubric, asked)  # a wrong name is told before a process loads anything
    machine = read_machine()
    command = [sys.executable, "-m", "core.scoring.people.measurer", str(workspace.root)]
    env = environment.for_worker(machine.devices[0]) | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    question = {"rubric": rubric.id, "adapter": asked, "transcripts": [one.render() for one in transcripts]}
    answers: list[dict[str, Any]] = []
    log = workspace.logs / "scoring.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch(mode=0o600)
    pipe = subprocess.PIPE
    with (
        log.open("ab") as remarks,
        subprocess.Popen(command, cwd=PROJECT_DIR, env=env, stdin=pipe, stdout=pipe, stderr=remarks) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it has ended already; what it printed says why
                process.stdin.write(json.dumps(question).encode())
                process.stdin.close()
            for line in process.stdout:
                answers.append(json.loads(line))
                tell(sum("place" in one for one in answers))
        except BaseException:
            process.kill()
            raise
    return _collect(rubric, len(transcripts), answers, process.returncode, f"Its log is {log}.")


def _collect(rubric: Rubric, count: int, answers: Sequence[dict[str, Any]], code: int, where: str) -> Measured:
    told = {key: value for one in answers if "place" not in one for key, value in one.items()}
    if "error" in told:
        raise BadInput(told["error"]) if code == BadInput.exit_code else ServiceError(told["error"])
    if code or "seconds" not in told:
        raise ServiceError(f"Scoring ended with code {code} before it was done. {where}")
    expected = {one.id: np.full(count, np.nan) for one in rubric.dimensions}
    windows, problems = [0] * count, {}
    for one in answers:
        if "place" not in one:
            continue
        if "problem" in one:
            problems[one["place"]] = one["problem"]
            continue
        windows[one["place"]] = one["windows"]
        for name, value in one["expected"].items():
            expected[name][one["place"]] = value
    return Measured(told["model"], told["name"], told["files"], expected, tuple(windows), problems, told["seconds"])
