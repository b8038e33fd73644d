"""The starter's tokenizer stays with its weights: learned once, kept beside them, never learned anew under them."""

from pathlib import Path

import pytest

from core.errors import CheckpointError
from core.paths import STARTER_DIR
from core.starter.recipe import Recipe, make_tokenizer, train


def test_a_kept_tokenizer_is_read_and_not_learned_again(tmp_path: Path) -> None:
    kept = tmp_path / "tokenizer.json"
    kept.write_bytes((STARTER_DIR / "tokenizer.json").read_bytes())
    made = make_tokenizer(Recipe(seed=99), kept)
    made.save_pretrained(tmp_path / "out")
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == kept.read_bytes()


def test_training_does_not_go_on_from_a_state_that_lost_its_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"weights")
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json beside it"):
        train(Recipe(steps=1), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
