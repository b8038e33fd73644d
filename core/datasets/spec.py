"""What an import job and a fetch job are told."""

from pydantic import BaseModel, ConfigDict

from core.datasets.files.recognition import FileFormat
from core.datasets.mapping import ColumnMapping


class ImportSpec(BaseModel):
    """A file, how it is read, what its columns become, and the name of the dataset; `more` files are read after it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    form: FileFormat
    mapping: ColumnMapping
    name: str
    more: tuple[str, ...] = ()
    source: dict[str, str] = {}


class FetchSpec(BaseModel):
    """A dataset of the hub, and patterns of its files; without them its training part is fetched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repository: str
    patterns: tuple[str, ...] = ()
