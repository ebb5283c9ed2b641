"""Which prose is worth training on: published heuristics, each with the name of what it drops.

Thresholds and their sources stand in lapis/data_config/judge.py; docs/quality.md tells what was left out. Rules on
words are asked of languages that have spaces, stop words of English, and Chinese has rules of its own.

Unusual: every rule is arithmetic over the bytes of many texts at once (lapis/data/measure.py), and what costs most,
repeated runs of words, is asked only of what the others leave.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lapis.data import measure, repeats
from lapis.data.measure import Block, Bools, Places, Spans
from lapis.data_config.judge import Quality

STOPS = ("the", "be", "to", "of", "and", "that", "have", "with")
HEAD = 256
"""Bytes of a document in which most have enough stop words."""
CLOSED = ("zh", "ja", "th", "lo", "km", "my")
"""Languages that set no space between words."""
ENDS = '.!?"'
"""What ends a line or a sentence (C4), and in Chinese:"""
WIDE_ENDS = "。！？；…”」"
REASONS = (
    "few words", "many words", "word length", "symbols", "letters", "stop words", "few Chinese characters",
    "share of Chinese", "bullets", "ellipses", "ends of lines", "short lines", "few sentences", "broken characters",
    "same lines", "same paragraphs", "frequent words", "repeated words",
)  # fmt: skip
"""Reasons of drops, in the order in which they are asked; the first counts."""

LIMITS = Quality()
Rule = tuple[str, Bools]


def judge(rows: pa.Table, rules: Quality = LIMITS) -> pa.Array:
    """Why a row (columns `text`, `lang`) is dropped, one of REASONS, or null where it stays."""
    spoken = pc.fill_null(rows["lang"], "")
    asked = np.zeros((3, rows.num_rows), dtype=bool)
    for one, some in zip(asked, (("zh",), CLOSED, ("en",)), strict=True):
        one[:] = pc.is_in(spoken, value_set=pa.array(some, spoken.type))
    number = np.full(rows.num_rows, len(REASONS))
    at = 0
    for block in measure.blocks(rows["text"]):
        number[at : at + block.count] = _block(block, asked[:, at : at + block.count], rules)
        at += block.count
    return pa.DictionaryArray.from_arrays(pa.array(number), pa.array([*REASONS, None])).cast(pa.string())


def _block(block: Block, languages: Bools, rules: Quality) -> Places:
    """The reason of each document [D] as a number, len(REASONS) for none; `languages` [3, D] says which are Chinese,
    which set no space between words, and which are English."""
    found = np.full(block.count, len(REASONS))
    zh, spaced, english = languages[0], ~languages[1], languages[2]
    for asked in (_words, _lines, _repeated) if _asks(rules) else (_words, _lines):
        for reason, broken in asked(block, zh, spaced, english, found == len(REASONS), rules):
            found = np.minimum(found, np.where(broken, REASONS.index(reason), len(REASONS)))
    return found


def _asks(rules: Quality) -> bool:
    """Whether repetition is limited at all: to look for it costs as much as everything else."""
    lines = (rules.same_lines, rules.same_paragraphs, rules.same_line_characters, rules.same_paragraph_characters)
    return bool(rules.top or rules.repeated or min(lines) < 1)


def _words(block: Block, zh: Bools, spaced: Bools, english: Bools, alive: Bools, rules: Quality) -> Iterator[Rule]:
    count = block.per(block.words.start)
    words, (least, most) = np.maximum(count, 1), rules.word_length
    yield "few words", spaced & (count < rules.words)
    yield "many words", count > rules.most_words
    length, parted = block.characters(block.words), ~measure.ALONE[block.bytes[block.words.start]]
    mean = block.sums(length * parted) / np.maximum(block.sums(parted), 1)
    yield "word length", spaced & ((mean < least) | (mean > most))
    hashes, dots = (block.per(places) for places in (np.flatnonzero(block.bytes == 35), _ellipses(block)))
    yield "symbols", spaced & (np.maximum(hashes, dots) > rules.symbols * words)
    yield "letters", spaced & (_lettered(block) < rules.letters * words)
    if english.any():
        yield "stop words", english & (_stops(block, rules.stops) < rules.stops)
    if zh.any():
        han = block.per(block.alone[measure.HAN[block.bytes[block.alone]]])
        yield "few Chinese characters", zh & (han < rules.least_han)
        yield "share of Chinese", zh & (han < rules.han * block.sums(length))
    if rules.broken < 1:
        yield "broken characters", _lost(block) > rules.broken * block.size


def _lines(block: Block, zh: Bools, spaced: Bools, english: Bools, alive: Bools, rules: Quality) -> Iterator[Rule]:
    spans = block.lines.spans
    lines = np.maximum(block.per(spans.start), 1)
    yield "bullets", _count(block, _bulleted(block, spans)) > rules.bullets * lines
    tails = _tails(block, spans)
    yield "ellipses", _count(block, spans.only(np.isin(tails, _codes("…", "...")))) > rules.ellipses * lines
    if rules.ends:
        yield "ends of lines", _closed(block, spans, tails) < rules.ends * lines
    if rules.short_lines < 1:
        short = block.characters(spans) < np.where(zh, (rules.short + 1) // 2, rules.short)[spans.document]
        yield "short lines", _count(block, spans.only(short)) > rules.short_lines * lines
    if rules.sentences:
        yield "few sentences", _sentences(block) < rules.sentences


def _closed(block: Block, spans: Spans, tails: Places) -> Places:
    """Lines that end in punctuation [D]."""
    closed = np.isin(tails & 0xFF, [ord(end) for end in ENDS]) | np.isin(tails, _codes(*WIDE_ENDS))
    return _count(block, spans.only(closed))


def _repeated(block: Block, zh: Bools, spaced: Bools, english: Bools, alive: Bools, rules: Quality) -> Iterator[Rule]:
    hashes = measure.hashes(block.bytes, block.words)
    shares = repeats.lines(block, hashes)
    for name in ("lines", "paragraphs"):
        characters = f"same_{name[:-1]}_characters"
        over = [shares[limit] > getattr(rules, limit) for limit in (f"same_{name}", characters)]
        yield f"same {name}", over[0] | over[1]
        alive = alive & ~over[0] & ~over[1]
    words = repeats.Words.of(block, hashes)
    frequent, repeated = np.zeros((2, block.count), dtype=bool)
    for asked, scale in ((spaced, 1), (~spaced, 2)):
        some = words.only(asked & alive)
        frequent |= repeats.too_frequent(some, rules, scale)
        repeated |= repeats.too_repeated(some.only(~frequent), rules, scale)
    yield "frequent words", frequent
    yield "repeated words", repeated


def _count(block: Block, spans: Spans) -> Places:
    return np.bincount(spans.document, minlength=block.count)


def _ellipses(block: Block) -> Places:
    """Places of `...` and `…`; six dots are two."""
    dots = block.bytes == 46
    edges = np.flatnonzero(dots[1:] != dots[:-1]) + 1
    times = (edges[1::2] - edges[0::2]) // 3
    signs = np.flatnonzero(block.bytes == 0xE2)
    signs = signs[_code(block, signs + 3) == _codes("…")[0]]
    return np.sort(np.concatenate((np.repeat(edges[0::2], times), signs)))


def _lettered(block: Block) -> Places:
    """Words with a letter [D]: nearly all begin with one, and the others are looked into."""
    letters = block.are(measure.LETTER)
    first = letters[block.words.start]
    rest = block.words.only(~first)
    within = np.stack([rest.start, rest.end], axis=1).ravel()
    some = np.logical_or.reduceat(letters, within)[::2] if len(rest) else first[:0]
    return block.sums(first) + _count(block, rest.only(some))


def _stops(block: Block, least: int) -> Places:
    """How many of the stop words a document has [D], or its beginning where that has the least."""
    starts = np.append(block.words.start, len(block.bytes))
    wanted = np.minimum(block.first + HEAD, block.last)
    heads = np.minimum(starts[np.searchsorted(starts, wanted)], block.last)
    seen = _seen(block.parts(heads))
    more = (seen < least) & (heads < block.last)
    if more.any():
        seen = np.where(more, _seen(block.parts(np.where(more, block.last, block.first))), seen)
    return seen


def _seen(block: Block) -> Places:
    """How many of the stop words a document has [D]."""
    short = block.terms.only(block.terms.end - block.terms.start <= max(map(len, STOPS)))
    hashes = measure.hashes(block.lower, short)
    seen = np.zeros((len(STOPS), block.count), dtype=bool)
    for number, stop in enumerate(STOPS):
        seen[number, short.document[hashes == measure.text_hash(stop)]] = True
    return seen.sum(0)


def _lost(block: Block) -> Places:
    """Characters that stand for lost ones [D]."""
    places = block.alone
    codes = _code(block, places + 3)
    following = _code(block, np.minimum(places + 6, len(block.bytes) - 1))
    gone, first, second = _codes("\ufffd", "锟", "斤")
    return block.per(places[(codes == gone) | (codes == first) & (following == second)])


def _bulleted(block: Block, lines: Spans) -> Spans:
    """Lines that begin with a bullet."""
    first = block.bytes[lines.start]
    dots = np.isin(_code(block, lines.start + 3), _codes("•", "●", "◦"))
    return lines.only((first == ord("-")) | (first == ord("*")) | dots)


def _sentences(block: Block) -> Places:
    """Words that end a sentence [D], also where a quotation mark or a bracket follows."""
    end = block.words.end
    last, before = block.bytes[end - 1], block.bytes[end - 2]
    stops = [ord(stop) for stop in ".!?"]
    closed = np.isin(last, stops) | np.isin(last, [ord(mark) for mark in "\"')]"]) & np.isin(before, stops)
    return _count(block, block.words.only(closed | np.isin(_tails(block, block.words), _codes(*"。！？…"))))


def _tails(block: Block, spans: Spans) -> Places:
    return _code(block, spans.end)


def _code(block: Block, end: Places) -> Places:
    """The three bytes before a place as a number."""
    one, two, three = (block.bytes[np.maximum(end - back, 0)].astype(np.int64) for back in (3, 2, 1))
    return one << 16 | two << 8 | three


def _codes(*texts: str) -> list[int]:
    return [int.from_bytes(text.encode(), "big") for text in texts]
