"""The gate at the end of a job: it says its word once, acts by itself where it may, and never costs a job."""

import json
import time
from pathlib import Path

import pytest

from core.errors import RegistryError
from core.paths import Workspace
from core.registry import promotion, proposal
from core.registry.reconcile import reconcile
from core.store import proposals, registry
from core.store.adapters import AdapterRow
from core.store.connection import opened, transaction
from core.store.proposals import Proposal
from core.store.registry import Decision
from tests.adapters import make_adapter
from tests.integration.command import Command, make_command
from tests.integration.support import submit, wait_for_end

AUTOMATIC = "defaults: {automatic: true}\n"


@pytest.fixture
def command(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def just_ended(workspace: Workspace, name: str = "Finance one", scope: str = "finance", **more: object) -> AdapterRow:
    """Return an adapter whose job has ended, and about which the gate was not asked yet."""
    row = make_adapter(workspace, name, scope, **more)  # type: ignore[arg-type]
    with opened(workspace) as db, transaction(db):
        proposals.expect(db, row.id, registry.scope_of(row.card))
    return row


def history(workspace: Workspace, scope: str = "finance") -> list[Decision]:
    with opened(workspace) as db:
        return registry.decisions(db, scope)


def stored(workspace: Workspace, adapter: str) -> Proposal | None:
    with opened(workspace) as db:
        return proposals.find(db, adapter)


def write_gates(workspace: Workspace, text: str) -> None:
    (workspace.root / "gates.yaml").write_text(text, encoding="utf-8")


def test_by_default_the_gate_only_says_what_it_would_do(workspace: Workspace) -> None:
    good, bad = just_ended(workspace, "Good"), just_ended(workspace, "Bad", tuned=[0.0] * 30)
    said = {one.name: proposal.tell(made) for one in (good, bad) if (made := proposal.propose(workspace, one.id))}
    assert said["Good"] == "The gate would promote it because 2 of 3 rules passed; not measured: what it forgot."
    assert said["Bad"] == "The gate holds it back because it is not proven better than its base."
    assert history(workspace) == [], "nothing was decided"


def test_where_it_may_the_gate_promotes_and_holds_by_itself_with_a_row_that_can_be_undone(workspace: Workspace) -> None:
    write_gates(workspace, "scopes: {finance: {automatic: true}}\n")
    good, bad, other = (
        just_ended(workspace, "Good"), just_ended(workspace, "Bad", tuned=[0.0] * 30),
        just_ended(workspace, "Elsewhere", "retail"),
    )  # fmt: skip
    for row in (good, bad, other):
        made = proposal.propose(workspace, row.id)
        assert made is not None and made.action
    second, first = history(workspace)
    assert (first.action, first.after, first.note) == ("promote", good.id, "by the gate")
    assert (second.action, second.adapter, second.after, second.note) == ("hold", bad.id, good.id, "by the gate")
    assert "by itself because" in proposal.tell_now(workspace, good.id)
    assert history(workspace, "retail") == [], "another scope keeps its own rule"
    assert promotion.undo(workspace, "finance").after == ""


def test_a_risky_scope_waits_for_a_person_even_where_the_gate_acts_by_itself(workspace: Workspace) -> None:
    write_gates(workspace, AUTOMATIC)
    row = just_ended(workspace, scope="healthcare")
    made = proposal.propose(workspace, row.id)
    assert made is not None
    assert proposal.tell(made) == (
        "The gate held it back by itself because no person has reviewed it, which this scope demands."
    )


def test_a_question_that_a_killed_worker_left_open_is_asked_at_the_next_start_and_once(workspace: Workspace) -> None:
    write_gates(workspace, AUTOMATIC)
    row = just_ended(workspace)
    promotion.decide(workspace, row.id, by_itself=True)  # the worker came as far as this
    with opened(workspace) as db:
        assert any(row.id in told and "promoted it by itself" in told for told in reconcile(workspace, db))
        assert reconcile(workspace, db) == []
    assert len(history(workspace)) == 1
    made = stored(workspace, row.id)
    assert made is not None and made.decision == history(workspace)[0].id


def test_rules_that_can_not_be_read_leave_the_question_open(workspace: Workspace) -> None:
    write_gates(workspace, "defaults: {automatik: true}\n")
    row = just_ended(workspace)
    assert proposal.propose(workspace, row.id) is None
    with pytest.raises(RegistryError, match="automatik"):
        proposal.tell_now(workspace, row.id)
    write_gates(workspace, "")
    with opened(workspace) as db:
        reconcile(workspace, db)
    assert (made := stored(workspace, row.id)) is not None and made.action == "promote"


def test_what_the_gate_said_then_stays_when_things_change(workspace: Workspace) -> None:
    row, better = just_ended(workspace, tuned=[1.0] * 20 + [0.0] * 10), just_ended(workspace, "Better")
    proposal.propose(workspace, row.id)
    promotion.decide(workspace, better.id)
    assert promotion.look(workspace, row.id).ruling.action == "hold"
    assert "would promote it" in proposal.tell_now(workspace, row.id)
    promotion.decide(workspace, row.id, reason="Faster")
    assert proposal.tell_now(workspace, row.id) == "It is in production of finance."


def test_an_adapter_from_before_is_told_about_as_the_gate_sees_it_now(workspace: Workspace) -> None:
    assert "would promote it because" in proposal.tell_now(workspace, make_adapter(workspace).id)


# A review


def test_a_review_that_was_written_down_opens_the_way_and_an_objection_closes_it(
    workspace: Workspace, command: Command
) -> None:
    row = make_adapter(workspace, "Triage", "healthcare")
    assert command("models", "promote", row.id, "--reason", "In a hurry").code == 1, "no reason replaces a review"
    assert "demands a person's review" in command("models", "review", row.id).out
    assert command("models", "review", row.id, "--fit", "Read 30 answers").code == 2, "without a name"
    assert command("models", "review", row.id, "--by", "Ann Ray", "--unfit", "It invents doses").code == 0
    assert "unfit (Ann Ray: It invents doses)" in promotion.look(workspace, row.id).ruling.sentence
    assert command("models", "review", row.id, "--by", "Bo Lee", "--fit", "Looks right").code == 0
    assert command("models", "promote", row.id).code == 1, "one person's objection stands beside another's word"
    told = json.loads(command("models", "review", row.id, "--by", "ann ray", "--fit", "Doses mended", "--json").out)
    assert (told["demanded"], told["fit"], len(told["reviews"])) == (True, True, 3)
    assert command("models", "promote", row.id).code == 0
    assert history(workspace, "healthcare")[0].note == "ann ray: Doses mended"


def test_a_review_counts_for_the_weights_that_were_seen(workspace: Workspace) -> None:
    row = make_adapter(workspace, "Triage", "healthcare")
    promotion.review(workspace, row.id, "Ann Ray", "fit", "Read 30 answers")
    with opened(workspace) as db, transaction(db):
        db.execute("UPDATE reviews SET weights_sha = ?", ("0" * 64,))
    assert "no person has reviewed it" in promotion.look(workspace, row.id, by_size=True).ruling.sentence


def test_an_objection_is_heard_where_no_review_is_demanded_and_a_reason_may_overrule_it(workspace: Workspace) -> None:
    row = make_adapter(workspace)
    promotion.review(workspace, row.id, "Ann Ray", "unfit", "Wrong currency")
    assert promotion.decide(workspace, row.id).action == "hold"
    assert promotion.decide(workspace, row.id, reason="Only euros here").after == row.id


# A real job


@pytest.mark.parametrize("gates", [AUTOMATIC + "scopes: {}\n", "defaults: {broken\n"], ids=["automatic", "broken"])
def test_a_real_job_ends_well_whatever_the_gate_does(workspace: Workspace, tiny_base: Path, gates: str) -> None:
    write_gates(workspace, gates)
    job = wait_for_end(workspace, submit(workspace, tiny_base, name="Real"))
    assert job.state == "succeeded", job.error
    said, log = "The gate could not be asked" if "broken" in gates else "by itself because", ""
    for _ in range(600):  # the worker asks after its job has ended
        log = workspace.job(job.id).log.read_text(encoding="utf-8")
        if said in log:
            break
        time.sleep(0.1)
    assert said in log
    made = stored(workspace, job.id)
    assert made is not None, "a broken file leaves the question open"
    if "broken" in gates:
        assert made.action == ""
        return
    (row,) = history(workspace, job.spec["benchmark_name"])
    assert (row.id, row.action, row.note) == (made.decision, made.action, "by the gate")
