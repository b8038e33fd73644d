"""Base models: which names are understood, what a folder must hold, and what its files say without being loaded."""

import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.catalog import bases
from core.errors import BaseModelError, NotFound
from core.training.configuration import PRESETS, resolve_preset

CONFIG = {
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 10,
    "max_position_embeddings": 64,
}

Make = Callable[..., Path]


def write_weights(path: Path, tensors: dict[str, tuple[list[int], bytes]]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    begin = 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, begin + len(data)]}
        begin += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values()))


@pytest.fixture
def make_model(tmp_path: Path) -> Make:
    """Write the files of a model of 26 parameters, without any library."""

    def make(name: str = "model", config: dict[str, Any] | None = None, fill: bytes = b"\x01") -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(config or CONFIG), encoding="utf-8")
        (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
        write_weights(folder / "model.safetensors", {"a": ([4, 5], fill * 80), "b": ([6], b"\x02" * 24)})
        return folder

    return make


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's client, and no way to the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "hub"


# Names


def test_every_base_of_the_catalogue_has_an_own_name_and_advice_that_every_preset_takes() -> None:
    known = bases.known_bases()
    assert {"starter", "Qwen/Qwen2.5-7B-Instruct"} <= set(known)
    assert {entry.size_class for entry in known.values()} >= {"starter", "3B", "7B", "coder 7B", "32B"}
    for entry in known.values():
        for preset in PRESETS:
            resolve_preset(preset, entry.advice)


def test_the_starter_is_a_complete_model() -> None:
    folder = bases.locate("starter")
    assert folder is not None
    shape = bases.read_shape(folder)
    assert shape.parameters == pytest.approx(bases.known_bases()["starter"].parameters, rel=0.05)
    assert shape.has_chat_template


def test_a_folder_is_a_base(make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_model()
    monkeypatch.chdir(folder.parent)
    assert bases.locate(str(folder)) == folder
    assert bases.locate("model") == folder
    assert bases.absolute("model") == str(folder)


def test_names_that_are_no_folder_stay_as_they_are() -> None:
    assert bases.absolute("starter") == "starter"
    assert bases.absolute("owner/name") == "owner/name"


@pytest.mark.parametrize(
    ("base", "title"),
    [
        ("starter", "Starter"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen2.5 7B"),
        ("owner/name", "name"),
        ("/some/where/mine/", "mine"),
        ("C:\\models\\mine", "mine"),
    ],
)
def test_a_title_is_short(base: str, title: str) -> None:
    assert bases.title_of(base) == title


@pytest.mark.parametrize(
    "base", ["", "   ", "nothing", "a/b/c", "owner/", "../up", "owner/na me", "x" * 5000, "~nobody/x"]
)
def test_what_is_no_base_is_refused_with_what_would_be_one(base: str, hub_cache: Path) -> None:
    with pytest.raises(NotFound, match=r"starter.* a folder with a model, or a hub id such as owner/name"):
        bases.locate(base)


def test_a_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"gone of the base model is missing\. Put it back or choose another base\."):
        bases.locate(str(tmp_path / "gone"))


# The hub's cache


def test_a_hub_model_in_the_cache_is_found_without_the_hub(hub_cache: Path, make_model: Make) -> None:
    folder = make_model("hub/models--owner--name/snapshots/abc")
    assert bases.locate("owner/name") == folder


def test_a_half_downloaded_hub_model_counts_as_missing(hub_cache: Path, make_model: Make) -> None:
    folder = make_model("hub/models--owner--name/snapshots/abc")
    (folder / "model.safetensors").unlink()
    assert bases.find_cached("owner/name") is None
    with pytest.raises(BaseModelError, match=r"owner/name is not on this machine.*Connect"):
        bases.locate("owner/name")


@pytest.mark.parametrize("index", [{"weight_map": {"a": "model-1.safetensors"}}, {}, [], {"weight_map": 5}])
def test_a_model_in_parts_is_complete_only_with_all_of_them(hub_cache: Path, make_model: Make, index: object) -> None:
    folder = make_model("hub/models--owner--name/snapshots/abc")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert bases.find_cached("owner/name") is None
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    assert (bases.find_cached("owner/name") == folder) is (index == {"weight_map": {"a": "model-1.safetensors"}})


def test_the_cache_is_where_the_hubs_client_keeps_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert bases.hub_cache() == Path.home() / ".cache" / "huggingface" / "hub"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert bases.hub_cache() == tmp_path / "huggingface" / "hub"
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    assert bases.hub_cache() == tmp_path / "home" / "hub"


def test_a_hub_that_answers_is_in_reach_and_one_that_refuses_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}/hub")
        assert not bases.is_offline(fresh_s=-1)
    assert bases.is_offline(fresh_s=-1)


# What a folder must hold


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_with_what_it_lacks(make_model: Make, missing: str) -> None:
    folder = make_model()
    (folder / missing).unlink()
    with pytest.raises(BaseModelError, match=missing.replace(".", r"\.")):
        bases.check_folder(folder)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="is missing"):
        bases.check_folder(tmp_path / "gone")


