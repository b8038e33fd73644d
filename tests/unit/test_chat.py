"""How a base writes a conversation: its own template, where the response begins, and what a length limit takes away."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from core.datasets.chat import ChatFormat, read_chat_format
from core.datasets.examples import Example
from core.errors import BaseModelError
from core.paths import STARTER_DIR

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIALS = ["<|pad|>", "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>"]

Make = Callable[..., ChatFormat]


def write_base(folder: Path, template: Any = TEMPLATE, **settings_: Any) -> Path:
    """Write a tokenizer that makes one token of each byte, with a chat template."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    tokenizer.save(str(folder / "tokenizer.json"))
    fields = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "chat_template": template, **settings_}
    (folder / "tokenizer_config.json").write_text(json.dumps(fields), encoding="utf-8")
    return folder


@pytest.fixture
def make_chat(tmp_path: Path) -> Make:
    def make(template: Any = TEMPLATE, **settings_: Any) -> ChatFormat:
        return read_chat_format(write_base(tmp_path / "base", template, **settings_))

    return make


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> ChatFormat:
    return read_chat_format(write_base(tmp_path_factory.mktemp("base")))


def whole(chat: ChatFormat, ids: tuple[int, ...] | list[int]) -> str:
    return str(chat.tokenizer.decode(list(ids), skip_special_tokens=False))


def test_a_prompt_is_written_by_the_bases_template(chat: ChatFormat) -> None:
    assert chat.prompt_text("Hi {{ 1 }}") == "<|begin|><|user|>Hi {{ 1 }}<|end|><|assistant|>"


def test_an_example_is_the_prompt_then_the_response_with_its_end_mark(chat: ChatFormat) -> None:
    [encoded] = chat.encode([Example("Hi?", "Yö.")], 100)
    assert whole(chat, encoded.ids) == "<|begin|><|user|>Hi?<|end|><|assistant|>Yö.<|end|>"
    assert whole(chat, encoded.ids[encoded.response_start :]) == "Yö.<|end|>"
    assert (encoded.supervised, encoded.cut, encoded.response_cut) == (len("Yö.".encode()) + 1, 0, 0)


def test_what_is_asked_of_the_model_is_what_stood_before_the_response_in_training(chat: ChatFormat) -> None:
    [encoded] = chat.encode([Example("How many?", "Two.")], 100)
    [asked] = chat.encode_prompts(["How many?"])
    assert list(encoded.ids[: encoded.response_start]) == asked


def test_a_response_without_its_end_mark_is_for_comparing_likelihoods(chat: ChatFormat) -> None:
    [(ids, start)] = chat.encode_pairs([("Hi?", "Yes")], end=False)
    assert whole(chat, ids[start:]) == "Yes"


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.text("ab?ö", min_size=1, max_size=12),
    response=st.text("yz.ü", min_size=1, max_size=12),
    limit=st.integers(min_value=2, max_value=40),
)
def test_a_limit_takes_the_prompts_beginning_first_then_the_responses_end(
    chat: ChatFormat, prompt: str, response: str, limit: int
) -> None:
    [full] = chat.encode([Example(prompt, response)], 1000)
    [cut] = chat.encode([Example(prompt, response)], limit)
    before, after = full.ids[: full.response_start], full.ids[full.response_start :]
    assert len(cut.ids) == min(limit, len(full.ids))
    assert cut.cut == len(full.ids) - len(cut.ids)
    kept_before, kept_after = cut.ids[: cut.response_start], cut.ids[cut.response_start :]
    assert before[len(before) - len(kept_before) :] == kept_before
    assert after[: len(kept_after)] == kept_after
    assert len(after) - len(kept_after) == cut.response_cut
    assert cut.response_cut == 0 or len(kept_before) == 1
    assert cut.supervised == len(kept_after)


def test_a_token_that_reaches_over_the_border_belongs_to_the_response(tmp_path: Path) -> None:
    vocabulary = {letter: number for number, letter in enumerate(["a", "b", "\n", "\nb"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("\n", "b")]))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    [(ids, start)] = read_chat_format(tmp_path).encode_pairs([("a", "ba")])
    assert (ids, start) == ([0, 3, 0], 1)


def test_without_a_template_prompt_and_response_stand_on_lines_of_their_own(make_chat: Make) -> None:
    chat = make_chat(None)
    [encoded] = chat.encode([Example("Hi?", "Yes.")], 100)
    assert whole(chat, encoded.ids) == "<|begin|>Hi?\nYes.<|end|>"
    assert whole(chat, encoded.ids[encoded.response_start :]) == "Yes.<|end|>"


def test_a_template_that_changes_prompts_by_their_content_is_followed(make_chat: Make) -> None:
    chat = make_chat("{% for message in messages %}[{{ message['content'] | upper }}]{% endfor %}")
    [encoded] = chat.encode([Example("hi", "yes")], 100)
    assert whole(chat, encoded.ids) == "[HI]yes<|end|>"


