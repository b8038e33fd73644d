"""What runs inside the jail: the tests in one process, the answer in another, and the exchange by value between them.

Started by `core.evaluation.jail`; the standard library is all that it may use. The tests' process never runs a line of
the answer: it calls the answer's functions with arguments packed as JSON, and what comes back is rebuilt of builtin
types, so no object of the answer, no patched function and no frame reaches the tests.
"""

import builtins
import collections
import itertools
import json
import os
import sys
import types
from collections.abc import Callable
from typing import IO, Any, NoReturn

BROKEN_OFF = "the answer ended its process or broke off the exchange"
MOST_BYTES = 16_000_000  # of one message
MOST_ITERATED = 10_000  # an iterator goes as its first values
_VIEWS: dict[str, Callable[[list[Any]], Any]] = {
    "dict_keys": lambda all_of: dict.fromkeys(all_of).keys(),
    "dict_values": lambda all_of: dict(enumerate(all_of)).values(),
    "dict_items": lambda all_of: dict(all_of).items(),
}
_SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple, "set": set, "frozenset": frozenset, "deque": collections.deque, "iterator": iter,
    "dict": dict, "Counter": lambda pairs: collections.Counter(dict(pairs)), "OrderedDict": collections.OrderedDict,
}  # fmt: skip
_CONSTRUCTED = {  # standard types whose constructor takes what __reduce__ or str says of them
    "Decimal": "decimal", "Fraction": "fractions", "date": "datetime", "datetime": "datetime", "time": "datetime",
    "timedelta": "datetime",
}  # fmt: skip
# How a value of a subclass becomes one of the type itself; what str() says of an enumeration is not its value.
_BASES: dict[type, Callable[[Any], Any]] = {
    one: str.__str__ if one is str else one for one in (int, float, str, list, dict, tuple, set, frozenset, bytes)
}
_MUTABLE = (list, dict, set, bytearray)
Refer = Callable[[Any], Any]
Resolve = Callable[[dict[str, Any]], Any]


class Foreign:
    """Stands in the tests for what can't go by value: it equals nothing but itself and can do nothing."""


class NotByValue(Exception):
    """A value can't be packed."""


def pack(value: Any, refer: Refer) -> Any:
    """Return a value as JSON can hold it; `refer` says what to send for what can't go by value."""
    kind: Any = type(value)
    if value is None or kind in (bool, str, float):
        return value
    if kind is int:
        return value if value.bit_length() < 64 else {"int": hex(value)}
    if kind is list:
        return [pack(one, refer) for one in value]
    if kind is dict or kind in (collections.Counter, collections.OrderedDict):
        return {kind.__name__: [[pack(key, refer), pack(one, refer)] for key, one in value.items()]}
    if kind in (tuple, set, frozenset, collections.deque) or kind.__name__ in _VIEWS:
        return {kind.__name__: [pack(one, refer) for one in value]}
    if kind in (bytes, bytearray):
        return {kind.__name__: value.hex()}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind in (range, slice):
        return {kind.__name__: [pack(one, refer) for one in (value.start, value.stop, value.step)]}
    if isinstance(value, type):
        known = builtins.__dict__.get(value.__name__) is value
        return {"type": value.__name__} if known else refer(value)
    name = str(kind.__name__)
    if name in _CONSTRUCTED and _CONSTRUCTED[name] == kind.__module__.lstrip("_"):
        return {name: _spelled(value)}
    for base, plain in _BASES.items():
        if isinstance(value, base):
            return pack(plain(value), refer)
    if hasattr(kind, "__next__"):
        return {"iterator": [pack(one, refer) for one in itertools.islice(value, MOST_ITERATED)]}
    return refer(value)


def _spelled(value: Any) -> Any:
    """Return the arguments that make a Decimal, Fraction, date or time again."""
    name = type(value).__name__
    if name in ("Decimal", "Fraction"):
        return [str(value)]
    if name == "timedelta":
        return [value.days, value.seconds, value.microseconds]
    return value.isoformat()


