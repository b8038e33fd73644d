"""How tests can be kept apart from the answer that they test: decided from their text alone, never by the answer."""

import ast
import builtins
import re
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass

_ATTRIBUTES = {
    name
    for kind in (str, bytes, bytearray, int, float, complex, list, tuple, dict, set, frozenset, range)
    for name in dir(kind)
    if not name.startswith("_")
} | {
    "isoformat",
    "numerator",
    "denominator",
    "date",
    "time",
    "year",
    "month",
    "day",
    "total_seconds",
    "days",
    "seconds",
}
_LOOKS_INSIDE = {"isinstance", "issubclass", "hasattr", "getattr", "setattr", "vars", "dir", "id", "type", "globals"}
_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")


@dataclass(frozen=True)
class Separation:
    """Which names of the answer the tests use, and which standard modules they leave to it to import.

    `why` names the first place where something must pass between the two that can't go by value; then they share one
    process.
    """

    names: tuple[str, ...]
    modules: tuple[str, ...]
    why: str = ""

    @property
    def together(self) -> bool:
        return bool(self.why)


def separate(tests: str) -> Separation:
    """Return how to keep tests apart from an answer.

    A builtin function that the tests call is the builtin, unless they use no other name that they don't define: then
    it must be the answer's. Tests and answer must share a process where the tests use classes of the answer or objects
    that are no builtin values, hand it functions of their own, or look at identity.

    Raises:
        SyntaxError, ValueError: The tests are no Python.
    """
    tree = ast.parse(tests)
    free = _free_names(tests)
    attributes = [node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    bases = {value.id for value in attributes if isinstance(value, ast.Name)}
    ours = {name for name in free if not hasattr(builtins, name)}
    modules = {name for name in ours & bases if name in sys.stdlib_module_names}
    names = ours - modules
    if not names:
        handed = {id(one) for node in ast.walk(tree) if isinstance(node, ast.Call) for one in [node.func, *node.args]}
        called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) in handed}
        types = {name for name in called if isinstance(getattr(builtins, name, None), type)}
        names = (free & called - types) or (free & types)
    why = next(_Flow(tree, frozenset(names)).obstacles(), "")
    return Separation(tuple(sorted(names)), tuple(sorted(modules)), why)


def _free_names(tests: str) -> set[str]:
    """Return the names that the tests use and do not define."""
    whole = symtable.symtable(tests, "tests", "exec")
    tables, waiting = [], [whole]
    while waiting:
        table = waiting.pop()
        tables.append(table)
        waiting += table.get_children()
    defined = {one.get_name() for one in whole.get_symbols() if one.is_assigned() or one.is_imported()}
    defined |= {
        one.get_name()
        for table in tables
        for one in table.get_symbols()
        if one.is_declared_global() and one.is_assigned()
    }
    used = {
        one.get_name()
        for table in tables
        for one in table.get_symbols()
        if one.is_referenced() and (one.is_global() or (table is whole and one.get_name() not in defined))
    }
    return used - defined - {"__name__", "__file__", "__builtins__"}