def test_of_several_templates_the_default_one_counts(make_chat: Make) -> None:
    named = [{"name": "tools", "template": "TOOLS"}, {"name": "default", "template": "<{{ messages[0]['content'] }}>"}]
    assert make_chat(named).prompt_text("hi") == "<hi>"


def test_a_template_file_beats_the_configurations(tmp_path: Path) -> None:
    folder = write_base(tmp_path)
    (folder / "chat_template.jinja").write_text("({{ messages[0]['content'] }})", encoding="utf-8")
    assert read_chat_format(folder).prompt_text("hi") == "(hi)"


def test_marks_for_training_masks_are_no_part_of_the_text(make_chat: Make) -> None:
    template = "{% for m in messages %}{% generation %}{{ m['content'] }}{%- endgeneration -%} ;{% endfor %}"
    assert make_chat(template).prompt_text("hi") == "hi;"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ raise_exception('Only pairs.') }}", "Only pairs"),
        ("{% for %}", "can't be read"),
        ("{{ ''.__class__.__mro__ }}", "chat template"),
        ("{{ messages[0].nothing.at_all }}", "chat template"),
    ],
)
def test_a_template_that_fails_or_reaches_out_is_refused(make_chat: Make, template: str, told: str) -> None:
    with pytest.raises(BaseModelError, match=told):
        make_chat(template).prompt_text("hi")


def test_an_answer_stops_at_every_end_that_the_base_names(tmp_path: Path) -> None:
    folder = write_base(tmp_path, eos_token={"content": "<|end|>"})
    (folder / "generation_config.json").write_text('{"eos_token_id": [7, 9]}', encoding="utf-8")
    (folder / "config.json").write_text('{"eos_token_id": 11}', encoding="utf-8")
    chat = read_chat_format(folder)
    assert chat.stop_ids == {7, 9, 11, chat.tokenizer.token_to_id("<|end|>")}


@pytest.mark.parametrize("content", ["", "[]", "{", '{"eos_token_id": null}'])
def test_a_generation_config_that_says_nothing_is_no_fault(tmp_path: Path, content: str) -> None:
    folder = write_base(tmp_path)
    (folder / "generation_config.json").write_text(content, encoding="utf-8")
    assert len(read_chat_format(folder).stop_ids) == 1


def test_answers_are_decoded_without_marks(chat: ChatFormat) -> None:
    [(ids, _)] = chat.encode_pairs([("Hi?", " Größe 5 ")])
    assert chat.decode(ids) == "Hi? Größe 5"


@pytest.mark.parametrize("content", ["", "{}", "[1]", "no JSON"])
def test_a_damaged_tokenizer_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content, encoding="utf-8")
    with pytest.raises(BaseModelError, match="can't be read"):
        read_chat_format(tmp_path)


def test_a_missing_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no tokenizer\.json"):
        read_chat_format(tmp_path)


def test_a_tokenizers_own_limits_and_padding_do_not_count(tmp_path: Path) -> None:
    folder = write_base(tmp_path)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=50)
    tokenizer.save(str(folder / "tokenizer.json"))
    [encoded] = read_chat_format(folder).encode([Example("a long question", "a long answer")], 100)
    assert whole(read_chat_format(folder), encoded.ids).count("<|pad|>") == 0
    assert len(encoded.ids) == len(SPECIALS) - 1 + len("a long question") + len("a long answer") + 1


def test_the_starter_tells_each_digit_apart_and_keeps_every_text() -> None:
    chat = read_chat_format(STARTER_DIR)
    text = "Größe 1,234.5% = 余额 👍\nnext line"
    [(ids, start)] = chat.encode_pairs([("?", text)], end=False)
    assert chat.decode(ids[start:]) == text
    assert chat.tokenizer.encode("1234", add_special_tokens=False).tokens == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    "template",
    [
        TEMPLATE,
        "{%- for m in messages %}\n  {%- if m.role %}\n<|user|>{{ m.content }}\n{%- endif %}\n  {% endfor %}\n",
        "{% for m in messages %}\n  {%- generation -%}\n  {{ m['content'] }}\n  {%- endgeneration -%}\n ;{% endfor %}",
        "{% for m in messages %}{{ loop.index }} {{ m | tojson }}{% if loop.last %}{% break %}{% endif %}{% endfor %}",
        "{{ bos_token }}{{ messages[-1]['content'] }}{% if tools is not none %}TOOLS{% endif %}{{ eos_token }}",
    ],
)
@pytest.mark.parametrize("prompt", ["Hi?", 'a "b" <c> ü\n{{ d }}'])
def test_a_conversation_is_written_as_transformers_would(tmp_path: Path, template: str, prompt: str) -> None:
    from transformers import PreTrainedTokenizerFast

    folder = write_base(tmp_path, template)
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    expected = theirs.apply_chat_template(
        [{"role": "user", "content": prompt}], add_generation_prompt=True, tokenize=False
    )
    assert read_chat_format(folder).prompt_text(prompt) == expected
