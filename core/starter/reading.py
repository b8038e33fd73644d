"""Reading for the starter: finding, copying, ordering and sorting what stands in the question."""

import json
from random import Random

from core.starter.words import Words, sentence_case


def _value(random: Random, words: Words) -> str:
    roll = random.random()
    if roll < 0.5:
        return (
            f"{random.randint(1, 10 ** random.randint(1, 6) - 1):,}"
            if random.random() < 0.5
            else str(random.randint(1, 10 ** random.randint(1, 5) - 1))
        )
    if roll < 0.65:
        return f"${random.randint(1, 9999) / 10:,.1f} {random.choice(('million', 'billion', ''))}".strip()
    if roll < 0.8:
        return f"{random.randint(1, 999) / 10}%"
    return random.choice((words.pick(random, "colors"), words.person(random), words.pick(random, "cities")))


def _pairs(random: Random, words: Words, least: int = 2, most: int = 6) -> list[tuple[str, str]]:
    names: dict[str, str] = {}
    for _ in range(random.randint(least, most)):
        names.setdefault(words.label(random), _value(random, words))
    return list(names.items())


def look_up(random: Random, words: Words, progress: float) -> tuple[str, str]:
    pairs = _pairs(random, words)
    name, value = random.choice(pairs)
    style = random.randint(0, 2)
    if style == 0:
        body = "; ".join(f"{key}: {text}" for key, text in pairs)
    elif style == 1:
        body = "\n".join(f"- {key}: {text}" for key, text in pairs)
    else:
        body = "| item | value |\n" + "\n".join(f"| {key} | {text} |" for key, text in pairs)
    ask = random.choice((f"What is the {name}?", f"Find the {name}.", f"How much is the {name}?", f"Give the {name}."))
    answer = random.choice((value, f"The {name} is {value}.", f"{name}: {value}"))
    return (f"{ask}\n{body}", answer) if random.random() < 0.5 else (f"{body}\n{ask}", answer)


def copy_text(random: Random, words: Words, progress: float) -> tuple[str, str]:
    parts = [
        random.choice(
            (
                words.invented(random),
                words.noun(random),
                _value(random, words),
                words.person(random),
                words.pick(random, "formal"),
                words.pick(random, "formal"),
            )
        )
        for _ in range(random.randint(2, 8))
    ]
    text = " ".join(parts)
    kind = random.randint(0, 3)
    if kind == 0:
        return f"{random.choice(('Repeat', 'Copy', 'Write again'))}: {text}", text
    if kind == 1:
        return f"Write in capital letters: {text}", text.upper()
    if kind == 2:
        return f"Put commas between these: {' / '.join(parts)}", ", ".join(parts)
    which = random.randrange(len(parts))
    place = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")[which]
    return f"What is the {place} item? {', '.join(parts)}", parts[which]


def order_list(random: Random, words: Words, progress: float) -> tuple[str, str]:
    if random.random() < 0.5:
        values = random.sample(range(1, 10 ** random.randint(2, 4)), random.randint(3, 6))
        up = random.random() < 0.5
        order = "smallest to largest" if up else "largest to smallest"
        return (
            f"Sort from {order}: {', '.join(map(str, values))}",
            ", ".join(map(str, sorted(values, reverse=not up))),
        )
    items = sorted({words.noun(random) for _ in range(random.randint(3, 6))})
    given = random.sample(items, len(items))
    kind = random.randint(0, 2)
    if kind == 0:
        return f"Sort by alphabet: {', '.join(given)}", ", ".join(sorted(given, key=str.casefold))
    if kind == 1:
        return f"How many items are in this list? {', '.join(given)}", f"{len(given)}"
    return f"Write this list backwards: {', '.join(given)}", ", ".join(reversed(given))


def extract_fields(random: Random, words: Words, progress: float) -> tuple[str, str]:
    who, thing, city = words.person(random), words.noun(random), words.pick(random, "cities")
    count, price = random.randint(1, 99), f"{random.randint(1, 9999) / 10:.2f}"
    fields = {"name": who, "item": thing, "count": count, "city": city, "price": price}
    text = random.choice(
        (
            f"{who} from {city} ordered {count} {thing} at ${price} each.",
            f"Order of {count} {thing}. Sent to {who}, {city}. Price: ${price}.",
            f"In {city}, {who} paid ${price} for one {thing} and took {count} of them.",
        )
    )
    wanted = random.sample(list(fields), random.randint(1, 4))
    if random.random() < 0.5:
        return f"Give {', '.join(wanted)} as JSON: {text}", json.dumps({key: fields[key] for key in wanted})
    return (f"Find {' and '.join(wanted)} in this text: {text}", "; ".join(f"{key}: {fields[key]}" for key in wanted))


def _sentence(random: Random, words: Words) -> tuple[str, dict[str, str]]:
    who = words.person(random)
    verb = random.choice(words.verbs)[1]
    thing = f"{words.pick(random, 'adjectives')} {words.noun(random)}"
    place, when = words.pick(random, "places"), words.pick(random, "times")
    text = random.choice(
        (
            f"{who} {verb} the {thing} in the {place} {when}.",
            f"{sentence_case(when)}, {who} {verb} the {thing} near the {place}.",
            f"The {thing} in the {place} was {verb} by {who} {when}.",
        )
    )
    return text, {"who": who, "thing": thing, "place": place, "when": when, "verb": verb}


