"""Code that a model wrote, run where it can reach nothing: hostile programs are contained, right ones pass."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import pytest

from core.errors import SandboxError
from core.evaluation import sandbox
from core.evaluation.separation import separate
from tests.conftest import wait_until
from tests.good_code import GOOD, TOGETHER
from tests.hostile_code import BURGLARS, PROGRAMS, TESTS

MEMORY_BYTES, SECONDS = 256_000_000 + os.getpid(), 1.5  # by it this process knows its own sandboxes
PROJECT = Path(__file__).resolve().parents[2]


@cache
def why_not() -> str:
    try:
        sandbox.check()
    except SandboxError as error:
        return str(error)
    return ""


@pytest.fixture(autouse=True)
def _needs_sandbox() -> None:
    if why_not():
        pytest.skip(why_not())


def passes(answer: str, tests: str, seconds: float = 10.0) -> bool:
    return sandbox.run_tests(answer, tests, seconds).passed


def jailed_processes() -> list[psutil.Process]:
    lines = [(one, " ".join(one.info["cmdline"] or [])) for one in psutil.process_iter(["cmdline"])]
    return [one for one, line in lines if "jail.py" in line and f'"RLIMIT_AS": {MEMORY_BYTES},' in line]


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """Give the most memory that this process's new descendants held together, in bytes, as the only entry."""
    most, done = [0], threading.Event()
    known = {one.pid for one in psutil.Process().children(recursive=True)}  # of other tests, such as a web server

    def watch() -> None:
        while not done.wait(0.02):
            held = 0
            for one in psutil.Process().children(recursive=True):
                try:
                    held += one.memory_info().rss if one.pid not in known else 0
                except psutil.Error:  # it has just ended
                    continue
            most[0] = max(most[0], held)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def outside(canary: Path) -> list[object]:
    """Return what a program that got out could have changed."""
    devices = [(one, one.stat().st_mode, one.stat().st_uid) for one in map(Path, ("/dev/null", "/dev/zero"))]
    folders = [
        sorted(one.iterdir()) for one in (canary.parent, Path("/"), Path("/usr"), Path("/usr/bin"), Path("/dev"))
    ]
    files = [(one, one.read_bytes(), one.stat().st_mtime_ns) for one in (canary, *PROJECT.glob("core/evaluation/*.py"))]
    return [devices, folders, files]


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_hostile_program_passes_no_tests_and_leaves_no_trace(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "canary")
    canary = tmp_path / "canary.txt"
    canary.write_text("untouched")
    before = outside(canary)
    program = PROGRAMS[name].replace("CANARY", str(canary)).replace("PROJECT", str(PROJECT))
    with watched_memory() as most:
        told = sandbox.run_tests(program, TESTS, SECONDS, MEMORY_BYTES)
    assert not told.passed, told
    assert told.reason
    assert told.seconds < 2 * SECONDS + 1
    assert most[0] < 2 * MEMORY_BYTES
    assert outside(canary) == before
    wait_until(lambda: not jailed_processes(), 5, "the end of every process of the sandbox")


def test_hostile_programs_fail_by_what_they_do_and_not_by_the_tests() -> None:
    assert len(PROGRAMS) >= 40
    assert passes("answer = sorted", TESTS)
    assert passes(
        "def attack(): return True\ndef answer(values):\n    return sorted(values) if attack() else None", TESTS
    )


