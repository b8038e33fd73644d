"""Whether a training prompt gives away a benchmark item: the same words, or a long run of them with its numbers."""

from collections.abc import Iterable

from core.datasets.generator import normalise

RUN_WORDS = 8  # numbers count as words; shorter runs are common phrases


def word_runs(text: str) -> set[str]:
    """Return every run of 8 words; a shorter text is one run."""
    words = normalise(text).split()
    if len(words) <= RUN_WORDS:
        return {" ".join(words)} if words else set()
    return {" ".join(words[start : start + RUN_WORDS]) for start in range(len(words) - RUN_WORDS + 1)}


class LeakGuard:
    """Holds a benchmark's prompts and says which training prompts are too near to one of them."""

    def __init__(self, prompts: Iterable[str]) -> None:
        self._runs: dict[str, str] = {}
        for prompt in prompts:
            for run in word_runs(prompt):
                self._runs.setdefault(run, prompt)

    def find_item(self, prompt: str) -> str | None:
        """Return the benchmark prompt that shares a run of words with this one, or None."""
        return next((self._runs[run] for run in word_runs(prompt) if run in self._runs), None)

    def is_too_near(self, prompt: str) -> bool:
        return self.find_item(prompt) is not None
