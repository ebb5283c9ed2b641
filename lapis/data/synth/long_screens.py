"""Several screens in one conversation, and questions that only they together answer: `long/screens`.

Which screen shows a text, how many of them do, and what two numbers on different screens come to. A text counts where a
whole line of a screen is that text, and is only asked for where no screen has it inside a longer line. Ours; images and
text in turns as in MMC4 and OBELICS (arXiv 2304.06939, 2306.16527).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lapis.data.screens.page import LICENCE, Screen
from lapis.types import Image, Part, Sample, Text, Turn

GROUP = (2, 3, 4)
"""Screens of a conversation, one drawn."""
ASKS = {"train": 4, "held": 1}
"""Most questions of a conversation."""
SHORTEST, LONGEST = 2, 24
"""Characters of a text that is asked for."""
HEAD = {"en": "Screen {number}:\n", "zh": "屏幕{number}:\n"}
WHICH = {"en": 'On which screen does "{text}" stand?', "zh": "“{text}”在哪一个屏幕上?"}
HOW_MANY = {"en": 'How many of these screens show "{text}"?', "zh": "有几个屏幕显示“{text}”?"}
SUM = {
    "en": 'Add the number of "{a}" on screen {first} and that of "{b}" on screen {second}.',
    "zh": "屏幕{first}上“{a}”的数值加上屏幕{second}上“{b}”的数值是多少?",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its number."""

    text: str
    answer: str
    template: str


def conversations(
    screens: Iterable[Screen], seed: int, split: str, tiles: Callable[[Image], int], most: int, many: int
) -> Iterator[Sample]:
    """At most `many` conversations over the screens in their order, each screen in one of them at most.

    A conversation has screens of one language and at most `most` tiles, as `tiles` counts them. `split` is train or
    held: held-out ones ask once, and meta has `answer`, `verifier`, `template` and `screens`, how many there are.
    """
    rng = random.Random(f"long/screens {split} {seed}")
    waiting: dict[str, list[Screen]] = {}
    wanted, made = rng.choice(GROUP), 0
    for screen in screens:
        group = waiting.setdefault(screen.lang, [])
        if sum(tiles(one.image) for one in (*group, screen)) <= most:
            group.append(screen)
        if len(group) >= wanted or (len(group) > 1 and group[-1] is not screen):
            waiting[screen.lang] = []
            wanted = rng.choice(GROUP)
            asked = questions(group, rng)[: ASKS[split]]
            if asked:
                made += 1
                yield _sample(group, asked)
        if made == many:
            return


def questions(group: Sequence[Screen], rng: random.Random) -> list[Question]:
    """Every kind of question that the screens allow, in a drawn order, some kinds twice."""
    makers = [*MAKERS, *MAKERS]
    rng.shuffle(makers)
    found = [question for make in makers if (question := make(group, rng))]
    return list({question.text: question for question in found}.values())


def _which(group: Sequence[Screen], rng: random.Random) -> Question | None:
    """A text of one screen alone."""
    texts = [text for text, there in _texts(group).items() if len(there) == 1]
    if not texts:
        return None
    text = rng.choice(texts)
    number = _texts(group)[text][0] + 1
    return Question(WHICH[group[0].lang].format(text=text), str(number), "screens/which")


def _how_many(group: Sequence[Screen], rng: random.Random) -> Question | None:
    """A text that some screens show; those on several are drawn as often as those on one."""
    texts = _texts(group)
    by_count: dict[int, list[str]] = {}
    for text, there in texts.items():
        by_count.setdefault(len(there), []).append(text)
    if not by_count:
        return None
    many = rng.choice(sorted(by_count))
    text = rng.choice(by_count[many])
    return Question(HOW_MANY[group[0].lang].format(text=text), str(many), "screens/count")


def _sum(group: Sequence[Screen], rng: random.Random) -> Question | None:
    """Two numbers of different screens."""
    shown = {number: items for number, screen in enumerate(group, 1) if (items := screen.quantities())}
    if len(shown) < 2:
        return None
    first, second = rng.sample(sorted(shown), 2)
    (a, one, _), (b, other, _) = (rng.choice(shown[number]) for number in (first, second))
    words = SUM[group[0].lang].format(a=a, b=b, first=first, second=second)
    return Question(words, str(one + other), "screens/sum")


MAKERS: tuple[Callable[[Sequence[Screen], random.Random], Question | None], ...] = (_which, _how_many, _sum)
"""Every kind of question; each gives None where the screens do not fit it."""


def _texts(group: Sequence[Screen]) -> dict[str, list[int]]:
    """Texts that may be asked for, and the numbers (from 0) of the screens that show them."""
    lines = [[line[0].strip() for line in screen.lines] for screen in group]
    folded = [Counter(text.casefold() for text in texts) for texts in lines]
    whole = ["\n".join(texts).casefold() for texts in lines]
    found: dict[str, list[int]] = {}
    for text in dict.fromkeys(text for texts in lines for text in texts if _askable(text)):
        there = [number for number, texts in enumerate(folded) if texts[text.casefold()]]
        within = [number for number, texts in enumerate(whole) if text.casefold() in texts]
        alone = all(whole[number].count(text.casefold()) == folded[number][text.casefold()] for number in there)
        if there == within and alone:
            found[text] = there
    return found


def _askable(text: str) -> bool:
    return SHORTEST <= len(text) <= LONGEST and not any(char.isdigit() or char in '"“”' for char in text)


def _sample(group: Sequence[Screen], asked: Sequence[Question]) -> Sample:
    lang = group[0].lang
    parts: list[Part] = []
    for number, screen in enumerate(group, 1):
        parts += [Text(("\n" if number > 1 else "") + HEAD[lang].format(number=number)), screen.image]
    turns = []
    for number, question in enumerate(asked):
        before = () if number else (*parts, Text("\n"))
        turns += [Turn("user", (*before, Text(question.text))), Turn("assistant", (Text(question.answer),))]
    first = asked[0]
    return Sample(
        kind="long/screens",
        lang=lang,
        source="; ".join(screen.source for screen in group),
        licence=LICENCE,
        turns=tuple(turns),
        cells=tuple({"words": list(screen.words), "letters": list(screen.letters)} for screen in group),
        meta={"answer": first.answer, "verifier": "number", "template": first.template, "screens": len(group)},
    )
