"""Made transcripts with ratings for a rubric: each dimension's level is drawn by itself, and what is said realises it.

Scenarios and what a professional says at each level stand in data/transcripts. The ratings follow from what was drawn,
so they are as right as the phrases are; what people would score is another matter. A fifth of the phrases can be kept
out of training, to see what a model makes of words that it never saw.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from core.catalog.rubrics import RUBRICS_DIR, SCALE, Dimension, Rubric
from core.errors import NotFound
from core.paths import DATA_DIR
from core.scoring import ratings
from core.scoring.ratings import Rated
from core.scoring.transcript import Side, Transcript, Utterance
from core.strict_yaml import Loader

FOLDER = DATA_DIR / "transcripts"
SAMPLES = FOLDER / "samples"
ASIDES = FOLDER / "asides.yaml"
LONGEST = 2_000
KEPT_OUT = 5  # of so many phrases of a list, the last one is kept out where only known ones are wanted
COMMON = 0.25  # how often a dimension takes the level that the whole conversation tends to
ASIDE = 0.12  # how often one of several moves is a level off
TALK = (
    "What can you tell me about it?",
    "Please tell me more.",
    "Go on.",
    "What do I need to know?",
    "Tell me about it.",
)

Phrases = Literal["all", "known", "kept out"]

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def make(
    rubric: Rubric, count: int, seed: int, longest: int = LONGEST, shortest: int = 90, phrases: Phrases = "all"
) -> list[Rated]:
    """Return made transcripts with their ratings; the same seed gives the same ones.

    Args:
        longest: In words. Most transcripts are far shorter; a tail reaches up to it.
        shortest: In words; a few come out somewhat shorter.
        phrases: Which of the phrases that show a level are used.

    Raises:
        NotFound: There are no phrases for the rubric.
    """
    moves = _read_moves(rubric, phrases)
    settings = read_settings()
    scenarios = [(name, scenario["id"]) for name, setting in settings.items() for scenario in setting["scenarios"]]
    random = np.random.default_rng([seed, 1_903])
    found: list[Rated] = []
    while len(found) < count:
        for place in random.permutation(len(scenarios))[: count - len(found)]:
            name, scenario = scenarios[place]
            given = next(one for one in settings[name]["scenarios"] if one["id"] == scenario)
            talk = _Talk(rubric, moves, settings[name], given, random)
            words = _draw_length(random, shortest, longest)
            found.append(talk.hold(words, f"{name}/{scenario}/{len(found) + 1}"))
    return found


def make_excerpts(rubric: Rubric, count: int, seed: int, about: int, phrases: Phrases = "all") -> list[Rated]:
    """Return made excerpts of a few turns, each about so many dimensions, and rated by these alone.

    Little else is said in them, so that what makes a score is learned sooner than from whole conversations.
    """
    moves, settings = _read_moves(rubric, phrases), read_settings()
    scenarios = [(name, given) for name, setting in settings.items() for given in setting["scenarios"]]
    random = np.random.default_rng([seed, 1_907, about])
    found = []
    for number in range(1, count + 1):
        name, given = scenarios[int(random.integers(len(scenarios)))]
        talk = _Talk(rubric, moves, settings[name], given, random)
        dimensions = [rubric.dimensions[place].id for place in random.permutation(len(rubric.dimensions))[:about]]
        found.append(talk.touch(dimensions, f"{name}/{given['id']}/excerpt-{about}-{number}"))
    return found


def disturb(transcript: Transcript, random: np.random.Generator) -> Transcript:
    """Return a transcript with one or two passages put in that have no bearing on its rating.

    They stand between the sentences of somebody, or at the end, as such things do in real files.
    """
    asides = _read_asides()
    said = list(transcript.utterances)
    for _ in range(int(random.integers(1, 3))):
        kind = asides[int(random.integers(len(asides)))]
        aside = kind[int(random.integers(len(kind)))]
        others = [place for place, one in enumerate(said) if one.side == "other"]
        place = others[-1] if others and random.random() < 0.3 else int(random.integers(len(said)))
        one = said[place]
        sentences = re.split(r"(?<=[.?!]) ", one.text)
        at = len(sentences) if place == len(said) - 1 else int(random.integers(len(sentences) + 1))
        said[place] = replace(one, text=" ".join([*sentences[:at], aside, *sentences[at:]]))
    return Transcript(tuple(said))


def read_samples(rubric: Rubric) -> list[Rated]:
    """Return the written-out transcripts that are shipped for a shipped rubric, each with a title."""
    if Path(rubric.file).parent != RUBRICS_DIR:
        return []
    files = sorted(SAMPLES.glob(f"{rubric.id}*.jsonl"))
    return [one for file in files for one in ratings.read(file, rubric)]


def _draw_length(random: np.random.Generator, shortest: int, longest: int) -> int:
    """Return how many words are wanted: mostly 100 to 350, one in twenty longer."""
    if random.random() < 0.05 and longest > 400:
        return round(float(np.exp(random.uniform(np.log(400), np.log(longest)))))
    return int(random.integers(shortest, max(min(350, longest), shortest + 1)))


def draw_levels(dimensions: Sequence[Dimension], random: np.random.Generator) -> dict[str, int]:
    """Return a level for each dimension: drawn alone, now and then the one that the conversation tends to."""
    common = int(random.choice(SCALE))
    return {one.id: common if random.random() < COMMON else int(random.choice(SCALE)) for one in dimensions}


@lru_cache(maxsize=8)
def _read(folder: Path, stamp: int) -> dict[str, Any]:
    """Return what is said for each dimension, and what else is said."""
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.yaml")):
        read = yaml.load(file.read_text(encoding="utf-8"), Loader)
        found |= read if file.stem == "talk" else {file.stem: read}
    return found


def _read_moves(rubric: Rubric, phrases: Phrases) -> dict[str, Any]:
    files = list((FOLDER / rubric.id).glob("*.yaml"))
    moves = _read(FOLDER / rubric.id, max(file.stat().st_mtime_ns for file in files)) if files else {}
    dimensions = [one.id for one in rubric.dimensions]
    if not moves or not set(dimensions) <= set(moves):
        known = ", ".join(sorted(file.parent.name for file in FOLDER.glob("*/talk.yaml")))
        raise NotFound(
            f"No transcripts can be made for the rubric {rubric.id!r}: there are phrases only for {known}. "
            "Give rated transcripts of your own with --data."
        )
    return moves | {name: _choose(moves[name], phrases) for name in dimensions}


def _choose(levels: Mapping[int, Mapping[str, list[str]]], phrases: Phrases) -> dict[int, dict[str, list[str]]]:
    if phrases == "all":
        return {level: dict(places) for level, places in levels.items()}

    def is_chosen(at: int) -> bool:
        return (at % KEPT_OUT == KEPT_OUT - 1) == (phrases == "kept out")

    return {
        level: {
            place: texts if place == "seen" else [text for at, text in enumerate(texts) if is_chosen(at)]
            for place, texts in places.items()
        }
        for level, places in levels.items()
    }


@lru_cache(maxsize=1)
def _read_asides() -> list[list[str]]:
    """Return passages without bearing on a rating, by kind."""
    return list(yaml.load(ASIDES.read_text(encoding="utf-8"), Loader).values())


@lru_cache(maxsize=1)
def read_settings() -> dict[str, dict[str, Any]]:
    return {
        file.stem: yaml.load(file.read_text(encoding="utf-8"), Loader)
        for file in sorted((FOLDER / "settings").glob("*.yaml"))
    }


@dataclass
class _Move:
    """Something the professional says for a dimension, at a level that may lie beside the dimension's own."""

    dimension: str
    level: int
    text: str


