"""What an evaluation job is told. No torch in here."""

from pydantic import BaseModel, ConfigDict


class EvaluateSpec(BaseModel):
    """One model, base or adapter on its base, and one benchmark, pinned by its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    adapter: str = ""
    benchmark: str
    benchmark_name: str
    precision: str = "auto"
    quantization: str = "none"
