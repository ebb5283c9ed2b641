"""Shards of an object store on the local disk: fetched whole, checked on arrival, shared by a machine's processes.

There are three levels: the store (whatever fsspec opens by URL), a folder on the disk, and memory. Memory is the
operating system's page cache behind the memory maps: a gigabyte of decoded tiles would spare a fifth of decoding
(20,000 tiles of 252 px shown four times a pass, half a millisecond each), and holds a tenth of the tiles that the page
cache holds encoded.

Unusual: processes share the folder through locks on files alone, which end with the process that holds them. Beside a
file lies one lock that whoever has it open holds shared, and whoever throws it away alone; and one that whoever
fetches it holds alone, so that the others wait and find it there.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

import fsspec

from lapis import config, files
from lapis.types import InputError

FETCHES = 8
"""Files fetched at once ahead of their use; a store answers late, and many at a time."""
OPEN = 32
"""Shards that a process keeps open; what is open is not thrown away."""

Opened = TypeVar("Opened")


def is_url(root: Path | str) -> bool:
    """Whether shards lie in a store (`s3://bucket/run/shards`) and not in a local folder."""
    return "://" in str(root)


class Cache:
    """Files under a URL, kept in the folder of `shape` by name and checksum.

    Raises InputError for a URL that fsspec cannot open, and a folder that cannot be made.
    """

    def __init__(self, url: str, shape: config.Cache):
        self.url, self.shape = url.rstrip("/"), shape
        self.folder = Path(shape.folder).expanduser()
        try:
            self.store, self.root = fsspec.core.url_to_fs(self.url)
            self.folder.mkdir(parents=True, exist_ok=True)
        except (ImportError, ValueError) as error:
            raise InputError(f"{url}: cannot be opened ({error})") from None
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be written ({error.strerror})") from None

    def read(self, name: str) -> bytes:
        """A small file of the store, as it is now. Raises InputError where it is missing or out of reach."""
        with self._reached(name):
            return bytes(self.store.cat_file(f"{self.root}/{name}"))

    @contextmanager
    def hold(self, name: str, sha256: str) -> Iterator[Path]:
        """A file's place on the disk, fetched where it is not there; nobody throws it away inside.

        Raises InputError, by name, for a file that is missing, out of reach, or arrives wrong twice.
        """
        path = self._place(name, sha256)
        with _locked(path, ".lock", fcntl.LOCK_SH):
            if not path.is_file():
                self._fetch(name, sha256, path)
            os.utime(path, ns=2 * (time.time_ns(),))  # by itself it takes the kernel's coarse clock
            yield path

    def _place(self, name: str, sha256: str) -> Path:
        return self.folder / f"{sha256[:16]}-{Path(name).name}"

    def _fetch(self, name: str, sha256: str, path: Path) -> None:
        """Bring a file, unless another process has brought it meanwhile."""
        with _locked(path, ".fetch", fcntl.LOCK_EX):
            if path.is_file():
                return
            with files.beside(path) as part:
                if self._get(name, part) != sha256 and (found := self._get(name, part)) != sha256:
                    told = f"sha256 {found[:12]}, expected {sha256[:12]}"
                    raise InputError(f"{self.url}/{name}: truncated or altered, fetched twice ({told})")
        self._make_room()

    def _get(self, name: str, part: Path) -> str:
        """Fetch a file once. Returns its SHA-256."""
        with self._reached(name):
            self.store.get_file(f"{self.root}/{name}", str(part))
        with part.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @contextmanager
    def _reached(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise InputError(f"{self.url}/{name}: missing there") from None
        except Exception as error:  # every store has errors of its own
            if files.is_full(error):
                raise
            why = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(f"{self.url}/{name}: out of reach ({why})") from error

    def _make_room(self) -> None:
        """Throw away what was longest unused until the rest is within the limit, which open files may stand over."""
        found = sorted(self._kept())
        over = sum(size for _, size, _ in found) - int(self.shape.gigabytes * 1e9)
        for _, size, path in found:
            if over <= 0:
                return
            with suppress(BlockingIOError), _locked(path, ".lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
                path.unlink(missing_ok=True)
                over -= size

    def _kept(self) -> Iterator[tuple[int, int, Path]]:
        """(last use, bytes, place) of every file."""
        for path in self.folder.glob("*.arrow"):
            with suppress(FileNotFoundError):
                about = path.stat()
                yield about.st_mtime_ns, about.st_size, path


@contextmanager
def _locked(path: Path, ending: str, how: int) -> Iterator[None]:
    """A lock beside a file. Raises BlockingIOError where `how` has LOCK_NB and another holds it.

    A lock of `flock` belongs to what was opened, so that threads of a process keep each other out too.
    """
    with path.with_name(path.name + ending).open("ab") as file:
        fcntl.flock(file, how)
        yield


class Shelf(Generic[Opened]):
    """Shards of a cache by number, each opened when it is first read; the OPEN last used stay open.

    `shards` has the checksums of each shard's files by name, `opens` makes a shard of their places. A shard that is
    closed while a thread still reads it stays whole for that thread: its memory map outlives the file's name.
    """

    def __init__(
        self, cache: Cache, shards: Sequence[Mapping[str, str]], opens: Callable[[Sequence[Path]], Opened]
    ) -> None:
        self.cache, self.shards, self.opens = cache, shards, opens
        self._open: OrderedDict[int, tuple[Opened, ExitStack]] = OrderedDict()
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> Opened:
        with self._lock:
            if number in self._open:
                self._open.move_to_end(number)
                return self._open[number][0]
        with ExitStack() as stack:
            opened = self.opens([stack.enter_context(self.cache.hold(*one)) for one in self.shards[number].items()])
            self._keep(number, opened, stack)
        return opened

    def _keep(self, number: int, opened: Opened, stack: ExitStack) -> None:
        with self._lock:
            if number not in self._open:
                self._open[number] = (opened, stack.pop_all())
            if len(self._open) > OPEN:
                self._open.popitem(last=False)[1][1].close()

    @contextmanager
    def ahead(self) -> Iterator[Callable[[Sequence[int]], None]]:
        """A function that has shards fetched to the disk, in the order of asking, while others are read.

        A fetch that fails is told when its shard is read. Leaving waits for fetches that are under way.
        """
        asked: dict[int, Future[None]] = {}
        with ThreadPoolExecutor(FETCHES, "lapis-fetch") as pool:

            def ask(numbers: Sequence[int]) -> None:
                for number in numbers:
                    if number not in asked or asked[number].done():
                        asked[number] = pool.submit(self._bring, number)

            try:
                yield ask
            finally:
                pool.shutdown(cancel_futures=True)

    def _bring(self, number: int) -> None:
        for name, sha256 in self.shards[number].items():
            with self.cache.hold(name, sha256):
                pass
