"""Hostile programs: each tries one way out of the sandbox, or one way to pass tests that it does not fulfil.

CANARY stands for a file outside that must be neither read nor changed, PROJECT for the program's own folder.
"""

TESTS = """
assert answer([3, 1, 2]) == [1, 2, 3]
assert answer([]) == []
assert answer([2, 2]) == [2, 2]
"""
_TOOLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)

def call(*numbers):
    return libc.syscall(*[ctypes.c_long(one) for one in numbers])

def works(what):
    try:
        return what() is not False
    except BaseException:
        return False
"""
_ANSWER = """
def answer(values):
    return sorted(values) if attack() else None
"""

# They fake the verdict or break the exchange: what they return or do must not make wrong results pass.
_FAKERS = {
    "leaves with success": r"""
import os
def answer(values): os._exit(0)
""",
    "leaves while it loads": r"""
import os
os._exit(0)
""",
    "exits politely": r"""
import sys
def answer(values): sys.exit(0)
""",
    "stops its generator": r"""
def answer(values): raise GeneratorExit
""",
    "equals everything": r"""
class Yes:
    def __eq__(self, other): return True
    __hash__ = None
def answer(values): return Yes()
""",
    "a list that equals everything": r"""
class Yes(list):
    def __eq__(self, other): return True
    def __len__(self): return 3
    def __ne__(self, other): return False
def answer(values): return Yes([0])
""",
    "empties what it was given": r"""
def answer(values):
    values.clear()
    values.append(object())
    return values
""",
    "patches builtins": r"""
import builtins
for name in ('len', 'sorted', 'all', 'any', 'abs', 'isinstance', 'repr'):
    setattr(builtins, name, lambda *a, **k: True)
class Never(Exception): pass
builtins.AssertionError = Never
def answer(values): return 0
""",
    "patches json": r"""
import json
json.loads = json.dumps = lambda *a, **k: '["passed", ""]'
def answer(values): return 0
""",
    "patches the exchange": r"""
import sys
for module in list(sys.modules.values()):
    for name in ('Tests', 'pack', 'unpack', 'Foreign'):
        if hasattr(module, name): setattr(module, name, lambda *a, **k: [1, 2, 3])
def answer(values): return 0
""",
    "hooks imports": r"""
import sys
class Hook:
    def find_spec(self, *a): raise SystemExit(0)
sys.meta_path.insert(0, Hook())
sys.path_hooks.clear()
for name in ('json', 'collections', 'os', 'builtins'):
    open(f'/tmp/{name}.py', 'w').write('import os; os._exit(0)')
def answer(values): return 0
""",
    "leaves at exit": r"""
import atexit, os
atexit.register(os._exit, 0)
class Last:
    def __del__(self): os.write(4, b'{"result": [1, 2, 3]}\n')
last = Last()
def answer(values): return 0
""",
    "traces": r"""
import sys
def trace(frame, event, argument):
    for name in list(frame.f_locals):
        frame.f_locals[name] = [1, 2, 3]
    return trace
sys.settrace(trace)
sys.setprofile(trace)
def answer(values): return 0
""",
    "walks frames": r"""
import sys
def answer(values):
    frame = sys._getframe()
    while frame:
        for name in ('tests', 'names', 'scope'):
            frame.f_globals[name] = {}
        for held in list(frame.f_locals.values()):
            if isinstance(held, dict): held['reply'] = {'result': [1, 2, 3]}
        frame = frame.f_back
    return 0
""",
    "writes the verdict to every file": r"""
import os
def answer(values):
    for number in range(64):
        for told in (b'["passed", ""]\n', b'{"result": [1, 2, 3], "arguments": [null]}'):
            try: os.write(number, told)
            except OSError: pass
    os._exit(0)
""",
    "closes every file": r"""
import os
def answer(values):
    os.closerange(0, 1000)
    return 0
""",
    "waits for the end word": r"""
import os
def answer(values):
    for number in range(64):
        try:
            os.set_blocking(number, False)
            word = os.read(number, 1000)
            os.write(1, b'["passed", "%s"]' % word[-32:])
        except OSError: pass
    return 0
""",
    "replies with a function": r"""
import os
def answer(values):
    os.write(4, b'{"result": {"function": ["os", "_exit"]}, "arguments": [null]}\n')
    return 0
""",
    "replies with an exit": r"""
import os
def answer(values):
    os.write(4, b'{"error": ["SystemExit", [0]], "arguments": [null]}\n')
    os._exit(0)
""",
    "replies with nonsense": r"""
import os
def answer(values):
    os.write(4, b'{"result": {"type": "open"}, "arguments": 7}\n')
    os._exit(0)
""",
    "replies with brackets": r"""
import os
def answer(values):
    os.write(4, b'[' * 60000 + b'\n')
    os._exit(0)
""",
    "replies without end": r"""
import os
def answer(values):
    while True: os.write(4, b'1' * 60000)
""",
    "raises with arguments": r"""
