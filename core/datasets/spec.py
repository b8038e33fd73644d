"""What an import job is told."""

from pydantic import BaseModel, ConfigDict

from core.datasets.files.recognition import FileFormat
from core.datasets.mapping import ColumnMapping


class ImportSpec(BaseModel):
    """One file, how it is read, what its columns become, and the name of the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    form: FileFormat
    mapping: ColumnMapping
    name: str
