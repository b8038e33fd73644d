"""Right answers with tests that hand over all kinds of values. Name: the answer, its tests."""

APART = {
    "a table put in order in place": (
        """
def order(table, numbers):
    for key in sorted(table):
        table[key] = table.pop(key)
    numbers[:] = map(float, numbers)
    return None
""",
        """
from collections import defaultdict
table, numbers = defaultdict(list, {"b": [1], "a": [2]}), [1, 2]
inner = table["b"]
order(table, numbers)
assert list(table) == ["a", "b"] and table["c"] == [] and table["b"] is inner
assert [type(one) for one in numbers] == [float, float]
""",
    ),
    "a list changed in place": (
        """
def change(rows, table, seen):
    rows.sort()
    rows[1].append(7)
    table['new'] = 1
    del table['old']
    seen.add(3)
""",
        """
inner = [2]
rows, table, seen = [inner, [1]], {'old': 0}, {1}
assert change(rows, table, seen=seen) is None
assert rows == [[1], [2, 7]] and table == {'new': 1} and seen == {1, 3}
""",
    ),
    "an inner list changed": (
        """
def f(x): x[0].append(1)
""",
        """
inner = []
outer = [inner]
f(outer)
assert inner == [1]
""",
    ),
    "an exception": (
        """
class Own(KeyError): pass
def f(x):
    if x: raise Own('why')
    raise ValueError('no', 3)
""",
        """
try:
    f(1)
    assert False
except KeyError as error:
    assert error.args == ('why',)
try:
    f(0)
    assert False
except ValueError as error:
    assert error.args == ('no', 3)
""",
    ),
    "an answer's function as argument": (
        """
def double(x): return 2 * x
def apply(f, x): return f(x)
""",
        """
assert apply(double, 4) == 8 and list(map(double, [1, 2])) == [2, 4] and apply(len, 'abc') == 3
""",
    ),
    "a function of a module as argument": (
        """
def apply(f, x): return f(x)
""",
        """
import math
assert apply(math.sqrt, 4) == 2
""",
    ),
    "a constant": (
        """
LIMIT = {'a': (1, 2)}
def f(): return LIMIT
""",
        """
assert LIMIT == f() == {'a': (1, 2)}
""",
    ),
    "a function named as a builtin": (
        """
def sum(a, b): return a + b
""",
        """
assert sum(10, 15) == 25
assert sum(1, 2) == 3
""",
    ),
    "a module that only the answer imports": (
        """
import sys
def f(x): return sys.getsizeof(x)
""",
        """
assert f('a') == sys.getsizeof('a')
""",
    ),
    "a recursive function": (
        """
def f(n): return 1 if n < 2 else n * f(n - 1)
""",
        """
assert f(50) == 50 * f(49)
""",
    ),
    "a fence": (
        """
Here it is:
```python
def f():
    return 1
```
Done.
""",
        """
assert f() == 1
""",
    ),
    "output": (
        """
print('x' * 100_000)
def f():
    print('hello')
    return input
""",
        """
f()
""",
    ),
    "files of its own": (
        """
def f(path): return open(path).read()
""",
        """
open('/tmp/a.txt', 'w').write('b')
assert f('/tmp/a.txt') == 'b'
""",
    ),
}

# What passes between these can't go by value, so they share a process.
TOGETHER = {
    "a class": (
        """
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
""",
        """
s = Stack()
s.push(3)
assert s.items == [3]
""",
    ),
    "a class in an argument": (
        """
class Pair:
    def __init__(self, a): self.a = a
def f(pairs): return [one.a for one in pairs]
""",
        """
assert f([Pair(1), Pair(2)]) == [1, 2]
""",
    ),
    "a dataclass": (
        """
from dataclasses import dataclass
@dataclass
class P:
    x: 'int'
@dataclass
class Point:
    x: int
def move(x): return Point(x + 1)
""",
        """
assert move(1) == Point(2)
""",
    ),
    "a function of the tests": (
        """
def f(g, x): return g(g(x))
""",
        """
assert f(lambda x: x + 1, 0) == 2
""",
    ),
    "a function returned": (
        """
def adder(n): return lambda x: x + n
""",
        """
assert adder(2)(3) == 5
add = adder(1)
assert add(1) == 2
""",
    ),
    "an own exception": (
        """
class Bad(Exception): pass
def f(): raise Bad
""",
        """
try:
    f()
    assert 0
except Bad:
    pass
""",
    ),
    "a context": (
        """
from contextlib import *
@contextmanager
def c(): yield 3
""",
        """
with c() as x:
    assert x == 3
""",
    ),
    "a coroutine": (
        """
async def f(): return 3
""",
        """
import asyncio
assert asyncio.run(f()) == 3
""",
    ),
    "identity": (
        """
def f(x): return x
""",
        """
a = [1]
assert f(a) is a
""",
    ),
}
GOOD = APART | TOGETHER