class Odd(AssertionError, KeyError):
    def __str__(self): raise SystemExit(0)
    args = property(lambda self: [lambda: 1] * 3)
def answer(values): raise Odd
""",
    "a generator without end": r"""
import itertools
def answer(values): return itertools.repeat(1)
""",
    "look-alike letters": "def \U0001d41answer(values): return '\\ud800\\u202e' * 9\n\u0430nswer = sorted",
    "a null in the source": "def answer(values):\n    return 0\n\x00",
}

# They use up something, or crash; none returns a right result.
_EATERS = {
    "endless loop": r"""
def answer(values):
    while True: pass
""",
    "endless loop that ignores signals": r"""
import signal
for one in range(1, 64):
    try: signal.signal(one, signal.SIG_IGN)
    except (OSError, ValueError): pass
def answer(values):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
    "endless loop while it loads": r"""
while True: pass
""",
    "endless sum in C": r"""
import itertools
def answer(values): return sum(itertools.repeat(1))
""",
    "a pattern that never ends": r"""
import re
def answer(values): return re.match(r'(a+)+$', 'a' * 60 + 'b')
""",
    "huge power": r"""
def answer(values): return 9 ** 9 ** 9
""",
    "huge integer": r"""
def answer(values): return 1 << 200_000_000
""",
    "long integer text": r"""
import sys
sys.set_int_max_str_digits(0)
def answer(values): return int('9' * 5_000_000)
""",
    "fills memory": r"""
def answer(values):
    held = []
    while True: held.append(bytearray(10_000_000))
""",
    "fills memory by mappings": r"""
import mmap
def answer(values):
    held = []
    while True:
        held.append(mmap.mmap(-1, 10_000_000))
        held[-1].write(b'x' * 10_000_000)
""",
    "fills memory by memfd": r"""
def answer(values):
    files = []
    while True:
        files.append(os.memfd_create('x'))
        os.write(files[-1], b'x' * 1_000_000)
""",
    "fills memory by segments": r"""
def answer(values):
    while True:
        one = call(29, 0, 50_000_000, 0o1600)
        if one < 0: raise OSError
        libc.shmat.restype = ctypes.c_void_p
        at = libc.shmat(one, None, 0)
        ctypes.memset(at, 1, 50_000_000)
        libc.shmdt(ctypes.c_void_p(at))
""",
    "fills the disk": r"""
import os
def answer(values):
    number = 0
    while True:
        number += 1
        for folder in ('/tmp', '/', '/dev', '/var/tmp', '/dev/shm'):
            try:
                with open(f'{folder}/{number}', 'wb') as file: file.write(b'x' * 900_000)
            except OSError: pass
""",
    "floods the output": r"""
import os, sys
def answer(values):
    while True:
        sys.stdout.write('x' * 100_000)
        os.write(2, b'x' * 100_000)
""",
    "opens files": r"""
def answer(values):
    held = []
    while True: held.append(open('/dev/null'))
""",
    "starts threads": r"""
import threading, time
def answer(values):
    while True: threading.Thread(target=time.sleep, args=(60,)).start()
""",
    "forks": r"""
import os
def answer(values):
    while True: os.fork()
""",
    "recurses": r"""
def answer(values): return answer(values)
""",
    "recurses without a limit": r"""
import sys
sys.setrecursionlimit(10 ** 9)
def answer(values): return answer(values) + [1]
""",
    "nests its result": r"""
def answer(values):
    for _ in range(100_000): values = [values]
    return values
""",
    "contains itself": r"""
def answer(values):
    values.append(values)
    return values
""",
    "crashes": r"""
import ctypes
def answer(values): return ctypes.string_at(0)
""",
    "writes over memory": r"""
import ctypes
def answer(values): ctypes.memset(id(values) - 4096, 255, 10_000_000)
""",
}

