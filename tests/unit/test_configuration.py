"""The training configuration: presets, bounds, names, the two YAML layouts, `--set` flags and differences."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.catalog.bases import known_bases
from core.errors import ConfigError
from core.training.configuration import (
    PRESETS,
    TrainingConfig,
    difference,
    make_config,
    parse_settings,
    read_yaml,
    resolve_preset,
    write_yaml,
)

# A file in the rating system's layout, with every field that its guide sets.
RATING_SYSTEM_FILE = """\
model:
  name: "mistralai/Mistral-7B-Instruct-v0.1"
  max_length: 4096
  load_in_4bit: true
  device_map: "auto"
training:
  learning_rate: 1e-4  # YAML itself would call this a text
  num_epochs: 5
  batch_size: 1
  gradient_accumulation_steps: 8
  warmup_steps: 200
  save_steps: 250
  eval_steps: 250
  logging_steps: 5

  lora:
    r: 16
    lora_alpha: 32
    lora_dropout: 0.05
    bias: "none"
    target_modules: ["q_proj", "v_proj", "k_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
scoring:
  dimensions:
    empathy: {weight: 0.3, description: "A rubric is none of our business here"}
    clarity: {weight: 0.25}
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_text(text: str) -> Path:
        path = tmp_path / "training.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


# Presets


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("base", sorted(known_bases()))
def test_every_preset_is_valid_with_the_advice_of_every_base(preset: str, base: str) -> None:
    config = resolve_preset(preset, known_bases()[base].advice)
    assert TrainingConfig(**config.model_dump()) == config


def test_a_thorough_adapter_is_larger_and_trained_longer_than_a_quick_one() -> None:
    quick, thorough = resolve_preset("quick"), resolve_preset("thorough")
    assert quick.rank < thorough.rank
    assert quick.epochs < thorough.epochs
    assert quick.generated_examples < thorough.generated_examples


def test_a_bases_advice_beats_the_preset_and_a_persons_change_beats_both() -> None:
    advice = {"learning_rate": 1e-3, "rank": 4, "quick": {"max_steps": 7}, "thorough": {"max_steps": 900}}
    quick = resolve_preset("quick", advice, rank=5)
    assert (quick.learning_rate, quick.rank, quick.max_steps) == (1e-3, 5, 7)
    assert resolve_preset("standard", advice).max_steps is None


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no preset 'fast'.*quick, standard, thorough"):
        resolve_preset("fast")


# Bounds


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rank", 0),
        ("rank", 513),
        ("rank", 16.5),
        ("rank", "many"),
        ("alpha", 0),
        ("dropout", -0.1),
        ("dropout", 1),
        ("learning_rate", 0),
        ("learning_rate", 1.5),
        ("learning_rate", float("nan")),
        ("schedule", "polynomial"),
        ("warmup_ratio", 1),
        ("warmup_steps", -1),
        ("weight_decay", 2),
        ("max_grad_norm", 0),
        ("optimizer", "sgd"),
        ("epochs", 0),
        ("epochs", float("inf")),
        ("max_steps", 0),
        ("batch_size", 0),
        ("accumulation_steps", 0),
        ("max_length", 15),
        ("validation_share", 0.6),
        ("eval_every_steps", 0),
        ("save_every_steps", 0),
        ("log_every_steps", 0),
        ("early_stopping_patience", -1),
        ("precision", "fp8"),
        ("quantization", "2bit"),
        ("seed", -1),
        ("seed", 2**31),
        ("generated_examples", -1),
        ("bias", "some"),
        ("target_modules", "q_proj"),
        ("target_modules", []),
        ("early_stopping_patience", True),
        ("rank", True),
        ("max_steps", False),
        ("packing", "perhaps"),
        ("alpha", float("inf")),
        ("early_stopping_min_delta", float("inf")),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_field(field: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"^my file: {field}\b"):
        make_config({field: value}, "my file")


@pytest.mark.parametrize(
    ("field", "value"),
    [("rank", 1), ("rank", 512), ("dropout", 0), ("learning_rate", 1), ("warmup_ratio", 0.9), ("seed", 2**31 - 1)],
)
def test_a_value_on_its_bound_is_accepted(field: str, value: object) -> None:
    assert getattr(make_config({field: value}, "my file"), field) == value


def test_early_stopping_without_validation_examples_is_refused() -> None:
    with pytest.raises(ConfigError, match="validation_share above 0"):
        make_config({"early_stopping_patience": 2, "validation_share": 0}, "my file")


def test_a_configuration_can_not_be_changed_behind_a_jobs_back() -> None:
    config = TrainingConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.rank = 4  # type: ignore[misc]


# Names


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("lerning_rate", "learning_rate"),
        ("lora_r", "rank"),
        ("lora_rank", "rank"),
        ("lora_alpha", "alpha"),
        ("num_train_epochs", "epochs"),
        ("per_device_train_batch_size", "batch_size"),
        ("gradient_accumulation_steps", "accumulation_steps"),
        ("quantisation", "quantization"),
        ("max_seq_length", "max_length"),
        ("epoch", "epochs"),
        ("use_dora", "dora"),
    ],
)
def test_an_unknown_name_gets_the_nearest_right_one(wrong: str, right: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{wrong}'.*Did you mean '{right}'\?"):
        make_config({wrong: 1}, "my file")


def test_a_name_that_is_near_to_nothing_points_to_the_list() -> None:
    with pytest.raises(ConfigError, match=r"'zzqqxx'.*--help"):
        make_config({"zzqqxx": 1}, "my file")


# YAML


def test_a_file_of_the_rating_system_is_understood(write: Write) -> None:
    values, base = read_yaml(write(RATING_SYSTEM_FILE))
    config = make_config(values, "example")
    assert base == "mistralai/Mistral-7B-Instruct-v0.1"
    assert config.max_length == 4096
    assert config.quantization == "4bit"
    assert config.learning_rate == 1e-4
    assert config.epochs == 5
    assert (config.batch_size, config.accumulation_steps) == (1, 8)
    assert config.warmup_steps == 200
    assert (config.save_every_steps, config.eval_every_steps, config.log_every_steps) == (250, 250, 5)
    assert (config.rank, config.alpha, config.dropout, config.bias) == (16, 32, 0.05, "none")
    assert config.target_modules == ("q_proj", "v_proj", "k_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def test_a_nested_file_sets_only_what_it_says(write: Write) -> None:
    values, base = read_yaml(write("training:\n  learning_rate: 2e-4\n  lora:\n    r: 8\n"))
    assert values == {"learning_rate": 2e-4, "rank": 8}
    assert base is None


def test_load_in_4bit_false_means_no_quantisation(write: Write) -> None:
    values, _ = read_yaml(write("model:\n  load_in_4bit: false\n  temperature: 0.1\n"))
    assert make_config(values, "file").quantization == "none"


def test_8bit_and_gradient_checkpointing_are_read_from_the_model_section(write: Write) -> None:
    values, _ = read_yaml(write("model:\n  load_in_8bit: true\n  gradient_checkpointing: true\n"))
    assert values == {"quantization": "8bit", "gradient_checkpointing": True}


def test_a_flat_file_is_read_with_its_base(write: Write) -> None:
    values, base = read_yaml(write("base: starter\nrank: 8\ntarget_modules: [q_proj, v_proj]\n"))
    assert base == "starter"
    assert values == {"rank": 8, "target_modules": ["q_proj", "v_proj"]}


@pytest.mark.parametrize("text", ["2e-4", "2E-4", "2.0e-4", "+2e-4", "0.0002"])
def test_a_learning_rate_in_scientific_form_is_a_number(write: Write, text: str) -> None:
    values, _ = read_yaml(write(f"learning_rate: {text}\n"))
    assert values["learning_rate"] == pytest.approx(2e-4, rel=1e-12)
    assert isinstance(values["learning_rate"], float)


@pytest.mark.parametrize(
    "config",
    [
        TrainingConfig(),
        TrainingConfig(learning_rate=1e-5, target_modules=("q_proj", "v_proj"), max_steps=10, packing=True),
        TrainingConfig(epochs=0.5, rslora=True, quantization="4bit", early_stopping_patience=2),
        *[resolve_preset(preset) for preset in PRESETS],
    ],
)
@pytest.mark.parametrize("base", [None, "starter", "owner/name", "a: b # c"])
def test_a_written_file_reads_back_the_same(write: Write, config: TrainingConfig, base: str | None) -> None:
    values, read_base = read_yaml(write(write_yaml(config, base)))
    assert make_config(values, "file") == config
    assert read_base == base


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.one_of(
        st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20),
        st.sampled_from(
            ["1e5", "-2E+3", "7.", ".5", "0x1F", "1_000", "null", "yes", "2024-01-01", "=", "~", "a: b # c"]
        ),
    ),
    layers=st.lists(
        st.sampled_from(["q_proj", "1e5", "null", "on", "0x1", "a: b", "- x", "é"]), min_size=1, max_size=3
    ),
    learning_rate=st.floats(min_value=0, max_value=1, exclude_min=True),
    epochs=st.floats(min_value=0, max_value=1000, exclude_min=True),
    warmup_steps=st.none() | st.integers(min_value=0, max_value=10**9),
)
def test_any_configuration_survives_its_file(write: Write, base: str, layers: list[str], **fields: Any) -> None:
    config = TrainingConfig(target_modules=tuple(layers), **fields)
    values, read_base = read_yaml(write(write_yaml(config, base)))
    assert make_config(values, "file") == config
    assert read_base == base


