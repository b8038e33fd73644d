"""Transcripts are read from every common form, and refused in one sentence."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog.rubrics import find
from core.errors import TranscriptError
from core.scoring.reading import MOST_CHARACTERS, MOST_WORDS, read_transcript

RUBRIC = find("conversation")
TALK = [("RD", "rated", "Good morning."), ("Patient", "other", "I feel weak."), ("RD", "rated", "Since when?")]


def told(given: str | bytes, name: str = "") -> list[tuple[str, str, str]]:
    return [(one.speaker, one.side, one.text) for one in read_transcript(given, RUBRIC, name).utterances]


FORMS = {
    "lines": "RD: Good morning.\nPatient: I feel weak.\nRD: Since when?",
    "one line": "RD: Good morning. Patient: I feel weak. RD: Since when?",
    "one line without full stops": "RD: Good morning.  Patient: I feel weak.  RD: Since when?",
    "times in brackets": "[00:01:02] RD: Good morning.\n[00:01:09] Patient: I feel weak.\n[00:01:12] RD: Since when?",
    "times before": "00:12 RD: Good morning.\n00:15 Patient: I feel weak.\n0:20 RD: Since when?",
    "dashes": "RD - Good morning.\nPatient – I feel weak.\nRD - Since when?",
    "bold": "**RD:** Good morning.\n\n**Patient**: I feel weak.\n\n**RD:** Since when?",
    "names alone": "RD\nGood morning.\n\nPatient\nI feel\nweak.\n\nRD:\nSince when?",
    "lines that go on": "RD: Good\n  morning.\n\nPatient: I feel\n\tweak.\nRD: Since when?\n",
    "windows": "\ufeffRD: Good morning.\r\nPatient: I feel weak.\r\nRD: Since when?\r\n",
    "json": json.dumps([{"speaker": who, "text": said} for who, _, said in TALK]),
    "json messages": json.dumps({"id": 3, "messages": [{"role": who, "content": said} for who, _, said in TALK]}),
    "json in parts": json.dumps([{"role": who, "content": [{"type": "text", "text": said}]} for who, _, said in TALK]),
    "json with a text": json.dumps({"transcript": "RD: Good morning. Patient: I feel weak. RD: Since when?"}),
    "json lines": "\n".join(json.dumps({"name": who, "utterance": said}) for who, _, said in TALK),
    "vtt": "WEBVTT\n\nNOTE a remark\n\n1\n00:00:01.000 --> 00:00:02.000 align:left\n<v RD>Good <i>morning</i>.</v>\n\n"
    "00:03.000 --> 00:04.000\n<v Patient>I feel\nweak.\n\n00:05.000 --> 00:06.000\n<v RD>Since when?\n",
    "srt": "1\n00:00:01,000 --> 00:00:02,000\nRD: Good\n\n2\n00:00:02,100 --> 00:00:02,900\nmorning.\n\n"
    "3\n00:00:03,000 --> 00:00:04,000\nPatient: I feel weak.\n\n4\n00:00:05,000 --> 00:00:06,000\nRD: Since when?\n",
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_transcript(form: str) -> None:
    assert told(FORMS[form]) == TALK
    assert told(FORMS[form].encode("utf-8")) == TALK
    assert told(FORMS[form].encode("utf-16")) == TALK


def test_sides_follow_the_rubrics_names_whatever_their_case_and_company() -> None:
    said = told(
        "Nurse Kim: a\nDr. Ada: b\nSTUDENT NURSE: c\ncustomer: d\nSupport Agent: e\nPatient (Mary): f\nSpeaker 1: g"
    )
    assert [side for _, side, _ in said] == ["rated", "rated", "rated", "other", "rated", "other", "unknown"]


def test_voices_that_nobody_knows_stay_apart_and_on_no_side() -> None:
    assert told("A: one\nB: two\nA: three\nB: four") == [
        ("A", "unknown", "one"), ("B", "unknown", "two"), ("A", "unknown", "three"), ("B", "unknown", "four"),
    ]  # fmt: skip
    assert told("I slept badly.\nThe doctor said: rest.") == [("", "unknown", "I slept badly. The doctor said: rest.")]


def test_a_heading_inside_speech_is_speech() -> None:
    said = told("RD: Here it is.\nNote: drink water\nPlan: walk\nPlan: sleep\nMonday: soup\nPatient: Thanks.")
    assert said == [
        ("RD", "rated", "Here it is. Note: drink water Plan: walk Plan: sleep Monday: soup"),
        ("Patient", "other", "Thanks."),
    ]


def test_a_line_of_a_system_takes_nothing_that_follows_with_it() -> None:
    assert told("RD: One.\nSystem: Give five.\nTwo.\nPatient: Three.") == [
        ("RD", "rated", "One."), ("System", "unknown", "Give five."), ("RD", "rated", "Two."),
        ("Patient", "other", "Three."),
    ]  # fmt: skip


def test_lines_of_json_or_times_amid_speech_do_not_hide_the_speech() -> None:
    assert ("RD", "rated", "Hello.") in told('{"empathy": 5}\nRD: Hello.\nPatient: Hi.')
    assert ("RD", "rated", "Hello. 00:00:01.000 --> 00:00:02.000 x") not in told("RD: Hello.\nPatient: Hi.")
    assert told("RD: Rude.\n00:00:01.000 --> 00:00:02.000\nPatient: Hi.")[0] == ("RD", "rated", "Rude.")


REFUSED = {
    "nothing": ("", "is empty"),
    "blanks": (" \n\t\u200b", "is empty"),
    "no letters": ("--- ...", "is empty"),
    "labels only": ("[]", "is empty"),
    "latin-1": ("RD: Schön".encode("latin-1"), "byte 8 can't be read. Save it as UTF-8"),
    "half a pair": ("RD: \ud800", "Character 5"),
    "half a pair in JSON": ('{"transcript": "RD: \\udfff"}', "half of a pair"),
    "a zero byte": (b"RD: a\0b", "NUL"),
    "a zero byte in JSON": ('[{"text": "a\\u0000b"}]', "NUL"),
    "deep JSON": ("[" * 100_000, "nested too deep"),
    "a long number": ('[{"text": ' + "9" * 5_000 + "}]", "number that is too long"),
    "NaN": ('[{"text": NaN}]', "NaN"),
    "broken JSON": ('[{"text": "a"', "can't be read in line 1"),
    "a broken JSON line": ('{"text": "a"}\n{"text": }', "in line 2"),
    "no turns": ('{"a": 1}', "holds no turns"),
    "a turn without text": ('[{"text": "a"}, {"speaker": "RD"}]', "turn 2 has no `text`"),
    "a turn that is a number": ('[{"text": "a"}, 3]', "turn 2 is a number"),
    "a text that is a number": ('[{"text": 5}]', "turn 1 has a number as its text"),
    "a speaker that is a list": ('[{"text": "a", "speaker": [1]}]', "a list as its speaker"),
    "too many words": ("word " * (MOST_WORDS + 1), "20,001 words; at most 20,000"),
    "too many characters": ("a" * (MOST_CHARACTERS + 1), "200,001 characters; at most 200,000"),
    "a huge file": (b"a" * 5_000_000, "5,000,000 bytes"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_transcript_is_refused_in_one_sentence(kind: str) -> None:
    given, says = REFUSED[kind]
    with pytest.raises(TranscriptError) as error:
        read_transcript(given, RUBRIC)
    assert says in str(error.value) and len(str(error.value)) < 250 and "\n" not in str(error.value)


def test_control_characters_are_blanks_and_letters_are_composed() -> None:
    assert told("RD: a\x07b\x1bc cafe\u0301\u2028x") == [("RD", "rated", "a b c café x")]


_words = st.sampled_from(
    [
        *(
            "RD:",
            "Patient:",
            "RD",
            "Patient",
            "Dr.",
            "Nurse Kim:",
            "Note:",
            "System:",
            "Bob:",
            "A:",
            "Speaker 1:",
            "é",
            "5",
        ),
        *(
            "hello",
            "I",
            "said.",
            "00:12",
            "**",
            "[00:01]",
            "<v Bob>",
            "--",
            '"',
            "\u200b",
            "Unknown:",
            "\t",
            "\n",
            "\n\n",
        ),
        *("-", "x", "{", "}"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_words, max_size=30).map(" ".join))
def test_what_was_read_and_written_reads_the_same(text: str) -> None:
    try:
        transcript = read_transcript(text, RUBRIC)
    except TranscriptError:
        return
    assert read_transcript(transcript.render(), RUBRIC) == transcript
    assert all(one.text == " ".join(one.text.split()) and one.text for one in transcript.utterances)


_turns = st.fixed_dictionaries(
    {
        "speaker": st.text(max_size=12) | _words,
        "text": st.lists(_words, max_size=6).map(lambda said: " ".join(["Well,", *said])),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_turns))
def test_turns_of_any_names_read_the_same_again(turns: list[dict[str, str]]) -> None:
    try:
        transcript = read_transcript(json.dumps(turns), RUBRIC)
    except TranscriptError:
        return
    assert read_transcript(transcript.render(), RUBRIC) == transcript
