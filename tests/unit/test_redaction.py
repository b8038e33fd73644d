"""Secrets and home folders never reach a log: known shapes, the environment's own values, every way to write."""

import io
import logging
import sys
import traceback
from pathlib import Path

import pytest

from core import redaction
from core.redaction import redacted

SECRETS = (
    "hf_" + "aB3" * 11,
    "sk-" + "proj-" + "x1Y2" * 8,
    "ghp_" + "0aZ" * 12,
    "github_pat_" + "11ABC_" * 5,
    "AKIA" + "ABCDEFGH12345678",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda text: text[:4])
@pytest.mark.parametrize("frame", ["{}", "token is {}.", "url?x={}&y=1", '{{"key": "{}"}}', "line\n{}\nline"])
def test_a_token_of_a_known_shape_is_hidden_wherever_it_stands(secret: str, frame: str) -> None:
    shown = redacted(frame.format(secret))
    assert secret not in shown and secret[6:] not in shown
    assert shown == frame.format("[hidden]") or "x=[hidden]" in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer [hidden]"),
        ("login password=hunter2 ok", "login password=[hidden] ok"),
        ("https://x/?api_key=abc123&page=2", "https://x/?api_key=[hidden]&page=2"),
        ("https://x/?token=abc123", "https://x/?token=[hidden]"),
        ("git clone https://anna:pa55@host.example/x", "git clone https://[hidden]@host.example/x"),
    ],
)
def test_a_secret_is_hidden_by_the_words_before_it(text: str, shown: str) -> None:
    assert redacted(text) == shown


@pytest.mark.parametrize("name", ["HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "WANDB_API_KEY", "DB_PASSWORD", "my_secret"])
def test_the_value_of_a_secret_variable_is_hidden_whatever_its_shape(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "plain words")
    assert redacted("it said: plain words!") == "it said: [hidden]!"


def test_a_short_or_harmless_variable_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ID_TOKEN", "cat")
    monkeypatch.setenv("EDITOR_NAME", "concatenate")
    assert redacted("concatenate the cat") == "concatenate the cat"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("read /home/anna/models/x.json", "read ~/models/x.json"),
        ("'/home/anna'", "'~'"),
        ("It lies in /home/anna.", "It lies in ~."),
        ("file:///home/anna/a /home/anna/b", "file://~/a ~/b"),
        ("/home/annabel/x", "/home/annabel/x"),
        ("/home/anna-old/x", "/home/anna-old/x"),
        ("/mnt/home/anna/x", "/mnt/home/anna/x"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="home folders look otherwise there")
def test_the_home_folder_becomes_a_tilde_and_no_other_folder_does(
    text: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    assert redacted(text) == shown


@pytest.mark.skipif(sys.platform == "win32", reason="home folders look otherwise there")
def test_a_home_that_is_the_root_of_the_disk_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/")
    assert redacted("/etc/hosts") == "/etc/hosts"


def test_plain_text_stays_as_it_is() -> None:
    text = "step 10: loss 0.123 at 12:30:45, see https://example.org/a:b and notes.txt\n"
    assert redacted(text) == text


def test_all_that_a_process_writes_goes_through_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setenv("HF_TOKEN", "very secret words")
    redaction.install()
    redaction.install()  # a second time adds no second filter
    print("printed", "very secret words")
    sys.stdout.writelines(["listed ", "very secret words\n"])
    handler = logging.StreamHandler(sys.stderr)
    handler.emit(logging.makeLogRecord({"msg": "logged very secret words"}))
    try:
        raise ValueError("raised very secret words")
    except ValueError:
        traceback.print_exc()
    assert out.getvalue() == "printed [hidden]\nlisted [hidden]\n"
    assert "logged [hidden]" in err.getvalue() and "raised [hidden]" in err.getvalue()
    assert "secret words" not in out.getvalue() + err.getvalue()
    assert Path(__file__).name in err.getvalue()
