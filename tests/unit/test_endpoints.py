"""Endpoints: the file, the keys, how choices are asked and read, what an evaluation costs, what it may be held to."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from core.catalog import endpoints
from core.catalog.endpoints import Endpoint
from core.errors import BadInput, CatalogError, NotFound
from core.evaluation import endpoint as asking
from core.evaluation import leaderboard
from core.evaluation.benchmarks import Benchmark, Item, make_benchmark
from core.evaluation.endpoint import Given
from core.evaluation.endpoint_client import is_same_model
from core.evaluation.lettered import letters, read_choice, spoken, write_question
from core.evaluation.results import find_obstacle, settings_sha
from core.paths import DATA_DIR, Workspace
from core.process import environment, kinds
from core.redaction import redacted
from core.store.evaluations import Standing

KEY = "sk-9f8e7d6c5b4a39281706"


def endpoint(**fields: Any) -> Endpoint:
    return Endpoint.model_validate({"name": "toy", "url": "http://127.0.0.1:9", "model": "toy-1"} | fields)


def item(number: int = 0, **fields: Any) -> Item:
    values = {"id": f"i{number}", "component": "c", "type": "numeric", "prompt": "How many?", "answer": 4}
    return Item.model_validate(values | fields)


def choice(number: int = 0) -> Item:
    return item(number, type="choice", prompt="Which?", answer=1, choices=("Alpha ratio", "Beta ratio", "Gamma ratio"))


def given(item: Item, text: str = "4", **fields: Any) -> Given:
    values: dict[str, Any] = {
        "model": "toy-1", "input_tokens": 10, "output_tokens": 5, "cut": False, "refused": False, "seconds": 0.5,
        "tries": 1,
    }  # fmt: skip
    return Given(item=item.id, text=text, **values | fields)


# The file


@pytest.fixture
def own(workspace: Workspace) -> Path:
    return endpoints.own_file(workspace)


def test_none_is_active_until_a_person_writes_one(workspace: Workspace) -> None:
    assert endpoints.all_endpoints(workspace) == {}


def test_the_examples_of_the_shipped_file_work_once_their_marks_are_taken_away(workspace: Workspace, own: Path) -> None:
    lines = (DATA_DIR / "endpoints.yaml").read_text(encoding="utf-8").splitlines()
    start = lines.index("# - name: ollama")
    own.write_text("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[start:]), encoding="utf-8")
    found = endpoints.all_endpoints(workspace)
    assert {"ollama", "llama-cpp", "vllm", "cloud"} <= set(found)
    assert found["cloud"].key_env == "EXAMPLE_API_KEY"


def test_the_shipped_file_explains_every_field() -> None:
    text = (DATA_DIR / "endpoints.yaml").read_text(encoding="utf-8")
    assert [name for name in Endpoint.model_fields if name not in text] == []


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434", "http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1/"])
def test_an_address_may_be_written_as_people_copy_it(url: str) -> None:
    assert endpoint(url=url).url == "http://127.0.0.1:11434"


WRONG = {
    "unknown field": ("- {name: a, url: http://localhost, model: m, modle: x}", ["entry 1", "modle"]),
    "key as text": (f"- {{name: a, url: http://localhost, model: m, key_env: {KEY}}}", ["key_env", "not the key"]),
    "odd variable": ("- {name: a, url: http://localhost, model: m, key_env: HOME}", ["key_env", "_KEY"]),
    "a file": ("- {name: a, url: 'file:///etc/passwd', model: m}", ["url", "http://host:port"]),
    "ftp": ("- {name: a, url: 'ftp://host/x', model: m}", ["url"]),
    "no scheme": ("- {name: a, url: 'localhost:8000', model: m}", ["url"]),
    "password": ("- {name: a, url: 'http://anna:geheim@host', model: m}", ["url", "key_env"]),
    "query": ("- {name: a, url: 'http://host/?key=1', model: m}", ["url", "?"]),
    "line break": ('- {name: a, url: "http://host/\\nX: y", model: m}', ["url"]),
    "bad port": ("- {name: a, url: 'http://host:99999', model: m}", ["url"]),
    "key in the open": ("- {name: a, url: 'http://api.example.com', model: m, key_env: X_KEY}", ["https://"]),
    "negative price": ("- {name: a, url: http://host, model: m, price_per_1000_input: -1}", ["price_per_1000_input"]),
    "no model": ("- {name: a, url: http://localhost}", ["model"]),
    "name": ("- {name: 'A b', url: http://localhost, model: m}", ["name"]),
    "crowd": ("- {name: a, url: http://localhost, model: m, concurrency: 1000}", ["concurrency"]),
    "messages": ("- {name: a, url: http://localhost, model: m, options: {messages: []}}", ["options", "messages"]),
    "date": ("- {name: a, url: http://localhost, model: m, options: {at: 2026-01-01}}", ["options", "JSON"]),
    "twice": ("- &a {name: a, url: http://localhost, model: m}\n- *a", ["two endpoints", "'a'"]),
    "key twice": ("- {name: a, name: b, url: http://localhost, model: m}", ["stands there twice"]),
    "no list": ("name: a", ["list of endpoints"]),
    "no yaml": ("- {name: [", ["not valid YAML"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_entry_is_refused_with_file_and_field_and_without_quoting_a_key(
    workspace: Workspace, own: Path, case: str
) -> None:
    text, parts = WRONG[case]
    own.write_text(text, encoding="utf-8")
    with pytest.raises(CatalogError) as error:
        endpoints.all_endpoints(workspace)
    for part in [str(own), *parts]:
        assert part in str(error.value)
    assert KEY not in str(error.value) and "geheim" not in str(error.value)


def test_an_unknown_name_gets_a_hint_and_the_place_of_the_file(workspace: Workspace, own: Path) -> None:
    own.write_text("- {name: ollama, url: http://localhost, model: m}", encoding="utf-8")
    with pytest.raises(NotFound, match="Did you mean 'ollama'") as error:
        endpoints.find("olama", workspace)
    assert str(own) in str(error.value)


# Keys


def test_the_key_comes_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    one = endpoint(key_env="TOY_API_KEY")
    monkeypatch.delenv("TOY_API_KEY", raising=False)
    with pytest.raises(BadInput, match="TOY_API_KEY is not set"):
        endpoints.read_key(one)
    monkeypatch.setenv("TOY_API_KEY", f" {KEY}\n")
    assert endpoints.read_key(one) == KEY
    assert KEY not in redacted(f"sent {KEY}") and KEY not in repr(one)


def test_a_key_with_a_line_break_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_API_KEY", f"{KEY}\r\nHost: elsewhere")
    with pytest.raises(BadInput) as error:
        endpoints.read_key(endpoint(key_env="TOY_API_KEY"))
    assert KEY not in str(error.value)


def test_only_a_worker_that_needs_them_gets_keys(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> None:
    endpoints.own_file(workspace).write_text(
        "- {name: a, url: http://localhost, model: m, key_env: TOY_API_KEY}", encoding="utf-8"
    )
    monkeypatch.setenv("TOY_API_KEY", KEY)
    monkeypatch.setenv("OTHER_API_KEY", "other-key")
    assert "TOY_API_KEY" not in environment.for_worker("cpu")
    given = environment.for_worker("cpu", endpoints.key_names(workspace))
    assert given["TOY_API_KEY"] == KEY and "OTHER_API_KEY" not in given


def test_a_broken_file_does_not_keep_the_runner_from_starting(workspace: Workspace) -> None:
    endpoints.own_file(workspace).write_text("- {name: [", encoding="utf-8")
    assert endpoints.key_names(workspace) == set()


def test_asking_an_endpoint_needs_no_device_and_loading_a_base_does() -> None:
    assert kinds.runs_on_host("evaluate", {"base": "endpoint:toy"})
    assert kinds.worker_module("evaluate", {"base": "endpoint:toy"}) == "core.evaluation.endpoint_worker"
    assert not kinds.runs_on_host("evaluate", {"base": "starter"})
    assert kinds.worker_module("evaluate", {"base": "starter"}) == "core.evaluation.worker"
    assert not kinds.runs_on_host("train", {"base": "endpoint:toy"})
    assert kinds.runs_on_host("import", {})


# Choices


def test_choices_are_asked_as_a_lettered_list() -> None:
    text = write_question(choice())
    assert text.startswith("Which?\n\nA) Alpha ratio\nB) Beta ratio\nC) Gamma ratio\n\n")
    assert letters(28)[25:] == ["Z", "AA", "AB"]


READINGS = {
    "B": "B", "b": "B", "B)": "B", "(B)": "B", "**B**": "B", "B.": "B", "B) Beta ratio": "B", "The answer is B.": "B",
    "Answer: (b)": "B", "answer: b": "B", "The correct answer is **B**, not C.": "B", "A loan is good, so B": "B",
    "I think C": "C", "Beta ratio": "B", "It is the beta ratio.": "B", "Option C is right, since A and B fail": "C",
    "\\boxed{C}": "C", "$\\text{C}$": "C", "C: Gamma ratio": "C", "It's A.": "A", "A": "A", "A is right": "A",
    "B\n\nA is wrong since it is too low.": "B", "A is too low.\n\nAnswer: B": "B",
    "Let me see.\nThe answer is (C).": "C",
    "A) no\nB) yes": "", "": "", "no idea": "", "A bank must": "", "E": "", "Both A and B": "", "A or B": "",
    "The answer is a bank": "", "Alpha ratio or beta ratio": "",
}  # fmt: skip


@pytest.mark.parametrize("answer", READINGS)
def test_the_letter_of_an_answer_is_read_as_a_person_would(answer: str) -> None:
    one = choice()
    named = read_choice(answer, one.choices)
    assert ("ABC"[one.choices.index(named)] if named else "") == READINGS[answer]


def test_thoughts_are_no_answer() -> None:
    assert spoken("<think>B? No, A.</think>\nC") == "C"
    assert spoken("the opening mark is in the template, so B?</think> C") == "C"
    assert spoken("<think>cut off before the end: B") == ""
    assert spoken("I think B") == "I think B"


def test_an_answer_is_graded_by_the_rules_of_its_item() -> None:
    assert asking.grade_answer(item(), given(item(), "That makes 4.")).score == 1.0
    right, wrong, none = (asking.grade_answer(choice(), given(choice(), text)) for text in ("B", "A", "who knows"))
    assert [one.score for one in (right, wrong, none)] == [1.0, 0.0, 0.0]
    assert (right.text, none.text) == ("Beta ratio", "who knows")


# Names of models


@pytest.mark.parametrize(
    ("asked", "told", "same"),
    [
        ("large", "large", True), ("large", "", True), ("large", "Large-2026-01-31", True),
        ("large", "large-0125", True),
        ("llama3", "llama3:latest", True), ("/models/m", "/models/m@main", True),
        ("owner/large", "large", True), ("gemini-pro", "gemini-pro-001", True),
        ("large", "large-mini", False), ("large", "large-mini-2026-01-31", False), ("large", "small", False),
        ("llama3:8b", "llama3:70b", False), ("large", "other/large", False), ("l.rge", "large", False),
    ],
)  # fmt: skip
def test_another_model_is_told_from_a_version_of_the_same(asked: str, told: str, same: bool) -> None:
    assert is_same_model(told, endpoint(model=asked)) is same
    assert is_same_model(told, endpoint(model="alias", answers_as=asked)) is same


# What an evaluation says


def test_the_cost_is_tokens_times_prices() -> None:
    items = [item(number) for number in range(3)]
    answers = {one.id: given(one, input_tokens=1_000, output_tokens=500, tries=1 + (one.id == "i0")) for one in items}
    priced = endpoint(price_per_1000_input=0.01, price_per_1000_output=0.02, currency="EUR")
    told = asking.describe(priced, items, answers)
    assert told["cost"] == pytest.approx(3 * 0.01 + 1.5 * 0.02)
    assert (told["input_tokens"], told["output_tokens"], told["currency"]) == (3_000, 1_500, "EUR")
    assert told["asked_again"] == 1


def test_a_cost_that_can_not_be_known_is_not_guessed() -> None:
    items = [item(number) for number in range(2)]
    answers = {one.id: given(one) for one in items}
    assert asking.describe(endpoint(), items, answers)["cost"] is None
    answers["i0"] = dataclasses.replace(answers["i0"], output_tokens=None)
    told = asking.describe(endpoint(price_per_1000_input=1, price_per_1000_output=1), items, answers)
    assert told["cost"] is None and told["output_tokens"] is None and told["input_tokens"] == 20


def test_settings_say_that_choices_were_asked_by_letters_and_never_equal_those_of_this_machine() -> None:
    sha, told = asking.settings_of(endpoint(), [item(), choice(1)])
    assert told["choices"] == "letters" and "graded by the letter" in told["note"]
    assert "note" not in asking.settings_of(endpoint(), [item()])[1]
    kinds_of = [(precision, kind) for precision in ("fp32", "bf16", "fp16", "auto") for kind in ("none", "4bit")]
    machine = {settings_sha(*one) for one in kinds_of}
    other = asking.settings_of(endpoint(options={"temperature": 1}), [item()])[0]
    assert len(machine | {sha, other}) == len(machine) + 2


def benchmark(*items: Item) -> Benchmark:
    return make_benchmark("toys", list(items), {"c": 1.0}, {})


def test_letters_and_likelihoods_are_not_compared_and_written_items_are() -> None:
    mixed, written = benchmark(item(), choice(1)), benchmark(item())
    told = find_obstacle("endpoint:toy", "starter", mixed)
    assert told is not None and "1 of the 2 items" in told and "likelihood" in told
    assert find_obstacle("starter", "endpoint:toy", mixed) is not None
    assert find_obstacle("endpoint:toy", "endpoint:other", mixed) is None
    assert find_obstacle("starter", "folder", mixed) is None
    assert find_obstacle("endpoint:toy", "starter", written) is None


def standing(base: str, settings: str, sha: str = "s", **fields: Any) -> Standing:
    values = {
        "id": f"{base}-{settings}-{sha}", "job": "j", "job_number": 1, "job_kind": "evaluate", "base": base,
        "base_fingerprint": base, "adapter": "", "adapter_name": "", "benchmark": "toys", "benchmark_sha": sha,
        "settings_sha": settings, "items": 10, "score": 0.5, "low": 0.4, "high": 0.6, "seconds": 2.0, "tokens": 50,
        "created_at": 1.0,
    }  # fmt: skip
    return Standing(**values | fields)


def test_an_endpoint_stands_beside_models_of_this_machine_where_all_is_written() -> None:
    rows = [
        standing("starter", "fp32"), standing("other", "bf16"), standing("endpoint:toy", "now", is_written=True),
        standing("endpoint:toy", "earlier", is_written=True), standing("endpoint:toy", "now", "alone", is_written=True),
        standing("starter", "fp32", "choices"), standing("endpoint:toy", "now", "choices"),
    ]  # fmt: skip
    found = {(one.sha, one.settings): [row.id for row in one.rows] for one in leaderboard.boards(rows)}
    assert found == {
        ("s", "fp32"): ["starter-fp32-s", "endpoint:toy-now-s"],
        ("s", "bf16"): ["other-bf16-s", "endpoint:toy-now-s"],
        ("alone", "now"): ["endpoint:toy-now-alone"],
        ("choices", "fp32"): ["starter-fp32-choices"],
        ("choices", "now"): ["endpoint:toy-now-choices"],
    }
