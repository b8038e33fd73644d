"""A dataset with known faults: clean generated rows, among them repeats, leaks, conflicts, private data, wrong sums."""

import random
import re
from collections.abc import Callable
from dataclasses import replace

from core.catalog import industries
from core.datasets.arithmetic import find_equations
from core.datasets.examples import Example
from core.datasets.generator import make_examples
from core.datasets.leakage import LeakGuard
from core.evaluation import benchmarks

MAX_LENGTH = 512
COUNTS = {
    "duplicates": 500, "near_duplicates": 200, "leaks": 50, "conflicts": 40, "cut": 100, "personal_data": 60,
    "wrong_sums": 30,
}  # fmt: skip
Truth = dict[str, dict[str, set[int]]]
PRIVATE = (
    "Write to {name}.{name}@mail-server.org about it.",
    "Call me at +1 212 {n:03d} {m:04d} tomorrow.",
    "My number is (415) {n:03d}-{m:04d}.",
    "Ring 202-{n:03d}-{m:04d} in the morning.",
    "The German line is +49 30 {m:04d}{n:03d}.",
    "The card is 4111 1111 1111 1111 and was declined.",
    "Please pay to DE89 3704 0044 0532 0130 00 by Friday.",
    "Her SSN is 536-{k:02d}-{m:04d}.",
)


def packs() -> list[industries.Industry]:
    return [industries.find(name) for name in ("finance", "education", "retail", "healthcare")]


def clean_rows(count: int, seed: int) -> list[Example]:
    guard = LeakGuard(item.prompt for pack in packs() for item in benchmarks.of_industry(pack).items)
    each = 2 * count // len(packs())
    made = [row for pack in packs() for row in make_examples(pack, each, seed, is_too_near=guard.is_too_near)]
    # A grammar may word one case in two ways; of those that ask the same of the same numbers, one is clean.
    cases = {
        (row.extra["task"], tuple(sorted(re.findall(r"\d[\d.,]*", row.prompt))), row.response): row for row in made
    }
    once = {row.response + row.extra["task"]: row for row in cases.values()}
    return random.Random(seed).sample(sorted(once.values(), key=lambda row: row.prompt), min(count, len(once)))


def make(count: int, seed: int) -> tuple[list[Example], Truth]:
    """Return the rows, and for each kind of fault which rows must be found and which others may be."""
    chance = random.Random(seed)
    rows = clean_rows(count, seed)
    chance.shuffle(rows)
    truth: Truth = {kind: {"must": set(), "may": set()} for kind in COUNTS}
    clean = list(rows)
    # What is copied or varied, each row for one fault only, so that no fault hides another.
    sources = iter(chance.sample(range(len(clean)), len(clean)))

    def add(kind: str, row: Example) -> None:
        truth[kind]["must"].add(len(rows))
        rows.append(row)

    for number in range(COUNTS["duplicates"]):
        row = clean[next(sources)]
        add("duplicates", row if number % 2 else replace(row, prompt=row.prompt.upper() + " !"))
    made = 0
    while made < COUNTS["near_duplicates"]:
        row = clean[next(sources)]
        varied = _vary(row.prompt, chance)
        if varied is not None:
            add("near_duplicates", replace(row, prompt=varied))
            made += 1
    items = [item for pack in packs() for item in benchmarks.of_industry(pack).items]
    for item in chance.sample([item for item in items if len(item.prompt.split()) >= 9], COUNTS["leaks"]):
        add("leaks", Example(f"Exam: {item.prompt}", f"It is {item.expected}", "trap"))
    for _ in range(COUNTS["conflicts"]):
        place = next(sources)
        truth["conflicts"]["may"].add(place)
        add("conflicts", replace(clean[place], response=f"Quite another answer, {chance.random():.6f}"))
    words = [word for row in clean[:200] for word in re.findall(r"[a-z]{4,}", row.prompt)]
    for _ in range(COUNTS["cut"]):
        add("cut", Example(" ".join(chance.choices(words, k=900)), " ".join(chance.choices(words, k=20)), "trap"))
    for number in range(COUNTS["personal_data"]):
        row = clean[next(sources)]
        text = PRIVATE[number % len(PRIVATE)].format(
            name=chance.choice(("maria", "jan", "li")), n=chance.randint(200, 999), m=chance.randint(1000, 9999),
            k=chance.randint(10, 99),
        )  # fmt: skip
        add("personal_data", replace(row, prompt=f"Case {number + 31}: {row.prompt} {text}"))
    made = 0
    while made < COUNTS["wrong_sums"]:
        row = clean[next(sources)]
        wrong = _spoil_sum(row.response)
        if wrong is not None:
            add("wrong_sums", replace(row, prompt=f"Check {made + 57}: {row.prompt}", response=wrong))
            made += 1
    return rows, truth


def _vary(prompt: str, chance: random.Random) -> str | None:
    """Return a question in nearly the same words: a typing error, a filler more, a word less, or other marks."""
    words = prompt.split()
    long = [place for place, word in enumerate(words) if len(word) >= 6 and word.isalpha() and word.islower()]
    if len(words) < 10 or not long:
        return None
    place = chance.choice(long)
    ways: tuple[Callable[[], None], ...] = (
        lambda: words.__setitem__(place, words[place][:2] + words[place][3] + words[place][2] + words[place][4:]),
        lambda: words.__setitem__(place, words[place][:3] + words[place][4:]),
        lambda: words.insert(0, "Please"),
        lambda: words.insert(place, "very"),
        lambda: words.insert(0, "Hello,"),
    )
    before = list(words)
    chance.choice(ways)()
    return " ".join(words) if words != before else None


def _spoil_sum(response: str) -> str | None:
    sums = [one for one in find_equations(response) if one.is_right and re.fullmatch(r"[\d,]+(\.\d+)?", one.stated)]
    if not sums or f"= {sums[0].stated}" not in response:
        return None
    value = float(sums[0].stated.replace(",", ""))
    pattern = rf"= {re.escape(sums[0].stated)}(?![\d%]|[.,]\d| ?[-+*/×÷])"
    spoiled = re.sub(pattern, f"= {value * 1.5 + 3:.2f}", response, count=1)
    return spoiled if spoiled != response else None