@pytest.mark.parametrize(
    ("text", "line"), [("rank: 8\nepochs: 2\nrank: 16\n", 3), ("training:\n  lora:\n    r: 8\n    r: 16\n", 4)]
)
def test_a_repeated_key_is_refused_with_its_line(write: Write, text: str, line: int) -> None:
    with pytest.raises(ConfigError, match=rf"line {line}\b.*twice"):
        read_yaml(write(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("- 1\n- 2\n", "holds list"),
        ("rank: [\n", "line 2 is not valid YAML"),
        ("5: 3\n", "key 5"),
        ("base: 5\n", "base is 5"),
        ("rank: 0\n", "rank is 0"),
        ("lerning_rate: 1\n", "'learning_rate'"),
        ("model: 3\n", "model is 3"),
        ("training:\n  lora: 5\n", "training.lora is 5"),
        ("training:\n  lora:\n    ranks: 5\n", "'ranks' under training.lora"),
        ("training:\n  speed: 5\n", "'speed' under training"),
        ("model:\n  rope: 5\n", "'rope' under model"),
        ("model:\n  device_map: cpu\n", "device_map is 'cpu'"),
        ("model:\n  load_in_4bit: maybe\n", "load_in_4bit is 'maybe'"),
        ("model:\n  rank: 5\n", "'rank' under model"),
        ("model:\n  name: [a]\n", "model.name is ['a']"),
        ("modell:\n  name: x\ntraining: {}\n", "'modell' beside model and training"),
        ("training:\n  rank: 4\n  lora:\n    r: 8\n", "rank twice"),
        ("model:\n  max_length: 99\ntraining:\n  max_seq_length: 98\n", "max_length twice"),
        ("training:\n  1: 2\n", "training is {1: 2}"),
        ("rank: " + "[" * 500, "nested too deeply"),
        ("rank: 8\x00\n", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_a_sentence_that_names_it(write: Write, text: str, told: str) -> None:
    path = write(text)
    with pytest.raises(ConfigError) as refusal:
        read_yaml(path)
    assert str(path) in str(refusal.value)
    assert told in str(refusal.value)


def test_a_value_that_stands_for_billions_of_others_is_refused_in_a_short_sentence(write: Write) -> None:
    lists = ["&a0 [x, x]", *(f"&a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 25))]
    with pytest.raises(ConfigError, match="rank is") as refusal:
        read_yaml(write(f"rank: [{', '.join(lists)}]\n"))
    assert len(str(refusal.value)) < 10_000


@pytest.mark.parametrize("text", ["training: 3\n", "training: fast\n", "training: [1]\n"])
def test_a_training_section_without_fields_is_refused(write: Write, text: str) -> None:
    with pytest.raises(ConfigError, match="training"):
        read_yaml(write(text))


@pytest.mark.parametrize("text", ["rank: 2024-13-45\n", f"rank: {'9' * 5000}\n"])
def test_a_value_that_yaml_itself_stumbles_over_is_refused(write: Write, text: str) -> None:
    with pytest.raises(ConfigError):
        read_yaml(write(text))


def test_asking_for_4_and_8_bits_at_once_is_refused(write: Write) -> None:
    with pytest.raises(ConfigError, match="bit"):
        read_yaml(write("model:\n  load_in_4bit: true\n  load_in_8bit: true\n"))


def test_a_file_that_is_not_there_a_folder_and_bytes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"# gr\xfc\xdfe\nrank: 8\n")
    with pytest.raises(ConfigError, match=r"no file .*missing\.yaml"):
        read_yaml(tmp_path / "missing.yaml")
    with pytest.raises(ConfigError, match="is a folder"):
        read_yaml(tmp_path)
    with pytest.raises(ConfigError, match=r"latin\.yaml is not UTF-8 text \(byte 5\)"):
        read_yaml(tmp_path / "latin.yaml")


# Flags


@pytest.mark.parametrize(
    ("pair", "values"),
    [
        ("rank=8", {"rank": 8}),
        ("r=8", {"rank": 8}),
        ("lr = 1e-3", {"learning_rate": 1e-3}),
        ("learning_rate=2e-4", {"learning_rate": 2e-4}),
        ("packing=true", {"packing": True}),
        ("max_steps=null", {"max_steps": None}),
        ("target_modules=[q_proj, v_proj]", {"target_modules": ["q_proj", "v_proj"]}),
        ("schedule=linear", {"schedule": "linear"}),
    ],
)
def test_a_setting_is_read_as_yaml_under_any_of_its_names(pair: str, values: dict[str, Any]) -> None:
    assert parse_settings([pair]) == values
    make_config(values, "flags")


def test_the_later_of_two_settings_counts() -> None:
    assert parse_settings(["rank=8", "alpha=4", "rank=16"]) == {"rank": 16, "alpha": 4}


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        ("rank", "has no '='"),
        ("batchsize=3", "Did you mean 'batch_size'"),
        ("=3", "no field"),
        ("rank=[", "can't be read"),
        ("rank=2024-13-45", "can't be read"),
        ("rank=" + "[" * 500, "can't be read"),
    ],
)
def test_a_wrong_setting_is_refused_with_itself(pair: str, told: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse_settings([pair])
    assert "--set" in str(refusal.value)
    assert pair.partition("=")[0] in str(refusal.value)
    assert told in str(refusal.value)
    assert len(str(refusal.value)) < 300


# Differences


def test_the_difference_names_changed_added_and_missing_fields() -> None:
    assert difference({"rank": 8, "seed": 1, "old": 2}, {"rank": 16, "seed": 1, "new": 3}) == [
        ("rank", 8, 16),
        ("old", 2, None),
        ("new", None, 3),
    ]


def test_equal_configurations_do_not_differ() -> None:
    assert difference(TrainingConfig().model_dump(), TrainingConfig().model_dump()) == []
