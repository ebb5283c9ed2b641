"""Sources of plain text as columns: JSON lines, CSV and Parquet become tables without a Sample each.

Records that are none are told with their place and reason, and cost no other record. Unusual: a long file of lines is
cut into ranges of bytes without reading it; a range has the lines that begin in it.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from lapis.data.corpus import rows
from lapis.data.sources.base import Broken, Origin, Slice

LONGEST = 32 << 20
"""Most bytes of a line; longer ones are passed over without being held."""
BATCH, BYTES = 16384, 16 << 20
"""Most records, and about so many bytes, of a table."""
OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
TORN = (EOFError, zlib.error, lzma.LZMAError, OSError)
"""What a packed file that is torn or none ends with."""
FIELDS = ("text", "lang", "source", "licence")


class Wrong(Exception):
    """A record is none; its word is a Broken's reason."""


@dataclass(slots=True)
class Batch:
    """Records of a table under way."""

    origin: Origin
    columns: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in FIELDS})
    size: int = 0

    def add(self, record: Mapping[str, Any], place: str) -> None:
        """Raises Wrong for a record without a text that can be kept."""
        own = dict(self.origin.columns)
        text = usable(record.get(own.get("text", "text")))
        given = {name: _word(record.get(own.get(name, name))) for name in ("lang", "source", "licence")}
        licence = given["licence"] or _word(record.get("license")) or self.origin.licence
        if not licence:
            raise Wrong("no licence")
        values = (text, given["lang"] or self.origin.lang, given["source"] or f"{self.origin.name} {place}", licence)
        for name, value in zip(FIELDS, values, strict=True):
            self.columns[name].append(value)
        self.size += len(text)

    @property
    def full(self) -> bool:
        return len(self.columns["text"]) >= BATCH or self.size >= BYTES

    def take(self) -> Iterator[pa.Table]:
        """The table of what was added, if anything was."""
        if self.columns["text"]:
            yield rows.documents(self.columns, self.origin.kind)
        self.columns, self.size = {name: [] for name in FIELDS}, 0


def _word(value: Any) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""


def usable(text: Any) -> str:
    """A text that can be kept. Raises Wrong for what is no text, or holds a null byte or half a character."""
    if not isinstance(text, str):
        raise Wrong("no text" if text is None else "wrong type")
    if "\0" in text:
        raise Wrong("null byte")
    if not text or text.isspace():
        raise Wrong("no text")
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        raise Wrong("lone surrogate") from None
    return text


def jsonl(part: Slice, origin: Origin) -> Iterator[pa.Table | Broken]:
    """Documents of JSON lines."""
    batch = Batch(origin)
    for at, line in lines(part):
        place = f"{part.path.name} byte {at}"
        try:
            batch.add(_record(line), place)
        except Wrong as wrong:
            yield Broken(place, str(wrong))
        if batch.full:
            yield from batch.take()
    yield from batch.take()


def _record(line: bytes | str) -> Mapping[str, Any]:
    if isinstance(line, str):
        raise Wrong(line)
    try:
        record = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise Wrong("not UTF-8") from None
    except (ValueError, RecursionError):
        raise Wrong("bad JSON") from None
    if not isinstance(record, dict):
        raise Wrong("no record")
    return record


def lines(part: Slice) -> Iterator[tuple[int, bytes | str]]:
    """(byte where it begins, line) of each line that is not blank; a string instead says why there is none."""
    at = part.first
    try:
        with _opened(part.path) as file:
            at = _to(file, part.first)
            while (part.last is None or at < part.last) and (line := file.readline(LONGEST)):
                begin, at = at, at + len(line)
                if len(line) == LONGEST and not line.endswith(b"\n"):
                    at += _rest(file)
                    yield begin, "long line"
                elif not line.isspace():
                    yield begin, line
    except TORN:
        yield at, "torn file"


def _opened(path: Path) -> IO[bytes]:
    file: IO[bytes] = OPENERS.get(path.suffix.lower(), open)(path, "rb")
    return file


def _to(file: IO[bytes], first: int) -> int:
    """Move to the first line that begins at `first` or after it; returns where that is."""
    if not first:
        return 0
    file.seek(first - 1)
    return first - 1 + _rest(file)


