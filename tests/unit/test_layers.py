"""What may import what, read from the source: pages and command stay light, features stay apart, no circles."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from core.paths import PROJECT_DIR, Workspace

HEAVY = {"torch", "transformers", "peft", "accelerate", "bitsandbytes"}
BASE = {"errors", "paths", "durable", "hub", "redaction", "strict_yaml", "wording"}

# Each part of core with the parts that it may import beside itself. A new arrow is a decision: write it down here and
# in docs/architecture.md.
ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(BASE, BASE),
    "catalog": BASE,
    "store": BASE,
    "hardware": BASE,
    "registry": BASE | {"catalog", "store", "evaluation"},
    "datasets": BASE | {"catalog", "store", "process", "evaluation"},
    "process": BASE | {"catalog", "store", "hardware", "registry"},
    "model": BASE | {"catalog", "datasets", "training", "process"},
    "evaluation": BASE | {"catalog", "store", "datasets", "process", "model"},
    "training": BASE | {"catalog", "store", "hardware", "registry", "datasets", "process", "model", "evaluation"},
    "scoring": BASE
    | {"catalog", "store", "hardware", "registry", "datasets", "process", "model", "evaluation", "training"},
    "starter": BASE,
    "cli": BASE
    | {"catalog", "store", "hardware", "registry", "datasets", "process", "evaluation", "training", "scoring"},
}

# Where a part reaches up, or two know each other, only these modules are known: rules and locks, nothing that computes.
LIGHT = {
    ("datasets", "evaluation"): {
        "core.evaluation.benchmarks",
        "core.evaluation.grading",
        "core.evaluation.metrics.structures",
    },
    ("model", "training"): {"core.training.configuration"},
    ("model", "process"): {"core.process.liveness"},
    ("registry", "evaluation"): {"core.evaluation.pinned", "core.evaluation.results"},
}


def _name_of(path: Path) -> str:
    parts = path.relative_to(PROJECT_DIR).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def sources() -> dict[str, ast.Module]:
    """Return the syntax tree of every module of the program by its dotted name."""
    paths = [PROJECT_DIR / "app.py", *(PROJECT_DIR / "core").rglob("*.py"), *(PROJECT_DIR / "pages").rglob("*.py")]
    return {_name_of(path): ast.parse(path.read_text(encoding="utf-8"), str(path)) for path in paths}


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return all that a module imports, at its top or in a function: own modules in full, others by their package."""
    found: set[str] = set()
    for node in ast.walk(sources()[module]):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    own = {name for name in found if name in sources()}
    return frozenset(own | {name.partition(".")[0] for name in found if not name.startswith(("core", "pages"))})


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


CORE = sorted(name for name in sources() if name.startswith("core."))
WEB = sorted(name for name in sources() if name == "app" or name.startswith(("pages.", "core.cli.", "core.process.")))


def reached_from(module: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield every module that an import leads to, with the way there; packages bring their __init__ along."""
    waiting: list[tuple[str, ...]] = [(module,)]
    seen = {module}
    while waiting:
        way = waiting.pop()
        yield way[-1], way
        after = {name for name in imports_of(way[-1]) if name in sources()}
        after |= {parent for name in after if (parent := name.rpartition(".")[0]) in sources()}
        for name in after - seen:
            seen.add(name)
            waiting.append((*way, name))


@pytest.mark.parametrize("part", sorted({part_of(module) for module in CORE}))
def test_a_part_of_core_imports_only_what_its_layer_allows(part: str) -> None:
    wrong = [
        f"{module} imports {name}"
        for module in CORE
        if part_of(module) == part
        for name in imports_of(module)
        if name.startswith("core.") and part_of(name) not in ALLOWED[part] | {part}
    ]
    assert wrong == []


@pytest.mark.parametrize("pair", LIGHT)
def test_parts_that_know_each_other_share_only_what_computes_nothing(pair: tuple[str, str]) -> None:
    by, of = pair
    known = {
        name
        for module in CORE
        if part_of(module) == by
        for name in imports_of(module)
        if part_of(name) == of and name.count(".") >= 2
    }
    assert known == LIGHT[pair]


def test_core_knows_neither_streamlit_nor_the_pages() -> None:
    wrong = [f"{module} imports {name}" for module in CORE for name in imports_of(module) if name in ("streamlit",)]
    wrong += [f"{module} imports pages" for module in CORE if any(n.startswith("pages") for n in imports_of(module))]
    assert wrong == []


def test_pages_reach_core_through_its_light_parts_and_widgets_know_no_page() -> None:
    pages = [name for name in sources() if name.startswith("pages.")]
    wrong = [
        f"{module} imports {name}"
        for module in ["app", *pages]
        for name in imports_of(module)
        if part_of(name) in ("model", "starter", "cli") or name.endswith((".worker", ".supervisor", ".runner"))
    ]
    wrong += [
        f"{module} imports {name}"
        for module in pages
        if module.startswith("pages.widgets.")
        for name in imports_of(module)
        if name.startswith("pages.") and not name.startswith("pages.widgets")
    ]
    assert wrong == []


def test_no_module_leads_back_to_itself() -> None:
    circles = [
        " -> ".join([*way, module])
        for module in sources()
        for name, way in reached_from(module)
        if module in imports_of(name)
    ]
    assert circles == []


@pytest.mark.parametrize("module", WEB)
def test_nothing_that_pages_command_or_queue_import_leads_to_torch(module: str) -> None:
    ways = [" -> ".join(way) for name, way in reached_from(module) if imports_of(name) & HEAVY]
    assert ways == []


def test_the_heavy_libraries_are_imported_by_the_worker_side_alone() -> None:
    users = {part_of(module) for module in sources() if imports_of(module) & HEAVY}
    assert users == {"model", "training", "evaluation", "scoring", "starter"}


def test_a_wide_except_stands_only_in_the_outermost_frame_of_a_worker() -> None:
    """Elsewhere a failure that nobody expected must stay visible; `except BaseException` may only tidy up and raise.

    What runs hostile code in the sandbox expects anything of it.
    """
    wide = {
        module
        for module, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _is_wide(node.type) and not _raises_again(node)
    }
    assert wide == {"core.process.frame", "core.evaluation.jailed", "core.scoring.service.stock"}


def _is_wide(kind: ast.expr | None) -> bool:
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(name is None or (isinstance(name, ast.Name) and name.id.endswith("Exception")) for name in names)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def test_sql_stands_in_the_store_alone() -> None:
    verbs = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER)\b", re.IGNORECASE)
    wrong = {
        f"{module}, line {node.lineno}"
        for module, tree in sources().items()
        if part_of(module) != "store"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("execute")
        for text in ast.walk(node)
        if isinstance(text, ast.Constant) and isinstance(text.value, str) and verbs.match(text.value)
    }
    assert wrong == set()


def test_the_app_as_streamlit_runs_it_loads_no_heavy_library(workspace: Workspace) -> None:
    """The proof by running: every page of the app and every module of the command and the queue, in one process."""
    scripts = sorted(
        path.relative_to(PROJECT_DIR).as_posix()
        for path in (PROJECT_DIR / "pages").rglob("*.py")
        if path.parent.name != "widgets" and path.name != "__init__.py"
    )
    code = f"""
import importlib, sys
from streamlit.testing.v1 import AppTest
app = AppTest.from_file("app.py", default_timeout=60).run()
for script in {scripts}:
    app.switch_page(script).run()
    assert not app.exception, (script, app.exception)
for module in {[name for name in WEB if name.startswith("core.")]}:
    importlib.import_module(module)
print(*sorted({HEAVY} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_DIR, env=dict(os.environ), capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
