"""Small logic questions: orderings, truth tellers, parity of a sum, the largest of several sums.

Each question comes with its thought in a full and a terse form and with the verifier that checks its answer. The
thought about an order copies what is told, name by name, turns each pair towards the one that is asked for, and then
follows the pairs from the first to the end (`U>D:D<U`, `M<R:M<R`, `U<Z:U<Z`, then `D<U<Z`): each step is one look back,
and no choice is made before it.
Held-out questions use held-out numbers and sentences and have at least four steps (ours).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from lapis.data.synth import program as programs
from lapis.data.synth.problem import Problem
from lapis.data.synth.words import FRAMES, expression, say

LETTERS = "ABCD"
"""Names of choices."""
TELLING = {"+": ("truth", "honest", "真话", "诚实"), "-": ("lie", "liar", "lying", "假话", "说谎")}
"""Words by the mark that they put on a person."""
STEPS = (2, 3, 3, 4, 4, 4, 5)
"""Steps of a training question, one drawn."""
PEOPLE = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Names of people, as riddles often give them; one letter is one token, so that copying costs little."""
RELATIONS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "en": (
        ("taller", "tallest", "shortest"),
        ("older", "oldest", "youngest"),
        ("faster", "fastest", "slowest"),
    ),
    "zh": (("高", "最高", "最矮"), ("年纪大", "年纪最大", "年纪最小"), ("跑得快", "跑得最快", "跑得最慢")),
}
"""What people are compared by: more of it, the most, the least."""
WORDS: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    ("en", "train"): {
        "more": (
            "{a} is {w} than {b}.",
            "Next to {b}, {a} is {w}.",
            "The {w} one of {b} and {a} is {a}.",
            "{a} is clearly {w} than {b}.",
            "Between {b} and {a}, {a} is {w}.",
            "{a} is the {w} one, not {b}.",
            "It is {a} who is {w}, not {b}.",
            "{b} meets {a}, and {a} is {w}.",
            "If {b} stands by {a}, {a} is {w}.",
            "We see that {a} is {w} than {b}.",
            "The one {w} than {b} is {a}.",
            "Put {b} by {a}: {a} is {w}.",
        ),  # fmt: skip
        "who": (
            "Who is the {w}?",
            "Which one is the {w}?",
            "And who is the {w} of all?",
            "Name the {w}.",
            "Then who is the {w}?",
            "Who of them is the {w}?",
        ),  # fmt: skip
        "truth": (
            "{a} tells the truth.",
            "{a} is honest.",
            "It is known that {a} is honest.",
            "{a} always tells the truth.",
            "One thing is sure: {a} is honest.",
            "All agree that {a} tells the truth.",
        ),  # fmt: skip
        "lie": (
            "{a} lies.",
            "{a} is a liar.",
            "It is known that {a} is a liar.",
            "{a} always lies.",
            "One thing is sure: {a} is a liar.",
            "All agree that {a} lies.",
        ),  # fmt: skip
        "accuses": (
            "{a} says: {b} lies.",
            "{b} is a liar, says {a}.",
            "{a} says that {b} is a liar.",
            "{a} calls {b} a liar.",
            "As for {b}, {a} says that {b} lies.",
            "According to {a}, {b} is a liar.",
            "{a} tells us: {b} is a liar.",
            "{b} lies, in the words of {a}.",
            "{a} looks at {b} and says: a liar.",
            "Of {b}, {a} says: lies.",
        ),  # fmt: skip
        "defends": (
            "{a} says: {b} tells the truth.",
            "{b} is honest, says {a}.",
            "{a} says that {b} is honest.",
            "{a} calls {b} honest.",
            "As for {b}, {a} says that {b} tells the truth.",
            "According to {a}, {b} is honest.",
            "{a} tells us: {b} is honest.",
            "{b} tells the truth, in the words of {a}.",
            "{a} looks at {b} and says: honest.",
            "Of {b}, {a} says: tells the truth.",
        ),  # fmt: skip
        "honest": (
            "Does {a} tell the truth?",
            "Is {a} honest?",
            "So is {a} honest?",
            "Can we say that {a} is honest?",
            "Would you call {a} honest?",
            "Is {a} honest after all?",
        ),  # fmt: skip
        "parity": (
            "Is {e} odd or even?",
            "Odd or even: {e}?",
            "Is the sum {e} odd or even?",
            "{e}: odd or even?",
            "Would {e} be odd or even?",
            "Say whether {e} is odd or even.",
        ),  # fmt: skip
        "largest": (
            "Which is the largest?",
            "Which value is the largest?",
            "Find the largest value.",
            "Pick the largest.",
            "Which letter has the largest value?",
            "Where is the largest value?",
            "Name the largest one.",
        ),  # fmt: skip
        "yes": ("yes", "no"),
        "odd": ("even", "odd"),
    },
    ("en", "held"): {
        "more": ("Compared with {b}, {a} is {w}.", "Of {b} and {a} it is {a} who is {w}."),
        "who": ("Tell me who is the {w}.",),
        "truth": ("We know that {a} tells the truth.",),
        "lie": ("We know that {a} lies.",),
        "accuses": ("About {b}, {a} says: a liar.",),
        "defends": ("About {b}, {a} says: honest.",),
        "honest": ("So is it true that {a} is honest?",),
        "parity": ("Take {e}: is that odd or even?",),
        "largest": ("Choose the largest of these.",),
        "yes": ("yes", "no"),
        "odd": ("even", "odd"),
    },
    ("zh", "train"): {
        "more": (
            "{a}比{b}{w}。",
            "比起{b},{a}{w}。",
            "{b}和{a}中,{a}{w}。",
            "{a}要比{b}{w}。",
            "{b}不如{a}{w}。",
            "{b}没有{a}{w}。",
            "拿{b}来比,{a}更{w}。",
            "{a}和{b}里,{w}的人是{a}。",
            "大家都说{a}比{b}{w}。",
            "{b}旁边的{a}更{w}。",
            "我看{a}比{b}{w}。",
            "跟{b}站在一起,{a}{w}。",
            "{b}和{a}谁{w}呢,是{a}。",
        ),  # fmt: skip
        "who": ("谁{w}?", "哪一位{w}?", "那么谁{w}?", "其中{w}的是哪位?", "{w}的人是谁?", "说出谁{w}。"),
        "truth": (
            "{a}说真话。",
            "{a}是诚实的。",
            "大家知道{a}是诚实的。",
            "{a}总说真话。",
            "谁都知道{a}说真话。",
            "{a}是个诚实的人。",
        ),  # fmt: skip
        "lie": (
            "{a}说假话。",
            "{a}在说谎。",
            "大家知道{a}在说谎。",
            "{a}总说假话。",
            "谁都知道{a}说假话。",
            "{a}是个说谎的人。",
        ),  # fmt: skip
        "accuses": (
            "{a}说:{b}说假话。",
            "{b}在说谎,{a}说。",
            "{a}说{b}在说谎。",
            "{a}认为{b}在说谎。",
            "在{a}看来,{b}说假话。",
            "说到{b},{a}说{b}在说谎。",
            "{a}告诉我们:{b}说假话。",
            "{b}这个人,{a}说:说谎。",
            "{a}看着{b}说:说谎。",
        ),  # fmt: skip
        "defends": (
            "{a}说:{b}说真话。",
            "{b}是诚实的,{a}说。",
            "{a}说{b}是诚实的。",
            "{a}认为{b}是诚实的。",
            "在{a}看来,{b}说真话。",
            "说到{b},{a}说{b}是诚实的。",
            "{a}告诉我们:{b}说真话。",
            "{b}这个人,{a}说:诚实。",
            "{a}看着{b}说:诚实。",
        ),  # fmt: skip
        "honest": ("{a}说真话吗?", "{a}诚实吗?", "{a}到底诚实吗?", "请判断{a}诚实吗?", "可以说{a}是诚实的吗?"),
        "parity": (
            "{e}是奇数还是偶数?",
            "奇数还是偶数:{e}?",
            "{e}的和是奇数还是偶数?",
            "{e}:奇数还是偶数?",
            "判断{e}是奇数还是偶数。",
        ),  # fmt: skip
        "largest": (
            "哪一个最大?",
            "哪个值最大?",
            "哪个结果最大?",
            "找出最大的值。",
            "哪个选项最大?",
            "最大的是哪个?",
            "选最大的。",
        ),  # fmt: skip
        "yes": ("是", "否"),
        "odd": ("偶数", "奇数"),
    },
    ("zh", "held"): {
        "more": ("和{b}相比,{a}{w}。", "{b}与{a}相比,{w}的是{a}。"),
        "who": ("请问{w}的是谁?",),
        "truth": ("我们知道{a}说真话。",),
        "lie": ("我们知道{a}说假话。",),
        "accuses": ("关于{b},{a}说:在说谎。",),
        "defends": ("关于{b},{a}说:是诚实的。",),
        "honest": ("那么{a}是诚实的吗?",),
        "parity": ("请看{e}:是奇数还是偶数?",),
        "largest": ("请选出最大的一个。",),
        "yes": ("是", "否"),
        "odd": ("偶数", "奇数"),
    },
}
"""Sentences by (language, split), in either order of the two people; `yes` and `odd` hold the answers in order."""


