"""What a row is: its modality, its subject, and how hard it is by a model's loss or by how often a model is right.

The subject is one of WebOrganizer's topics (lapis/data/topics.py): by a classifier of the user's own
(`lapis data fit-quality --column subject`), or by words, the topic of most different words, at least two. Words were
right on all 49 short texts that their own author wrote for the test, which is too kind; of 5,056 documents of software
documentation 64% were software or development, 34% nothing, 2% something else. A classifier needs labels; none ship.

Difficulty is ours, in 0..1. By loss: 1 - exp(-loss), the chance by which a token is missed (geometric mean). By pass
rate: 1 - right answers / answers, where an answer can be checked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lapis import verify
from lapis.data import measure, store
from lapis.data.linear import Linear
from lapis.data.measure import Block, Hashes, Places
from lapis.data.topics import TOPICS
from lapis.types import Generator, Request, Sample, Scorer

LEAST = 2
"""Different words of a topic that a text must have."""
OTHER = "other"
SIZES = (2, 3, 4)
"""Characters of Chinese words."""


def change(rows: pa.Table, classifier: Linear | None = None) -> pa.Table:
    """The same rows with `modality` (text, image, screen) and `subject`."""
    images = pc.greater(pc.fill_null(pc.list_value_length(rows["images"]), 0), 0)
    shown = pc.if_else(pc.starts_with(rows["kind"], "screen"), "screen", "image")
    rows = rows.append_column("modality", pc.if_else(images, shown, "text"))
    return rows.append_column("subject", pa.array(subjects(rows["text"], classifier), pa.string()))


def subjects(texts: pa.Array | pa.ChunkedArray, classifier: Linear | None = None) -> list[str]:
    """The subject of each text: a label of the classifier, or without one a topic or OTHER."""
    if classifier is not None:
        return [classifier.labels[at] for at in classifier.probabilities(texts).argmax(1).tolist()]
    names = [*TOPICS, OTHER]
    return [names[at] for block in measure.blocks(texts) for at in _topics(block).tolist()]


def by_loss(rows: pa.Table, scorer: Scorer) -> pa.Table:
    """The same rows (store.SCHEMA) with `difficulty`, float32, by what a model loses on them."""
    losses = scorer.losses(store.from_table(rows.select(store.SCHEMA.names)))
    return rows.append_column("difficulty", pa.array(1 - np.exp(-np.array(losses)), pa.float32()))


def by_pass_rate(rows: pa.Table, generator: Generator, count: int, request: Request) -> pa.Table:
    """The same rows with `difficulty`, float32, by `count` sampled answers a row; null where none can be checked.

    `request` says how is asked (temperature, budget, tokens); its turns and seed are set for each answer.
    """
    samples = store.from_table(rows.select(store.SCHEMA.names))
    asked = [at for at, sample in enumerate(samples) if _checkable(sample)]
    requests = [_ask(samples[at], request, seed) for at in asked for seed in range(count)]
    answers = generator.generate(requests)
    difficulty: list[float | None] = [None] * len(samples)
    for number, at in enumerate(asked):
        own = answers[number * count : (number + 1) * count]
        right = sum(verify.check(samples[at].meta, one.text, one.closed).score > 0 for one in own)
        difficulty[at] = 1 - right / count
    return rows.append_column("difficulty", pa.array(difficulty, pa.float32()))


def _checkable(sample: Sample) -> bool:
    return sample.meta.get("verifier") in verify.VERIFIERS and len(sample.turns) > 1


def _ask(sample: Sample, request: Request, seed: int) -> Request:
    return replace(request, turns=sample.turns[:-1], think=sample.think, seed=seed)


@dataclass(frozen=True, slots=True)
class _Words:
    """Words of all topics by how many terms they have: hashes in order, and of each its number and topic."""

    hashes: Hashes
    word: Places
    topic: Places


@cache
def _words() -> dict[int, _Words]:
    found: dict[int, list[tuple[int, int, int]]] = {size: [] for size in (1, *SIZES)}
    number = 0
    for topic, words in enumerate(TOPICS.values()):
        for word in words.split():
            for form in (word, word + "s") if word.isascii() else (word,):
                size = 1 if word.isascii() else len(word)
                found[size].append((int(_hash(form)), number, topic))
            number += 1
    made = {}
    for size, rows in found.items():
        every = np.array(sorted(rows), dtype=np.uint64).reshape(-1, 3)
        made[size] = _Words(every[:, 0], every[:, 1].astype(np.int64), every[:, 2].astype(np.int64))
    return made


def _hash(word: str) -> np.uint64:
    if word.isascii():
        return measure.text_hash(word)
    return np.uint64(measure.grams(np.array([measure.text_hash(char) for char in word]), len(word))[0])


def _topics(block: Block) -> Places:
    """The topic of each document [D], len(TOPICS) for none."""
    terms = measure.hashes(block.lower, block.terms)
    seen = []
    for size, words in _words().items():
        hashes = terms if size == 1 else measure.grams(terms, size)
        at = np.searchsorted(words.hashes, hashes).clip(max=len(words.hashes) - 1)
        hit = np.flatnonzero(words.hashes[at] == hashes)
        document = block.terms.document
        hit = hit[document[hit] == document[hit + size - 1]]
        seen.append(np.stack((document[hit], words.word[at[hit]], words.topic[at[hit]]), axis=1))
    return _most(np.unique(np.concatenate(seen), axis=0), block.count)


def _most(seen: npt.NDArray[np.int64], documents: int) -> Places:
    """The topic with most different words of each document; of equal ones the first."""
    count = np.zeros((documents, len(TOPICS)), dtype=np.int64)
    np.add.at(count, (seen[:, 0], seen[:, 2]), 1)
    return np.where(count.max(1) >= LEAST, count.argmax(1), len(TOPICS))