# They reach for something outside. `attack` says whether they got it, and only then are the results right.
_BURGLARS = {
    "a child of its own session": r"""
import os, time
def attack():
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    return True
""",
    "a program": r"""
import subprocess
def attack(): return subprocess.run(['/bin/true']).returncode == 0
""",
    "becomes a program": r"""
import os
def attack(): os.execv('/bin/sleep', ['sleep', '60'])
""",
    "clones by number": r"""
def attack(): return any(call(one, 17, 0, 0, 0, 0) >= 0 for one in (56, 57, 58, 435))
""",
    "calls by the other numbering": r"""
def attack(): return call(0x40000000 + 57) >= 0
""",
    "signals everyone": r"""
import os, signal
def attack():
    return any([works(lambda one=one: os.kill(one, 9)) for one in (-1, 0, 1, 2, 3, *range(4, 70_000, 997))])
""",
    "signals its parent": r"""
import os
def attack():
    return works(lambda: os.kill(os.getppid(), 9)) or works(lambda: os.killpg(0, 9))
""",
    "signals through a file": r"""
import fcntl, signal
def attack():
    inlet, outlet = os.pipe()
    fcntl.fcntl(inlet, 10, signal.SIGKILL)
    own = [1, 3, os.getpid()]  # what shares its tests' process may see those of the sandbox itself
    others = [one for one in range(2, 3000) if one not in own]
    return any([works(lambda one=one: fcntl.fcntl(inlet, fcntl.F_SETOWN, one)) for one in others])
""",
    "traces processes": r"""
def attack(): return any(call(101, 16, one, 0, 0) >= 0 for one in range(1, 50))
""",
    "reads memory of others": r"""
def attack():
    return call(310, os.getppid(), 0, 0, 0, 0, 0) >= 0
""",
    "limits others": r"""
import resource
def attack():
    return any([works(lambda one=one: resource.prlimit(one, resource.RLIMIT_CPU, (0, 0))) for one in (0, 1, 2, 3)])
""",
    "lifts its limits": r"""
import resource
def attack():
    return works(lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1)))
""",
    "mounts": r"""
def attack():
    return libc.mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0 or libc.mount(None, b'/', None, 32, None) == 0 or \
        libc.umount2(b'/usr', 2) == 0
""",
    "makes namespaces": r"""
def attack(): return any(libc.unshare(1 << one) == 0 for one in (17, 26, 28, 29, 30))
""",
    "leaves its root": r"""
import os
def escape():
    os.mkdir('/tmp/hole')
    os.chroot('/tmp/hole')
    for _ in range(50): os.chdir('..')
    os.chroot('.')
    return os.path.exists('/proc/1')
def attack(): return works(escape)
""",
    "opens sockets": r"""
import socket
def attack():
    return any([works(lambda one=one: socket.socket(one)) for one in (socket.AF_INET, socket.AF_UNIX, 16, 17)])
""",
    "asks for a name": r"""
import socket
def attack():
    return works(lambda: socket.create_connection(('127.0.0.1', 22), 1)) or \
        works(lambda: socket.getaddrinfo('example.org', 80))
""",
    "reads processes": r"""
import os
def attack(): return bool(os.path.exists('/proc/self') or os.path.exists('/sys/kernel'))
""",
    "reads the home": r"""
import os
def attack():
    if any(os.path.exists(one) for one in ('/etc/passwd', '/var', '/old', '/mnt', '/run', '/opt', '/proc/1')):
        return True
    return any(len(os.listdir(one)) > 1 for one in ('/root', '/home') if os.path.exists(one))
""",
    "reads the project": r"""
import os
def attack(): return os.path.exists('PROJECT') or os.path.exists('CANARY')
""",
    "reads the environment": r"""
import os
def attack(): return not set(os.environ) <= {'HOME', 'PATH', 'LANG', 'LC_CTYPE'}
""",
    "writes the canary": r"""
def attack(): return works(lambda: open('CANARY', 'a').write('x'))
""",
    "links to the canary": r"""
import os
def attack():
    os.symlink('CANARY', '/tmp/link')
    os.symlink('/../../../../CANARY', '/tmp/link2')
    return any([works(lambda one=one: open(one).read()) for one in ('/tmp/link', '/tmp/link2')])
""",
    "changes the system": r"""
import os, json
def attack():
    return any([
        works(lambda: open('/usr/bin/hello', 'w')), works(lambda: open(json.__file__, 'a')),
        works(lambda: os.mkdir('/new')), works(lambda: os.chmod('/usr', 0o777)), works(lambda: os.unlink('/bin/sh')),
        works(lambda: os.utime(json.__file__))])
""",
    "changes devices": r"""
import os
def attack():
    return any([
        works(lambda: os.chmod('/dev/null', 0o000)), works(lambda: os.chown('/dev/zero', 7, 7)),
        works(lambda: os.unlink('/dev/null')), works(lambda: os.mknod('/tmp/disk', 0o60666, os.makedev(8, 0))
        or open('/tmp/disk', 'rb').read(1))])
""",
    "opens devices": r"""
def attack():
    names = ('mem', 'kmsg', 'tty', 'sda', 'vda', 'fuse', 'kvm')
    return any([works(lambda one=one: open('/dev/' + one, 'rb')) for one in names])
""",
    "borrows rings and keys": r"""
def attack():
    pad = ctypes.create_string_buffer(256)
    numbers = (425, 248, 250, 298, 321, 323, 240, 434, 438)
    return any(call(one, 8, ctypes.addressof(pad), 0, 0, 0) >= 0 for one in numbers)
""",
    "sets priorities": r"""
import os
def attack():
    return works(lambda: os.nice(-5)) or works(lambda: os.sched_setaffinity(0, {0})) or \
        works(lambda: os.setpriority(0, 0, -5))
""",
}

BURGLARS = {name: _TOOLS + code + _ANSWER for name, code in _BURGLARS.items()}
PROGRAMS = _FAKERS | {name: _TOOLS + code for name, code in _EATERS.items()} | BURGLARS
