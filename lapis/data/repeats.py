"""How much of a document is said again: lines, paragraphs and runs of words, as shares of its characters.

The rules of Gopher's table A1 (arXiv 2112.11446) on arrays. Ours: what counts as repeated is what stood in the document
before, so that a text said twice is repeated by half, and characters under several repeated runs count once. Chinese
runs are twice as long, as a word has about two characters there.

Unusual: longer runs are looked at only where shorter ones leave a limit in reach: a repeated run of six words holds
repeated runs of five over the same characters, and a frequent run of four a half that is as frequent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lapis.data import measure
from lapis.data.measure import Block, Bools, Hashes, Places
from lapis.data_config.judge import Quality

Shares = npt.NDArray[np.float64]
TOP, REPEATED = 2, 5
"""Words of the shortest run whose frequency, and whose repetition, has a limit."""
HALF = 0.4
"""What the likelier half of a frequent run has of its characters at least (half of it, but for a space)."""


@dataclass(frozen=True, slots=True)
class Words:
    """Words [W] of some documents of a block."""

    hashes: Hashes
    document: Places
    length: Places
    """Characters."""
    gap: Places
    """Characters to the next word, 0 or 1."""
    size: Places
    """Characters of each document of the block [D]."""

    @staticmethod
    def of(block: Block, hashes: Hashes) -> Words:
        spans = block.words
        gap = np.zeros(len(spans), dtype=np.int64)
        gap[:-1] = spans.start[1:] > spans.end[:-1]
        return Words(hashes, spans.document, block.characters(spans), gap, np.maximum(block.size, 1))

    def only(self, documents: Bools) -> Words:
        """The words of some documents, by a mask [D]."""
        kept = documents[self.document]
        return Words(self.hashes[kept], self.document[kept], self.length[kept], self.gap[kept], self.size)

    def runs(self, count: int) -> tuple[Hashes, Places]:
        """Hashes of all runs of so many words within a document, and the first word of each."""
        hashes = measure.grams(self.hashes, count)
        first = np.flatnonzero(self.document[: len(hashes)] == self.document[count - 1 :][: len(hashes)])
        return hashes[first], first

    def share(self, document: Places, characters: Places) -> Shares:
        """Characters, as shares of their documents' [D]."""
        return np.asarray(np.bincount(document, characters, minlength=len(self.size)) / self.size)


def lines(block: Block, words: Hashes) -> dict[str, Shares]:
    """Shares of lines, of paragraphs and of the characters in both that stood before [D], by the limit's name."""
    found, told = block.lines, {}
    texts = measure.joined(words, found.word)
    length = block.characters(found.spans)
    document = found.spans.document
    for name in ("line", "paragraph"):
        if name == "paragraph":
            texts = measure.joined(texts, found.paragraph)
            length = np.add.reduceat(length, found.paragraph) if len(length) else length
            document = document[found.paragraph]
        same = measure.again(texts, document)
        every, copies = (np.bincount(which, minlength=block.count) for which in (document, document[same]))
        told[f"same_{name}s"] = copies / np.maximum(every, 1)
        characters = np.bincount(document[same], length[same], minlength=block.count)
        told[f"same_{name}_characters"] = characters / np.maximum(block.size, 1)
    return told


def too_frequent(words: Words, rules: Quality, scale: int) -> Bools:
    """Documents [D] in which one run of 2 to 4 words (times `scale`) has more of the characters than it may."""
    broken = np.zeros(len(words.size), dtype=bool)
    for number, limit in enumerate(rules.top):
        shares = _top(words, (TOP + number) * scale)
        broken |= shares > limit
        if number == 0 and len(rules.top) > 1:
            words = words.only(~broken & (shares > HALF * min(rules.top[1:])))
    return broken


def _top(words: Words, count: int) -> Shares:
    """Of each document the share of its characters in its weightiest run; runs that stand once weigh nothing."""
    hashes, first = words.runs(count)
    order, fresh = measure.grouped(hashes, words.document[first])
    begins = np.flatnonzero(fresh)
    times = np.diff(begins, append=len(order))
    begins, times = begins[times > 1], times[times > 1]
    at = first[order[begins]]
    place = np.concatenate(([0], np.cumsum(words.length + words.gap)))
    length = place[at + count] - place[at] - words.gap[at + count - 1]
    most = np.zeros(len(words.size))
    np.maximum.at(most, words.document[at], times * length)
    return most / words.size


def too_repeated(words: Words, rules: Quality, scale: int) -> Bools:
    """Documents [D] in which repeated runs of 5 to 10 words (times `scale`) cover more than they may."""
    broken = np.zeros(len(words.size), dtype=bool)
    for number, limit in enumerate(rules.repeated):
        shares = covered(words, (REPEATED + number) * scale)
        broken |= shares > limit
        words = words.only(~broken & (shares > min(rules.repeated)))
    return broken


def covered(words: Words, count: int) -> Shares:
    """Share of each document's characters that lie in runs of so many words which stood before [D]."""
    hashes, first = words.runs(count)
    starts = first[measure.again(hashes, words.document[first])]
    within, between = (_under(starts, length, len(words.hashes)) for length in (count, count - 1))
    return words.share(words.document, words.length * within + words.gap * between)


def _under(starts: Places, length: int, count: int) -> Bools:
    """Which of `count` places lie under a run that begins at one of the starts."""
    edges = np.bincount(starts, minlength=count + 1) - np.bincount(starts + length, minlength=count + 1)
    return np.cumsum(edges)[:count] > 0
