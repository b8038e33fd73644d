"""The way in for conversations: pasted, dropped, or one of the samples; nothing of it is kept."""

import json
from dataclasses import dataclass
from functools import lru_cache

import streamlit as st

from core.catalog import rubrics
from core.paths import Workspace
from core.scoring import models, sampling
from pages.widgets.text import plain

MADE, MADE_SEED = 40, 20_261
ENDINGS = ["txt", "md", "json", "jsonl", "vtt", "srt"]
MOST_FILES = 64
PASTED = "Pasted conversation"


@dataclass(frozen=True)
class Given:
    """A conversation as somebody gave it: its name, and its text or the bytes of its file."""

    name: str
    content: str | bytes


@lru_cache(maxsize=8)
def samples(rubric_id: str, workspace: Workspace) -> dict[str, str]:
    """Return conversations to try, by title: made of phrases, in scenarios that the shipped adapter has not seen, then
    written-out ones."""
    rubric = rubrics.find(rubric_id, workspace)
    found: dict[str, str] = {}
    if models.has_bundle(rubric):
        card = json.loads((models.BUNDLES / rubric.id / "card.json").read_text(encoding="utf-8"))
        for one in sampling.make(rubric, MADE, MADE_SEED, longest=150):
            if one.bond not in card["trained_on"]:
                found.setdefault(f"Made: {one.bond.replace('/', ', ').replace('-', ' ')}", one.transcript.render())
    return found | {f"Written: {one.title}": one.transcript.render() for one in sampling.read_samples(rubric)}


def show(rubric_id: str, workspace: Workspace) -> list[Given]:
    """Draw the way in, and return what is given now."""
    kind = st.segmented_control(
        "Conversation", ["Paste", "Files", "Sample"], default="Paste", required=True, key="transcript_source"
    )
    if kind == "Files":
        return _files()
    if kind == "Sample":
        return _sample(samples(rubric_id, workspace))
    text = st.text_area(
        "Conversation",
        key="transcript_text",
        height=300,
        label_visibility="collapsed",
        placeholder="Nurse: How have you been sleeping?\nPatient: Badly. I worry about the operation.\n…",
        help="One line for each turn, with the speaker's name and a colon before it.",
    )
    return [Given(PASTED, text)] if text.strip() else []


def _files() -> list[Given]:
    dropped = st.file_uploader(
        "Files",
        type=ENDINGS,
        accept_multiple_files=True,
        key="transcript_files",
        label_visibility="collapsed",
        help="Text with a speaker before each turn, JSON turns, or subtitles (VTT, SRT). One file is one conversation.",
    )
    if len(dropped) > MOST_FILES:
        st.warning(
            f"{len(dropped)} files were dropped; at most {MOST_FILES} are scored at once. The first {MOST_FILES} are "
            "taken; drop the others after them.",
            icon=":material/warning:",
        )
    return [Given(one.name, one.getvalue()) for one in dropped[:MOST_FILES]]


def _sample(known: dict[str, str]) -> list[Given]:
    if not known:
        st.info("No conversations are shipped for this rubric. Paste one of yours.", icon=":material/info:")
        return []
    title = st.selectbox("Sample", list(known), key="transcript_sample", label_visibility="collapsed")
    with st.container(height=260, border=True):
        st.markdown("  \n".join(plain(line) for line in known[title].splitlines()))
    return [Given(title, known[title])]
