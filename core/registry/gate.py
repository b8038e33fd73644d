"""The gate: from what is known about an adapter and the rules of its scope to promote or hold, rule by rule.

Nothing here reads a file or a table, so the same facts give the same decision on the page, in the command and in tests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["passed", "failed", "not measured"]
Unmeasured = Literal["hold", "note"]
SLACK = 1e-9  # a drop of exactly the limit is within it, however its binary fractions round


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NotMeasured(_Strict):
    """What follows where a rule has no figure: it holds the adapter back, or is only noted."""

    verdict: Unmeasured = "hold"
    regression: Unmeasured = "note"
    aims: Unmeasured = "hold"
    forgetting: Unmeasured = "note"
    latency: Unmeasured = "hold"
    size: Unmeasured = "hold"


class Rules(_Strict):
    """What the gate asks of an adapter of one scope; limits on scores are shares, so 0.05 is five points."""

    verdict: Annotated[Literal["better", "not worse", "any"], Field(description="Beside its base.")] = "better"
    regression_limit: Annotated[float | None, Field(ge=0, le=1, description="Below the one in production.")] = 0.05
    aims: Annotated[Literal["required", "noted"], Field(description="What a specialist should reach.")] = "required"
    forgetting_limit: Annotated[float | None, Field(ge=0, le=1, description="Lost on any other benchmark.")] = 0.05
    latency_ms: Annotated[float | None, Field(gt=0, description="For one answer, as measured in the test.")] = None
    size_mb: Annotated[float | None, Field(gt=0, description="Of the adapter's weights.")] = None
    human_review: Annotated[bool, Field(description="A person must have looked, by name.")] = False
    automatic: Annotated[bool, Field(description="The gate acts by itself when a job ends.")] = False
    not_measured: NotMeasured = NotMeasured()


@dataclass(frozen=True)
class Aim:
    """A specialist's metric of the tuned model, None where it was not measured, and what it should reach."""

    title: str
    value: float | None
    wanted: float
    is_share: bool = True
    less_is_better: bool = False

    @property
    def is_reached(self) -> bool:
        if self.value is None:
            return False
        return self.value <= self.wanted + SLACK if self.less_is_better else self.value >= self.wanted - SLACK

    def show(self, value: float) -> str:
        return f"{value:.0%}" if self.is_share else f"{value:.2f}"


@dataclass(frozen=True)
class Other:
    """The adapter and its base on the items of another benchmark, scores 0 to 1."""

    benchmark: str
    base: float
    tuned: float

    @property
    def change(self) -> float:
        return self.tuned - self.base


@dataclass(frozen=True)
class Facts:
    """All that the gate knows. None stands for what was not measured, an empty text for what is not there."""

    scope: str
    outcome: Literal["better", "not proven", "worse"] | None = None
    difference: float | None = None
    score: float | None = None
    production: str = ""
    production_score: float | None = None
    aims: tuple[Aim, ...] = ()
    others: tuple[Other, ...] = ()
    latency_ms: float | None = None
    size_mb: float | None = None
    review: str = ""
    objection: str = ""
    damage: str = ""


@dataclass(frozen=True)
class Result:
    """One rule: its figure and limit as people read them, whether it passed, and whether it holds the adapter back."""

    rule: str
    title: str
    figure: str
    limit: str
    state: State
    holds: bool
    told: str
    value: float | None = None
    can_be_overruled: bool = True


@dataclass(frozen=True)
class Ruling:
    """What the gate says. `can_be_overruled` tells whether a person's reason could promote it all the same."""

    action: Literal["promote", "hold"]
    sentence: str
    results: tuple[Result, ...]

    @property
    def can_be_overruled(self) -> bool:
        return all(one.can_be_overruled for one in self.results if one.holds)

    @property
    def because(self) -> str:
        """Return why, as the end of a sentence."""
        return self.sentence.partition(": ")[2]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def decide(facts: Facts, rules: Rules) -> Ruling:
    """Return whether an adapter may go into production, with every rule that was asked."""
    results = tuple(_ask(facts, rules))
    holding = [one for one in results if one.holds]
    return Ruling("hold" if holding else "promote", _sentence(results, holding), results)


def _sentence(results: Sequence[Result], holding: Sequence[Result]) -> str:
    if holding:
        return f"It is held back: {'; '.join(one.told for one in holding)}."
    open_rules = [one for one in results if one.state == "not measured"]
    noted = [one for one in results if one.state == "failed"]
    passed = sum(one.state == "passed" for one in results)
    text = f"It may be promoted: {passed} of {len(results)} rules passed"
    if noted:
        text += f"; noted: {', '.join(one.told for one in noted)}"
    if open_rules:
        text += f"; not measured: {', '.join(one.title.lower() for one in open_rules)}"
    return f"{text}."


def _ask(facts: Facts, rules: Rules) -> Iterator[Result]:
    yield Result(
        rule="files",
        title="Files",
        figure="damaged" if facts.damage else "whole",
        limit="whole",
        state="failed" if facts.damage else "passed",
        holds=bool(facts.damage),
        told=f"its folder is damaged, {facts.damage}" if facts.damage else "its files are as they were written",
        can_be_overruled=False,
    )
    if rules.verdict != "any":
        yield _ask_verdict(facts, rules)
    if rules.regression_limit is not None and facts.production:
        yield _ask_regression(facts, rules, rules.regression_limit)
    for aim in facts.aims:
        yield _ask_aim(aim, rules)
    if rules.forgetting_limit is not None:
        yield _ask_forgetting(facts, rules, rules.forgetting_limit)
    for rule, title, value, limit, unit, unmeasured in (
        ("latency", "Time for an answer", facts.latency_ms, rules.latency_ms, "ms", rules.not_measured.latency),
        ("size", "Size", facts.size_mb, rules.size_mb, "MB", rules.not_measured.size),
    ):
        if limit is not None:
            yield _ask_at_most(rule, title, value, limit, unit, unmeasured)
    if rules.human_review or facts.objection:
        yield _ask_review(facts, rules)


