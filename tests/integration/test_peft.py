"""The adapter of a finished job in plain PEFT, its lineage, and what is refused because it could run code."""

import json
import os
import pickle
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from core import durable
from core.catalog import bases
from core.datasets import composition
from core.datasets.chat import Encoded, read_chat_format
from core.datasets.reading import read_examples
from core.errors import BaseModelError, CheckpointError
from core.evaluation import submission as evaluating
from core.model import loading
from core.model.adapter import load_adapter
from core.model.engines import make_engine
from core.paths import Workspace
from core.store import adapters, evaluations, schema
from core.store.connection import opened
from core.store.jobs import Job
from core.training.configuration import make_config, read_yaml
from tests.conftest import end_processes
from tests.integration import support

KINDS: dict[str, dict[str, Any]] = {
    "plain": {"evaluate": True},
    "rsLoRA": {"rslora": True},
    "DoRA": {"dora": True, "target_modules": ("q_proj", "down_proj")},
    "biases": {"bias": "all"},
    "gradient checkpointing": {"gradient_checkpointing": True, "evaluate": True},
    "4 bit": {"quantization": "4bit"},
}
ALL_LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@dataclass(frozen=True)
class Finished:
    """What one job left behind."""

    workspace: Workspace
    base: Path
    job: Job

    @property
    def folder(self) -> Path:
        return self.workspace.adapters / self.job.id

    def json(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / name).read_text(encoding="utf-8"))
        return content


@pytest.fixture(scope="module")
def base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base with biases in its attention, so that they can be trained."""
    folder = Path(shutil.copytree(tiny_base, tmp_path_factory.mktemp("biased") / "base"))
    weights = load_file(folder / "model.safetensors")
    for name in [name for name in weights if "self_attn" in name]:
        weights[name.replace("weight", "bias")] = torch.full((weights[name].shape[0],), 0.05)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"attention_bias": True}))
    return folder


@pytest.fixture(scope="module")
def jobs_of_all_kinds(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Finished]]:
    """One short job for each kind of adapter, all in one workspace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATELIER_HOME", str(tmp_path_factory.mktemp("peft") / "workspace"))
        patch.setenv("ATELIER_WARM", "0")
        workspace = Workspace.chosen()
        schema.prepare(workspace)
        fields = {"max_steps": 6, "evaluate": False, "precision": "fp32"}
        queued = {
            kind: support.submit(workspace, base, name=kind, **fields | changes) for kind, changes in KINDS.items()
        }
        yield {kind: Finished(workspace, base, support.wait_for_end(workspace, job)) for kind, job in queued.items()}
        end_processes(workspace)


@pytest.fixture
def plain(jobs_of_all_kinds: dict[str, Finished]) -> Finished:
    return jobs_of_all_kinds["plain"]


def rows(base: Path) -> list[Encoded]:
    chat = read_chat_format(base)
    pairs = [("Which of the two is the bank?", "the capital"), ("12 and 30", "the sum is 42"), ("", "loan")]
    return [Encoded(tuple(ids), start, 0, 0) for ids, start in chat.encode_pairs(pairs)]


def plain_peft(base: Path, folder: Path) -> Any:
    """Load base and adapter as anybody does who knows nothing of Atelier."""
    return PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), folder).eval()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "4 bit"])
def test_plain_peft_gives_the_same_logits_as_atelier(jobs_of_all_kinds: dict[str, Finished], kind: str) -> None:
    made = jobs_of_all_kinds[kind]
    assert made.job.state == "succeeded", made.job.error
    loaded = loading.load_base(made.base)
    ours, theirs = load_adapter(loaded.model, made.folder).eval(), plain_peft(made.base, made.folder)
    losses = make_engine(ours, loaded.device, 0).token_losses(rows(made.base))
    base_alone = AutoModelForCausalLM.from_pretrained(made.base, dtype=torch.float32)
    with torch.no_grad():
        for example, ours_of_tokens in zip(rows(made.base), losses, strict=True):
            ids = torch.tensor([example.ids])
            logits = theirs(input_ids=ids).logits[0]
            torch.testing.assert_close(ours(input_ids=ids).logits[0], logits, atol=1e-5, rtol=1e-5)
            start = max(example.response_start, 1)
            expected = F.cross_entropy(logits[start - 1 : -1], ids[0, start:], reduction="none")
            torch.testing.assert_close(ours_of_tokens, expected, atol=1e-5, rtol=1e-5)
            assert not torch.allclose(logits, base_alone(input_ids=ids).logits[0], atol=1e-3)


