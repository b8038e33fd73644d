"""The registry on a real database and real folders: every decision, what it is bound to, and the way back."""

import json
import random
import threading
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from core import durable
from core.errors import NotFound, RegistryError
from core.paths import Workspace
from core.registry import facts, promotion
from core.registry.reconcile import reconcile
from core.registry.report import count_text, make_report, write_markdown
from core.registry.report_html import write_html
from core.store import adapters, evaluations, registry
from core.store.adapters import AdapterRow
from core.store.connection import opened
from core.store.registry import Decision
from tests.adapters import add_evaluation, damage, label_benchmark, make_adapter
from tests.app.support import make_benchmark
from tests.integration.command import Command, make_command
from tests.integration.support import submit, wait_for_end, weights_hash

WEAK = [1.0] * 20 + [0.0] * 10
NARROW = "specialist:sentiment"


@pytest.fixture
def command(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return make_command(monkeypatch, capsys)


def stages(workspace: Workspace, scope: str = "finance") -> dict[str, str]:
    with opened(workspace) as db:
        return {one.name: one.stage for one in registry.entries(db, scope)}


def in_production(workspace: Workspace, scope: str = "finance") -> str:
    with opened(workspace) as db:
        return registry.production_of(db, scope)


def history(workspace: Workspace, scope: str = "finance") -> list[Decision]:
    with opened(workspace) as db:
        return registry.decisions(db, scope)


def assert_agree(workspace: Workspace, scope: str = "finance") -> None:
    """The last decision and the stages tell the same."""
    with opened(workspace) as db:
        assert [one.stage for one in registry.entries(db, scope)].count("production") <= 1
        made = registry.decisions(db, scope)
        assert registry.production_of(db, scope) == (made[0].after if made else "")


# The list


def test_an_adapter_is_a_candidate_of_its_benchmark_until_something_is_decided(workspace: Workspace) -> None:
    make_adapter(workspace, "One")
    make_adapter(workspace, "Both", "finance+retail")
    make_adapter(workspace, "Narrow", benchmark=label_benchmark("Sentiment", 30), specialist="sentiment")
    make_adapter(workspace, "Untested", judged=False)
    with opened(workspace) as db:
        found = {one.name: one for one in registry.entries(db)}
        assert db.execute("SELECT count(*) FROM stages").fetchone()[0] == 0
        for one in found.values():
            assert registry.scope_of(adapters.find(db, one.id).card) == one.scope
    assert {name: one.scope for name, one in found.items()} == {
        "One": "finance", "Both": "finance+retail", "Narrow": NARROW, "Untested": "finance",
    }  # fmt: skip
    assert {one.stage for one in found.values()} == {"candidate"}
    assert found["One"].score == pytest.approx(1) and found["Untested"].score is None


# The gate's facts


def test_the_one_in_production_is_compared_on_the_same_items_only(workspace: Workspace) -> None:
    first = make_adapter(workspace, "First")
    promotion.decide(workspace, first.id)
    weak = make_adapter(workspace, "Weak", tuned=WEAK)
    other_items = make_adapter(workspace, "Other items", base=[0.0] * 40, tuned=[1.0] * 40)
    seen = promotion.look(workspace, weak.id).known.facts
    assert (seen.score, seen.production_score) == (pytest.approx(2 / 3), pytest.approx(1))
    assert promotion.look(workspace, other_items.id).known.facts.production_score is None
    assert promotion.look(workspace, other_items.id).ruling.action == "promote", "by the rules, that is only noted"


def test_forgetting_counts_the_other_benchmarks_of_the_same_adapter_and_base(workspace: Workspace) -> None:
    row = make_adapter(workspace)
    retail, law = make_benchmark("retail", 20), make_benchmark("legal", 20)
    add_evaluation(workspace, row.job, retail, [1.0] * 20)
    add_evaluation(workspace, row.job, retail, [1.0] * 18 + [0.0] * 2, row.id)
    add_evaluation(workspace, row.job, law, [0.0] * 20, row.id)  # its base was never asked
    add_evaluation(workspace, row.job, make_benchmark("hr", 10), [0.0] * 10, row.id, settings="other")
    (other,) = promotion.look(workspace, row.id).known.facts.others
    assert (other.benchmark, other.change) == ("retail", pytest.approx(-0.1))
    made = promotion.decide(workspace, row.id)
    assert made.action == "hold"
    assert "it loses 10 points on retail" in made.figures["gate"]["sentence"]


def test_an_adapter_that_was_tested_after_its_job_gets_its_verdict_then(workspace: Workspace) -> None:
    benchmark = make_benchmark("finance", 30)
    row = make_adapter(workspace, benchmark=benchmark, judged=False)
    assert "not compared with its base" in promotion.decide(workspace, row.id).figures["gate"]["sentence"]
    add_evaluation(workspace, row.job, benchmark, [0.0] * 30)
    add_evaluation(workspace, row.job, benchmark, [1.0] * 30, row.id)
    assert promotion.decide(workspace, row.id).action == "promote"


def test_a_specialists_aims_decide(workspace: Workspace) -> None:
    aims = {"accuracy": {"baseline": 0.6, "tuned": 0.9}, "macro_f1": {"baseline": 0.1, "tuned": 0.2}}
    few = label_benchmark("Sentiment", 30)
    row = make_adapter(workspace, benchmark=few, tuned=[1.0] * 26 + [0.0] * 4, specialist="sentiment", aims=aims)
    made = promotion.decide(workspace, row.id)
    assert made.action == "hold"
    assert made.figures["gate"]["sentence"] == "It is held back: Accuracy is 87% where at least 90% is wanted."
    (workspace.root / "gates.yaml").write_text(f"scopes: {{'{NARROW}': {{aims: noted}}}}", encoding="utf-8")
    assert promotion.decide(workspace, row.id).action == "promote"


def test_limits_of_time_and_size_are_measured_on_the_adapter(workspace: Workspace) -> None:
    row = make_adapter(workspace, size=100_000)  # 400 kB; 30 answers in 3 s
    (workspace.root / "gates.yaml").write_text("defaults: {latency_ms: 99, size_mb: 0.3}", encoding="utf-8")
    told = promotion.look(workspace, row.id).ruling.sentence
    assert "time for an answer is 100 ms" in told and "size is 0.4001 MB" in told


# Decisions


def test_a_promotion_is_bound_to_the_bytes_it_saw(workspace: Workspace) -> None:
    row = make_adapter(workspace)
    made = promotion.decide(workspace, row.id)
    assert (made.action, made.before, made.after) == ("promote", "", row.id)
    weights = workspace.adapters / row.id / facts.WEIGHTS
    assert made.hashes["adapter"] == durable.hash_file(weights) == row.weights_sha
    assert made.hashes["benchmark"] == row.card["benchmark"]
    assert made.hashes["dataset"] == row.dataset
    assert made.hashes["code"] == facts.code_version()
    assert {one["rule"] for one in made.figures["gate"]["results"]} == {"files", "verdict", "forgetting"}


def test_a_hold_is_written_down_and_moves_nothing(workspace: Workspace) -> None:
    row = make_adapter(workspace, tuned=[0.0] * 30)
    made = promotion.decide(workspace, row.id)
    assert (made.action, made.moves, made.after) == ("hold", {}, "")
    assert stages(workspace) == {"Finance one": "candidate"}
    with pytest.raises(RegistryError, match="Nothing that was decided"):
        promotion.undo(workspace, "finance")


def test_a_persons_reason_overrules_the_gate_and_stays(workspace: Workspace) -> None:
    row = make_adapter(workspace, tuned=[0.0] * 30)
    assert promotion.decide(workspace, row.id, reason=" \n ").action == "hold"
    made = promotion.decide(workspace, row.id, reason="A trial\nfor one day")
    assert (made.action, made.note) == ("promote", "A trial for one day")
    assert made.figures["overruled"] and made.figures["gate"]["action"] == "hold"


def test_no_reason_overrules_a_missing_review_or_a_damaged_folder(workspace: Workspace) -> None:
    risky = make_adapter(workspace, "Risky", "healthcare")
    assert promotion.decide(workspace, risky.id, reason="In a hurry").action == "hold"
    with pytest.raises(RegistryError, match="A review is a name"):
        promotion.decide(workspace, risky.id, review="looks fine")
    assert promotion.decide(workspace, risky.id, review="Ann Ray: read all 30").after == risky.id
    broken = make_adapter(workspace, "Broken")
    damage(workspace, broken.id)
    made = promotion.decide(workspace, broken.id, reason="It is fine")
    assert made.action == "hold"
    assert "model.safetensors is damaged" in made.figures["gate"]["sentence"]


def test_a_whole_folder_of_other_weights_is_not_promoted(workspace: Workspace) -> None:
    row, other = make_adapter(workspace, "Mine"), make_adapter(workspace, "Other")
    place = workspace.adapters / row.id
    place.rename(workspace.root / "away")
    (workspace.adapters / other.id).rename(place)
    made = promotion.decide(workspace, row.id)
    assert made.action == "hold"
    assert "not those that were tested" in made.figures["gate"]["sentence"]


def three(workspace: Workspace) -> list[AdapterRow]:
    rows = [make_adapter(workspace, name) for name in ("A", "B", "C")]
    for row in rows:
        assert promotion.decide(workspace, row.id).after == row.id
    return rows


def test_rolling_back_twice_goes_back_twice(workspace: Workspace) -> None:
    a, b, c = three(workspace)
    assert stages(workspace) == {"C": "production", "B": "archived", "A": "archived"}
    assert promotion.rollback(workspace, "finance").after == b.id
    assert promotion.rollback(workspace, "finance", note="B was worse").after == a.id
    with pytest.raises(RegistryError, match="No other adapter was in production"):
        promotion.rollback(workspace, "finance")
    made = promotion.rollback(workspace, "finance", to=history(workspace)[2].id)
    assert made.after == c.id
    assert promotion.rollback(workspace, "finance").after == a.id
    assert_agree(workspace)


def test_undo_goes_back_one_decision_after_the_other_to_the_beginning(workspace: Workspace) -> None:
    a, b, _ = three(workspace)
    promotion.rollback(workspace, "finance", to=1)
    pictures = [in_production(workspace)]
    while True:
        try:
            made = promotion.undo(workspace, "finance")
        except RegistryError as error:
            assert "left to undo" in str(error)
            break
        assert made.after == in_production(workspace)
        pictures.append(made.after)
    assert [{a.id: "A", b.id: "B", "": ""}.get(one, "C") for one in pictures] == ["A", "C", "B", "A", ""]
    assert set(stages(workspace).values()) == {"candidate"}
    undone = {one.id for one in history(workspace) if one.is_undone}
    assert undone == {1, 2, 3, 4}
    assert_agree(workspace)


def test_what_was_undone_is_no_place_to_go_back_to(workspace: Workspace) -> None:
    a, b, c = (make_adapter(workspace, name) for name in ("A", "B", "C"))
    promotion.decide(workspace, a.id)
    promotion.decide(workspace, b.id)
    promotion.undo(workspace, "finance")
    promotion.decide(workspace, c.id)
    assert promotion.rollback(workspace, "finance").after == a.id


def test_archive_and_its_undo(workspace: Workspace) -> None:
    a, b = make_adapter(workspace, "A"), make_adapter(workspace, "B")
    promotion.decide(workspace, a.id)
    with pytest.raises(RegistryError, match="is in production"):
        promotion.archive(workspace, a.id)
    assert promotion.archive(workspace, b.id).after == a.id
    assert stages(workspace) == {"A": "production", "B": "archived"}
    with pytest.raises(RegistryError, match="archived already"):
        promotion.archive(workspace, b.id)
    promotion.undo(workspace, "finance")
    assert stages(workspace) == {"A": "production", "B": "candidate"}


def test_scopes_are_apart(workspace: Workspace) -> None:
    a, b = make_adapter(workspace, "A"), make_adapter(workspace, "B", "retail")
    promotion.decide(workspace, a.id)
    promotion.decide(workspace, b.id)
    promotion.undo(workspace, "retail")
    assert (in_production(workspace), in_production(workspace, "retail")) == (a.id, "")
    with pytest.raises(NotFound, match="finance, retail"):
        promotion.rollback(workspace, "legal")


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_decided_in_whatever_order_all_of_it_can_be_undone(workspace: Workspace, seed: int) -> None:
    """A hundred random decisions: stages and rows agree after each, undoing brings back each earlier picture."""
    rows = [make_adapter(workspace, f"N{n}") for n in range(4)]
    chance = random.Random(seed)
    pictures = [stages(workspace)]
    acts: list[Callable[[], Decision]] = [
        lambda: promotion.decide(workspace, chance.choice(rows).id),
        lambda: promotion.decide(workspace, chance.choice(rows).id),
        lambda: promotion.rollback(workspace, "finance"),
        lambda: promotion.archive(workspace, chance.choice(rows).id),
        lambda: promotion.hold(workspace, chance.choice(rows).id, "Wait"),
        lambda: promotion.undo(workspace, "finance"),
    ]
    for _ in range(100):
        served = in_production(workspace)
        try:
            made = chance.choice(acts)()
        except RegistryError:
            assert stages(workspace) == pictures[-1], "what is refused changes nothing"
            continue
        assert_agree(workspace)
        if made.action == "undo":
            pictures.pop()
        elif made.moves:
            pictures.append(stages(workspace))
        assert stages(workspace) == pictures[-1]
        assert made.action == "undo" or not served or in_production(workspace), "only an undo may leave none"
    while len(pictures) > 1:
        promotion.undo(workspace, "finance")
        pictures.pop()
        assert stages(workspace) == pictures[-1]
    assert set(stages(workspace).values()) == {"candidate"}


# What is in production


def test_production_is_checked_and_rolled_back_when_it_is_damaged(workspace: Workspace) -> None:
    a, b, c = three(workspace)
    assert promotion.find_production(workspace, "finance").id == c.id
    damage(workspace, c.id)
    damage(workspace, b.id)
    assert promotion.find_production(workspace, "finance").id == a.id
    made = history(workspace)[0]
    assert (made.action, made.before, made.after) == ("rollback", c.id, a.id)
    assert made.figures["automatic"] and "'C' is damaged" in made.note
    assert list(made.figures["passed_over"]) == [b.id]
    count = len(history(workspace))
    assert promotion.find_production(workspace, "finance").id == a.id
    assert len(history(workspace)) == count
    with pytest.raises(RegistryError, match="can't be undone: the folder of 'C'"):
        promotion.undo(workspace, "finance")


def test_with_nothing_whole_to_go_back_to_the_pointer_stays(workspace: Workspace) -> None:
    a = make_adapter(workspace, "A")
    promotion.decide(workspace, a.id)
    damage(workspace, a.id)
    with pytest.raises(RegistryError, match="can't be used"):
        promotion.find_production(workspace, "finance")
    assert in_production(workspace) == a.id
    assert len(history(workspace)) == 1


def test_several_who_ask_at_once_roll_back_once(workspace: Workspace) -> None:
    *_, b, c = three(workspace)
    damage(workspace, c.id)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(promotion.find_production(workspace, "finance").id))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b.id] * 6
    assert [one.action for one in history(workspace)].count("rollback") == 1


