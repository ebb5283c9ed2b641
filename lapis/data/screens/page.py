"""What a rendered screen is: its picture, its visible elements and every word on it with its place.

Boxes are (x, y, width, height) in pixels of the picture, from its top left corner. Only what can be seen is here:
elements and words that are hidden, covered, or cut off by more than a tenth are left out by `measure.js`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from lapis.types import Image

Box = tuple[float, float, float, float]
Word = tuple[str, float, float, float, float]
"""Text, then its box."""

LICENCE = "Apache-2.0"
TOLD = frozenset({"icon"})
"""Roles whose name is what a drawing stands for: it is written nowhere. A picture is none: nobody can tell from looking
what its `alt` calls it."""


@dataclass(frozen=True, slots=True)
class Element:
    """Something on a screen that can be named, found or tapped."""

    role: str
    """button, icon, link, tab, input, switch, checkbox, radio, item, value, text, heading, image, key or day."""
    name: str
    """What it is called: its own text, or for icons and pictures the word that a screen reader would say."""
    text: str
    """All text drawn inside it (empty for icons)."""
    box: Box
    words: tuple[Word, ...]
    unique: bool
    """No other visible element, and no other text, has this name (case ignored), and it can be read."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """`held_word` (bool: the name holds a word that training never shows), `of` (the item that a switch, button or box
    belongs to, if any), and for a shown fact `field`, `item`, `value` (int or str), `unit` ("" if none)."""

    @property
    def spot(self) -> Box:
        """Where its name is written in it; all of it where it is not.

        Answers point at its middle (ours): whoever has found the name need not work out how far the element reaches.
        """
        wanted = "".join(self.name.split()).casefold()
        for first, last in combinations(range(len(self.words) + 1), 2):
            run = self.words[first:last]
            if "".join("".join(word[0].split()) for word in run).casefold() == wanted:
                found = _around(run)
                return found if within(found, self.box) else self.box
        return self.box


def _around(words: Sequence[Word]) -> Box:
    left, top = min(word[1] for word in words), min(word[2] for word in words)
    right, bottom = max(word[1] + word[3] for word in words), max(word[2] + word[4] for word in words)
    return left, top, right - left, bottom - top


MOST_WRAPPED = 3
"""Lines that a name goes over at most."""


class Legible:
    """The names that can be read in whole lines: as such, over several of them, or as whole words of one."""

    def __init__(self, lines: Sequence[str]):
        self._text = "\n".join(lines).casefold()
        bare = ["".join(line.split()).casefold() for line in lines]
        spans = [(at, more) for at in range(len(bare)) for more in range(1, MOST_WRAPPED + 1)]
        self._runs = {"".join(bare[at : at + more]) for at, more in spans}
        self._plain = {_unmarked(run) for run in self._runs}

    def stands(self, name: str) -> bool:
        """Whether whole lines say it, and nothing else but marks such as a star or a colon."""
        return _unmarked(name.casefold()) in self._plain

    def __contains__(self, name: str) -> bool:
        key = name.strip().casefold()
        if not key or "".join(key.split()) in self._runs:
            return bool(key)
        return key in self._text and re.search(rf"(?<![a-z0-9]){re.escape(key)}(?![a-z0-9])", self._text) is not None


def _unmarked(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def alone(things: Iterable[tuple[str, str]], shown: Iterable[str], read: Legible) -> set[str]:
    """Names in small letters that one thing of (role, name) alone has, that no second line shown says, and that can be
    read unless a drawing stands for them."""
    called = [(role, name.casefold()) for role, name in things]
    names, lines = Counter(name for _, name in called), Counter(line.casefold() for line in shown)
    return {
        name
        for role, name in called
        if name and names[name] == 1 and lines[name] <= 1 and (role in TOLD or name in read)
    }


def _level(box: Box, value: Box, name: Box) -> bool:
    """Whether a box stands as high as a value or its name, or between them, or a line above or below."""
    top, bottom = min(value[1], name[1]) - value[3], max(value[1] + value[3], name[1] + name[3]) + value[3]
    return top <= box[1] + box[3] / 2 <= bottom


def within(inner: Box, outer: Box) -> bool:
    """Whether a box's middle lies in another."""
    x, y = inner[0] + inner[2] / 2, inner[1] + inner[3] / 2
    return outer[0] <= x <= outer[0] + outer[2] and outer[1] <= y <= outer[1] + outer[3]


