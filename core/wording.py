"""Numbers and texts as people read them: the same words on the pages and in the command."""

import math


def show_duration(seconds: float | None) -> str:
    """Return seconds as people say them: 8 s, 2 min 5 s, 3 h 20 min."""
    if seconds is None or not math.isfinite(seconds):
        return "unknown"
    seconds = max(0.0, seconds)
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def show_bytes(count: float | None) -> str:
    """Return a size in units of a thousand: 512 B, 1.2 MB, 16.0 GB."""
    if count is None or not math.isfinite(count):
        return "unknown"
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.99995 * size:  # 999,999 bytes are 1.0 MB, not 1000.0 kB
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} B"


def show_energy(joules: float | None) -> str:
    """Return joules in the unit of the electricity bill; None means that nothing measures them here."""
    if joules is None:
        return "no meter"
    return f"{joules / 3.6e6:.2f} kWh" if joules >= 3.6e5 else f"{joules / 3600:.2f} Wh"


def show_points(difference: float) -> str:
    """Return a difference of scores (0 to 1) in points of 100, with its sign."""
    return f"{round(100 * difference):+d} points"


def visible(text: str) -> str:
    """Return a text in which what does not print (escape sequences, turned direction) stands as its code."""
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode() for char in text
    )


def clip(text: str, length: int) -> str:
    """Return a text on one line of printable characters, cut to a length."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def show_name(name: str) -> str:
    """Return a name as text that can be stored and shown; bytes of it that are no UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")