def _unmeasured(rule: str, title: str, limit: str, follows: Unmeasured, told: str) -> Result:
    return Result(rule, title, "not measured", limit, "not measured", follows == "hold", told)


def _ask_verdict(facts: Facts, rules: Rules) -> Result:
    limit = "better" if rules.verdict == "better" else "not worse"
    if facts.outcome is None:
        told = "it was not compared with its base"
        return _unmeasured("verdict", "Beside its base", limit, rules.not_measured.verdict, told)
    passed = facts.outcome == "better" or (rules.verdict == "not worse" and facts.outcome != "worse")
    change = f", {_signed(facts.difference)}" if facts.difference is not None else ""
    told = {
        "better": "it is better than its base",
        "not proven": "it is not proven better than its base",
        "worse": "it is worse than its base",
    }[facts.outcome]
    figure = f"{facts.outcome}{change}"
    return Result("verdict", "Beside its base", figure, limit, _state(passed), not passed, told, value=facts.difference)


def _ask_regression(facts: Facts, rules: Rules, limit: float) -> Result:
    title, wanted = "Beside the one in production", f"at most {_points(limit)} below"
    if facts.score is None or facts.production_score is None:
        told = "it and the one in production were not tested on the same items"
        return _unmeasured("regression", title, wanted, rules.not_measured.regression, told)
    change = facts.score - facts.production_score
    passed = change >= -limit - SLACK
    side = "above" if change > 0 else "below"
    told = f"its score is {_points(abs(change))} {side} that of the one in production"
    return Result("regression", title, _signed(change), wanted, _state(passed), not passed, told, value=change)


def _ask_aim(aim: Aim, rules: Rules) -> Result:
    required = rules.aims == "required"
    wanted = f"{'at most' if aim.less_is_better else 'at least'} {aim.show(aim.wanted)}"
    if aim.value is None:
        follows = rules.not_measured.aims if required else "note"
        return _unmeasured("aims", aim.title, wanted, follows, f"{aim.title} was not measured")
    told = f"{aim.title} is {aim.show(aim.value)} where {wanted} is wanted"
    holds = required and not aim.is_reached
    return Result("aims", aim.title, aim.show(aim.value), wanted, _state(aim.is_reached), holds, told, value=aim.value)


def _ask_forgetting(facts: Facts, rules: Rules, limit: float) -> Result:
    title, wanted = "What it forgot", f"at most {_points(limit)} lost"
    if not facts.others:
        told = "it was not tested on any other benchmark beside its base"
        return _unmeasured("forgetting", title, wanted, rules.not_measured.forgetting, told)
    worst = min(facts.others, key=lambda one: one.change)
    passed = worst.change >= -limit - SLACK
    of = f" of {len(facts.others)}" if len(facts.others) > 1 else ""
    figure = f"{_signed(worst.change)} on {worst.benchmark}{f', the worst{of}' if of else ''}"
    verb = "loses" if worst.change < 0 else "gains"
    told = f"it {verb} {_points(abs(worst.change))} on {worst.benchmark}"
    return Result("forgetting", title, figure, wanted, _state(passed), not passed, told, value=worst.change)


def _ask_at_most(rule: str, title: str, value: float | None, limit: float, unit: str, unmeasured: Unmeasured) -> Result:
    wanted = f"at most {limit:,.4g} {unit}"
    if value is None:
        return _unmeasured(rule, title, wanted, unmeasured, f"{title.lower()} was not measured")
    passed = value <= limit + SLACK
    told = f"{title.lower()} is {value:,.4g} {unit} where {wanted} is wanted"
    return Result(rule, title, f"{value:,.4g} {unit}", wanted, _state(passed), not passed, told, value=value)


def _ask_review(facts: Facts, rules: Rules) -> Result:
    """Ask whether a person found it fit; one who found it unfit is heard where no review is demanded too."""
    title, passed = "Review by a person", bool(facts.review) and not facts.objection
    told = "a person has reviewed it" if passed else "no person has reviewed it, which this scope demands"
    if facts.objection:
        told = f"a reviewer found it unfit ({facts.objection.rstrip('.')})"
    figure = facts.objection or facts.review or "none"
    limit = "found fit, with name and note"
    can_be_overruled = not rules.human_review
    return Result(
        "human_review", title, figure, limit, _state(passed), not passed, told, can_be_overruled=can_be_overruled
    )


def _state(passed: bool) -> State:
    return "passed" if passed else "failed"


def _signed(change: float) -> str:
    """Return a difference in points, with a decimal where it has one: a limit of 5 is not missed by '-5'."""
    points = f"{100 * change:+z.1f}".removesuffix(".0")
    return f"{points} point{'' if points in ('+1', '-1') else 's'}"


def _points(share: float) -> str:
    points = f"{100 * share:.1f}".removesuffix(".0")
    return f"{points} point{'' if points == '1' else 's'}"