def test_an_adapter_of_a_4_bit_base_loads_on_the_whole_base_too(jobs_of_all_kinds: dict[str, Finished]) -> None:
    made = jobs_of_all_kinds["4 bit"]
    assert made.job.state == "succeeded", made.job.error
    logits = plain_peft(made.base, made.folder)(input_ids=torch.arange(9)[None]).logits
    assert torch.isfinite(logits).all()


def test_the_eval_loss_before_training_is_the_bases_own_for_every_kind(jobs_of_all_kinds: dict[str, Finished]) -> None:
    before = {kind: made.job.result["eval_loss_before"] for kind, made in jobs_of_all_kinds.items() if kind != "4 bit"}
    assert before == {kind: pytest.approx(before["plain"], abs=1e-5) for kind in before}
    for kind, made in jobs_of_all_kinds.items():
        assert made.job.result["eval_loss_after"] < made.job.result["eval_loss_before"], kind


def test_the_adapters_settings_are_those_of_the_configuration(jobs_of_all_kinds: dict[str, Finished]) -> None:
    told = {kind: made.json("adapter_config.json") for kind, made in jobs_of_all_kinds.items()}
    for kind, settings in told.items():
        assert (settings["r"], settings["lora_alpha"], settings["peft_type"]) == (4, 8, "LORA")
        assert settings["task_type"] == "CAUSAL_LM"
        assert settings["base_model_name_or_path"] == str(jobs_of_all_kinds[kind].base)
        assert settings["inference_mode"] is True
        assert settings["use_rslora"] is (kind == "rsLoRA")
        assert settings["use_dora"] is (kind == "DoRA")
        assert settings["bias"] == ("all" if kind == "biases" else "none")
    assert sorted(told["DoRA"]["target_modules"]) == ["down_proj", "q_proj"]
    assert {name.rpartition(".")[2] for name in told["plain"]["target_modules"]} == ALL_LINEAR


def test_the_folder_holds_weights_and_words_and_nothing_that_could_run(plain: Finished) -> None:
    assert {path.suffix for path in plain.folder.rglob("*")} == {".safetensors", ".json", ".md", ".yaml"}
    assert [path.name for path in plain.folder.glob("*.safetensors")] == ["adapter_model.safetensors"]
    assert durable.find_damage(plain.folder) is None


def test_the_card_says_what_the_adapter_was_made_from(plain: Finished) -> None:
    card, spec = plain.json("card.json"), plain.job.spec
    assert card["job"] == plain.job.id
    assert card["base"] == str(plain.base)
    assert card["base_fingerprint"] == bases.fingerprint(plain.base)
    assert card["dataset"] == plain.job.dataset
    rows_file = plain.workspace.datasets / card["dataset"] / "train.jsonl"
    assert durable.hash_file(rows_file) == card["dataset"]
    assert card["train_examples"] + card["validation_examples"] == len(read_examples(rows_file))
    assert card["benchmark"] == spec["benchmark"]
    assert card["config"] == spec["config"]
    assert card["weights_sha"] == durable.hash_file(plain.folder / "adapter_model.safetensors")
    assert card["versions"] == {
        name: version(name) for name in ("torch", "transformers", "peft", "tokenizers", "safetensors")
    }
    assert (card["steps"], card["eval_loss_after"]) == (6, plain.job.result["eval_loss_after"])
    values, named_base = read_yaml(plain.folder / "training_config.yaml")
    assert make_config(values, "the file").model_dump(mode="json") == spec["config"]
    assert named_base == str(plain.base)


