"""Tokenised samples as Arrow IPC files that are read by memory map.

A shard is two files: `NAME.arrow` (a row a sample) and `NAME.tiles.arrow` (a row a tile). Unusual: a tile is stored
once a shard, however many samples show it. `index.json` is written last; it holds lengths, tile counts, checksums and
the tokenizer's fingerprint, so that packing needs no shard and a damaged or foreign shard is refused by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lapis import config, files
from lapis.data.cache import Cache, Shelf, is_url
from lapis.data.labels import LABELS
from lapis.data.looks import COLUMNS
from lapis.data.tokenise import Example, unpng
from lapis.said import first_line
from lapis.types import InputError

SAMPLES = pa.schema(
    [
        ("ids", pa.list_(pa.int32())),
        ("trained", pa.list_(pa.uint8())),
        ("tiles", pa.list_(pa.int32())),
        ("looks", pa.list_(pa.int32())),
    ]
)
TILES = pa.schema([("png", pa.binary()), ("cells", pa.binary())])
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index knows of one shard."""

    name: str
    lengths: list[int]
    """Tokens of each sample."""
    tiles: list[int]
    """Tiles of each sample."""
    kinds: list[str]
    documents: list[int]
    """1 where the sample is plain text that may be split over rows."""
    sha256: dict[str, str]
    """Checksum by file name."""


def write_shard(folder: Path, name: str, examples: Iterable[Example]) -> Entry:
    """Write one shard of examples, and return its entry for the index."""
    folder.mkdir(parents=True, exist_ok=True)
    tiles: dict[tuple[bytes, bytes], int] = {}
    rows: list[tuple[Example, list[int]]] = []
    for example in examples:
        pairs = zip(example.tiles, example.cells, strict=True)
        rows.append((example, [tiles.setdefault(pair, len(tiles)) for pair in pairs]))
    sums = {
        f"{name}.arrow": _write(folder / f"{name}.arrow", _rows(rows)),
        f"{name}.tiles.arrow": _write(folder / f"{name}.tiles.arrow", _tiles(tiles)),
    }
    return Entry(
        name,
        [len(example.ids) for example, _ in rows],
        [len(example.tiles) for example, _ in rows],
        [example.kind for example, _ in rows],
        [int(example.document) for example, _ in rows],
        sums,
    )


def write_index(folder: Path, entries: Sequence[Entry], tokenizer: str) -> None:
    """Write `index.json`; `tokenizer` is the fingerprint of the tokenizer that wrote the ids."""
    kinds = sorted({kind for entry in entries for kind in entry.kinds})
    numbers = {kind: number for number, kind in enumerate(kinds)}
    shards = [{**asdict(entry), "kinds": [numbers[kind] for kind in entry.kinds]} for entry in entries]
    count = sum(len(entry.lengths) for entry in entries)
    index = {"tokenizer": tokenizer, "count": count, "kinds": kinds, "shards": shards}
    files.write(folder / "index.json", json.dumps(index, separators=(",", ":"), ensure_ascii=False))


def fingerprint(tokenizer_folder: Path) -> str:
    """SHA-256 of a folder's `tokenizer.json`. Raises InputError where there is none."""
    path = tokenizer_folder / "tokenizer.json"
    if not path.is_file():
        raise InputError(f"{path}: no tokenizer there")
    return _sha256(path)


class Shards:
    """A folder of shards, opened by memory map and checked against its index; or a URL, whose shards are fetched into
    a cache (cache.py) when they are first read, and checked there.

    Raises InputError for a missing or broken index, a shard that is missing, truncated or altered (by name), or ids of
    another tokenizer than `tokenizer` (both fingerprints are told).
    """

    def __init__(self, root: Path | str, tokenizer: str | None = None, cache: config.Cache | None = None):
        store = Cache(str(root), cache or config.Cache()) if is_url(root) else None
        raw = _read(Path(root) / "index.json") if store is None else store.read("index.json")
        index = _index(raw, f"{root}/index.json")
        if tokenizer is not None and tokenizer != index["tokenizer"]:
            raise InputError(f"{root}: written with tokenizer {index['tokenizer']}, expected {tokenizer}")
        self.kinds: tuple[str, ...] = tuple(index["kinds"])
        self.digest = hashlib.sha256(raw).hexdigest()
        self.lengths = _column(index, "lengths")
        self.tiles = _column(index, "tiles")
        self.kind = _column(index, "kinds")
        self.documents = _column(index, "documents").astype(bool)
        self.plans = (Path(root) if store is None else store.folder) / "plans"
        """Where plans of steps over these shards are kept."""
        self._starts = np.cumsum([0, *(len(shard["lengths"]) for shard in index["shards"])])
        sums = [shard["sha256"] for shard in index["shards"]]
        self._shards = _checked(Path(root), sums) if store is None else Shelf(store, sums, _Shard)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def side(self) -> int:
        """Pixels of a tile's side; 0 where there is no tile."""
        tiles = np.flatnonzero(self.tiles)
        return len(unpng(self.read(int(tiles[0])).tiles[0])) if len(tiles) else 0

    def read(self, number: int) -> Example:
        """A sample by its number; ids and mask are views into the file."""
        shard = int(self._shard_of(number))
        kind = self.kinds[self.kind[number]]
        document = bool(self.documents[number])
        return Example(kind, document, *self._shards[shard].read(number - int(self._starts[shard])))

    @contextmanager
    def ahead(self, samples: Callable[[int], Ints]) -> Iterator[Callable[[int], None]]:
        """A function that has the shards of a coming step fetched meanwhile; `samples` gives the numbers it reads."""
        if isinstance(self._shards, list):
            yield lambda step: None
            return
        with self._shards.ahead() as ask:
            yield lambda step: ask(list(dict.fromkeys(self._shard_of(samples(step)).tolist())))

    def _shard_of(self, numbers: Ints | int) -> Ints:
        return np.searchsorted(self._starts, numbers, side="right") - 1


