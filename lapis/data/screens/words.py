"""The words and numbers of generated screens, with a part of both kept back from training.

A word of `words_en.txt` / `words_zh.txt` is held out when its SHA-256 says so and its characters are all known from
other words; whatever a template writes as content (names, products, places, titles, messages) is drawn from one side
only. Shared by both sides: the [ui] words and those that a template itself names (Send, Settings), because they belong
to the kind of screen. Whole numbers from 10 up are held out by their first two digits (37-43, 64-69, 86-92); smaller
ones are shared. A written time, date or version is no such number.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lapis.data.blend import perhaps

TOPICS = ("food", "goods", "nature", "animal", "place", "study", "tech", "transport", "health", "hobby", "music", "job")
ONE_IN = {"en": 5, "zh": 3}
"""One word in so many is drawn to be held out; of the Chinese ones many fall away, because of a character."""
BLENDED = 0.5
"""Share of training's content words that are made up of two of a topic (blend.py)."""
HELD_LEADS = frozenset([*range(37, 44), *range(64, 70), *range(86, 93)])

MESSAGES = {
    "en": (
        "Meet at the {place}", "Bring the {goods}", "Do you like {food}?", "Lunch is {food}", "See you in {city}",
        "Where is my {goods}?", "The {animal} is asleep", "No {food} today", "Time to {act}", "Call {given} at {time}",
        "{given} is at the {place}", "Found the {goods}!", "Your {study} is ready", "{given} likes {hobby}",
        "Fix the {tech} now", "Take the {transport}", "I play {music} now", "A {quality} day in {city}",
        "We need {food} and {food}", "The {job} comes at {time}", "My {health} is fine",
        "Saw a {animal} by the {nature}", "Leave the {goods} at the {place}", "Is {given} from {country}?",
        "Please {act} and {act}", "New {tech}, {quality}!",
    ),
    "zh": (
        "在{place}见", "带上{goods}", "你喜欢{food}吗", "午饭吃{food}", "{city}见吧", "我的{goods}呢", "{animal}睡着了",
        "今天没有{food}", "该去{act}了", "{time}打给{given}", "{given}在{place}", "{goods}找到了", "你的{study}好了",
        "{given}爱好{hobby}", "先修{tech}", "坐{transport}去", "我在听{music}", "{quality}的{city}", "买{food}和{food}",
        "{job}{time}到", "{health}没事", "看到{animal}了", "{goods}放在{place}", "{given}来自{country}吗",
        "一起去{act}吧", "新{tech}很{quality}",
    ),
}  # fmt: skip


@cache
def pool(lang: str, topic: str, held: bool, han: int = 0) -> tuple[str, ...]:
    """The words of one topic on one side of the split, compounds of both left out; [ui] words are on both.

    `han` is how many Chinese characters words may be written with, the commonest first (0: all).
    """
    words = _written(lang, han)[topic]
    return words if topic == "ui" else tuple(word for word in words if _sides(lang, word, han) == {held})


@cache
def characters(lang: str, han: int = 0) -> str:
    """Every character that screens of either side may show (letters, digits and marks are not named for Chinese)."""
    texts = [*MESSAGES[lang], *(word for topic in _written(lang, han).values() for word in topic)]
    return "".join(sorted({one for text in texts for one in text if lang == "en" or not one.isascii()}))


def _sides(lang: str, word: str, han: int) -> set[bool | None]:
    """The sides that a word and, in a compound, its parts fall on; an interface word falls on neither."""
    if word.casefold() in {shared.casefold() for shared in _read(lang)["ui"]}:
        return {None}
    return {held_word(lang, part, han) for part in (word, *word.split())}


def held_word(lang: str, word: str, han: int = 0) -> bool:
    """Whether a word is kept from training: by hash, where other words show each of its characters."""
    return _drawn(lang, word) and set(word.casefold()) <= _shown(lang, han)


def _drawn(lang: str, word: str) -> bool:
    return hashlib.sha256(f"{lang}:{word.casefold()}".encode()).digest()[0] % ONE_IN[lang] == 0


@cache
def _shown(lang: str, han: int) -> frozenset[str]:
    """The characters of all words that are not drawn: a Chinese character that no screen shows cannot be read."""
    words = (word.casefold() for topic in _written(lang, han).values() for word in topic)
    return frozenset(character for word in words if not _drawn(lang, word) for character in word)


def held_number(number: int) -> bool:
    """Whether a whole number is kept from training, by its first two digits."""
    return number >= 10 and int(str(number)[:2]) in HELD_LEADS


