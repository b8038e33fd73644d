"""What testing endpoints will cost, and what keeps them from being tested; under the choice of models."""

from collections.abc import Sequence

import streamlit as st

from core.catalog import endpoints
from core.catalog.endpoints import Endpoint
from core.errors import AppError
from core.evaluation import endpoint_cost
from core.evaluation.benchmarks import Benchmark
from core.evaluation.endpoint_cost import Forecast
from core.paths import Workspace
from core.store import benchmarks as stored
from core.store import evaluations
from pages.widgets import models_tested, session
from pages.widgets.text import plain, sentence

KEPT_S = 600


def show(workspace: Workspace, bases: Sequence[str], wanted: Sequence[str]) -> bool:
    """Draw a line for each endpoint among the chosen models, and return whether all of them could be asked.

    Args:
        bases: The bases of all chosen models; those of this machine cost nothing here.
        wanted: The names of the chosen benchmarks.
    """
    ready = True
    for name in dict.fromkeys(name for base in bases if (name := endpoints.name_in(base)) is not None):
        try:
            one = endpoints.find(name, workspace)
            endpoints.read_key(one)
        except AppError as error:
            st.warning(sentence(str(error)), icon=":material/key_off:")
            ready = False
            continue
        if wanted:
            st.caption(f":material/payments: {_tell(one, _forecast(workspace, one, wanted))}")
    return ready


@st.cache_resource(show_spinner="Counting the questions", max_entries=16, ttl=KEPT_S)
def _benchmark(root: str, name: str, sha: str) -> Benchmark:
    return models_tested.resolve(session.workspace(), name)


def _forecast(workspace: Workspace, one: Endpoint, wanted: Sequence[str]) -> Forecast:
    with session.store() as db:
        past = evaluations.spent_by(db, one.base)
        shas = {own.name: own.sha for own in stored.named(db)}
    asked = [_benchmark(str(workspace.root), name, shas.get(name, "")) for name in wanted]
    first, *rest = [endpoint_cost.forecast(one, benchmark, past) for benchmark in asked]
    for more in rest:
        first += more
    return first


def _tell(one: Endpoint, told: Forecast) -> str:
    """Return in a sentence or two what goes there, what comes back, and the price."""
    about = "as in its last test" if told.is_known else "about"
    tokens = (
        f"{told.items:,} questions go to {plain(one.name)}: {about} {told.input_tokens:,} tokens to read and "
        f"{told.output_tokens:,} to write."
    )
    if told.cost is None or told.most_cost is None:
        return f"{tokens} endpoints\\.yaml gives no price for it, so the cost is not known."
    if not told.most_cost:
        return f"{tokens} It costs nothing."
    return (
        f"{tokens} That costs about **{_money(told.cost)} {told.currency}**, at most {_money(told.most_cost)} "
        f"{told.currency} if every answer is as long as it may be."
    )


def _money(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.2g}" if amount >= 0.0001 else "less than 0.0001"
