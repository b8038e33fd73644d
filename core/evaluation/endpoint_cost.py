"""What the test of an endpoint will cost, before anything is asked: the tokens of its questions and answers, priced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.catalog.endpoints import Endpoint
from core.evaluation.benchmarks import Benchmark, Item
from core.evaluation.endpoint import messages_of, most_tokens
from core.store.evaluations import Spent

LETTERS_PER_TOKEN = 4
TOKENS_PER_TURN = 6  # role and marks around each turn
LEAST_ANSWER = 8


@dataclass(frozen=True)
class Forecast:
    """Tokens and their price; prices are None where endpoints.yaml gives none.

    `most_output_tokens` is what the limits on answers allow; `is_known` that the same questions were asked before.
    """

    items: int
    input_tokens: int
    output_tokens: int
    most_output_tokens: int
    cost: float | None
    most_cost: float | None
    currency: str
    is_known: bool

    def __add__(self, other: "Forecast") -> "Forecast":
        """Return both tests of one endpoint together."""
        return Forecast(
            self.items + other.items,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.most_output_tokens + other.most_output_tokens,
            _sum(self.cost, other.cost),
            _sum(self.most_cost, other.most_cost),
            self.currency,
            self.is_known and other.is_known,
        )


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def forecast(endpoint: Endpoint, benchmark: Benchmark, past: Sequence[Spent]) -> Forecast:
    """Return what asking all items of a benchmark will take.

    Args:
        past: What this endpoint's earlier tests took, the newest first. The same questions cost the same again; from
            others it is learnt how long its answers are.
    """
    items = benchmark.items
    most = sum(_limit(endpoint.options, item) for item in items)
    same = next((one for one in past if one.benchmark_sha == benchmark.sha and one.items == len(items)), None)
    if same is not None:
        read, written = same.input_tokens, same.output_tokens
    else:
        read = sum(_count(item) for item in items)
        asked = sum(one.items for one in past)
        usual = sum(one.output_tokens for one in past) * len(items) / asked if asked else 0
        written = min(most, round(usual) or sum(_answer(item) for item in items))
    return Forecast(
        items=len(items),
        input_tokens=read,
        output_tokens=written,
        most_output_tokens=max(most, written),
        cost=_price(endpoint, read, written),
        most_cost=_price(endpoint, read, max(most, written)),
        currency=endpoint.currency,
        is_known=same is not None,
    )


def _count(item: Item) -> int:
    turns = messages_of(item)
    return sum(len(turn["content"]) // LETTERS_PER_TOKEN + TOKENS_PER_TURN for turn in turns)


def _answer(item: Item) -> int:
    """Return how long an answer will be about: a letter, or as long as the expected one and some words around it."""
    return LEAST_ANSWER + (0 if item.type == "choice" else len(item.expected) // LETTERS_PER_TOKEN)


def _limit(options: Mapping[str, object], item: Item) -> int:
    own = [options[name] for name in ("max_completion_tokens", "max_tokens") if isinstance(options.get(name), int)]
    return max([one for one in own if isinstance(one, int)], default=most_tokens(item))


def _price(endpoint: Endpoint, read: int, written: int) -> float | None:
    prices = endpoint.price_per_1000_input, endpoint.price_per_1000_output
    if prices[0] is None or prices[1] is None:
        return None
    return (read * prices[0] + written * prices[1]) / 1000
