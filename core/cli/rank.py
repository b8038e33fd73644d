"""`atelier leaderboard`, `results`, `matrix`: all models, one model, each adapter against its base everywhere."""

import sqlite3
from typing import Annotated, Any

import typer

from core.cli.output import print_json, print_table, print_text, say
from core.cli.workplace import open_workspace
from core.errors import NotFound
from core.paths import Workspace
from core.store import evaluations
from core.store.connection import opened
from core.wording import show_bytes

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]


def leaderboard(
    industry: Annotated[str, typer.Option(help="Industry whose benchmark counts; without it all of them.")] = "",
    benchmark: Annotated[str, typer.Option(help="Own benchmark or specialist by its name, or a hash.")] = "",
    as_json: AsJson = False,
) -> None:
    """Rank the models that were measured on the same items; models that nothing separates share their ranks."""
    from core.evaluation import leaderboard as ranking  # brings numpy, which the other commands do not wait for
    from core.evaluation.resources import resources_of

    workspace = open_workspace()
    with opened(workspace) as db:
        lines = _lines(db, workspace, industry or benchmark)
        found = [ranking.describe(line, **resources_of(db, workspace, line).to_dict()) for line in lines]
    if as_json:
        print_json(found)
        return
    if not found:
        print_text("Nothing was measured yet. Test a model with `atelier evaluate`.")
        return
    print_table(
        ("rank", "model", "score", "95% interval", "items", "ms per item", "tokens/s", "size"),
        [
            (
                line.rank_text, line.model, f"{line.score:.1%}", f"{line.low:.1%} to {line.high:.1%}", line.items,
                f"{line.latency_ms:.0f}", f"{line.tokens_per_second:,.0f}", show_bytes(one["size_bytes"]),
            )
            for line, one in zip(lines, found, strict=True)
        ],
    )  # fmt: skip


def _lines(db: sqlite3.Connection, workspace: Workspace, wanted: str) -> list[Any]:
    """Return the lines of one benchmark, or of all industries.

    Raises:
        NotFound: Nothing was measured on a benchmark of this name.
    """
    from core.evaluation import leaderboard as ranking
    from core.evaluation.own_benchmarks import industry_shas

    boards = ranking.boards(evaluations.standings(db))
    shas = industry_shas(workspace)
    if not wanted:
        return ranking.rank_over_all(db, workspace, ranking.common(ranking.main_boards(boards, shas)))
    current = [board for board in boards if board.sha == shas.get(wanted)]
    named = [board for board in boards if wanted in (board.benchmark, board.sha)]
    found = current or named
    if not found:
        if wanted in shas:
            return []
        have = ", ".join(sorted({board.benchmark for board in boards}))
        raise NotFound(
            f"Nothing was measured on {wanted!r}. " + (f"There are: {have}." if have else "Test a model first.")
        )
    if len(found) > 1:
        say(f"{wanted} was measured in {len(found)} versions or ways; the one with most models is shown.")
    return ranking.rank(db, workspace, found[0])


def results(
    model: Annotated[str, typer.Argument(help="Adapter id or name, or a base.")],
    as_json: AsJson = False,
) -> None:
    """Sum up all that was measured of a model: over all, by industry, by type of question."""
    from core.evaluation import stored_summary
    from core.evaluation.own_benchmarks import industry_shas

    workspace = open_workspace()
    with opened(workspace) as db:
        found = stored_summary.of_model(db, stored_summary.find_model(db, model), industry_shas(workspace))
    if as_json:
        print_json(found)
        return
    whole = found["overall_summary"]
    print_text(f"{found['model_name']}: {whole['overall_accuracy']:.1%} over {whole['total_benchmarks']} benchmarks.")
    print_table(
        ("benchmark", "score", "ms per item", "answered"),
        [
            (name, f"{one['avg_accuracy']:.1%}", f"{one['avg_latency_ms']:.0f}", f"{one['success_rate']:.0%}")
            for name, one in found["industry_summaries"].items()
        ],
    )
    print_table(("type", "score"), [(kind, f"{score:.1%}") for kind, score in whole["performance_by_type"].items()])


def matrix(
    adapter: Annotated[list[str] | None, typer.Option(help="Adapter id or name; repeatable. Without it all.")] = None,
    fill: Annotated[bool, typer.Option("--fill", help="Queue the evaluations that are missing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what each adapter gained at home and lost on the other industries, against its base on the same items."""
    from core.evaluation import forgetting, submission
    from core.evaluation.own_benchmarks import industry_shas
    from core.store import adapters

    workspace = open_workspace()
    with opened(workspace) as db:
        wanted = [adapters.find(db, one).id for one in adapter] if adapter else None
        homes, shas, standings = evaluations.homes(db, wanted), industry_shas(workspace), evaluations.standings(db)
        rows = forgetting.make_matrix(db, workspace, homes, shas, standings)
    missing = forgetting.find_missing(homes, shas, standings, rows)
    queued = submission.submit_missing(workspace, missing) if fill else []
    if as_json:
        print_json(
            {
                "industries": list(shas),
                "rows": [forgetting.describe(row, list(shas)) for row in rows],
                "missing": len(missing),
                "queued": [job.id for job in queued],
            }
        )
        return
    if not rows:
        print_text("There are no adapters yet. Train one with `atelier train`.")
        return
    shown = [name for name in shas if any(name in row.cells for row in rows)]
    print_table(("adapter", *shown), [(row.name, *(_cell(row.cells.get(name)) for name in shown)) for row in rows])
    for row in rows:
        print_text(f"{row.name}: {row.sentence}")
    print_text("Points against the base; * proven after Holm's correction, [ ] the adapter's own industry.")
    if queued:
        print_text(f"{len(queued)} evaluations are queued.")
    elif missing:
        print_text(f"{len(missing)} evaluations are missing; --fill queues them.")


def _cell(cell: Any) -> str:
    if cell is None:
        return ""
    text = f"{100 * cell.difference:+.0f}{'' if cell.outcome == 'not proven' else '*'}"
    return f"[{text}]" if cell.is_home else text
