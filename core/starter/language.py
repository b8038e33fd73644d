"""Plain English for the starter: definitions, explanations, interpretations and prose about things of no industry.

The sentences have the shape that explanations have everywhere; what they are about is invented, so that a shape is
learned and no fact.
"""

from random import Random

from core.starter.words import Words, sentence_case

MEASURES = ("ratio", "rate", "index", "score", "level", "share", "measure", "test", "rule", "limit", "margin", "plan")


def _article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def _thing(random: Random, words: Words) -> str:
    return f"{words.pick(random, 'adjectives')} {words.noun(random)}"


def _purpose(random: Random, words: Words) -> str:
    verb = random.choice(words.verbs)[0]
    return random.choice(
        (
            f"to {verb} {_thing(random, words)}",
            f"to see how much {words.noun(random)} is left",
            f"to compare one {words.noun(random)} with another",
            f"to find {_thing(random, words)} early",
            f"to keep the {words.noun(random)} safe",
            f"to decide whether the {words.noun(random)} is large enough",
        )
    )


def _effect(random: Random, words: Words) -> str:
    a, b = words.noun(random), words.noun(random)
    return random.choice(
        (
            f"the {a} needs more {b}",
            f"the {a} can absorb a loss of {b}",
            f"less {a} is left for the {b}",
            f"the {a} depends on the {b}",
            f"the {words.pick(random, 'people')} should review the {a}",
            f"more {a} is tied up in {b}",
            f"the {a} moves faster than the {b}",
            f"each {a} costs more {b}",
            f"the {a} is at risk",
            f"the {a} has room to grow",
            f"a few of the {a} make up most of the {b}",
            f"the {a} was measured without the {b}",
            f"the {a} does not cover the {b}",
            f"fewer {a} come back for {b}",
        )
    )


def define_invented(random: Random, words: Words, progress: float) -> tuple[str, str]:
    """A definition that stands in the question and must be given back, shortened or turned round."""
    name = f"{words.invented(random)} {random.choice(MEASURES)}" if random.random() < 0.6 else words.invented(random)
    top, bottom, purpose = words.label(random), words.label(random), _purpose(random, words)
    made = random.choice(
        (
            f"{top} divided by {bottom}",
            f"the share of {top} in {bottom}",
            f"{top} minus {bottom}",
            f"{_article(_thing(random, words))} made of {words.pick(random, 'materials')}",
            f"the {top} that is kept for {bottom}",
            f"the number of {top} for each {bottom}",
            f"the time from {top} to {bottom}",
            f"a rule that every {words.pick(random, 'people')} must follow",
        )
    )
    text = random.choice(
        (
            f"The {name} is {made}. It is used {purpose}.",
            f"{sentence_case(made)} is called the {name}. People use it {purpose}.",
            f"We use the {name} {purpose}. It is {made}.",
        )
    )
    kind = random.randint(0, 3)
    if kind == 0:
        ask, answer = f"What is the {name}?", f"The {name} is {made}."
    elif kind == 1:
        ask, answer = f"What is the {name} used for?", f"The {name} is used {purpose}."
    elif kind == 2:
        ask, answer = f"Define {name}.", f"{sentence_case(name)}: {made}."
    else:
        ask, answer = f"Explain the {name}.", f"The {name} is {made}. It is used {purpose}."
    return (f"{text} {ask}", answer) if random.random() < 0.6 else (f"{ask} {text}", answer)


def explain_everyday(random: Random, words: Words, progress: float) -> tuple[str, str]:
    topic, predicate, reason = random.choice(words.everyday)
    kind = random.randint(0, 3)
    cause = reason.removeprefix("because ")
    if kind == 0:
        return f"Why is it that {topic} {predicate}?", f"{sentence_case(topic)} {predicate} {reason}."
    if kind == 1:
        return (
            f"Explain: {topic} {predicate}.",
            f"This is so {reason}. {sentence_case(cause)}, and therefore {topic} {predicate}.",
        )
    if kind == 2:
        return f"Tell me about {topic}.", f"{sentence_case(topic)} {predicate}. The reason is that {cause}."
    return f"What happens and why? Topic: {topic}", f"{sentence_case(topic)} {predicate} {reason}."


