"""Which column becomes what: guessed from names and values, and rows turned into examples."""

import json
from typing import Any

import pytest

from core.datasets.examples import Example, Turn
from core.datasets.mapping import BadRow, ColumnMapping, guess, text_of, to_examples

CHAT = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi?"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "Bye."},
]
SHAREGPT = [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}]
RATED = {"transcript": "RD: Hello.", "empathy": 4, "clarity": "4", "accuracy": 3.5, "professionalism": 5}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "a", "input": "b", "output": "c"}, ("instruction", "input", "output")),
        ({"prompt": "a", "response": "b", "metadata": {}}, ("prompt", "", "response")),
        ({"text": "a", "category": "b"}, ("text", "", "category")),
        ({"label": "0", "sentence": "a"}, ("sentence", "", "label")),
        ({"question": "a", "answer": "b"}, ("question", "", "answer")),
        ({"task_id": 1, "text": "a", "code": "b", "test_list": []}, ("text", "", "code")),
        ({"Question Text": "a", "x": 1, "ANSWER": "b", "Question": "q"}, ("Question", "", "ANSWER")),
        ({"id": 1, "what the customer wrote, in full": "a text that is long enough", "team": "b"},
         ("what the customer wrote, in full", "", "team")),
    ],
)  # fmt: skip
def test_the_usual_columns_are_told_by_their_names(row: dict[str, Any], expected: tuple[str, str, str]) -> None:
    found = guess(list(row), [row, row])
    assert found is not None and (found.layout, (found.prompt, found.input, found.response)) == ("pair", expected)


@pytest.mark.parametrize("messages", [CHAT, SHAREGPT, json.dumps(SHAREGPT)])
def test_conversations_are_told_by_their_values(messages: object) -> None:
    assert guess(["id", "talk"], [{"id": 1, "talk": messages}]) == ColumnMapping(layout="chat", prompt="talk")


def test_one_text_with_a_mark_and_rated_transcripts_are_told() -> None:
    marked = guess(["text"], [{"text": "Q: What?\nA: That."}, {"text": "Q: Who?\nA: I."}])
    assert marked == ColumnMapping(layout="marked", prompt="text", marker="\nA: ")
    rated = guess(list(RATED), [RATED])
    assert rated is not None and (rated.layout, rated.prompt) == ("ratings", "transcript")


def test_where_only_the_question_is_clear_the_answer_is_left_to_a_person() -> None:
    rows = [
        {"utterance_text": "Well, then, shall we?", "talk": "neutral", "behaviour": "question", "transcript_id": "1"}
    ] * 3
    found = guess(list(rows[0]), rows)
    assert found is not None and (found.prompt, found.response) == ("utterance_text", "")
    assert found.group == "transcript_id"


def test_nothing_is_guessed_of_a_single_column() -> None:
    found = guess(["x"], [{"x": "one"}])
    assert found is None or not found.response


def one(row: dict[str, Any], mapping: ColumnMapping) -> Example:
    [example] = to_examples(row, mapping, "f.csv")
    return example


def test_a_pair_keeps_its_text_and_takes_the_input_below_the_question() -> None:
    mapping = ColumnMapping(prompt="q", input="given", response="a", labels={"0": "negative"}, group="g")
    found = one({"q": "What?", "given": " x ", "a": 0, "g": 7}, mapping)
    assert found == Example("What?\nx", "negative", "f.csv", {"group": "7"})


def test_code_keeps_its_indentation() -> None:
    found = one({"q": "def f():", "a": "    return 1\n"}, ColumnMapping(prompt="q", response="a"))
    assert found.response == "    return 1"


def test_a_template_takes_any_column() -> None:
    mapping = ColumnMapping(template="Rate {text} for {who}: {unknown}", response="a")
    assert mapping.needed() == ["a", "text", "who", "unknown"]
    filled = one({"text": "{who}", "who": "us", "unknown": 3, "a": "b"}, mapping)
    assert filled.prompt == "Rate {who} for us: 3"  # what a value says is never filled in again


def test_a_conversation_gives_an_example_for_each_answer_with_what_was_said_before() -> None:
    first, second = to_examples({"m": CHAT}, ColumnMapping(layout="chat", prompt="m"), "f")
    assert (first.prompt, first.response, first.turns) == ("Hi?", "Hello.", (Turn("system", "Be brief."),))
    assert (second.prompt, second.response) == ("And now?", "Bye.")
    assert [turn.text for turn in second.turns] == ["Be brief.", "Hi?", "Hello."]


def test_both_formats_of_rated_transcripts_give_the_same() -> None:
    table = RATED | {"reasoning": "Kind.", "strengths": "Shows empathy;Calm", "areas_for_improvement": ""}
    lines = RATED | {"reasoning": "Kind.", "strengths": ["Shows empathy", "Calm"], "areas_for_improvement": []}
    mapping = ColumnMapping(layout="ratings", prompt="transcript")
    assert one(table, mapping) == one(lines, mapping)
    assert json.loads(one(table, mapping).response) == {
        "empathy": 4, "clarity": 4, "accuracy": 3.5, "professionalism": 5,
        "reasoning": "Kind.", "strengths": ["Shows empathy", "Calm"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "mapping", "column", "reason"),
    [
        ({"q": "a"}, ColumnMapping(prompt="q", response="a"), "a", "is missing"),
        ({"q": "a", "a": None}, ColumnMapping(prompt="q", response="a"), "a", "is empty"),
        ({"q": " ", "a": "b"}, ColumnMapping(prompt="q", response="a"), "q", "is empty"),
        ({"q": "a", "a": " "}, ColumnMapping(prompt="q", response="a"), "a", "nothing to learn"),
        ({"t": "no mark"}, ColumnMapping(layout="marked", prompt="t", marker="A: "), "t", "lacks the mark"),
        ({"m": "hello"}, ColumnMapping(layout="chat", prompt="m"), "m", "no messages"),
        ({"m": CHAT[:2]}, ColumnMapping(layout="chat", prompt="m"), "m", "no answer of the assistant"),
        (RATED | {"empathy": "six"}, ColumnMapping(layout="ratings", prompt="transcript"), "empathy", "not a number"),
        (RATED | {"clarity": 9}, ColumnMapping(layout="ratings", prompt="transcript"), "clarity", "go from 1 to 5"),
    ],
)
def test_a_row_that_gives_no_example_says_which_column_and_why(
    row: dict[str, Any], mapping: ColumnMapping, column: str, reason: str
) -> None:
    with pytest.raises(BadRow) as bad:
        list(to_examples(row, mapping, "f"))
    assert bad.value.column == column and reason in bad.value.reason


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3"), (2.5, "2.5"), (True, "true"), (None, None), (float("nan"), None), ("x", "x"),
     (["a", "b"], "a\nb"), ({"k": 1}, '{"k": 1}'), (12345678.0, "12345678")],
)  # fmt: skip
def test_values_become_text_as_people_write_them(value: object, text: str | None) -> None:
    assert text_of(value) == text