def unpack(told: Any, resolve: Resolve) -> Any:
    """Return the value that was packed, of builtin and standard types only; `resolve` handles what was referred to.

    Raises:
        Exception: The message is none of `pack`; it may come from hostile code.
    """
    if isinstance(told, list):
        return [unpack(one, resolve) for one in told]
    if not isinstance(told, dict):
        return told
    [(kind, rest)] = told.items()
    if kind in _SEQUENCES or kind in _VIEWS:
        make = _SEQUENCES.get(kind) or _VIEWS[kind]
        return make([unpack(one, resolve) for one in rest])
    if kind == "int":
        return int(rest, 16)
    if kind in ("bytes", "bytearray"):
        return (bytes if kind == "bytes" else bytearray).fromhex(rest)
    if kind in ("complex", "range"):
        return (complex if kind == "complex" else range)(*[unpack(one, resolve) for one in rest])
    if kind == "slice":
        return slice(*[unpack(one, resolve) for one in rest])
    if kind == "type":
        return _builtin(rest, type)
    if kind in _CONSTRUCTED:
        standard = getattr(__import__(_CONSTRUCTED[kind]), kind)
        return standard.fromisoformat(rest) if isinstance(rest, str) else standard(*rest)
    return resolve(told)


def _builtin(name: str, kind: type) -> Any:
    found = builtins.__dict__[name]
    if not isinstance(found, kind):
        raise NotByValue(name)
    return found


def pack_error(error: BaseException) -> list[Any]:
    """Return the nearest builtin type of an exception and its arguments."""
    name = next(one.__name__ for one in type(error).__mro__ if builtins.__dict__.get(one.__name__) is one)
    try:
        return [name, [pack(one, _as_text) for one in error.args]]
    except Exception:
        return [name, []]


def _as_text(value: Any) -> Any:
    return type(value).__name__


def unpack_error(told: list[Any], resolve: Resolve) -> BaseException:
    kind = _builtin(told[0], type)
    if not issubclass(kind, BaseException):
        raise NotByValue(told[0])
    arguments = unpack(told[1], resolve)
    if issubclass(kind, StopIteration | StopAsyncIteration | GeneratorExit):
        return RuntimeError(f"the answer raised {told[0]}")  # that would silently end a loop of the tests
    try:
        made: BaseException = kind(*arguments)
    except Exception:  # some exceptions want arguments of their own
        made = Exception(told[0], *arguments)
    return made


def _fresh_scope() -> dict[str, Any]:
    """Return the namespace of a new `__main__`, where dataclasses and the like look up their module."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    return module.__dict__


def serve_answer(inlet: IO[bytes], outlet: IO[bytes]) -> None:
    """Run the answer, say what its names are, and then answer calls until the tests are over."""

    def tell(message: Any) -> None:
        outlet.write(json.dumps(message).encode() + b"\n")
        outlet.flush()

    def refer(value: Any) -> dict[str, Any]:
        return {"foreign": type(value).__name__}

    def resolve(told: dict[str, Any]) -> Any:
        if "answer" in told:
            return scope[told["answer"]]
        module, name = told["function"]
        return getattr(__import__(module, fromlist=[name]), name)

    first = inlet.readline()
    if not first:
        return
    source, names = json.loads(first)
    scope = _fresh_scope()
    try:
        exec(compile(source, "answer", "exec"), scope)
        found = {name: scope[name] for name in names if name in scope}
        told = {name: None if callable(one) else [pack(one, refer)] for name, one in found.items()}
        tell({"found": told})
    except BaseException as error:
        tell({"error": pack_error(error)})
        return
    while line := inlet.readline():
        name, packed = json.loads(line)
        positional, named = unpack(packed, resolve)
        given = [*positional, *named.values()]
        before = [*packed[0], *(one for _, one in packed[1]["dict"])]
        try:
            reply = {"result": pack(scope[name](*positional, **named), refer)}
        except BaseException as error:
            reply = {"error": pack_error(error)}
        # Only what changed goes back, order and types counted; iterators are used up now.
        after = [pack(one, refer) if isinstance(one, _MUTABLE) else None for one in given]
        pairs = zip(before, after, strict=True)
        tell(reply | {"arguments": [None if json.dumps(was) == json.dumps(now) else now for was, now in pairs]})


def _renew(old: Any, new: Any) -> None:
    """Let a mutable argument of the tests take the content that it has in the answer's process."""
    if not any(isinstance(old, kind) and isinstance(new, kind) for kind in _MUTABLE):
        return
    if isinstance(old, list | dict):  # what the tests hold inside stays the same object
        places = range(min(len(old), len(new))) if isinstance(old, list) else [key for key in old if key in new]
        for place in places:
            if any(isinstance(old[place], kind) and isinstance(new[place], kind) for kind in _MUTABLE):
                _renew(old[place], new[place])
                new[place] = old[place]
    if isinstance(old, list | bytearray):
        old[:] = new
    else:
        old.clear()
        old.update(new)


