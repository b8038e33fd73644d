"""The vocabulary of the starter's generated text, read from data/starter/words.yaml."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

WORDS_FILE = Path(__file__).resolve().parents[2] / "data" / "starter" / "words.yaml"


@dataclass(frozen=True)
class Words:
    """Word lists by kind; `verbs` are (base, past) pairs, `everyday` are (topic, predicate, reason)."""

    lists: dict[str, tuple[str, ...]]
    terms: tuple[str, ...]
    verbs: tuple[tuple[str, str], ...]
    everyday: tuple[tuple[str, str, str], ...]
    syllables: tuple[str, ...]
    endings: tuple[str, ...]

    def pick(self, random: Random, kind: str) -> str:
        return random.choice(self.lists[kind])

    def noun(self, random: Random) -> str:
        """Return a thing that can be counted, now and then one that exists nowhere."""
        roll = random.random()
        if roll < 0.25:
            return self.invented(random)
        if roll < 0.45:
            return self.term(random)
        return random.choice(self.lists[random.choice(("objects", "animals", "foods", "people"))])

    def term(self, random: Random) -> str:
        return random.choice(self.terms)

    def invented(self, random: Random) -> str:
        """Return a made-up word, so that copying is learned letter by letter and not by heart."""
        stem = "".join(random.choice(self.syllables) for _ in range(random.choice((1, 2, 2, 3))))
        return stem + random.choice(self.endings) if random.random() < 0.6 else stem + "bo"

    def label(self, random: Random) -> str:
        """Return the name of a quantity, such as 'total old lamps' or 'norlim level'."""
        head = self.noun(random)
        shape = random.random()
        if shape < 0.35:
            return f"{self.pick(random, 'adjectives')} {head}"
        if shape < 0.5:
            return f"total {head}"
        if shape < 0.65:
            return f"{head} {random.choice(('count', 'level', 'amount', 'volume', 'cost', 'total', 'score', 'value'))}"
        return head

    def person(self, random: Random) -> str:
        if random.random() < 0.5:
            return self.pick(random, "names")
        return f"{self.pick(random, 'names')} {self.pick(random, 'surnames')}"


def read_words(path: Path = WORDS_FILE) -> Words:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    plain = {
        kind: tuple(raw[kind].split())
        for kind in (
            "people",
            "names",
            "surnames",
            "places",
            "cities",
            "objects",
            "animals",
            "foods",
            "materials",
            "colors",
            "adjectives",
            "adverbs",
            "units",
            "formal",
        )
    }
    plain["times"] = tuple(part.strip() for part in raw["times"].split("|"))
    terms = tuple(sorted({part.strip() for text in raw["domains"].values() for part in text.split("|")}))
    verbs = []
    for pair in raw["verbs"].split():
        base, past = pair.split(":")
        verbs.append((base, past))
    everyday = []
    for line in raw["everyday"].strip().splitlines():
        topic, predicate, reason = (part.strip() for part in line.split("|"))
        everyday.append((topic, predicate, reason))
    return Words(
        plain, terms, tuple(verbs), tuple(everyday), tuple(raw["syllables"].split()), tuple(raw["endings"].split())
    )


def sentence_case(text: str) -> str:
    """Return the text with its first letter large and the rest as it was, so that 'CET1' stays 'CET1'."""
    return text[:1].upper() + text[1:]
