"""What an evaluation job is told. No torch in here."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

# How many tokens an answer to each type of item may have; chosen ones (`choice`) are not written on this machine.
MOST_NEW_TOKENS = {
    "numeric": 96, "facts": 128, "label": 48, "text": 192, "exact": 64, "fields": 160, "entities": 128, "tags": 64,
    "sql": 128, "rouge": 192, "bleu": 192, "chrf": 192, "code": 384,
    "refusal": 96, "checklist": 192,
}  # fmt: skip


HARNESS = "harness:"  # before the name of a task of lm-evaluation-harness, where a benchmark's name stands
TEMPERATURE = 0.8  # of answers that are drawn
MOST_SAMPLES = 200


class EvaluateSpec(BaseModel):
    """One model, base or adapter on its base, and one benchmark, pinned by its hash.

    A task of lm-evaluation-harness has no hash yet: its items are known once its data are loaded.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    adapter: str = ""
    benchmark: str
    benchmark_name: str
    precision: str = "auto"
    quantization: str = "none"
    samples: Annotated[int, Field(ge=1, le=MOST_SAMPLES, description="How often code is written.")] = 1
    seed: Annotated[int, Field(ge=0, description="Of answers that are drawn.")] = 0
    harness: Annotated[str, Field(description="Task of lm-evaluation-harness, in the place of a benchmark.")] = ""
    limit: Annotated[int | None, Field(ge=1, description="How many of each task's items, the first ones.")] = None
    include_path: Annotated[str, Field(description="Folder with tasks of one's own.")] = ""
