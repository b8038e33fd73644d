"""Personal data in transcripts, replaced by marks before anything else sees them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from core.catalog.rubrics import DEFAULT, Rubric, find
from core.datasets.doctor.privacy import Spot, find_personal, find_secrets, hide
from core.scoring.guard.identifiers import FORMS, SITES, Form
from core.scoring.labels import ROLES, join
from core.scoring.transcript import Transcript, Utterance


class Masked(NamedTuple):
    """What was replaced: characters [start, end) of the original utterance with this index; -1, -1 in its label."""

    utterance: int
    start: int
    end: int
    mark: str


# Capitalised words behind "I'm", "Hello", "This is" or a title that are no names.
_NO_NAMES = frozenset(
    {"a", "an", "the", "i", "you", "we", "they", "he", "she", "it", "this", "that", "there", "here", "what"}
    | {"where", "when", "why", "how", "who", "which", "and", "but", "so", "or", "not", "no", "yes", "ok", "okay"}
    | {"sure", "well", "just", "very", "really", "good", "great", "fine", "happy", "sorry", "glad", "all", "everyone"}
    | {"everybody", "both", "folks", "doctor", "nurse", "patient", "sir", "madam", "ma'am", "miss", "class", "team"}
    | {"again", "please", "thanks", "morning", "afternoon", "evening", "monday", "tuesday", "wednesday", "thursday"}
    | {"friday", "saturday", "sunday", "english", "german", "french", "spanish", "italian", "dutch", "american"}
    | {"british", "canadian", "mexican", "indian", "chinese", "japanese", "african", "asian", "european", "hispanic"}
    | {"latino", "latina", "catholic", "christian", "jewish", "muslim", "medicare", "medicaid", "covid", "god"}
    | {"jesus", "christmas", "easter", "your", "my", "our", "dietitian", "nutritionist", "therapist", "physician"}
    | {"provider", "counselor", "counsellor", "coach", "customer", "pharmacist", "adviser", "advisor", "banker"}
    | {"agent", "support", "teacher", "tutor", "mom", "dad", "mum", "pepper", "dr", "mrs", "mr", "ms", "mx", "prof"}
    | {"professor", "frau", "herr"}
)
# Words of a label beside the rubric's names that say what somebody is, not who.
_PLAIN_LABELS = frozenset(
    {"registered", "senior", "junior", "head", "student", "customer", "service", "support", "care", "medical"}
    | {"physical", "practitioner", "guest", "family", "interviewer", "interviewee", "operator", "host", "moderator"}
    | {"narrator", "interpreter", "translator", "spouse", "friend", "relative", "visitor", "speaker", "spk"}
    | {"participant", "person", "voice", "unknown", "question", "answer", "q", "a", "b", "c", "d", "human", "gpt"}
    | {"bot", "manager", "staff", "woman", "man", "boy", "girl", "child", "sister", "brother", "partner", "employee"}
    | {"employer", "officer"}
)


def mask(transcript: Transcript, rubric: Rubric | None = None) -> tuple[Transcript, list[Masked]]:
    """Return a transcript with personal data replaced by marks such as [NAME], and what was replaced where.

    Of HIPAA's 18 kinds, form tells: titled or introduced names, street addresses and ZIP codes, dates and ages over 89,
    phone, fax, e-mail, social security, record, member, account, licence, plate and serial numbers when they are
    labelled, URLs and IP addresses. Form can't tell a name in free speech ("Anna said"), a town alone, a number
    nobody labels, a rare story that only one person has, nor faces, voices and fingerprints, which are not in text.
    Masking twice changes nothing. The result is joined as every transcript is: two nurses become one voice.
    """
    found: list[Masked] = []
    kept: list[Utterance] = []
    labels = _mask_labels(transcript, rubric or find(DEFAULT))
    for index, one in enumerate(transcript.utterances):
        if labels[one.speaker] != one.speaker:
            found.append(Masked(index, -1, -1, "[NAME]"))
        text, spots = _mask_text(one.text)
        found += [Masked(index, *spot) for spot in spots]
        kept.append(Utterance(labels[one.speaker], one.side, text))
    return join(kept), found


def find_private(text: str) -> list[Spot]:
    """Return personal data and secrets in a text, in their order, none overlapping."""
    spots: list[Spot] = []
    taken = bytearray(len(text))
    for spot in (*find_secrets(text), *_find_forms(text, SITES), *find_personal(text), *_find_forms(text, FORMS)):
        if not any(taken[spot.start : spot.end]):
            taken[spot.start : spot.end] = b"\1" * (spot.end - spot.start)
            spots.append(spot)
    return sorted(spots)


def _find_forms(text: str, forms: tuple[Form, ...]) -> Iterator[Spot]:
    for mark, pattern in forms:
        for match in pattern.finditer(text):
            part = "hide" if "hide" in pattern.groupindex else 0
            first = re.match(r"[\w']+", match[part])
            if mark != "[NAME]" or (first and first[0].casefold() not in _NO_NAMES):
                yield Spot(*match.span(part), mark)


def _mask_text(text: str) -> tuple[str, list[Spot]]:
    """Return the masked text and the spots in the original; what a first mark uncovers is found in a second look."""
    found: list[Spot] = []
    for _ in range(4):
        spots = [spot for spot in find_private(text) if text[spot.start : spot.end] != spot.mark]
        if not spots:
            break
        text, found = hide(text, spots), sorted([*found, *(_place(spot, found) for spot in spots)])
    return text, found


def _place(spot: Spot, before: list[Spot]) -> Spot:
    """Return where a spot of a text that is masked in part stands in the original."""
    grown = 0
    for one in before:
        if one.start + grown < spot.start:
            grown += len(one.mark) - (one.end - one.start)
    start = spot.start - grown
    return Spot(start, max(start, spot.end - grown), spot.mark)


def _mask_labels(transcript: Transcript, rubric: Rubric) -> dict[str, str]:
    """Return each label without the name in it: "Nurse" for "Nurse Kim", "Speaker 2" for "Kim"."""
    names = {word for name in (*rubric.rated.names, *rubric.other.names) for word in name.casefold().split()}
    plain = names | _PLAIN_LABELS
    labels: dict[str, str] = {"": ""}
    given = {one.speaker for one in transcript.utterances}
    free = (f"Speaker {number}" for number in range(1, len(given) + 100))
    for one in transcript.utterances:
        if one.speaker in labels or one.speaker.casefold() in ROLES:
            labels.setdefault(one.speaker, one.speaker)
            continue
        kept = [word for word in one.speaker.split() if _is_plain(word, plain)]
        labels[one.speaker] = " ".join(kept) if kept else next(label for label in free if label not in given)
    return labels


def _is_plain(word: str, plain: set[str] | frozenset[str]) -> bool:
    parts = re.sub(r"[\W\d_]+", " ", word).casefold().split()
    return all(part in plain for part in parts)
