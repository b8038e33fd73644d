"""HumanEval and MBPP: their own solutions pass in the sandbox, the same ones with one mistake do not."""

import ast
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import pytest

from core.errors import SandboxError
from core.evaluation import sandbox
from core.evaluation.separation import separate
from tests.conftest import SHARED

SAMPLE, SEED = 40, 20_261_121
HUMANEVAL, MBPP = SHARED / "data/humaneval/HumanEval.jsonl.gz", SHARED / "data/mbpp/mbpp.jsonl"
pytestmark = pytest.mark.skipif(not MBPP.is_file(), reason="the real data lie beside the project, not in it")


@pytest.fixture(autouse=True)
def _needs_sandbox() -> None:
    try:
        sandbox.check()
    except SandboxError as error:
        pytest.skip(str(error))


def passes(answer: str, tests: str, seconds: float = 10.0) -> bool:
    return sandbox.run_tests(answer, tests, seconds).passed


@cache
def problems(which: str) -> list[tuple[str, str, str]]:
    """Return (id, right code, tests) of a set of problems."""
    if which == "HumanEval":
        rows = [json.loads(line) for line in gzip.decompress(HUMANEVAL.read_bytes()).splitlines()]
        return [
            (one["task_id"], one["prompt"] + one["canonical_solution"], f"{one['test']}\ncheck({one['entry_point']})\n")
            for one in rows
        ]
    rows = [json.loads(line) for line in MBPP.open(encoding="utf-8")]
    return [
        (f"MBPP/{one['task_id']}", one["code"], "\n".join([one["test_setup_code"], *one["test_list"]])) for one in rows
    ]


def sample(which: str) -> list[tuple[str, str, str]]:
    return random.Random(SEED).sample(problems(which), SAMPLE)


class _Flip(ast.NodeTransformer):
    """Flips the operator with one number."""

    _OTHERS = {  # noqa: RUF012
        ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
        ast.Mod: ast.Add, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
        ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    }  # fmt: skip

    def __init__(self, number: int) -> None:
        self.left = number

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if type(node) in self._OTHERS:
            self.left -= 1
            if self.left == -1:
                return self._OTHERS[type(node)]()
        return node


def flipped(code: str) -> Iterator[str]:
    """Yield the code with one operator flipped, one after the other."""
    for number in range(60):
        flip = _Flip(number)
        tree = ast.fix_missing_locations(flip.visit(ast.parse(code)))
        if flip.left >= 0:
            return
        yield ast.unparse(tree)


def wrongly_returned(code: str, tests: str) -> Iterator[str]:
    """Yield the code with a wrong value returned by the functions that the tests call."""
    for wrong in ("('wrong', right)", "None", "not right"):
        wrapped = "".join(
            f"\ndef {name}(*values, _was={name}, **named):\n    right = _was(*values, **named)\n    return {wrong}\n"
            for name in separate(tests).names
        )
        yield code + "\n" + wrapped


def really_fails(code: str, tests: str) -> bool:
    """Return whether code fails its tests outside of the sandbox; it is a set's own code with one change."""
    try:
        done = subprocess.run([sys.executable, "-IS", "-c", f"{code}\n{tests}"], capture_output=True, timeout=5)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def mutants(code: str, tests: str) -> list[str]:
    """Return the code with a wrong return and with an operator flipped, where such a change makes a test fail."""
    kinds = (wrongly_returned(code, tests), flipped(code))
    found = [next((one for one in kind if really_fails(one, tests)), None) for kind in kinds]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("which", ["HumanEval", "MBPP"])
def test_right_solutions_pass(which: str) -> None:
    assert [name for name, code, tests in sample(which) if not passes(code, tests)] == []


@pytest.mark.parametrize("which", ["HumanEval", "MBPP"])
def test_solutions_with_one_mistake_fail(which: str) -> None:
    changed = [(name, one, tests) for name, code, tests in sample(which) for one in mutants(code, tests)]
    assert len(changed) > 1.5 * SAMPLE
    assert [name for name, code, tests in changed if passes(code, tests, 3.0)] == []
