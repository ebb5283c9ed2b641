"""Columns of samples: a table of plain documents without a Sample each, and ids and keys of finished rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from json.encoder import encode_basestring  # json.dumps' own, without a dumps a row

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data import store

KEY = 16
"""Bytes of a key's digest, as in store.key."""
SMALL = bytes(32 if chr(byte).isspace() and byte < 128 else byte for byte in bytes(range(256)).lower())
"""Of each byte its small letter; all white space of ASCII is a space."""
OPEN, CLOSE = '[["assistant",null,["', '"]]]'
"""What stands around the text in a document's turns."""
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n"}
"""In this order, since an escape begins with the first."""


def documents(columns: Mapping[str, Sequence[str] | pa.ChunkedArray], kind: str) -> pa.Table:
    """Documents in store.SCHEMA of their `text`, `lang`, `source`, `licence` and `meta` (JSON); ids and keys are empty
    yet."""
    count = len(columns["text"])
    given = {name: _array(values) for name, values in columns.items()}
    same = {"id": "", "key": "", "kind": kind, "document": True, "think": False, "cells": "[]"}
    table = given | {name: pa.repeat(pa.scalar(value), count) for name, value in same.items()}
    table |= {"budget": pa.nulls(count, pa.int32()), "turns": _turns(given["text"])}
    table["images"] = pa.ListArray.from_arrays(
        pa.repeat(pa.scalar(0, pa.int32()), count + 1), pa.array([], pa.binary())
    )
    return pa.table([table[name] for name in store.SCHEMA.names], schema=store.SCHEMA)


def _array(values: Sequence[str] | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.combine_chunks()
    return pa.array(values, pa.string())


def _turns(texts: pa.Array) -> pa.Array:
    """A document's turns as JSON; Arrow escapes what texts usually have, encode_basestring everything."""
    data = np.frombuffer(_bytes(texts)[0], dtype=np.uint8)
    if ((data < 32) & (data != ord("\n"))).any():
        return pa.array([f"{OPEN[:-1]}{encode_basestring(text)}{CLOSE[1:]}" for text in texts.to_pylist()], pa.string())
    for mark, escaped in ESCAPES.items():
        if (data == ord(mark)).any():
            texts = pc.replace_substring(texts, mark, escaped)
    return pc.binary_join_element_wise(OPEN, texts, CLOSE, "")


def plain(table: pa.Table) -> pa.Array:
    """True where a row is a document without pictures."""
    none = pc.equal(pc.list_value_length(table["images"]), 0)
    return pc.and_(table["document"], none).combine_chunks()


def finish(table: pa.Table) -> pa.Table:
    """Rows with the id and key of their text and turns; the other columns as they are, in the same order."""
    mask = plain(table)
    if pc.all(mask).as_py():
        return _documents(table)
    numbered = table.append_column("row", pa.array(range(table.num_rows)))
    parts = [_documents(numbered.filter(mask)), _others(numbered.filter(pc.invert(mask)))]
    return pa.concat_tables(parts).sort_by("row").drop_columns(["row"])


def _documents(table: pa.Table) -> pa.Table:
    """store.key and Sample.fingerprint, column-wise."""
    texts = table["text"].combine_chunks()
    data, ends = _bytes(pc.binary_join_element_wise("\0assistant\0None\0", texts, ""))
    ids = [hashlib.sha256(data[first:last]).hexdigest() for first, last in pairwise(ends)]
    return _set(table, {"id": pa.array(ids, pa.string()), "key": pa.array(_keys(texts), pa.string())})


def _keys(texts: pa.Array) -> list[str]:
    """store.key of each text: of ASCII by its bytes in small letters with single spaces, of another by itself."""
    data, ends = _bytes(pc.binary_join_element_wise(texts, "\0", ""))
    byte = np.frombuffer(b"\0" + data.tobytes().translate(SMALL), dtype=np.uint8)
    before, now = byte[:-1], byte[1:]
    spare = (now == 32) & ((before == 32) | (before == 0))
    odd = (now > 127) | (now == 0) & (before == 32)
    if np.count_nonzero(now == 0) > len(texts):
        odd[:] = True
    others = set(np.searchsorted(ends, np.flatnonzero(odd), side="right").tolist())
    places = (np.array(ends) - np.searchsorted(np.flatnonzero(spare), ends)).tolist()
    small = memoryview((now[~spare] if spare.any() else now).tobytes())
    return [
        _key(texts[at - 1].as_py()) if at in others else hashlib.blake2b(small[first:last], digest_size=KEY).hexdigest()
        for at, (first, last) in enumerate(pairwise(places), 1)
    ]


def _bytes(texts: pa.Array) -> tuple[memoryview, list[int]]:
    """The bytes of texts one after the other, and where each begins and the last ends."""
    if not len(texts):
        return memoryview(b""), [0]
    _, ends, data = texts.buffers()
    places = np.frombuffer(ends, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(data or b"")[places[0] : places[-1]], (places - places[0]).tolist()


def _key(text: str) -> str:
    return hashlib.blake2b(store.normal(text).encode() + b"\0", digest_size=KEY).hexdigest()


def _others(table: pa.Table) -> pa.Table:
    """Conversations and documents with pictures, by way of their samples."""
    made = store.to_table(store.from_table(table.select(store.SCHEMA.names)))
    return _set(table, {name: made[name] for name in ("id", "key")})


def _set(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, values)
    return table
