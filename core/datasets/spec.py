"""What an import job is told."""

from pydantic import BaseModel, ConfigDict

from core.datasets.files.recognition import FileFormat, Kind
from core.datasets.mapping import ColumnMapping


class FormatSpec(BaseModel):
    """A FileFormat as it is stored with a job."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    compressed: bool = False
    encoding: str = "utf-8"
    delimiter: str = ","
    quoting: bool = True
    header: bool = True
    rows_at: str = "item"

    def to_format(self) -> FileFormat:
        return FileFormat(**self.model_dump())


class ImportSpec(BaseModel):
    """One file, how it is read, what its columns become, and the name of the dataset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    form: FormatSpec
    mapping: ColumnMapping
    name: str
