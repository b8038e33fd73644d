"""Rows that say the same: to the letter, nearly, or with another answer."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from core.datasets.doctor.finding import Finding, make_finding
from core.datasets.examples import Example
from core.datasets.generator import normalise

# Words that change nothing when they come or go.
_FILLERS = frozenset({
    "a", "an", "the", "please", "kindly", "just", "very", "really", "so", "and", "or", "to", "of", "in", "on", "at",
    "by", "for", "with", "from", "is", "are", "was", "be", "i", "you", "me", "my", "your", "it", "this", "that",
    "do", "does", "can", "could", "would", "will", "shall", "hi", "hello", "thanks", "thank",
})  # fmt: skip
LEAST_WORDS = 5  # shorter questions differ in every word that matters
LIKENESS = 0.85  # share of word pairs in common
HASHES, BANDS = 64, 16
MOST_LETTERS = 4_000
LEAST_FRAMED = 20


class Texts:
    """The rows' texts in the forms that are compared, made once; `told` is what is asked without what all ask."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.asked = [
            normalise(" ".join([*(turn.text for turn in example.turns), example.prompt])) or example.prompt
            for example in examples
        ]
        self.told = without_frame(self.asked) if len(self.asked) >= LEAST_FRAMED else self.asked
        self.answered = [normalise(example.response) or example.response for example in examples]


def without_frame(texts: Sequence[str]) -> list[str]:
    """Return the texts without the words that all of them begin and end with: a prompt around them says nothing."""
    first, last = min(texts), max(texts)  # what these two begin with, all begin with
    begin = len(_shared(first, last))
    turned = [text[::-1] for text in texts]
    end = len(_shared(min(turned), max(turned)))
    kept = [text[begin : len(text) - end] for text in texts]
    return kept if all(text.strip() for text in kept) else list(texts)


