"""Attacks on the sandbox: each is code that must reach nothing, by the user of the tests and, where that is root, by
nobody as well. An attack prints REACHED where it got through."""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lapis.sandbox import run as sandbox
from lapis.sandbox.run import Limits, run
from lapis.types import InputError

LIMITS = Limits(seconds=1, wall=8)
SECRET = "hunter2-in-the-environment"
HERE = Path(__file__).resolve()

TRY = """
import os, sys
def attempt(act):
    try:
        act()
        print("REACHED", act.__code__.co_firstlineno)
    except BaseException as error:
        print(type(error).__name__)
"""
RAW = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
"""
ATTACKS = {
    "files": f"""
for path in ("/etc/passwd", "/etc/hostname", "/proc/self/environ", "/proc/self/maps", "/proc/self/mem", "/proc/1/root",
             {str(HERE)!r}, "/proc/self/fd/0", "/dev/null", ".", "scratch"):
    attempt(lambda: open(path).read())
    attempt(lambda: os.open(path, 0))
    attempt(lambda: os.stat(path))
    attempt(lambda: os.listdir(path))
    attempt(lambda: os.readlink(path))
    attempt(lambda: os.open(path, os.O_PATH))
""",
    "writing": """
import itertools
for folder in ("/tmp", ".", "/dev/shm", "/proc/self", "/run"):
    attempt(lambda: open(folder + "/lapis-attack", "w"))
    attempt(lambda: os.mkdir(folder + "/lapis-attack"))
    attempt(lambda: os.symlink("/etc/passwd", folder + "/lapis-attack"))
    attempt(lambda: os.link("/etc/passwd", folder + "/lapis-attack"))
    attempt(lambda: os.mkfifo(folder + "/lapis-attack"))
    attempt(lambda: os.unlink(folder))
    attempt(lambda: os.chdir(folder))
    attempt(lambda: os.chroot(folder))
attempt(lambda: os.memfd_create("more"))
attempt(lambda: os.ftruncate(1, 1 << 30))
attempt(lambda: os.chmod("/etc/passwd", 0o777))
""",
    "processes": """
attempt(os.fork)
attempt(os.forkpty)
attempt(os.pipe)
attempt(lambda: os.execv("/bin/sh", ["sh", "-c", "echo REACHED"]))
attempt(lambda: os.posix_spawn("/bin/sh", ["sh"], {}))
attempt(lambda: os.system("echo REACHED") == 0 or 1 / 0)
attempt(lambda: os.popen("echo REACHED"))
for pid in (os.getppid, lambda: 1, lambda: -1, lambda: 0):
    attempt(lambda: os.kill(pid(), 9))
    attempt(lambda: os.killpg(pid(), 15))
attempt(lambda: os.pidfd_open(1))
attempt(os.setsid)
attempt(lambda: os.setuid(0))
attempt(lambda: os.nice(-5))
import threading
attempt(lambda: threading.Thread(target=print).start())
""",
    "calls": RAW
    + """
import errno
names = dict(
    open=2, socket=41, connect=42, clone=56, fork=57, vfork=58, execve=59, kill=62, ptrace=101,
    personality=135, chroot=161, mount=165, keyctl=250, openat=257, unshare=272, splice=275, perf=298,
    handle=304, setns=308, vm_read=310, vm_write=311, seccomp=317, memfd=319, bpf=321, execveat=322,
    userfaultfd=323, pidfd_signal=424, uring=425, clone3=435, openat2=437, pidfd_getfd=438, landlock=444,
    process_madvise=440, prlimit=302, prctl=157, ioctl=16, dup=32, sysinfo=99,
)
for name, number in names.items():
    ctypes.set_errno(0)
    if libc.syscall(number, 0, 0, 0, 0, 0, 0) != -1 or ctypes.get_errno() != errno.EPERM:
        print("REACHED", name)
for family in (1, 2, 10, 16, 17, 40):
    if libc.socket(family, 1, 0) != -1:
        print("REACHED socket", family)
libc.mmap.restype = ctypes.c_void_p
if libc.mmap(None, 4096, 7, 34, -1, 0) != ctypes.c_void_p(-1).value:
    print("REACHED memory that is executed")
print(ctypes.get_errno())
""",
    "secrets": """
