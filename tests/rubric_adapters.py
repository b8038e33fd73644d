"""Adapters that score conversations on the starter: random weights, registered as a training job leaves them."""

import json

import torch

from core import durable
from core.catalog import bases
from core.model import adapter as lora
from core.model.loading import load_base
from core.paths import STARTER_DIR, Workspace
from core.registry.cards import write_card
from core.store import adapters, jobs, registry
from core.store.adapters import AdapterRow
from core.store.connection import opened, transaction
from core.training.configuration import TrainingConfig
from tests.app.support import make_job

SCOPE = "rubric:conversation"


def make(workspace: Workspace, name: str, seed: int) -> AdapterRow:
    """Return a new candidate for the rubric; another seed scores otherwise."""
    job = make_job(workspace, "running", name=name)
    config = TrainingConfig(rank=4, alpha=8, seed=seed)
    model = lora.add_adapter(load_base(STARTER_DIR).model, config)
    with torch.no_grad():
        for path, weight in model.named_parameters():
            if "lora_B" in path:
                weight.normal_(0.0, 0.02, generator=torch.Generator().manual_seed(seed))
    card = {
        "name": name,
        "job": job.id,
        "base": "starter",
        "base_title": "Starter",
        "base_source": "starter",
        "base_fingerprint": bases.fingerprint(STARTER_DIR),
        "dataset": "d" * 64,
        "dataset_name": "Transcripts",
        "composition": {},
        "train_examples": 1,
        "validation_examples": 1,
        "benchmark": "",
        "benchmark_name": "conversation",
        "rubric": "conversation",
        "config": config.model_dump(mode="json"),
        "specialist": "",
        "steps": 1,
        "tokens": 1,
        "seconds": 1.0,
        "eval_loss_before": 1.0,
        "eval_loss_after": 1.0,
        "verdict": None,
        "machine": "A processor",
        "made_on": "2026-01-31",
        "versions": {},
    }
    with durable.new_folder(workspace.adapters / job.id) as staging:
        lora.save_adapter(model, staging, "starter")
        card["weights_sha"] = durable.hash_file(staging / "adapter_model.safetensors")
        (staging / "card.json").write_text(json.dumps(card), encoding="utf-8")
        (staging / "README.md").write_text(write_card(card), encoding="utf-8")
    with opened(workspace) as db, transaction(db):
        adapters.insert(db, job.id, card)
        jobs.move_within(db, job, "succeeded", result={"adapter": job.id})
    with opened(workspace) as db:
        return adapters.find(db, job.id)


def promote(workspace: Workspace, row: AdapterRow) -> None:
    """Put an adapter into production of its rubric, in one transaction, as the gate does."""
    with opened(workspace) as db:
        before = registry.production_of(db, SCOPE)
        moves: registry.Moves = {row.id: (registry.stage_of(db, SCOPE, row.id), "production")}
        if before:
            moves[before] = ("production", "archived")
        registry.record(
            db,
            scope=SCOPE,
            adapter=row.id,
            action="promote",
            before=before,
            moves=moves,
            figures={},
            hashes={"adapter": row.weights_sha},
            note="",
        )
