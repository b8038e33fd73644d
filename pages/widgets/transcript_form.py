"""The way in for conversations: pasted, dropped, or one of the samples; nothing of it is kept."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import streamlit as st

from core.paths import DATA_DIR
from pages.widgets.text import plain

SAMPLES_DIR = DATA_DIR / "transcripts" / "samples"
ENDINGS = ["txt", "md", "json", "jsonl", "vtt", "srt"]
MOST_FILES = 64
PASTED = "Pasted conversation"


@dataclass(frozen=True)
class Given:
    """A conversation as somebody gave it: its name, and its text or the bytes of its file."""

    name: str
    content: str | bytes


@lru_cache(maxsize=4)
def samples(folder: Path = SAMPLES_DIR) -> dict[str, str]:
    """Return the shipped conversations by title."""
    found = {}
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip():
                row = json.loads(line)
                found[row["title"]] = row["transcript"]
    return found


def show() -> list[Given]:
    """Draw the way in, and return what is given now."""
    kind = st.segmented_control(
        "Conversation", ["Paste", "Files", "Sample"], default="Paste", required=True, key="transcript_source"
    )
    if kind == "Files":
        return _files()
    if kind == "Sample":
        return _sample()
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


def _sample() -> list[Given]:
    known = samples()
    if not known:
        st.info("No samples are shipped with this copy.", icon=":material/info:")
        return []
    title = st.selectbox("Sample", list(known), key="transcript_sample", label_visibility="collapsed")
    with st.container(height=260, border=True):
        st.markdown("  \n".join(plain(line) for line in known[title].splitlines()))
    return [Given(title, known[title])]