def read_story(random: Random, words: Words, progress: float) -> tuple[str, str]:
    told = [_sentence(random, words) for _ in range(random.randint(1, 5))]
    text = " ".join(sentence for sentence, _ in told)
    _, facts = random.choice(told)
    kind = random.randint(0, 3)
    if kind == 0:
        ask, answer = (
            f"Who {facts['verb']} the {facts['thing']}?",
            f"{facts['who']} {facts['verb']} the {facts['thing']}.",
        )
    elif kind == 1:
        ask, answer = f"Where was the {facts['thing']}?", f"The {facts['thing']} was at the {facts['place']}."
    elif kind == 2:
        ask, answer = (
            f"What did {facts['who']} do {facts['when']}?",
            f"{facts['who']} {facts['verb']} the {facts['thing']}.",
        )
    else:
        true = random.random() < 0.5
        other = facts["who"] if true else words.person(random)
        true = other == facts["who"]
        ask = f"Is it true that {other} {facts['verb']} the {facts['thing']}?"
        answer = "Yes." if true else f"No, it was {facts['who']}."
    return (f"{text}\n{ask}", answer) if random.random() < 0.6 else (f"{ask}\n{text}", answer)


def choose_option(random: Random, words: Words, progress: float) -> tuple[str, str]:
    name, meaning = words.invented(random), f"{words.pick(random, 'adjectives')} {words.noun(random)}"
    options = sorted({meaning} | {f"{words.pick(random, 'adjectives')} {words.noun(random)}" for _ in range(3)})
    random.shuffle(options)
    letters = "ABCD"[: len(options)]
    listing = "\n".join(f"{letter}. {option}" for letter, option in zip(letters, options, strict=True))
    right = letters[options.index(meaning)]
    answer = random.choice((f"{right}. {meaning}", right, right))
    return f"A {name} is a {meaning}. What is a {name}?\n{listing}", answer


KINDS = {
    "animal": "animals",
    "food": "foods",
    "color": "colors",
    "place": "places",
    "person": "people",
    "material": "materials",
    "object": "objects",
    "city": "cities",
}


def sort_into_class(random: Random, words: Words, progress: float) -> tuple[str, str]:
    roll = random.random()
    if roll < 0.5:
        names = random.sample(list(KINDS), random.randint(2, 4))
        kind = random.choice(names)
        word, known = words.pick(random, KINDS[kind]), words.lists[KINDS[kind]]
        while sum(word in words.lists[KINDS[name]] for name in names) > 1:  # an orange is a food and a color
            word = known[known.index(word) - 1]
        return f"Is '{word}' {' or '.join(names)}?", kind
    thing = words.noun(random)
    good = random.random() < 0.5
    praise = (
        "works very well",
        "arrived early and looks fine",
        "is the best I have had",
        "made me happy",
        "was worth the price",
        "is strong and easy to use",
    )
    blame = (
        "broke after one day",
        "arrived late and dirty",
        "is the worst I have had",
        "made me angry",
        "was not worth the price",
        "is weak and hard to use",
    )
    text = f"The {thing} {random.choice(praise if good else blame)}."
    if roll < 0.75:
        return f"Is this positive or negative? {text}", "positive" if good else "negative"
    return f"{text}\nWas the customer pleased? Answer yes or no.", "yes" if good else "no"


def read_dialogue(random: Random, words: Words, progress: float) -> tuple[str, str]:
    one, two = random.sample(words.lists["people"], 2)
    one, two = sentence_case(one), sentence_case(two)
    lines = []
    said: list[tuple[str, str]] = []
    for turn in range(random.randint(2, 8)):
        speaker = (one, two)[turn % 2]
        thing = f"{words.pick(random, 'adjectives')} {words.noun(random)}"
        text = random.choice(
            (
                f"I need a {thing}.",
                f"Could you tell me about the {thing}?",
                f"I understand that the {thing} worries you.",
                f"Let us look at the {thing} together.",
                f"Thank you for the {thing}.",
                f"I do not know what the {thing} is.",
                f"The {thing} is ready {words.pick(random, 'times')}.",
                f"Please keep the {thing} in the {words.pick(random, 'places')}.",
                f"How do you feel about the {thing}?",
                f"That is not my problem, ask about the {thing} elsewhere.",
            )
        )
        lines.append(f"{speaker}: {text}")
        said.append((speaker, thing))
    speaker, thing = random.choice(said)
    joined = ("\n" if random.random() < 0.6 else " ").join(lines)
    kind = random.randint(0, 2)
    if kind == 0:
        return f"{joined}\nWho spoke about the {thing}?", speaker
    if kind == 1:
        return f"How many times does {one} speak?\n{joined}", str(
            sum(1 for line in lines if line.startswith(f"{one}:"))
        )
    last = [text for text in lines if text.startswith(f"{two}:")][-1]
    return f"{joined}\nWhat did {two} say last?", last
