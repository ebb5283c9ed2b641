"""The log of finished requests: a line each, appended when its answer is there, so that nothing is asked twice.

A kill can cut the last line; it is cut away when the log is opened, since nobody knows its answer. One process at a
time holds it (flock, which ends with the process).
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import BinaryIO, Self

from lapis import files
from lapis.remote.request import Reply, from_json, to_json
from lapis.types import InputError


class Log:
    """A context manager. `replies` has what is known, by key."""

    def __init__(self, path: Path):
        self.path = path
        self.replies: dict[str, Reply] = {}
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Raises InputError where another process holds it, or where a line is broken."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._read(self._file)
        except BlockingIOError:
            self._file.close()
            raise InputError(f"{self.path}: another process is asking; wait for its end") from None
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            with files.room(self.path):  # a full disk refuses the rest of the last line once more
                self._file.close()

    def _read(self, file: BinaryIO) -> None:
        file.seek(0)
        whole = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                told = json.loads(line)
                self.replies[told["key"]] = from_json(told["reply"])
            except (ValueError, KeyError, TypeError):
                raise InputError(f"{self.path}: line {number} is no answer; take it out") from None
        os.ftruncate(file.fileno(), whole)

    def add(self, key: str, reply: Reply) -> None:
        """One more, at once on the disk's side of the process."""
        assert self._file is not None
        line = json.dumps({"key": key, "reply": to_json(reply)}, ensure_ascii=True) + "\n"
        with files.room(self.path):
            self._file.write(line.encode())
            self._file.flush()
        self.replies[key] = reply

    @property
    def spent(self) -> float:
        """What all requests of the log cost, by the prices when they were asked."""
        return sum(reply.cost for reply in self.replies.values())
