"""JSON lines as columns at once: a block of lines that are plain texts and nothing else is read by Arrow.

What is not plain to see (a picture, a conversation, a broken line, a text of white space, a field of another type)
gives None, and the block is read line by line: a faster way to the same rows. Only the limits of Python's own reader
(depth, digits of a number) are not asked in fields that nobody reads.

Shape legend: L lines of a block.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json

from lapis.data.sources import records
from lapis.data.sources.base import Origin, Slice
from lapis.data.sources.lines import Block

TEXTS, MORE = ("text", "licence", "lang", "url"), ("turns", "box", "elements", "image")
"""Fields of records that are read here, and those that make one more than a text."""
_SPACES = r"\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
_SHOWN = r"[!-~\x{a1}-\x{167f}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fffd}]"
"""What no text of white space has; spans, since to compile a class of Unicode takes longer than to look for it."""
_LICENCE, _URL = r"^[!-~]([ -~]*[!-~])?$", rf'^[^\x00-\x20"\\{_SPACES}]+$'
"""Licences that need no trimming, addresses that are the same in JSON."""
_NO_NUMBER = re.compile(rb"(?:NaN|Inf(?:inity)?)\s*[,}\]]")
_NOTHING = pa.scalar(None, pa.string())
_LANG = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"


def fits(origin: Origin) -> bool:
    """Whether a source's fields can be found so: not where one lies within another."""
    return not any("." in key for _, key in origin.columns)


def read(block: Block, part: Slice, origin: Origin) -> pa.Table | None:
    """`text`, `lang`, `source`, `licence` and `meta` of a block's records [L]; None where one is not plain."""
    data = block.data.removesuffix(b"\n")
    lines = data.count(b"\n") + 1
    if not (data.startswith(b"{") and data.endswith(b"}") and data.count(b"}\n{") == lines - 1):
        return None
    try:
        found = _parsed(data, _schema(origin.columns))
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    if found.num_rows != lines or b"\\u0000" in data or _numbers(data):
        return None
    texts, licence, lang, url = (_first(found, records.names_of(origin.columns)[name]) for name in TEXTS)
    licence = pc.fill_null(licence, origin.licence)
    if not (_all(texts, _SHOWN) and _all(licence, _LICENCE) and _all(url.drop_null(), _URL)):
        return None
    lang = pc.if_else(pc.match_substring_regex(lang, _LANG), lang, origin.lang)
    meta = pc.binary_join_element_wise('{"url":"', url, '"}', "")
    columns = (texts, pc.fill_null(lang, origin.lang), _sources(data, block, part, origin), licence)
    return pa.table([*columns, pc.fill_null(meta, "{}")], ["text", "lang", "source", "licence", "meta"])


@cache
def _schema(columns: tuple[tuple[str, str], ...]) -> pa.Schema:
    """Types of the fields that matter: what makes a record more than a text may be there, but only as null."""
    keys = records.names_of(columns)
    texts = {key: pa.string() for name in TEXTS for key in keys[name]}
    return pa.schema({key: pa.null() for name in MORE for key in keys[name]} | texts)


def _parsed(data: bytes, schema: pa.Schema) -> pa.Table:
    """The fields of a schema, null where a record has none. Raises ArrowException and UnicodeDecodeError."""
    plain = data.isascii() or not data.decode()
    how = json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    once = json.ReadOptions(use_threads=False, block_size=len(data) + 1)
    found = json.read_json(pa.BufferReader(data), once, how)
    if not plain:
        found.validate(full=True)
    return found


def _numbers(data: bytes) -> bool:
    """Whether a value may be no number or infinity, which Arrow reads and JSON has not."""
    return (b"NaN" in data or b"Inf" in data) and _NO_NUMBER.search(data) is not None


def _first(found: pa.Table, keys: tuple[str, ...]) -> pa.Array:
    """Of each record the first of some fields that is not empty, or null."""
    values = [pc.if_else(pc.equal(found[key], ""), _NOTHING, found[key]) for key in keys]
    return pc.coalesce(*values).combine_chunks()


def _all(texts: pa.Array, pattern: str) -> bool:
    """Whether all are there and match."""
    return not texts.null_count and bool(pc.all(pc.match_substring_regex(texts, pattern)).as_py() in (True, None))


def _sources(data: bytes, block: Block, part: Slice, origin: Origin) -> pa.Array:
    """Source and place of each line, as lines.place tells it."""
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))
    numbers = block.offset + np.append(0, ends + 1) if part.first else block.number + 1 + np.arange(len(ends) + 1)
    word = "byte" if part.first else "line"
    return pc.binary_join_element_wise(f"{origin.name} {part.name} {word} ", pa.array(numbers).cast(pa.string()), "")
