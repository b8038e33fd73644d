"""Where things lie: the project's own files, and the workspace that holds all that the program writes."""

import os
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput

PROJECT_DIR = Path(__file__).resolve().parents[1]
DATA_DIR = PROJECT_DIR / "data"
MODELS_DIR = PROJECT_DIR / "models"
STARTER_DIR = MODELS_DIR / "starter"


@dataclass(frozen=True)
class Workspace:
    """One folder to back up, one to delete."""

    root: Path

    @classmethod
    def chosen(cls) -> "Workspace":
        """Return the workspace named by ATELIER_HOME, by default `workspace` in the project's folder.

        Raises:
            BadInput: The name leads nowhere.
        """
        named = os.environ.get("ATELIER_HOME")
        if not named:
            return cls(PROJECT_DIR / "workspace")
        try:
            root = Path(named).expanduser().resolve()
            root.exists()  # the system refuses names that can't be, such as one of a thousand letters
        except (OSError, RuntimeError) as error:
            raise BadInput(f"ATELIER_HOME is {named!r}, which leads nowhere. Set it to a folder of yours.") from error
        return cls(root)

    def create(self) -> "Workspace":
        for folder in (self.jobs, self.adapters, self.datasets, self.exports, self.logs, self.backups, self.industries):
            folder.mkdir(parents=True, exist_ok=True)
        return self

    @property
    def database(self) -> Path:
        return self.root / "control.db"

    @property
    def jobs(self) -> Path:
        return self.root / "jobs"

    @property
    def adapters(self) -> Path:
        return self.root / "adapters"

    @property
    def datasets(self) -> Path:
        return self.root / "datasets"

    @property
    def exports(self) -> Path:
        return self.root / "exports"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def backups(self) -> Path:
        return self.root / "backups"

    @property
    def uploads(self) -> Path:
        """Dropped files whose import has not read them yet."""
        return self.root / "uploads"

    @property
    def industries(self) -> Path:
        """Industry packs that a person added."""
        return self.root / "industries"

    def job(self, job_id: str) -> "JobFolder":
        return JobFolder(self.jobs / job_id)


@dataclass(frozen=True)
class JobFolder:
    """What one job leaves on disk."""

    root: Path

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.db"

    @property
    def log(self) -> Path:
        return self.root / "log.txt"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def lock(self) -> Path:
        """Held by runner and worker; free means that the whole tree of the job is dead."""
        return self.root / "alive.lock"

    def exit_file(self, attempt: int) -> Path:
        return self.root / f"exit-{attempt}.json"
