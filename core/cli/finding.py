"""What `atelier doctor` found: one thing that was looked at, whether it is well, and what to do where it is not."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do where it is not well."""

    area: str
    severity: str
    text: str
    remedy: str = ""

    def to_dict(self) -> dict[str, str]:
        return asdict(self)