class Tests:
    """The tests' end: runs them with stand-ins for the answer's names, and tells the verdict.

    Whatever is wrong with the exchange ends the process at once: an exception could be caught by the tests.
    """

    def __init__(self, told: IO[bytes], verdict: IO[bytes], inlet: IO[bytes], outlet: IO[bytes]) -> None:
        self._told, self._verdict, self._inlet, self._outlet = told, verdict, inlet, outlet
        self._stand_ins: dict[int, str] = {}

    def run(self) -> NoReturn:
        source, tests, names, modules, together = json.loads(self._told.readline())
        scope = _fresh_scope()
        try:
            if together:
                exec(compile(source, "answer", "exec"), scope)
            else:
                scope |= {module: __import__(module) for module in modules}
                self._meet(source, names, scope)
            exec(compile(tests, "tests", "exec"), scope)
        except BaseException as error:
            self._end("failed", (type(error).__name__ + ": " + str(error))[:300])
        # The word that proves the end of the tests is read only now, so leaving early is no way to pass.
        self._end("passed", self._told.readline().decode())

    def _end(self, kind: str, told: str) -> NoReturn:
        self._verdict.write(json.dumps([kind, told]).encode())
        self._verdict.flush()
        os._exit(0)

    def _exchange(self, message: Any) -> dict[str, Any]:
        try:
            self._outlet.write(json.dumps(message).encode() + b"\n")
            self._outlet.flush()
            line = self._inlet.readline(MOST_BYTES)
            reply = json.loads(line) if line.endswith(b"\n") else None
        except BaseException:
            reply = None
        if not isinstance(reply, dict):
            self._end("failed", BROKEN_OFF)
        return reply

    def _unpacked(self, read: Callable[..., Any], told: Any) -> Any:
        try:
            return read(told, lambda one: Foreign())
        except BaseException:
            self._end("failed", "the answer sent what is no value")

    def _meet(self, source: str, names: list[str], scope: dict[str, Any]) -> None:
        reply = self._exchange([source, names])
        if "error" in reply:
            raise self._unpacked(unpack_error, reply["error"])
        found = reply.get("found")
        for name in set(names) & set(found if isinstance(found, dict) else ()):
            value: Any = found[name]  # type: ignore[index]
            scope[name] = self._stand_in(name) if value is None else self._unpacked(unpack, value)[0]

    def _stand_in(self, name: str) -> Callable[..., Any]:
        def call(*positional: Any, **named: Any) -> Any:
            try:
                packed = pack([list(positional), named], self._refer)
            except BaseException as error:
                self._end("failed", f"the tests give {name} what can't go by value ({error})")
            reply = self._exchange([name, packed])
            mutable = [*positional, *named.values()]
            changed = self._unpacked(unpack, reply.get("arguments"))
            if isinstance(changed, list) and len(changed) == len(mutable):
                for old, new in zip(mutable, changed, strict=True):
                    _renew(old, new)
            if "error" in reply:
                raise self._unpacked(unpack_error, reply["error"])
            return self._unpacked(unpack, reply.get("result"))

        call.__name__ = call.__qualname__ = name
        self._stand_ins[id(call)] = name
        return call

    def _refer(self, value: Any) -> dict[str, Any]:
        if id(value) in self._stand_ins:
            return {"answer": self._stand_ins[id(value)]}
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "")
        if module in sys.stdlib_module_names and getattr(sys.modules.get(module), name, None) is value:
            return {"function": [module, name]}
        raise NotByValue(type(value).__name__)
