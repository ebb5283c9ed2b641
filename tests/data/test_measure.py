"""Words, terms, lines and hashes of bytes against Python's strings."""

from __future__ import annotations

import random
import re

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lapis.data import measure

ALPHABET = list("aB9_ \n\t.,'\"-#éß“…。，中文字かな한국🔎\u3000ﬁ")
CJK = "[\u3000-\u9fff\uf000-\uffff]"
WORD = re.compile(rf"{CJK}|(?:(?!{CJK})[^ \n\t])+")
TERM = re.compile(r"[中文字かな]|(?:(?![中文字かな])[\w])+")
texts = st.lists(st.text(st.sampled_from(ALPHABET), max_size=30), min_size=1, max_size=6)


def pieces(block: measure.Block, spans: measure.Spans) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in range(block.count)]
    for start, end, document in zip(spans.start, spans.end, spans.document, strict=True):
        found[document].append(bytes(block.bytes[start:end]).decode())
    return found


@settings(max_examples=60, deadline=None)
@given(texts)
def test_words_terms_lines_and_characters_are_those_of_the_strings(every: list[str]) -> None:
    (block,) = measure.blocks(pa.array(every))
    assert pieces(block, block.words) == [WORD.findall(text) for text in every]
    assert pieces(block, block.terms) == [TERM.findall(text.replace("ﬁ", " ")) for text in every]
    assert pieces(block, block.lines.spans) == [
        [line.strip(" \t") for line in text.split("\n") if line.strip(" \t")] for text in every
    ]
    assert block.size.tolist() == [len(text) for text in every]
    lengths = block.characters(block.words).tolist()
    assert lengths == [len(word) for text in every for word in WORD.findall(text)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab中"), max_size=12), min_size=1, max_size=8))
def test_equal_words_and_only_they_have_equal_hashes(every: list[str]) -> None:
    every = [word + "x" * random.Random(word).choice((0, 7, 8, 20)) for word in every]
    (block,) = measure.blocks(pa.array(every))
    whole = measure.Spans(block.first, block.last, np.arange(block.count))
    hashes = measure.hashes(block.bytes, whole).tolist()
    assert [hashes.index(one) for one in hashes] == [every.index(one) for one in every]
    assert hashes[0] == int(measure.text_hash(every[0], lower=False))


def test_paragraphs_begin_after_an_empty_line_and_with_a_document() -> None:
    (block,) = measure.blocks(pa.array(["one\ntwo\n\n\nthree", "", "four\n \nfive"]))
    assert block.lines.paragraph.tolist() == [0, 2, 3, 4]
    assert block.lines.spans.document.tolist() == [0, 0, 0, 2, 2]


def test_blocks_hold_every_document_once_and_a_long_one_whole(monkeypatch) -> None:
    monkeypatch.setattr(measure, "BLOCK", 100)
    every = ["a" * size for size in (40, 40, 40, 500, 0, 99, 2)]
    column = pa.chunked_array([pa.array([None, *every], pa.large_string()), pa.array(["b"], pa.large_string())])
    found = [(block.count, block.size.tolist()) for block in measure.blocks(column)]
    assert found == [(3, [0, 40, 40]), (1, [40]), (1, [500]), (2, [0, 99]), (1, [2]), (1, [1])]
    assert list(measure.blocks(pa.array([], pa.string()))) == []


def test_what_stood_before_is_found_within_a_document_alone() -> None:
    values = np.array([7, 8, 7, 7, 8, 7], dtype=np.uint64)
    documents = np.array([0, 0, 0, 1, 1, 1])
    assert measure.again(values, documents).tolist() == [False, False, True, False, False, True]
