"""Dropped files: kept under their own names, so that messages name them, in a folder that this session owns."""

import hashlib
import re
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.training import configuration
from pages.widgets.text import plain

_FOLDER = "upload_folder"


def kept(dropped: UploadedFile) -> Path:
    """Return where a dropped file lies; the same content lies in the same place."""
    content = dropped.getvalue()
    if _FOLDER not in st.session_state:  # it goes when the session goes
        st.session_state[_FOLDER] = tempfile.TemporaryDirectory(prefix="atelier-", ignore_cleanup_errors=True)
    target = Path(st.session_state[_FOLDER].name) / hashlib.sha256(content).hexdigest()[:16] / _safe(dropped.name)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return target


def _safe(name: str) -> str:
    """Return a name that every file system takes, and that leads nowhere else."""
    kept = "".join(char if char.isprintable() and char not in '<>:"/\\|?*' else "_" for char in Path(name).name)
    return kept[-60:].strip(". ") or "file"


def without_folder(message: str) -> str:
    """Return a message that calls a dropped file by its name alone; where it lies meanwhile says nothing to people."""
    if _FOLDER not in st.session_state:
        return message
    return re.sub(rf"{re.escape(st.session_state[_FOLDER].name)}[/\\][0-9a-f]+[/\\]", "", message)


def read_settings(dropped: UploadedFile) -> dict[str, Any]:
    """Return the training fields of a dropped YAML file."""
    values, base = configuration.read_yaml(kept(dropped))
    if base:
        st.caption(f"The file names the base {plain(base)}; the one chosen above is used.")
    return values
