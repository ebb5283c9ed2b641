"""Near copies by brute force: every pair of documents that shares a word 5-gram, by its true Jaccard similarity.

Documents are planted in families: each is a copy of an earlier one with so many words changed that similarities from
0.5 to 1 are all there. N-grams are strings of Python's own making, nothing of the engine's.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict

from bench.parts import corpus
from bench.parts.peer import CACHE

SIZE, SIMILAR = 5, 0.8


def planted(count: int) -> list[str]:
    """Documents, a fifth of them near copies of an earlier one."""
    rng = random.Random(1)
    pool = [text for text in corpus.texts(int(count * 0.9), 1) if len(text) > 200]
    found: list[str] = []
    while len(found) < count:
        if found and rng.random() < 0.2:
            found.append(corpus.changed(rng.choice(found[-2000:]), rng, rng.randint(1, 8)))
        else:
            found.append(pool[len(found) % len(pool)] if len(found) < len(pool) else rng.choice(pool))
    return found


def grams(text: str) -> set[str]:
    """Word 5-grams."""
    words = text.lower().split()
    return {" ".join(words[at : at + SIZE]) for at in range(max(len(words) - SIZE + 1, 1))}


def pairs(texts: list[str], least: float) -> dict[tuple[int, int], float]:
    """(earlier, later) of all pairs at least so similar."""
    sets = [grams(text) for text in texts]
    holders: dict[str, list[int]] = defaultdict(list)
    found = {}
    for later, own in enumerate(sets):
        shared = Counter(earlier for gram in own for earlier in holders[gram])
        for earlier, both in shared.items():
            similarity = both / (len(own) + len(sets[earlier]) - both)
            if similarity >= least:
                found[earlier, later] = similarity
        for gram in own:
            holders[gram].append(later)
    return found


def engine(texts: list[str]) -> set[int]:
    """Numbers of the documents that the engine keeps, of `lapis data build`."""
    source = CACHE / "corpus" / "brute.jsonl"
    source.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"url": f"https://example.org/{at}", "text": text}) for at, text in enumerate(texts))
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    skip = 'data.corpus.skip=["normalise","language","languages","quality","private","pictures","classify"]'
    run = corpus.ours(source, [skip, "data.workers=2"], name="brute")
    return {int(address.rpartition("/")[2]) for address in run.kept}
