"""What a training job is told: stored with the job, read by its worker. No torch in here."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.training.configuration import TrainingConfig


class TrainSpec(BaseModel):
    """A training job's specification; the dataset and the benchmark are pinned by their hashes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Annotated[str, Field(description="starter, a local folder, or a hub id")]
    industries: tuple[str, ...] = ()
    preset: str = ""
    config: TrainingConfig
    dataset: str
    dataset_name: str
    composition: dict[str, int] = {}
    benchmark: str
    benchmark_name: str
    evaluate: bool = True
    baseline_only: bool = False
    counted: dict[str, float] = {}
    specialist: str = ""
    rubric: str = ""
    rows_from: Annotated[
        dict[str, str | int | None], Field(description="A specialist's rows: source (generated, hub or a path), rows.")
    ] = {}
    aims: Annotated[
        dict[str, dict[str, float]], Field(description="What the specialist's metrics should reach: baseline, tuned.")
    ] = {}