@cache
def _written(lang: str, han: int) -> dict[str, tuple[str, ...]]:
    """The words of each topic that `han` Chinese characters can write; what the templates share comes first."""
    topics = _read(lang)
    if lang != "zh" or not han:
        return topics
    shared = {one for text in (*MESSAGES[lang], *topics["ui"]) for one in text}
    counts = Counter(one for words in topics.values() for word in words for one in set(word))
    known = set(sorted(counts, key=lambda one: (one not in shared, -counts[one], one))[:han])
    return {topic: tuple(word for word in words if set(word) <= known) for topic, words in topics.items()}


@cache
def _read(lang: str) -> dict[str, tuple[str, ...]]:
    topics: dict[str, list[str]] = {}
    words: list[str] = []
    for line in (Path(__file__).parent / f"words_{lang}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            words = topics[line.strip("[]")] = []
        elif not line.startswith("#"):
            words += [word.replace("_", " ") for word in line.split()]
    return {topic: tuple(found) for topic, found in topics.items()}


class Words:
    """Draws the words of one screen. No content word comes twice, so that most names are unique on their screen."""

    def __init__(self, rng: random.Random, lang: str, held: bool, han: int = 0):
        self.rng, self.lang, self.held, self.han = rng, lang, held, han
        self.content: set[str] = set()
        """Every content word drawn so far, as shown."""
        self._case = rng.choices(["capital", "title", "upper", "lower"], [6, 2, 1, 1])[0]
        self._used: set[str] = set()

    def ui(self, en: str, zh: str) -> str:
        """A word that the template itself names."""
        word = zh if self.lang == "zh" else en
        self._used.add(word.casefold())
        return self._show(word)

    def stock(self) -> str:
        """Any interface word."""
        return self._show(self._unused("ui"))

    def pick(self, *topics: str) -> str:
        """A content word of one of the topics."""
        return self._content(self._show(self._unused(self.rng.choice(topics))))

    def thing(self) -> str:
        """A content word of any everyday topic."""
        return self.pick(*TOPICS)

    def person(self) -> str:
        given = self._unused("given")
        if self.lang == "zh":
            return self._content(self._unused("surname", reuse=True) + given)
        return self._content(f"{given} {self._unused('surname')}" if self.rng.random() < 0.35 else given)

    def title(self) -> str:
        """A made-up title of a song, list, post or product."""
        first, second = self._unused("quality"), self._unused(self.rng.choice(("nature", "animal", "music", "goods")))
        joined = f"{first}{self.rng.choice(('', '的'))}{second}" if self.lang == "zh" else f"{first} {second}"
        return self._content(self._show(joined))

    def message(self) -> str:
        """A short sentence with content words in it."""
        frame = self.rng.choice(MESSAGES[self.lang])
        filled = frame
        while "{" in filled:
            topic = filled[filled.index("{") + 1 : filled.index("}")]
            word = self.time() if topic == "time" else self._content(self._unused(topic))
            filled = filled.replace(f"{{{topic}}}", word, 1)
        return filled

    def number(self, low: int, high: int) -> int:
        """A whole number of this side of the split in [low, high]; any, where the range holds none."""
        fitting = [number for number in range(low, high + 1) if held_number(number) == self.held]
        return self.rng.choice(fitting or range(low, high + 1))

    def numbers(self, count: int, low: int, high: int) -> list[int]:
        return [self.number(low, high) for _ in range(count)]

    def time(self) -> str:
        return f"{self.rng.randrange(24)}:{self.rng.randrange(60):02d}"

    def code(self) -> str:
        """Letters and digits, as on tickets."""
        return "".join(self.rng.choices("ABCDEFGHKLMNPRSTUVWXYZ", k=2)) + str(self.number(10, 999))

    def _unused(self, topic: str, reuse: bool = False) -> str:
        words = pool(self.lang, topic, self.held, self.han)
        fresh = [word for word in words if word.casefold() not in self._used]
        word = self.rng.choice(words if reuse else fresh or words)
        if topic != "ui":
            word = self.made_up(word, words)
        self._used.add(word.casefold())
        return word

    def made_up(self, word: str, words: Sequence[str]) -> str:
        """In training, the word itself or a blend, unless that is kept back or already on the screen."""
        if self.held:
            return word
        made = perhaps(word, words, BLENDED, self.rng)
        known = _sides(self.lang, made, self.han) != {False} or made.casefold() in self._used
        return word if known else made

    def _content(self, shown: str) -> str:
        self.content.add(shown)
        return shown

    def _show(self, word: str) -> str:
        if self._case == "capital":
            return word[:1].upper() + word[1:]
        return {"title": word.title(), "upper": word.upper(), "lower": word}[self._case]