def interpret_invented(random: Random, words: Words, progress: float) -> tuple[str, str]:
    """What a high or low value of an invented measure means, said before and asked for afterwards."""
    name = f"{words.invented(random)} {random.choice(MEASURES)}"
    high, low = _effect(random, words), _effect(random, words)
    rule = random.choice(
        (
            f"A high {name} means that {high}. A low {name} means that {low}.",
            f"When the {name} rises, {high}; when it falls, {low}.",
            f"If the {name} is above its limit, {high}. If it is below its limit, {low}.",
        )
    )
    is_high = random.random() < 0.5
    word = random.choice((("high", "low"), ("rising", "falling"), ("above its limit", "below its limit")))
    state, meaning = (word[0], high) if is_high else (word[1], low)
    ask = random.choice(
        (
            f"The {name} is {state}. What does this mean?",
            f"Interpret: the {name} is {state}.",
            f"Explain what it tells us when the {name} is {state}.",
        )
    )
    answer = random.choice(
        (
            f"It means that {meaning}.",
            f"The {name} is {state}. This means that {meaning}.",
            f"This shows that {meaning}.",
        )
    )
    return f"{rule}\n{ask}", answer


def advise_invented(random: Random, words: Words, progress: float) -> tuple[str, str]:
    """A rule of action given in the question and applied to a case."""
    label, limit = words.label(random), random.randint(2, 99)
    value = limit + random.choice((-1, 1)) * random.randint(1, max(1, limit // 2))
    verb_a, verb_b = random.choice(words.verbs)[0], random.choice(words.verbs)[0]
    act, rest = f"{verb_a} the {words.noun(random)}", f"{verb_b} the {words.noun(random)}"
    unit = random.choice(("", "%", " days", " points"))
    role = words.pick(random, "people")
    rule = random.choice(
        (
            f"If the {label} is above {limit}{unit}, {act}. Otherwise {rest}.",
            f"The {role} must {act} when the {label} exceeds {limit}{unit}, and {rest} when it does not.",
        )
    )
    ask = random.choice(
        (
            f"The {label} is {value}{unit}. What should the {role} do?",
            f"What is the next step if the {label} is {value}{unit}?",
        )
    )
    above = value > limit
    answer = f"{value}{unit} is {'above' if above else 'not above'} {limit}{unit}, so {act if above else rest}."
    return f"{rule} {ask}", answer


def prose(random: Random, words: Words, progress: float) -> tuple[str, str]:
    """A paragraph without a question: reports, stories, notes."""
    count = random.randint(2, 6)
    made = [random.choice((_story_line, _report_line, _general_line))(random, words) for _ in range(count)]
    return "", " ".join(made)


def _story_line(random: Random, words: Words) -> str:
    who, verb = words.person(random), random.choice(words.verbs)[1]
    return random.choice(
        (
            f"{who} {verb} the {_thing(random, words)} {words.pick(random, 'times')}.",
            f"The {words.pick(random, 'people')} {words.pick(random, 'adverbs')} {verb} the {words.noun(random)} and "
            "went to the "
            f"{words.pick(random, 'places')}.",
            f"There was {_article(_thing(random, words))} in the {words.pick(random, 'places')}, but nobody {verb} it.",
            f"{who} said that the {words.noun(random)} was {words.pick(random, 'adjectives')}.",
        )
    )


def _report_line(random: Random, words: Words) -> str:
    a, b, value = words.term(random), words.term(random), random.randint(1, 999)
    return random.choice(
        (
            f"The report of {words.pick(random, 'cities')} lists {value} {a} and {random.randint(1, 99)} {b}.",
            f"The {words.pick(random, 'people')} asked about {a} and about {b} {words.pick(random, 'times')}.",
            f"On page {value} there is a table with {a}, {b} and {words.term(random)}.",
            f"The word '{a}' stands before '{b}' in the file of {words.person(random)}.",
            f"They {random.choice(words.verbs)[1]} the notes on {a} {words.pick(random, 'times')}.",
            f"A meeting about {a} and {b} was held in {words.pick(random, 'cities')}.",
            f"The text about {a} uses the words "
            f"{', '.join(words.pick(random, 'formal') for _ in range(random.randint(2, 6)))}.",
            f"{sentence_case(words.pick(random, 'formal'))} {words.pick(random, 'formal')} {words.noun(random)} and "
            f"{words.pick(random, 'formal')} {b} were {random.choice(words.verbs)[1]}.",
            f"{words.person(random)} wrote a letter about {a}; the answer spoke of {b}.",
        )
    )


def _general_line(random: Random, words: Words) -> str:
    topic, predicate, reason = random.choice(words.everyday)
    return random.choice(
        (
            f"{sentence_case(topic)} {predicate} {reason}.",
            f"{sentence_case(topic)} {predicate}.",
            f"It is known that {topic} {predicate}.",
            f"Many people see that {topic} {predicate} {reason}.",
        )
    )
