"""Arithmetic for the starter: sums with computed answers, in the ways that people ask for them."""

from decimal import ROUND_HALF_UP, Decimal
from random import Random

from core.starter.words import Words, sentence_case


def number(random: Random, progress: float, most: int = 5, decimals: bool = True) -> Decimal:
    """Return a positive number of one to `most` digits, short ones first while `progress` is small."""
    reach = 1 + int(progress * 2 * most)
    digits = random.randint(1, max(1, min(most, reach)))
    whole = random.randint(1 if digits == 1 else 10 ** (digits - 1), 10**digits - 1)
    roll = random.random()
    if decimals and roll < 0.2:
        return Decimal(whole) / 10
    if decimals and roll < 0.27:
        return Decimal(whole) / 100
    if digits >= 3 and roll > 0.75:
        step = 10 ** (digits - 2)
        whole = whole // step * step
    return Decimal(whole)


def rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def show(value: Decimal, comma: bool = False) -> str:
    """Return plain digits without an exponent or trailing zeros behind the point."""
    text = f"{value:,f}" if comma else f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def fixed(value: Decimal, places: int, comma: bool = False) -> str:
    kept = rounded(value, places)
    return f"{kept:,f}" if comma else f"{kept:f}"


def at_least(places: int, value: Decimal) -> str:
    """Return a value with so many places, or more where it is so small that fewer than two of its digits would show."""
    return fixed(value, max(places, 1 - value.adjusted()))


def quotient(a: Decimal, b: Decimal, random: Random) -> str:
    """Return a / b to two significant digits or more, as people write it."""
    value = a / b
    if value == value.to_integral_value() and value < 100000:
        return show(value)
    if value >= 100:
        return fixed(value, 1 if random.random() < 0.7 else 0)
    if value >= 1:
        return fixed(value, random.choice((1, 2, 2)))
    return at_least(random.choice((3, 3, 4)), value)


def _ask(random: Random, expression: str, result: str) -> tuple[str, str]:
    question = random.choice(
        (
            f"What is {expression}?",
            f"{expression} =",
            f"Calculate {expression}.",
            f"Work out {expression}.",
            f"How much is {expression}?",
        )
    )
    answer = random.choice(
        (
            f"{expression} = {result}",
            f"{expression} = {result}.",
            result,
            f"{result}.",
            f"The result is {result}.",
            f"It is {expression} = {result}.",
        )
    )
    return question, answer


def add_or_subtract(random: Random, words: Words, progress: float) -> tuple[str, str]:
    comma = random.random() < 0.3
    a, b = number(random, progress, 6), number(random, progress, 6)
    if random.random() < 0.5:
        return _ask(random, f"{show(a, comma)} + {show(b, comma)}", show(a + b, comma))
    a, b = max(a, b), min(a, b)
    return _ask(random, f"{show(a, comma)} - {show(b, comma)}", show(a - b, comma))


def multiply(random: Random, words: Words, progress: float) -> tuple[str, str]:
    comma = random.random() < 0.3
    a = number(random, progress, random.choice((1, 2, 3, 4)))
    b = number(random, progress, random.choice((1, 1, 2)))
    if random.random() < 0.5:
        a, b = b, a
    sign = random.choice(("x", "x", "*", "times"))
    return _ask(random, f"{show(a, comma)} {sign} {show(b, comma)}", show(a * b, comma))


def _operands(random: Random, progress: float) -> tuple[Decimal, Decimal]:
    """Return dividend and divisor: half of them with a short quotient, the rest free."""
    divisor = number(random, progress, random.choice((1, 2, 2, 3, 3, 4, 5)))
    if random.random() < 0.4:
        return divisor * number(random, progress, random.choice((1, 2, 2)), decimals=False), divisor
    if random.random() < 0.5:
        return rounded(divisor * Decimal(random.uniform(0.02, 1.3)), random.choice((0, 1))) + 1, divisor
    return number(random, progress, random.choice((2, 3, 4, 5))), divisor


