"""Generated instructions with constraints that a program checks (lapis/constraints.py): kind `instructions`.

A topic, a way to ask, and up to four constraints, at most one of each group, none that another makes impossible. Topics
and words are ours.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lapis import constraints
from lapis.types import Sample, Text, Turn

TOPICS = {
    "en": (
        "the sea in winter", "a small bakery", "how bread is made", "a train journey at night", "growing tomatoes",
        "why leaves fall", "a lost umbrella", "the first day at work", "keeping a diary", "an old bridge",
        "learning to swim", "the moon", "a market in the morning", "repairing a bicycle", "tea and coffee",
        "a letter to a neighbour", "how rivers shape land", "a library after closing time", "saving water at home",
        "the sound of rain", "planning a birthday", "a walk in the hills", "how a compass works", "a cat on the roof",
    ),
    "zh": (
        "冬天的海", "一家小面包店", "怎样做馒头", "夜里坐火车", "种番茄", "树叶为什么会落", "丢了的雨伞", "上班第一天",
        "写日记", "一座老桥", "学游泳", "月亮", "早晨的菜市场", "修自行车", "茶和咖啡", "给邻居的一封信",
        "河流怎样改变地形",
        "关门以后的图书馆", "在家节约用水", "雨声", "准备生日", "在山里散步", "指南针的原理", "屋顶上的猫",
    ),
}  # fmt: skip
ASKED = {
    "en": ("Write about {topic}.", "Tell me something about {topic}.", "Explain {topic} to a child.",
           "Give a short talk on {topic}.", "Describe {topic}."),
    "zh": ("写一写{topic}。", "讲讲{topic}。", "给孩子解释一下{topic}。", "以{topic}为题作一段发言。",
           "描述一下{topic}。"),
}  # fmt: skip
WORDS = {
    "en": ("light", "quiet", "paper", "seven", "because", "green", "window", "morning", "slowly", "friend", "stone"),
    "zh": ("安静", "窗户", "因为", "绿色", "朋友", "石头", "慢慢", "早晨", "纸", "七", "光"),
}
STARTS = {"en": ("First of all", "To begin with", "Once upon a time"), "zh": ("首先", "说起来", "从前")}
ENDS = {"en": ("That is all.", "What do you think?", "Thank you."), "zh": ("就是这样。", "你怎么看?", "谢谢。")}
POSTSCRIPTS = {"en": "P.S.", "zh": "附言:"}
CASES = ("lowercase", "uppercase")
MARKUP = ("bullets", "title", "slots")
APART: Mapping[str, tuple[str, ...]] = {
    "json": (*MARKUP, "quoted", "start", "end", "postscript", "lowercase", "uppercase", "no_comma", "paragraphs",
             "sentences", "language"),
    "quoted": ("start", "end", "postscript", "title", "bullets", "paragraphs"),
    "bullets": ("sentences", "start"),
    "title": ("sentences", "start"),
    "postscript": ("sentences", "paragraphs", "lowercase"),
    "sentences": ("start", "end", "paragraphs", "slots"),
    "paragraphs": ("start", "end"),
}  # fmt: skip
"""What cannot, or can hardly, be kept together with it."""
Make = Callable[[random.Random, str], dict[str, Any]]


def _lengths(rng: random.Random) -> tuple[int, int]:
    least = rng.randrange(20, 120, 10)
    return least, least + rng.randrange(30, 90, 10)


def _between(rng: random.Random, lang: str) -> dict[str, Any]:
    least, most = _lengths(rng)
    return {"least": least, "most": most}


MAKERS: Mapping[str, Make] = {
    "words/least": lambda rng, lang: {"least": _lengths(rng)[0]},
    "words/most": lambda rng, lang: {"most": _lengths(rng)[1]},
    "words/between": _between,
    "sentences": lambda rng, lang: {"count": rng.randint(2, 6)},
    "paragraphs": lambda rng, lang: {"count": rng.randint(2, 4)},
    "include": lambda rng, lang: {"words": rng.sample(WORDS[lang], rng.randint(1, 3))},
    "exclude": lambda rng, lang: {"words": rng.sample(WORDS[lang], rng.randint(1, 3))},
    "frequency": lambda rng, lang: {"word": rng.choice(WORDS[lang]), "least": rng.randint(2, 4)},
    "json": lambda rng, lang: {},
    "language": lambda rng, lang: {"of": rng.choice(("en", "zh"))},
    "bullets": lambda rng, lang: {"count": rng.randint(2, 6)},
    "title": lambda rng, lang: {},
    "slots": lambda rng, lang: {"least": rng.randint(1, 3)},
    "quoted": lambda rng, lang: {},
    "start": lambda rng, lang: {"text": rng.choice(STARTS[lang])},
    "end": lambda rng, lang: {"text": rng.choice(ENDS[lang])},
    "postscript": lambda rng, lang: {"text": POSTSCRIPTS[lang]},
    "lowercase": lambda rng, lang: {},
    "uppercase": lambda rng, lang: {},
    "no_comma": lambda rng, lang: {},
}
"""The fields of a constraint of each kind, drawn."""
GROUPS = (
    ("words/least", "words/most", "words/between", "sentences"),
    ("include", "exclude", "frequency"),
    ("json", "bullets", "paragraphs", "title", "slots", "quoted"),
    ("start", "end", "postscript"),
    ("lowercase", "uppercase", "no_comma", "language"),
)
"""At most one of each group stands in an instruction."""


def generate(count: int, seed: int, most: int) -> Iterator[Sample]:
    """`count` instructions, English and Chinese in turns, with one to `most` constraints each; equal seeds give equal
    ones. They end where a model is to answer."""
    for number in range(count):
        rng = random.Random(f"following {seed} {number}")
        yield _sample(rng, ("en", "zh")[number % 2], f"following:{seed}#{number}", most)


def _sample(rng: random.Random, lang: str, source: str, most: int) -> Sample:
    drawn = draw(rng, lang, rng.randint(1, most))
    asked = rng.choice(ASKED[lang]).format(topic=rng.choice(TOPICS[lang]))
    joint = "" if lang == "zh" else " "
    text = joint.join([asked, *map(constraints.told, drawn)])
    meta = {"verifier": "constraints", "constraints": drawn, "template": "+".join(one["id"] for one in drawn)}
    return Sample("instructions", lang, source, "CC0-1.0", (Turn("user", (Text(text),)),), meta=meta)


def draw(rng: random.Random, lang: str, count: int) -> list[dict[str, Any]]:
    """At most `count` constraints that can be kept together, at least one."""
    drawn: list[dict[str, Any]] = []
    for group in rng.sample(GROUPS, len(GROUPS)):
        fitting = [name for name in group if not any(_apart(name, one["id"]) for one in drawn)]
        if not fitting or len(drawn) == count or any(_is_foreign(one) for one in drawn):
            continue
        name = rng.choice(fitting)
        one = {"id": name, "lang": lang, **MAKERS[name](rng, lang)}
        if not drawn or not _is_foreign(one):
            drawn.append(one)
    return drawn


def _is_foreign(one: Mapping[str, Any]) -> bool:
    """The answer is in another language than the instruction, whose words no other constraint may then want."""
    return one.get("of", one["lang"]) != one["lang"] or one["lang"] == "zh" and one["id"] in CASES


def _apart(one: str, other: str) -> bool:
    return other in APART.get(one, ()) or one in APART.get(other, ())