def draw(rng: random.Random, lang: str, split: str) -> Problem:
    """One question of a kind drawn by `rng`."""
    make = rng.choice((_ordering, _truth, _parity, _largest))
    return make(rng, lang, split)


def _ordering(rng: random.Random, lang: str, split: str) -> Problem:
    words, bank = WORDS[lang, split], FRAMES[lang, split]
    steps = rng.choice(STEPS) if split == "train" else 4
    names = rng.sample(PEOPLE, steps + 1)
    more, highest, lowest = rng.choice(RELATIONS[lang])
    pairs = list(zip(names, names[1:], strict=False))
    mixed = rng.sample(pairs, len(pairs))
    frames = rng.choices(words["more"], k=len(mixed))
    told = [say(frame, bank, rng, a=a, b=b, w=more) for frame, (a, b) in zip(frames, mixed, strict=True)]
    most = rng.random() < 0.5
    asked = rng.choice(words["who"]).format(w=highest if most else lowest)
    line = ("<" if most else ">").join(_towards(names, mixed[0], most))
    return Problem(
        question=bank.joint.join([*told, asked]),
        answer=names[0] if most else names[-1],
        verifier="text",
        full="\n".join([*(_copied(frame, pair, most) for frame, pair in zip(frames, mixed, strict=True)), line]),
        terse=line,
        steps=steps,
        template=f"ordering/{split}",
        lang=lang,
    )


