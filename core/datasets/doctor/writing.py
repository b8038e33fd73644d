"""What is wrong with a text as a text: broken characters, wrong sums, answers of one sign, languages."""

import re
from collections import Counter
from collections.abc import Sequence

from core.datasets.arithmetic import Equation, wrong_equations
from core.datasets.doctor.finding import Finding, make_finding
from core.datasets.examples import Example

# Control signs, invisible signs, signs that turn the direction, private ones, and the mark of what was not decodable.
_ODD = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd\ue000-\uf8ff]"
)
_SUM = re.compile(r"[=≈]\s*[-$€£]?\s*[\d.]")
_ALGEBRA = re.compile(r"\d[A-Za-z]\b(?<!\d[kKmM])")
LANGUAGE_SAMPLE, LANGUAGE_LETTERS, OTHER_LANGUAGES = 200, 40, 0.02


def is_odd(text: str) -> bool:
    return _ODD.search(text) is not None or (not text.isascii() and _is_badly_decoded(text))


def _is_badly_decoded(text: str) -> bool:
    from ftfy.badness import is_bad  # what only data are examined with is not loaded before

    return bool(is_bad(text))


def mend(text: str) -> str:
    """Return a text with wrongly decoded letters put right and invisible signs taken out."""
    import ftfy

    repairs = ftfy.TextFixerConfig(
        unescape_html=False,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        fix_line_breaks=False,
        normalization=None,
    )
    return _ODD.sub("", ftfy.fix_text(text, repairs))


def find_odd_characters(examples: Sequence[Example]) -> Finding | None:
    return make_finding(
        "odd_characters",
        (
            (row, ascii(text[:120]))
            for row, example in enumerate(examples)
            if (text := next((one for one in (example.prompt, example.response) if is_odd(one)), ""))
        ),
    )


def _stands_alone(one: Equation, text: str) -> bool:
    """Return whether a sum is all that stands there: no algebra such as 2x, no part of 1 1/2 or 3(4 + 5)."""
    start = text.find(one.expression)
    end = text.find(one.stated, start + len(one.expression))
    if start < 0 or end < 0:
        return False
    before, behind = text[:start].rstrip(" $€£")[-1:], text[end + len(one.stated) :][:2]
    return not (
        (before.isalnum() and (text[start] == "(" or before.isdigit()))
        or (before in (")", "*", "/", "^", "+", "-", "×", "–", "−") and before)
        or behind[:1].isalnum()
        or (behind[:1] in ("/", ":") and behind[1:].isalnum())
        or _ALGEBRA.search(text, start, end + len(one.stated) + 1)
    )  # fmt: skip


def find_wrong_sums(examples: Sequence[Example]) -> Finding | None:
    wrong = []
    for row, example in enumerate(examples):
        if _SUM.search(example.response):
            sums = [one for one in wrong_equations(example.response) if _stands_alone(one, example.response)]
            if sums:
                wrong.append((row, f"{sums[0].expression} = {sums[0].stated}, but it gives {sums[0].computed:.6g}"))
    return make_finding("wrong_sums", wrong)


def find_short_answers(examples: Sequence[Example]) -> Finding | None:
    """Return answers of one sign, where the other answers are longer: a label or a number may be one sign."""
    usual = Counter(example.response for example in examples)
    lengths = sorted(len(example.response) for example in examples)
    are_long = bool(lengths) and lengths[len(lengths) // 2] > 10
    return make_finding(
        "short_answers",
        (
            (row, f"{example.prompt} → {example.response}")
            for row, example in enumerate(examples)
            if len(example.response.strip()) <= 1
            and (are_long or (not example.response.strip().isalnum() and usual[example.response] < 3))
        ),
    )


def find_languages(examples: Sequence[Example]) -> Finding | None:
    """Return rows in another language than most, by a sample."""
    long = [row for row, example in enumerate(examples) if len(example.prompt) >= LANGUAGE_LETTERS]
    step = max(1, len(long) // LANGUAGE_SAMPLE)
    sample = long[::step][:LANGUAGE_SAMPLE]
    if len(sample) < 20:
        return None
    import py3langid

    told = {row: py3langid.classify(examples[row].prompt)[0] for row in sample}
    counts = Counter(told.values())
    main = counts.most_common(1)[0][0]
    others = [row for row in sample if told[row] != main and counts[told[row]] >= max(3, OTHER_LANGUAGES * len(sample))]
    share = ", ".join(f"{name} {count / len(sample):.0%}" for name, count in counts.most_common(4) if count > 2)
    return make_finding("languages", ((row, examples[row].prompt) for row in others), f"Of a sample: {share}.")
