"""Labels of a shown page: Chrome's accessibility tree joined to layout boxes by node id, where they can be seen

What a thing is and what it is called is what the accessibility tree says. Its box is that of the layout snapshot; where
the browser's own rectangle says otherwise, there is no label. Only what is wholly visible and on top is an element;
what is cut off or covered still counts where a name must be the only one on its screen.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lapis.data.screens.kits.tab import Seen
from lapis.data.screens.page import Box

ROLES: Mapping[str, str] = {
    "button": "button", "link": "link", "tab": "tab", "textbox": "input", "searchbox": "input", "combobox": "input",
    "spinbutton": "input", "switch": "switch", "checkbox": "checkbox", "radio": "radio", "listitem": "item",
    "heading": "heading", "image": "image", "img": "image", "menuitem": "option", "option": "option",
    "slider": "slider", "StaticText": "text", "key": "key", "day": "day", "PopUpButton": "input",
}  # fmt: skip
"""A role of the accessibility tree (or a role description of the page's own) to ours."""
STATES = frozenset({"switch", "checkbox", "radio"})
FACT = ("field", "item", "value", "unit")
"""What a page tells of a text that may be asked for, in this order."""
LONGEST = 48
"""Characters of a name that an instruction says."""
DRAWN = re.compile("[\ue000-\uf8ff]")
"""Signs of icon fonts: pictures, not text."""
AGREE = 1.0
"""CSS pixels by which two sources of a box may differ."""


@dataclass(slots=True)
class Found:
    """A node of the accessibility tree that is drawn on the screen."""

    role: str
    name: str
    number: int
    """Of its element, or of the element that its text stands in."""
    box: Box
    """CSS pixels, what is left of it."""
    whole: bool
    text: str = ""
    words: tuple[int, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)


class Join:
    """The three views of a page, by number of element."""

    def __init__(self, seen: Seen):
        self.look, self.tree, self._own = seen.look, seen.tree, seen.own
        document, self._strings = seen.snapshot["documents"][0], seen.snapshot["strings"]
        self._nodes = document["nodes"]
        self.index = {backend: at for at, backend in enumerate(self._nodes["backendNodeId"])}
        self._across, self._down = document.get("scrollOffsetX", 0), document.get("scrollOffsetY", 0)
        self._bounds = dict(zip(document["layout"]["nodeIndex"], document["layout"]["bounds"], strict=True))
        self.boxes = self.look["elements"]
        self.numbers: dict[int, int] = {}
        self.facts: dict[int, Any] = {}
        self._read_attributes()
        self.at = {number: node for node, number in self.numbers.items()}

    def _read_attributes(self) -> None:
        number, fact = (self._strings.index(name) if name in self._strings else -1 for name in ("data-n", "data-fact"))
        for node, pairs in enumerate(self._nodes["attributes"]):
            for name, value in zip(pairs[::2], pairs[1::2], strict=True):
                told = self._strings[value]
                if name == number and told.isdecimal() and int(told) < len(self.boxes):
                    self.numbers[node] = int(told)
                elif name == fact and self._own:
                    self.facts[node] = json.loads(told)

    def parents(self, node: int) -> Iterator[int]:
        """Nodes around a node, from the nearest on."""
        while (node := self._nodes["parentIndex"][node]) >= 0:
            yield node

    def number_of(self, node: int) -> int | None:
        """The number of an element, or of the element around a text."""
        return next((self.numbers[one] for one in (node, *self.parents(node)) if one in self.numbers), None)

    def bounds(self, node: int) -> Box | None:
        """The layout box, from the viewport's corner."""
        if node not in self._bounds:
            return None
        x, y, w, h = self._bounds[node]
        return x - self._across, y - self._down, w, h


def found(join: Join) -> list[Found]:
    """All nodes that are drawn and have a role of ours, whole or not, texts only where nothing else says them."""
    things = [one for node in join.tree if (one := _found(join, node))]
    owned = defaultdict(list)
    for at, number in enumerate(join.look["owners"]):
        owned[number].append(at)
    for thing in things:
        last = thing.number if thing.role in ("text", "value") else join.boxes[thing.number][6]
        thing.words = tuple(at for number in range(thing.number, last + 1) for at in owned.get(number, ()))
        thing.text = " ".join(join.look["words"][at][0] for at in thing.words)
    return _said_once(join, things)


def _found(join: Join, node: dict[str, Any]) -> Found | None:
    role = ROLES.get(_described(node) or node.get("role", {}).get("value", ""))
    name = " ".join(DRAWN.sub(" ", str(node.get("name", {}).get("value", ""))).split())
    at = join.index.get(node.get("backendDOMNodeId", -1))
    if node["ignored"] or role is None or at is None or not re.search(r"\w", name):
        return None
    return _text(join, at, name) if role == "text" else _thing(join, node, at, role, name)


def _described(node: dict[str, Any]) -> str:
    """The page's own word for a role, where it is one of ours."""
    told = next((one["value"]["value"] for one in node.get("properties", ()) if one["name"] == "roledescription"), "")
    return told if told in ("key", "day") else ""


def _thing(join: Join, node: dict[str, Any], at: int, role: str, name: str) -> Found | None:
    number = join.numbers.get(at)
    if number is None or not join.boxes[number]:
        return None
    shown, x, y, w, h, state, _ = join.boxes[number]
    whole = state == 3 and _agree(join.bounds(join.at[shown]), (x, y, w, h))
    return Found(role, name, number, (x, y, w, h), whole, data=_state(node, role, name) or _entered(node, role, name))


def _agree(layout: Box | None, seen: Box) -> bool:
    """Whether the snapshot's box is the seen one, or more than it on sides where it is cut off by little."""
    if layout is None:
        return False
    left, top = seen[0] - layout[0], seen[1] - layout[1]
    right = layout[0] + layout[2] - seen[0] - seen[2]
    bottom = layout[1] + layout[3] - seen[1] - seen[3]
    most = (max(AGREE, 0.1 * layout[2]), max(AGREE, 0.1 * layout[3]))
    return (
        min(left, top, right, bottom) >= -AGREE and left + right <= most[0] + AGREE and top + bottom <= most[1] + AGREE
    )


def _state(node: dict[str, Any], role: str, name: str) -> dict[str, Any]:
    told = {one["name"]: one["value"].get("value") for one in node.get("properties", ())}
    if role not in STATES or "checked" not in told:
        return {}
    value = "on" if str(told["checked"]) == "true" else "off"
    return {"field": "state", "item": name, "value": value, "unit": ""}


def _entered(node: dict[str, Any], role: str, name: str) -> dict[str, Any]:
    value = str(node.get("value", {}).get("value", "")) if role == "input" else ""
    plain = value and "•" not in value and "\n" not in value and len(value) <= LONGEST and value != name
    return {"field": "entry", "item": name, "value": value, "unit": ""} if plain else {}


def _text(join: Join, at: int, name: str) -> Found | None:
    """Text, in the box that the snapshot gives it; whole where every word of it is seen, inside that box."""
    number, box = join.number_of(at), join.bounds(at)
    if number is None or box is None or not join.boxes[number] or box[2] < 1 or box[3] < 1:
        return None
    words = [word for word, owner in zip(join.look["words"], join.look["owners"], strict=True) if owner == number]
    whole = number not in join.look["cut"] and bool(words) and _holds(box, _around(words))
    fact = join.facts.get(next(join.parents(at)))
    if fact is None:
        return Found("text", name, number, box, whole)
    role = "value" if isinstance(fact[2], int) else "text"
    return Found(role, name, number, box, whole, data=dict(zip(FACT, fact, strict=True)))


def _around(words: list[list[Any]]) -> Box:
    left, top = min(word[1] for word in words), min(word[2] for word in words)
    right, bottom = max(word[1] + word[3] for word in words), max(word[2] + word[4] for word in words)
    return left, top, right - left, bottom - top


def _holds(outer: Box, inner: Box) -> bool:
    """Whether a box lies in another, but for a rounding."""
    ends = (inner[0] + inner[2], inner[1] + inner[3]), (outer[0] + outer[2], outer[1] + outer[3])
    return (
        inner[0] >= outer[0] - AGREE
        and inner[1] >= outer[1] - AGREE
        and ends[0][0] <= ends[1][0] + AGREE
        and ends[0][1] <= ends[1][1] + AGREE
    )


def _said_once(join: Join, things: list[Found]) -> list[Found]:
    """Without texts that another element is made of or called: a button's, a field's label, an item's name. A heading
    gives its box up for that of its text, since it may be as wide as the page."""
    spans = [(one.number, join.boxes[one.number][6], one) for one in things if one.role not in ("text", "value")]
    named = {one.name.casefold() for one in things if one.role == "input" or one.role in STATES}
    kept = []
    for thing in things:
        around = [one for first, last, one in spans if first <= thing.number <= last] if thing.role == "text" else []
        if thing.role != "text" or not _told(thing, around, named):
            kept.append(thing)
        elif around and around[-1].role == "heading" and around[-1].name == thing.name:
            around[-1].box, around[-1].whole = thing.box, thing.whole
    return kept


def _told(text: Found, around: list[Found], named: set[str]) -> bool:
    key = text.name.casefold()
    return key in named or any(one.role != "item" or one.name.casefold() == key for one in around)