@pytest.mark.parametrize("name", BURGLARS)
def test_what_shares_a_process_with_its_tests_gets_no_further_outside(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text("untouched")
    before = outside(canary)
    together = f"assert answer.__name__ == 'answer'\n{TESTS}"
    assert separate(together).together
    program = BURGLARS[name].replace("CANARY", str(canary)).replace("PROJECT", str(PROJECT))
    assert not sandbox.run_tests(program, together, SECONDS, MEMORY_BYTES).passed
    assert outside(canary) == before


@pytest.mark.parametrize(
    "told", ["b'[' * 4000", 'b\'["passed", ""]\'', "b'{}'", "b'[1, 2]'", "b'\\xff'", "b'x' * 100_000"]
)
def test_what_shares_a_process_with_its_tests_can_not_just_say_that_it_passed(told: str) -> None:
    answer = f"import os\ndef answer(): pass\nos.write(4, {told})\nos._exit(0)"
    assert not passes(answer, "assert answer.__name__ == 'answer'")


def test_an_answer_can_not_end_a_loop_of_the_tests() -> None:
    for raised in ("StopIteration", "StopIteration(1)", "GeneratorExit", "StopAsyncIteration"):
        answer = f"def f(x): raise {raised}"
        assert not passes(answer, "for found, right in zip(map(f, [1, 2]), [3, 4]):\n    assert found == right")
        assert not passes(answer, "assert all(map(f, [1, 2]))")


def test_when_the_program_is_killed_its_sandbox_ends_too() -> None:
    call = f"run_tests('import time\\ntime.sleep(60)', 'assert f(1)', 1.0, {MEMORY_BYTES})"
    line = [sys.executable, "-c", f"from core.evaluation.sandbox import run_tests; {call}"]
    program = subprocess.Popen(line, cwd=PROJECT)
    wait_until(lambda: len(jailed_processes()) >= 3, 20, "the start of a sandbox")
    program.kill()
    program.wait()
    wait_until(lambda: not jailed_processes(), 10, "the end of every process of the sandbox")


def test_without_a_sandbox_nothing_is_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    sandbox.check.cache_clear()
    try:
        with pytest.raises(SandboxError, match="Choose another specialist"):
            sandbox.run_tests("def f(): pass", "f()")
    finally:
        sandbox.check.cache_clear()


VALUES = """
from collections import Counter, OrderedDict, deque
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
import math
values = [
    None, True, 0, -1, 2**63, -(2**200), 10**5000, 0.1, -0.0, 1e308, "", "é\\ud800\\0", b"\\0\\xff", bytearray(b"x"),
    3 + 4j, [], [1, [2, (3,)]], (), (1,), {}, {"a": 1, 2: [3], (4, 5): {6}}, set(), {1, "2"}, frozenset({(1, 2)}),
    range(2, 9, 3), slice(1, None), deque([1, 2]), Counter("aab"), OrderedDict(b=1, a=2), Decimal("1.10"),
    Fraction(1, 3), date(2024, 2, 29), datetime(2024, 2, 29, 1, 2, 3, 4), timedelta(days=-1, microseconds=5), int,
    ValueError,
]
for value in values:
    back = same(value)
    assert back == value and type(back) is type(value), (value, back)
assert math.isnan(same(math.nan)) and same(-math.inf) == -math.inf and math.copysign(1, same(-0.0)) == -1
assert list(same(iter([1, 2]))) == [1, 2] and next(same(x for x in "ab")) == "a"
assert list(same({"b": 1, "a": 2}.keys())) == ["b", "a"] and sum(same({1: 2}.values())) == 2
assert list(same({"x": [1, 2], "y": {3}}).items()) == [("x", [1, 2]), ("y", {3})]
"""


def test_builtin_and_standard_values_arrive_as_they_are() -> None:
    told = sandbox.run_tests("def same(value): return value", VALUES)
    assert told.passed, told
    assert not separate(VALUES).together


@pytest.mark.parametrize("name", GOOD)
def test_right_code_passes_whatever_its_tests_hand_over(name: str) -> None:
    answer, tests = GOOD[name]
    told = sandbox.run_tests(answer, tests)
    assert told.passed, (told, separate(tests))
    assert separate(tests).together == (name in TOGETHER), separate(tests)


@pytest.mark.parametrize("name", [name for name in GOOD if name != "output"])
def test_without_the_answer_the_same_tests_fail(name: str) -> None:
    assert not passes("", GOOD[name][1])


def test_code_may_work_as_long_as_it_is_allowed_and_no_longer() -> None:
    assert sandbox.run_tests("while True: pass", "assert f", 1.0).reason.startswith("not done after")
    assert sandbox.run_tests("import time\ntime.sleep(60)", "assert f", 1.0).reason == "not done after 2 s"
    assert sandbox.run_tests("import time\ntime.sleep(2.2)\nf = 1", "assert f", 2.0).passed  # waiting is no work


def test_what_an_answer_returns_never_decides_how_it_is_tested() -> None:
    tests = "assert f(2) == 4 and abs(g(2) - 1.5) < 1e-9 and h('a').startswith('b') and len(f(1)) and 3 in h(0)"
    assert not separate(tests).together
    yes = (
        "class Yes:\n    def __getattr__(self, name): return lambda *a, **k: self\n"
        + "".join(
            f"    def __{one}__(self, *a): return {'0.0' if one in ('sub', 'abs') else 'True'}\n"
            for one in ("eq", "lt", "sub", "abs", "contains", "bool", "len")
        )
        + "f = g = h = lambda *a: Yes()"
    )
    assert not passes(yes, tests)
    for one in (
        "assert abs(g(2) - 1.5) < 1e-9",
        "assert h('a').startswith('b')",
        "assert 3 in h(0)",
        "assert f(2) == 4",
    ):
        assert not passes(yes, one)


def test_builtins_of_the_tests_are_not_the_answers() -> None:
    fake = "f = sorted = lambda x: []\nlen = lambda x: 3\nabs = lambda x: 0\nall = lambda x: True"
    for tests in (
        "assert abs(len(f(1)) - 3) < 1",
        "assert sorted(f(2)) == sorted([1])",
        "assert all(x in f(0) for x in [3])",
    ):
        assert not passes(fake, tests)


def test_tests_that_are_no_python_fail_with_a_reason() -> None:
    assert "can't be read" in sandbox.run_tests("x = 1", "assert (").reason