def _copied(frame: str, pair: tuple[str, str], most: bool) -> str:
    """`D>U:U<D`: two names in the order of their sentence, then towards the one that is asked for."""
    a, b = pair
    read = f"{a}>{b}" if frame.index("{a}") < frame.index("{b}") else f"{b}<{a}"
    return f"{read}:{b}<{a}" if most else f"{read}:{a}>{b}"


def _towards(names: list[str], first: tuple[str, str], most: bool) -> list[str]:
    """The names from the pair told first on, towards the one that is asked for."""
    return names[names.index(first[1]) :: -1] if most else names[names.index(first[0]) :]


def _truth(rng: random.Random, lang: str, split: str) -> Problem:
    words, bank = WORDS[lang, split], FRAMES[lang, split]
    steps = rng.choice(STEPS) if split == "train" else 4
    names = rng.sample(PEOPLE, steps + 1)
    honest = rng.random() < 0.5
    told = [say(rng.choice(words["truth" if honest else "lie"]), bank, rng, a=names[0])]
    marks = [f"{names[0]}{'+' if honest else '-'}"]
    work = [marks[0]]
    for speaker, other in zip(names, names[1:], strict=False):
        accuses = rng.random() < 0.5
        told.append(say(rng.choice(words["accuses" if accuses else "defends"]), bank, rng, a=speaker, b=other))
        honest = honest != accuses
        work.append(f"{marks[-1]}:{other}{'-' if accuses else '+'}={other}{'+' if honest else '-'}")
        marks.append(f"{other}{'+' if honest else '-'}")
    told.append(rng.choice(words["honest"]).format(a=names[-1]))
    answer = words["yes"][0 if honest else 1]
    full, terse = "\n".join(work), ",".join(marks)
    return Problem(bank.joint.join(told), answer, "text", full, terse, steps, f"truth/{split}", lang)


def _parity(rng: random.Random, lang: str, split: str) -> Problem:
    words = WORDS[lang, split]
    steps = rng.choice(STEPS) if split == "train" else 4
    long = split == "train" and rng.random() < 0.5
    values = rng.sample(range(100, 1000) if long else _values(split), steps + 1)
    running, work = values[0] % 2, [f"{values[0]}:{values[0] % 2}"]
    for value in values[1:]:
        work.append(f"{value}:{running}+{value % 2}={(running + value) % 2}")
        running = (running + value) % 2
    terse = "".join(str(value % 2) for value in values) + f"={running}"
    question = rng.choice(words["parity"]).format(e="+".join(map(str, values)))
    return Problem(
        question, words["odd"][running], "text", programs.lettered(work), terse, steps, f"parity/{split}", lang
    )


def _largest(rng: random.Random, lang: str, split: str) -> Problem:
    frames, words = FRAMES[lang, split], WORDS[lang, split]
    count = rng.randint(3, 4) if split == "train" else 4
    options = [programs.draw(rng, _values(split), 1) for _ in range(count)]
    results = [option.answer for option in options]
    if len(set(results)) < count:
        return _largest(rng, lang, split)
    shown = " ".join(f"{letter}) {expression(option)}" for letter, option in zip(LETTERS, options, strict=False))
    best = LETTERS[results.index(max(results))]
    done = [option.operations[0] for option in options]
    return Problem(
        question=frames.joint.join([rng.choice(words["largest"]), shown]),
        answer=best,
        verifier="choice",
        full="\n".join(_weighed(done)),
        terse=programs.lettered([f"{_shown(one)}={one.result}" for one in done], LETTERS),
        steps=count,
        template=f"largest/{split}",
        lang=lang,
    )


def _weighed(done: Sequence[programs.Operation]) -> Iterator[str]:
    """Each option's work, and behind it the largest so far: two numbers are compared at a time."""
    best = 0
    for number, one in enumerate(done):
        best = number if one.result > done[best].result else best
        yield f"{LETTERS[number]}{_shown(one)}:{programs.worked(one)}>{LETTERS[best]}{done[best].result}"


def _shown(operation: programs.Operation) -> str:
    return f"{operation.left}{operation.sign}{operation.right}"


def _values(split: str) -> tuple[int, ...]:
    return programs.TRAIN_VALUES if split == "train" else programs.HELD_VALUES