@dataclass(frozen=True, slots=True)
class Screen:
    """One rendered screen."""

    image: Image
    """PNG."""
    elements: tuple[Element, ...]
    template: str
    lang: str
    """en or zh."""
    device: str
    """Layout style: phone (one column, bars, tabs) or desktop (sidebar, toolbar)."""
    seed: int
    """Seed of the rendering run."""
    split: str
    """train, seen (trained templates, held-out words and numbers) or unseen (other templates as well)."""
    index: int = 0
    """Number of the screen in its run."""
    difficulty: float = 0.0
    """0 is large and plain, 1 is small and crowded."""
    dark: bool = False
    words: tuple[Word, ...] = ()
    """Every visible word; Chinese in runs of up to six characters."""
    letters: tuple[tuple[float, ...], ...] = ()
    """Right edge of each character of each of `words`, in pixels; empty where all are equally wide."""
    lines: tuple[Word, ...] = ()
    """Every visible line of text, in document order."""
    partial: frozenset[str] = frozenset()
    """Roles of which some element is not wholly visible, so that nobody counts them."""
    behind: tuple[str, ...] = ()
    """Texts and names of elements that are cut off or covered: nobody says that they are not there."""
    torn: tuple[Word, ...] = ()
    """Lines of which a part can be read: what lists the lines around them is not all that is written there."""
    over: str = ""
    """Where a dialogue lies over the rest: alone if all `lines` are its own, else among. The dimmed rest can be read
    but is not in `lines`."""
    spare: tuple[int, int] | None = None
    """CSS pixels by which the page can be scrolled up and down; None where nobody knows."""

    @property
    def source(self) -> str:
        return f"lapis:screens/{self.template}/{self.seed}-{self.split}-{self.index}"

    @property
    def texts(self) -> str:
        """All that can be read or is called something, in small letters and without spaces."""
        found = [*(line[0] for line in self.lines), *(one.name for one in self.elements), *self.behind]
        return "\n".join("".join(text.split()) for text in found).casefold()

    def missing(self, words: Sequence[str]) -> list[str]:
        """Those words that are not on the screen, not even spelled with or without a space."""
        shown = self.texts
        return [word for word in words if "".join(word.split()).casefold() not in shown]

    def legible(self) -> Legible:
        """The names that can be read on it."""
        return Legible([line[0] for line in self.lines])

    def quantities(self) -> list[tuple[str, int, str]]:
        """(item, value, unit) of the largest group of shown whole numbers of one kind, in screen order.

        Empty where fewer than two such items are visible, where the name of one cannot be read, and where some of them
        show a second number: "the number of tea" would be two. An item named twice is left out.
        """
        groups = self._groups()
        largest = self._largest(groups)
        named, read = {name for name, _, _ in largest}, self.legible()
        others = {name for group in groups.values() if group is not largest for name, _, _ in group}
        if named & (others | self._entered()) or not all(name in read for name in named):
            return []
        times = Counter(name for name, _, _ in largest)
        items = [entry for entry in largest if times[entry[0]] == 1]
        return items if len(items) > 1 else []

    def _entered(self) -> set[str]:
        """What a number is entered for."""
        facts = [element.data for element in self.elements if element.data.get("field") == "entry"]
        return {fact["item"] for fact in facts if isinstance(fact["value"], str) and fact["value"].isdigit()}

    def quantity(self) -> str:
        """What the `quantities` are: price, count or another field of a fact."""
        groups = self._groups()
        return max(groups, key=lambda kind: len(groups[kind]), default=("", ""))[0]

    def mixed(self) -> bool:
        """Whether it shows digits beside its `quantities`: then nobody asks for the lowest, the sum or a list of all: a
        date, a time or a code may be a number to one reader and none to another."""
        groups = self._groups()
        lines = sum(re.search(r"\d", line[0]) is not None for line in (*self.lines, *self.torn))
        return len(groups) > 1 or max(lines, len(self._largest(groups))) > len(self.quantities())

    def clear(self) -> set[str]:
        """Items of the `quantities` with no other digits beside them, so that each has one number."""
        counted = [element for element in self.elements if isinstance(element.data.get("value"), int)]
        named = {element.name: element.spot for element in self.elements}
        digits = [line[1:] for line in (*self.lines, *self.torn) if re.search(r"\d", line[0])]
        others = [box for box in digits if not any(within(box, element.box) for element in counted)]
        bands = {
            element.data["item"]: (element.box, named.get(element.data["item"], element.box)) for element in counted
        }
        return {item for item, _, _ in self.quantities() if not any(_level(box, *bands[item]) for box in others)}

    def _groups(self) -> dict[tuple[str, str], list[tuple[str, int, str]]]:
        """(item, value, unit) of shown whole numbers by field and unit."""
        groups: dict[tuple[str, str], list[tuple[str, int, str]]] = defaultdict(list)
        for fact in (element.data for element in self.elements):
            if isinstance(fact.get("value"), int):
                groups[fact["field"], fact["unit"]].append((fact["item"], fact["value"], fact["unit"]))
        return groups

    @staticmethod
    def _largest(groups: Mapping[Any, list[tuple[str, int, str]]]) -> list[tuple[str, int, str]]:
        return max(groups.values(), key=len, default=[])

    def item_boxes(self) -> dict[str, Box]:
        """Box in thousandths of each item of the `quantities`: where its name is written in the one element that has
        it, else of its number."""
        counted = [element for element in self.elements if isinstance(element.data.get("value"), int)]
        boxes = {element.data["item"]: element.box for element in counted}
        boxes |= {element.name: element.spot for element in self.elements if element.unique}
        return {name: self.thousandths(boxes[name]) for name, _, _ in self.quantities()}

    def value_boxes(self) -> dict[str, Box]:
        """Box in thousandths of the digits of each of the `quantities`' numbers that is shown once, by its text."""
        facts = [element for element in self.elements if "value" in element.data]
        times = Counter(str(element.data["value"]) for element in facts)
        wanted = {str(value) for _, value, _ in self.quantities()}
        shown = {str(element.data["value"]): element for element in facts}
        return {
            text: self.thousandths(self._digits(text, element))
            for text, element in shown.items()
            if text in wanted and times[text] == 1
        }

    def _digits(self, text: str, element: Element) -> Box:
        """Where an element shows a number: without its unit and the empty space around it; else the whole element."""
        for word in element.words:
            found = re.search(rf"(?<!\d){text}(?!\d)", word[0])
            edges = self.letters[self.words.index(word)] if self.letters and word in self.words else ()
            if found and edges:
                left, right = (word[1], *edges)[found.start()], edges[found.end() - 1]
                return left, word[2], right - left, word[4]
            if found:
                return word[1:]
        return element.box

    def thousandths(self, box: Box) -> Box:
        """A pixel box in thousandths of the picture's width and height."""
        x, y, w, h = box
        across, down = 1000 / self.image.width, 1000 / self.image.height
        return x * across, y * down, w * across, h * down
