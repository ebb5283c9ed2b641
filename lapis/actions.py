"""The family's actions on a screen: as values, as the JSON that a model writes, as a schema, and as OpenAI's tools.

Names and the scale of coordinates (0-1000 across and down) are the family's; what each action holds, and in which order
it is written, is ours, because neither was published. `target` is what a coordinate points at, as it is written on the
screen: whoever names it first need not point from nothing. The form is compact JSON, one line:

    {"action":"click","target":"Save","coordinate":[812,64]}
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

from lapis.types import InputError

Point = tuple[int, int]
"""x and y in thousandths of the screen."""
SCALE = 1000
BUTTONS = ("back", "home", "menu", "enter")
ENDS = ("success", "failure")
LONGEST_WAIT = 60
"""Seconds."""
LONGEST = 48
"""Characters of a string that the schema lets a model write: with it the longest action has an end."""
MOST_TOKENS = 2 * 6 * LONGEST + 120
"""Tokens that the longest action can take: two strings whose every character is spelled in six, and the rest."""
LONGEST_TEXT = 20_000
"""Characters of an action that are read at all: clients may type more than a model of ours writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Start an app by its name."""

    name: ClassVar[str] = "open"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """Tap a place."""

    name: ClassVar[str] = "click"
    target: str = ""
    coordinate: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleClick:
    """Tap a place twice."""

    name: ClassVar[str] = "double_click"
    target: str = ""
    coordinate: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class LongPress:
    """Hold a place down."""

    name: ClassVar[str] = "long_press"
    target: str = ""
    coordinate: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Type:
    """Type text: into the field at the coordinate, which is tapped and emptied first, or else where the caret is."""

    name: ClassVar[str] = "type"
    target: str = ""
    coordinate: Point | None = None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swipe:
    """Move a finger from one place to another: what lies below comes up where it goes up."""

    name: ClassVar[str] = "swipe"
    coordinate: Point
    coordinate2: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Drag:
    """Take what is at one place to another."""

    name: ClassVar[str] = "drag"
    target: str = ""
    coordinate: Point
    coordinate2: Point


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemButton:
    """Press a button of the device."""

    name: ClassVar[str] = "system_button"
    button: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Wait for the screen to change."""

    name: ClassVar[str] = "wait"
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminate:
    """End: the goal is reached, or cannot be."""

    name: ClassVar[str] = "terminate"
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeNotes:
    """Keep a text for later steps."""

    name: ClassVar[str] = "take_notes"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Tell the user what was asked."""

    name: ClassVar[str] = "answer"
    text: str


Action = (
    Open | Click | DoubleClick | LongPress | Type | Swipe | Drag | SystemButton | Wait | Terminate | TakeNotes | Answer
)
KINDS: dict[str, type[Action]] = {kind.name: kind for kind in get_args(Action)}
"""Every action by its name."""
_AXIS = {"type": "integer", "minimum": 0, "maximum": SCALE}
_POINT = {"type": "array", "items": _AXIS, "minItems": 2, "maxItems": 2}
FORMS: dict[str, dict[str, Any]] = {
    "target": {"type": "string", "description": "what is at the coordinate, as the screen names it"},
    "coordinate": {**_POINT, "description": "x and y in thousandths of the screen"},
    "coordinate2": {**_POINT, "description": "where it ends, x and y in thousandths of the screen"},
    "text": {"type": "string", "minLength": 1},
    "button": {"type": "string", "enum": list(BUTTONS)},
    "seconds": {"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT},
    "status": {"type": "string", "enum": list(ENDS)},
}
"""JSON schema of each field."""


def prompt(goal: str) -> str:
    """What a model is asked beside the screenshot, in training and at work alike."""
    return f"{goal.strip()}\nNext action as JSON:"


def write(action: Action) -> str:
    """An action in the form that models are trained on and `parse` reads."""
    return json.dumps({"action": action.name, **arguments(action)}, ensure_ascii=False, separators=(",", ":"))


def arguments(action: Action) -> dict[str, Any]:
    """The fields of an action, those left out that are at their defaults, ready for JSON."""
    fields = ((field, getattr(action, field.name)) for field in dataclasses.fields(action))
    return {
        field.name: list(value) if isinstance(value, tuple) else value
        for field, value in fields
        if value != field.default
    }


def parse(text: str) -> Action:
    """The action that a text is, and nothing else. Raises InputError naming the field and what was expected."""
    if len(text) > LONGEST_TEXT:
        raise InputError(f"action: {len(text)} characters, expected at most {LONGEST_TEXT}")
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise InputError(f"action: no JSON ({error}): {text[:80]!r}") from None
    if not isinstance(found, dict):
        raise InputError(f"action: expected a JSON object, got {text[:80]!r}")
    return of(found.pop("action", None), found)


def of(name: object, given: Mapping[str, Any]) -> Action:
    """An action from its name and its fields, as a tool call has them. Raises InputError as `parse` does."""
    if not isinstance(name, str) or name not in KINDS:
        raise InputError(f"action: expected one of {', '.join(KINDS)}, got {name!r}")
    fields = {field.name: field.default for field in dataclasses.fields(KINDS[name])}
    for field in given:
        if field not in fields:
            raise InputError(f"{name}.{field}: no such field; there are {', '.join(fields)}")
    for field, default in fields.items():
        if default is dataclasses.MISSING and field not in given:
            raise InputError(f"{name}.{field}: missing")
    return KINDS[name](**{field: _value(f"{name}.{field}", FORMS[field], value) for field, value in given.items()})


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _value(place: str, form: Mapping[str, Any], value: object) -> Any:
    """A field's value, points as tuples, checked against its form."""
    if form["type"] == "array":
        if not isinstance(value, list) or len(value) != 2 or not all(_whole(part, 0, SCALE) for part in value):
            raise InputError(f"{place}: expected [x, y], two whole numbers in 0-{SCALE}, got {value!r}")
        return tuple(value)
    if form["type"] == "integer":
        if not _whole(value, form["minimum"], form["maximum"]):
            raise InputError(f"{place}: expected a whole number in {form['minimum']}-{form['maximum']}, got {value!r}")
    elif not _worded(value, form):
        expected = f"one of {', '.join(form['enum'])}" if "enum" in form else "a text"
        raise InputError(f"{place}: expected {expected}, got {value!r}")
    return value


