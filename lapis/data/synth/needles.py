"""Long documents with one fact hidden at a drawn depth, and a question that only this fact answers: `long/needle`."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lapis.data.synth.problem import bytes_of
from lapis.types import InputError, Sample, Text, Turn

COLOURS = {
    "en": ("red", "blue", "green", "white", "black", "yellow", "brown", "grey"),
    "zh": ("红", "蓝", "绿", "白", "黑", "黄", "棕", "灰"),
}
PLACES = {
    "en": (
        *("door", "box", "gate", "room", "case", "drawer", "garage", "cellar", "locker", "shed", "office", "tower"),
        *("cabin", "lift", "desk", "trunk", "fridge", "barn", "kiosk", "vault", "chest", "closet", "attic", "tent"),
        *("mailbox", "cupboard", "boat", "lab", "safe", "bag", "hut", "studio"),
    ),
    "zh": (
        *("门", "箱子", "大门", "房间", "盒子", "抽屉", "车库", "地窖", "储物柜", "工棚", "办公室", "塔楼"),
        *("小屋", "电梯", "书桌", "皮箱", "冰箱", "谷仓", "售货亭", "金库", "木箱", "衣柜", "阁楼", "帐篷"),
        *("信箱", "碗柜", "小船", "实验室", "柜子", "袋子", "茅屋", "工作室"),
    ),
}
HELD_PLACES = 4
"""How many of PLACES, from the end, training never names."""
FACTS_OF = {"train": (1, 2, 4), "held": (1, 2)}
"""How many facts a document may hold: with four, whoever does not look for the place is right in a quarter only."""
ASKS = {"train": 4, "held": 1}
"""How many of its facts a document is asked for at most, one a turn: each is a lesson from the same tokens."""
FACTS = {
    "en": "The code of the {colour} {place} is {code}.",
    "zh": "{colour}色{place}的密码是{code}。",
}
ASKED = {
    "en": "What is the code of the {colour} {place}?",
    "zh": "{colour}色{place}的密码是多少?",
}


LEAST = 16
"""Tokens below which a gap is not filled any more."""
TEMPLATE = 16
"""Tokens kept for the chat template of a turn and the line feeds around a fact."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A piece of prose with its size."""

    text: str
    tokens: int
    lang: str


def generate(
    count: int,
    seed: int,
    tokens: int,
    documents: Sequence[str],
    split: str = "train",
    length: Callable[[str], int] = bytes_of,
    licence: str = "LicenseRef-prose",
) -> Iterator[Sample]:
    """`count` samples of about `tokens` tokens each, prose, fact and question together, measured by `length`.

    `documents` are paragraphs of prose; a sample takes its language from the one it starts with. Most hold facts about
    other places too, which must not be taken for the asked one. meta has `depth`, the share of the text before the
    fact, `length`, which is `tokens`, and `facts`, how many there are. Raises InputError where there is no paragraph
    that fits.
    """
    paragraphs = [Paragraph(text.strip(), length(text), language(text)) for text in documents if text.strip()]
    fitting = [paragraph for paragraph in paragraphs if 2 * paragraph.tokens <= tokens]
    if not fitting:
        raise InputError(f"needles: no paragraph of at most {tokens // 2} tokens to hide a fact among")
    rng = random.Random(f"needles {split} {seed}")
    for _ in range(count):
        first = rng.randrange(len(fitting))
        lang = fitting[first].lang
        facts = _facts(rng, lang, split)[: rng.choice(FACTS_OF[split])]
        left = tokens - TEMPLATE * len(facts) - sum(length(part) for fact in facts for part in fact)
        origin = (f"lapis.data.synth.needles {split} {seed}", licence)
        sample = _needle(rng, fill(fitting, first, left), facts, lang, origin)
        turns = (*sample.turns, *(turn for _, *pair in facts[1 : ASKS[split]] for turn in _turns(*pair)))
        yield replace(sample, turns=turns, meta={**sample.meta, "length": tokens})


def _turns(asked: str, code: str) -> tuple[Turn, Turn]:
    return Turn("user", (Text(asked),)), Turn("assistant", (Text(code),))


def _needle(
    rng: random.Random, parts: list[str], facts: list[tuple[str, str, str]], lang: str, origin: tuple[str, str]
) -> Sample:
    (fact, asked, code), *others = facts
    at = rng.randint(0, len(parts))
    depth = at / max(len(parts), 1)
    parts.insert(at, fact)
    for other, _, _ in others:
        parts.insert(rng.randint(0, len(parts)), other)
    return Sample(
        kind="long/needle",
        lang=lang,
        source=origin[0],
        licence=origin[1],
        turns=_turns("\n".join([*parts, asked]), code),
        meta={"answer": code, "verifier": "number", "template": "needle", "depth": depth, "facts": len(facts)},
    )


def language(text: str) -> str:
    """zh where more than a tenth of the characters are CJK ideographs, else en."""
    ideographs = sum("\u4e00" <= char <= "\u9fff" for char in text)
    return "zh" if 10 * ideographs > len(text) else "en"


def _facts(rng: random.Random, lang: str, split: str) -> list[tuple[str, str, str]]:
    """(sentence, question, code) about different places."""
    places = PLACES[lang][:-HELD_PLACES] if split == "train" else PLACES[lang][-HELD_PLACES:]
    pairs = rng.sample([(colour, place) for colour in COLOURS[lang] for place in places], max(FACTS_OF[split]))
    made = []
    for colour, place in pairs:
        code = str(rng.randint(1000, 9999))
        words = {"colour": colour, "place": place, "code": code}
        made.append((FACTS[lang].format(**words), ASKED[lang].format(**words), code))
    return made


def fill(fitting: Sequence[Paragraph], first: int, left: int) -> list[str]:
    """Paragraphs in the language of number `first`, from it on in their order, skipping those that no longer fit."""
    parts = []
    for step in range(len(fitting)):
        paragraph = fitting[(first + step) % len(fitting)]
        if paragraph.tokens < left and paragraph.lang == fitting[first].lang:
            parts.append(paragraph.text)
            left -= paragraph.tokens + 1
        if left < LEAST:
            break
    return parts