def divide(random: Random, words: Words, progress: float) -> tuple[str, str]:
    comma = random.random() < 0.3
    a, b = _operands(random, progress)
    sign = random.choice(("/", "/", "/", "divided by"))
    return _ask(random, f"{show(a, comma)} {sign} {show(b, comma)}", quotient(a, b, random))


def as_percent(a: Decimal, b: Decimal, random: Random) -> str:
    value = a / b * 100
    return show(value) if value == value.to_integral_value() else at_least(random.choice((1, 1, 2)), value)


def percent(random: Random, words: Words, progress: float) -> tuple[str, str]:
    comma = random.random() < 0.3
    kind = random.random()
    if kind < 0.3:
        share = Decimal(
            random.choice((1, 2, 3, 4, 5, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 75, random.randint(1, 99)))
        )
        whole = number(random, progress, 4)
        return _ask(random, f"{show(share)}% of {show(whole, comma)}", show(share * whole / 100, comma))
    part, whole = _operands(random, progress)
    if kind < 0.75:
        result = as_percent(part, whole, random)
        question = random.choice(
            (
                f"What percent of {show(whole, comma)} is {show(part, comma)}?",
                f"Write {show(part, comma)} / {show(whole, comma)} as a percent.",
                f"{show(part, comma)} out of {show(whole, comma)} is what percent?",
            )
        )
        answer = random.choice(
            (
                f"{show(part, comma)} / {show(whole, comma)} = {result}%",
                f"{result}%",
                f"{show(part, comma)} / {show(whole, comma)} x 100 = {result}%.",
            )
        )
        return question, answer
    old, new = whole, rounded(whole * Decimal(random.uniform(0.4, 1.9)), 0) + 1
    change = new - old or Decimal(1)
    new = old + change
    result = as_percent(abs(change), old, random)
    word = "rose" if change >= 0 else "fell"
    question = (
        f"A {words.noun(random)} count went from {show(old, comma)} to {show(new, comma)}. "
        f"{random.choice(('By what percent did it change?', 'What is the change in percent?'))}"
    )
    return (
        question,
        f"The change is {show(new, comma)} - {show(old, comma)} = {show(change, comma)}. "
        f"{show(abs(change), comma)} / {show(old, comma)} = {result}%, so it {word} by {result}%.",
    )


def sum_or_mean(random: Random, words: Words, progress: float) -> tuple[str, str]:
    values = [number(random, progress, 3) for _ in range(random.randint(2, 5))]
    joined, total = ", ".join(map(show, values)), sum(values, Decimal(0))
    plus = " + ".join(map(show, values))
    if random.random() < 0.5:
        return f"What is the {random.choice(('sum', 'total'))} of {joined}?", f"{plus} = {show(total)}."
    mean = quotient(total, Decimal(len(values)), random)
    return (
        f"What is the {random.choice(('mean', 'average'))} of {joined}?",
        f"{plus} = {show(total)} and {show(total)} / {len(values)} = {mean}.",
    )


def round_number(random: Random, words: Words, progress: float) -> tuple[str, str]:
    kind = random.random()
    if kind < 0.5:
        value = Decimal(random.randint(1, 999999)) / random.choice((100, 1000))
        places = random.choice((0, 1, 2))
        name = ("the nearest whole number", "one decimal place", "two decimal places")[places]
        return f"Round {show(value)} to {name}.", f"{fixed(value, places)}"
    if kind < 0.75:
        value = Decimal(random.randint(1, 999)) / 10
        scale, zeros = random.choice((("thousand", 3), ("million", 6), ("billion", 9)))
        return f"Write {show(value)} {scale} in digits.", show(value * 10**zeros, comma=True)
    part = Decimal(random.randint(1, 9999)) / random.choice((1000, 10000))
    return f"Write {show(part)} as a percent.", f"{show(part * 100)}%"