def _worded(value: object, form: Mapping[str, Any]) -> bool:
    """Whether a value is a text of the form, of whole characters: JSON can spell halves of one."""
    if not isinstance(value, str) or any("\ud800" <= one <= "\udfff" for one in value):
        return False
    return value in form.get("enum", (value,)) and len(value) >= form.get("minLength", 0)


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def schema(longest: int | None = LONGEST) -> dict[str, Any]:
    """JSON schema of one action, fields in the order in which they are written.

    `longest` is the most characters of a string; None sets no limit. The extra key is llguidance's: no white space
    between tokens, since a writer that may go on with spaces may never end.
    """
    forms = [_object(kind, {"action": {"const": name}}, longest) for name, kind in KINDS.items()]
    return {"x-guidance": {"whitespace_flexible": False}, "anyOf": forms}


def tools() -> list[dict[str, Any]]:
    """The actions as OpenAI's function tools; `of(name, arguments)` is the way back."""
    return [
        {
            "type": "function",
            "function": {"name": name, "description": kind.__doc__, "parameters": _object(kind, {}, None)},
        }
        for name, kind in KINDS.items()
    ]


def _object(kind: type[Action], first: dict[str, Any], longest: int | None) -> dict[str, Any]:
    fields = dataclasses.fields(kind)
    needed = [*first, *(field.name for field in fields if field.default is dataclasses.MISSING)]
    return {
        "type": "object",
        "properties": first | {field.name: _limited(FORMS[field.name], longest) for field in fields},
        "required": needed,
        "additionalProperties": False,
    }


def _limited(form: dict[str, Any], longest: int | None) -> dict[str, Any]:
    free = form["type"] == "string" and "enum" not in form
    return {**form, "maxLength": longest} if free and longest else form
