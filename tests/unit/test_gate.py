"""The gate: each rule at, within and beyond its limit, what was not measured, and rules that can't be read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import RegistryError
from core.paths import Workspace
from core.registry import rules
from core.registry.gate import Aim, Facts, NotMeasured, Other, Result, Rules, Ruling, decide

GOOD = Facts(
    scope="finance",
    outcome="better",
    difference=0.3,
    score=0.8,
    production="older",
    production_score=0.78,
    aims=(Aim("Accuracy", 0.9, 0.88),),
    others=(Other("retail", 0.5, 0.49), Other("hr", 0.4, 0.45)),
    latency_ms=120.0,
    size_mb=8.0,
    review="Ann Ray: read 30 answers",
)
STRICT = Rules(latency_ms=200, size_mb=10, human_review=True)


def changed(**changes: Any) -> Facts:
    return Facts(**{name: getattr(GOOD, name) for name in Facts.__dataclass_fields__} | changes)


def result(ruling: Ruling, rule: str) -> Result:
    (found,) = [one for one in ruling.results if one.rule == rule]
    return found


def test_what_passes_every_rule_may_be_promoted() -> None:
    ruling = decide(GOOD, STRICT)
    assert ruling.action == "promote"
    assert [one.rule for one in ruling.results] == [
        "files", "verdict", "regression", "aims", "forgetting", "latency", "size", "human_review",
    ]  # fmt: skip
    assert {one.state for one in ruling.results} == {"passed"}
    assert ruling.sentence == "It may be promoted: 8 of 8 rules passed."


@pytest.mark.parametrize(
    ("changes", "rule", "told"),
    [
        ({"outcome": "not proven"}, "verdict", "not proven better than its base"),
        ({"outcome": "worse"}, "verdict", "worse than its base"),
        ({"production_score": 0.86}, "regression", "6 points below that of the one in production"),
        ({"aims": (Aim("Accuracy", 0.87, 0.88),)}, "aims", "Accuracy is 87% where at least 88% is wanted"),
        ({"aims": (Aim("Mean error", 0.4, 0.3, False, True),)}, "aims", "0.40 where at most 0.30 is wanted"),
        ({"others": (Other("retail", 0.5, 0.44),)}, "forgetting", "loses 6 points on retail"),
        ({"latency_ms": 201.0}, "latency", "201 ms where at most 200 ms is wanted"),
        ({"size_mb": 10.5}, "size", "10.5 MB where at most 10 MB is wanted"),
        ({"damage": "weights are gone"}, "files", "damaged, weights are gone"),
        ({"review": ""}, "human_review", "no person has reviewed it"),
    ],
)
def test_one_broken_rule_holds_it_back_and_is_named(changes: dict[str, Any], rule: str, told: str) -> None:
    ruling = decide(changed(**changes), STRICT)
    assert ruling.action == "hold"
    assert [one.rule for one in ruling.results if one.holds] == [rule]
    assert told in ruling.sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"score": 0.7, "production_score": 0.75},
        {"aims": (Aim("Accuracy", 0.88, 0.88),)},
        {"aims": (Aim("Mean error", 0.3, 0.3, False, True),)},
        {"others": (Other("retail", 0.35, 0.3),)},
        {"latency_ms": 200.0},
        {"size_mb": 10.0},
    ],
)
def test_exactly_the_limit_is_within_it(changes: dict[str, Any]) -> None:
    assert decide(changed(**changes), STRICT).action == "promote"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"outcome": None, "difference": None}, "verdict"),
        ({"production_score": None}, "regression"),
        ({"aims": (Aim("accuracy", None, 0.88),)}, "aims"),
        ({"others": ()}, "forgetting"),
        ({"latency_ms": None}, "latency"),
        ({"size_mb": None}, "size"),
    ],
)
def test_what_was_not_measured_holds_or_is_noted_as_the_rules_say(changes: dict[str, Any], rule: str) -> None:
    facts = changed(**changes)
    noted = decide(facts, STRICT.model_copy(update={"not_measured": NotMeasured(**{rule: "note"})}))
    held = decide(facts, STRICT.model_copy(update={"not_measured": NotMeasured(**{rule: "hold"})}))
    assert result(noted, rule).state == result(held, rule).state == "not measured"
    assert (noted.action, held.action) == ("promote", "hold")
    assert "not measured" in noted.sentence


def test_the_worst_of_the_other_benchmarks_counts() -> None:
    others = (Other("hr", 0.2, 0.6), Other("retail", 0.5, 0.4), Other("legal", 0.5, 0.49))
    found = result(decide(changed(others=others), STRICT), "forgetting")
    assert found.figure == "-10 points on retail, the worst of 3"
    assert found.value == pytest.approx(-0.1)


def test_not_worse_lets_an_unproven_one_pass_but_no_worse_one() -> None:
    lenient = Rules(verdict="not worse")
    assert decide(changed(outcome="not proven"), lenient).action == "promote"
    assert decide(changed(outcome="worse"), lenient).action == "hold"
    assert decide(changed(outcome="worse"), Rules(verdict="any")).action == "promote"


def test_aims_that_are_only_noted_are_told_and_do_not_hold() -> None:
    ruling = decide(changed(aims=(Aim("Accuracy", 0.5, 0.88),)), Rules(aims="noted"))
    assert ruling.action == "promote"
    assert result(ruling, "aims").state == "failed"
    assert "noted: Accuracy is 50%" in ruling.sentence


def test_without_one_in_production_nothing_is_held_against_it() -> None:
    ruling = decide(changed(production="", production_score=None), STRICT)
    assert "regression" not in [one.rule for one in ruling.results]


def test_damage_and_a_missing_review_can_not_be_overruled() -> None:
    assert decide(changed(outcome="worse"), STRICT).can_be_overruled
    assert not decide(changed(damage="gone"), STRICT).can_be_overruled
    assert not decide(changed(review=""), STRICT).can_be_overruled


@given(
    st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from(["better", "not proven", "worse"]),
    st.one_of(st.none(), st.floats(0, 1)),
)  # fmt: skip
def test_it_is_promoted_exactly_when_no_rule_holds_it(
    score: float, base: float, tuned: float, outcome: Any, production: float | None
) -> None:
    facts = changed(score=score, production_score=production, outcome=outcome, others=(Other("retail", base, tuned),))
    ruling = decide(facts, STRICT)
    assert (ruling.action == "promote") == (not any(one.holds for one in ruling.results))
    assert all(one.state != "passed" for one in ruling.results if one.holds)
    assert ruling.sentence.endswith(".") and "nan" not in ruling.sentence


# The rules' files


@pytest.fixture
def own(tmp_path: Path) -> Callable[[str], Workspace]:
    """Return a workspace with this text as its rules."""

    def write(text: str) -> Workspace:
        (tmp_path / "gates.yaml").write_text(text, encoding="utf-8")
        return Workspace(tmp_path)

    return write


def test_the_shipped_rules_are_those_of_the_requirements(tmp_path: Path) -> None:
    shipped = rules.read_rules(Workspace(tmp_path), "finance")
    assert (shipped.regression_limit, shipped.forgetting_limit) == (0.05, 0.05)
    assert (shipped.verdict, shipped.aims, shipped.human_review) == ("better", "required", False)


@pytest.mark.parametrize(
    "scope", ["healthcare", "legal", "finance+healthcare", "specialist:clinical-triage", "specialist:drug-interaction"]
)
def test_risky_scopes_need_a_review_in_combinations_too(tmp_path: Path, scope: str) -> None:
    assert rules.read_rules(Workspace(tmp_path), scope).human_review


def test_every_risky_scope_of_the_shipped_rules_exists() -> None:
    from core.catalog import industries, specialists

    known = set(industries.all_industries()) | set(specialists.all_specialists())
    assert set(rules.read_gates(rules.SHIPPED).high_risk or []) <= known


def test_own_rules_are_laid_over_the_shipped_ones_field_by_field(own: Callable[[str], Workspace]) -> None:
    workspace = own(
        "defaults: {regression_limit: 0.02, not_measured: {forgetting: hold}}\n"
        "high_risk: [hr]\n"
        "scopes:\n  finance: {size_mb: 50, regression_limit: null}\n  hr: {human_review: false}\n"
    )
    finance, retail = rules.read_rules(workspace, "finance"), rules.read_rules(workspace, "retail")
    assert (finance.regression_limit, finance.size_mb, finance.forgetting_limit) == (None, 50, 0.05)
    assert (retail.regression_limit, retail.size_mb) == (0.02, None)
    assert (retail.not_measured.forgetting, retail.not_measured.verdict) == ("hold", "hold")
    assert not rules.read_rules(workspace, "healthcare").human_review, "the list of risky scopes is replaced"
    assert not rules.read_rules(workspace, "hr").human_review, "a scope's own word is the last"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("defaults: {verdikt: any}", "defaults.verdikt"),
        ("default: {}", "default:"),
        ("scopes: {finance: {regression_limit: 5}}", "scopes.finance.regression_limit"),
        ("scopes: {finance: {size_mb: 0}}", "scopes.finance.size_mb"),
        ("defaults: {verdict: good}", "defaults.verdict"),
        ("defaults: {not_measured: {speed: hold}}", "defaults.not_measured.speed"),
        ("defaults: {regression_limit: .nan}", "defaults.regression_limit"),
        ("high_risk: healthcare", "high_risk"),
        ("defaults: {aims: noted, aims: required}", "line 1"),
        ("defaults: [", "line 1"),
        ("- a", "hold no fields"),
        ("defaults: {size_mb: 2024-13-45}", "a value that can't be read"),
    ],
)
def test_a_wrong_rule_is_refused_with_file_and_field(own: Callable[[str], Workspace], text: str, place: str) -> None:
    workspace = own(text)
    with pytest.raises(RegistryError) as refused:
        rules.read_rules(workspace, "finance")
    assert str(workspace.root / "gates.yaml") in str(refused.value)
    assert place in str(refused.value)


def test_an_empty_file_changes_nothing(own: Callable[[str], Workspace], tmp_path: Path) -> None:
    assert rules.read_rules(own("# nothing yet\n"), "finance") == rules.read_rules(Workspace(tmp_path / "x"), "finance")
