"""Sentences that ask for the numbers of a screen, in both languages, for training and held out.

Training says each thing in many ways, behind many openings: with two or three sentences of each kind a model took every
new one for a request to list (measured in LOG.md). Names stand in the order in which a thought reads them.
"""

from __future__ import annotations

import random

from lapis.data.synth import words

COUNTS = {"en": ("zero", "one", "two", "three"), "zh": ("零", "一", "两", "三")}
"""Small numbers as words, so that they are no values to compute with."""
OPENINGS = {
    "en": (
        "", "", "", "Look: ", "Please: ", "Look at the screen. ", "One question: ", "A quick question. ", "Question: ",
        "I need to know: ", "Can you say: ", "From the picture: ", "Here is a screen. ", "Next: ", "Please answer. ",
        "Check the screen. ", "Hello! ", "Now: ", "In {l}: ", "On the {l}, ", "{l}: ", "With the {l}: ",
    ),
    "zh": (
        "", "", "", "看一下:", "请看屏幕。", "麻烦看看,", "想知道:", "帮我看看,", "根据画面,", "看图回答:",
        "有个问题:", "从这里看,",
        "请回答。", "你好,", "问题:", "在{l}里,", "{l}:", "说到{l},", "{l}上,",
    ),
}  # fmt: skip
"""What may stand before a training sentence; `{l}` is a made-up word."""
TAILS = {
    "en": ("", "", "", " here", " now", " on this screen", " in the list", " today", " in the {l}", " for {l}"),
    "zh": ("", "", "", "呢", "呀", "啊"),
}
"""What may stand before its last mark."""
QUANTITIES: dict[tuple[str, str], tuple[str, ...]] = {
    ("en", ""): ("number", "number", "number", "value", "figure", "{l}"),
    ("en", "count"): ("number", "number", "value", "count", "amount", "figure", "{l}"),
    ("en", "price"): ("price", "price", "cost", "number", "value", "figure", "{l}"),
    ("zh", ""): ("数", "数", "数字", "数值", "{l}"),
    ("zh", "count"): ("数", "数", "数字", "数值", "数量", "{l}"),
    ("zh", "price"): ("价格", "价格", "价钱", "数", "数字", "数值", "{l}"),
}
"""What a number may be called in it, by language and what the number is; "" for any."""
CALLED = {"en": ("number", ""), "zh": ("的数", "的")}
"""Where a sentence names what is asked for, and what stays of that."""
ASK: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    ("en", "train"): {
        "read": (
            "What is the number at {a}?", "Which number belongs to {a}?", "Read the number of {a}.",
            "What does {a} show?", "How much is {a}?", "What number has {a}?", "Give the number next to {a}.",
            "What is written beside {a}?", "Say the number of {a}.", "{a}: which number?",
        ),
        "two": (
            "What do {a} and {b} make together?", "Add the numbers of {a} and {b}.", "Sum of {a} and {b}?",
            "How much are {a} and {b} together?", "What is {a} plus {b}?", "Add {a} and {b}.",
            "What is the total of {a} and {b}?", "Count {a} and {b} together.", "What do {a} and {b} come to?",
            "{a} plus {b}, how much is that?",
        ),
        "three": (
            "What do {a}, {b} and {c} make together?", "Sum of {a}, {b} and {c}?", "Add {a}, {b} and {c}.",
            "How much are {a}, {b} and {c} together?", "What is {a} plus {b} plus {c}?",
            "What is the total of {a}, {b} and {c}?", "What do {a}, {b} and {c} come to?",
        ),
        "more": (
            "How much more is {a} than {b}?", "Difference between {a} and {b}?", "By how much does {a} exceed {b}?",
            "What is {a} less {b}?", "How far is {a} above {b}?", "What is the gap between {a} and {b}?",
            "How much larger is {a} than {b}?", "What is {a} minus {b}?", "{a} minus {b}, how much is that?",
        ),
        "all": (
            "What is the total of all numbers?", "Add all the numbers.", "How much is everything together?",
            "Sum of all numbers?", "What do all the numbers make?", "Add up everything that is shown.",
            "What is the overall total?", "Count all of it together.",
        ),
        "least": (
            "Which one is the lowest?", "What has the smallest number?", "Which has the least?",
            "Name the one with the smallest number.", "Whose number is the smallest?", "Where is the number lowest?",
        ),
        "most": (
            "Which one is the highest?", "What has the largest number?", "Which has the most?",
            "Name the one with the largest number.", "Whose number is the largest?", "Where is the number highest?",
        ),
        "lowest": (
            "What do the {k} lowest make together?", "Sum of the {k} smallest?", "Add the {k} smallest numbers.",
            "How much are the {k} lowest together?", "What is the total of the {k} smallest?",
            "Take the {k} lowest and add them.",
        ),
        "highest": (
            "What do the {k} highest make together?", "Sum of the {k} largest?", "Add the {k} largest numbers.",
            "How much are the {k} highest together?", "What is the total of the {k} largest?",
            "Take the {k} highest and add them.",
        ),
    },
    ("en", "held"): {
        "read": ("Tell me the number of {a}.",),
        "two": ("Together, what is the sum of {a} and {b}?",),
        "three": ("Together, what is the sum of {a}, {b} and {c}?",),
        "more": ("What is the difference when {a} is compared with {b}?",),
        "all": ("Tell me the sum of all the numbers.",),
        "least": ("Tell me what is the lowest here.",),
        "most": ("Tell me what is the highest here.",),
        "lowest": ("Together, what is the sum of the {k} lowest?",),
        "highest": ("Together, what is the sum of the {k} highest?",),
    },
    ("zh", "train"): {
        "read": (
            "{a}的数是多少?", "{a}那里写的数是几?", "读出{a}的数。", "{a}显示的是多少?", "{a}旁边的数是几?",
            "{a}是多少?",
            "说出{a}的数。", "{a}后面写着几?",
        ),
        "two": (
            "{a}和{b}一共是多少?", "把{a}和{b}的数加起来。", "{a}与{b}的和是多少?", "{a}加{b}等于多少?",
            "{a}和{b}合计多少?",
            "算一下{a}和{b}的总数。", "{a}加上{b}是多少?", "{a}、{b}两个一共多少?",
        ),
        "three": (
            "{a}、{b}和{c}一共是多少?", "{a}、{b}与{c}的和是多少?", "{a}、{b}、{c}合计多少?", "{a}加{b}加{c}等于多少?",
            "把{a}、{b}和{c}的数加起来。", "算一下{a}、{b}和{c}的总数。",
        ),
        "more": (
            "{a}比{b}多多少?", "{a}与{b}的差是多少?", "{a}减{b}等于多少?", "{a}比{b}大多少?", "{a}减去{b}是多少?",
            "{a}和{b}相差多少?", "{a}超过{b}多少?",
        ),
        "all": (
            "所有的数一共是多少?", "把所有的数加起来。", "全部加起来是多少?", "总数是多少?", "所有数的和是多少?",
            "全部合计多少?",
            "把这里的数都加起来。",
        ),
        "least": (
            "哪个最低?", "数最小的是哪个?", "最少的是哪个?", "哪一项的数最小?", "谁的数最低?", "找出数最小的一项。",
        ),
        "most": (
            "哪个最高?", "数最大的是哪个?", "最多的是哪个?", "哪一项的数最大?", "谁的数最高?", "找出数最大的一项。",
        ),
        "lowest": (
            "最低的{k}个一共是多少?", "最小的{k}个数的和是多少?", "把最小的{k}个加起来。", "最少的{k}个合计多少?",
            "数最小的{k}个总共多少?",
        ),
        "highest": (
            "最高的{k}个一共是多少?", "最大的{k}个数的和是多少?", "把最大的{k}个加起来。", "最多的{k}个合计多少?",
            "数最大的{k}个总共多少?",
        ),
    },
    ("zh", "held"): {
        "read": ("请告诉我{a}的数。",),
        "two": ("请问{a}和{b}加起来是多少?",),
        "three": ("请问{a}、{b}和{c}加起来是多少?",),
        "more": ("请问{a}与{b}相比,差是多少?",),
        "all": ("请问所有的数加起来是多少?",),
        "least": ("请问这里最低的是哪个?",),
        "most": ("请问这里最高的是哪个?",),
        "lowest": ("请问最低的{k}个加起来是多少?",),
        "highest": ("请问最高的{k}个加起来是多少?",),
    },
}  # fmt: skip
"""Sentences by (language, split)."""
LIST = {
    "en": ("List the numbers.", "Which numbers are there?", "Read all the numbers."),
    "zh": ("列出所有的数。", "这里有哪些数?", "读出每个数。"),
}
"""Sentences that ask for all numbers, by language."""


def say(lang: str, split: str, quantity: str, kind: str, rng: random.Random, **names: str) -> str:
    """One sentence with names filled in; `quantity` is the field of the numbers. In training it stands behind an
    opening, with a tail and another word for the number now and then, made-up ones among them, so that new sentences
    are read by their names."""
    sentence = rng.choice(ASK[lang, split][kind])
    if split != "train":
        return sentence.format(**names)
    named, kept = CALLED[lang]
    called = QUANTITIES.get((lang, quantity), QUANTITIES[lang, ""])
    sentence = sentence.replace(named, kept + rng.choice(called))
    tail = rng.choice(TAILS[lang]) if sentence[-1] == "?" else ""
    sentence = f"{rng.choice(OPENINGS[lang])}{sentence[:-1]}{tail}{sentence[-1]}"
    return words.filled(sentence, words.FRAMES[lang, split], rng, **names)