import gc
print(dict(os.environ), sys.argv, sys.path)
text = " ".join(str(one) for one in gc.get_objects() if isinstance(one, (dict, list, tuple)) and len(one) < 200)
print("-".join(("hunter2", "in", "the")) in text)
raise Exception(str(os.environ) + str(sys.flags))
""",
}
if os.uname().machine != "x86_64":
    ATTACKS["calls"] = RAW + "for family in (1, 2, 10): libc.socket(family, 1, 0) == -1 or print('REACHED')"


def as_nobody(act: Callable[[], object]) -> object:
    """What `act` returns (as JSON) in a child that is user 65534; skips where that user cannot run Python."""
    with tempfile.TemporaryFile() as file:
        child = os.fork()
        if child == 0:
            try:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
                pythons = (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3")
                able = next((one for one in pythons if os.access(one, os.X_OK)), "")
                sandbox.interpreter = lambda: able
                file.write(json.dumps(act() if able else "unable").encode())
                file.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        file.seek(0)
        found = json.loads(file.read())
    if found == "unable":
        pytest.skip("the interpreter lies where only root can read")
    return found


@pytest.fixture(params=["this user", "nobody"])
def user(request: pytest.FixtureRequest) -> Callable[[Callable[[], object]], object]:
    sandbox.ready()
    if request.param == "this user":
        return lambda act: act()
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    return as_nobody


def attacked(user: Callable[[Callable[[], object]], object], code: str, limits: Limits = LIMITS) -> tuple[str, str]:
    def act() -> list[str]:
        ran = run(code, limits=limits)
        return [ran.stdout, ran.fault]

    stdout, fault = user(act)  # type: ignore[misc]
    return stdout, fault


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_reached(
    name: str, user: Callable[[Callable[[], object]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", SECRET)
    before = {folder: set(os.listdir(folder)) for folder in ("/tmp", "/dev/shm", ".")}
    stdout, fault = attacked(user, TRY + ATTACKS[name])
    assert stdout and "REACHED" not in stdout and "True" not in stdout and SECRET not in stdout + fault
    assert not any("lapis-attack" in set(os.listdir(folder)) - seen for folder, seen in before.items())
    if name == "secrets":
        assert stdout.startswith("{} ['answer'] []") and fault.startswith("Exception: environ({})")
    else:
        assert fault == ""


def test_a_loop_a_hoard_and_a_flood_end(user: Callable[[Callable[[], object]], object]) -> None:
    assert "took more than" in attacked(user, "while True: pass")[1]
    assert "MemoryError" in attacked(user, "hoard = []\nwhile True: hoard.append(bytes(1 << 20))")[1]
    stdout, fault = attacked(user, "while True: print('flood' * 1000)", Limits(output=1000))
    assert fault == "wrote more than 1000 bytes" and len(stdout) == 1000


def test_a_sleeper_ends_by_the_clock() -> None:
    assert run("import time\ntime.sleep(60)", limits=Limits(wall=0.5)).fault == "took more than 0.5 s"


def test_the_walls_cannot_be_taken_down() -> None:
    limits = "import resource\nattempt(lambda: resource.setrlimit(0, (-1, -1)))\n"
    mode = "attempt(lambda: 1 / (1 + libc.prctl(22, 0)))\n"
    assert "REACHED" not in run(TRY + RAW + limits + mode).stdout
    loud = "import sys\nsys.stderr.write('Traceback\\nTrust me: all is well')\nsys.exit(3)"
    assert run(loud).fault == "Trust me: all is well"


def test_without_a_filter_every_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.ready.cache_clear()
    monkeypatch.setattr(sandbox, "filter_program", lambda: b"")
    with pytest.raises(InputError, match="no sandbox here .sandbox: Invalid argument"):
        run("print('hello')")
    allow_all = (0x06, 0x7FFF0000)
    monkeypatch.setattr(sandbox, "filter_program", lambda: struct.pack("HBBI", allow_all[0], 0, 0, allow_all[1]))
    with pytest.raises(InputError, match="no sandbox here"):
        run("print('hello')")


def test_no_answer_can_say_that_there_is_no_sandbox() -> None:
    assert (
        run("import os\nos.write(2, b'sandbox: Invalid argument')\nos._exit(71)").fault == "sandbox: Invalid argument"
    )
