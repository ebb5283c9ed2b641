"""Questions with answers to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lapis import verify
from lapis.rl.rewards.book import Item
from lapis.types import Completion, Image, Part, Sample, Text, Turn, Verdict


def answer(text: str, tokens: int = 4, closed: bool = True) -> Completion:
    return Completion(text, "", (1, 2), tuple(range(tokens)), (-0.5,) * tokens, (False,) * tokens, 2, "stop", closed)


def sample(meta: dict[str, Any], *images: Image, question: str = "What is 40 + 2?", kind: str = "math/arith") -> Sample:
    parts: tuple[Part, ...] = (*images, Text(question))
    return Sample(kind, "en", "test", "CC0-1.0", (Turn("user", parts), Turn("assistant", (Text("42"),))), meta=meta)


def item(meta: dict[str, Any], text: str = "42", *images: Image) -> Item:
    return Item(sample(meta, *images), answer(text))


def check_here(items: Sequence[Item]) -> list[Verdict]:
    """By the rules, in this process."""
    return [verify.check(one.sample.meta, one.answer.text, one.answer.closed) for one in items]
