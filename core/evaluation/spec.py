"""What an evaluation job is told. No torch in here."""

from pydantic import BaseModel, ConfigDict

# How many tokens an answer to each type of item may have; chosen ones (`choice`) are not written on this machine.
MOST_NEW_TOKENS = {
    "numeric": 96, "facts": 128, "label": 48, "text": 192, "exact": 64, "fields": 160, "entities": 128, "tags": 64,
    "sql": 128, "rouge": 192, "bleu": 192, "chrf": 192, "code": 384,
    "refusal": 96, "checklist": 192,
}  # fmt: skip


class EvaluateSpec(BaseModel):
    """One model, base or adapter on its base, and one benchmark, pinned by its hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    adapter: str = ""
    benchmark: str
    benchmark_name: str
    precision: str = "auto"
    quantization: str = "none"
