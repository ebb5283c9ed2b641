"""Short documents that a fitted quality classifier scores a second on one core, beside what a Python loop would.

Documents are the first 500 characters of Python's own documentation, over and over. The loop computes the same features
of the same documents with Python's strings and dictionaries, as a plain implementation does.

python -m bench.quality_classifier [documents=N]
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable

import pyarrow as pa

from bench.parts.line import say
from lapis.data import linear
from lapis.data.sources import prose

SHORT, DOCUMENTS, LOOPED, REPEATS = 500, 40_000, 500, 3
GOAL = 20_000.0
"""Documents a second."""
TERM = re.compile(r"\w+")


def looped(texts: list[str], weights: list[float]) -> list[float]:
    """Words, pairs and windows of four bytes, one text at a time."""
    found = []
    for text in texts:
        words = TERM.findall(text.lower())
        data = text.lower().encode()
        features = [*words, *zip(words, words[1:], strict=False), *(data[at : at + 4] for at in range(len(data) - 3))]
        found.append(sum(weights[hash(one) % len(weights)] for one in features) / max(len(features), 1) ** 0.5)
    return found


def seconds(work: Callable[[], object]) -> float:
    """Least CPU seconds of a few calls: other processes on the machine do not count."""
    taken = []
    for _ in range(REPEATS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def main() -> None:
    count = int(next((word[10:] for word in sys.argv[1:] if word.startswith("documents=")), DOCUMENTS))
    texts = [sample.turns[0].text[:SHORT] for sample in prose.topics_prose()]
    halves = ["bad", "good"] * (len(texts) // 2)
    fitted = linear.fit(texts[: len(halves)], halves, ["bad", "good"])
    many = (texts * (count // len(texts) + 1))[:count]
    column = pa.array(many)
    ours = count / seconds(lambda: fitted.probabilities(column))
    weights = fitted.weights[0].tolist()
    plain = LOOPED / seconds(lambda: looped(many[:LOOPED], weights))
    print(f"{count} documents of {sum(map(len, many)) / count:.0f} characters: {ours:.0f} a second on one core")
    print(f"a loop over Python's strings: {plain:.0f} a second")
    say("quality_classifier", ours, GOAL, "short documents a second on one core", plain)


if __name__ == "__main__":
    main()