def _shared(one: str, other: str) -> str:
    """Return the whole words that two texts begin with."""
    same = next((place for place, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
    return one[:same].rpartition(" ")[0]


def find_duplicates(examples: Sequence[Example], texts: Texts) -> Finding | None:
    """Return every row that repeats an earlier one; case, punctuation and spaces do not count."""
    first: dict[tuple[str, str], int] = {}
    repeats = []
    for row, key in enumerate(zip(texts.asked, texts.answered, strict=True)):
        earlier = first.setdefault(key, row)
        if earlier != row:
            repeats.append((row, f"as row {earlier + 1}: {examples[row].prompt}"))
    return make_finding("duplicates", repeats)


def find_conflicts(examples: Sequence[Example], texts: Texts) -> Finding | None:
    """Return the rows of every question that has more than one answer."""
    answers: defaultdict[str, set[str]] = defaultdict(set)
    for asked, answered in zip(texts.asked, texts.answered, strict=True):
        answers[asked].add(answered)
    rows = [
        (row, f"{examples[row].prompt} → {examples[row].response}")
        for row, asked in enumerate(texts.asked)
        if len(answers[asked]) > 1
    ]
    # One row of each question is worth more as an example than three rows of one.
    rows.sort(key=lambda pair: pair[0])
    return make_finding("conflicts", rows)


def find_overlap(examples: Sequence[Example], texts: Texts, others: Sequence[Example]) -> Finding | None:
    """Return the rows whose question the other examples ask too."""
    asked = set(Texts(others).asked)
    return make_finding(
        "overlap", ((row, examples[row].prompt) for row, question in enumerate(texts.asked) if question in asked)
    )


def find_near_duplicates(examples: Sequence[Example], texts: Texts, known: set[int]) -> Finding | None:
    """Return every row that an earlier one says in nearly the same words, with the same numbers and the same answer.

    Two ways to be near: all words that matter are the same but one, which is misspelt or missing; or nearly all pairs
    of neighbouring words are the same.

    Args:
        known: Rows that repeat another to the letter.
    """
    rows = [row for row in range(len(examples)) if row not in known]
    near = _by_words(rows, texts) | _by_pairs(rows, texts)
    return make_finding(
        "near_duplicates",
        ((row, f"as row {earlier + 1}: {examples[row].prompt}") for row, earlier in sorted(near.items())),
    )


def _by_words(rows: Sequence[int], texts: Texts) -> dict[int, int]:
    """Return (row, earlier row) of questions whose words that matter differ in at most one letter or one word."""
    whole: dict[tuple[int, str], int] = {}
    lacking: defaultdict[tuple[int, str], list[tuple[str, int]]] = defaultdict(list)
    near: dict[int, int] = {}
    for row in rows:
        words = [word for word in texts.told[row][:MOST_LETTERS].split() if word not in _FILLERS]
        if len(words) < LEAST_WORDS:
            continue
        answer = texts.answered[row]
        hashes = [hash(word) for word in words]
        total = sum(hashes)
        earlier = whole.get((total, answer), next((other for _, other in lacking.get((total, answer), ())), None))
        spots = [(word, (total - one, answer)) for word, one in zip(words, hashes, strict=True) if not word.isdigit()]
        if earlier is None:
            for word, key in spots:
                earlier = whole.get(key)
                if earlier is None:
                    earlier = next((other for seen, other in lacking.get(key, ()) if _misspelt(word, seen)), None)
                if earlier is not None:
                    break
        if earlier is not None:
            near[row] = earlier
            continue
        whole[total, answer] = row
        for word, key in spots:
            if len(lacking[key]) < 50:
                lacking[key].append((word, row))
    return near


def _misspelt(one: str, other: str) -> bool:
    """Return whether two words differ in one letter, or in two neighbours that changed places."""
    if len(one) < 4 or len(other) < 4 or abs(len(one) - len(other)) > 1 or one.isdigit() or other.isdigit():
        return False
    if len(one) == len(other):
        places = [place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
        if len(places) == 2 and places[1] == places[0] + 1:
            return one[places[0]] == other[places[1]] and one[places[1]] == other[places[0]]
        return len(places) == 1
    short, long = sorted((one, other), key=len)
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))


def _by_pairs(rows: Sequence[int], texts: Texts) -> dict[int, int]:
    """Return (row, earlier row) of questions with nearly the same pairs of words; found by MinHash, then counted."""
    from rensa import RMinHash

    pairs: dict[int, set[str]] = {}
    marks: dict[int, str] = {}
    for row in rows:
        words = texts.told[row][:MOST_LETTERS].split()
        if len(words) >= 2 * LEAST_WORDS:
            # What must be equal is part of every pair, so rows with other numbers or answers never meet.
            marks[row] = f"{'|'.join(word for word in words if word[0].isdigit())}#{texts.answered[row]}"
            pairs[row] = {f"{one} {other}" for one, other in pairwise(words)}
    keyed = list(pairs)
    if len(keyed) < 2:
        return {}
    # Not `hash`, which differs from process to process: the same rows must always give the same finding.
    salts = [zlib.crc32(marks[row].encode("utf-8", "surrogatepass")) for row in keyed]
    salted = [[f"{salt}{pair}" for pair in pairs[row]] for salt, row in zip(salts, keyed, strict=True)]
    digests = np.array(RMinHash.digests_from_token_sets(salted, HASHES, 7), np.uint32)
    buckets: dict[tuple[int, bytes], list[int]] = {}
    near: dict[int, int] = {}
    width = HASHES // BANDS
    for place, row in enumerate(keyed):
        keys = [(band, digests[place, band * width : (band + 1) * width].tobytes()) for band in range(BANDS)]
        candidates = Counter(other for key in keys for other in buckets.get(key, ()))
        for other, _ in candidates.most_common(5):
            both = len(pairs[row] & pairs[other])
            if marks[row] == marks[other] and both >= LIKENESS * len(pairs[row] | pairs[other]):
                near[row] = other
                break
        else:
            for key in keys:
                buckets.setdefault(key, [])[50:] = []
                if len(buckets[key]) < 50:
                    buckets[key].append(row)
    return near
