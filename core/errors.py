"""The failures that Atelier expects. Each message says what happened, with which value, and what to do."""


class AppError(Exception):
    """Base of all expected failures; `exit_code` is the command's."""

    exit_code = 1


class BadInput(AppError):
    """Something that a person gave is wrong: a file, a value, a name."""

    exit_code = 2


class ConfigError(BadInput):
    """A training configuration, from a form, a YAML file or flags."""


class DataError(BadInput):
    """A data file or dataset; the message names file and line."""


class CatalogError(BadInput):
    """An industry pack or the list of bases."""


class NotFound(BadInput):
    """A job, adapter, evaluation, benchmark or base that does not exist."""


class JobStateError(BadInput):
    """A job can't do this in the state that it is in."""


class RegistryError(BadInput):
    """Rules of the gate that can't be read, or a decision about an adapter that can't be made as things are."""


class BaseModelError(BadInput):
    """A base model is missing, unreadable or refused."""


class StoreError(AppError):
    """The database is busy, damaged or of a later version."""


class DamagedDatabase(StoreError):
    """SQLite can't read its own file any more."""


class LostClaim(AppError):
    """This worker no longer owns its job; whatever it still wanted to write is refused."""


class MetricError(AppError):
    """A metric was asked for on values that it is not defined for."""


class CheckpointError(AppError):
    """No checkpoint could be written, or none that is there can be used."""


class SandboxError(AppError):
    """Code can't be contained on this machine, so it was not run."""


class TranscriptError(BadInput):
    """A transcript that can't be scored: empty, unreadable, too long."""


class TranscriptTooLong(TranscriptError):
    """A transcript of more words or characters than can be scored at once."""


class ServiceError(AppError):
    """The scoring service can't be reached, is busy, or took too long."""


class ScoringError(AppError):
    """A model could not score a transcript."""


class BrokenModel(ScoringError):
    """A model's numbers are no numbers: its weights are broken or too large for its number format."""


class OutOfMemory(ScoringError):
    """A transcript and a model together need more memory than there is."""


class AdapterUnfit(BadInput):
    """An adapter that can't score by a rubric: made for something else, damaged, or its base is gone."""