def _rest(file: IO[bytes]) -> int:
    """Pass over the rest of a line; returns its bytes."""
    size = 0
    while piece := file.readline(1 << 20):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def table(part: Slice, origin: Origin) -> Iterator[pa.Table | Broken]:
    """Documents of a CSV file (TSV by its name) whose first row names the columns."""
    batch = Batch(origin)
    csv.field_size_limit(LONGEST)
    mark = "\t" if ".tsv" in part.path.name.lower() else ","
    try:
        with io.TextIOWrapper(_opened(part.path), "utf-8-sig", errors="surrogateescape", newline="") as file:
            for number, record in enumerate(_records(csv.DictReader(file, delimiter=mark)), 1):
                place = f"{part.path.name} row {number}"
                try:
                    batch.add(_decoded(record), place)
                except Wrong as wrong:
                    yield Broken(place, str(wrong))
                if batch.full:
                    yield from batch.take()
    except TORN:
        yield Broken(part.path.name, "torn file")
    yield from batch.take()


def _records(reader: csv.DictReader[str]) -> Iterator[Mapping[str, Any] | str]:
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield "bad CSV"


def _decoded(record: Mapping[str, Any] | str) -> Mapping[str, Any]:
    if isinstance(record, str):
        raise Wrong(record)
    if any(isinstance(value, str) and not value.isascii() and _escaped(value) for value in record.values()):
        raise Wrong("not UTF-8")
    return record


def _escaped(value: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in value)


def parquet(part: Slice, origin: Origin) -> Iterator[pa.Table | Broken]:
    """Documents of a Parquet file; a slice counts row groups."""
    own = dict(origin.columns)
    try:
        with pq.ParquetFile(part.path) as file:
            names = [own.get(name, name) for name in (*FIELDS, "license")]
            wanted = [name for name in names if name in file.schema_arrow.names]
            last = file.num_row_groups if part.last is None else part.last
            for group in range(part.first, last):
                for piece in file.iter_batches(BATCH, row_groups=[group], columns=wanted):
                    yield from _of_rows(pa.table(piece), f"{part.path.name} group {group}", origin)
    except (pa.ArrowException, *TORN):
        yield Broken(part.path.name, "torn file")


def _of_rows(piece: pa.Table, where: str, origin: Origin) -> Iterator[pa.Table | Broken]:
    batch = Batch(origin)
    for number, record in enumerate(piece.to_pylist()):
        try:
            batch.add(record, f"{where} row {number}")
        except Wrong as wrong:
            yield Broken(f"{where} row {number}", str(wrong))
    yield from batch.take()


def ranges(path: Path, size: int) -> list[Slice]:
    """A file of lines as ranges of about so many bytes; a packed one is left whole."""
    total = path.stat().st_size
    if path.suffix.lower() in OPENERS or total <= size:
        return [Slice(path)]
    count = -(-total // size)
    return [Slice(path, total * at // count, total * (at + 1) // count) for at in range(count)]


def whole(path: Path, size: int) -> list[Slice]:
    """A file as one slice, however long it is: it is read piece by piece."""
    return [Slice(path)]


def groups(path: Path, size: int) -> list[Slice]:
    """A Parquet file as runs of row groups of about so many bytes."""
    try:
        meta = pq.read_metadata(path)
    except (pa.ArrowException, OSError):
        return [Slice(path)]
    found, first, held = [], 0, 0
    for group in range(meta.num_row_groups):
        held += meta.row_group(group).total_byte_size
        if held >= size or group + 1 == meta.num_row_groups:
            found.append(Slice(path, first, group + 1))
            first, held = group + 1, 0
    return found or [Slice(path)]


@dataclass(frozen=True, slots=True)
class Columnar:
    """How a form's file is cut, and a slice read as tables."""

    endings: tuple[str, ...]
    cut: Callable[[Path, int], list[Slice]]
    read: Callable[[Slice, Origin], Iterator[pa.Table | Broken]]


FORMS = {
    "jsonl": Columnar((".jsonl", ".ndjson", ".json"), ranges, jsonl),
    "csv": Columnar((".csv", ".tsv"), whole, table),
    "parquet": Columnar((".parquet",), groups, parquet),
}
"""Forms of plain text that are read as columns."""