def test_a_model_with_code_of_its_own_is_refused(make_model: Make) -> None:
    folder = make_model(config={**CONFIG, "auto_map": {"AutoModel": "evil.Model"}})
    with pytest.raises(BaseModelError, match="code of its own"):
        bases.check_folder(folder)


def test_pickled_weights_are_refused_and_said_to_be_so(make_model: Make) -> None:
    folder = make_model()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(BaseModelError, match="pickled weights"):
        bases.check_folder(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000])
def test_a_damaged_config_is_refused(make_model: Make, content: bytes) -> None:
    folder = make_model()
    (folder / "config.json").write_bytes(content)
    with pytest.raises(BaseModelError, match=r"config\.json"):
        bases.check_folder(folder)


# What the files say


def test_a_shape_is_read_from_config_and_headers(make_model: Make) -> None:
    shape = bases.read_shape(make_model())
    assert (shape.parameters, shape.weight_bytes) == (26, 104)
    assert (shape.hidden, shape.intermediate, shape.layers, shape.heads) == (8, 16, 2, 4)
    assert (shape.key_value_heads, shape.head_dim, shape.vocabulary, shape.context) == (2, 2, 10, 64)
    assert not shape.has_chat_template


def test_older_and_nested_configs_are_understood(make_model: Make) -> None:
    old = {"model_type": "gpt2", "n_embd": 8, "n_head": 2, "n_layer": 3, "n_positions": 32, "vocab_size": 9}
    shape = bases.read_shape(make_model("old", config=old))
    assert (shape.hidden, shape.heads, shape.layers, shape.context, shape.intermediate) == (8, 2, 3, 32, 32)
    nested = bases.read_shape(make_model("nested", config={"model_type": "both", "text_config": CONFIG}))
    assert (nested.hidden, nested.layers) == (8, 2)


def test_a_chat_template_is_found_in_either_place(make_model: Make) -> None:
    own_file, in_config = make_model("one"), make_model("two")
    (own_file / "chat_template.jinja").write_text("x", encoding="utf-8")
    (in_config / "tokenizer_config.json").write_text('{"chat_template": "x"}', encoding="utf-8")
    assert bases.read_shape(own_file).has_chat_template
    assert bases.read_shape(in_config).has_chat_template


@pytest.mark.parametrize("changes", [{"hidden_size": "many"}, {"num_hidden_layers": None}, {"text_config": 5}])
def test_a_config_without_sizes_is_refused(make_model: Make, changes: dict[str, Any]) -> None:
    with pytest.raises(BaseModelError, match=r"config\.json"):
        bases.read_shape(make_model(config={**CONFIG, **changes}))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:6],
        lambda data: data[:40],
        lambda data: data[:-1],
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: struct.pack("<Q", 2) + b"[]",
        lambda data: struct.pack("<Q", 8) + b'{"a": 5}',
        lambda data: struct.pack("<Q", 9) + b'{"a": {}}',
        lambda data: b"<html>no such file</html>" * 20,
    ],
)
def test_weights_that_are_cut_off_or_none_are_refused(make_model: Make, damage: Callable[[bytes], bytes]) -> None:
    folder = make_model()
    path = folder / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    for read in (bases.read_shape, bases.fingerprint):
        with pytest.raises(BaseModelError, match=r"model\.safetensors can't be read"):
            read(folder)


def test_the_same_model_in_another_folder_has_the_same_fingerprint(make_model: Make) -> None:
    renamed = {**CONFIG, "_name_or_path": "elsewhere", "transformers_version": "9.9", "dtype": "bfloat16"}
    assert bases.fingerprint(make_model("one")) == bases.fingerprint(make_model("two", config=renamed))


def test_other_weights_config_or_tokenizer_have_another_fingerprint(make_model: Make) -> None:
    same_shape, other_config, other_tokenizer = (
        make_model("weights", fill=b"\x03"),
        make_model("config", config={**CONFIG, "rope_theta": 5}),
        make_model("tokenizer"),
    )
    (other_tokenizer / "tokenizer.json").write_text('{"x": 1}', encoding="utf-8")
    found = {bases.fingerprint(folder) for folder in (make_model(), same_shape, other_config, other_tokenizer)}
    assert len(found) == 4


def test_a_model_replaced_in_place_gets_another_fingerprint(make_model: Make) -> None:
    folder = make_model()
    before = bases.fingerprint(folder)
    write_weights(
        folder / "model.safetensors", {"a": ([4, 5], b"\x07" * 80), "b": ([6], b"\x02" * 24), "c": ([0], b"")}
    )
    assert bases.fingerprint(folder) != before