def test_card_registry_row_and_readme_tell_the_same(plain: Finished) -> None:
    card = plain.json("card.json")
    with opened(plain.workspace) as db:
        row = adapters.find(db, plain.job.id)
        verdict = evaluations.verdict_of_job(db, plain.job.id)
    assert row.card == card
    assert (row.base_fingerprint, row.dataset, row.weights_sha) == (
        card["base_fingerprint"],
        card["dataset"],
        card["weights_sha"],
    )
    assert verdict is not None
    readme = (plain.folder / "README.md").read_text(encoding="utf-8")
    for fact in (card["base_fingerprint"][:16], card["dataset"][:16], card["weights_sha"], verdict.content["sentence"]):
        assert fact in readme
    for name, number in card["versions"].items():
        assert f"{name} {number}" in readme


def test_the_readmes_python_loads_the_adapter(plain: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (plain.folder / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found.group(1).replace("this folder", str(plain.folder)), names)
    assert sorted(names["model"].peft_config) == ["default"]


# What could run code


class Canary:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A path that comes into being when a pickle is read; the test fails then."""
    path = tmp_path / "the pickle was read"
    yield path
    assert not path.exists()


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def test_an_adapter_in_a_pickle_is_refused_unread(plain: Finished, tmp_path: Path, canary: Path) -> None:
    folder = copy_of(plain.folder, tmp_path)
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(CheckpointError, match="pickled weights, which can run code"):
        load_adapter(loading.load_base(plain.base).model, folder)


def test_a_pickle_beside_the_weights_is_left_unread(plain: Finished, tmp_path: Path, canary: Path) -> None:
    folder = copy_of(plain.folder, tmp_path)
    (folder / "adapter_model.bin").write_bytes(pickle.dumps(Canary(canary)))
    load_adapter(loading.load_base(plain.base).model, folder)


def test_an_adapter_that_wants_to_import_code_is_refused(plain: Finished, tmp_path: Path) -> None:
    folder = copy_of(plain.folder, tmp_path)
    config = folder / "adapter_config.json"
    wants = {"auto_mapping": {"parent_library": "antigravity", "base_model_class": "X"}}
    config.write_text(json.dumps(json.loads(config.read_text()) | wants))
    with pytest.raises(CheckpointError, match="code of its own"):
        load_adapter(loading.load_base(plain.base).model, folder)


@pytest.mark.parametrize("damage", ["cut off", "no configuration", "no weights", "other rank"])
def test_a_damaged_adapter_is_refused_in_a_sentence(plain: Finished, tmp_path: Path, damage: str) -> None:
    folder = copy_of(plain.folder, tmp_path)
    weights, config = folder / "adapter_model.safetensors", folder / "adapter_config.json"
    if damage == "cut off":
        weights.write_bytes(weights.read_bytes()[:-50])
    elif damage == "no configuration":
        config.unlink()
    elif damage == "no weights":
        weights.unlink()
    else:
        config.write_text(json.dumps(json.loads(config.read_text()) | {"r": 7}))
    with pytest.raises(CheckpointError, match=re.escape(str(folder))):
        load_adapter(loading.load_base(plain.base).model, folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth"])
def test_a_base_in_a_pickle_is_refused_unread(
    workspace: Workspace, tiny_base: Path, tmp_path: Path, canary: Path, name: str
) -> None:
    folder = copy_of(tiny_base, tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(pickle.dumps(Canary(canary)))
    with pytest.raises(BaseModelError, match="pickled weights, which can run code"):
        support.submit(workspace, folder)
    with pytest.raises(BaseModelError):
        loading.load_base(folder)


def test_an_adapter_is_refused_on_another_base_of_the_same_shape(plain: Finished, base: Path, tmp_path: Path) -> None:
    kept = Path(shutil.copytree(base, tmp_path / "kept"))
    weights = {name: tensor + 0.01 for name, tensor in load_file(base / "model.safetensors").items()}
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    try:
        benchmark = composition.of_file(support.write_rows(tmp_path / "rows.jsonl")).benchmark
        job = evaluating.submit(plain.workspace, base="", benchmark=benchmark, adapter=plain.job.id)
        ended = support.wait_for_end(plain.workspace, job)
    finally:
        shutil.copytree(kept, base, dirs_exist_ok=True)
    assert ended.state == "failed"
    assert "was made for another base" in ended.error
    assert bases.fingerprint(base)[:12] in ended.error
