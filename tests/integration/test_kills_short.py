"""The short form of the campaign of kills; the long one is `python -m tests.torture.kills --kills 100`."""

import sys
from pathlib import Path

import pytest

from core.paths import Workspace
from tests.integration.support import Outcome
from tests.torture.kills import Campaign

SEED, KILLS = 20260730, 10


@pytest.mark.xdist_group("processes")
@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
def test_jobs_amid_random_kills_leave_what_an_undisturbed_job_leaves(
    workspace: Workspace, tiny_base: Path, undisturbed: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_WARM", "1")
    report = Campaign(workspace, tiny_base, SEED).run(KILLS, undisturbed)
    assert report.violations == [], f"seed {SEED}"
    assert sum(report.kills.values()) == KILLS and len(report.kills) == 4
    assert report.jobs >= 1 and report.attempts > report.jobs and report.most_workers == 1
