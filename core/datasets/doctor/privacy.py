"""Personal data and secrets in texts: found by their form and their check digits, and replaced by marks."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import phonenumbers
from stdnum import iban, luhn
from stdnum.us import ssn

_LONG_NUMBER = re.compile(r"\d[\d .()+-]{5,}\d")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63})+")
_CARD = re.compile(r"(?<![\d.,])[3-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\d.,]\d|\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_PHONE = re.compile(
    r"(?<![\w.,/-])(?:\+\d{1,3}[ .-]?(?:\(?\d{1,4}\)?[ .-]?){2,5}\d{2,4}|\(\d{3}\) ?\d{3}[ .-]\d{4}"
    r"|\d{3}([.-])\d{3}\1\d{4})(?![\w-]|[.,]\d)"
)
_KEYLIKE = re.compile(r"[A-Za-z0-9_\-+/=]{16,}|-----BEGIN|://[^\s/:@]+:[^\s/@]+@")
_SPEAKS_OF_SECRETS = re.compile("[Pp]ass|PASS|[Pp]wd|PWD|[Kk]ey|KEY|[Ss]ecret|SECRET")
_PASSWORD = re.compile(r"(?i)\b(?:password|passwort|passwd|pwd|api[_ ]?key|secret)\b\s*(?:is|=|:)\s*[\"']?(\S{6,})")
# Kinds of detect-secrets that know a key by its form; those that guess by randomness find every long word.
_GUESSES = {"Base64 High Entropy String", "Hex High Entropy String", "Secret Keyword", "Public IP (ipv4)"}


class Spot(NamedTuple):
    """Where something private stands in a text: [start, end), and the mark that may replace it."""

    start: int
    end: int
    mark: str


def find_personal(text: str) -> list[Spot]:
    """Return e-mail addresses, phone numbers, card numbers, IBANs and US social security numbers in a text."""
    found: list[Spot] = []
    if "@" not in text and not _LONG_NUMBER.search(text):
        return found
    checks: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
        ("[EMAIL]", _EMAIL, lambda _: True),
        ("[IBAN]", _IBAN, iban.is_valid),
        ("[CARD]", _CARD, _is_card),
        ("[SSN]", _SSN, ssn.is_valid),
        ("[PHONE]", _PHONE, _is_phone),
    )
    for mark, pattern, is_one in checks:
        if mark == "[EMAIL]" and "@" not in text:
            continue
        for match in pattern.finditer(text):
            if is_one(match.group()) and not any(match.start() < one.end and one.start < match.end() for one in found):
                found.append(Spot(match.start(), match.end(), mark))
    return found


def _is_card(text: str) -> bool:
    digits = re.sub(r"\D", "", text)
    return 13 <= len(digits) <= 19 and luhn.is_valid(digits) and len(set(digits)) > 1


def _is_phone(text: str) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(text, "US"))
    except phonenumbers.NumberParseException:
        return False


def find_secrets(text: str) -> list[Spot]:
    """Return keys, tokens and passwords in a text."""
    found = []
    if _SPEAKS_OF_SECRETS.search(text):
        found = [Spot(match.start(1), match.end(1), "[SECRET]") for match in _PASSWORD.finditer(text)]
    if _KEYLIKE.search(text):
        for value in _known_keys(text):
            start = text.find(value)
            if start >= 0 and not any(start < one.end and one.start < start + len(value) for one in found):
                found.append(Spot(start, start + len(value), "[SECRET]"))
    return found


def _known_keys(text: str) -> Iterator[str]:
    for detector in _detectors():
        for value in detector.analyze_string(text):
            if value:
                yield value


@cache
def _detectors() -> list[Any]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    kinds: dict[str, Any] = get_mapping_from_secret_type_to_class()
    return [kind() for name, kind in kinds.items() if name not in _GUESSES]


def hide(text: str, spots: list[Spot]) -> str:
    """Return a text with its private spots replaced by their marks."""
    for spot in sorted(spots, reverse=True):
        text = text[: spot.start] + spot.mark + text[spot.end :]
    return text
