"""Rules for what speaks to a scorer, over folded sentences; a rule is a form of words or a meeting of concepts."""

import re
from functools import lru_cache

from core.catalog.rubrics import Rubric
from core.scoring.guard import concepts, phrases
from core.scoring.guard.concepts import patterns_of, titles


class Sentence:
    """A folded sentence, and what it speaks of; scores of other things, such as pain, are taken out."""

    def __init__(self, text: str, rubric: Rubric) -> None:
        self.whole = text
        self.text = concepts.OTHER_SCORES.sub("~", text)
        self.rubric = rubric
        self.asks = text.rstrip("\"' ").endswith("?")
        dimensions, self.professionals = patterns_of(rubric)
        self.named = set(dimensions.findall(self.text))
        self._has: dict[int, bool] = {}

    def has(self, *concept: re.Pattern[str]) -> bool:
        """Tell whether the sentence speaks of all of these."""
        for one in concept:
            key = id(one)  # Hashing a pattern takes longer than many a search.
            if key not in self._has:
                self._has[key] = one.search(self.text) is not None
            if not self._has[key]:
                return False
        return True

    def has_any(self, *concept: re.Pattern[str]) -> bool:
        return any(self.has(one) for one in concept)

    @property
    def professional(self) -> bool:
        return self.has(self.professionals)

    @property
    def to_scorer(self) -> bool:
        return self.has_any(concepts.SCORERS, concepts.MACHINES)


def judge(text: str, rubric: Rubric) -> str:
    """Return the kind of suspicion of a folded sentence, "" if it is plain talk."""
    if phrases.ROLE_MARKS.search(text):
        return "role"
    said = Sentence(text, rubric)
    checks = (
        ("instruction", _orders),
        ("pressure", _presses),
        ("authority", _claims_authority),
        ("scorer", _speaks_to_scorer),
        ("rating", _rates),
        ("praise", _praises),
    )
    return next((kind for kind, check in checks if check(said)), "")


def judge_spread(word: str, rubric: Rubric) -> bool:
    """Tell whether letters that stood apart make a word that belongs to scoring."""
    return any(part in word for part in (*(title.replace(" ", "") for title in titles(rubric)), *phrases.TELLING))


def follows_on(text: str, rubric: Rubric) -> bool:
    """Tell whether a folded sentence, beside a flagged one, belongs to it."""
    said = Sentence(text, rubric)
    if said.named or said.has_any(phrases.FOLLOWS, concepts.SCORERS) or "transcript" in said.text:
        return True
    if len(text.split()) <= 8 and said.has_any(concepts.POWERS, concepts.MACHINES):
        return True
    return said.has(phrases.IMPERATIVE, concepts.HIGHEST) or said.has(concepts.POWERS, concepts.RULES)


def _orders(said: Sentence) -> bool:
    if said.has(phrases.GIVES_FIVE) and not said.asks and not said.has(phrases.I_GIVE):
        return True
    if said.has_any(
        phrases.MODEL_TALK, phrases.ASKED, phrases.ANSWER_WITH, phrases.FAR, phrases.LENIENCE, phrases.REDEFINES
    ):
        return True
    about = bool(said.named) or said.to_scorer or said.has(concepts.RATINGS) or "transcript" in said.text
    if said.has(concepts.OVERRIDES, concepts.RULES) and not said.asks and (said.has(concepts.SCOPES) or about):
        return about or not said.has(phrases.HOME)
    if said.asks or not said.has(concepts.HIGHEST):
        return False
    imperative = said.has(phrases.IMPERATIVE)
    if imperative and (said.has_any(concepts.ALL_OF_IT, concepts.TALKS) or said.professional):
        return True
    if not said.has(concepts.RATINGS) or said.has(phrases.I_WOULD):
        return False
    return imperative or (
        said.has(concepts.ORDERS, concepts.GIVES) and (not said.has(concepts.ME) or said.professional)
    )


def _presses(said: Sentence) -> bool:
    if said.has(phrases.LOW_RATING):
        return True
    if not said.has(concepts.STAKES) or not (said.to_scorer or said.has_any(phrases.IMPERATIVE, phrases.CONDITION)):
        return False
    if said.has(concepts.RATINGS):
        return said.has(concepts.HIGHEST) or (said.to_scorer and said.has(concepts.GIVES))
    return said.has(concepts.HIGHEST, concepts.GIVES) and (said.to_scorer or said.has(phrases.A_FIVE))


