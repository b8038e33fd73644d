"""Personal data in transcripts is replaced by marks, and plain talk stays as it is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.catalog.rubrics import find
from core.scoring.guard.masking import find_private, mask
from core.scoring.reading import read_transcript
from core.scoring.transcript import Transcript, Utterance

RUBRIC = find("conversation")

# What is said, and what of it may not be seen afterwards. The kinds are those of HIPAA as far as form can tell them.
PRIVATE = {
    "a name given": ("My name is Anna Lee.", "Anna Lee", "[NAME]"),
    "a name given in small letters": ("my name is anna.", "anna", "[NAME]"),
    "a name behind a title": ("Mrs. O'Neil saw Dr. Ada Ray.", "O'Neil", "[NAME]"),
    "a name in a greeting": ("Hello Laura, come in.", "Laura", "[NAME]"),
    "a name of oneself": ("I'm John, your nurse.", "John", "[NAME]"),
    "a street": ("I live at 12 Oak Street, Springfield, IL 62704 now.", "12 Oak", "[ADDRESS]"),
    "a code behind a state": ("It is in NY 10013.", "10013", "[ADDRESS]"),
    "a date of birth": ("I was born on 3/4/1951.", "3/4/1951", "[DATE]"),
    "a date in words": ("It was March 5th, 1951.", "March 5th", "[DATE]"),
    "a date as spoken": ("on the fifth of May nineteen eighty", "fifth of May", "[DATE]"),
    "an age over 89": ("She is 93 years old.", "93", "[AGE]"),
    "a phone": ("Call 212-555-0187.", "0187", "[PHONE]"),
    "a short phone": ("call me at 555-1234", "555-1234", "[PHONE]"),
    "a mail address": ("Write to a.b@clinic.org please.", "a.b@clinic.org", "[EMAIL]"),
    "a social security number": ("It is 536-90-4399.", "536-90-4399", "[SSN]"),
    "a record": ("My medical record number is 8812345.", "8812345", "[ID]"),
    "a member": ("Member ID H7788990.", "H7788990", "[ID]"),
    "an account": ("account number 998877-12", "998877-12", "[ID]"),
    "a policy": ("Policy: AB-123456", "AB-123456", "[ID]"),
    "a licence": ("driver's license number D1234567", "D1234567", "[ID]"),
    "a plate": ("The plate is 7ABC123.", "7ABC123", "[PLATE]"),
    "a device": ("serial number SN-99887766", "SN-99887766", "[ID]"),
    "a page": ("See https://x.org/a?b=1 there.", "x.org", "[URL]"),
    "an IP address": ("from 10.1.22.3 today", "10.1.22.3", "[IP]"),
    "a key": ("the password is hunter22!", "hunter22", "[SECRET]"),
}  # fmt: skip
PLAIN = [
    "The pain is 7 out of 10, my pressure 120/80.",
    "I walk 10,000 steps, 5-6 days a week, at 3:45.",
    "You may 10 times. They march in place.",
    "I'm Happy to help. Doctor I am ill. Thanks, Doctor.",
    "I am 45 years old and weigh 92 kilos.",
    "Take 2000 IU of vitamin D and a Dr. Pepper.",
    "Hello there, good morning.",
]


def say(text: str) -> Transcript:
    return Transcript((Utterance("RD", "rated", text),))


@pytest.mark.parametrize("kind", PRIVATE)
def test_what_is_private_is_replaced_by_its_mark(kind: str) -> None:
    text, hidden, mark = PRIVATE[kind]
    masked, found = mask(say(text))
    seen = masked.utterances[0].text
    assert hidden not in seen and mark in seen
    assert any(hidden in text[one.start : one.end] or text[one.start : one.end] in hidden for one in found)
    assert mask(masked) == (masked, [])


@pytest.mark.parametrize("text", PLAIN)
def test_plain_talk_stays(text: str) -> None:
    assert find_private(text) == []


def test_labels_keep_what_somebody_is_and_lose_who() -> None:
    given = read_transcript("Nurse Kim: a\nPatient: b\nDr. Ada Ray: c\nBo: d\nPatient: e\nBo: f\nSystem: g", RUBRIC)
    masked, found = mask(given)
    assert [one.speaker for one in masked.utterances] == [
        "Nurse", "Patient", "Dr.", "Speaker 1", "Patient", "Speaker 1", "System",
    ]  # fmt: skip
    assert [one.side for one in masked.utterances] == [one.side for one in given.utterances]
    assert {one.start for one in found} == {-1}
    assert read_transcript(masked.render(), RUBRIC) == masked


_parts = st.sampled_from(
    [text for text, _, _ in PRIVATE.values()]
    + PLAIN
    + ["Dr.", "I'm", "Hello", "my name is", "[NAME]", "12", "May", ",", "Lee"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_parts, min_size=1, max_size=5).map(" ".join))
def test_masking_again_changes_nothing(text: str) -> None:
    masked, _ = mask(say(text))
    assert mask(masked)[0] == masked