def read_index(folder: Path) -> tuple[tuple[str, ...], Ints, Ints]:
    """Names of kinds, and each sample's kind and tokens, from a local folder's index alone. Raises InputError where
    there is none."""
    index = _index(_read(folder / "index.json"), f"{folder}/index.json")
    return tuple(index["kinds"]), _column(index, "kinds"), _column(index, "lengths")


def _checked(folder: Path, sums: Sequence[Mapping[str, str]]) -> list[_Shard]:
    """Shards of a local folder, every file read once against its checksum."""
    for shard in sums:
        for name, expected in shard.items():
            _verify(folder / name, expected)
    return [_Shard([folder / name for name in shard]) for shard in sums]


class _Shard:
    """The two files of a shard as flat arrays."""

    def __init__(self, paths: Sequence[Path]):
        rows, tiles = (_map(path) for path in paths)
        self.ids, self.starts = _flat(rows, "ids")
        self.trained, _ = _flat(rows, "trained")
        self.places, self.tile_starts = _flat(rows, "tiles")
        self.looks, self.look_starts = _flat(rows, "looks")
        self.pngs, self.cells = tiles.column("png"), tiles.column("cells")

    def read(self, row: int) -> tuple[Any, Any, tuple[bytes, ...], tuple[bytes, ...], Any]:
        """Ids, mask, tiles, labels and looks of a sample."""
        a, b = self.starts[row], self.starts[row + 1]
        places = self.places[self.tile_starts[row] : self.tile_starts[row + 1]]
        pngs = tuple(self.pngs[int(place)].as_py() for place in places)
        cells = tuple(self.cells[int(place)].as_py() for place in places)
        looks = self.looks[self.look_starts[row] : self.look_starts[row + 1]].reshape(-1, COLUMNS)
        return self.ids[a:b], self.trained[a:b].astype(np.bool_), pngs, cells, looks


def _flat(table: pa.Table, name: str) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Values and row offsets of a list column that was written as one batch, without a copy."""
    column = table.column(name).chunk(0)
    return column.values.to_numpy(zero_copy_only=True), column.offsets.to_numpy(zero_copy_only=True)


def _rows(rows: Sequence[tuple[Example, list[int]]]) -> pa.Table:
    ids = _lists([example.ids for example, _ in rows], np.int32)
    trained = _lists([example.trained for example, _ in rows], np.uint8)
    tiles = _lists([places for _, places in rows], np.int32)
    looks = _lists([example.looks.reshape(-1) for example, _ in rows], np.int32)
    return pa.table([ids, trained, tiles, looks], schema=SAMPLES)


def _lists(values: Sequence[Any], dtype: type) -> pa.Array:
    flat: npt.NDArray[Any] = np.concatenate([np.zeros(0, dtype), *values]).astype(dtype)
    starts = np.cumsum([0, *(len(value) for value in values)], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(starts), pa.array(flat))


def _tiles(tiles: Iterable[tuple[bytes, bytes]]) -> pa.Table:
    pairs = list(tiles)
    columns = [pa.array([pair[side] for pair in pairs], pa.binary()) for side in (0, 1)]
    return pa.table(columns, schema=TILES)


def _write(path: Path, table: pa.Table) -> str:
    """One record batch, so that offsets index the whole file. Returns the SHA-256."""
    with files.beside(path) as part, pa.OSFile(str(part), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_batch(table.combine_chunks().to_batches()[0] if len(table) else _empty(table.schema))
    return _sha256(path)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)


def _map(path: Path) -> pa.Table:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path}: not a whole Arrow file ({first_line(error)})") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no shards there, expected the index that the data stage writes last") from None


def _index(raw: bytes, name: str) -> dict[str, Any]:
    try:
        return json.loads(raw.decode("utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise InputError(f"{name}: not an index of shards") from None


def _column(index: dict[str, Any], name: str) -> npt.NDArray[np.int64]:
    parts = [np.asarray(shard[name], dtype=np.int64) for shard in index["shards"]]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def _verify(path: Path, expected: str) -> None:
    if not path.is_file():
        raise InputError(f"{path}: shard is missing, run the data stage again")
    if (found := _sha256(path)) != expected:
        raise InputError(f"{path}: truncated or altered (sha256 {found[:12]}, expected {expected[:12]})")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cells_array(cells: Sequence[bytes]) -> npt.NDArray[np.int32]:
    """Labels [V, K] of tiles in order, from their stored bytes."""
    return np.frombuffer(b"".join(cells), dtype=np.int32).reshape(-1, LABELS)