def _listing(random: Random, pairs: list[tuple[str, str]]) -> str:
    style = random.randint(0, 4)
    if style == 0:
        return "; ".join(f"{name}: {value}" for name, value in pairs)
    if style == 1:
        return ", ".join(f"{sentence_case(name)}: {value}" for name, value in pairs)
    if style == 2:
        return "\n".join(f"{name}: {value}" for name, value in pairs)
    if style == 3:
        return " and ".join(f"{name} of {value}" for name, value in pairs)
    return ". ".join(f"The {name} is {value}" for name, value in pairs) + "."


def _money(random: Random, value: Decimal, unit: str) -> str:
    shown = show(value, comma=random.random() < 0.6)
    return {"$": f"${shown}", "m": f"${shown} million", "b": f"${shown} billion", "%": f"{shown}%"}.get(unit, shown)


def named_ratio(random: Random, words: Words, progress: float) -> tuple[str, str]:
    """A ratio whose name and formula stand in the question; the quantities must be found and copied."""
    top, bottom = words.label(random), words.label(random)
    name = f"{words.invented(random)} {random.choice(('ratio', 'rate', 'index', 'share', 'level', 'score'))}"
    a, b = _operands(random, progress)
    unit = random.choice(("", "", "", "$", "m", "b"))
    shown_a, shown_b = _money(random, a, unit), _money(random, b, unit)
    pairs = [(top, shown_a), (bottom, shown_b)]
    if random.random() < 0.35:
        pairs.append((words.label(random), _money(random, number(random, progress, 4), unit)))
    random.shuffle(pairs)
    in_percent = random.random() < 0.55
    result = as_percent(a, b, random) + "%" if in_percent else quotient(a, b, random)
    rule = random.choice(
        (
            f"The {name} is {top} divided by {bottom}.",
            f"{sentence_case(name)} = {top} / {bottom}.",
            f"To find the {name}, divide {top} by {bottom}.",
        )
    )
    if in_percent and random.random() < 0.5:
        rule += " Give it in percent."
    ask = random.choice(
        (f"Calculate the {name}.", f"What is the {name}?", f"Work out the {name}.", f"Find the {name}.")
    )
    listing = _listing(random, pairs)
    prompt = f"{ask}\n{rule}\n{listing}" if random.random() < 0.5 else f"{rule} {ask}\n{listing}"
    lead = sentence_case(name)
    body = random.choice(
        (
            f"{lead} = {top} / {bottom} = {shown_a} / {shown_b} = {result}.",
            f"{lead} = {shown_a} / {shown_b} = {result}.",
            f"The {name} is {show(a)} / {show(b)} = {result}.",
            f"{show(a)} / {show(b)} = {result}",
        )
    )
    if random.random() < 0.4:
        found = Decimal(result.rstrip("%"))
        limit = rounded(found * Decimal(random.uniform(0.5, 1.5)), 0)
        limit += limit == found  # neither above nor below teaches nothing
        sign = "%" if in_percent else ""
        above = found > limit
        prompt += f"\nThe limit is {show(limit)}{sign}."
        body += f" This is {'above' if above else 'below'} the limit of {show(limit)}{sign}."
    return prompt, body


