"""Documents on one topic joined into long ones: `long/joined`, after in-context pretraining (arXiv 2310.10638).

As there, documents are the nodes of a graph of nearest neighbours, and a path through it, which visits each once, says
who follows whom; what lies on it together is joined up to the wanted length. Ours: likeness is the cosine of TF-IDF
instead of a retriever's embeddings, over English words and pairs of Chinese characters, hashed to a fixed width.

Shape legend: D documents, W hashed words, K neighbours.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, zip_longest

import numpy as np
import numpy.typing as npt

from lapis.data.synth.problem import bytes_of
from lapis.types import Sample, Text, Turn

WIDTH = 8192
"""Hashed words."""
NEIGHBOURS = 20
"""Of a document, the most alike that may follow it."""
BLOCK = 512
"""Documents whose likeness to all is held at once."""
WORDS = re.compile(r"[a-z]{2,}|[\u3400-\u9fff]+")
Floats = npt.NDArray[np.float32]


def words(text: str) -> Counter[str]:
    """English words in small letters, and pairs of neighbouring Chinese characters, with how often they stand."""
    found: Counter[str] = Counter()
    for run in WORDS.findall(text.lower()):
        found.update([run] if run.isascii() else [run[at : at + 2] for at in range(max(len(run) - 1, 1))])
    return found


def vectors(texts: Sequence[str]) -> Floats:
    """TF-IDF [D, W] with rows of length 1 (0 for a text without words): (1 + ln tf) ln(D / df)."""
    out_DW = np.zeros((len(texts), WIDTH), np.float32)
    for row, text in zip(out_DW, texts, strict=True):
        for word, times in words(text).items():
            row[zlib.crc32(word.encode()) % WIDTH] += times
    there_DW = out_DW > 0
    out_DW[there_DW] = 1 + np.log(out_DW[there_DW])
    out_DW *= np.log(len(texts) / np.maximum(there_DW.sum(0), 1))
    return out_DW / np.maximum(np.linalg.norm(out_DW, axis=1, keepdims=True), 1e-9)


def neighbours(vectors_DW: Floats, most: int = NEIGHBOURS) -> list[list[tuple[int, float]]]:
    """Of each document the most alike ones with their cosine, falling; none without a common word."""
    found = []
    for start in range(0, len(vectors_DW), BLOCK):
        alike = vectors_DW[start : start + BLOCK] @ vectors_DW.T
        alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = 0
        best = np.argsort(-alike, axis=1, kind="stable")[:, :most]
        found += [
            [(int(at), float(row[at])) for at in order if row[at] > 0] for row, order in zip(alike, best, strict=True)
        ]
    return found


def path(near: Sequence[Sequence[tuple[int, float]]]) -> list[int]:
    """Every document once: on from each to its likest one that was not visited, and where there is none, from the one
    with the fewest neighbours (arXiv 2310.10638, algorithm 1)."""
    edges: list[dict[int, float]] = [{} for _ in near]
    for one, others in enumerate(near):
        for other, alike in others:
            edges[one][other] = edges[other][one] = alike
    starts = iter(sorted(range(len(near)), key=lambda one: (len(edges[one]), one)))
    visited: dict[int, None] = {}
    while len(visited) < len(near):
        at: int | None = next(start for start in starts if start not in visited)
        while at is not None:
            visited[at] = None
            at = _likest({other: alike for other, alike in edges[at].items() if other not in visited})
    return list(visited)


def _likest(free: dict[int, float]) -> int | None:
    return min(free, key=lambda other: (-free[other], other), default=None)


def joined(
    documents: Sequence[Sample], tokens: int, length: Callable[[str], int] = bytes_of, most: int | None = None
) -> Iterator[Sample]:
    """At most `most` documents of at most `tokens` tokens by `length`, each of whole documents of one language that
    follow each other on a path of neighbours; every document is in one of them at most, and one alone makes none.
    Languages take turns.

    A pure function of the documents and their order.
    """
    langs = sorted({one.lang for one in documents})
    each = [_groups(_ordered([one for one in documents if one.lang == lang]), tokens, length) for lang in langs]
    turns = (group for groups in zip_longest(*each) for group in groups if group)
    yield from (_join(group, tokens) for group in islice(turns, most))


def _ordered(documents: Sequence[Sample]) -> list[Sample]:
    return [documents[at] for at in path(neighbours(vectors([one.turns[0].text for one in documents])))]


def _groups(order: Sequence[Sample], tokens: int, length: Callable[[str], int]) -> Iterator[list[Sample]]:
    held: list[Sample] = []
    size = 0
    for one in order:
        own = length(one.turns[0].text) + 2
        if size + own > tokens:
            if len(held) > 1:
                yield held
            held, size = [], 0
        if own <= tokens:
            held.append(one)
            size += own
    if len(held) > 1:
        yield held


def _join(group: Sequence[Sample], tokens: int) -> Sample:
    text = "\n\n".join(one.turns[0].text for one in group)
    return Sample(
        kind="long/joined",
        lang=group[0].lang,
        source=f"lapis.data.synth.topics {group[0].source} and {len(group) - 1} more",
        licence="; ".join(sorted({one.licence for one in group})),
        turns=(Turn("assistant", (Text(text),)),),
        document=True,
        meta={"length": tokens, "parts": len(group), "sources": [one.source for one in group]},
    )
