"""Written answers beside expected ones: SQuAD's exact match and F1, ROUGE-L, BLEU, chrF."""

import re
import string
from collections import Counter
from collections.abc import Sequence
from functools import cache

from rouge_score.tokenize import tokenize
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def squad_words(text: str) -> list[str]:
    """Return the words of an answer as SQuAD compares them: lower case, no punctuation, no articles.

    Source: Rajpurkar et al. 2016, doi:10.18653/v1/D16-1264.
    """
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()


def same_text(answer: str, expected: str) -> float:
    """Return 1.0 if two answers are the same but for blanks, else 0.0: case and every sign count."""
    return float(answer.split() == expected.split())


def exact_match(answer: str, expected: str) -> float:
    """Return 1.0 if two answers are the same to SQuAD, else 0.0: case, punctuation and articles do not count."""
    return float(squad_words(answer) == squad_words(expected))


def token_f1(answer: str, expected: str) -> float:
    """Return SQuAD's F1 of the words of two answers, 0 to 1."""
    ours, theirs = squad_words(answer), squad_words(expected)
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))


def rouge_l(answer: str, expected: str) -> float:
    """Return ROUGE-L's F1 of two texts, 0 to 1: the longest common sequence of words, as rouge-score splits them.

    Source: Lin 2004, aclanthology.org/W04-1013.
    """
    ours, theirs = tokenize(answer, None), tokenize(expected, None)
    if not ours or not theirs:
        return 0.0
    return 2 * _common_length(ours, theirs) / (len(ours) + len(theirs))


def _common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common sequence, 64 and more comparisons at a time: one bit a word of `first`.

    Source: Hyyrö 2004, bit-parallel LCS-length computation revisited.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    whole = row = (1 << len(first)) - 1
    for word in second:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & whole
    return len(first) - row.bit_count()


@cache
def _sentence_bleu() -> BLEU:
    return BLEU(effective_order=True)


@cache
def _chrf() -> CHRF:
    return CHRF()


def bleu_of_one(answer: str, expected: str) -> float:
    """Return the BLEU of one text, 0 to 1, as far as its length allows orders of n-grams."""
    return min(1.0, _sentence_bleu().sentence_score(answer, [expected]).score / 100)


def chrf_of_one(answer: str, expected: str) -> float:
    """Return the chrF of one text, 0 to 1."""
    return min(1.0, _chrf().sentence_score(answer, [expected]).score / 100)


def bleu(answers: Sequence[str], expected: Sequence[str]) -> float:
    """Return the BLEU of a corpus, 0 to 1. Source: Papineni et al. 2002; Post 2018 (sacrebleu)."""
    return float(BLEU().corpus_score(list(answers), [list(expected)]).score / 100)


def chrf(answers: Sequence[str], expected: Sequence[str]) -> float:
    """Return the chrF of a corpus, 0 to 1. Source: Popović 2015."""
    return float(CHRF().corpus_score(list(answers), [list(expected)]).score / 100)