def named_formula(random: Random, words: Words, progress: float) -> tuple[str, str]:
    """A two-step formula given in the question: difference over base, sum over base, product, or share left."""
    a_name, b_name, c_name = words.label(random), words.label(random), words.label(random)
    name = f"{words.invented(random)} {random.choice(('gap', 'margin', 'need', 'total', 'balance', 'cost', 'value'))}"
    small = min(progress * 1.2, 1.0)
    a, b, c = number(random, small, 3), number(random, small, 3), number(random, small, 2)
    kind = random.randint(0, 3)
    if kind == 0:
        a, b = max(a, b) + 1, min(a, b)
        rule = f"The {name} is {a_name} minus {b_name}, divided by {a_name}, in percent."
        steps = f"{show(a)} - {show(b)} = {show(a - b)}. {show(a - b)} / {show(a)} = {as_percent(a - b, a, random)}%."
    elif kind == 1:
        rule = f"The {name} is {a_name} plus {b_name}, divided by {c_name}."
        steps = f"{show(a)} + {show(b)} = {show(a + b)}. {show(a + b)} / {show(c)} = {quotient(a + b, c, random)}."
    elif kind == 2:
        rule = f"The {name} is {a_name} times {c_name}."
        steps = f"{show(a)} x {show(c)} = {show(a * c)}."
    else:
        rule = f"The {name} is {a_name} times {c_name}, plus {b_name}."
        steps = f"{show(a)} x {show(c)} = {show(a * c)}. {show(a * c)} + {show(b)} = {show(a * c + b)}."
    pairs = [(a_name, show(a)), (b_name, show(b)), (c_name, show(c))]
    random.shuffle(pairs)
    return f"Calculate the {name}. {rule}\n{_listing(random, pairs)}", f"{sentence_case(name)}: {steps}"


def word_problem(random: Random, words: Words, progress: float) -> tuple[str, str]:
    who, thing = words.person(random), words.noun(random)
    small = min(progress, 0.6)
    a, b = number(random, small, 3, decimals=False), number(random, small, 2, decimals=False)
    kind = random.randint(0, 4)
    if kind == 0:
        return (
            f"{who} has {a} {thing} items and gets {b} more. How many are there now?",
            f"{a} + {b} = {a + b}. {who} has {a + b} {thing} items.",
        )
    if kind == 1:
        a, b = a + b, b
        return (
            f"{who} had {a} {thing} items and gave away {b}. How many are left?",
            f"{a} - {b} = {a - b}. {a - b} are left.",
        )
    if kind == 2:
        return (
            f"Each box holds {b} {thing} items. {who} has {a} boxes. How many items is that?",
            f"{a} x {b} = {a * b}. That is {a * b} items.",
        )
    if kind == 3:
        total = a * b
        return (
            f"{who} shares {total} {thing} items among {b} {words.pick(random, 'people')}s. How many does each get?",
            f"{total} / {b} = {a}. Each gets {a}.",
        )
    price = Decimal(random.randint(1, 400)) / random.choice((1, 2, 10))
    return (
        f"One {thing} costs ${show(price)}. {who} buys {b}. What is the price?",
        f"{b} x ${show(price)} = ${show(price * b)}.",
    )


def compare_with_limit(random: Random, words: Words, progress: float) -> tuple[str, str]:
    label = words.label(random)
    unit = random.choice(("", "%", "$", "m"))
    limit = number(random, max(progress, 0.3), 3)
    value = rounded(limit * Decimal(random.uniform(0.4, 1.6)), random.choice((0, 1))) + Decimal("0.1")
    value += Decimal("0.1") * (value == limit)
    shown, bound = _money(random, value, unit), _money(random, limit, unit)
    over, under = random.choice((("above", "below"), ("over", "under"), ("more than", "less than")))
    kind = random.randint(0, 3)
    relation = over if value > limit else under
    if kind == 0:
        ask = f"The {label} is {shown}. The limit is {bound}. Is it {over} or {under} the limit?"
        return ask, f"{shown} is {relation} {bound}, so it is {relation} the limit."
    if kind == 1:
        ask = f"The {label} must be at least {bound}. It is {shown}. Does it pass?"
        passed = "Yes" if value >= limit else "No"
        return ask, f"{passed}. {shown} is {'at least' if value >= limit else 'less than'} {bound}."
    if kind == 2:
        ask = f"The {label} may be at most {bound}. It is {shown}. Is that allowed?"
        allowed = "Yes" if value <= limit else "No"
        return ask, f"{allowed}. {shown} is {'at most' if value <= limit else 'more than'} {bound}."
    high, low = max(value, limit), min(value, limit)
    ask = f"Which is {random.choice(('larger', 'greater', 'higher'))}, {show(value)} or {show(limit)}?"
    return ask, f"{show(high)} is larger than {show(low)}."
