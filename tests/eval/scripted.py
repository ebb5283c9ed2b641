"""A generator that follows a rule instead of weights, and small samples to ask it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image as Picture

from lapis.types import Completion, Image, Request, Sample, Text, Turn

Rule = Callable[[Request], tuple[str, str]]
"""Request to (answer, thought)."""


class Scripted:
    """Answers by a rule; a thought has one token a word and is cut at the budget. Remembers what it was asked."""

    def __init__(self, rule: Rule):
        self.rule = rule
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += requests
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Completion:
        answer, thought = self.rule(request)
        words = thought.split() if request.think else []
        words = words if request.budget < 0 else words[: request.budget]
        return Completion(answer, " ".join(words), (), (), (), (), len(words), "stop", True)


class Silent:
    """Progress that only counts."""

    def __init__(self) -> None:
        self.steps = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps


def picture(colour: int, width: int = 64, height: int = 96) -> Image:
    """A PNG of one colour (0-255 each of 3 bytes)."""
    out = io.BytesIO()
    rgb = (colour >> 16 & 255, colour >> 8 & 255, colour & 255)
    Picture.new("RGB", (width, height), rgb).save(out, "PNG")
    return Image(out.getvalue(), width, height)


def question(text: str, answer: str, image: Image | None = None, kind: str = "math/word", **meta: Any) -> Sample:
    """A conversation of one question; `meta` as in types.Sample, number verifier unless it says otherwise."""
    parts = (*((image,) if image else ()), Text(text))
    turns = (Turn("user", parts), Turn("assistant", (Text(answer),), "a thought"))
    return Sample(kind, "en", "test", "CC0-1.0", turns, meta={"answer": answer, "verifier": "number", **meta})


def ground(name: str, box: Sequence[float], image: Image, template: str = "login") -> Sample:
    """A grounding sample; `box` is x, y, w, h in thousandths."""
    meta = {"verifier": "point", "box": list(box), "template": template, "role": "button", "device": "phone"}
    return question(f"Where is {name}?", f"{name} (500,500)", image, "screen/ground", **meta)
