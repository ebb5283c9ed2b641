"""Small samples, a model and screens that need no browser, for the tests of data."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator

from PIL import Image as Pixels

from lapis import config
from lapis.data.screens.page import Element, Screen
from lapis.types import Image, Sample, Text, Turn

DECODER = config.Decoder(width=32, layers=1, heads=2, kv_heads=1, head_dim=16, mlp=32, vocab=400)
MODEL = config.Model(
    config.ViT(width=24, layers=1, heads=2, mlp=32, tile=56),
    config.Adapter(hidden=16),
    DECODER,
    config.AnyRes(columns=2, rows=2, thumbnail="several"),
)
SENTENCE = "the sky is blue and the grass is green while one cheap lamp costs 42 coins to have with that tin of fish"
ENGLISH = SENTENCE.split()
CHINESE = "天空是蓝色的草地是绿色的这盏便宜的灯要四十二个硬币我们今天去市场买鱼和米饭"


class Seen:
    """A progress that adds up."""

    def __init__(self) -> None:
        self.steps = 0

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps += steps


def picture(rng: random.Random, width: int = 56, height: int = 56) -> Image:
    out = io.BytesIO()
    Pixels.frombytes("RGB", (width, height), rng.randbytes(width * height * 3)).save(out, "PNG")
    return Image(out.getvalue(), width, height)


def document(text: str, kind: str = "prose", source: str = "test", lang: str = "en") -> Sample:
    return Sample(kind, lang, source, "CC0-1.0", (Turn("assistant", (Text(text),)),), document=True)


def prose(rng: random.Random, words: int = 40, source: str = "test") -> Sample:
    return document(" ".join(rng.choices(ENGLISH, k=words)), source=source)


def screen_sample(rng: random.Random, kind: str = "screen/ocr", wide: bool = False) -> Sample:
    image = picture(rng, 112 if wide else 56)
    words = [("lamp", 2.0, 2.0, 24.0, 14.0), ("42", 2.0, 30.0, 24.0, 14.0)]
    turns = (Turn("user", (image, Text("What costs 42?"))), Turn("assistant", (Text("lamp"),), "one lamp"))
    return Sample(kind, "en", "test", "CC0-1.0", turns, think=True, budget=16, cells=({"words": words},))


def mixed(count: int, seed: int = 0) -> list[Sample]:
    rng = random.Random(seed)
    return [prose(rng) if number % 2 else screen_sample(rng, wide=rng.random() < 0.3) for number in range(count)]


def shop(rng: random.Random, index: int, split: str) -> Screen:
    """A screen with three priced things and a button."""
    names = rng.sample(["Lamp", "Fish", "Tin", "Rice", "Bread", "Apple"], 3)
    elements = [_priced(name, rng.randint(1, 39), 4.0 + 16 * row) for row, name in enumerate(names)]
    words = tuple(word for element in elements for word in element.words)
    image = picture(rng)
    return Screen(image, tuple(elements), "shop", "en", "phone", 0, split, index, words=words, lines=words)


def _priced(name: str, price: int, top: float) -> Element:
    words = ((name, 2.0, top, 24.0, 12.0), (str(price), 30.0, top, 12.0, 12.0))
    facts = {"field": "price", "item": name, "value": price, "unit": "", "held_word": False}
    return Element("button", name, name, (2.0, top, 40.0, 12.0), words, True, facts)


def shops(
    count: int, seed: int, split: str, workers: int = 1, progress: object = None, limits: object = None, start: int = 0
) -> Iterator[Screen]:
    """What `render.render` yields, without a browser."""
    for index in range(start, start + count):
        if isinstance(progress, Seen) or hasattr(progress, "advance"):
            progress.advance()
        yield shop(random.Random(f"{seed} {split} {index}"), index, split)
