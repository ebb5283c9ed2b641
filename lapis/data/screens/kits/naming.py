"""What found things may be called, so that an instruction names exactly one: alone, by their row, or by number

`unique` is a name that no other thing and no other text of the picture has, those that are cut off or covered included.
A switch is called by the text in its row; of buttons with one name each is that of its row, and one of several in
reading order (`data["of"]`, `data["nth"]` of `data["same"]`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from lapis.data.screens.kits.labels import AGREE, STATES, Found, Join
from lapis.data.screens.page import TOLD, Box, Element, Legible, Word, alone

LONGEST = 48
"""Characters of a name that an instruction says."""
MOST_ALIKE = 6
"""Most things of one name that are told apart by their number."""
UNRELATED = frozenset({"text", "value", "item", "heading", "image"})
"""Roles that nobody calls by their row."""
LEVELS = 6
"""How far up a thing's row is looked for."""


def elements(join: Join, things: Sequence[Found], scale: float, content: frozenset[str]) -> tuple[Element, ...]:
    """The wholly visible things as elements; boxes in pixels. `content` are held-out words."""
    read = Legible([line[0] for line in join.look["lines"]])
    _rename_states(join, things, read)
    for thing in things:
        if thing.role == "button" and not thing.text and not _half_read(join, thing):
            thing.role = "icon"
    written = {one.name.casefold() for one in things if _written(one, read) and _sayable(one.name)}
    unique = written & alone(((one.role, one.name) for one in things), shown_lines(join), read)
    _relate(join, things, unique, read)
    _number(join, things, read)
    words = [scaled_word(word, scale) for word in join.look["words"]]
    return tuple(_element(one, scale, words, unique, content) for one in things if one.whole)


def _written(thing: Found, read: Legible) -> bool:
    """Whether its name stands in it, or alone somewhere else: "Search" in "Search results" is no field's label."""
    inside = "".join(thing.name.split()).casefold() in "".join(thing.text.split()).casefold()
    return thing.role in TOLD or inside or read.stands(thing.name)


def _half_read(join: Join, thing: Found) -> bool:
    """Whether text stands in it that is cut off or covered: then it is no drawing."""
    return any(thing.number <= number <= join.boxes[thing.number][6] for number in join.look["cut"])


def shown_lines(join: Join) -> list[str]:
    """Every line of text, those seen in part included."""
    return [line[0].strip() for line in join.look["lines"]] + [text.strip() for text in join.look["behind"]]


def scaled(box: Sequence[float], scale: float) -> Box:
    """A box in pixels of the picture."""
    x, y, w, h = (round(end * scale, 2) for end in box)
    return x, y, w, h


def scaled_word(word: Sequence[object], scale: float) -> Word:
    """A word or line with its box in pixels."""
    text, x, y, w, h = word
    return str(text), *scaled((float(str(x)), float(str(y)), float(str(w)), float(str(h))), scale)


def _sayable(name: str) -> bool:
    return len(name) <= LONGEST and re.search(r"\w", name) is not None


def _element(thing: Found, scale: float, words: Sequence[Word], unique: set[str], content: frozenset[str]) -> Element:
    return Element(
        role=thing.role,
        name=thing.name,
        text=thing.text,
        box=scaled(thing.box, scale),
        words=tuple(words[at] for at in thing.words),
        unique=thing.name.casefold() in unique,
        data={"held_word": any(word in thing.name for word in content), **thing.data},
    )


def _rename_states(join: Join, things: Sequence[Found], read: Legible) -> None:
    """A switch or box whose name is written beside it is that of the text; written in it, or nowhere, it keeps it."""
    lines = Counter(line.casefold() for line in shown_lines(join))
    for thing in things:
        key = thing.name.casefold()
        if thing.role in STATES and lines[key] and key not in thing.text.casefold():
            if lines[key] == 1 and key in read:
                thing.data["of"] = thing.name
            thing.name = ""


def _relate(join: Join, things: Sequence[Found], unique: set[str], read: Legible) -> None:
    """Say what things of one name belong to, and what has none."""
    for thing in things:
        told = not thing.name or thing.role in TOLD or thing.name in read
        vague = told and thing.role not in UNRELATED and thing.name.casefold() not in unique
        if vague and "of" not in thing.data and (of := _holder(join, things, thing, unique)):
            thing.data["of"] = of


def _holder(join: Join, things: Sequence[Found], thing: Found, unique: set[str]) -> str:
    """The unique name of the nearest row, or the first text beside it, that this thing is alone of its kind in; none
    of a row that is cut off, whose first text may be gone."""
    for node in list(join.parents(join.at[thing.number]))[:LEVELS]:
        number = join.numbers.get(node)
        if number is None or not join.boxes[number]:
            continue
        inside = [one for one in things if number <= one.number <= join.boxes[number][6]]
        if sum(one.role == thing.role and thing.name in ("", one.name) for one in inside) > 1:
            return ""
        names = [one.name for one in inside if one is not thing and one.role in ("item", "text", "heading")]
        worded = [name for name in names if re.search(r"[^\W\d_]{2}", name)]
        if worded:
            return worded[0] if worded[0].casefold() in unique and _uncut(join, node) else ""
    return ""


def _uncut(join: Join, node: int) -> bool:
    """Whether a box is seen in its full size."""
    full, (_, _, _, width, height, _, _) = join.bounds(node), join.boxes[join.numbers[node]]
    return full is not None and full[2] <= width + AGREE and full[3] <= height + AGREE


def _number(join: Join, things: Sequence[Found], read: Legible) -> None:
    """Number things of one role and name in reading order, where all that is called so is seen and stands clearly one
    after the other, and where the name can be read or a drawing stands for it."""
    lines = Counter(line.casefold() for line in shown_lines(join))
    groups: dict[str, list[Found]] = {}
    for thing in things:
        groups.setdefault(thing.name.casefold(), []).append(thing)
    for name, group in groups.items():
        roles = {one.role for one in group}
        if not name or len(roles) > 1 or roles & {"text", "value", "item"} or lines[name] > len(group):
            continue
        if not (roles <= TOLD or name in read):
            continue
        if 2 <= len(group) <= MOST_ALIKE and all(one.whole for one in group):
            ordered = sorted(group, key=lambda one: (round(one.box[1]), one.box[0]))
            if all(_after(*pair) for pair in zip(ordered, ordered[1:], strict=False)):
                for number, thing in enumerate(ordered, 1):
                    thing.data |= {"nth": number, "same": len(group)}


def _after(one: Found, other: Found) -> bool:
    """Whether a thing stands in a later row, or to the right in the same one."""
    below = other.box[1] >= one.box[1] + one.box[3] / 2
    level = abs(other.box[1] - one.box[1]) < 2 and other.box[0] > one.box[0]
    return below or level