def test_many_who_promote_at_once_leave_one_in_production(workspace: Workspace) -> None:
    rows = [make_adapter(workspace, f"N{n}") for n in range(6)]
    refused: list[str] = []

    def promote(row: AdapterRow) -> None:
        try:
            promotion.decide(workspace, row.id)
        except RegistryError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=promote, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = history(workspace)
    assert len(made) + len(refused) == 6
    assert all("meanwhile" in text for text in refused)
    befores = [one.before for one in reversed(made)]
    assert befores == ["", *[one.after for one in reversed(made)][:-1]], "each saw what the one before it left"
    assert_agree(workspace)


# Reports


HOSTILE = "<script>alert(1)</script> & \"quotes\" '<img src=x onerror=y>' | # **x**"


class Tags(HTMLParser):
    """The names of all tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_a_report_escapes_whatever_people_and_models_write(workspace: Workspace) -> None:
    row = make_adapter(workspace, HOSTILE, scope=HOSTILE)
    page = write_html(make_report(workspace, row.id))
    tags = Tags(page)
    assert not tags.seen & {"script", "img", "iframe", "link", "object"}
    assert not any(name.startswith("on") for name in tags.attributes) and "src" not in tags.attributes
    assert "http" not in page.replace("http-equiv", ""), "it asks for nothing from elsewhere"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    text = write_markdown(make_report(workspace, row.id))
    outside = [line for line in text.splitlines() if not line.startswith("    ")]
    assert not any("<script" in line.replace("\\<", "") for line in outside)


def test_a_report_tells_scores_metrics_forgetting_examples_and_lineage(workspace: Workspace) -> None:
    aims = {"accuracy": {"baseline": 0.6, "tuned": 0.9}}
    few = label_benchmark("Sentiment", 30)
    row = make_adapter(
        workspace, "Narrow", base=WEAK, tuned=[0.0] * 5 + [1.0] * 25, benchmark=few, specialist="sentiment", aims=aims
    )
    retail = make_benchmark("retail", 20)
    add_evaluation(workspace, row.job, retail, [1.0] * 20)
    add_evaluation(workspace, row.job, retail, [1.0] * 17 + [0.0] * 3, row.id)
    made = make_report(workspace, row.id)
    assert made.counts == (10, 5, 15)
    assert (len(made.won), len(made.lost)) == (5, 5)
    assert made.won[0].expected == made.won[0].second != made.won[0].first
    for text in (write_markdown(made), write_html(made)):
        for part in ("Accuracy", "90%, not reached", "retail", "-14 points", "Mail 20?", "base guesses l20", "Limits"):
            assert part in text, part
        assert row.weights_sha in text
    assert write_html(made).count("<svg") == 3, "the scores for a wide and a narrow page, a bar for retail"


def test_two_adapters_are_reported_side_by_side(workspace: Workspace) -> None:
    strong, weak = make_adapter(workspace, "Strong"), make_adapter(workspace, "Weak", tuned=WEAK)
    text = write_markdown(make_report(workspace, weak.id, strong.id))
    assert "'Weak' is worse: it scores 67% where 'Strong' scores 100%" in text.replace("\\", "")
    assert "| Strong | Weak |" in text
    retail = make_benchmark("retail", 20)
    for one in (strong, weak):
        add_evaluation(workspace, one.job, retail, [0.0] * 20, one.id)
    assert make_report(workspace, weak.id, strong.id).verdict["items"] == 30, "on what they were trained for"  # type: ignore[index]
    elsewhere = make_adapter(workspace, "Elsewhere", "legal")
    with pytest.raises(RegistryError, match="not tested on the same items"):
        make_report(workspace, elsewhere.id, strong.id)


def test_a_report_shows_every_part_in_turn_and_what_is_still_wrong(workspace: Workspace) -> None:
    base, tuned = [0.0] * 28 + [1.0, 0.5], [1.0] * 12 + [0.0] * 16 + [1.0, 0.5]
    made = make_report(workspace, make_adapter(workspace, base=base, tuned=tuned).id)
    assert {one.component for one in made.won[:2]} == {"Numbers", "Labels"}
    assert (made.counts, made.alike_right) == ((12, 0, 18), 1)
    assert len(made.missed) == 3 and all(one.second_score == 0 for one in made.missed)
    assert count_text(made).endswith("On 18 both do alike; 1 of these are right.")
    for text in (write_markdown(made), write_html(made)):
        assert "Still wrong" in text and "Lost" not in text
        assert made.missed[0].prompt in text


def test_a_report_tells_the_figures_of_the_page_and_fits_any_width(workspace: Workspace) -> None:
    made = make_report(workspace, make_adapter(workspace, tuned=[1.0] * 20 + [0.0] * 10).id)
    assert made.verdict is not None
    text, page = write_markdown(made), write_html(made)
    total = f"{made.verdict['base_score']:.0%} | {made.verdict['tuned_score']:.0%}"
    assert total in text and f"{made.verdict['tuned_score']:.0%}" in page
    rows = MarkdownIt("commonmark").enable("table").render(text)
    assert rows.count("<table>") == 2 and "| part" not in rows, "every table is read as one"
    assert "@media print" in page and 'data-label="difference"' in page


def test_a_report_needs_neither_the_benchmark_nor_a_test(workspace: Workspace) -> None:
    row, untested = make_adapter(workspace), make_adapter(workspace, "Untested", judged=False)
    for path in (workspace.root / "benchmarks").iterdir():
        path.unlink()
    assert make_report(workspace, row.id).won == ()
    assert "Nothing was compared" in write_markdown(make_report(workspace, untested.id))
    assert "Nothing was compared" in write_html(make_report(workspace, untested.id))


# From a real job


def test_what_a_real_job_leaves_goes_the_whole_way(workspace: Workspace, tiny_base: Path, tmp_path: Path) -> None:
    job = wait_for_end(workspace, submit(workspace, tiny_base, name="Real"))
    assert job.state == "succeeded", job.error
    scope = job.spec["benchmark_name"]
    with opened(workspace) as db:
        (one,) = registry.entries(db, scope)
        verdict = evaluations.verdict_of_job(db, job.id)
    assert verdict is not None
    assert (one.id, one.stage, one.score) == (job.id, "candidate", pytest.approx(verdict.content["tuned_score"]))
    seen = promotion.look(workspace, "Real")
    assert (seen.ruling.action == "promote") == (verdict.outcome == "better")
    made = promotion.decide(workspace, "Real", reason="A trial")
    assert made.hashes["adapter"] == weights_hash(workspace, job)
    assert promotion.find_production(workspace, scope).id == job.id
    report = make_report(workspace, "Real")
    assert sum(report.counts) == verdict.content["items"]
    assert write_html(report).count("<svg") == 2
    with opened(workspace) as db:
        assert reconcile(workspace, db) == []
    assert in_production(workspace, scope) == job.id, "the supervisor's start changes nothing about it"


# The command


def test_the_command_lists_and_shows(workspace: Workspace, command: Command) -> None:
    assert "No adapters here yet" in command("models", "list").out
    row = make_adapter(workspace)
    (one,) = json.loads(command("models", "list", "--json").out)
    assert set(one) == {"id", "name", "scope", "stage", "base", "score", "low", "high", "size_mb", "created"}
    assert (one["id"], one["stage"], one["score"]) == (row.id, "candidate", pytest.approx(1))
    assert json.loads(command("models", "list", "--scope", "retail", "--json").out) == []
    command("models", "promote", row.id)
    shown = json.loads(command("models", "show", "Finance one", "--json").out)
    assert shown["lineage"]["weights_sha"] == row.weights_sha
    assert [made["action"] for made in shown["decisions"]] == ["promote"]
    told = command("models", "show", row.id[:12])
    assert told.code == 0 and "production of finance" in told.out and "Beside its base" in told.out


def test_the_commands_exit_codes_let_a_pipeline_decide(workspace: Workspace, command: Command) -> None:
    good, bad = make_adapter(workspace, "Good"), make_adapter(workspace, "Bad", tuned=[0.0] * 30)
    assert command("models", "gate", good.id).code == 0
    held = command("models", "gate", bad.id, "--json")
    assert (held.code, json.loads(held.out)["action"]) == (1, "hold")
    assert command("models", "promote", bad.id).code == 1
    assert json.loads(command("models", "promote", good.id, "--json").out)["after"] == good.id
    assert command("models", "promote", bad.id, "--reason", "A trial").code == 0
    assert command("models", "rollback", "finance").code == 0
    assert command("models", "undo", "finance").code == 0
    assert in_production(workspace) == bad.id
    assert command("models", "undo", "finance").code == 0
    assert command("models", "hold", bad.id, "--reason", "Too slow").code == 0
    assert command("models", "archive", bad.id).code == 0
    assert command("models", "production", "finance").out.splitlines() == [str(workspace.adapters / good.id), good.id]
    told = json.loads(command("models", "production", "finance", "--json").out)
    assert (told["adapter"], told["weights_sha"]) == (good.id, good.weights_sha)
    by = next(one for one in history(workspace) if one.id == told["decision"])
    assert (by.action, by.after) == ("undo", good.id), "what put it there last, not the later hold of the other"
    for words in (("promote", "nobody"), ("rollback", "legal"), ("promote", good.id), ("list", "--stage", "live")):
        assert command("models", *words).code == 2, words


def test_card_and_report_are_written(workspace: Workspace, command: Command, tmp_path: Path) -> None:
    row = make_adapter(workspace)
    assert command("models", "card", row.id).out.startswith("---\nlibrary_name: peft")
    assert "# Finance one beside its base" in command("models", "report", row.id).out
    for name in ("r.html", "r.md"):
        assert command("models", "report", row.id, "--output", tmp_path / name).code == 0
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert command("models", "report", row.id, "--output", tmp_path / "r.docx").code == 2
    assert command("models", "report", row.id, "--output", tmp_path / "r.md" / "x.md").code == 2


def test_doctor_tells_of_broken_rules(workspace: Workspace, command: Command) -> None:
    (workspace.root / "gates.yaml").write_text("defaults: {size: 3}", encoding="utf-8")
    found: Callable[[], list[dict[str, str]]] = lambda: json.loads(command("doctor", "--json").out)  # noqa: E731
    (told,) = [one for one in found() if "gates.yaml" in one["text"] and one["severity"] == "problem"]
    assert "defaults.size" in told["text"] and told["remedy"]