class _Talk:
    """One conversation in the making."""

    def __init__(
        self,
        rubric: Rubric,
        moves: Mapping[str, Any],
        setting: Mapping[str, Any],
        scenario: Mapping[str, Any],
        random: np.random.Generator,
    ) -> None:
        self.rubric, self.moves, self.setting, self.scenario, self.random = rubric, moves, setting, scenario, random
        self.levels = draw_levels(rubric.dimensions, random)
        self.said: set[str] = set()
        self.lines: list[tuple[Side, str]] = []
        order = random.permutation(len(scenario["steps"]))
        steps = [scenario["steps"][place] for place in sorted(order[:2])]
        self.slots = {"step1": steps[0], "step2": steps[1], "role": setting["role"]}

    def hold(self, words: int, source: str) -> Rated:
        """Hold the conversation, about `words` long, and return it with its rating."""
        self._begin()
        self._work()
        end = self._move("professionalism", "later") if "professionalism" in self.levels else None
        closing = len(end.text.split()) if end else 0
        spare = 0
        while self._length() + closing < words - 15 and spare < 400:
            self._fill()
            spare += 1
        if end:
            self._say("rated", end.text)
            self._answer(end, 0.5)
        return self._rate(self._write_down(), source)

    def touch(self, dimensions: Sequence[str], source: str) -> Rated:
        """Say only what shows these dimensions, and return it rated by them."""
        self.levels = {name: self.levels[name] for name in dimensions}
        if "professionalism" in dimensions:
            self._say("rated", self._move("professionalism", "first").text)
        if "empathy" in dimensions:
            self._say("other", self.scenario["feel"])
        elif "accuracy" in dimensions or self.random.random() < 0.3:
            self._say("other", self.scenario["fact"])
        for name in dimensions:
            place = "first" if name != "professionalism" and self.random.random() < 0.7 else "later"
            move = self._move(name, place)
            self._say("rated", move.text)
            self._answer(move, 0.2)
        return self._rate(self._write_down(), source)

    def _write_down(self) -> Transcript:
        rated_label = str(self.random.choice(self.setting["rated"]))
        other_label = str(self.random.choice(self.setting["other"]))
        labels = {"rated": rated_label, "other": other_label}
        merged: list[tuple[Side, str]] = []
        for side, text in self.lines:
            if merged and merged[-1][0] == side:
                merged[-1] = (side, f"{merged[-1][1]} {text}")
            else:
                merged.append((side, text))
        return Transcript(tuple(Utterance(labels[side], side, text) for side, text in merged))

    # What is said

    def _begin(self) -> None:
        greeting = self._move("professionalism", "first")
        self._say("rated", greeting.text)
        self._answer(greeting, 0.3)
        self._say("other", self._pick(self.scenario["open"]))
        if self.random.random() < 0.5:
            self._say("rated", self._pick(TALK))
        self._say("other", self.scenario["fact"])

    def _work(self) -> None:
        """Say the main move of each dimension, in an order that varies a little."""
        feeling = self.random.random() < 0.6
        if not feeling and self.random.random() < 0.5:
            self._small_talk()
        self._say("other", self.scenario["feel"])
        reply = self._move("empathy", "first")
        self._say("rated", reply.text)
        self._answer(reply, 0.6)
        later = [self._move("accuracy", "first"), self._move("clarity", "first")]
        if self.random.random() < 0.15:
            later.reverse()
        for one in later:
            self._say("rated", one.text)
            self._answer(one, 0.75)

    def _fill(self) -> None:
        """Say one thing more: a further move of a dimension, or small talk."""
        if self.random.random() < 0.45:
            self._small_talk()
            return
        dimension = str(self.random.choice([one.id for one in self.rubric.dimensions]))
        place = "first" if self._length() > 350 and dimension != "professionalism" else "later"
        move = self._move(dimension, place, may_differ=True)
        self._say("rated", move.text)
        self._answer(move, 0.8)

    def _small_talk(self) -> None:
        pairs = [*self.setting["fillers"], *self.moves["neutral"]]
        asked, answered = pairs[int(self.random.integers(len(pairs)))]
        if asked in self.said and self.random.random() < 0.9:
            return
        self.said.add(asked)
        self._say("rated", asked)
        self._say("other", answered)

    def _move(self, dimension: str, place: str, may_differ: bool = False) -> _Move:
        level = self.levels.get(dimension, 3)
        if may_differ and self.random.random() < ASIDE:
            level = int(np.clip(level + self.random.choice([-1, 1]), SCALE[0], SCALE[-1]))
        texts = self.moves[dimension][level][place]
        text = ""
        for _ in range(6):
            text = self._pick(texts)
            if text not in self.said:
                break
        self.said.add(text)
        return _Move(dimension, level, text)

    def _answer(self, move: _Move, share: float) -> None:
        """Let the person answer, sometimes as such a move deserves it."""
        if self.random.random() > share:
            return
        replies = self.moves["replies"]
        fitting = replies.get(move.dimension, {}).get(move.level, [])
        self._say("other", self._pick(fitting if fitting and self.random.random() < 0.5 else replies["any"]))

    def _say(self, side: Side, text: str) -> None:
        self.lines.append((side, self._expand(text)))

    def _length(self) -> int:
        return sum(len(text.split()) for _, text in self.lines)

    def _pick(self, texts: Sequence[str]) -> str:
        return self._fill_slots(texts[int(self.random.integers(len(texts)))])

    def _expand(self, text: str) -> str:
        """Return a text with slots filled and its spelling in order."""
        text = " ".join(self._fill_slots(text).split())
        text = re.sub(r"([.?!])\.", r"\1", text).replace(".;", ";").replace(".,", ",")
        return re.sub(r"(?:^|(?<=[.?!] ))[a-z]", lambda found: found.group(0).upper(), text)

    def _fill_slots(self, text: str) -> str:
        text = _CHOICE.sub(lambda found: str(self.random.choice(found.group(1).split("|"))), text)
        for name in re.findall(r"\{(\w+)\}", text):
            value = self.slots.get(name) or self.scenario[name]
            text = text.replace(f"{{{name}}}", value if isinstance(value, str) else self._pick(value), 1)
        return text

    # How it is rated

    def _rate(self, transcript: Transcript, source: str) -> Rated:
        reasons = {name: self._say_why(name, level) for name, level in self.levels.items()}
        strong = [name for name, level in self.levels.items() if level >= 4]
        weak = [name for name, level in self.levels.items() if level <= 3]
        return Rated(
            transcript,
            dict(self.levels),
            reasons,
            " ".join(reasons.values()),
            tuple(self._pick(self.moves["well"][name]) for name in strong),
            tuple(self._pick(self.moves["better"][name]) for name in weak),
            source=source,
            rater="made",
        )

    def _say_why(self, dimension: str, level: int) -> str:
        texts = self.moves[dimension][level]["seen"]
        text = str(texts[int(self.random.integers(len(texts)))])
        return self._expand(text.replace("{key}", f'"{self.scenario["key"]}"'))
