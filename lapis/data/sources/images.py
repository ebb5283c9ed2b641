"""A folder of pictures with captions: `a.png` beside `a.txt`, `captions.jsonl`, or Hugging Face's `metadata.csv`.

A table (`metadata.csv`, `metadata.jsonl`, `captions.jsonl`) speaks for its folder and all below, and what it does
not name is passed over; elsewhere a picture's caption is the text file of its name. A picture without caption is
broken there, and so is a caption without its picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from lapis.data.sources import csv, jsonl, lines, parquet, records
from lapis.data.sources.base import Bad, Broken, Form, Origin, Slice, decoded
from lapis.data.sources.pictures import ENDINGS, picture
from lapis.data.sources.places import bundled, bundles, files, inside, packs
from lapis.data.sources.unpack import whole
from lapis.types import InputError, Sample

TABLES = ("metadata.csv", *packs("metadata.jsonl", "captions.jsonl"), "metadata.parquet")
_READERS = {".csv": csv.rows, ".parquet": parquet.rows}
_PAIRS = (*ENDINGS, ".txt")


def slices(place: Path) -> list[Slice]:
    """Ranges of the tables, and some pictures of a folder each where there is no table; or the one file itself."""
    if place.is_file() and place.suffix.lower() in _PAIRS:
        return _alone(files(place, _PAIRS)[0])
    tables = _tables(place)
    spoken = {part.path.parent for part in tables}
    cut = [one for part in tables for one in ([part] if part.path.suffix.lower() in _READERS else lines.cut(part))]
    try:
        pairs = bundles(place, _PAIRS)
    except InputError:
        if not tables:
            raise
        pairs = []
    return cut + [part for part in pairs if not spoken & {part.path, *part.path.parents}]


def _alone(file: Slice) -> list[Slice]:
    """A picture with its caption, as a pattern of files names it; nothing for a caption that its picture brings."""
    path, caption = file.path, _caption(file.path)
    if path.suffix.lower() == ".txt" and any(path.with_suffix(ending).is_file() for ending in ENDINGS):
        return []
    names = dict.fromkeys((path.name, *([caption.name] if caption.exists() else [])))
    return [Slice(path.parent, root=file.root, names=tuple(names))]


def _caption(picture: Path) -> Path:
    """The text file of its name, there or not."""
    large = picture.with_suffix(".TXT")
    return large if large.exists() else picture.with_suffix(".txt")


def _tables(place: Path) -> list[Slice]:
    try:
        found = files(place, TABLES)
    except InputError:
        return []
    return [part for part in found if part.path.name.lower() in TABLES]


def read(part: Slice, origin: Origin) -> Iterator[Sample | Broken]:
    """A caption a picture."""
    if part.names:
        way = records.Way(replace(origin, columns=()), records.no_pictures, records.captions)
        for file in _paired(part):
            yield from _pair(file, way)
        return
    reader = _READERS.get(part.path.suffix.lower(), jsonl.rows)
    yield from reader(part, records.Way(origin, records.beside(part), records.captions))


def _paired(part: Slice) -> Iterator[Slice]:
    """The pictures of a slice, and texts of which no picture has the name."""
    listed = list(bundled(part))
    stems = {file.path.stem for file in listed if file.path.suffix.lower() in ENDINGS}
    for file in listed:
        if file.path.suffix.lower() in ENDINGS or file.path.stem not in stems:
            yield file


def _pair(file: Slice, way: records.Way) -> Iterator[Sample | Broken]:
    try:
        if file.path.suffix.lower() == ".txt":
            raise Bad("no picture")
        beside = replace(file, path=_caption(file.path))
        if not beside.path.exists():
            raise Bad("no caption")
        shown = picture(records.content(inside(file.path, file.root)), file.path.name)
        caption = decoded(whole(beside, lines.LONGEST)).strip()
    except Bad as bad:
        yield Broken(file.name, bad.reason)
    else:
        yield from way.samples({"image": shown, "caption": caption}, file.name)


FORM = Form("images", slices, read)
