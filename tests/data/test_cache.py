"""Shards of a store: fetched once, checked, kept within a limit, waited for, and asked for ahead of their step."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lapis import config
from lapis.data import cache, shards, tokenise
from lapis.data.cache import Cache
from lapis.data.loader import Loader
from lapis.data.shards import Shards
from lapis.types import InputError
from tests.data import world

URL = "memory://bucket/run/shards"
PARTS = 24


class Store:
    """The memory store as tests look at it: what is asked for, in order, and a gate that fetches wait at."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.began = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.damaged: list[str] = []
        """Names whose next arrivals are altered, once for each time that they stand here."""

    def arrive(self, fetch: Callable[..., None], remote: str, local: str) -> None:
        name = remote.rsplit("/", 1)[1]
        self.asked.append(name)
        self.began.release()
        assert self.gate.wait(60)
        fetch(remote, local)
        if name in self.damaged:
            self.damaged.remove(name)
            Path(local).write_bytes(Path(local).read_bytes()[:-9])


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PARTS shards of three samples."""
    folder = tmp_path_factory.mktemp("shards")
    tokenizer = tokenise.train_tokenizer([" ".join(world.ENGLISH)] * 5, 400, folder, world.MODEL.tokens_per_tile)
    examples = [tokenise.example(sample, tokenizer, world.MODEL) for sample in world.mixed(3 * PARTS)]
    entries = [shards.write_shard(folder, f"{at:02d}", examples[3 * at : 3 * at + 3]) for at in range(PARTS)]
    shards.write_index(folder, entries, shards.fingerprint(folder))
    return folder


@pytest.fixture()
def store(local: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    files = MemoryFileSystem()
    for path in local.glob("*.*"):
        files.pipe(f"/bucket/run/shards/{path.name}", path.read_bytes())
    seen, fetch = Store(), MemoryFileSystem.get_file
    monkeypatch.setattr(
        MemoryFileSystem, "get_file", lambda self, a, b, **rest: seen.arrive(lambda *at: fetch(self, *at), a, b)
    )
    yield seen
    seen.gate.set()
    files.rm("/bucket", recursive=True)


def opened(folder: Path, gigabytes: float = 1.0) -> Shards:
    return Shards(URL, cache=config.Cache(str(folder), gigabytes))


def same(one: tokenise.Example, other: tokenise.Example) -> bool:
    arrays = [np.array_equal(getattr(one, name), getattr(other, name)) for name in ("ids", "trained", "looks")]
    return all(arrays) and (one.kind, one.tiles, one.cells) == (other.kind, other.tiles, other.cells)


def test_examples_are_those_of_the_folder_and_each_file_is_fetched_once(
    local: Path, store: Store, tmp_path: Path
) -> None:
    near, far = Shards(local), opened(tmp_path)
    assert store.asked == []
    assert far.digest == near.digest
    assert all(same(far.read(number), near.read(number)) for number in range(len(near)))
    again = opened(tmp_path)
    assert all(same(again.read(number), near.read(number)) for number in (0, 1, 40))
    assert sorted(store.asked) == sorted(path.name for path in local.glob("*.arrow"))


def test_a_file_that_arrives_wrong_is_fetched_once_more(local: Path, store: Store, tmp_path: Path) -> None:
    store.damaged = ["00.tiles.arrow"]
    assert same(opened(tmp_path).read(0), Shards(local).read(0))
    assert store.asked == ["00.arrow", "00.tiles.arrow", "00.tiles.arrow"]


def test_a_file_that_arrives_wrong_twice_is_refused_by_name_and_not_kept(store: Store, tmp_path: Path) -> None:
    store.damaged = ["00.arrow"] * 2
    with pytest.raises(InputError, match=r"shards/00\.arrow: truncated or altered, fetched twice"):
        opened(tmp_path).read(0)
    assert store.asked == ["00.arrow"] * 2
    assert [path.name for path in tmp_path.iterdir() if path.suffix not in (".lock", ".fetch")] == []


def test_what_is_not_there_is_told_by_name(local: Path, store: Store, tmp_path: Path) -> None:
    MemoryFileSystem().rm("/bucket/run/shards/01.arrow")
    with pytest.raises(InputError, match=r"01\.arrow: missing there"):
        opened(tmp_path).read(3)
    with pytest.raises(InputError, match=r"memory://nowhere/index\.json: missing there"):
        Shards("memory://nowhere", cache=config.Cache(str(tmp_path)))
    with pytest.raises(InputError, match="nosuch://a: cannot be opened"):
        Shards("nosuch://a", cache=config.Cache(str(tmp_path)))
    with pytest.raises(InputError, match=f"{local}/index.json/x: cannot be written"):
        Shards(URL, cache=config.Cache(str(local / "index.json" / "x")))


def test_a_store_out_of_reach_is_one_line(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far = opened(tmp_path)
    monkeypatch.setattr(MemoryFileSystem, "get_file", lambda *rest, **named: 1 / 0)
    with pytest.raises(InputError, match=r"00\.arrow: out of reach \(ZeroDivisionError: division by zero\)"):
        far.read(0)


def test_a_full_disk_is_one_line(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*rest: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    far = opened(tmp_path)
    monkeypatch.setattr(MemoryFileSystem, "get_file", full)
    with pytest.raises(InputError, match=r"-00\.arrow: could not be written, no room left on the disk"):
        far.read(0)


def kept(folder: Path) -> list[str]:
    return sorted(path.name.partition("-")[2] for path in folder.glob("*.arrow"))


def test_what_was_longest_unused_goes_first_and_nothing_that_is_open(local: Path, store: Store, tmp_path: Path) -> None:
    sums = {path.name: shards._sha256(path) for path in local.glob("0[0-3].arrow")}
    sizes = sorted((local / name).stat().st_size for name in sums)
    assert sum(sizes[:3]) > sum(sizes[2:])  # whichever two fit, no three do
    bounded = Cache(URL, config.Cache(str(tmp_path), (sum(sizes[2:]) + 1) / 1e9))

    def use(name: str) -> None:
        with bounded.hold(name, sums[name]):
            pass

    use("00.arrow")
    use("01.arrow")
    use("00.arrow")
    use("02.arrow")
    assert kept(tmp_path) == ["00.arrow", "02.arrow"]
    with bounded.hold("00.arrow", sums["00.arrow"]) as path:
        use("01.arrow")
        use("03.arrow")
        assert kept(tmp_path) == ["00.arrow", "03.arrow"]
        assert shards._sha256(path) == sums["00.arrow"]
    assert store.asked == ["00.arrow", "01.arrow", "02.arrow", "01.arrow", "03.arrow"]


def test_shards_are_read_whole_through_a_cache_with_room_for_one(
    local: Path, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "OPEN", 1)
    near, far = Shards(local), opened(tmp_path, 1e-9)
    order = np.random.default_rng(0).permutation(len(near)).tolist()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(far.read, order))
    assert all(same(one, near.read(number)) for one, number in zip(found, order, strict=True))
    assert len(kept(tmp_path)) < 2 * PARTS


def test_a_file_under_way_is_waited_for_and_not_fetched_twice(local: Path, store: Store, tmp_path: Path) -> None:
    """Two caches stand for two processes: their locks are of the files, not of the process."""
    store.gate.clear()
    readers = [opened(tmp_path) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(readers[0].read, 0)
        assert store.began.acquire(timeout=60)
        others = [pool.submit(reader.read, 0) for reader in readers[1:]]
        store.gate.set()
        found = [job.result() for job in (first, *others)]
    assert store.asked == ["00.arrow", "00.tiles.arrow"]
    assert all(same(one, Shards(local).read(0)) for one in found)


def test_coming_steps_are_fetched_side_by_side_and_each_shard_once(store: Store, tmp_path: Path) -> None:
    far = opened(tmp_path)
    store.gate.clear()
    with far.ahead(lambda step: np.arange(3 * step, 3 * step + 9)) as fetch:  # shards step, step + 1, step + 2
        for step in range(PARTS - 2):
            fetch(step)
        for _ in range(cache.FETCHES):
            assert store.began.acquire(timeout=60)
        assert sorted(store.asked) == [f"{at:02d}.arrow" for at in range(cache.FETCHES)]
        store.gate.set()
        assert all(len(far.read(number).ids) for number in range(len(far)))
    assert len(store.asked) == len(set(store.asked)) == 2 * PARTS


def test_coming_steps_are_fetched_in_their_order(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FETCHES", 1)
    far = opened(tmp_path)
    order = [5, 2, 9, 0]
    with far.ahead(lambda step: np.array([3 * order[step], 3 * order[step] + 1])) as fetch:
        for step in range(4):
            fetch(step)
        for _ in range(2 * 4):
            assert store.began.acquire(timeout=60)
    assert [name for name in store.asked if "tiles" not in name] == [f"{at:02d}.arrow" for at in order]


def test_the_loader_asks_for_coming_steps_while_the_first_batch_is_waited_for(store: Store, tmp_path: Path) -> None:
    mixture, pack = {"prose": 1.0, "screen": 1.0}, config.Pack(row_tokens=96, rows=2, tiles=8)
    loader = Loader(URL, mixture, pack, 12, 0, {}, world.MODEL.tokens_per_tile, cache=config.Cache(str(tmp_path)))
    while store.began.acquire(blocking=False):  # what the loader read to know a tile's side
        pass
    store.gate.clear()
    stream = loader.iterate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, stream)
        for _ in range(cache.FETCHES):
            assert store.began.acquire(timeout=60)
        assert not first.done()
        store.gate.set()
        assert len(first.result().tokens_BT) == 2
    assert len(list(stream)) == 11
    assert len(store.asked) == len(set(store.asked))


def test_leaving_drops_what_has_not_begun_and_leaves_no_thread(store: Store, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    far = opened(tmp_path)
    with pytest.raises(KeyError), far.ahead(lambda step: np.arange(len(far))) as fetch:
        fetch(0)
        raise KeyError
    assert set(threading.enumerate()) <= before
    assert len(store.asked) == len(set(store.asked))