class _Flow:
    """Which names of the tests hold functions of the answer, and which hold what these return."""

    def __init__(self, tree: ast.Module, names: frozenset[str]) -> None:
        self._nodes = list(ast.walk(tree))
        self._names = names
        self._functions, self._results = set(names), set[str]()
        self._definitions = {
            node.name: node for node in self._nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        self._classes = {node.name for node in self._nodes if isinstance(node, ast.ClassDef)}
        size = -1
        while size != len(self._functions) + len(self._results):
            size = len(self._functions) + len(self._results)
            for node in self._nodes:
                self._follow(node)

    def _follow(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self._definitions:
            parameters = self._definitions[node.func.id].args
            given = dict(zip([one.arg for one in [*parameters.posonlyargs, *parameters.args]], node.args, strict=False))
            given |= {one.arg: one.value for one in node.keywords if one.arg}
            for name, value in given.items():
                self._bind(value, [ast.Name(name)])
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._bind(node.value, list(ast.walk(target)))
        elif isinstance(node, ast.NamedExpr | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            self._bind(node.value, [node.target])
        elif isinstance(node, ast.For | ast.comprehension):
            self._bind(node.iter, list(ast.walk(node.target)))

    def _bind(self, value: ast.expr, targets: list[ast.AST]) -> None:
        named = {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(value, ast.Name) and value.id in self._functions:
            self._functions |= named
        elif self._is_result(value):
            self._results |= named

    def _is_result(self, value: ast.AST) -> bool:
        """Return whether an expression's value comes from a call of the answer and may be an object of its own."""
        if isinstance(value, ast.Compare | ast.Constant | ast.JoinedStr):
            return False
        if self._is_call(value) or (isinstance(value, ast.Name) and value.id in self._results):
            return True
        return any(self._is_result(one) for one in ast.iter_child_nodes(value))

    def _is_call(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in self._functions

    def _is_class_call(self, node: ast.AST) -> bool:
        return self._is_call(node) and bool(_CLASS_NAME.fullmatch(node.func.id))  # type: ignore[attr-defined]

    def obstacles(self) -> Iterator[str]:
        """Yield each place where something would have to pass that can't go by value."""
        for node in self._nodes:
            if self._is_obstacle(node):
                yield f"line {getattr(node, 'lineno', 1)} of the tests: {ast.unparse(node)[:60]}"

    def _is_obstacle(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Attribute):
            return self._uses_object(node)
        if isinstance(node, ast.Call):
            return self._hands_over_code(node) or self._looks_inside(node) or self._calls_result(node)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            by_identity = any(isinstance(one, ast.Is | ast.IsNot) for one in node.ops)
            results = [one for one in sides if self._is_result(one) and not _is_type_of(one)]
            objects = len(results) > 1 and any(map(self._is_class_call, results))
            return objects or (
                by_identity and bool(results) and not any(isinstance(one, ast.Constant) for one in sides)
            )
        if isinstance(node, ast.With | ast.AsyncWith):
            return any(self._is_result(one.context_expr) for one in node.items)
        if isinstance(node, ast.ExceptHandler):
            return node.type is not None and self._mentions_answer(node.type)
        if isinstance(node, ast.ClassDef):
            return any(self._mentions_answer(one) for one in [*node.bases, *node.decorator_list])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return any(self._mentions_answer(one) for one in node.decorator_list)
        return isinstance(node, ast.Await)

    def _uses_object(self, node: ast.Attribute) -> bool:
        if isinstance(node.value, ast.Name) and node.value.id in self._functions:
            return True
        return self._is_result(node.value) and (
            node.attr not in _ATTRIBUTES or isinstance(node.ctx, ast.Store) or self._is_class_call(node.value)
        )

    def _hands_over_code(self, node: ast.Call) -> bool:
        if not self._is_call(node):
            return isinstance(node.func, ast.Attribute) and ast.unparse(node.func).startswith("asyncio.")
        given = [*node.args, *(one.value for one in node.keywords)]
        makers = [one for one in given if self._is_class_call(one) or any(map(self._is_class_call, _parts(one)))]
        local = self._definitions.keys() | self._classes
        return bool(makers) or any(
            isinstance(part, ast.Lambda)
            or (isinstance(part, ast.Name) and part.id in local)
            or (isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in self._classes)
            for one in given
            for part in _parts(one)
        )

    def _looks_inside(self, node: ast.Call) -> bool:
        if not (isinstance(node.func, ast.Name) and node.func.id in _LOOKS_INSIDE - self._names):
            return False
        if node.func.id in ("isinstance", "issubclass"):
            return self._mentions_answer(node.args[-1]) if node.args else False
        return node.func.id == "globals" or (
            node.func.id != "type" and any(self._mentions_answer(one) or self._is_result(one) for one in node.args)
        )

    def _calls_result(self, node: ast.Call) -> bool:
        return self._is_call(node.func) or (isinstance(node.func, ast.Name) and node.func.id in self._results)

    def _mentions_answer(self, node: ast.AST) -> bool:
        return any(isinstance(one, ast.Name) and one.id in self._functions for one in ast.walk(node))


def _is_type_of(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "type"


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    """Yield an argument and what its displays hold, but not what its own calls are given."""
    yield node
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict | ast.Starred):
        for one in ast.iter_child_nodes(node):
            yield from _parts(one)
