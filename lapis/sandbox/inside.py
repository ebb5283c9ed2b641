"""The program inside the sandbox: it builds the walls around itself, then runs the code. Unusual: it is a text.

It is passed to a fresh interpreter as text (`lapis/sandbox/run.py`), so that the user who runs it need not be able to
read this package, and it imports Python's own modules alone. Its arguments are two file descriptors: what is asked as
JSON (code, calls, limits, the filter in base64), and where values go. What an answer may import is imported before the
walls stand, for no file can be opened afterwards.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import importlib
import json
import os
import resource
import sys
import time
from typing import Any

MODULES = (
    "abc", "array", "ast", "bisect", "calendar", "cmath", "collections", "collections.abc", "copy", "dataclasses",
    "datetime", "decimal", "difflib", "encodings.ascii", "encodings.idna", "encodings.latin_1", "enum", "fractions",
    "functools", "graphlib", "hashlib", "heapq", "inspect", "io", "itertools", "linecache", "locale", "math",
    "numbers", "operator", "pprint", "queue", "random", "re", "statistics", "string", "stringprep", "struct",
    "textwrap", "threading", "time", "traceback", "types", "typing", "unicodedata", "warnings", "zlib",
)  # fmt: skip
"""What answers may import; so is all that these import themselves."""
NO_NEW_PRIVS, SECCOMP, PARENT_DIES, BY_FILTER = 38, 22, 1, 2
"""Numbers of prctl in linux/prctl.h, and of seccomp's mode in linux/seccomp.h."""
KILL = 9
NOBODY = 65534


class Program(ctypes.Structure):
    """`struct sock_fprog`: a filter of `length` instructions of 8 bytes."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def limit(request: dict[str, Any]) -> None:
    """Hard limits on CPU seconds, memory, files that grow, processes, open files and cores."""
    seconds = int(time.process_time() + request["seconds"]) + 1
    for what, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, request["memory"]),
        (resource.RLIMIT_FSIZE, request["output"]),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 8),
    ):
        resource.setrlimit(what, (most, most))


def enclose(code: bytes) -> None:
    """No privileges, death with the parent, the filter on system calls. Leaves where one is not to be had."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.getuid() == 0:
        # A container may not let root become another user; the filter stands all the same.
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    program = Program(len(code) // 8, code)
    done = [
        libc.prctl(PARENT_DIES, KILL, 0, 0, 0),
        libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0),
        libc.prctl(SECCOMP, BY_FILTER, ctypes.byref(program), 0, 0),
    ]
    if any(done):
        os.write(2, f"sandbox: {os.strerror(ctypes.get_errno())}".encode())
        os._exit(1)


def plain(value: Any) -> Any:
    """A value in the plain types that `repr` writes as literals; other objects as they are."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items()}
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    for form in (tuple, list, set, frozenset):
        if isinstance(value, form):
            return set(map(plain, value)) if form is frozenset else form(map(plain, value))
    return value


def main() -> None:
    """Read the request, build the walls, run."""
    source, sink = map(int, sys.argv[1:3])
    with open(source, encoding="utf-8") as file:
        request = json.load(file)
    for name in MODULES:
        with contextlib.suppress(ImportError):  # an interpreter that was built without it
            importlib.import_module(name)
    os.environ.clear()
    sys.argv, sys.path[:] = ["answer"], []
    limit(request)
    enclose(base64.b64decode(request.pop("filter")))
    names: dict[str, Any] = {"__name__": "answer" if request["calls"] else "__main__"}
    exec(compile(request["code"], "<answer>", "exec"), names)
    for call in request["calls"]:
        said = repr(plain(eval(call, names)))
        os.write(sink, said.encode("utf-8", "backslashreplace").replace(b"\n", b" ") + b"\n")


if __name__ == "__main__":
    main()
