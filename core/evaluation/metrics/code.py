"""Answers in Python: the code of an answer, whether it can be read, and the estimate of pass@k."""

import ast
import re

import numpy as np

_FENCE = re.compile(r"```[\w.+-]*[ \t]*\r?\n(.*?)(?:```|\Z)", re.DOTALL)


def read_code(answer: str) -> str:
    """Return the code of an answer: what stands in its first fence, or all of it."""
    match = _FENCE.search(answer)
    return match[1] if match else answer


def is_valid(answer: str) -> bool:
    """Return whether the code of an answer is Python with at least one statement."""
    try:
        return bool(ast.parse(read_code(answer)).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of k samples is right, 0 to 1.

    Source: Chen et al. 2021, arXiv:2107.03374, equation 1.
    """
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ValueError(f"{right} right of {samples} samples give no estimate for k = {k}")
    if samples - right < k:
        return 1.0
    return float(1.0 - np.prod(1.0 - k / np.arange(samples - right + 1, samples + 1)))
