"""One run of code that nobody has read, in a process that can reach nothing.

The walls, from the outside in: an interpreter of its own with an empty environment, no path, and descriptors of memory
alone; hard limits on CPU seconds, memory, output and processes; no privileges, and nobody's user where we are root; and
a filter on system calls (seccomp) that lets it compute, write to what is open, tell the time, sleep and end, and
refuses everything else: no file is opened or looked for, no socket, process, thread, signal or debugger is made, no new
memory can be executed. A filter needs neither root nor namespaces, which containers mostly forbid; where the kernel has
none, every run is refused. Ours; the filter is compiled by libseccomp.
"""

from __future__ import annotations

import base64
import errno
import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lapis.said import last_line
from lapis.types import InputError

CALLS = (
    "read", "readv", "write", "writev", "lseek", "close", "fstat", "brk", "munmap", "mremap", "madvise", "futex",
    "exit", "exit_group", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
    "clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time", "getrandom", "getpid",
    "gettid", "getrusage", "times", "sched_yield",
)  # fmt: skip
"""System calls that are let through; `mmap` and `mprotect` are too, unless they want to execute."""
EXECUTE = 4
"""PROT_EXEC."""
PROBE = "try:\n    open('/')\nexcept PermissionError as error:\n    print(error.errno)"
"""Says 1 behind the filter; without it, that `/` is a directory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take."""

    seconds: float = 2.0
    """Of CPU, counted up to whole seconds."""
    wall: float = 20.0
    """Seconds by the clock, for code that sleeps."""
    memory: int = 512 * 2**20
    """Bytes of address space, the interpreter's own included."""
    output: int = 64 * 2**10
    """Bytes of each of stdout, stderr and values."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left."""

    stdout: str
    values: tuple[str, ...]
    """`repr` of each call's value, in order; fewer where it ended before."""
    fault: str
    """Why it did not end well; empty where it did."""


LIMITS = Limits()


def run(code: str, stdin: str = "", calls: Sequence[str] = (), limits: Limits = LIMITS) -> Ran:
    """Run a program with `stdin`, or define what it defines and evaluate `calls` (expressions) after it.

    Raises InputError where this machine has no sandbox.
    """
    ready()
    return _once(code, stdin, calls, limits)


@functools.cache
def ready() -> None:
    """Raises InputError unless a program really stands behind the walls here; looked at once."""
    found = _once(PROBE, "", (), LIMITS)
    if found.stdout != "1\n":
        said = found.fault or "the filter lets files be opened"
        raise InputError(f"code: no sandbox here ({said}); expected a Linux whose kernel filters system calls")


def _once(code: str, stdin: str, calls: Sequence[str], limits: Limits) -> Ran:
    request = {"code": code, "calls": list(calls), "filter": base64.b64encode(filter_program()).decode()}
    request |= {name: getattr(limits, name) for name in ("seconds", "memory", "output")}
    with ExitStack() as stack:
        told, given, out, wrong, values = (
            stack.enter_context(_memory(text)) for text in (json.dumps(request), stdin, "", "", "")
        )
        passed = (told.fileno(), values.fileno())
        words = [interpreter(), "-I", "-S", "-X", "utf8", "-c", _inside(), *map(str, passed)]
        process = subprocess.Popen(
            words,
            stdin=given,
            stdout=out,
            stderr=wrong,
            pass_fds=passed,
            env={},
            cwd="/",
            start_new_session=True,
        )
        slow = _outlasts(process, limits.wall)
        return _ran(process.returncode, slow, _read(out), _read(wrong), _read(values), limits)


def _ran(code: int, slow: bool, stdout: bytes, stderr: bytes, values: bytes, limits: Limits) -> Ran:
    said, wrong, found = (text.decode("utf-8", "replace") for text in (stdout, stderr, values))
    last = last_line(wrong, "")[:200]
    fault = ""
    if slow:
        fault = f"took more than {limits.wall:g} s"
    elif max(map(len, (stdout, stderr, values))) >= limits.output:
        fault = f"wrote more than {limits.output} bytes"
    elif code in (-signal.SIGKILL, -signal.SIGXCPU):
        fault = f"took more than {limits.seconds:g} s of CPU, or was killed for its memory"
    elif code:
        fault = last or (f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}")
    return Ran(said, tuple(found.splitlines()), fault)


def _outlasts(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a process had to be killed for its time. It has no children, so nothing of it stays."""
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        return True
    finally:
        process.kill()
        process.wait()


def _memory(text: str) -> BinaryIO:
    """A file of memory that holds a text and stands at its beginning."""
    file = open(os.memfd_create("sandbox"), "w+b", buffering=0)  # noqa: SIM115
    file.write(text.encode("utf-8", "replace"))
    file.seek(0)
    return file


def _read(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def interpreter() -> str:
    """The Python that runs inside: the one that this is, without its virtual environment."""
    return os.path.realpath(sys.executable)


@functools.cache
def _inside() -> str:
    return Path(__file__).with_name("inside.py").read_text(encoding="utf-8")


@functools.cache
def filter_program() -> bytes:
    """The filter as the kernel takes it: CALLS and memory that is not executed; all else gets EPERM.

    Raises InputError where libseccomp is missing.
    """
    try:
        import pyseccomp
    except (RuntimeError, ImportError, OSError) as error:
        raise InputError(f"code: no sandbox here ({error}); expected Linux with libseccomp") from None
    rules = pyseccomp.SyscallFilter(pyseccomp.ERRNO(errno.EPERM))
    for name in CALLS:
        with suppress(ValueError):  # not a call of this processor
            rules.add_rule(pyseccomp.ALLOW, name)
    for name in ("mmap", "mprotect"):
        rules.add_rule(pyseccomp.ALLOW, name, pyseccomp.Arg(2, pyseccomp.MASKED_EQ, EXECUTE, 0))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        return _read(file)