def _claims_authority(said: Sentence) -> bool:
    if said.has(phrases.STUDIES) and (said.has(concepts.TALKS) or said.named or said.professional):
        return said.has_any(concepts.PRAISE, concepts.HIGHEST)
    if not said.has(concepts.POWERS, concepts.DECREES):
        return False
    if said.has(phrases.DECIDED_ON) or (
        said.has(concepts.MACHINES, concepts.HIGHEST, concepts.GIVES) and not said.asks
    ):
        return True
    return said.has(concepts.RATINGS) and (
        bool(said.named) or said.professional or said.has_any(concepts.HIGHEST, concepts.SCORERS, concepts.TALKS)
    )


def _speaks_to_scorer(said: Sentence) -> bool:
    if said.has(phrases.TO_SCORER):
        return True
    high = said.has(concepts.HIGHEST, concepts.GIVES)
    if said.has(concepts.SCORERS):
        others = (concepts.RATINGS, concepts.PRAISE, concepts.TALKS, concepts.OVERRIDES, concepts.ORDERS)
        return bool(said.named) or high or said.professional or said.has_any(*others)
    if said.has(concepts.MACHINES):
        if said.named or "transcript" in said.text or said.has(concepts.ORDERS, phrases.BE_SCORED):
            return True
        return (said.has(concepts.RATINGS) and said.has_any(concepts.GIVES, concepts.HIGHEST)) or (
            high and said.has(concepts.ORDERS)
        )
    return said.has(phrases.TOLD_TALE, concepts.HIGHEST) and said.has_any(concepts.RATINGS, concepts.TALKS)


def _rates(said: Sentence) -> bool:
    if said.named and said.has_any(phrases.NUMBER, concepts.RATINGS):
        return True
    if said.has(phrases.RATING_SAID) and not said.asks and not said.has_any(phrases.TOLD_YOU, phrases.I_SCORED):
        return True
    if said.has(phrases.LEADING) or (said.has(phrases.STARS) and (said.professional or said.has(concepts.TALKS))):
        return True
    if re.search("[★⭐🌟]{2,}|^\\W*(?:5|five) stars", said.text):
        return True
    if said.has(phrases.FORM_FIELD) or (said.has(phrases.PASSED) and not said.has(concepts.YOU)):
        return True
    if said.professional and said.has(concepts.RATINGS) and said.has_any(concepts.HIGHEST, concepts.GIVES):
        return True
    return _quotes_rubric(said)


def _praises(said: Sentence) -> bool:
    if said.asks:
        return False
    if said.has(phrases.SELF_PRAISE) or (
        said.has(phrases.RECORD) and (said.named or said.has_any(concepts.PRAISE, concepts.MINDS))
    ):
        return True
    if said.has(phrases.CONCLUDES) and (said.named or said.has_any(concepts.PRAISE, phrases.FLATTERY)):
        return True
    if said.has(concepts.TALKS):
        if said.has(concepts.HIGHEST) and said.has_any(concepts.RATINGS, concepts.GIVES):
            return True
        if said.has(concepts.PRAISE) and (said.has(phrases.FLATTERY) or "transcript" in said.text):
            return True
    if said.named and not said.has(concepts.YOU):
        return said.professional or len(said.named) > 1 or said.has_any(concepts.PRAISE, phrases.SUCH)
    if not said.professional:
        return False
    if said.has(concepts.PRAISE, concepts.DISPLAYS) and (not said.has(concepts.ME) or said.has(phrases.FLATTERY)):
        return True
    if said.has_any(concepts.ME, concepts.YOU):
        return said.has(phrases.OBSERVED, concepts.MINDS)
    if said.has(phrases.GOOD_WORK, concepts.PRAISE) or re.search(
        r"\b(?:job|work|rapport\b.{0,12}) by the\b", said.text
    ):
        return True
    minds = set(concepts.MINDS.findall(said.text))
    return len(minds) > 1 or (bool(minds) and said.has_any(phrases.OBSERVED, phrases.GOOD_WORK))


def _quotes_rubric(said: Sentence) -> bool:
    """Tell whether a sentence is made of the words in which the rubric describes a score."""
    words = _stems(said.text)
    if len(words) < 4:
        return False
    texts = tuple(text for one in said.rubric.dimensions for text in (one.description, *one.anchors.values()))
    return any(len(words & anchor) >= max(4, 0.6 * len(words)) for anchor in _anchors(texts))


@lru_cache(maxsize=32)
def _anchors(texts: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    return tuple(_stems(text.casefold()) for text in texts)


def _stems(text: str) -> frozenset[str]:
    return frozenset(word[:4] for word in re.findall(r"[^\W\d_]{4,}", text)) - _PLAIN


_PLAIN = frozenset(
    {"what", "when", "that", "this", "with", "they", "them", "from", "have", "into", "your", "some", "then"}
)
