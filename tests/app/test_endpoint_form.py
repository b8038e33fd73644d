"""Testing an endpoint from the page: its price before the run, and what keeps it from being run."""

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.catalog.endpoints import Endpoint
from core.evaluation import endpoint_cost
from core.evaluation.endpoint_cost import Forecast
from core.paths import Workspace
from core.store.evaluations import Spent
from tests.app.prove_support import BENCHMARKS, industry
from tests.app.support import assert_fine, button, by_label

OpenPage = Callable[..., AppTest]
PRICED = "price_per_1000_input: 0.01, price_per_1000_output: 0.03, currency: EUR"


def choose(open_page: OpenPage, workspace: Workspace, entry: str) -> AppTest:
    (workspace.root / "endpoints.yaml").write_text(f"- {{name: mine, url: 'http://127.0.0.1:9', model: m{entry}}}\n")
    tab = open_page(BENCHMARKS)
    by_label(tab.multiselect, "Models").set_value(["base:endpoint:mine"])
    return by_label(tab.multiselect, "Benchmarks").set_value(["finance"]).run()


def said(tab: AppTest) -> str:
    (line,) = [one.value for one in tab.caption if "questions go to" in one.value]
    return str(line)


def test_the_price_stands_there_before_the_run(workspace: Workspace, open_page: OpenPage) -> None:
    tab = choose(open_page, workspace, f", {PRICED}")
    assert_fine(tab)
    wanted = endpoint_cost.forecast(
        Endpoint(name="mine", url="http://x", model="m", price_per_1000_input=0.01, price_per_1000_output=0.03),
        industry("finance"), [],
    )  # fmt: skip
    assert wanted.cost is not None and wanted.most_cost is not None and wanted.cost < wanted.most_cost
    about, most = (float(one) for one in re.findall(r"([\d.]+)\** EUR", said(tab)))
    assert about == pytest.approx(wanted.cost, rel=0.06) and most == pytest.approx(wanted.most_cost, rel=0.06)
    assert not button(tab, "Run the test").disabled


def test_without_a_price_the_tokens_are_told(workspace: Workspace, open_page: OpenPage) -> None:
    tab = choose(open_page, workspace, "")
    assert "gives no price" in said(tab) and not button(tab, "Run the test").disabled


def test_a_missing_key_is_told_and_nothing_can_be_run(
    workspace: Workspace, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MINE_API_KEY", raising=False)
    tab = choose(open_page, workspace, ", key_env: MINE_API_KEY")
    assert "MINE" in tab.warning[0].value and "is not set for Atelier" in tab.warning[0].value
    assert button(tab, "Run the test").disabled


def test_the_same_questions_cost_the_same_again_and_others_as_its_answers_are_long() -> None:
    one = Endpoint(name="x", url="http://x", model="m", price_per_1000_input=1, price_per_1000_output=2)
    finance, retail = industry("finance"), industry("retail")
    past = [Spent(finance.sha, len(finance.items), 5_000, 20 * len(finance.items))]
    again, other = endpoint_cost.forecast(one, finance, past), endpoint_cost.forecast(one, retail, past)
    assert (again.input_tokens, again.cost, again.is_known) == (5_000, 5 + 0.04 * len(finance.items), True)
    assert (other.output_tokens, other.is_known) == (20 * len(retail.items), False)
    both = again + other
    assert isinstance(both, Forecast) and both.cost == pytest.approx((again.cost or 0) + (other.cost or 0))


def test_a_limit_of_ones_own_is_the_most_that_is_paid_for() -> None:
    priced = {"price_per_1000_input": 0.0, "price_per_1000_output": 1.0}
    one = Endpoint(name="x", url="http://x", model="m", options={"max_completion_tokens": 4000}, **priced)  # type: ignore[arg-type]
    finance = industry("finance")
    assert endpoint_cost.forecast(one, finance, []).most_cost == pytest.approx(4 * len(finance.items))
