"""The process behind `measuring`: transcripts come in through a pipe, scores leave as lines of JSON."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.catalog import rubrics
from core.catalog.rubrics import Rubric
from core.errors import AppError, TranscriptError
from core.paths import Workspace
from core.scoring import models
from core.scoring.people import calibration
from core.scoring.reading import read_transcript
from core.scoring.scorer import Request, Scorer
from core.scoring.service import discretion

TOGETHER = 8

Tell = Callable[[dict[str, Any]], None]


def main() -> int:
    """Score what is asked for on standard input, and return the exit code."""
    discretion.keep_secret()
    own = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print is no answer

    def tell(value: dict[str, Any]) -> None:
        own.write(json.dumps(value) + "\n")
        own.flush()

    try:
        _measure(Workspace(Path(sys.argv[1])), json.load(sys.stdin), tell)
    except AppError as error:
        tell({"error": str(error)})
        return error.exit_code
    return 0


def _measure(workspace: Workspace, asked: dict[str, Any], tell: Tell) -> None:
    rubric = rubrics.find(asked["rubric"], workspace)
    model = models.resolve(workspace, rubric, asked["adapter"])
    scorer = Scorer(None, model)
    files = calibration.name_files(model.base_folder, model.adapter_folder)
    tell({"model": model.id, "name": model.name, "files": files})
    requests = [Request(read_transcript(text, rubric), rubric) for text in asked["transcripts"]]
    began = time.perf_counter()
    for start in range(0, len(requests), TOGETHER):
        _score(scorer, requests[start : start + TOGETHER], start, rubric, tell)
    tell({"seconds": time.perf_counter() - began})


def _score(scorer: Scorer, requests: list[Request], start: int, rubric: Rubric, tell: Tell) -> None:
    """Tell the scores of some transcripts; one in which there is nothing to score gets a problem of its own."""
    try:
        results = scorer.score(requests)
    except TranscriptError as error:
        if len(requests) == 1:
            tell({"place": start, "problem": str(error)})
            return
        for place, one in enumerate(requests):
            _score(scorer, [one], start + place, rubric, tell)
        return
    for place, found in enumerate(results):
        expected = {one.id: found.scores[one.id].expected for one in rubric.dimensions}
        tell({"place": start + place, "expected": expected, "windows": found.windows})


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # taking torch apart takes seconds, and all that matters is told
