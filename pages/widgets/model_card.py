"""An adapter as the registry knows it: what the gate says rule by rule, where it comes from, what was decided."""

import pandas as pd
import streamlit as st

from core.registry import gate, proposal
from core.registry.promotion import Look
from core.store.proposals import Proposal
from core.store.registry import Decision, Stage
from core.wording import clip, show_bytes, show_duration
from pages.widgets import session
from pages.widgets.text import plain, sentence

STAGES: dict[Stage, tuple[str, str]] = {
    "production": ("green", ":material/verified:"),
    "candidate": ("blue", ":material/pending:"),
    "archived": ("gray", ":material/inventory_2:"),
}
SHOWN_DECISIONS = 100
ACTIONS = {
    "promote": "into production",
    "hold": "held back",
    "rollback": "rolled back",
    "archive": "archived",
    "undo": "undone",
}


def badge_text(stage: Stage) -> str:
    color, icon = STAGES[stage]
    return f":{color}-badge[{icon} {stage}]"


def show_gate(seen: Look, proposed: Proposal | None) -> None:
    """Draw what the gate says now, in a sentence and as a table of its rules, and what it said at the job's end."""
    if seen.stage != "production":
        st.write(sentence(seen.ruling.sentence))
    results = seen.ruling.results
    st.dataframe(
        pd.DataFrame(
            {
                "Rule": [one.title for one in results],
                "Mark": [[_mark(one)] for one in results],
                "Figure": [one.figure for one in results],
                "Limit": [one.limit for one in results],
            }
        ),
        hide_index=True,
        height=38 + 35 * len(results),
        column_config={
            "Rule": st.column_config.TextColumn(width=185),
            "Mark": st.column_config.MultiselectColumn(
                width=115,
                options=["passed", "failed", "noted", "not measured"],
                color=["green", "red", "orange", "gray"],
            ),
            "Figure": st.column_config.TextColumn(width=345),
            "Limit": st.column_config.TextColumn(width=205),
        },
        alt="The gate's rules",
    )
    if proposed is not None and proposed.action:
        when = session.show_when(proposed.at)
        st.caption(f"When its job ended ({when}): {sentence(proposal.tell(proposed))}")
    if seen.rules.automatic:
        st.caption(f"For {plain(seen.known.scope)} the gate acts by itself when a job ends.")


def _mark(one: gate.Result) -> str:
    return "noted" if one.state == "failed" and not one.holds else one.state


def show_lineage(seen: Look) -> None:
    """Draw what the adapter was made from, to the hashes."""
    row, card = seen.known.row, seen.known.row.card
    size, speed = seen.known.facts.size_mb, seen.known.facts.latency_ms
    facts = {
        "Base": f"{card.get('base_title', row.base)}, fingerprint {row.base_fingerprint[:16]}",
        "Dataset": f"{card.get('dataset_name', '')}, hash {row.dataset[:16]}",
        "Examples": _examples(card),
        "Benchmark": f"{card.get('benchmark_name', '')}, hash {str(card.get('benchmark', ''))[:16]}",
        "Training": f"{card['steps']:,} steps, {show_duration(card.get('seconds'))}" if "steps" in card else "",
        "Machine": card.get("machine", ""),
        "Size": show_bytes(1e6 * size) if size is not None else "",
        "Time for an answer": f"{speed:,.0f} ms, in the test" if speed is not None else "",
        "Weights sha256": row.weights_sha,
        "Folder": str(session.workspace().adapters / row.id),
    }
    rows = [(label, clip(str(value), 300)) for label, value in facts.items() if value]
    st.dataframe(
        pd.DataFrame(rows, columns=["What", "Which"]),
        hide_index=True,
        height=38 + 35 * len(rows),
        column_config={
            "What": st.column_config.TextColumn(width=150),
            "Which": st.column_config.TextColumn(width=640),
        },
        alt="Where the adapter comes from",
    )


def _examples(card: dict[str, object]) -> str:
    composition = card.get("composition")
    parts = composition.items() if isinstance(composition, dict) else ()
    counts = ", ".join(f"{origin} {count:,}" for origin, count in parts)
    return f"{card.get('train_examples', 'unknown')} to train on, {card.get('validation_examples', 'unknown')} to " + (
        f"validate; from {counts}" if counts else "validate"
    )


def show_decisions(history: list[Decision], names: dict[str, str]) -> None:
    """Draw what was decided, the newest first."""
    if not history:
        st.caption("Nothing was decided about it yet.")
        return
    shown = history[:SHOWN_DECISIONS]
    st.dataframe(
        pd.DataFrame(
            {
                "#": [one.id for one in shown],
                "When": [session.show_when(one.at) for one in shown],
                "What": [ACTIONS[one.action] + (", later undone" if one.is_undone else "") for one in shown],
                "In production then": [names.get(one.after, one.after) or "none" for one in shown],
                "Why": [why(one) for one in shown],
            }
        ),
        hide_index=True,
        height=38 + 35 * min(len(shown), 8),
        column_config={
            "#": st.column_config.NumberColumn(width=45),
            "When": st.column_config.TextColumn(width=110),
            "What": st.column_config.TextColumn(width=150),
            "In production then": st.column_config.TextColumn(width=190),
            "Why": st.column_config.TextColumn(width=420),
        },
        alt="Decisions, the newest first",
    )


def why(one: Decision) -> str:
    """Return why a decision was made: a person's words first, then the gate's."""
    if one.action == "undo":
        return f"reverses decision {one.undoes}" + (f"; {one.note}" if one.note else "")
    gate_says = one.figures.get("gate", {}).get("sentence", "")
    if one.figures.get("overruled"):
        return f"the gate was overruled: {one.note}. {gate_says}"
    return ". ".join(part.rstrip(".") for part in (one.note, gate_says) if part)


def describe(one: Decision, names: dict[str, str]) -> str:
    """Return what came of a press, for the line above."""
    name = plain(clip(names.get(one.adapter, one.adapter), 80))
    if one.action == "hold":
        return f"{name} stays where it is. {sentence(one.figures['gate']['sentence'])}"
    if one.action == "archive":
        return f"{name} is archived."
    serving = f"{plain(clip(names.get(one.after, one.after), 80))} is in production." if one.after else ""
    if one.action == "undo":
        return f"Undone. {serving or 'None is in production.'}"
    return serving
